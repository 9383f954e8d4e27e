//! What was there before, and what comes in between: of blocks, of contents, of what a commit proves.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use packhold::digest::{Wanted, sha256};
use packhold::domain::Declared;
use packhold::domain::blocks::{self, BlockUpload, Digesting};
use packhold::format::commit::{self, Chain, CommitHead, HEAD_BYTES};
use packhold::format::header::HEADER_BYTES;
use packhold::format::meta::{Dialect, Mutation};
use packhold::format::record::{Frame, Kind};
use packhold::format::scan::{self, Record, ScanError, View};
use packhold::index::Place;
use packhold::pack::{Medium, Source};
use packhold::store::Store;
use parking_lot::Mutex;

use crate::counted::only_piece;
use crate::support::client::{Client, Clock, PACK_ID, address, new_sim, open, options, wait};
use crate::support::log::{at, frames, survey};
use crate::support::noise::noise;
use crate::support::sim::Sim;

const FILE: &str = "/dir/file";

type Act = Box<dyn FnOnce() + Send>;

/// A simulated pack, and what is done behind a read of these bytes, before who reads them has them.
struct Between {
    sim: Sim,
    act: Mutex<Option<(u64, Act)>>,
}

impl View for Between {
    fn len(&self) -> u64 {
        self.sim.len()
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let read = self.sim.read(offset, len);
        let due = self.act.lock().take_if(|(at, _)| *at == offset);
        if let Some((_, act)) = due {
            act();
        }
        read
    }
}

impl Source for Between {
    fn publish(&self, end: u64) {
        self.sim.publish(end);
    }
}

// A block that came before those in front of it is read again to be digested. While that is done, the client sends
// it anew, with other bytes. The file must not get the digests of the bytes that were read.
#[test]
fn a_block_that_is_replaced_while_it_is_digested_is_digested_again() {
    let sim = new_sim();
    let source = Arc::new(Between {
        sim: sim.clone(),
        act: Mutex::default(),
    });
    let medium = Medium {
        sink: Arc::new(sim),
        source: source.clone(),
    };
    let store = Store::open_on(medium, Place::Memory, options(&Clock::at(1_000)));
    let client = Client {
        store: store.expect("the pack opens"),
    };
    let [first, second, wrong, right] = [1, 2, 3, 4].map(|seed| noise(seed, 200));
    let id = client.start_blocks(FILE, Dialect::Offset).unwrap();
    // Backwards, so that only the first one is digested as it comes.
    let block = client.put_block(FILE, &id, 400, &wrong).unwrap();
    client.put_block(FILE, &id, 200, &second).unwrap();
    client.put_block(FILE, &id, 0, &first).unwrap();
    let replace: Act = {
        let (client, id, right) = (client.clone(), id.clone(), right.clone());
        Box::new(move || drop(client.put_block(FILE, &id, 400, &right).unwrap()))
    };
    let offset = only_piece(&block.manifest).pack_offset;
    *source.act.lock() = Some((offset, replace));
    let digested = blocks::catch_up(&client.store, &Digesting::default(), id.session_id());
    assert!(digested.unwrap());
    assert!(source.act.lock().is_none(), "it was replaced meanwhile");
    let stored = client.complete_blocks(FILE, &id, Some(600)).unwrap();
    let bytes = [first, second, right].concat();
    assert_eq!(stored.file.blob.sha256, sha256(&bytes));
    assert!(client.get(FILE) == Some(bytes));
    client.assert_clean();
}

// A client sends the first block twice at once, and once by mistake without bytes. That is in its place first, then
// the right one takes it. The digests must not go on from the empty one, as if both were there.
#[test]
fn a_block_that_takes_the_place_of_one_that_was_quicker_is_not_digested_behind_it() {
    let client = open(&new_sim(), &Clock::at(1_000));
    let id = client.start_blocks(FILE, Dialect::Sequence).unwrap();
    let bytes = noise(4, 5_000);
    let upload = BlockUpload {
        address: address(FILE),
        id: id.clone(),
        key: 1,
        declared: Declared::default(),
    };
    let (begun, mut ingest) = blocks::begin_block(&client.store, upload, None).unwrap();
    ingest.push(&Bytes::copy_from_slice(&bytes)).unwrap();
    client.put_block(FILE, &id, 1, b"").unwrap();
    let ingested = ingest.finish_block().unwrap();
    let block = wait(|done| blocks::finish_block(&client.store, begun, ingested, done));
    assert_eq!(block.unwrap().size, 5_000);
    let stored = client.complete_blocks(FILE, &id, Some(5_000)).unwrap();
    assert_eq!(stored.file.blob.sha256, sha256(&bytes));
    assert!(client.get(FILE) == Some(bytes));
    client.assert_clean();
}

#[test]
fn a_content_that_is_there_is_not_noted_again_when_it_comes_in_blocks() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let bytes = noise(5, 20_000);
    client.put("/whole", &bytes);
    client.put_in_blocks(FILE, &bytes, 7_000).unwrap();
    let view = Sim::of_image(sim.image());
    let mut noted = Vec::new();
    let (from, end) = (HEADER_BYTES as u64, view.len());
    let lost = scan::replay::<_, ScanError>(&view, &PACK_ID, from, end, |record| {
        if let Record::Commit(_, _, mutations) = record {
            noted.extend(mutations.into_iter().filter_map(|mutation| match mutation {
                Mutation::BlobPut(blob) => Some(blob.sha256),
                _ => None,
            }));
        }
        Ok(())
    });
    assert_eq!(lost.unwrap(), []);
    assert_eq!(noted, [sha256(&bytes)]);
}

// The last commit is the first that proves what lies right before it. A bit that flips in a payload there is
// damage of that chunk, found when it is read; as the torn end of the log it would take the commit with it.
// What no commit proves is looked into, wherever it lies behind.
#[test]
fn a_payload_is_looked_into_only_if_nothing_proves_it() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/f", &noise(6, 200));
    let behind = survey(&sim.image()).end;
    let mut ingest = client.store.ingest(Wanted::Md5);
    ingest.push(&Bytes::from(noise(7, 200))).unwrap();
    let _ingested = ingest.finish().unwrap();
    let image = sim.image();
    let segment = frames(&image).0.pop().expect("a record");
    assert_eq!(
        (segment.kind, segment.offset),
        (Kind::Segment, behind.offset)
    );
    let end = segment.next_offset();
    let damaged = |durable_upto: u64| {
        let head = CommitHead {
            durable_upto,
            time_ms: 2_000,
            previous: behind.commit,
            mutations: 0,
            chain: [0; 32],
        };
        let mut chain = Chain::after(&behind.chain);
        chain.frame(&segment.encode(&PACK_ID));
        let (body, _) = commit::encode(&head, &[], &chain);
        let frame = Frame {
            kind: Kind::Commit,
            offset: end,
            seq: segment.seq + 1,
            body_bytes: HEAD_BYTES as u64,
            head_bytes: 64,
            digest: sha256(&body),
            ..segment
        };
        let mut bytes = image.clone();
        bytes.resize(at(end), 0);
        bytes.extend(frame.encode(&PACK_ID));
        bytes.extend(body);
        bytes[at(segment.payload_offset())] ^= 1;
        survey(&bytes)
    };
    let found = damaged(end);
    assert_eq!(
        (found.end.commit, found.torn, found.corrupt),
        (end, None, vec![])
    );
    for durable_upto in [0, behind.offset] {
        let found = damaged(durable_upto);
        assert_eq!(found.end, behind, "{durable_upto}");
        let torn = found.torn.map(|torn| torn.offset);
        assert_eq!(torn, Some(segment.offset), "{durable_upto}");
    }
}
