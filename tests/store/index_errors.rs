//! An index that does not say what its pack says: a verification tells each difference, and nobody who asks
//! the index is led astray by it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use packhold::digest::{Wanted, sha256};
use packhold::domain;
use packhold::domain::quota::Usage;
use packhold::format::meta::{Mutation, User, UserDelete};
use packhold::format::record::Kind;
use packhold::format::segment::{decode_table, layout};
use packhold::index::{Index, IndexError, Place, Prefix, Rows, Tables, prefix};
use packhold::store::{Ingest, Options, Scrub, Store, VerifyReport, index_path};
use tempfile::TempDir;

use crate::checkpoints::nothing;
use crate::joined::TINY;
use crate::support::client::{Client, Clock, options, upload, wait};
use crate::support::log::{at, frames_of};
use crate::support::noise::noise;

/// Lines in a report at most.
const MAX_LINES: usize = 1000;

/// A chunk as the pack has it.
#[derive(Clone, Copy)]
struct Chunk {
    key: Prefix,
    /// Where its entry lies.
    own: u64,
    /// Where its payload lies.
    payload: u64,
}

impl Chunk {
    fn row(&self) -> (Prefix, u64) {
        (self.key, self.own)
    }

    fn missing(&self) -> String {
        format!("the chunk at offset {} is not in the index", self.payload)
    }
}

fn leads(key: &Prefix, whereto: &str) -> String {
    format!("the chunk row {} leads {whereto}", hex::encode(key))
}

/// A closed store in a folder of its own.
struct Shut(TempDir);

impl Shut {
    /// A store to which this was done.
    fn after(work: impl FnOnce(&Client)) -> Self {
        let shut = Self(tempfile::tempdir().expect("a folder"));
        let client = shut.open();
        work(&client);
        close(client);
        shut
    }

    /// The same, with an index that has the rows of all chunks.
    fn indexed(work: impl FnOnce(&Client)) -> Self {
        let shut = Self::after(work);
        fs::remove_file(index_path(&shut.pack())).expect("an index");
        close(shut.open());
        shut
    }

    fn pack(&self) -> PathBuf {
        self.0.path().join("s.pack")
    }

    fn open(&self) -> Client {
        self.open_as(false)
    }

    fn open_as(&self, rebuild: bool) -> Client {
        let options = Options {
            chunking: TINY,
            rebuild,
            ..options(&Clock::at(1_000))
        };
        let store = Store::open(&self.pack(), options).expect("it opens");
        Client { store }
    }

    /// All chunks, in the order of the pack.
    fn chunks(&self) -> Vec<Chunk> {
        let image = fs::read(self.pack()).expect("the pack");
        let mut chunks = Vec::new();
        for frame in frames_of(&image, Kind::Segment) {
            let table = &image[at(frame.body_offset())..at(frame.payload_offset())];
            let entries = decode_table(table, frame.body_bytes).expect("a table");
            chunks.extend(layout(&frame, entries).map(|(payload, own, entry)| Chunk {
                key: prefix(&entry.sha256),
                own,
                payload,
            }));
        }
        chunks
    }

    /// Changes the index, and nothing else.
    fn tamper(&self, change: impl FnOnce(&mut Tables<'_>) -> Result<(), IndexError>) {
        let place = Place::File(index_path(&self.pack()));
        let index = Index::open(&place, 1 << 20).expect("an index");
        let batch = index.begin().expect("it can be changed");
        change(&mut batch.tables()).expect("it is changed");
        batch.commit(true).expect("it lasts");
    }

    /// The chunk rows of the index.
    fn rows(&self) -> BTreeMap<Prefix, u64> {
        let place = Place::File(index_path(&self.pack()));
        let index = Index::open(&place, 1 << 20).expect("an index");
        let mut rows = BTreeMap::new();
        let read = index.reader().expect("a snapshot");
        let read = read.each_chunk::<IndexError>(|key, own| {
            rows.insert(key, own);
            Ok(())
        });
        read.expect("it is readable");
        rows
    }
}

fn close(client: Client) {
    client.store.close();
    drop(client);
}

fn verify(client: &Client) -> VerifyReport {
    client.store.verify(false).expect("it can be verified")
}

/// These are wrong in the index, in this order, and nothing else anywhere; an index that is built anew is
/// right.
fn assert_told(shut: &Shut, expected: &[String]) {
    let client = shut.open();
    assert!(!client.store.open_report().rebuilt);
    let report = verify(&client);
    assert_eq!(report.index_errors, expected);
    assert!(!report.clean);
    assert_eq!((report.damages.len(), report.damaged_files.len()), (0, 0));
    assert_eq!((report.damaged_chunks, report.damaged_places), (0, 0));
    close(client);
    let left = fs::read_dir(shut.0.path()).expect("a folder").count();
    assert_eq!(left, 2, "a pack and its index");
    let client = shut.open_as(true);
    client.assert_clean();
    close(client);
}

fn two_files() -> Shut {
    Shut::indexed(|client| {
        client.put("/a", &noise(1, 20_000));
        client.put("/b", &noise(2, 20_000));
    })
}

#[test]
fn an_index_that_has_all_chunks_is_clean() {
    let shut = two_files();
    let chunks = shut.chunks();
    assert!(chunks.len() > 40, "{}", chunks.len());
    let rows: BTreeMap<Prefix, u64> = chunks.iter().map(Chunk::row).collect();
    assert_eq!(shut.rows(), rows);
    let client = shut.open();
    assert_eq!(verify(&client).index_errors, Vec::<String>::new());
    client.assert_clean();
}

#[test]
fn chunks_without_a_row_are_told_by_where_they_lie() {
    let shut = two_files();
    let chunks = shut.chunks();
    let lost = [chunks[0], chunks[7], chunks[chunks.len() - 1]];
    shut.tamper(|tables| tables.drop_chunks(&lost.map(|chunk| chunk.row())));
    assert_told(&shut, &lost.map(|chunk| chunk.missing()));
}

// Whoever scrubs has nobody who reads a report: what it finds is counted.
#[test]
fn a_scrub_counts_chunks_without_a_row() {
    let shut = two_files();
    let chunks = shut.chunks();
    let lost = [chunks[3], chunks[4]];
    shut.tamper(|tables| tables.drop_chunks(&lost.map(|chunk| chunk.row())));
    let client = shut.open();
    let every = Duration::from_hours(24);
    let mut scrub = Scrub::new(&client.store, every, None, Arc::new(|| false)).expect("a scrub");
    let told = || client.store.stats().expect("stats").scrub.expect("a scrub");
    for _ in 0..100 {
        if told().passes == 0 {
            scrub.step().expect("a slice");
        }
    }
    let told = told();
    assert_eq!((told.passes, told.damaged_places), (1, 2));
    assert_eq!((told.damaged_chunks, told.damaged_files.len()), (0, 0));
}

#[test]
fn rows_that_lead_to_no_such_chunk_are_told_by_their_keys() {
    let shut = two_files();
    let chunks = shut.chunks();
    let end = fs::metadata(shut.pack()).expect("the pack").len();
    let small = noise(3, 60);
    let mut wrong = vec![
        // To another chunk: that of nobody, of a file to come, of one that is there.
        ([1; 16], chunks[2].own),
        (prefix(&sha256(&small)), chunks[2].own),
        (chunks[5].key, chunks[4].own),
        // Not to the start of an entry, and to none at all.
        ([2; 16], chunks[2].own + 8),
        ([3; 16], chunks[2].payload),
        ([4; 16], 0),
        ([5; 16], end),
        ([6; 16], u64::MAX),
    ];
    shut.tamper(|tables| tables.put_chunks(&wrong));
    wrong.sort_unstable();
    let lines = wrong.iter().map(|(key, _)| leads(key, "nowhere"));
    let lines: Vec<String> = lines.collect();
    let client = shut.open();
    assert_eq!(verify(&client).index_errors, lines);
    // Uploads share what is there, and never something else.
    let longer = [noise(1, 20_000), noise(4, 3_000)].concat();
    client.put("/longer", &longer);
    client.put("/small", &small);
    assert!(client.get("/longer") == Some(longer));
    assert!(client.get("/small") == Some(small));
    for (path, seed) in [("/a", 1), ("/b", 2)] {
        assert!(client.get(path) == Some(noise(seed, 20_000)), "{path}");
    }
    close(client);
    let client = shut.open_as(true);
    client.assert_clean();
}

// Of several copies of a chunk rows know the lowest. One that leads behind a chunk is not the row of it.
#[test]
fn a_chunk_whose_row_leads_behind_it_is_told_too() {
    let shut = two_files();
    let chunks = shut.chunks();
    let (moved, other) = (chunks[4], chunks[5]);
    shut.tamper(|tables| {
        tables.drop_chunks(&[moved.row()])?;
        tables.put_chunks(&[(moved.key, other.own)])
    });
    let lines = [moved.missing(), leads(&moved.key, "nowhere")];
    assert_told(&shut, &lines);
}

// A file was deleted, and its space given back. If a row still led to one of its chunks, an upload of the
// same bytes could share a hole.
#[test]
fn rows_of_freed_chunks_are_told_and_lead_nobody_into_a_hole() {
    let bytes = noise(1, 20_000);
    let shut = Shut::indexed(|client| {
        client.put("/a", &bytes);
        client.put("/b", &noise(2, 20_000));
        client.delete("/a");
        assert_eq!(client.gc().freed_bytes, 20_000);
    });
    let (mut freed, rows) = (shut.chunks(), shut.rows());
    freed.retain(|chunk| !rows.contains_key(&chunk.key));
    assert!(freed.len() > 20, "{}", freed.len());
    let rows: Vec<_> = freed.iter().map(Chunk::row).collect();
    shut.tamper(|tables| tables.put_chunks(&rows));
    freed.sort_unstable_by_key(|chunk| chunk.key);
    let lines = freed
        .iter()
        .map(|c| leads(&c.key, "to a chunk that was freed"));
    let lines: Vec<String> = lines.collect();
    let client = shut.open();
    assert_eq!(verify(&client).index_errors, lines);
    assert_eq!(client.put("/a", &bytes).new_bytes, 20_000);
    assert!(client.get("/a") == Some(bytes));
    close(client);
    shut.open_as(true).assert_clean();
}

/// Begins some uploads before any of them ends: what they share lies in the pack as often.
fn put_at_once(client: &Client, files: &[(&str, Vec<u8>)]) {
    let begun = files.iter().map(|(_, bytes)| {
        let mut ingest = client.store.ingest(Wanted::Md5);
        let taken = ingest.push(&Bytes::copy_from_slice(bytes));
        taken.expect("there is room");
        ingest
    });
    let begun: Vec<Ingest> = begun.collect();
    for ((path, _), ingest) in files.iter().zip(begun) {
        let (upload, usage) = (upload(path), Usage::default());
        let ingested = ingest.finish().expect("there is room");
        let stored = wait(|done| domain::finish(&client.store, &usage, upload, ingested, done));
        stored.expect("it is stored");
    }
}

/// Files that begin with the same bytes.
fn alike<'p>(paths: &[&'p str]) -> Vec<(&'p str, Vec<u8>)> {
    let of = |(seed, path): (u64, &&'p str)| {
        let bytes = [noise(1, 8_000), noise(seed, 3_000)].concat();
        (*path, bytes)
    };
    (10..).zip(paths).map(of).collect()
}

/// The chunks that lie so many times in the pack, each with its copies in the order in which they lie.
fn lying(shut: &Shut, times: usize) -> Vec<Vec<Chunk>> {
    let mut by_key: BTreeMap<Prefix, Vec<Chunk>> = BTreeMap::new();
    for chunk in shut.chunks() {
        by_key.entry(chunk.key).or_default().push(chunk);
    }
    let several = by_key.into_values();
    several.filter(|copies| copies.len() == times).collect()
}

// A chunk lies in the pack several times, and rows lead to the first. When that is freed its row goes, and
// none leads to the others: that costs an upload some space, and is no error.
#[test]
fn chunks_whose_row_went_with_a_lower_copy_are_not_missed() {
    let files = alike(&["/first", "/second", "/third"]);
    let shut = Shut::after(|client| {
        put_at_once(client, &files);
        client.delete("/first");
        client.delete("/third");
        assert_eq!(client.gc().freed_bytes, 2 * 11_000);
        client.assert_clean();
    });
    let copies = lying(&shut, 3);
    assert!(copies.len() > 5, "{}", copies.len());
    let client = shut.open();
    let rows = client.store.rows().expect("rows");
    for copy in &copies {
        assert_eq!(rows.chunk(&copy[0].key).expect("a row"), None);
    }
    drop(rows);
    client.assert_clean();
    assert!(client.get("/second").as_ref() == Some(&files[1].1));
}

// A copy behind it was freed, and never had a row: that is not why the chunk has none.
#[test]
fn chunks_of_which_a_higher_copy_was_freed_are_missed() {
    let files = alike(&["/first", "/second"]);
    let shut = Shut::after(|client| {
        put_at_once(client, &files);
        client.delete("/second");
        assert_eq!(client.gc().freed_bytes, 11_000);
        client.assert_clean();
    });
    let copies = lying(&shut, 2);
    assert!(copies.len() > 5, "{}", copies.len());
    let lost = copies[2][0];
    assert_eq!(shut.rows().get(&lost.key), Some(&lost.own));
    shut.tamper(|tables| tables.drop_chunks(&[lost.row()]));
    assert_told(&shut, &[lost.missing()]);
}

// A wholly ruined index does not fill the memory with what is wrong in it.
#[test]
fn a_report_has_no_more_than_a_thousand_lines() {
    let shut = Shut::indexed(|client| drop(client.put("/f", &noise(1, 1_100_000))));
    let chunks = shut.chunks();
    assert!(chunks.len() > MAX_LINES + 1);
    let wrong: Vec<(Prefix, u64)> = (0..1_100_u128).map(|n| (n.to_be_bytes(), 8)).collect();
    shut.tamper(|tables| tables.put_chunks(&wrong));
    let lines: Vec<String> = wrong[..MAX_LINES]
        .iter()
        .map(|(key, _)| leads(key, "nowhere"))
        .collect();
    let client = shut.open();
    assert!(verify(&client).index_errors == lines);
    close(client);
    let rows: Vec<_> = chunks[1..].iter().map(Chunk::row).collect();
    shut.tamper(|tables| tables.drop_chunks(&rows));
    let missing = &chunks[1..=MAX_LINES];
    let lines: Vec<String> = missing.iter().map(Chunk::missing).collect();
    let client = shut.open();
    assert!(verify(&client).index_errors == lines);
}

fn user(name: &str, admin: bool) -> Mutation {
    Mutation::UserPut(User {
        name: name.to_owned(),
        password_phc: String::new(),
        admin,
        created_ms: 7,
    })
}

#[test]
fn rows_that_are_not_those_of_the_pack_are_told_however_many_changes_it_has() {
    let shut = Shut::after(|client| {
        client.commit(vec![user("early", false), user("other", false)]);
        // More than are taken at once.
        for _ in 0..3 {
            client.commit(vec![nothing(); 4_000]);
        }
        client.commit(vec![user("late", false), user("same", false)]);
        client.assert_clean();
    });
    shut.tamper(|tables| {
        for name in ["early", "late"] {
            let name = name.to_owned();
            tables.apply(&Mutation::UserDelete(UserDelete { name }))?;
        }
        tables.apply(&user("other", true))?;
        tables.apply(&user("stranger", false))
    });
    let lines = [
        "users: the row of early is missing",
        "users: the row of late is missing",
        "users: the row of other differs from the pack",
        "users: the row of stranger is not in the pack",
    ];
    assert_told(&shut, &lines.map(str::to_owned));
}
