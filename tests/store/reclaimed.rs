//! Reclaiming step by step: what a run tells, how much it frees at once, what comes in its way, and what it
//! leaves.

use std::ops::Range;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use packhold::digest::Wanted;
use packhold::domain::blocks::{self, BlockUpload};
use packhold::domain::quota::Usage;
use packhold::domain::{self, Declared};
use packhold::format::header::HEADER_BYTES;
use packhold::format::meta::{Dialect, Freed, FreedRecord, Mutation};
use packhold::format::record::{Frame, Kind};
use packhold::format::scan::{self, Record, ScanError};
use packhold::store::{BlobReader, GcOptions, GcReport, Ingested};

use crate::gc::rotten;
use crate::support::client::{Client, Clock, PACK_ID, address, new_sim, open, upload, wait};
use crate::support::log::{at, frames_of};
use crate::support::noise::noise;
use crate::support::sim::Sim;

const BLOCK_BYTES: usize = 4096;

/// All in one window; or only what that would free.
fn run(client: &Client, dry_run: bool) -> GcReport {
    let options = GcOptions {
        dry_run,
        ..GcOptions::default()
    };
    let report = client.store.gc(&options).expect("space is given back");
    assert!(report.complete, "{report:?}");
    report
}

/// An upload that waits for its commit, or is given up.
fn ingest(client: &Client, bytes: &[u8]) -> Ingested {
    let mut ingest = client.store.ingest(Wanted::Md5);
    let pushed = ingest.push(&Bytes::copy_from_slice(bytes));
    pushed.expect("there is room");
    ingest.finish().expect("there is room")
}

/// Whether an upload would share all that is there of these bytes.
fn is_shared(client: &Client, bytes: &[u8]) -> bool {
    ingest(client, bytes).new_bytes == 0
}

/// Somebody who reads a file, and holds it.
fn reader(client: &Client, path: &str) -> BlobReader {
    let rows = client.store.rows().expect("rows");
    let found = domain::file(&rows, &address(path), client.store.now_ms());
    let file = found.expect("it can be asked for").expect("a file");
    client.store.read(&file.blob, 0..u64::MAX)
}

/// How many chunks were freed by each commit that freed some.
fn batches(sim: &Sim) -> Vec<u32> {
    let view = Sim::of_image(sim.image());
    let (from, end) = (HEADER_BYTES as u64, sim.image().len() as u64);
    let mut batches: Vec<u32> = Vec::new();
    let read = scan::replay::<_, ScanError>(&view, &PACK_ID, from, end, |record| {
        if let Record::Commit(_, _, mutations) = record {
            let freed = mutations.iter().filter_map(|mutation| match mutation {
                Mutation::Freed(freed) => Some(&freed.records),
                _ => None,
            });
            let bits = freed.flatten().flat_map(|record| &record.chunks);
            batches.push(bits.map(|bits| bits.count_ones()).sum::<u32>());
        }
        Ok(())
    });
    read.expect("a simulated medium reads");
    batches.retain(|chunks| *chunks > 0);
    batches
}

/// The whole blocks of the body of a record.
fn blocks(frame: &Frame) -> Range<usize> {
    let start = at(frame.body_offset()).next_multiple_of(BLOCK_BYTES);
    let end = at(frame.body_offset() + frame.body_bytes);
    start..end - end % BLOCK_BYTES
}

#[test]
fn a_dry_run_tells_what_a_run_then_does() {
    let client = open(&new_sim(), &Clock::at(1_000));
    for (path, seed) in [
        ("/before", 1),
        ("/kept", 2),
        ("/read", 3),
        ("/gone", 4),
        ("/last", 5),
    ] {
        client.put(path, &noise(seed, 70_000));
    }
    client.delete("/before");
    assert_eq!(client.gc().freed_bytes, 70_000);
    let reader = reader(&client, "/read");
    client.delete("/read");
    client.delete("/gone");
    // What it wrote is pinned, and so is what lies near: the last file, which nobody deletes.
    let mut upload = client.store.ingest(Wanted::Md5);
    let pushed = upload.push(&Bytes::from(noise(6, 400_000)));
    pushed.expect("there is room");
    let (would, done) = (run(&client, true), run(&client, false));
    assert_eq!((done.blobs, done.freed_bytes), (2, 70_000));
    assert_eq!(done.manifests, 2, "a leaf and a root");
    assert!(done.chunks > 10 && done.manifest_bytes > 1_000, "{done:?}");
    assert_eq!(done.live_bytes, 140_000);
    assert!(done.held_bytes > 70_000, "the upload's and the reader's");
    let told = GcReport {
        dry_run: true,
        punched_bytes: 0,
        ..done
    };
    assert_eq!(would, told);
    drop((reader, upload));
    let (would, done) = (run(&client, true), run(&client, false));
    assert_eq!((done.held_bytes, done.manifests), (0, 2));
    assert_eq!(would.manifest_bytes, done.manifest_bytes);
    assert_eq!(would.freed_bytes, done.freed_bytes);
    client.assert_clean();
}

#[test]
fn a_commit_that_frees_so_many_chunks_is_full() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    // Each leaves a segment of one chunk.
    (0..25).for_each(|seed| drop(ingest(&client, &noise(seed, 200))));
    let options = GcOptions {
        batch_chunks: 10,
        ..GcOptions::default()
    };
    let report = client.store.gc(&options).expect("space is given back");
    assert_eq!((report.chunks, report.freed_bytes), (25, 25 * 200));
    assert_eq!(batches(&sim), [10, 10, 5]);
    client.assert_clean();
}

// What was freed is read some records ahead of the look at the pack. Records behind those that are read
// at once must not be taken for ones of which nothing was freed yet.
#[test]
fn of_many_records_none_is_freed_twice() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    (0..1_100).for_each(|seed| drop(ingest(&client, &noise(seed, 100))));
    assert_eq!(run(&client, false).chunks, 1_100);
    assert_eq!(batches(&sim), [1_024, 76], "so many records in a commit");
    for dry_run in [true, false] {
        let again = run(&client, dry_run);
        assert_eq!((again.chunks, again.freed_bytes), (0, 0));
    }
    assert_eq!(batches(&sim).len(), 2);
}

// Before it looks, the rows of all chunks are in the index. Where all of the log is durable that takes no record:
// with each run the log would grow by one.
#[test]
fn a_run_that_finds_nothing_writes_nothing() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/small", &noise(1, 200));
    client.put("/large", &noise(2, 50_000));
    let before = sim.image();
    for _ in 0..2 {
        let report = client.gc();
        assert_eq!((report.live_bytes, report.freed_bytes), (50_200, 0));
        assert!(sim.image() == before);
    }
}

#[test]
fn leaves_are_given_back_to_the_file_system_too() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/gone", &noise(1, 600_000));
    client.put("/kept", &noise(2, 600_000));
    let leaves = frames_of(&sim.image(), Kind::Leaf);
    let [gone, kept] = leaves.as_slice() else {
        panic!("{leaves:?}");
    };
    assert!(blocks(gone).len() >= BLOCK_BYTES, "{gone:?}");
    client.delete("/gone");
    client.gc();
    let image = sim.image();
    assert!(image[blocks(gone)].iter().all(|byte| *byte == 0));
    assert!(image[blocks(kept)].iter().any(|byte| *byte != 0));
    assert!(client.get("/kept").unwrap() == noise(2, 600_000));
    client.assert_clean();
}

// A commit says that a chunk of a leaf is freed, and a leaf has none. Whatever was meant, the leaf is
// needed: without it its file cannot be read.
#[test]
fn of_a_leaf_no_chunk_is_freed() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let bytes = noise(1, 600_000);
    client.put("/f", &bytes);
    let leaf = frames_of(&sim.image(), Kind::Leaf)[0];
    assert!(blocks(&leaf).len() >= BLOCK_BYTES, "{leaf:?}");
    let record = FreedRecord {
        offset: leaf.offset,
        bytes: 1,
        chunks: vec![1],
    };
    client.commit(vec![Mutation::Freed(Freed {
        records: vec![record],
        ..Freed::default()
    })]);
    client.gc();
    assert!(client.get("/f").unwrap() == bytes);
    drop(client);
    let client = open(&sim, &Clock::at(2_000));
    assert!(client.get("/f").unwrap() == bytes);
}

// A chunk rotted and was mended: no manifest names its copy. It is needed nevertheless: nobody who asks
// what could be freed is told of it, and it is not taken for what somebody holds at the moment.
#[test]
fn the_copy_of_a_damaged_chunk_counts_as_alive() {
    let bytes = noise(3, 20_000);
    let client = open(&rotten("/f", &bytes), &Clock::at(2_000));
    client.put("/longer", &[bytes.as_slice(), &noise(4, 9_000)].concat());
    assert!(client.get("/f").unwrap() == bytes);
    client.delete("/longer");
    let reclaimable = client.store.stats().unwrap().reclaimable_bytes;
    assert!(reclaimable > 0);
    let would = run(&client, true);
    assert_eq!((would.freed_bytes, would.held_bytes), (reclaimable, 0));
    let done = run(&client, false);
    assert_eq!((done.freed_bytes, done.held_bytes), (reclaimable, 0));
    assert!(done.live_bytes > 20_000 && done.live_bytes == would.live_bytes);
    assert!(client.get("/f").unwrap() == bytes);
    client.assert_clean();
}

// While space was given back, somebody read a file that was deleted; so its chunks are still there. An
// upload behind the run that did not share them would store them twice.
#[test]
fn what_a_run_leaves_is_shared_by_uploads_behind_it() {
    let client = open(&new_sim(), &Clock::at(1_000));
    let bytes = noise(1, 60_000);
    client.put("/f", &bytes);
    let reader = reader(&client, "/f");
    client.delete("/f");
    let report = run(&client, false);
    assert_eq!((report.chunks, report.held_bytes), (0, 60_000));
    assert!(is_shared(&client, &bytes));
    drop(reader);
    assert_eq!(run(&client, false).freed_bytes, 60_000);
    assert!(!is_shared(&client, &bytes));
}

/// Gives space back, and does something at the moment when all was looked at that is alive, and it is
/// still to be asked what somebody holds. `gone` is the content of a file that was deleted.
fn between(client: &Client, gone: &[u8], meanwhile: impl FnOnce()) -> GcReport {
    let options = GcOptions {
        patience: Duration::from_mins(10),
        ..GcOptions::default()
    };
    // A snapshot from before: it is waited for at that moment.
    let rows = client.store.rows().expect("rows");
    thread::scope(|scope| {
        let run = scope.spawn(|| client.store.gc(&options));
        // From that moment on nobody comes to share what is about to be freed.
        while is_shared(client, gone) && !run.is_finished() {
            thread::yield_now();
        }
        meanwhile();
        drop(rows);
        let report = run.join().expect("it is well");
        report.expect("space is given back")
    })
}

/// A store in which nothing refers to two contents any more.
fn two_gone(sim: &Sim, bytes: &[u8], other: &[u8]) -> Client {
    let client = open(sim, &Clock::at(1_000));
    client.put("/gone", bytes);
    client.put("/other", other);
    // The rows of all chunks reach the index: until then a chunk may be missed now and then.
    client.gc();
    client.delete("/gone");
    client.delete("/other");
    client
}

// An upload found all its chunks in a content that nothing refers to. It commits, and lets go of them, when
// a run has looked at what is alive, and has not asked yet what is held: in neither it is to be seen.
// But the run knows what was referred to meanwhile. The new file must not end up as one of holes.
#[test]
fn what_a_change_comes_to_refer_to_beside_a_run_is_kept() {
    let sim = new_sim();
    let (bytes, other) = (noise(1, 100_000), noise(2, 200));
    let client = two_gone(&sim, &bytes, &other);
    let ingested = ingest(&client, &bytes);
    assert_eq!(ingested.new_bytes, 0);
    let report = between(&client, &other, || {
        let (usage, new) = (Usage::default(), upload("/new"));
        let put = wait(|done| domain::finish(&client.store, &usage, new, ingested, done));
        put.expect("it is stored");
    });
    assert!(report.complete, "{report:?}");
    assert_eq!((report.blobs, report.chunks), (2, 1), "{report:?}");
    assert_eq!((report.freed_bytes, report.held_bytes), (200, 100_000));
    assert!(client.get("/new").unwrap() == bytes);
    assert_eq!(client.gc().live_bytes, 100_000);
    client.assert_clean();
    drop(client);
    let client = open(&sim, &Clock::at(2_000));
    assert!(client.get("/new").unwrap() == bytes);
}

// The same of a block: its file is made when the run is over.
#[test]
fn a_block_that_comes_beside_a_run_is_kept() {
    let sim = new_sim();
    let (bytes, other) = (noise(1, 100_000), noise(2, 200));
    let client = two_gone(&sim, &bytes, &other);
    let id = client.start_blocks("/new", Dialect::Offset);
    let id = id.expect("a session");
    let wanted = BlockUpload {
        address: address("/new"),
        id: id.clone(),
        key: 0,
        declared: Declared::default(),
    };
    let begun = blocks::begin_block(&client.store, wanted, Some(100_000));
    let (begun, mut ingest) = begun.expect("begun");
    let pushed = ingest.push(&Bytes::copy_from_slice(&bytes));
    pushed.expect("there is room");
    let ingested = ingest.finish_block().expect("there is room");
    let report = between(&client, &other, || {
        let put = wait(|done| blocks::finish_block(&client.store, begun, ingested, done));
        put.expect("it is stored");
    });
    assert_eq!((report.blobs, report.chunks), (2, 1), "{report:?}");
    assert_eq!((report.freed_bytes, report.held_bytes), (200, 100_000));
    let made = client.complete_blocks("/new", &id, Some(100_000));
    made.expect("it is made");
    assert!(client.get("/new").unwrap() == bytes);
    client.assert_clean();
}
