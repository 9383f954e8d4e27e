//! Replaying the log into the index when a store is opened, or its index is made anew: what is read again,
//! what lasts of it, and what must not.

use std::sync::Arc;

use bytes::Bytes;
use packhold::digest::Wanted;
use packhold::format::header::HEADER_BYTES;
use packhold::format::record::{Frame, Kind};
use packhold::format::scan;
use packhold::format::segment::ENTRY_BYTES;
use packhold::index::Index;
use packhold::store::{Options, StoreError};

use crate::checkpoints::nothing;
use crate::opening::{close, closed, killed, open_as, place, present, put};
use crate::support::client::{PACK_ID, options};
use crate::support::log::{at, frames, frames_of};
use crate::support::noise::noise;
use crate::support::platter::Disk;
use crate::support::sim::{Call, Failure, Paged};
use crate::support::work::Scene;

/// Changes that a replay takes in at once.
const AT_ONCE: usize = 20_000;
const CACHE_BYTES: usize = 4 << 20;

/// A closed store with a file, the chunks of which have rows in the index.
fn with_rows() -> Scene {
    let scene = closed(0..1);
    // Opening reads them again, and gives them their rows.
    close(scene.open().expect("it opens"));
    let index = Index::open(&place(&scene), CACHE_BYTES).expect("an index");
    let reader = index.reader().expect("a snapshot");
    assert!(reader.chunk_count().expect("a table") > 0);
    drop(reader);
    scene
}

/// Records of an image from an offset on, and chunks in them.
fn records_and_chunks(image: &[u8], from: usize) -> u64 {
    let (mut records, lost) = frames(image);
    assert_eq!(lost, 0);
    records.retain(|frame| at(frame.offset) >= from);
    let chunks = |frame: &Frame| match frame.kind {
        Kind::Segment => u64::from(frame.head_bytes) / ENTRY_BYTES as u64,
        _ => 0,
    };
    records.iter().map(|frame| 1 + chunks(frame)).sum()
}

#[test]
fn what_opening_reads_again_is_counted() {
    let scene = closed(0..4);
    let first = scene.pack.image();
    let client = scene.open().expect("it opens");
    let expected = records_and_chunks(&first, HEADER_BYTES);
    assert!(expected > 4 * 3, "segments, chunks and commits: {expected}");
    assert_eq!(client.store.open_report().read_again, expected);
    put(&client, 4..6);
    close(client);
    // Those chunks have rows by now.
    let second = scene.pack.image();
    let client = scene.open().expect("it opens");
    let expected = records_and_chunks(&second, first.len());
    assert_eq!(client.store.open_report().read_again, expected);
}

// A process is killed again and again, each time a little later. What was replayed once is not replayed
// each time, unless there is no room on the disk for the index: to write it then would break it.
#[test]
fn what_was_replayed_lasts_if_there_is_room_for_it() {
    let scene = closed(0..1);
    let client = scene.open().expect("it opens");
    put(&client, 1..3);
    for (free, again) in [(None, 0), (Some(0), 2)] {
        let scene = killed(&scene);
        scene.index.set_free(free);
        let client = scene.open().expect("it opens");
        assert_eq!(client.store.open_report().replayed_commits, 2);
        let later = killed(&scene).open().expect("it opens");
        assert_eq!(later.store.open_report().replayed_commits, again);
        assert_eq!(present(&later), [0, 1, 2]);
    }
}

// It is what every start of a store that was closed does: the disk is not waited for.
#[test]
fn opening_makes_no_checkpoint_when_nothing_was_replayed() {
    let scene = killed(&with_rows());
    let client = scene.open().expect("it opens");
    assert_eq!(client.store.open_report().replayed_commits, 0);
    // As if there were no pack.
    let alone = killed(&with_rows());
    let index = Index::open(&place(&alone), CACHE_BYTES).expect("an index");
    let covered = index.checkpoint().expect("a table").expect("a checkpoint");
    let batch = index.begin().expect("it can be changed");
    let told = batch.tables().set_checkpoint(&covered);
    told.expect("it can be told");
    batch.commit(false).expect("nothing is waited for");
    assert_eq!(scene.index.syncs(), alone.index.syncs());
}

/// The pack can be read up to here when it is replayed, and no further.
fn break_off(scene: &Scene, upto: u64) {
    let pack = scene.pack.clone();
    let options = Options {
        progress: Arc::new(move |what, done, _| {
            if what == "rebuilding the index" && done >= upto {
                pack.fail(Call::Read, 0, Failure::Io);
            }
        }),
        ..options(&scene.clock)
    };
    let failed = open_as(scene, options).err();
    assert!(matches!(failed, Some(StoreError::Pack(_))), "{failed:?}");
    scene.pack.mend();
}

// A long replay fails on its way. What it has taken in until then is not gathered in memory, but in the index,
// which says up to which commit that is: whoever opens the store next goes on there.
#[test]
fn a_replay_that_breaks_off_is_gone_on_with() {
    let scene = with_rows();
    let client = scene.open().expect("it opens");
    put(&client, 1..2);
    client.commit(vec![nothing(); AT_ONCE]);
    let upto = scene.pack.image().len() as u64;
    put(&client, 2..4);
    let scene = killed(&scene);
    break_off(&scene, upto);
    let index = Index::open(&place(&scene), CACHE_BYTES).expect("an index");
    let covered = index.checkpoint().expect("a row").expect("it covers some");
    drop(index);
    assert_eq!(covered.position.offset, upto);
    let there = scan::position_behind(&scene.pack, &PACK_ID, covered.position.commit);
    assert_eq!(there, Some(covered.position));
    let client = scene.open().expect("it opens");
    let report = client.store.open_report();
    assert_eq!((report.rebuilt, report.replayed_commits), (false, 2));
    assert_eq!(present(&client), [0, 1, 2, 3]);
    client.assert_clean();
}

// The same bytes come, go, are reclaimed, and come again, more than once, and all of it is replayed at once.
// The one copy that is left must be known, or who sends them again stores them twice.
#[test]
fn what_was_freed_and_stored_anew_is_known_after_a_replay() {
    let scene = with_rows();
    let client = scene.open().expect("it opens");
    let bytes = noise(50, 3_000);
    client.put("/again", &bytes);
    for _ in 0..3 {
        client.delete("/again");
        assert_eq!(client.gc().freed_bytes, 3_000);
        assert_eq!(client.put("/again", &bytes).new_bytes, 3_000);
    }
    let client = killed(&scene).open().expect("it opens");
    let report = client.store.open_report();
    assert!(!report.rebuilt && report.replayed_commits >= 10);
    assert_eq!(client.put("/more", &bytes).new_bytes, 0);
    assert!(client.get("/more") == Some(bytes));
    client.assert_clean();
}

// While an upload runs the index fails, and is built anew. What the upload has written lies behind the last
// commit, and the power failure that follows takes it. Had it got rows, they would stay, and lead nowhere.
#[test]
fn chunks_behind_the_last_commit_get_no_rows_when_the_index_is_built_anew() {
    let scene = Scene::new();
    let client = scene.open().expect("it opens");
    put(&client, 0..1);
    let durable = scene.pack.image();
    let mut ingest = client.store.ingest(Wanted::Md5);
    let pushed = ingest.push(&Bytes::from(noise(9, 600_000)));
    pushed.expect("there is room");
    let written = frames_of(&scene.pack.image(), Kind::Segment);
    assert_eq!(at(written[1].offset), durable.len());
    client.store.doubt_index();
    // Nothing is changed; the index is built anew before that.
    client.commit(vec![]);
    let scene = Scene::on(&Disk {
        pack: Paged::of(&durable),
        index: scene.index.pages(),
    });
    let client = scene.open().expect("it opens");
    let report = client.store.open_report();
    assert_eq!((report.rebuilt, report.replayed_commits), (false, 0));
    assert_eq!(present(&client), [0]);
    client.assert_clean();
}
