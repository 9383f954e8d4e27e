//! What a scrub tells and mends of much damage, over passes, and of a store that others only read or have
//! replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use packhold::format::meta::{Dialect, Mutation, User};
use packhold::format::record::Kind;
use packhold::index::Place;
use packhold::store::{Access, GcOptions, Options, Scrub, ScrubStats, Store, StoreError};

use crate::judged::{damaged_file, put, put_twice, rot};
use crate::live::Live;
use crate::support::client::{Client, Clock, new_sim, open, options};
use crate::support::log::frames_of;
use crate::support::noise::noise;
use crate::support::sim::{Paged, Sim};

const DAY: Duration = Duration::from_hours(24);
const DAY_MS: u64 = 86_400_000;
/// A time of day, Unix milliseconds.
const NOW_MS: u64 = 1_700_000_000_000;
/// Slices with damage, of which copies are looked for at once only behind the first sixteen.
const DAMAGED: u64 = 18;

fn scrub(client: &Client) -> Scrub {
    Scrub::new(&client.store, DAY, None, Arc::new(|| false)).expect("a scrub")
}

fn told(client: &Client) -> ScrubStats {
    let vitals = client.store.vitals();
    vitals.scrub.expect("it is scrubbed")
}

/// Goes on until a pass is finished.
fn pass(client: &Client, scrub: &mut Scrub) {
    let before = told(client).passes;
    for _ in 0..100 {
        scrub.step().expect("a slice");
        if told(client).passes > before {
            return;
        }
    }
    panic!("it never ends");
}

/// As much as is read in a slice, in one commit.
fn filler() -> Mutation {
    Mutation::UserPut(User {
        name: "filler".to_owned(),
        password_phc: "x".repeat(1 << 20),
        admin: false,
        created_ms: 7,
    })
}

/// A pack in which each of some slices has one damaged chunk, which lies in it once more and is intact there.
fn damaged_slices() -> Paged {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(NOW_MS));
    let segments = (0..DAMAGED).map(|number| {
        let path = format!("/f{number}");
        let segment = put_twice(&sim, &client, &path, &noise(number, 500));
        client.commit(vec![filler()]);
        segment
    });
    let segments: Vec<_> = segments.collect();
    client.store.close();
    drop(client);
    for segment in segments {
        rot(&sim, segment.payload_offset(), &[1]);
    }
    sim.pages()
}

// To look for copies all tables are read: that is not done again behind each of many slices, but once at the
// end of the pass.
#[test]
fn all_that_has_a_copy_is_mended_by_the_end_of_a_pass() {
    let sim = Sim::of_pages(damaged_slices());
    let client = open(&sim, &Clock::at(NOW_MS));
    let mut scrub = scrub(&client);
    for found in 1..=DAMAGED {
        scrub.step().expect("a slice");
        let told = told(&client);
        let counts = (told.damaged_chunks, told.repaired_chunks);
        assert_eq!(counts, (found, found.min(16)));
    }
    pass(&client, &mut scrub);
    let told = told(&client);
    assert_eq!(
        (told.damaged_chunks, told.repaired_chunks),
        (DAMAGED, DAMAGED)
    );
    assert_eq!((told.damaged_places, told.damaged_files.len()), (0, 0));
    assert_eq!(client.store.vitals().lacking_chunks, 0);
}

#[test]
fn a_store_that_is_only_read_is_not_mended_and_its_damaged_files_are_named() {
    let sim = Sim::of_pages(damaged_slices());
    let options = Options {
        access: Access::ReadOnly,
        ..options(&Clock::at(NOW_MS))
    };
    let store = Store::open_on(sim.medium(), Place::Memory, options);
    let store = store.expect("the pack opens");
    let client = Client { store };
    let mut scrub = scrub(&client);
    pass(&client, &mut scrub);
    let told = told(&client);
    assert_eq!((told.damaged_chunks, told.repaired_chunks), (DAMAGED, 0));
    assert_eq!(told.damaged_files.len(), 18);
    assert!(sim.log().is_empty(), "nothing was written");
}

#[test]
fn what_a_pass_found_is_told_until_the_next_one_ends() {
    let (sim, clock) = (new_sim(), Clock::at(NOW_MS));
    let client = open(&sim, &clock);
    let segment = put(&sim, &client, "/f", &noise(1, 500));
    let place = segment.payload_offset();
    rot(&sim, place, &[1]);
    let mut scrub = scrub(&client);
    pass(&client, &mut scrub);
    let first = told(&client);
    assert_eq!((first.passes, first.damaged_chunks), (1, 1));
    let reason = format!("the chunk at pack offset {place} is damaged");
    assert_eq!(first.damaged_files, [damaged_file("/f", &reason)]);
    assert!(first.started_ms >= NOW_MS && first.finished_ms > Some(first.started_ms));
    // Nothing is to be done until the period is over.
    let wait = scrub.step().expect("nothing");
    assert!(!wait.is_zero());
    assert_eq!(told(&client), first);
    clock.advance(DAY_MS);
    scrub.step().expect("a slice");
    let second = told(&client);
    assert!(second.started_ms >= first.started_ms + DAY_MS);
    assert_eq!(second.next_offset, client.store.vitals().pack_bytes);
    let expected = ScrubStats {
        started_ms: second.started_ms,
        next_offset: second.next_offset,
        ..first
    };
    assert_eq!(second, expected);
}

// There is much time for what is left: four mebibytes a second. Then there is none, and nothing is waited for.
#[test]
fn a_pass_that_is_late_does_not_wait() {
    let (sim, clock) = (new_sim(), Clock::at(NOW_MS));
    let client = open(&sim, &clock);
    for _ in 0..6 {
        client.commit(vec![filler()]);
    }
    let mut scrub = scrub(&client);
    let wait = scrub.step().expect("a slice");
    assert!(wait >= Duration::from_millis(250), "{wait:?}");
    clock.advance(DAY_MS);
    assert_eq!(scrub.step().expect("a slice"), Duration::ZERO);
    assert_eq!(told(&client).passes, 0, "there is more to be read");
}

// The leaf that says where the chunks of a file lie is damaged; no chunk is.
#[test]
fn files_with_a_damaged_manifest_are_named() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(NOW_MS));
    client.put("/f", &noise(7, 60_000));
    client.put("/other", &noise(8, 500));
    client.put("/gone", &noise(9, 500));
    client.delete("/gone");
    assert_eq!(
        client.store.stats().expect("counted").reclaimable_bytes,
        500
    );
    let leaf = frames_of(&sim.image(), Kind::Leaf)[0];
    rot(&sim, leaf.body_offset() + 50, &[1]);
    let mut scrub = scrub(&client);
    pass(&client, &mut scrub);
    let stats = client.store.stats().expect("counted all the same");
    // Reclaiming does not begin when it is not known what is alive.
    let counts = (stats.files, stats.blobs, stats.unlisted_blobs);
    assert_eq!((counts, stats.reclaimable_bytes), ((2, 2, 1), 0));
    // Of what is not known to be stored it cannot be said how often.
    assert_eq!(stats.stored_bytes, 500);
    assert!((stats.dedup_ratio - 1.0).abs() < 1e-9);
    assert!(client.store.gc(&GcOptions::default()).is_err());
    let told = stats.scrub.expect("it is scrubbed");
    assert_eq!((told.damaged_places, told.damaged_chunks), (1, 0));
    let paths: Vec<&str> = told.damaged_files.iter().map(|f| &*f.path).collect();
    assert_eq!(paths, ["/f"]);
}

#[test]
fn a_block_with_a_damaged_manifest_is_no_space_to_be_given_back() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(NOW_MS));
    let id = client.start_blocks("/f", Dialect::Offset).expect("begun");
    client
        .put_block("/f", &id, 0, &noise(7, 60_000))
        .expect("put");
    assert_eq!(client.store.stats().expect("counted").reclaimable_bytes, 0);
    let leaf = frames_of(&sim.image(), Kind::Leaf)[0];
    rot(&sim, leaf.body_offset() + 50, &[1]);
    let stats = client.store.stats().expect("counted all the same");
    assert_eq!((stats.unlisted_blobs, stats.reclaimable_bytes), (0, 0));
}

// To name the files that are hit all manifests are looked at, which may take long.
#[test]
fn whoever_ends_the_service_does_not_wait_for_the_names_of_damaged_files() {
    let (sim, clock) = (new_sim(), Clock::at(NOW_MS));
    let client = open(&sim, &clock);
    let segment = put(&sim, &client, "/f", &noise(1, 500));
    rot(&sim, segment.payload_offset(), &[1]);
    let is_ending = Arc::new(AtomicBool::new(true));
    let stop = Arc::clone(&is_ending);
    let stop = Arc::new(move || stop.load(Ordering::SeqCst));
    let mut scrub = Scrub::new(&client.store, DAY, None, stop).expect("a scrub");
    scrub.step().expect("a slice");
    let ended = scrub.step();
    assert!(matches!(ended, Err(StoreError::Closed)), "{ended:?}");
    assert_eq!(told(&client).passes, 0);
    is_ending.store(false, Ordering::SeqCst);
    scrub.step().expect("the end of the pass");
    assert_eq!(
        (told(&client).passes, told(&client).damaged_files.len()),
        (1, 1)
    );
}

#[test]
fn the_scrub_of_a_pack_that_was_compacted_is_outdated() {
    let live = Live::new();
    live.client.put("/f", &noise(1, 500));
    let mut scrub = scrub(&live.client);
    assert!(!scrub.is_outdated());
    let compacted = live.client.store.compact(&live.pack(), || {});
    compacted.expect("compacted");
    assert!(scrub.is_outdated());
    let refused = scrub.step();
    assert!(matches!(refused, Err(StoreError::Replaced)), "{refused:?}");
}
