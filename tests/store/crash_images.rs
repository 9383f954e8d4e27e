//! Crash images by the hundred thousand: of the pack and of the index beside it, through the whole
//! stack; and of the pack alone, through scan and replay.
//!
//! `PACKHOLD_CRASH_IMAGES` says how many the whole stack tries (ten times as many go through scan
//! and replay), `PACKHOLD_CRASH_SEED` where it begins.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use packhold::format::commit;
use packhold::format::meta::{FreedRecord, Mutation};
use packhold::format::record::{FRAME_BYTES, Frame, Kind};
use packhold::format::scan::{self, Position, Record, ScanError};
use packhold::index::Place;
use packhold::store::{Store, StoreError};

use crate::support::client::{Client, PACK_ID, options};
use crate::support::history::{Allowed, assert_holds};
use crate::support::noise::Noise;
use crate::support::platter::{self, Disk, crashes, pack_crashes};
use crate::support::sim::{File, Journal, Op, Paged, Sim};
use crate::support::work::Scene;

/// Images that the whole stack tries, if nothing else is said.
const IMAGES: u64 = 10_000;
/// Images tried at each operation of a journal beside the subsets of what is pending.
const SAMPLED: usize = 3;
/// Crashes that follow a crash.
const AGAIN: usize = 2;
const THREADS: u64 = 2;

fn told(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

fn images() -> u64 {
    told("PACKHOLD_CRASH_IMAGES").unwrap_or(IMAGES)
}

/// Does `work` with one seed after the other, on two threads, until `tried` is enough.
fn until(enough: u64, tried: &AtomicU64, work: impl Fn(u64) + Sync) -> (u64, u64) {
    let first = told("PACKHOLD_CRASH_SEED").unwrap_or(1);
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while tried.load(Ordering::Relaxed) < enough {
                    work(next.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
    });
    (first, next.load(Ordering::Relaxed) - 1)
}

#[derive(Default)]
struct Tally {
    tried: AtomicU64,
    double: AtomicU64,
    faults: AtomicU64,
    replayed: AtomicU64,
    rebuilt: AtomicU64,
    cut: AtomicU64,
}

impl Tally {
    fn count(number: &AtomicU64, by: u64) {
        number.fetch_add(by, Ordering::Relaxed);
    }

    /// Opens what a crash left, and asserts that all is there that must be, and that it is whole.
    fn open(&self, scene: &Scene, allowed: &Allowed, what: &str) -> (Client, Allowed) {
        let client = scene
            .open()
            .unwrap_or_else(|error| panic!("{what}: does not open: {error}"));
        let report = client.store.open_report();
        assert!(report.corrupt.is_empty(), "{what}: {report:?}");
        Self::count(&self.tried, 1);
        Self::count(&self.replayed, report.replayed_commits);
        Self::count(&self.rebuilt, u64::from(report.rebuilt));
        Self::count(&self.cut, u64::from(report.torn_bytes > 0));
        let found = assert_holds(&client, allowed, what);
        let verified = client.store.verify(false).expect("it can be verified");
        assert!(verified.clean, "{what}: {verified:?}");
        (client, found)
    }

    /// Opens what a crash left, works on, crashes again.
    fn survive(&self, disk: &Disk, allowed: &Allowed, noise: &mut Noise, what: &str) {
        let scene = Scene::on(disk);
        let (client, found) = self.open(&scene, allowed, what);
        scene.work(&client, 2, noise);
        client.store.close();
        drop(client);
        let journal = scene.journal();
        for _ in 0..AGAIN {
            let at = noise.below(journal.len() + 1);
            let disk = platter::one(disk, &journal, at, noise);
            let allowed = scene.promised(&found, &journal[..at]);
            let what = format!("{what}, then behind {at}");
            self.open(&Scene::on(&disk), &allowed, &what);
            Self::count(&self.double, 1);
        }
    }

    fn story(&self, seed: u64, medium: fn(Journal) -> Journal) {
        let (scene, mut noise) = (Scene::new(), Noise::new(seed));
        scene.story(&mut noise);
        Self::count(&self.faults, scene.pack.injected() + scene.index.injected());
        let journal = medium(scene.journal());
        let mut allowed = scene.history.nothing();
        let mut promised = 0;
        let mut choice = noise.clone();
        crashes(&Scene::empty(), &journal, SAMPLED, &mut noise, |crash| {
            for (_, op) in &journal[promised..crash.at] {
                scene.history.promise(&mut allowed, op);
            }
            promised = crash.at;
            let what = format!("seed {seed}, crash behind operation {}", crash.at);
            self.survive(&crash.disk, &allowed, &mut choice, &what);
        });
    }
}

// The disk keeps, drops, reorders and tears what was not synced, in the pack and in the index each as
// it likes; calls fail; and what was opened after the crash crashes again.
// Every image must hold all that was acknowledged, byte for byte, what was in flight whole or not
// at all, pass a verification, and work on.
#[test]
fn every_crash_of_pack_and_index_holds_what_was_acknowledged() {
    let tally = Tally::default();
    let (first, last) = until(images(), &tally.tried, |seed| {
        tally.story(seed, |journal| journal);
    });
    println!(
        "crash images through the whole stack: {}, of these second crashes: {}, \
         faults injected before: {}, tails cut: {}, indexes rebuilt: {}, commits replayed: {}, \
         seeds {first} to {last}, losses: 0",
        tally.tried.into_inner(),
        tally.double.into_inner(),
        tally.faults.into_inner(),
        tally.cut.into_inner(),
        tally.rebuilt.into_inner(),
        tally.replayed.into_inner(),
    );
}

/// The commits of a journal: the chain value behind each stands for all of the history before it.
struct Commits {
    /// Chain value → its number.
    numbers: BTreeMap<[u8; 32], usize>,
    /// For every operation of the journal, the number of the commit that must be there behind it.
    required: Vec<usize>,
}

impl Commits {
    fn of(start: &Paged, journal: &Journal) -> Self {
        let genesis = Position::start(&start.bytes()).chain;
        let mut commits = Self {
            numbers: BTreeMap::from([(genesis, 0)]),
            required: Vec::new(),
        };
        let (mut changed, mut required) = (0, 0);
        for (file, op) in journal {
            match op {
                Op::Write(offset, bytes) if *file == File::Pack => {
                    if let Some((chain, seals)) = commit_in(*offset, bytes) {
                        let next = commits.numbers.len();
                        let number = *commits.numbers.entry(chain).or_insert(next);
                        changed = if seals { changed } else { number };
                    }
                }
                // Somebody was told that the change is durable that was written last: there is one
                // at a time. Whether it was synced is for the medium to say.
                Op::Mark(mark) if mark % 2 == 1 => required = changed,
                _ => {}
            }
            commits.required.push(required);
        }
        commits
    }

    fn assert_survived(&self, at: usize, image: &Paged, what: &str) {
        let start = Position::start(&scan::View::read(image, 0, 4096).expect("a header"));
        let survey = scan::survey(image, &PACK_ID, start, |_| {}).expect("it reads");
        assert!(survey.corrupt.is_empty(), "{what}: {survey:?}");
        let number = self.numbers.get(&survey.end.chain);
        let required = self.required[at - 1];
        assert!(
            number.is_some_and(|number| *number >= required),
            "{what}: ends behind commit {number:?}, must reach {required}: {survey:?}"
        );
        let freed = freed_below(image, survey.end.offset);
        let (end, mut seen) = (survey.end, Position::start(&[]).offset);
        let damages = scan::replay::<_, ScanError>(image, &PACK_ID, seen, end.offset, |record| {
            let frame = match record {
                Record::Segment(frame, _)
                | Record::Leaf(frame)
                | Record::Root(frame)
                | Record::Commit(frame, ..)
                | Record::Skipped(frame) => frame,
            };
            assert_eq!(frame.offset, seen, "{what}");
            seen = frame.next_offset();
            let gone = freed.get(&frame.offset);
            if gone.is_some() && frame.kind != Kind::Segment {
                return Ok(());
            }
            let is_freed = |place| gone.is_some_and(|gone| gone.has(place));
            let checked = scan::check_record_but(image, &frame, is_freed, |_, _, _, _, _| {})?;
            checked.unwrap_or_else(|error| panic!("{what}: record at {}: {error}", frame.offset));
            Ok(())
        });
        assert_eq!((damages.expect("it reads").len(), seen), (0, end.offset));
    }
}

/// What the commits of an image have freed, by the offset of its record. Nothing else may be a hole: it is
/// punched behind the sync of its commit.
fn freed_below(image: &Paged, end: u64) -> BTreeMap<u64, FreedRecord> {
    let mut freed = BTreeMap::<u64, FreedRecord>::new();
    let start = Position::start(&[]).offset;
    let read = scan::replay::<_, ScanError>(image, &PACK_ID, start, end, |record| {
        let Record::Commit(_, _, mutations) = record else {
            return Ok(());
        };
        for mutation in mutations {
            let Mutation::Freed(one) = mutation else {
                continue;
            };
            for record in one.records {
                freed.entry(record.offset).or_default().merge(&record);
            }
        }
        Ok(())
    });
    read.expect("it reads");
    freed
}

/// The chain value of the commit that a write brings, and whether it is a seal.
fn commit_in(offset: u64, bytes: &[u8]) -> Option<([u8; 32], bool)> {
    let frame = Frame::decode(bytes.get(..FRAME_BYTES)?, &PACK_ID, offset).ok()?;
    // A commit may end with zeros, and be whole although a full disk did not take its last bytes.
    let mut body = bytes[FRAME_BYTES..].to_vec();
    body.resize(frame.head_bytes as usize, 0);
    let head = commit::decode_head(&body).ok()?;
    (frame.kind == Kind::Commit).then_some((head.chain, head.mutations == 0))
}

fn scan_story(seed: u64, tried: &AtomicU64, medium: fn(Journal) -> Journal) {
    let (scene, mut noise) = (Scene::new(), Noise::new(seed));
    scene.story(&mut noise);
    let (start, journal) = (Scene::empty().pack, scene.journal());
    let commits = Commits::of(&start, &journal);
    assert!(commits.numbers.len() > 2, "seed {seed}: no commits");
    pack_crashes(&start, &medium(journal), 200, &mut noise, |at, image| {
        let what = format!("seed {seed}, crash behind operation {at}");
        commits.assert_survived(at, image, &what);
        tried.fetch_add(1, Ordering::Relaxed);
    });
}

// Ten times as many images of the pack alone, without an index and without threads. The chain value
// at the end of the good log names all that is before it: it must be one that was written, and not
// older than what was acknowledged; and every byte below must fit its digest.
#[test]
fn every_crash_of_the_pack_is_scanned_right() {
    let tried = AtomicU64::new(0);
    let (first, last) = until(images() * 10, &tried, |seed| {
        scan_story(seed, &tried, |journal| journal);
    });
    println!(
        "crash images through scan and replay: {}, seeds {first} to {last}, losses: 0",
        tried.into_inner()
    );
}

// An index that is newer than its pack comes to lie beside it: somebody put an old copy of the pack
// back. The index proves that acknowledged commits are missing. Opening says so, and serves nothing,
// until the loss is accepted; then the old state is served, whole.
#[test]
fn an_index_newer_than_its_pack_is_noticed() {
    let (mut refused, mut same) = (0, 0);
    for seed in 1..=20 {
        let (scene, mut noise) = (Scene::new(), Noise::new(seed));
        scene.story(&mut noise);
        let (old, promised) = (scene.pack.pages(), scene.journal());
        let client = scene.open().expect("it opens");
        scene.work(&client, 3, &mut noise);
        client.store.close();
        drop(client);
        let disk = Disk {
            pack: old,
            index: scene.index.pages(),
        };
        let late = Scene::on(&disk);
        match late.open() {
            Ok(_) => same += 1,
            Err(error) => {
                assert!(matches!(error, StoreError::Rollback { .. }), "{error}");
                refused += 1;
            }
        }
        let place = Place::Shelf(std::sync::Arc::new(late.index.clone()));
        let accepting = packhold::store::Options {
            accept_rollback: true,
            ..options(&late.clock)
        };
        let store = Store::open_on(late.pack.reopened().medium(), place, accepting);
        let client = Client {
            store: store.expect("the loss is accepted"),
        };
        let allowed = scene.promised(&scene.history.nothing(), &promised);
        assert_holds(&client, &allowed, &format!("seed {seed}"));
        client.assert_clean();
    }
    println!(
        "newer indexes tried: {}, refused: {refused}",
        refused + same
    );
    assert!(refused > 10, "only {refused} refused, {same} not");
}

/// What a disk does that says that it synced, and did not: as if the store did not sync.
fn without_syncs(mut journal: Journal) -> Journal {
    for (file, op) in &mut journal {
        if *file == File::Pack && *op == Op::Sync {
            *op = Op::Write(0, bytes::Bytes::new());
        }
    }
    journal
}

// A search that finds no losses is worth nothing if it could not find any. Where nothing is ever
// synced before it is acknowledged, both enumerations must find that out, with every seed.
#[test]
fn a_missing_sync_is_found() {
    for seed in 1..=4 {
        let found = std::panic::catch_unwind(|| Tally::default().story(seed, without_syncs));
        assert!(found.is_err(), "seed {seed}: the whole stack");
        let tried = AtomicU64::new(0);
        let found = std::panic::catch_unwind(|| scan_story(seed, &tried, without_syncs));
        assert!(found.is_err(), "seed {seed}: scan and replay");
    }
}

/// An image from the start must be what it was made of.
#[test]
fn pages_that_copies_share_are_copied_when_they_are_written() {
    let mut noise = Noise::new(3);
    let (mut bytes, mut paged) = (Vec::new(), Paged::default());
    for _ in 0..500 {
        let (at, len) = (noise.below(20_000), noise.below(9_000));
        let copy = paged.clone();
        let before = copy.bytes();
        if noise.below(4) == 0 {
            bytes.resize(at, 0);
            paged.resize(at);
        } else {
            let part = noise.bytes(len);
            bytes.resize(bytes.len().max(at + len), 0);
            bytes[at..at + len].copy_from_slice(&part);
            paged.write(at, &part);
        }
        assert!(paged.bytes() == bytes);
        assert!(copy.bytes() == before, "a copy changed");
        assert!(Sim::of_pages(paged.clone()).image() == bytes);
    }
}
