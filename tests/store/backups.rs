//! Copies of a pack that follow it, and looking at an earlier moment.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use bytes::Bytes;
use packhold::domain::DomainError;
use packhold::pack::PackError;
use packhold::store::{Access, AsOf, Copy, GcOptions, GcReport, Options, Store, StoreError};
use tempfile::TempDir;

use crate::support::client::{Client, Clock, options};
use crate::support::noise::noise;
use crate::support::sim::{Call, Failure, Paged, Sim};

/// A store with one file, and a copy of it.
struct World {
    dir: TempDir,
    clock: Clock,
    client: Client,
}

impl World {
    fn new() -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::at(1_000));
        let client = open(&dir.path().join("s.pack"), &clock);
        client.put("/first", &noise(1, 10_000));
        let world = Self { dir, clock, client };
        follow(&world.client, &world.copy());
        world
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn pack(&self) -> PathBuf {
        self.file("s.pack")
    }

    fn copy(&self) -> PathBuf {
        self.file("copy.pack")
    }

    /// What a copy lacks.
    fn lacking(&self, copy: &Copy) -> Vec<u8> {
        let stretch = self.client.store.lacking(Some(&copy.end())).unwrap();
        let pieces = stretch.expect("it is a copy");
        pieces.flat_map(|piece| piece.unwrap()).collect()
    }
}

fn open(pack: &Path, clock: &Clock) -> Client {
    let store = Store::open(pack, options(clock)).expect("it opens");
    Client { store }
}

fn open_copy(path: &Path) -> Copy {
    Copy::open(path).expect("it opens").expect("it is there")
}

/// Brings a copy up to date, and gives how much came.
fn follow(client: &Client, dest: &Path) -> u64 {
    let Some(mut copy) = Copy::open(dest).expect("it opens") else {
        let stretch = client.store.lacking(None).expect("it reads");
        let mut stretch = stretch.expect("all of it");
        let mut first = stretch.next().expect("a piece").expect("it reads");
        let header = first.split_to(4096);
        let mut copy = Copy::create(dest, &header).expect("it is made");
        let pieces = std::iter::once(Ok(first)).chain(stretch);
        return copy.extend(pieces).expect("it grows");
    };
    let stretch = client.store.lacking(Some(&copy.end())).expect("it reads");
    copy.extend(stretch.expect("it is a copy"))
        .expect("it grows")
}

/// Opens a copy and asserts that it has these files, and that all of it is sound.
fn assert_has(pack: &Path, clock: &Clock, files: &[(String, Vec<u8>)]) {
    let client = open(pack, clock);
    for (path, bytes) in files {
        assert_eq!(client.get(path).as_ref(), Some(bytes), "{path}");
    }
    client.assert_clean();
}

#[test]
fn a_copy_follows_its_pack_commit_by_commit() {
    let world = World::new();
    let mut files = vec![("/first".to_owned(), noise(1, 10_000))];
    for (n, len) in [(2, 0), (3, 700), (4, 30_000), (5, 90_000), (6, 1)] {
        let (path, bytes) = (format!("/d{n}/f"), noise(n, len));
        world.client.put(&path, &bytes);
        files.push((path, bytes));
        assert!(follow(&world.client, &world.copy()) > 0);
        let more = follow(&world.client, &world.copy());
        assert_eq!(more, 0, "there is nothing more");
        let (whole, copy) = (
            fs::read(world.pack()).unwrap(),
            fs::read(world.copy()).unwrap(),
        );
        assert!(whole.starts_with(&copy), "a copy is a prefix");
        let twin = world.file(&format!("twin-{n}.pack"));
        fs::copy(world.copy(), &twin).unwrap();
        assert_has(&twin, &world.clock, &files);
    }
}

#[test]
fn what_breaks_off_leaves_whole_commits_and_can_go_on() {
    let world = World::new();
    for n in 2..6 {
        world.client.put(&format!("/{n}"), &noise(n, 3_000));
    }
    let start = fs::metadata(world.copy()).unwrap().len();
    let mut kept = BTreeSet::new();
    let whole = world.lacking(&open_copy(&world.copy()));
    for cut in (0..whole.len()).step_by(501) {
        let dest = world.file("dest.pack");
        fs::copy(world.copy(), &dest).unwrap();
        let mut copy = open_copy(&dest);
        let came = Bytes::copy_from_slice(&whole[..cut]);
        let pieces = [Ok(came), Err(StoreError::BrokenOff("gone".to_owned()))];
        let broken = copy.extend(pieces.into_iter());
        assert!(
            matches!(broken, Err(StoreError::BrokenOff(_))),
            "{broken:?}"
        );
        let now = copy.bytes();
        assert!((start..=start + cut as u64).contains(&now), "{now}");
        kept.insert(now);
        drop(copy);
        assert_eq!(
            follow(&world.client, &dest),
            start + whole.len() as u64 - now
        );
        let all = [fs::read(world.copy()).unwrap(), whole.clone()].concat();
        assert!(fs::read(&dest).unwrap() == all);
        fs::remove_file(&dest).unwrap();
    }
    assert!(kept.len() > 3, "only {kept:?} were kept");
}

#[test]
fn what_is_no_continuation_is_refused_and_leaves_nothing() {
    let world = World::new();
    let before = fs::read(world.copy()).unwrap();
    world.client.put("/second", &noise(2, 10_000));
    let mut copy = open_copy(&world.copy());
    let good = world.lacking(&copy);
    let mut flipped = good.clone();
    let last = flipped.len() - 20;
    flipped[last] ^= 1;
    let skipped = good[8..].to_vec();
    for bad in [noise(3, 5_000), flipped, skipped, before.clone()] {
        let answer = copy.extend(std::iter::once(Ok(Bytes::from(bad))));
        assert!(
            matches!(answer, Err(StoreError::Damaged { .. })),
            "{answer:?}"
        );
        let now = fs::read(world.copy()).unwrap();
        assert!(now == before, "{} bytes", now.len());
    }
    let len = good.len() as u64;
    let added = copy.extend(std::iter::once(Ok(Bytes::from(good))));
    assert_eq!(added.unwrap(), len);
}

#[test]
fn a_copy_that_went_its_own_way_is_none() {
    let world = World::new();
    let promoted = open(&world.copy(), &world.clock);
    promoted.put("/own", &noise(7, 100));
    world.client.put("/second", &noise(2, 10_000));
    promoted.store.close();
    drop(promoted);
    let copy = open_copy(&world.copy());
    let lacking = |client: &Client| client.store.lacking(Some(&copy.end())).unwrap();
    assert!(lacking(&world.client).is_none());
    // Nor is it one of another store that has the same files.
    let options = Options {
        pack_id: Some(*b"another-testing!"),
        ..options(&world.clock)
    };
    let store = Store::open(&world.file("other.pack"), options).unwrap();
    let another = Client { store };
    another.put("/first", &noise(1, 10_000));
    assert!(lacking(&another).is_none());
}

// The power fails while a copy grows: of what was appended any part may be on the disk, and a later
// commit in it may claim that an earlier one is. The note beside it says what counts.
#[test]
fn what_was_appended_when_the_power_failed_is_cut() {
    let world = World::new();
    let own = fs::metadata(world.copy()).unwrap().len();
    for n in 2..6 {
        world.client.put(&format!("/{n}"), &noise(n, 3_000));
    }
    follow(&world.client, &world.copy());
    let mut image = fs::read(world.copy()).unwrap();
    let at = usize::try_from(own).unwrap();
    image[at..at + 2_000].fill(0);
    fs::write(world.copy(), &image).unwrap();
    let judged = Copy::open(&world.copy());
    assert!(
        matches!(judged, Err(StoreError::Damaged { .. })),
        "else this tests nothing"
    );
    let note = world.file("copy.pack.incomplete");
    fs::write(&note, own.to_string()).unwrap();
    assert_eq!(open_copy(&world.copy()).bytes(), own);
    assert!(!note.exists());
    follow(&world.client, &world.copy());
    let file = |path: &str, seed, len| (path.to_owned(), noise(seed, len));
    let files = [file("/first", 1, 10_000), file("/5", 5, 3_000)];
    assert_has(&world.copy(), &world.clock, &files);
}

#[test]
fn a_store_can_be_looked_at_as_it_was() {
    let World { dir, clock, client } = World::new();
    clock.advance(1_000_000);
    let between = clock.now_ms() - 10;
    client.put("/second", &noise(2, 10_000));
    client.delete("/first");
    client.store.close();
    drop(client);
    let pack = dir.path().join("s.pack");
    let image = fs::read(&pack).unwrap();
    let as_of = |moment| {
        let options = Options {
            access: Access::ReadOnly,
            as_of: Some(moment),
            ..options(&clock)
        };
        Store::open(&pack, options).map(|store| Client { store })
    };
    let then = as_of(AsOf::Time(between)).unwrap();
    assert_eq!(then.get("/first"), Some(noise(1, 10_000)));
    assert_eq!(then.get("/second"), None);
    assert!(then.store.writable().is_err());
    drop(then);
    let now = as_of(AsOf::Seq(u64::MAX)).unwrap();
    assert_eq!(now.get("/first"), None);
    assert_eq!(now.get("/second"), Some(noise(2, 10_000)));
    drop(now);
    let never = as_of(AsOf::Time(10));
    assert!(matches!(never, Err(StoreError::BeforeHistory)));
    assert!(fs::read(&pack).unwrap() == image, "the pack was changed");
}

fn gc(client: &Client) -> GcReport {
    client.store.gc(&GcOptions::default()).expect("it runs")
}

// A copy ends at an earlier commit than the one that frees: there, what is freed is alive.
#[test]
fn nothing_is_punched_while_a_copy_is_sent() {
    let world = World::new();
    world.client.put("/big", &noise(9, 300_000));
    let before = world.client.store.lacking(None).unwrap().unwrap();
    world.client.delete("/big");
    let held = gc(&world.client);
    assert!(held.freed_bytes >= 300_000, "{held:?}");
    assert_eq!(held.punched_bytes, 0, "{held:?}");
    let image: Vec<u8> = before.flat_map(|piece| piece.unwrap()).collect();
    let then = world.file("then.pack");
    fs::write(&then, image).unwrap();
    let files = [("/big".to_owned(), noise(9, 300_000))];
    assert_has(&then, &world.clock, &files);
    // Done when the transfer has ended, by the next run.
    let allocated = || world.client.store.stats().unwrap().pack_allocated_bytes;
    let full = allocated();
    gc(&world.client);
    assert!(full - allocated() >= 250_000, "{full} {}", allocated());
}

#[test]
fn a_copy_gives_back_what_its_pack_freed() {
    let world = World::new();
    world.client.put("/big", &noise(9, 300_000));
    follow(&world.client, &world.copy());
    let allocated = || fs::metadata(world.copy()).unwrap().blocks() * 512;
    let full = allocated();
    world.client.delete("/big");
    assert!(gc(&world.client).punched_bytes >= 250_000);
    follow(&world.client, &world.copy());
    assert!(full - allocated() >= 250_000, "{full} {}", allocated());
    let files = [("/first".to_owned(), noise(1, 10_000))];
    assert_has(&world.copy(), &world.clock, &files);
}

#[test]
fn what_was_reclaimed_since_is_an_error_and_the_rest_is_there() {
    let World { dir, clock, client } = World::new();
    client.put("/big", &noise(9, 300_000));
    let between = clock.now_ms();
    clock.advance(1_000_000);
    client.delete("/big");
    assert!(gc(&client).punched_bytes >= 250_000);
    client.store.close();
    drop(client);
    let options = Options {
        as_of: Some(AsOf::Time(between)),
        ..options(&clock)
    };
    let store = Store::open(&dir.path().join("s.pack"), options).unwrap();
    let then = Client { store };
    assert_eq!(then.get("/first"), Some(noise(1, 10_000)));
    let gone = then.try_get("/big");
    let is_damage = matches!(&gone, Err(DomainError::Store(StoreError::Damaged { .. })));
    assert!(is_damage, "{gone:?}");
}

/// The copy of a world on a disk that fails when it is told to, and what it lacks.
fn failing_copy(world: &World) -> (Sim, Copy, Vec<u8>) {
    for n in 2..6 {
        world.client.put(&format!("/{n}"), &noise(n, 3_000));
    }
    let sim = Sim::of_pages(Paged::of(&fs::read(world.copy()).unwrap()));
    let copy = Copy::open_on(&world.copy(), sim.medium()).unwrap();
    let lacking = world.lacking(&copy);
    (sim, copy, lacking)
}

// A failed sync marks pages clean that never reached the disk: to sync again and go on would keep
// commits that the next power failure takes.
#[test]
fn after_a_failed_sync_nothing_that_came_counts() {
    // The last sync, and one on the way.
    for junk in [0, 65] {
        let world = World::new();
        let (sim, mut copy, lacking) = failing_copy(&world);
        let own = copy.bytes();
        sim.fail(Call::Sync, 0, Failure::Io);
        let junk = std::iter::repeat_n(Bytes::from(vec![7; 1 << 20]), junk);
        let pieces = std::iter::once(Bytes::from(lacking.clone())).chain(junk);
        let failed = copy.extend(pieces.map(Ok));
        assert!(matches!(failed, Err(StoreError::Pack(_))), "{failed:?}");
        assert_eq!(copy.bytes(), own);
        let note = fs::read_to_string(world.file("copy.pack.incomplete"));
        assert_eq!(note.unwrap(), own.to_string());
        // Written anew, and synced then, it counts.
        let added = copy.extend(std::iter::once(Ok(Bytes::from(lacking.clone()))));
        assert_eq!(added.unwrap(), lacking.len() as u64);
        assert!(!world.file("copy.pack.incomplete").exists());
    }
}

fn is_full(done: &Result<u64, StoreError>) -> bool {
    let Err(StoreError::Pack(PackError::Io { source, .. })) = done else {
        return false;
    };
    source.kind() == io::ErrorKind::StorageFull
}

#[test]
fn a_full_disk_keeps_whole_commits() {
    let world = World::new();
    let (sim, mut copy, lacking) = failing_copy(&world);
    let own = copy.bytes();
    sim.fail(Call::Write, 0, Failure::Short(lacking.len() / 2));
    let full = copy.extend(std::iter::once(Ok(Bytes::from(lacking.clone()))));
    assert!(is_full(&full), "{full:?}");
    // It is not known how much of a failed write counts.
    assert_eq!(copy.bytes(), own);
    sim.fail(Call::Write, 6, Failure::Full);
    let pieces = || {
        lacking
            .chunks(1000)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
    };
    let full = copy.extend(pieces());
    assert!(is_full(&full), "{full:?}");
    assert!(
        (own + 1..own + 6_000).contains(&copy.bytes()),
        "{}",
        copy.bytes()
    );
    let rest = world.lacking(&copy);
    copy.extend(std::iter::once(Ok(Bytes::from(rest)))).unwrap();
    assert_eq!(copy.bytes(), own + lacking.len() as u64);
}

#[test]
fn who_only_looks_leaves_a_torn_tail_as_it_is() {
    let world = World::new();
    let mut image = fs::read(world.copy()).unwrap();
    let own = image.len() as u64;
    image.extend(noise(3, 5_000));
    fs::write(world.copy(), &image).unwrap();
    assert_eq!(open_copy(&world.copy()).bytes(), own);
    assert!(fs::read(world.copy()).unwrap() == image);
    // Who goes on there does not leave it behind.
    world.client.put("/x", b"x");
    follow(&world.client, &world.copy());
    let now = fs::read(world.copy()).unwrap();
    assert!(fs::read(world.pack()).unwrap().starts_with(&now));
}
