//! Crashes: nothing acknowledged is lost, and what was in flight is there whole or not at all.

use packhold::domain::DomainError;
use packhold::pack::PackError;
use packhold::store::StoreError;

use crate::support::client::{Client, Clock, new_sim, open, open_busy};
use crate::support::crash::{durable, images};
use crate::support::history::{History, assert_holds, assert_survives};
use crate::support::noise::{Noise, noise};
use crate::support::sim::{Call, Failure, Sim};

/// Uploads, overwrites, deletes, packages, and a group of all that at once.
fn work(client: &Client, sim: &Sim, history: &History, noise: &mut Noise) {
    for i in 0..4 {
        let len = [0, 700, 9_000, 40_000][i];
        let path = format!("/dir{}/file{}", i % 2, noise.below(5));
        assert!(history.put(client, sim, &path, noise.bytes(len)));
    }
    let package = |i: u64| format!("package{i}");
    let (gone, kept) = (package(noise.next()), package(noise.next()));
    assert!(history.add(client, sim, &gone, noise.bytes(2_000)));
    let shared = noise.bytes(12_000);
    std::thread::scope(|scope| {
        let (first, second) = (package(noise.next()), package(noise.next()));
        for (name, bytes) in [(first, shared.clone()), (second, shared.clone())] {
            scope.spawn(move || assert!(history.add(client, sim, &name, bytes)));
        }
        scope.spawn(|| assert!(history.remove(client, sim, &gone)));
        for i in 0..6 {
            let mut bytes = noise.bytes(1_500);
            bytes.extend(&shared);
            scope.spawn(move || {
                assert!(history.put(client, sim, &format!("/group/{i}"), bytes));
            });
        }
    });
    assert!(history.delete(client, sim, &format!("/group/{}", noise.below(6))));
    let path = format!("/group/{}", noise.below(6));
    assert!(history.put(client, sim, &path, noise.bytes(3_000)));
    assert!(history.add(client, sim, &kept, noise.bytes(9_000)));
}

// The disk keeps, drops and tears what was written since the last sync as it likes, at any moment.
// A store that takes a valid later record for proof that the earlier ones are there loses files.
// Every image must hold all that was acknowledged, byte for byte, and work on.
#[test]
fn every_crash_image_holds_what_was_acknowledged() {
    let (sim, history) = (new_sim(), History::default());
    let start = sim.image();
    let clock = Clock::at(1_000);
    let mut noise = Noise::new(11);
    for open in [open, open_busy, open] {
        let client = open(&sim, &clock);
        work(&client, &sim, &history, &mut noise);
        client.assert_clean();
    }
    let log = sim.log();
    let mut tried = 0_u32;
    images(&start, &log, 20, |image| {
        let allowed = history.allowed(&log, image.at);
        let what = format!("crash behind operation {}", image.at);
        assert_survives(image.bytes, &allowed, &what);
        tried += 1;
    });
    println!("crash images tried: {tried}, losses: 0");
    assert!(tried > 300, "only {tried} images");
}

// A sync fails once; the kernel marks the pages clean, so that the next sync says that all is well.
// A store that tries again acknowledges bytes that never reach the disk.
// The commit that waited is not acknowledged, writes are refused, reads go on.
#[test]
fn a_failed_sync_is_never_tried_again() {
    let (sim, history) = (new_sim(), History::default());
    let start = sim.image();
    let client = open(&sim, &Clock::at(1_000));
    assert!(history.put(&client, &sim, "/before", noise(1, 5_000)));
    let syncs = sim.syncs();
    sim.fail(Call::Sync, 0, Failure::Io);
    let doubt = client.try_put("/during", &noise(2, 5_000));
    assert!(
        matches!(doubt, Err(DomainError::Store(StoreError::InDoubt(_)))),
        "{doubt:?}"
    );
    let refused = client.try_put("/later", b"x");
    assert!(
        matches!(
            refused,
            Err(DomainError::Store(StoreError::Pack(PackError::Poisoned(_))))
        ),
        "{refused:?}"
    );
    let refused = client.try_delete("/before");
    assert!(
        matches!(refused, Err(DomainError::Store(StoreError::Refused(_)))),
        "{refused:?}"
    );
    assert_eq!(client.get("/before").unwrap(), noise(1, 5_000));
    assert_eq!(client.get("/during"), None, "not durable, so not visible");
    assert_eq!(client.get("/later"), None);
    client.store.close();
    assert_eq!(sim.syncs(), syncs, "no sync was tried again");
    let log = sim.log();
    let allowed = history.allowed(&log, log.len());
    assert_survives(
        durable(&start, &log),
        &allowed,
        "crash after the failed sync",
    );
}

// After the failed sync somebody restarts the store; the cache still holds the unsynced commit, so
// the store reads it, and serves it. Then the power fails: only bytes written anew are on the disk.
// What the reopened store showed must still be there, and all that was ever acknowledged.
#[test]
fn reopening_after_a_failed_sync_writes_the_tail_again() {
    let (sim, history) = (new_sim(), History::default());
    let start = sim.image();
    let clock = Clock::at(1_000);
    let client = open(&sim, &clock);
    assert!(history.put(&client, &sim, "/before", noise(1, 50_000)));
    sim.fail(Call::Sync, 0, Failure::Io);
    assert!(!history.put(&client, &sim, "/during", noise(2, 50_000)));
    drop(client);
    let client = open(&sim, &clock);
    assert!(client.store.open_report().rewritten_bytes > 50_000);
    assert_eq!(client.get("/during").unwrap(), noise(2, 50_000));
    let log = sim.log();
    let shown = assert_holds(&client, &history.allowed(&log, log.len()), "reopened");
    assert_survives(durable(&start, &log), &shown, "crash after reopening");
    assert!(history.put(&client, &sim, "/after-it", noise(3, 5_000)));
    client.assert_clean();
    drop(client);
    let log = sim.log();
    let allowed = history.allowed(&log, log.len());
    assert_survives(durable(&start, &log), &allowed, "crash after more work");
}

// A large upload lets syncs run beside it; one of them fails, and the pages are marked clean. The
// sync of its commit would succeed. The commit must not be acknowledged: its bytes are not on disk.
#[test]
fn a_failed_background_sync_refuses_the_commit() {
    let sim = new_sim();
    let start = sim.image();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/before", b"x");
    sim.fail(Call::Sync, 0, Failure::Io);
    let outcome = client.try_put("/large", &noise(4, 24 << 20));
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(client.get("/large"), None);
    drop(client);
    let image = Sim::of_image(durable(&start, &sim.log()));
    let client = open(&image, &Clock::at(2_000));
    assert_eq!(client.get("/before").unwrap(), b"x");
    client.assert_clean();
}

/// Uploads, packages and deletes while the disk is full now and then; ends with a call that forbids writing.
fn work_badly(client: &Client, sim: &Sim, history: &History, noise: &mut Noise, last: Call) {
    for _ in 0..8 {
        if noise.below(3) == 0 {
            let written = noise.below(3_000);
            sim.fail(Call::Write, noise.next() % 3, Failure::Short(written));
        }
        let path = format!("/f{}", noise.below(6));
        let package = format!("package{}", noise.below(3));
        let len = noise.below(12_000);
        match noise.below(8) {
            0 | 1 => history.delete(client, sim, &path),
            2 => history.remove(client, sim, &package),
            3 => history.add(client, sim, &package, noise.bytes(len)),
            _ => history.put(client, sim, &path, noise.bytes(len)),
        };
        sim.mend();
    }
    if last == Call::Truncate {
        sim.fail(Call::Write, noise.next() % 2, Failure::Short(700));
    }
    sim.fail(last, 0, Failure::Io);
    assert!(!history.put(client, sim, "/last", noise.bytes(2_000)));
    sim.mend();
    assert!(!history.put(client, sim, "/last", noise.bytes(2_000)));
}

// The disk is full, a truncate fails, a sync fails, the store is opened again: each leaves bytes in
// the file that no commit covers, or in the cache that the disk never saw. Then the power fails.
// All that was acknowledged in between must be there, and the log be whole.
#[test]
fn every_crash_image_of_a_failing_disk_holds_what_was_acknowledged() {
    let mut tried = 0_u32;
    for seed in 0..4 {
        let (sim, history) = (new_sim(), History::default());
        let start = sim.image();
        let clock = Clock::at(1_000);
        let mut noise = Noise::new(100 + seed);
        for last in [Call::Sync, Call::Truncate, Call::Sync] {
            let client = open(&sim, &clock);
            client.assert_clean();
            work_badly(&client, &sim, &history, &mut noise, last);
        }
        drop(open(&sim, &clock));
        let log = sim.log();
        images(&start, &log, 6, |image| {
            let allowed = history.allowed(&log, image.at);
            let what = format!("seed {seed}, crash behind operation {}", image.at);
            assert_survives(image.bytes, &allowed, &what);
            tried += 1;
        });
    }
    println!("crash images of a failing disk tried: {tried}, losses: 0");
    assert!(tried > 300, "only {tried} images");
}
