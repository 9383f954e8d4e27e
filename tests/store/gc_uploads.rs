//! Reclaiming beside uploads that share the very chunks that are being freed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::ScopedJoinHandle;

use bytes::Bytes;
use packhold::digest::{Wanted, sha256};
use packhold::domain;
use packhold::domain::quota::Usage;
use packhold::store::{Ingest, Ingested};

use crate::support::client::{Client, Clock, new_sim, open, upload};
use crate::support::crash::images;
use crate::support::history::{History, assert_survives};
use crate::support::noise::{Noise, noise};
use crate::support::sim::Op;

fn with_gone() -> (Client, Vec<u8>) {
    let client = open(&new_sim(), &Clock::at(1_000));
    let bytes = noise(1, 200_000);
    client.put("/gone", &bytes);
    client.put("/other", &noise(2, 50_000));
    (client, bytes)
}

fn finish(client: &Client, ingested: Ingested) {
    let (sender, receiver) = mpsc::channel();
    domain::finish(
        &client.store,
        &Usage::default(),
        upload("/new"),
        ingested,
        move |stored| {
            sender.send(stored.map(|_| ())).expect("somebody waits");
        },
    );
    receiver.recv().expect("an answer").expect("it is stored");
}

fn pushed(mut ingest: Ingest, bytes: &[u8]) -> Ingest {
    ingest
        .push(&Bytes::copy_from_slice(bytes))
        .expect("it takes them");
    ingest
}

// An upload found all its chunks in a file. Before it ends, the file is deleted, and space is given
// back, in every moment of it. The upload must not end up as a file of holes.
#[test]
fn what_an_upload_found_is_not_freed_before_its_commit() {
    for moment in 0..3 {
        let (client, bytes) = with_gone();
        let gc = |now: usize| {
            if now == moment {
                client.delete("/gone");
                let report = client.gc();
                assert!(report.held_bytes > 0, "{report:?}");
            }
        };
        let ingest = pushed(client.store.ingest(Wanted::Md5), &bytes[..120_000]);
        gc(0);
        let ingest = pushed(ingest, &bytes[120_000..]);
        gc(1);
        let ingested = ingest.finish().unwrap();
        gc(2);
        finish(&client, ingested);
        assert_eq!(client.get("/new").unwrap(), bytes);
        client.gc();
        assert_eq!(client.get("/new").unwrap(), bytes);
        client.assert_clean();
    }
}

// A client proves that it has a content; while it sends the bytes, the last file with that content is
// deleted, and space is given back. The new file points at the content, which must still be there.
#[test]
fn what_is_being_proven_is_not_freed() {
    let (client, bytes) = with_gone();
    let proof = client.store.prove(&sha256(&bytes), Some(200_000)).unwrap();
    let proof = pushed(proof.expect("it is there"), &bytes[..1_000]);
    client.delete("/gone");
    let report = client.gc();
    assert_eq!((report.blobs, report.chunks), (1, 0), "{report:?}");
    let ingested = pushed(proof, &bytes[1_000..]).finish().unwrap();
    client.gc();
    finish(&client, ingested);
    assert_eq!(client.get("/new").unwrap(), bytes);
    assert_eq!(client.gc().chunks, 0);
    assert_eq!(client.get("/new").unwrap(), bytes);
    client.assert_clean();
}

// The commit that frees some chunks is on its way to the disk, when an upload comes that has them. The
// index still leads to them. An upload that shared them would end up as a file of holes.
#[test]
fn what_is_about_to_be_freed_is_not_shared() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let bytes = noise(1, 200_000);
    client.put("/gone", &bytes);
    client.put("/other", &noise(2, 50_000));
    client.delete("/gone");
    let (reached, go) = sim.hold_freeing();
    std::thread::scope(|scope| {
        let freeing = scope.spawn(|| client.gc());
        reached.recv().expect("something is freed");
        let ingest = pushed(client.store.ingest(Wanted::Md5), &bytes);
        let ingested = ingest.finish().unwrap();
        go.send(()).expect("the sync waits");
        assert_eq!(freeing.join().unwrap().freed_bytes, 200_000);
        assert_eq!(ingested.new_bytes, 200_000, "nothing of it is shared");
        finish(&client, ingested);
    });
    assert_eq!(client.get("/new").unwrap(), bytes);
    client.assert_clean();
    drop(client);
    let client = open(&sim, &Clock::at(2_000));
    assert_eq!(client.get("/new").unwrap(), bytes);
    client.assert_clean();
}

#[test]
fn what_an_abandoned_upload_wrote_is_freed() {
    let (client, _) = with_gone();
    let ingest = pushed(client.store.ingest(Wanted::Md5), &noise(9, 400_000));
    let report = client.gc();
    assert!(
        report.chunks == 0 && report.held_bytes > 200_000,
        "{report:?}"
    );
    drop(ingest);
    let report = client.gc();
    assert!(
        report.freed_bytes > 200_000 && report.held_bytes == 0,
        "{report:?}"
    );
    client.put("/again", &noise(9, 400_000));
    assert_eq!(client.get("/again").unwrap(), noise(9, 400_000));
    client.assert_clean();
}

/// A file of three of six parts, which many files share.
fn mixed(noise_: &mut Noise) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..3 {
        bytes.extend(noise(noise_.next() % 6, 12_000));
    }
    bytes
}

// Many uploads share chunks, delete their files, and upload them again, while space is given back
// over and over: every chunk is freed now and then just when somebody comes to share it.
// Every file reads back byte for byte at every moment, and in the end nothing is wrong.
#[test]
fn uploads_deletes_and_reads_beside_reclaiming() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let (running, freed) = (AtomicBool::new(true), AtomicU64::new(0));
    let files = std::thread::scope(|scope| {
        scope.spawn(|| {
            while running.load(Ordering::Relaxed) {
                let report = client.gc();
                freed.fetch_add(report.chunks, Ordering::Relaxed);
            }
        });
        let workers: Vec<_> = (0..4_u64)
            .map(|worker| {
                let client = &client;
                scope.spawn(move || {
                    let mut choice = Noise::new(1_000 + worker);
                    let path = format!("/w{worker}/f");
                    let mut last = None;
                    for _ in 0..60 {
                        let bytes = mixed(&mut choice);
                        client.put(&path, &bytes);
                        assert!(client.get(&path).unwrap() == bytes, "{path} differs");
                        last = Some(bytes);
                        if choice.below(2) == 0 {
                            client.delete(&path);
                            last = None;
                        }
                    }
                    (path, last)
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut reads = 0_u64;
            while running.load(Ordering::Relaxed) {
                for worker in 0..4 {
                    // What is read must be right, or the file gone: a hole is an error.
                    reads += u64::from(client.get(&format!("/w{worker}/f")).is_some());
                }
            }
            reads
        });
        let ended: Vec<_> = workers.into_iter().map(ScopedJoinHandle::join).collect();
        running.store(false, Ordering::Relaxed);
        let files: Vec<_> = ended
            .into_iter()
            .map(|end| end.expect("it is well"))
            .collect();
        let reads = reader.join().expect("every read is right");
        println!("reads beside reclaiming: {reads}");
        files
    });
    for (path, bytes) in &files {
        assert!(client.get(path) == *bytes, "{path} differs");
    }
    println!("chunks freed beside: {}", freed.load(Ordering::Relaxed));
    client.assert_clean();
    client.gc();
    client.assert_clean();
    assert_eq!(client.store.stats().unwrap().reclaimable_bytes, 0);
    drop(client);
    let client = open(&sim, &Clock::at(9_000));
    for (path, bytes) in &files {
        assert!(
            client.get(path) == *bytes,
            "{path} differs after opening again"
        );
    }
    client.assert_clean();
}

// The plug is pulled while uploads share what is being freed, and holes are punched beside them. What
// was acknowledged must be there, whatever chunk it came to share at the last moment.
#[test]
fn crash_images_of_uploads_beside_reclaiming_hold_what_was_acknowledged() {
    let (sim, history) = (new_sim(), History::default());
    let start = sim.image();
    let client = open(&sim, &Clock::at(1_000));
    let running = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while running.load(Ordering::Relaxed) {
                client.gc();
            }
        });
        let workers: Vec<_> = (0..3_u64)
            .map(|worker| {
                let (client, sim, history) = (&client, &sim, &history);
                scope.spawn(move || {
                    let mut choice = Noise::new(2_000 + worker);
                    let path = format!("/w{worker}");
                    for _ in 0..8 {
                        assert!(history.put(client, sim, &path, mixed(&mut choice)));
                        if choice.below(2) == 0 {
                            assert!(history.delete(client, sim, &path));
                        }
                    }
                })
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(ScopedJoinHandle::join).collect();
        running.store(false, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok), "a worker failed");
    });
    // However the threads were scheduled, something is punched.
    assert!(history.put(&client, &sim, "/last", noise(99, 40_000)));
    assert!(history.delete(&client, &sim, "/last"));
    client.gc();
    client.assert_clean();
    drop(client);
    let log = sim.log();
    let holes = log.iter().filter(|op| matches!(op, Op::Punch(..))).count();
    assert!(holes > 0, "nothing was punched");
    let (mut made, mut tried) = (0_usize, 0_u32);
    images(&start, &log, 8, |image| {
        made += 1;
        // They are many, and much alike.
        if !made.is_multiple_of(7) {
            return;
        }
        let allowed = history.allowed(&log, image.at);
        let what = format!("crash behind operation {}", image.at);
        assert_survives(image.bytes, &allowed, &what);
        tried += 1;
    });
    println!("crash images of uploads beside reclaiming tried: {tried}, losses: 0");
    assert!(tried > 50, "only {tried} images");
}
