//! The index is derived: whatever becomes of its file, the answers are the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use packhold::index::{Index, Place};
use packhold::store::{Options, Store, StoreError};

use crate::support::client::{Client, Clock, options};
use crate::support::noise::{Noise, noise};

type Files = BTreeMap<String, Option<Vec<u8>>>;

fn index_of(pack: &Path) -> PathBuf {
    let mut name = pack.as_os_str().to_owned();
    name.push(".index");
    name.into()
}

fn open(pack: &Path) -> Client {
    let store = Store::open(pack, options(&Clock::at(1_000))).expect("it opens");
    Client { store }
}

fn close(client: Client) {
    client.store.close();
    drop(client);
}

/// A session of changes.
fn work(client: &Client, files: &mut Files, noise: &mut Noise) {
    for i in 0..6 {
        let path = format!("/d{}/f{}", i % 3, noise.below(4));
        let len = noise.below(60_000);
        let bytes = noise.bytes(len);
        client.put(&path, &bytes);
        files.insert(path, Some(bytes));
    }
    let path = files.keys().nth(noise.below(files.len())).unwrap().clone();
    if files[&path].is_some() {
        client.delete(&path);
        files.insert(path, None);
    }
}

fn assert_same(client: &Client, files: &Files) {
    for (path, bytes) in files {
        assert!(client.get(path) == *bytes, "{path}");
    }
    client.assert_clean();
}

/// A pack made in sessions; the index as it was after each, and the pack after the second.
struct Sessions {
    dir: tempfile::TempDir,
    pack: PathBuf,
    files: Files,
    indexes: Vec<Vec<u8>>,
    early_pack: Vec<u8>,
    early_files: Files,
}

fn sessions() -> Sessions {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("s.pack");
    let (mut files, mut noise) = (Files::new(), Noise::new(21));
    let (mut indexes, mut early) = (Vec::new(), None);
    close(open(&pack));
    indexes.push(fs::read(index_of(&pack)).unwrap());
    for session in 0..4 {
        let client = open(&pack);
        work(&client, &mut files, &mut noise);
        close(client);
        indexes.push(fs::read(index_of(&pack)).unwrap());
        if session == 1 {
            early = Some((fs::read(&pack).unwrap(), files.clone()));
        }
    }
    let (early_pack, early_files) = early.unwrap();
    Sessions {
        dir,
        pack,
        files,
        indexes,
        early_pack,
        early_files,
    }
}

#[test]
fn a_deleted_index_is_rebuilt() {
    let made = sessions();
    fs::remove_file(index_of(&made.pack)).unwrap();
    let client = open(&made.pack);
    assert!(client.store.open_report().rebuilt);
    assert_same(&client, &made.files);
}

// Somebody restores a backup, and the index in it is older than the pack, by a session or by four.
// It must be brought up to date by replaying what it misses, no less and no more.
#[test]
fn an_index_of_any_earlier_moment_is_brought_up_to_date() {
    let made = sessions();
    let pack = fs::read(&made.pack).unwrap();
    for (i, index) in made.indexes.iter().enumerate() {
        fs::write(index_of(&made.pack), index).unwrap();
        let client = open(&made.pack);
        let report = client.store.open_report();
        let last = i + 1 == made.indexes.len();
        assert!(!report.rebuilt, "index {i}: {report:?}");
        assert_eq!(report.replayed_commits == 0, last, "index {i}: {report:?}");
        assert_same(&client, &made.files);
        client.put("/scratch", &[7; 3000]);
        client.delete("/scratch");
        close(client);
        assert_same(&open(&made.pack), &made.files);
        fs::write(&made.pack, &pack).unwrap();
    }
}

#[test]
fn an_unusable_index_is_rebuilt() {
    let made = sessions();
    let other = made.dir.path().join("other.pack");
    let mut with_other_id = options(&Clock::at(1));
    with_other_id.pack_id = Some(*b"another pack's  ");
    let client = Client {
        store: Store::open(&other, with_other_id).unwrap(),
    };
    client.put("/stranger", &noise(3, 10_000));
    close(client);
    let good = made.indexes.last().unwrap();
    let mut headless = good.clone();
    headless[..4096].fill(0xEE);
    for (what, index) in [
        ("of another pack", fs::read(index_of(&other)).unwrap()),
        ("garbage", noise(4, 100_000)),
        ("a word", b"index".to_vec()),
        ("empty", Vec::new()),
        ("without its header", headless),
        ("cut to a page", good[..4096].to_vec()),
        ("cut in half", good[..good.len() / 2].to_vec()),
        ("cut by a byte", good[..good.len() - 1].to_vec()),
    ] {
        fs::write(index_of(&made.pack), index).unwrap();
        let client = open(&made.pack);
        assert!(client.store.open_report().rebuilt, "{what}");
        assert_eq!(client.get("/stranger"), None, "{what}");
        assert_same(&client, &made.files);
    }
}

// An older copy of the pack is put in its place, and the index, which was not, covers more: what it
// covers was acknowledged and is missing. To go on silently would lose it; it takes a decision.
#[test]
fn an_older_copy_of_the_pack_is_refused_until_accepted() {
    let made = sessions();
    fs::write(&made.pack, &made.early_pack).unwrap();
    for _ in 0..2 {
        let refused = Store::open(&made.pack, options(&Clock::at(1_000)));
        let Err(StoreError::Rollback { indexed, end }) = refused else {
            panic!("it opened, or failed otherwise");
        };
        assert!(end == made.early_pack.len() as u64 && indexed > end);
        assert_eq!(fs::read(&made.pack).unwrap(), made.early_pack);
    }
    let accepting = Options {
        accept_rollback: true,
        ..options(&Clock::at(1_000))
    };
    let client = Client {
        store: Store::open(&made.pack, accepting).unwrap(),
    };
    assert!(client.store.open_report().rebuilt);
    assert_same(&client, &made.early_files);
    client.put("/later", b"goes on");
    close(client);
    assert_eq!(open(&made.pack).get("/later").unwrap(), b"goes on");
}

/// Chunks in the index file of a closed store.
fn chunk_rows(pack: &Path) -> u64 {
    let index = Index::open(&Place::File(index_of(pack)), 1 << 20).unwrap();
    index.reader().unwrap().chunk_count().unwrap()
}

/// Copies pack and index of an open store, as a kill at this moment leaves them.
fn killed(pack: &Path, dir: &Path, name: &str) -> PathBuf {
    let copy = dir.join(name);
    fs::copy(pack, &copy).unwrap();
    fs::copy(index_of(pack), index_of(&copy)).unwrap();
    copy
}

// The process is killed. The index file holds its last checkpoint, and whatever redb had written of
// transactions that are not durable. Opening must take the checkpoint and replay the rest.
#[test]
fn a_kill_at_any_commit_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("s.pack");
    let (mut files, mut noise) = (Files::new(), Noise::new(22));
    for i in 0..12 {
        let client = open(&pack);
        work(&client, &mut files, &mut noise);
        let copy = killed(&pack, dir.path(), &format!("copy{i}"));
        let after = open(&copy);
        let report = after.store.open_report();
        assert_eq!(
            (report.rebuilt, report.replayed_commits > 0),
            (i == 0, true)
        );
        assert_same(&after, &files);
        after.put("/more", b"x");
        close(after);
        assert_eq!(open(&copy).store.open_report().replayed_commits, 0);
        close(client);
    }
}

// A long ingest gathers more chunks than one generation holds in memory; they go to the index in
// slices, between commits. A kill between two slices, a clean restart and a rebuild must all know
// every chunk: an upload of the same bytes must find them.
#[test]
fn generations_of_chunks_reach_the_index_in_slices() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("s.pack");
    let mut tiny = options(&Clock::at(1_000));
    tiny.chunking.min_bytes = 64;
    tiny.chunking.avg_bytes = 256;
    tiny.chunking.max_bytes = 1024;
    let client = Client {
        store: Store::open(&pack, tiny).unwrap(),
    };
    let mut noise = Noise::new(23);
    let mut part = Vec::new();
    for i in 0..10 {
        part = noise.bytes(20 << 20);
        client.put(&format!("/part{i}"), &part);
    }
    let check = |client: &Client| {
        assert_eq!(client.put("/again", &part).new_bytes, 0);
    };
    for i in 0..20 {
        client.put(&format!("/small{i}"), &noise.bytes(10));
    }
    let between = killed(&pack, dir.path(), "between");
    for i in 20..80 {
        client.put(&format!("/small{i}"), &noise.bytes(10));
    }
    check(&client);
    close(client);
    assert!(chunk_rows(&pack) > 1 << 19);
    let client = open(&pack);
    assert!(!client.store.open_report().rebuilt);
    check(&client);
    drop(client);
    let client = open(&between);
    check(&client);
    client.assert_clean();
    drop(client);
    fs::remove_file(index_of(&pack)).unwrap();
    check(&open(&pack));
}
