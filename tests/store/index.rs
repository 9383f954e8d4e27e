//! The index is derived: whatever becomes of its file, the answers are the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use packhold::digest::Wanted;
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

/// A store that has taken in so many files of some 70,000 chunks, the first one and the last one.
/// The eighth fills a generation.
fn with_generations(pack: &Path, files: u64) -> (Client, [Vec<u8>; 2]) {
    let mut tiny = options(&Clock::at(1_000));
    tiny.chunking.min_bytes = 64;
    tiny.chunking.avg_bytes = 256;
    tiny.chunking.max_bytes = 1024;
    let client = Client {
        store: Store::open(pack, tiny).unwrap(),
    };
    for i in 0..files {
        client.put(&format!("/part{i}"), &noise(30 + i, 20 << 20));
    }
    (client, [30, 29 + files].map(|seed| noise(seed, 20 << 20)))
}

fn assert_knows(client: &Client, parts: &[Vec<u8>]) {
    for (i, part) in parts.iter().enumerate() {
        let mut bytes = part.clone();
        bytes.push(1);
        let stored = client.put("/again", &bytes);
        assert!(stored.new_bytes < 2_000, "{i}: {} new", stored.new_bytes);
        client.delete("/again");
    }
}

#[test]
fn generations_of_chunks_reach_the_index_in_slices() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("s.pack");
    let (client, parts) = with_generations(&pack, 10);
    for i in 0..80 {
        // A slice goes with every commit.
        client.put(&format!("/small{i}"), b"small");
    }
    assert_knows(&client, &parts);
    close(client);
    assert!(chunk_rows(&pack) > 1 << 19);
    let client = open(&pack);
    assert!(!client.store.open_report().rebuilt);
    assert_knows(&client, &parts);
}

// What was gathered in memory, and changes that bring no chunks, are read again at every opening until
// they are behind the index's own account.
#[test]
fn at_rest_little_is_left_that_opening_reads_again() {
    const REST: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("s.pack");
    let read_again = || {
        let client = open(&pack);
        let report = client.store.open_report().clone();
        close(client);
        assert!(!report.rebuilt);
        report.read_again
    };
    // Closing alone does not do it.
    let rests = || {
        for _ in 0..1_000 {
            let resting = Options {
                idle: std::time::Duration::from_millis(5),
                rest: REST,
                ..options(&Clock::at(1_000))
            };
            let store = Store::open(&pack, resting).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(10));
            store.close();
            drop(store);
            if read_again() < REST {
                return;
            }
        }
        panic!("it never comes to rest");
    };
    let part = noise(70, 2 << 20);
    let client = open(&pack);
    client.put("/part", &part);
    close(client);
    assert!(read_again() >= REST, "chunks");
    rests();
    let client = open(&pack);
    assert_knows(&client, std::slice::from_ref(&part));
    for i in 0..2 * REST {
        client.put(&format!("/same{i}"), b"the same");
    }
    close(client);
    assert!(read_again() >= REST, "changes that bring no chunks");
    rests();
    let client = open(&pack);
    assert_knows(&client, std::slice::from_ref(&part));
    client.assert_clean();
}

// A generation of chunks is on its way to the index when the store is killed, or closed: of some
// 65 slices a few are there. A checkpoint that says that all of them are would lose the others until
// the index is rebuilt: uploads of the same bytes would store them again.
#[test]
fn half_a_generation_in_the_index_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("s.pack");
    let (client, parts) = with_generations(&pack, 8);
    let kill = killed(&pack, dir.path(), "kill");
    close(client);
    println!("{} chunks in the index after closing", chunk_rows(&pack));
    let client = open(&pack);
    assert!(!client.store.open_report().rebuilt);
    assert_knows(&client, &parts);
    client.assert_clean();
    drop(client);
    assert_knows(&open(&kill), &parts);
    fs::remove_file(index_of(&pack)).unwrap();
    assert_knows(&open(&pack), &parts);
}

// The index file breaks under the running store. Changes fail for a moment, then the index is made
// anew from the pack and its chunks, those of an unfinished upload included, and all goes on.
#[test]
fn an_index_that_breaks_under_the_store_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("s.pack");
    let (mut files, mut noise) = (Files::new(), Noise::new(24));
    for _ in 0..10 {
        let client = open(&pack);
        work(&client, &mut files, &mut noise);
        close(client);
    }
    let uncached = Options {
        index_cache_bytes: 0,
        idle: std::time::Duration::from_millis(5),
        ..options(&Clock::at(1_000))
    };
    let client = Client {
        store: Store::open(&pack, uncached).unwrap(),
    };
    client.put("/before", &noise.bytes(5_000));
    let pending = noise.bytes(400_000);
    let mut ingest = client.store.ingest(Wanted::Md5);
    ingest.push(&Bytes::copy_from_slice(&pending)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(index_of(&pack));
    file.unwrap().set_len(4096).unwrap();
    let mut failures = 0;
    while let Err(error) = client.try_put("/try", b"x") {
        failures += 1;
        assert!(failures < 1_000, "still failing: {error}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(failures > 0, "the index did not break");
    let stored = client.put("/pending", &pending);
    assert!(stored.new_bytes < 5_000, "{} new bytes", stored.new_bytes);
    drop(ingest);
    files.insert("/pending".to_owned(), Some(pending));
    assert_same(&client, &files);
    close(client);
    assert_same(&open(&pack), &files);
}
