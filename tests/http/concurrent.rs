//! Several clients at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;

use crate::noise::noise;
use crate::service::{Service, get, put, sha256};

#[test]
fn of_many_uploads_to_one_path_exactly_one_wins() {
    let service = Service::open();
    let clients = 16;
    for round in 0..10 {
        let path = format!("/dir{round}/f");
        let barrier = Barrier::new(clients);
        let bodies: Vec<Vec<u8>> = (0..clients).map(|i| noise(i as u64, 50_000)).collect();
        let outcomes: Vec<(u16, u64)> = std::thread::scope(|scope| {
            let run = |body| {
                let (call, barrier) = (put(&path).body(body), &barrier);
                let address = service.address;
                scope.spawn(move || {
                    barrier.wait();
                    call.send(address).verdict()
                })
            };
            let threads: Vec<_> = bodies.iter().map(run).collect();
            let joined = threads.into_iter().map(ScopedJoinHandle::join);
            joined.map(|outcome| outcome.expect("no panic")).collect()
        });
        let winners: Vec<usize> = (0..clients).filter(|i| outcomes[*i].0 == 200).collect();
        let [winner] = winners[..] else {
            panic!("{outcomes:?}");
        };
        let losers = outcomes.iter().filter(|o| **o == (400, 251_012)).count();
        assert_eq!(losers, clients - 1, "{outcomes:?}");
        service.assert_file(&path, &bodies[winner]);
    }
}

#[test]
fn a_reader_sees_the_old_file_or_the_new_one() {
    let service = Service::open();
    let versions = [noise(1, 700_000), noise(2, 1_300_000)];
    let sums = versions.each_ref().map(|bytes| sha256(bytes));
    service.store("/f", &versions[0]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut reads = 0;
                let mut wire = service.connect();
                while !done.load(Ordering::Relaxed) || reads == 0 {
                    wire.write(&get("/f").bytes())
                        .expect("the connection is open");
                    let answer = wire.answer("GET").expect("an answer");
                    let sum = sha256(&answer.body);
                    assert!(
                        sums.contains(&sum),
                        "a mixture of {} bytes",
                        answer.body.len()
                    );
                    assert_eq!(answer.header("X-Checksum-Sha256"), Some(&*sum));
                    reads += 1;
                }
            });
        }
        let mut wire = service.connect();
        for i in 1..=200 {
            let call = put("/f").header("X-BKREPO-OVERWRITE", "true");
            let call = call.body(&versions[i % 2]);
            wire.write(&call.bytes()).expect("the connection is open");
            assert_eq!(wire.answer("PUT").expect("an answer").status, 200);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(service.store.stats().expect("stats").files, 1);
}

#[test]
fn a_download_that_has_begun_ends_with_its_own_bytes() {
    let service = Service::open();
    let old = noise(3, 20_000_000);
    service.store("/f", &old);
    let mut wire = service.connect();
    wire.write(&get("/f").bytes()).expect("the server reads");
    // Nothing is read yet: most of the file is still to be sent.
    let call = put("/f").header("X-BKREPO-OVERWRITE", "true").body("new");
    assert_eq!(service.send(&call).status, 200);
    let deleted = crate::service::call("DELETE", "/f");
    assert_eq!(service.send(&deleted).status, 200);
    let answer = wire.answer("GET").expect("an answer");
    assert!(answer.body == old, "other bytes");
    service.assert_none("/f");
}

#[test]
fn many_different_files_at_once_share_a_new_repository() {
    let service = Service::open();
    let barrier = Barrier::new(24);
    std::thread::scope(|scope| {
        for i in 0..24 {
            let (service, barrier) = (&service, &barrier);
            scope.spawn(move || {
                let call = put(&format!("/common/{}/{i}", i % 3)).body(noise(i % 5, 20_000));
                barrier.wait();
                assert_eq!(service.send(&call).verdict(), (200, 0));
            });
        }
    });
    for i in 0..24 {
        let path = format!("/common/{}/{i}", i % 3);
        service.assert_file(&path, &noise(i % 5, 20_000));
    }
    let stats = service.store.stats().expect("stats");
    assert_eq!((stats.files, stats.blobs), (24, 5));
}
