//! What is found when a store is opened: whether its index fits, what is refused, and what an index may
//! claim afterwards.

use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use packhold::digest::sha256;
use packhold::format::header::{HEADER_BYTES, PackHeader};
use packhold::format::record::{FRAME_BYTES, Frame, Kind};
use packhold::index::Place;
use packhold::pack::PackError;
use packhold::store::{Access, AsOf, Options, Store, StoreError};

use crate::support::client::{Client, Clock, PACK_ID, SMALL, open, options};
use crate::support::log::{at, frames_of};
use crate::support::noise::noise;
use crate::support::platter::Disk;
use crate::support::sim::{Call, Failure, Paged, Sim};
use crate::support::work::Scene;

/// Length of a file: some chunks, and a manifest inside of its commit.
const FILE_BYTES: usize = 3_000;
const DAY_MS: u128 = 24 * 3_600 * 1_000;

/// Puts the files of these numbers.
pub fn put(client: &Client, files: Range<u64>) {
    for file in files {
        client.put(&format!("/{file}"), &noise(file, FILE_BYTES));
    }
}

/// Which of these files are there. They have the right bytes.
pub fn present(client: &Client) -> Vec<u64> {
    let is_there = |file: &u64| {
        let found = client.get(&format!("/{file}"));
        assert!(found.is_none() || found == Some(noise(*file, FILE_BYTES)));
        found.is_some()
    };
    (0..10).filter(is_there).collect()
}

/// Closes a store.
pub fn close(client: Client) {
    client.store.close();
    drop(client);
}

/// A closed store with these files.
pub fn closed(files: Range<u64>) -> Scene {
    let scene = Scene::new();
    let client = scene.open().expect("it opens");
    put(&client, files);
    close(client);
    scene
}

/// What a kill leaves of a store at this moment.
pub fn killed(scene: &Scene) -> Scene {
    Scene::on(&Disk {
        pack: scene.pack.pages(),
        index: scene.index.pages(),
    })
}

/// Where the index of a store is.
pub fn place(scene: &Scene) -> Place {
    Place::Shelf(Arc::new(scene.index.clone()))
}

/// Opens a store in a way of its own.
///
/// # Errors
/// What opening says.
pub fn open_as(scene: &Scene, options: Options) -> Result<Client, StoreError> {
    let store = Store::open_on(scene.pack.reopened().medium(), place(scene), options)?;
    Ok(Client { store })
}

fn open_to_read(scene: &Scene) -> Client {
    let options = Options {
        access: Access::ReadOnly,
        ..options(&scene.clock)
    };
    open_as(scene, options).expect("it opens")
}

#[test]
fn a_store_goes_by_the_time_of_the_system_if_it_is_told_no_other() {
    let told = (Options::default().clock)();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is later than 1970").as_millis();
    // Somebody may set the clock in between.
    assert!(u128::from(told).abs_diff(now) < DAY_MS, "{told}");
}

#[test]
fn an_index_that_fits_is_used_and_only_what_it_misses_is_replayed() {
    let scene = closed(0..1);
    let proven = scene.pack.image().len();
    let client = scene.open().expect("it opens");
    let report = client.store.open_report();
    assert_eq!((report.rebuilt, report.replayed_commits), (false, 0));
    assert_eq!(report.rewritten_bytes, 0);
    put(&client, 1..2);
    let scene = killed(&scene);
    let unproven = scene.pack.image().len() - proven;
    let client = scene.open().expect("it opens");
    let report = client.store.open_report();
    assert_eq!((report.rebuilt, report.replayed_commits), (false, 1));
    assert_eq!(report.rewritten_bytes, unproven as u64);
    assert_eq!(present(&client), [0, 1]);
    close(client);
    let client = open_to_read(&scene);
    let report = client.store.open_report();
    assert_eq!((report.rebuilt, report.replayed_commits), (false, 0));
    assert_eq!(present(&client), [0, 1]);
}

// A store is killed, and somebody looks at it. Its last commits may live in the page cache alone, and who
// only looks does not write them again. If an index covered them, the next start after a power failure
// would miss them, as if they had been acknowledged and lost.
#[test]
fn who_only_looks_lets_no_index_vouch_for_the_last_commits() {
    let early = closed(0..1);
    let client = early.open().expect("it opens");
    let pack = early.pack.pages();
    put(&client, 1..2);
    for index in [Paged::default(), early.index.pages()] {
        let scene = Scene::on(&Disk {
            pack: early.pack.pages(),
            index,
        });
        let client = open_to_read(&scene);
        assert!(client.store.open_report().rebuilt);
        assert_eq!(present(&client), [0, 1]);
        close(client);
        assert!(scene.pack.log().is_empty(), "the pack was written to");
        let scene = Scene::on(&Disk {
            pack: pack.clone(),
            index: scene.index.pages(),
        });
        let client = scene.open().expect("nothing is missed");
        assert_eq!(present(&client), [0]);
        client.assert_clean();
    }
}

// A commit is damaged, and the store shows what comes after it. Then the right bytes come back, from a
// copy. An index that had taken what was readable for all that there is would never know of them.
#[test]
fn what_damage_hid_is_there_again_when_the_right_bytes_are() {
    let scene = closed(0..1);
    let early = killed(&scene);
    let client = scene.open().expect("it opens");
    put(&client, 1..4);
    close(client);
    let image = scene.pack.image();
    let covered = early.pack.image().len() as u64;
    let mut commits = frames_of(&image, Kind::Commit);
    commits.retain(|commit| commit.offset >= covered);
    let lost = commits[0];
    let mut bad = image.clone();
    bad[at(lost.body_offset()) + 70] ^= 1;
    let damaged = Scene::on(&Disk {
        pack: Paged::of(&bad),
        index: early.index.pages(),
    });
    let client = damaged.open().expect("it opens");
    let corrupt = &client.store.open_report().corrupt;
    let corrupt: Vec<u64> = corrupt.iter().map(|damage| damage.offset).collect();
    assert_eq!(corrupt, [lost.offset]);
    assert!(client.store.writable().is_err());
    assert_eq!(present(&client), [0, 2, 3]);
    close(client);
    let mended = Scene::on(&Disk {
        pack: Paged::of(&image),
        index: damaged.index.pages(),
    });
    let client = mended.open().expect("it opens");
    assert_eq!(present(&client), [0, 1, 2, 3]);
    client.assert_clean();
}

// Each record is intact by itself; but one of them is not what the commits behind it vouch for.
#[test]
fn a_record_that_was_exchanged_is_told() {
    let mut image = closed(0..3).pack.image();
    let segment = frames_of(&image, Kind::Segment)[1];
    let table = at(segment.body_offset())..at(segment.payload_offset());
    image[table.start] ^= 1;
    let digest = sha256(&image[table]);
    let exchanged = Frame { digest, ..segment }.encode(&PACK_ID);
    image[at(segment.offset)..][..FRAME_BYTES].copy_from_slice(&exchanged);
    let client = open(&Sim::of_image(image), &Clock::at(2_000));
    let corrupt = &client.store.open_report().corrupt;
    assert_eq!(corrupt.len(), 1, "{corrupt:?}");
    assert!(client.store.writable().is_err());
    assert_eq!(client.get("/0"), Some(noise(0, FILE_BYTES)));
}

// A later version may mark a pack whose files this one can read, but which it would damage by writing to it.
#[test]
fn a_pack_with_features_that_only_readers_need_not_know_is_only_read() {
    let header = PackHeader {
        ro_compat: 1,
        ..PackHeader::new(PACK_ID, 1_000, SMALL)
    };
    let sim = Sim::create(&header);
    let store = Store::open_on(sim.medium(), Place::Memory, options(&Clock::at(1_000)));
    let store = store.expect("it can be read");
    let Err(StoreError::Pack(PackError::ReadOnly(why))) = store.writable() else {
        panic!("it can be written to");
    };
    assert!(why.contains("features"), "{why}");
    assert!(sim.log().is_empty(), "nothing was written");
}

#[test]
fn who_asks_for_an_earlier_moment_makes_no_pack() {
    let dir = tempfile::tempdir().expect("a folder");
    let pack = dir.path().join("s.pack");
    let options = Options {
        as_of: Some(AsOf::Seq(0)),
        ..options(&Clock::at(1_000))
    };
    let missing = Store::open(&pack, options);
    assert!(matches!(missing, Err(StoreError::Missing(path)) if path == pack));
    assert!(!pack.exists());
}

// Of damage that came later nothing is told, even if it begins where the moment ends.
#[test]
fn an_earlier_moment_is_judged_by_the_damage_before_it() {
    let image = closed(0..5).pack.image();
    let commits = frames_of(&image, Kind::Commit);
    let lost = frames_of(&image, Kind::Segment)[2];
    assert_eq!(commits[1].next_offset(), lost.offset);
    let mut bad = image.clone();
    bad[at(lost.offset) + 40] ^= 1;
    for (moment, commit) in (0..).zip(&commits) {
        let options = Options {
            as_of: Some(AsOf::Seq(commit.seq)),
            ..options(&Clock::at(1_000))
        };
        let medium = Sim::of_image(bad.clone()).medium();
        let store = Store::open_on(medium, Place::Memory, options).expect("it opens");
        let corrupt = &store.open_report().corrupt;
        let corrupt: Vec<u64> = corrupt.iter().map(|damage| damage.offset).collect();
        let Err(StoreError::Pack(PackError::ReadOnly(why))) = store.writable() else {
            panic!("an earlier moment can be written to");
        };
        if moment < 2 {
            assert_eq!((corrupt, why), (vec![], "it was opened so"), "{moment}");
            let then: Vec<u64> = (0..=moment).collect();
            assert_eq!(present(&Client { store }), then);
        } else {
            let told = (vec![lost.offset], "it is damaged; run verify");
            assert_eq!((corrupt, why), told, "{moment}");
        }
    }
}

// The process is killed while it writes the first record of a new store. No commit was ever there that could
// be missing, and who builds the index anew is not refused.
#[test]
fn the_first_record_of_all_may_be_torn() {
    let scene = closed(0..0);
    let mut image = scene.pack.image();
    assert_eq!(image.len(), HEADER_BYTES);
    image.extend(noise(1, 1_000));
    for rebuild in [false, true] {
        let torn = Scene::on(&Disk {
            pack: Paged::of(&image),
            index: scene.index.pages(),
        });
        let options = Options {
            rebuild,
            ..options(&torn.clock)
        };
        let client = open_as(&torn, options).expect("it opens");
        let report = client.store.open_report();
        assert_eq!((report.rebuilt, report.torn_bytes), (rebuild, 1_000));
        put(&client, 0..1);
        assert_eq!(present(&client), [0]);
    }
}

// On a full disk the index is built in memory. Any other failure is told: whoever opens the store can do
// something about it, and an index in memory would have to be built at each start.
#[test]
fn an_index_that_cannot_be_made_is_an_error() {
    let made = closed(0..1);
    for call in [Call::Write, Call::Truncate] {
        let scene = Scene::on(&Disk {
            pack: made.pack.pages(),
            ..Disk::default()
        });
        scene.index.fail_for_ever(call, Failure::Io);
        let refused = scene.open().err();
        assert!(
            matches!(refused, Some(StoreError::Index(_))),
            "{call:?}: {refused:?}"
        );
    }
}

// Two copies of a store were both written to, and the index of one lies beside the pack of the other. A
// commit that is damaged may be the one that the index covers. Here that one is whole, and another: what
// is damaged lies right behind it, and excuses nothing.
#[test]
fn damage_behind_what_the_index_covers_does_not_hide_another_history() {
    let both = closed(0..1);
    let [ours, theirs] = [1, 2].map(|seed| {
        let scene = killed(&both);
        let client = scene.open().expect("it opens");
        // One chunk, so that both take as much of the pack.
        client.put("/own", &noise(seed, 200));
        close(client);
        scene
    });
    let indexed = ours.pack.image().len();
    assert_eq!(theirs.pack.image().len(), indexed);
    let client = ours.open().expect("it opens");
    put(&client, 1..4);
    close(client);
    let mut image = ours.pack.image();
    for damage in [None, Some(indexed + 40)] {
        if let Some(offset) = damage {
            image[offset] ^= 1;
        }
        let mixed = Scene::on(&Disk {
            pack: Paged::of(&image),
            index: theirs.index.pages(),
        });
        let refused = mixed.open().err();
        let Some(StoreError::OtherHistory { indexed: told }) = refused else {
            panic!("{damage:?}: {refused:?}");
        };
        assert_eq!(told, indexed as u64);
    }
}
