//! What the committer does beside the changes themselves: checkpoints, the way of chunks into the index, and an
//! index that failed or is doubted.

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use packhold::digest::Wanted;
use packhold::format::meta::{Mutation, User, UserDelete};
use packhold::index::{Index, Rows};
use packhold::store::{OpenReport, Options, StoreError};

use crate::checkpoints::nothing;
use crate::opening::{open_as, place};
use crate::support::client::{Client, options};
use crate::support::noise::noise;
use crate::support::platter::Disk;
use crate::support::sim::{Call, Failure};
use crate::support::work::Scene;

/// With so many changes a checkpoint is made, idle or not.
const CHECKPOINT_MUTATIONS: usize = 50_000;
const NAME: &str = "somebody";

fn somebody() -> Mutation {
    Mutation::UserPut(User {
        name: NAME.to_owned(),
        password_phc: String::new(),
        admin: false,
        created_ms: 7,
    })
}

/// Whether there is the one user.
fn is_there(client: &Client) -> bool {
    let rows = client.store.rows().expect("an index");
    rows.user(NAME).expect("it is readable").is_some()
}

/// Opens a store that rests as soon as nobody asks for anything.
fn resting(scene: &Scene, rest: u64) -> Client {
    let options = Options {
        idle: Duration::from_millis(1),
        rest,
        ..options(&scene.clock)
    };
    open_as(scene, options).expect("it opens")
}

/// What opening finds after a kill at this moment.
fn killed(scene: &Scene) -> OpenReport {
    // The index first: that of a later moment would cover more than the pack has.
    let index = scene.index.pages();
    let pack = scene.pack.pages();
    let copy = Scene::on(&Disk { pack, index });
    let client = copy.open().expect("it opens");
    client.store.open_report().clone()
}

/// Waits until opening would find it so; what that is.
fn once(scene: &Scene, is_so: impl Fn(&OpenReport) -> bool) -> OpenReport {
    let begun = Instant::now();
    loop {
        let report = killed(scene);
        if is_so(&report) {
            return report;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{report:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

// A checkpoint fails, and all that it was to cover was acknowledged before: nobody hears of it. The index is
// opened anew at once, so that the next change is not refused for it.
#[test]
fn a_checkpoint_that_fails_costs_nobody_a_change() {
    let scene = Scene::new();
    let client = scene.open().expect("it opens");
    client.commit(vec![somebody()]);
    scene.index.fail(Call::Sync, 0, Failure::Io);
    client.commit(vec![nothing(); CHECKPOINT_MUTATIONS - 2]);
    // What the committer does behind a change is done when the next one is made.
    client.commit(Vec::new());
    assert_eq!(scene.index.injected(), 0, "one change is missing");
    client.commit(vec![nothing()]);
    client.commit(Vec::new());
    assert_eq!(scene.index.injected(), 1, "a checkpoint was tried");
    assert!(is_there(&client));
}

// A row of the index is not what it should be, and somebody who read it says so. With the next change the
// rows are those of the pack again.
#[test]
fn a_doubted_index_is_built_anew_before_the_next_change() {
    let scene = Scene::new();
    let client = scene.open().expect("it opens");
    client.commit(vec![somebody()]);
    client.store.close();
    drop(client);
    let index = Index::open(&place(&scene), 1 << 20).expect("an index");
    let batch = index.begin().expect("it can be changed");
    let gone = Mutation::UserDelete(UserDelete {
        name: NAME.to_owned(),
    });
    batch.tables().apply(&gone).expect("it is changed");
    batch.commit(true).expect("it lasts");
    drop(index);
    let client = scene.open().expect("it opens");
    assert!(!is_there(&client), "the index is believed");
    client.store.doubt_index();
    client.commit(Vec::new());
    assert!(is_there(&client));
}

// An index is to be replaced, and there is no way to make another. Nothing is answered, and changes are
// refused; but each of them tries again, and the first that can goes on.
#[test]
fn an_index_that_cannot_be_replaced_is_tried_again_with_each_change() {
    let scene = Scene::new();
    let client = scene.open().expect("it opens");
    client.commit(vec![somebody()]);
    scene.index.fail_for_ever(Call::Write, Failure::Io);
    client.store.doubt_index();
    for _ in 0..2 {
        let refused = client
            .store
            .commit::<(), StoreError>(|_, _| Ok((vec![nothing()], ())));
        let is_refused = matches!(refused, Err(StoreError::Refused(_)));
        assert!(is_refused, "{refused:?}");
        assert!(client.store.rows().is_err(), "there is no index");
    }
    scene.index.mend();
    client.commit(vec![nothing()]);
    assert!(is_there(&client));
}

// Changes that bring no chunks are read again at every opening until the chunk rows of the index are said to
// reach beyond them. Whoever makes many of them in one go must not have to open the store twice for that.
#[test]
fn changes_without_chunks_are_not_read_again_for_ever() {
    const FEW: u64 = 30;
    const REST: usize = 100;
    let scene = Scene::new();
    let client = resting(&scene, REST as u64);
    for _ in 0..FEW {
        client.commit(vec![nothing()]);
    }
    // With these they are many. No checkpoint covers them before what is to be read again is bounded.
    client.commit(vec![nothing(); REST]);
    let report = once(&scene, |report| report.replayed_commits == 0);
    assert!(!report.rebuilt && report.read_again < FEW, "{report:?}");
}

// An upload goes on for days, beside which nothing is changed. What it has written is sealed and known to
// the index for good: no opening reads it again.
#[test]
fn chunks_of_an_upload_that_goes_on_reach_the_index_for_good() {
    const REST: u64 = 8;
    let scene = Scene::new();
    let client = resting(&scene, REST);
    let bytes = noise(1, 400_000);
    let mut ingest = client.store.ingest(Wanted::Md5);
    let taken = ingest.push(&Bytes::copy_from_slice(&bytes));
    taken.expect("there is room");
    let written = scene.pack.image().len();
    assert!(written > 300_000, "{written} bytes are in the pack");
    let report = once(&scene, |report| {
        report.torn_bytes == 0 && report.read_again < REST
    });
    assert!(!report.rebuilt, "{report:?}");
    drop(ingest);
}
