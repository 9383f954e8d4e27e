//! A pack beside an index that is not its own: an older or newer one, of another history, of another
//! pack; and indexes that are half built.

use std::fs;
use std::path::{Path, PathBuf};

use packhold::index::{Checkpoint, Index, Place, Prefix};
use packhold::store::{Access, Options, Store, StoreError, index_path};

use crate::support::client::{Client, Clock, options};
use crate::support::noise::noise;

/// A pack and its index, closed.
#[derive(Clone)]
struct Files {
    pack: Vec<u8>,
    index: Vec<u8>,
}

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn pack(&self) -> PathBuf {
        self.dir.path().join("s.pack")
    }

    fn put(&self, files: &Files) {
        fs::write(self.pack(), &files.pack).unwrap();
        fs::write(index_path(&self.pack()), &files.index).unwrap();
    }

    fn files(&self) -> Files {
        Files {
            pack: fs::read(self.pack()).unwrap(),
            index: fs::read(index_path(&self.pack())).unwrap(),
        }
    }

    fn open(&self, options: Options) -> Result<Client, StoreError> {
        Store::open(&self.pack(), options).map(|store| Client { store })
    }

    /// Goes on with a store: puts these files, closes it.
    fn after(&self, files: Option<&Files>, puts: &[(&str, u64, usize)]) -> Files {
        if let Some(files) = files {
            self.put(files);
        }
        let client = self.open(options(&Clock::at(1_000))).unwrap();
        for (path, seed, len) in puts {
            client.put(path, &noise(*seed, *len));
        }
        client.store.close();
        drop(client);
        self.files()
    }
}

fn accepting() -> Options {
    Options {
        accept_rollback: true,
        ..options(&Clock::at(1_000))
    }
}

// Two copies of a store were both written to, and the index of one comes to lie beside the pack of the
// other. It names a commit that this pack does not have: what was acknowledged there is missing here.
// To build the index anew in silence would hide that; however the lengths compare, it takes a decision.
#[test]
fn the_index_of_another_history_is_refused_until_that_is_accepted() {
    let bench = Bench::new();
    let both = bench.after(None, &[("/both", 1, 30_000)]);
    // One chunk, so that another of the same length takes as much of the pack.
    let ours = bench.after(Some(&both), &[("/ours", 2, 200)]);
    for (what, seed, len) in [
        ("shorter", 3, 100),
        ("of the same length", 4, 200),
        ("longer", 5, 90_000),
    ] {
        let theirs = bench.after(Some(&both), &[("/ours", seed, len)]);
        let order = theirs.pack.len().cmp(&ours.pack.len());
        assert_eq!(order, len.cmp(&200), "{what}");
        let mixed = Files {
            pack: ours.pack.clone(),
            index: theirs.index,
        };
        bench.put(&mixed);
        for rebuild in [false, true] {
            for access in [Access::ReadWrite, Access::ReadOnly] {
                let options = Options {
                    rebuild,
                    access,
                    ..options(&Clock::at(1_000))
                };
                let Err(error) = bench.open(options) else {
                    panic!("{what}: it opened");
                };
                let is_right = match error {
                    StoreError::Rollback { .. } => len > 200,
                    StoreError::OtherHistory { indexed } => indexed == theirs.pack.len() as u64,
                    _ => false,
                };
                assert!(is_right && error.is_damage(), "{what}: {error}");
                assert!(error.to_string().contains("--accept-rollback"), "{error}");
                assert_eq!(fs::read(bench.pack()).unwrap(), ours.pack, "{what}");
            }
        }
        let client = bench.open(accepting()).unwrap();
        assert!(client.store.open_report().rebuilt, "{what}");
        for (path, seed, len) in [("/both", 1, 30_000), ("/ours", 2, 200)] {
            assert_eq!(client.get(path).unwrap(), noise(seed, len), "{what}");
        }
        client.assert_clean();
        client.store.close();
        drop(client);
        // Once is enough.
        let client = bench.open(options(&Clock::at(1_000))).unwrap();
        assert!(!client.store.open_report().rebuilt, "{what}");
    }
    bench.put(&ours);
    let client = bench.open(options(&Clock::at(1_000))).unwrap();
    assert!(!client.store.open_report().rebuilt, "its own index fits");
}

// The commit that the index names is damaged, and others behind it prove that it was there. That is no
// other history: it is damage, the store opens for reading, and all that is readable is read.
#[test]
fn a_damaged_commit_is_not_taken_for_another_history() {
    let bench = Bench::new();
    let early = bench.after(None, &[("/early", 1, 30_000)]);
    let mut late = bench.after(None, &[("/late", 2, 30_000)]);
    let named = checkpoint(&index_of(&bench, &early)).position;
    late.pack[usize::try_from(named.commit).unwrap() + 100] ^= 1;
    bench.put(&Files {
        pack: late.pack,
        index: early.index,
    });
    let client = bench.open(options(&Clock::at(1_000))).unwrap();
    let report = client.store.open_report();
    assert_eq!(report.corrupt.len(), 1, "{report:?}");
    assert!(client.store.writable().is_err());
    assert_eq!(client.get("/late").unwrap(), noise(2, 30_000));
}

fn index_of(bench: &Bench, files: &Files) -> PathBuf {
    let path = bench.dir.path().join("looked at");
    fs::write(&path, &files.index).unwrap();
    path
}

fn checkpoint(index: &Path) -> Checkpoint {
    let index = Index::open(&Place::File(index.to_owned()), 1 << 20).unwrap();
    index.checkpoint().unwrap().unwrap()
}

fn chunk_rows(index: &Path) -> Vec<(Prefix, u64)> {
    let index = Index::open(&Place::File(index.to_owned()), 1 << 20).unwrap();
    let mut rows = Vec::new();
    let reader = index.reader().unwrap();
    reader
        .each_chunk::<StoreError>(|key, place| {
            rows.push((key, place));
            Ok(())
        })
        .unwrap();
    rows
}

/// A store in which chunks are shared, copied, freed, and stored anew.
fn reclaimed(bench: &Bench) -> Client {
    let client = bench.open(options(&Clock::at(1_000))).unwrap();
    for round in 0..4 {
        for i in 0..6 {
            client.put(&format!("/f{i}"), &noise(10 * round + i, 60_000));
        }
        client.put("/shared", &noise(3, 60_000));
        client.delete("/f1");
        assert!(client.gc().chunks > 0);
    }
    client
}

// A rebuild sorts the chunks of the whole log, and those that were freed come after those that are
// there. Its rows are those of the index that grew with the store.
#[test]
fn a_rebuilt_index_has_the_rows_of_the_one_that_grew() {
    let bench = Bench::new();
    let client = reclaimed(&bench);
    client.store.close();
    drop(client);
    let index = index_path(&bench.pack());
    let grown = chunk_rows(&index);
    let rebuild = Options {
        rebuild: true,
        ..options(&Clock::at(1_000))
    };
    let client = bench.open(rebuild).unwrap();
    assert!(client.store.open_report().rebuilt);
    client.assert_clean();
    client.store.close();
    drop(client);
    assert_eq!(chunk_rows(&index), grown);
    assert!(grown.len() > 100, "{}", grown.len());
    let left: Vec<_> = fs::read_dir(bench.dir.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "a pack and an index: {left:?}");
}

// Building the index fails when all commits are in it and no chunk is yet. Closing may make that last.
// What was freed is known from its rows alone now: no commit that says so is replayed any more. It must
// not come back as chunks that can be shared.
#[test]
fn chunks_that_were_freed_stay_so_in_an_index_that_was_half_built() {
    let bench = Bench::new();
    let client = reclaimed(&bench);
    client.store.close();
    drop(client);
    let file = index_path(&bench.pack());
    let grown = chunk_rows(&file);
    {
        let index = Index::open(&Place::File(file.clone()), 1 << 20).unwrap();
        let mut checkpoint = index.checkpoint().unwrap().unwrap();
        checkpoint.chunks_upto = 4096;
        let batch = index.begin().unwrap();
        {
            let mut tables = batch.tables();
            tables.drop_chunks(&grown).unwrap();
            tables.set_checkpoint(&checkpoint).unwrap();
        }
        batch.commit(true).unwrap();
        assert_eq!(index.reader().unwrap().chunk_count().unwrap(), 0);
    }
    let client = bench.open(options(&Clock::at(1_000))).unwrap();
    let report = client.store.open_report();
    assert_eq!((report.rebuilt, report.replayed_commits), (false, 0));
    client.assert_clean();
    client.store.close();
    drop(client);
    assert_eq!(chunk_rows(&file), grown);
}
