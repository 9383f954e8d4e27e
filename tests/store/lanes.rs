//! Taking in a file: however its bytes come, it is cut the same, and its manifest is written while it comes.

use bytes::Bytes;
use packhold::digest::{Wanted, sha256};
use packhold::domain;
use packhold::domain::quota::Usage;
use packhold::format::record::Kind;
use packhold::format::scan;
use packhold::format::segment::{Entry, decode_table};
use packhold::index::Place;
use packhold::pack::Pack;
use packhold::store::{Chunker, Ingest, Options, Store};

use crate::joined::{TINY, cut_into, leaves, tiny_sim};
use crate::support::client::{Client, Clock, PACK_ID, SMALL, new_sim, open, options, upload, wait};
use crate::support::log::{at, frames_of};
use crate::support::noise::noise;
use crate::support::sim::Sim;

/// So many pieces fill a leaf.
const FULL: usize = 32 * 127;

/// The lengths of the chunks in a pack, in their order.
fn stored(image: &[u8]) -> Vec<usize> {
    let mut lens = Vec::new();
    for frame in frames_of(image, Kind::Segment) {
        let table = &image[at(frame.body_offset())..at(frame.payload_offset())];
        let entries = decode_table(table, frame.body_bytes).expect("a table");
        lens.extend(entries.iter().map(|entry| entry.raw_len as usize));
    }
    lens
}

/// The lengths of the chunks of a whole file.
fn cut(mut bytes: &[u8]) -> Vec<usize> {
    let chunker = Chunker::new(&SMALL);
    let mut lens = Vec::new();
    while !bytes.is_empty() {
        let len = chunker.cut(bytes);
        lens.push(len);
        bytes = &bytes[len..];
    }
    lens
}

fn push(ingest: &mut Ingest, bytes: &[u8]) {
    let taken = ingest.push(&Bytes::copy_from_slice(bytes));
    taken.expect("there is room");
}

/// A file that comes in these batches is cut as it is as a whole, and comes back.
fn assert_taken(batches: &[&[u8]]) {
    let bytes = batches.concat();
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let mut ingest = client.store.ingest(Wanted::Md5);
    batches.iter().for_each(|batch| push(&mut ingest, batch));
    let ingested = ingest.finish().expect("there is room");
    let (upload, usage) = (upload("/f"), Usage::default());
    let made = wait(|done| domain::finish(&client.store, &usage, upload, ingested, done));
    made.expect("it is stored");
    let lens: Vec<usize> = batches.iter().map(|batch| batch.len()).take(3).collect();
    assert_eq!(stored(&sim.image()), cut(&bytes), "{lens:?}…");
    assert!(client.get("/f") == Some(bytes), "{lens:?}…");
}

// A file is cut in batches, and a chunk may begin in one and end in another. If it were cut otherwise for
// that, nothing of the same file would be shared when it comes again in other batches.
#[test]
fn a_file_is_cut_the_same_in_whatever_batches_it_comes() {
    let bytes = noise(1, 60_000);
    for step in [100, 1_000, 4_095, 4_096, 4_097, 5_000, 30_000, 60_000] {
        let batches: Vec<&[u8]> = bytes.chunks(step).collect();
        assert_taken(&batches);
    }
}

#[test]
fn a_batch_may_end_where_a_chunk_does() {
    let bytes = noise(2, 40_000);
    let lens = cut(&bytes);
    let max = SMALL.max_bytes as usize;
    assert!(
        lens[0] < max,
        "it would be cut without what comes behind it"
    );
    // What is held back until the next batch comes is a chunk, no more and no less.
    let (first, rest) = bytes.split_at(lens[0]);
    assert_taken(&[first, rest]);
    for len in [max - 1, max, max + 1, 2 * max] {
        let (some, others) = rest.split_at(len);
        assert_taken(&[first, some, others]);
    }
}

fn opened(sim: &Sim) -> Pack {
    let medium = sim.reopened().medium();
    let header = medium.header().expect("a header");
    let start = medium.start().expect("a start");
    let survey = scan::survey(sim, &PACK_ID, start, |_| {}).expect("it is readable");
    let opened = Pack::open(medium, header, &survey, false);
    opened.expect("it opens").pack
}

// The table of a segment names a chunk of another length than what lies there. Who has that chunk must not be
// given some of it for all.
#[test]
fn a_chunk_that_is_said_to_be_shorter_than_it_is_is_not_shared() {
    let bytes = noise(3, 200);
    let some = &bytes[..150];
    let sim = new_sim();
    let pack = opened(&sim);
    let mut table = Vec::new();
    let entry = Entry {
        sha256: sha256(&bytes),
        raw_len: 150,
        stored_len: 150,
        crc32: crc32fast::hash(some),
        index: 0,
        codec: 0,
    };
    entry.encode_into(&mut table);
    let appended = pack.append(Kind::Segment, &table, &[Bytes::copy_from_slice(some)]);
    appended.expect("there is room");
    let tail = pack.append_commit(&[], 1, false).expect("there is room");
    pack.sync(&tail).expect("it is durable");
    drop(pack);
    let client = open(&sim, &Clock::at(1_000));
    assert_eq!(client.put("/f", &bytes).new_bytes, 200);
    assert!(client.get("/f") == Some(bytes));
}

/// Opens a pack of tiny chunks with so much memory for uploads.
fn with_memory(sim: &Sim, ingest_memory_bytes: u64) -> Client {
    let options = Options {
        ingest_memory_bytes,
        ..options(&Clock::at(1_000))
    };
    let store = Store::open_on(sim.reopened().medium(), Place::Memory, options);
    Client {
        store: store.expect("it opens"),
    }
}

/// Bytes that are cut into somewhat more pieces than fill a leaf; and how many of them just fill it, if they come
/// first.
fn more_than_a_leaf() -> (Vec<u8>, usize) {
    let bytes = cut_into(7, FULL + 40);
    // A piece is cut as soon as there is enough for the largest.
    let full = cut_into(7, FULL - 1).len() + TINY.max_bytes as usize;
    assert!(full < bytes.len());
    (bytes, full)
}

/// The leaves that were written to a pack.
fn leaves_of(sim: &Sim) -> usize {
    frames_of(&sim.image(), Kind::Leaf).len()
}

// Memory does not grow with the file: what is known of its manifest is written as soon as it fills a leaf.
#[test]
fn a_leaf_of_a_new_file_is_written_as_soon_as_it_is_full() {
    let sim = tiny_sim();
    let client = open(&sim, &Clock::at(1_000));
    let (bytes, full) = more_than_a_leaf();
    let mut ingest = client.store.ingest(Wanted::Md5);
    push(&mut ingest, &bytes[..full]);
    assert_eq!(leaves_of(&sim), 1);
    push(&mut ingest, &bytes[full..]);
    let ingested = ingest.finish().expect("there is room");
    let blob = ingested.blob.expect("a content");
    let found = leaves(&sim.image(), &blob.manifest);
    let counts: Vec<usize> = found
        .iter()
        .map(|leaf| leaf.leaf_entries as usize)
        .collect();
    assert_eq!(counts, [FULL, 40]);
}

// A file that is there already needs no manifest of its own. What is known of one is held back in memory, as
// long as nothing new comes.
#[test]
fn the_leaves_of_a_known_file_are_held_back_until_something_is_new() {
    // Enough for one upload that holds them back, and not for two.
    const MEMORY_BYTES: u64 = 12 << 20;
    let sim = tiny_sim();
    let client = with_memory(&sim, MEMORY_BYTES);
    let (bytes, full) = more_than_a_leaf();
    client.put("/known", &bytes);
    let (before, known) = (sim.image(), leaves_of(&sim));
    let budget = client.store.budget();
    assert_eq!(budget.used_bytes(), 0);
    let mut ingest = client.store.ingest(Wanted::Md5);
    push(&mut ingest, &bytes[..full]);
    let held = budget.used_bytes();
    assert!(held > MEMORY_BYTES / 2, "{held} bytes are held");
    push(&mut ingest, &bytes[full..]);
    assert_eq!(budget.used_bytes(), held);
    assert!(sim.image() == before, "something was written");
    push(&mut ingest, &noise(9, 20_000));
    assert_eq!((budget.used_bytes(), leaves_of(&sim)), (0, known + 1));
}

#[test]
fn the_leaves_of_a_known_file_are_written_where_memory_is_short() {
    let sim = tiny_sim();
    let client = with_memory(&sim, 1 << 20);
    let (bytes, full) = more_than_a_leaf();
    client.put("/known", &bytes);
    let known = leaves_of(&sim);
    let mut ingest = client.store.ingest(Wanted::Md5);
    push(&mut ingest, &bytes[..full]);
    assert_eq!(leaves_of(&sim), known + 1);
    assert_eq!(client.store.budget().used_bytes(), 0);
    push(&mut ingest, &bytes[full..]);
    let ingested = ingest.finish().expect("there is room");
    assert_eq!(ingested.new_bytes, 0);
}
