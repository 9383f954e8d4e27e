//! Uploads in blocks on a simulated disk: crashes at every write and sync, failing calls, a full
//! disk.

use std::collections::BTreeSet;

use packhold::domain::blocks::UploadId;
use packhold::domain::{DomainError, Stored};
use packhold::format::meta::{Block, Dialect};
use packhold::index::Rows;
use packhold::store::StoreError;

use crate::support::client::{Client, Clock, new_sim, open, try_open};
use crate::support::crash::images;
use crate::support::noise::noise;
use crate::support::sim::{Call, Failure, Op, Sim};

const FILE: &str = "/dir/file";
const BLOCKS: usize = 5;
const BLOCK_BYTES: usize = 7_000;

/// Marks in the log: what was acknowledged so far.
const STARTED: usize = 100;
const COMPLETED: usize = 101;

fn start(client: &Client) -> Result<UploadId, DomainError> {
    client.start_blocks(FILE, Dialect::Offset)
}

fn put(client: &Client, id: &UploadId, number: usize, bytes: &[u8]) -> Result<Block, DomainError> {
    client.put_block(FILE, id, (number * BLOCK_BYTES) as u64, bytes)
}

fn complete(client: &Client, id: &UploadId) -> Result<Stored, DomainError> {
    client.complete_blocks(FILE, id, Some((BLOCKS * BLOCK_BYTES) as u64))
}

fn of(bytes: &[u8], number: usize) -> &[u8] {
    &bytes[number * BLOCK_BYTES..(number + 1) * BLOCK_BYTES]
}

/// The whole story of an upload, its blocks out of order and one of them twice.
fn story(client: &Client, sim: &Sim, bytes: &[u8]) -> UploadId {
    let id = start(client).expect("a session");
    sim.mark(STARTED);
    for number in [0, 2, 1, 4, 2, 3] {
        put(client, &id, number, of(bytes, number)).expect("a block");
        sim.mark(number);
    }
    complete(client, &id).expect("a file");
    sim.mark(COMPLETED);
    id
}

/// The blocks that are there; `None` when the session is not.
fn there(client: &Client, id: &UploadId) -> Option<BTreeSet<u64>> {
    let blocks = client.try_blocks(FILE, id).expect("they can be asked for");
    blocks.map(|blocks| blocks.iter().map(|block| block.key).collect())
}

// A block is acknowledged, the power fails, and the client goes on where it was. A store that lost
// the block, or whose saved digests are ahead of its blocks, completes a file with a hole or with
// wrong digests.
// Every image has all acknowledged blocks, or the file; what is missing can be sent again, and the
// file that comes of it is the right one.
#[test]
fn every_crash_image_goes_on_with_an_upload_in_blocks() {
    let bytes = noise(31, BLOCKS * BLOCK_BYTES);
    let sim = new_sim();
    let start = sim.image();
    let id = story(&open(&sim, &Clock::at(1_000)), &sim, &bytes);
    let log = sim.log();
    let (mut tried, mut resumed) = (0, 0);
    images(&start, &log, 12, |image| {
        let what = format!("crash behind operation {}", image.at);
        let marks: BTreeSet<usize> = log[..image.at]
            .iter()
            .filter_map(|op| match op {
                Op::Mark(mark) => Some(*mark),
                _ => None,
            })
            .collect();
        let sim = Sim::of_image(image.bytes);
        let client = try_open(&sim, &Clock::at(5_000)).unwrap_or_else(|e| panic!("{what}: {e}"));
        let file = client
            .try_get(FILE)
            .expect("it can be read or is not there");
        if let Some(found) = file {
            assert!(found == bytes, "{what}: another file");
            assert_eq!(there(&client, &id), None, "{what}: the session is over");
        } else {
            assert!(!marks.contains(&COMPLETED), "{what}: the file is lost");
            let blocks = there(&client, &id);
            assert!(
                blocks.is_some() || !marks.contains(&STARTED),
                "{what}: no session"
            );
            if let Some(blocks) = blocks {
                for number in 0..BLOCKS {
                    let key = (number * BLOCK_BYTES) as u64;
                    assert!(
                        blocks.contains(&key) || !marks.contains(&number),
                        "{what}: block {number} is lost"
                    );
                    if !blocks.contains(&key) {
                        put(&client, &id, number, of(&bytes, number)).expect("a block");
                    }
                }
                complete(&client, &id).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(client.get(FILE).as_ref(), Some(&bytes), "{what}");
                resumed += 1;
            }
        }
        // Digests of every content against its bytes, and the index against the pack.
        client.assert_clean();
        tried += 1;
    });
    println!("crash images tried: {tried}, uploads gone on with: {resumed}, losses: 0");
    assert!(
        tried > 150 && resumed > 50,
        "only {tried} images, {resumed} resumed"
    );
}

// The n-th write or sync fails while an upload in blocks goes on. Whatever was acknowledged is there
// when the store is opened again, and the upload can be completed.
#[test]
fn a_failing_disk_loses_no_acknowledged_block() {
    let bytes = noise(32, BLOCKS * BLOCK_BYTES);
    let mut failed = 0;
    for call in [Call::Write, Call::Sync] {
        for after in 0..40 {
            let sim = new_sim();
            let clock = Clock::at(1_000);
            let client = open(&sim, &clock);
            let id = start(&client).expect("a session");
            sim.fail(call, after, Failure::Io);
            let acknowledged: Vec<usize> = (0..BLOCKS)
                .filter(|number| put(&client, &id, *number, of(&bytes, *number)).is_ok())
                .collect();
            let completed = complete(&client, &id).is_ok();
            failed += usize::from(!completed);
            client.store.close();
            drop(client);
            sim.mend();
            let what = format!("{call:?} {after}");
            let client = open(&sim, &clock);
            match client.get(FILE) {
                Some(found) => assert!(found == bytes, "{what}"),
                None => {
                    assert!(!completed, "{what}: the file is lost");
                    let blocks = there(&client, &id).expect("the session was acknowledged");
                    for number in &acknowledged {
                        let key = (number * BLOCK_BYTES) as u64;
                        assert!(blocks.contains(&key), "{what}: block {number} is lost");
                    }
                    for number in 0..BLOCKS {
                        put(&client, &id, number, of(&bytes, number)).expect("a block");
                    }
                    complete(&client, &id).expect("a file");
                    assert_eq!(client.get(FILE).as_ref(), Some(&bytes), "{what}");
                }
            }
            client.assert_clean();
        }
    }
    assert!(failed > 10, "only {failed} uploads met the fault");
}

// A block comes when the disk is full. It is refused, the blocks that were there stay, an upload in
// blocks can be given up, and it goes on when there is room again.
#[test]
fn a_full_disk_refuses_blocks_and_keeps_those_that_are_there() {
    let bytes = noise(33, BLOCKS * BLOCK_BYTES);
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let (id, other) = (
        start(&client).expect("a session"),
        start(&client).expect("a session"),
    );
    put(&client, &id, 0, of(&bytes, 0)).expect("a block");
    sim.set_free(Some(0));
    let refused = put(&client, &id, 1, of(&bytes, 1));
    assert!(
        matches!(refused, Err(DomainError::Store(StoreError::Full))),
        "{refused:?}"
    );
    assert_eq!(there(&client, &id), Some(BTreeSet::from([0])));
    let aborted = client.abort_blocks(FILE, &other);
    assert!(aborted.is_ok(), "giving up uses the reserve: {aborted:?}");
    assert_eq!(there(&client, &other), None);
    sim.set_free(None);
    for number in 1..BLOCKS {
        put(&client, &id, number, of(&bytes, number)).expect("a block");
    }
    complete(&client, &id).expect("a file");
    assert_eq!(client.get(FILE).as_ref(), Some(&bytes));
    client.assert_clean();
}

// The digests go with the blocks as they come: at the end nothing has to be read again.
#[test]
fn blocks_in_order_are_digested_as_they_come() {
    for dialect in [Dialect::Offset, Dialect::Sequence] {
        let client = open(&new_sim(), &Clock::at(1_000));
        let id = client.start_blocks(FILE, dialect).unwrap();
        let (mut bytes, mut covered) = (0, Vec::new());
        for number in 1..=4 {
            let key = match dialect {
                Dialect::Offset => bytes,
                Dialect::Sequence => number,
            };
            client
                .put_block(FILE, &id, key, &noise(number, 5_000))
                .unwrap();
            bytes += 5_000;
            let session = client.store.rows().unwrap().session(id.session_id());
            let prefix = session.unwrap().unwrap().prefix;
            covered.push((prefix.blocks, prefix.bytes));
        }
        assert_eq!(covered, [(1, 5_000), (2, 10_000), (3, 15_000), (4, 20_000)]);
    }
}

// Blocks are asked for so many at a time.
#[test]
fn a_file_of_more_blocks_than_a_page_has() {
    let client = open(&new_sim(), &Clock::at(1_000));
    let bytes = noise(32, 2_100);
    let stored = client.put_in_blocks(FILE, &bytes, 2).unwrap();
    assert_eq!(stored.file.blob.size, 2_100);
    assert!(client.get(FILE) == Some(bytes));
    client.assert_clean();
}
