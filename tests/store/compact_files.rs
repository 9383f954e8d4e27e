//! Compacting real files: the swap, kills at every step, and changes meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use bytes::Bytes;
use packhold::digest::Wanted;
use packhold::domain::{DomainError, Sweeper};
use packhold::format::meta::{Block, BlockPut, Mutation};
use packhold::index::Rows;
use packhold::store::{CompactReport, Options, Store, StoreError, index_path};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::compact::{session, setting, tree};
use crate::support::client::{Client, Clock, fields, options};
use crate::support::noise::{Noise, noise};
use crate::support::telling;

/// A store in a folder, with something in it that is gone.
struct Real {
    dir: TempDir,
    clock: Clock,
}

impl Real {
    fn new() -> (Self, String) {
        let real = Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Clock::at(1_000),
        };
        let client = real.open(&real.pack());
        client.put("/dir/kept", &noise(1, 200_000));
        client.put("/gone", &noise(2, 300_000));
        client.put("/small", b"small");
        client.delete("/gone");
        client.add(fields("package", "1"), &noise(3, 5_000));
        let before = telling::all(&client);
        client.store.close();
        (real, before)
    }

    fn pack(&self) -> PathBuf {
        self.dir.path().join("s.pack")
    }

    fn options(&self) -> Options {
        Options {
            pack_id: None,
            ..options(&self.clock)
        }
    }

    fn open(&self, path: &Path) -> Client {
        let store = Store::open(path, self.options()).expect("it opens");
        Client { store }
    }

    fn compact(&self) -> CompactReport {
        let client = self.open(&self.pack());
        client
            .store
            .compact(&self.pack(), || {})
            .expect("it is compacted")
    }

    fn names(&self) -> Vec<String> {
        let list = fs::read_dir(self.dir.path()).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        let mut names: Vec<String> = list.map(|entry| name(entry).unwrap()).collect();
        names.sort();
        names
    }
}

/// It takes no more changes, and says why.
fn assert_replaced(client: &Client) {
    assert!(client.store.is_replaced());
    let refused = client.try_put("/late", b"late");
    assert!(
        matches!(refused, Err(DomainError::Store(StoreError::Replaced))),
        "{refused:?}"
    );
    let refused = client.try_delete("/dir/kept");
    assert!(
        matches!(refused, Err(DomainError::Store(StoreError::Replaced))),
        "{refused:?}"
    );
    let checked = client.store.verify(false);
    assert!(matches!(checked, Err(StoreError::Replaced)), "{checked:?}");
}

#[test]
fn the_new_pack_takes_the_place_of_the_old_one_with_its_index() {
    let (real, before) = Real::new();
    let client = real.open(&real.pack());
    let reading = client.store.clone();
    let (blob, mut reader) = {
        let rows = reading.rows().unwrap();
        let sha256 = packhold::digest::sha256(&noise(1, 200_000));
        let blob = rows.blob(&sha256).unwrap().unwrap();
        let reader = reading.read(&blob, 0..blob.size);
        (blob, reader)
    };
    let report = client.store.compact(&real.pack(), || {}).unwrap();
    assert!(
        report.after_bytes + 300_000 <= report.before_bytes,
        "{report:?}"
    );
    let length = fs::metadata(real.pack()).unwrap().len();
    assert_eq!(length, report.after_bytes);
    // Who reads goes on reading; who changes something hears that it is over.
    let mut bytes = Vec::new();
    while reader.remaining() > 0 {
        let window = reader.next_window().unwrap();
        window.iter().for_each(|part| bytes.extend_from_slice(part));
    }
    assert_eq!(packhold::digest::sha256(&bytes), blob.sha256);
    assert_replaced(&client);
    drop((reader, reading, client));
    assert_eq!(real.names(), ["s.pack", "s.pack.index"]);
    let client = real.open(&real.pack());
    let opened = client.store.open_report();
    assert_eq!((opened.rebuilt, opened.replayed_commits), (false, 0));
    assert_eq!(telling::all(&client), before);
    client.put("/late", b"late");
    client.assert_clean();
}

/// What a kill leaves: the files as they are.
fn snapshot(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

// The process is killed at any step of a compaction, with half a new pack beside the old one, or between
// the rename of the pack and that of its index.
// Whoever opens the store finds everything, no leftovers, and a store that takes new work; and another
// compaction goes through.
#[test]
fn a_kill_at_any_step_leaves_one_whole_pack() {
    let (real, before) = Real::new();
    let kills = tempfile::tempdir().unwrap();
    let taken: Arc<Mutex<Vec<(String, PathBuf)>>> = Arc::default();
    let (from, to, list) = (
        real.dir.path().to_owned(),
        kills.path().to_owned(),
        Arc::clone(&taken),
    );
    let options = Options {
        progress: Arc::new(move |what, done, of| {
            let mut list = list.lock();
            let path = to.join(list.len().to_string());
            snapshot(&from, &path);
            list.push((format!("{what} {done}/{of}"), path));
        }),
        ..real.options()
    };
    let store = Store::open(&real.pack(), options).unwrap();
    store.compact(&real.pack(), || {}).unwrap();
    drop(store);
    let taken = taken.lock();
    let has = |what: &str| {
        taken
            .iter()
            .filter(|(step, _)| step.starts_with(what))
            .count()
    };
    assert!(has("copying chunks") >= 2, "{taken:?}");
    assert_eq!(has("putting it in place"), 3);
    let mut ids = std::collections::BTreeSet::new();
    for (step, path) in taken.iter() {
        let pack = path.join("s.pack");
        let id = fs::read(&pack).unwrap()[40..56].to_vec();
        let is_new = ids.insert(id) && ids.len() == 2;
        assert!(!is_new || step == "putting it in place 1/2", "{step}");
        let client = real.open(&pack);
        assert_eq!(client.store.open_report().corrupt, []);
        assert!(!path.join("s.pack.compacting").exists(), "{step}");
        assert!(!path.join("s.pack.compacting.index").exists(), "{step}");
        assert_eq!(telling::all(&client), before, "{step}");
        client.put("/after", b"the kill");
        client.assert_clean();
        client.store.compact(&pack, || {}).unwrap();
        drop(client);
        let client = real.open(&pack);
        assert_eq!(client.get("/after").unwrap(), b"the kill", "{step}");
        client.assert_clean();
    }
    assert_eq!(ids.len(), 2);
}

#[test]
fn an_index_of_the_old_pack_beside_the_new_one_is_built_anew() {
    let (real, before) = Real::new();
    let old = fs::read(index_path(&real.pack())).unwrap();
    real.compact();
    fs::write(index_path(&real.pack()), old).unwrap();
    let client = real.open(&real.pack());
    assert!(client.store.open_report().rebuilt);
    assert_eq!(telling::all(&client), before);
    client.assert_clean();
}

/// Any change that a client or an administrator makes.
fn change(client: &Client, noise: &mut Noise) {
    let path = format!("/d{}/f{}", noise.below(3), noise.below(4));
    // Few contents, so that one comes again that nothing refers to any more.
    let (seed, len) = (
        noise.below(6) as u64,
        [0, 700, 9_000, 60_000][noise.below(4)],
    );
    let bytes = crate::support::noise::noise(100 + seed, len);
    match noise.below(10) {
        0..=3 => drop(client.put(&path, &bytes)),
        4 => drop(client.try_delete(&path)),
        5 => drop(client.try_add(fields(&format!("package{seed}"), "1"), &bytes)),
        6 => {
            let number = noise.next() % 1_000;
            let choice = noise.below(6);
            let made = client.store.commit::<(), DomainError>(move |rows, ids| {
                Ok((tree(rows, ids, choice, number), ()))
            });
            made.expect("it is taken").expect("nobody objects");
        }
        7 => {
            let session = session(noise);
            let Mutation::SessionPut(begun) = &session[0] else {
                unreachable!("it begins so")
            };
            let id = begun.id;
            client.commit(session);
            let mut ingest = client.store.ingest_block(Wanted::Sha256Only, None);
            ingest.push(&Bytes::from(bytes)).expect("there is room");
            let ingested = ingest.finish_block().expect("there is room");
            let block = Block {
                key: noise.below(3) as u64,
                size: ingested.digests.size,
                sha256: ingested.digests.sha256,
                manifest: ingested.manifest,
            };
            client.commit(vec![Mutation::BlockPut(BlockPut {
                session: id,
                block,
                prefix: None,
                at_ms: noise.below(9_000) as u64,
            })]);
        }
        8 => {
            let mut sweeper = Sweeper::default();
            assert!(sweeper.sweep(&client.store).is_ok());
        }
        _ => client.commit(vec![setting(noise)]),
    }
}

// While a store is compacted, clients go on: they upload what was just left behind, delete what was just
// carried, move folders, upload blocks. What was acknowledged must be in the new pack.
// The new one says all that the old one says, whenever the changes came.
#[test]
fn what_is_changed_meanwhile_is_carried_over() {
    for seed in 0..10 {
        let (real, _) = Real::new();
        // Set when there is a client.
        let busy: Arc<Mutex<Option<(Client, Noise)>>> = Arc::default();
        let theirs = Arc::clone(&busy);
        let options = Options {
            progress: Arc::new(move |what, _, _| {
                // From then on changes wait.
                if what != "putting it in place"
                    && let Some((client, noise)) = &mut *theirs.lock()
                {
                    (0..2).for_each(|_| change(client, noise));
                }
            }),
            ..real.options()
        };
        let store = Store::open(&real.pack(), options).unwrap();
        let client = Client { store };
        let mut noise = Noise::new(seed);
        (0..30).for_each(|_| change(&client, &mut noise));
        *busy.lock() = Some((client.clone(), noise.clone()));
        let pause = || (0..20).for_each(|_| change(&client, &mut noise));
        client.store.compact(&real.pack(), pause).unwrap();
        *busy.lock() = None;
        let before = telling::all(&client);
        assert_replaced(&client);
        drop(client);
        let client = real.open(&real.pack());
        assert!(!client.store.open_report().rebuilt);
        let after = telling::all(&client);
        for (old, new) in before.lines().zip(after.lines()) {
            assert_eq!(old, new, "{seed}");
        }
        assert_eq!(before, after, "{seed}");
        client.assert_clean();
        change(&client, &mut Noise::new(seed));
        client.assert_clean();
    }
}

// A damaged chunk is carried over, and then an upload heals it in the old pack.
#[test]
fn what_is_healed_meanwhile_is_healed_in_the_new_pack() {
    let (real, _) = Real::new();
    let mut pack = fs::read(real.pack()).unwrap();
    let needle = &noise(1, 200_000)[100_000..100_032];
    let at = pack.windows(32).position(|bytes| bytes == needle).unwrap();
    pack[at] ^= 1;
    fs::write(real.pack(), pack).unwrap();
    let client = real.open(&real.pack());
    assert!(client.try_get("/dir/kept").is_err());
    let mut longer = noise(1, 200_000);
    longer.extend(noise(8, 9_000));
    let pause = || drop(client.put("/again", &longer));
    let report = client.store.compact(&real.pack(), pause).unwrap();
    assert_eq!(report.damaged_chunks, 1);
    drop(client);
    let client = real.open(&real.pack());
    assert_eq!(client.get("/dir/kept").unwrap(), noise(1, 200_000));
    assert_eq!(client.get("/again").unwrap(), longer);
    let verified = client.store.verify(false).unwrap();
    assert_eq!(verified.damaged_files, []);
    assert_eq!(verified.index_errors, Vec::<String>::new());
}

// A change waits while the pack gets its new name. Made afterwards in the old pack it would be
// acknowledged and gone.
#[test]
fn a_change_that_waits_for_the_swap_is_refused() {
    let (real, before) = Real::new();
    let waiting: Arc<Mutex<Option<Store>>> = Arc::default();
    let (sender, outcomes) = std::sync::mpsc::channel();
    let theirs = Arc::clone(&waiting);
    let options = Options {
        progress: Arc::new(move |what, done, _| {
            if what == "putting it in place"
                && done < 2
                && let Some(store) = &*theirs.lock()
            {
                let sender = sender.clone();
                store.submit::<(), DomainError>(
                    |_, _| Ok((vec![setting(&mut Noise::new(1))], ())),
                    move |outcome| sender.send(outcome).expect("somebody waits"),
                );
            }
        }),
        ..real.options()
    };
    let store = Store::open(&real.pack(), options).unwrap();
    *waiting.lock() = Some(store.clone());
    store.compact(&real.pack(), || {}).unwrap();
    *waiting.lock() = None;
    for _ in 0..2 {
        let outcome = outcomes.recv().unwrap();
        assert!(matches!(outcome, Err(StoreError::Replaced)), "{outcome:?}");
    }
    drop(store);
    assert_eq!(telling::all(&real.open(&real.pack())), before);
}

#[test]
fn a_compaction_that_fails_leaves_a_store_that_goes_on() {
    let (real, before) = Real::new();
    let client = real.open(&real.pack());
    // It cannot be made where something is in the way.
    let blocked = real.dir.path().join("s.pack.compacting");
    fs::create_dir(&blocked).unwrap();
    assert!(client.store.compact(&real.pack(), || {}).is_err());
    fs::remove_dir(&blocked).unwrap();
    assert!(!client.store.is_replaced());
    assert_eq!(telling::all(&client), before);
    client.put("/late", b"late");
    client.store.compact(&real.pack(), || {}).unwrap();
    drop(client);
    assert_eq!(real.open(&real.pack()).get("/late").unwrap(), b"late");
}
