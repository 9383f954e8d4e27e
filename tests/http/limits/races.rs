//! Several clients and the last free bytes of a repository.

use std::sync::Barrier;
use std::thread::ScopedJoinHandle;

use super::quota::service;
use crate::noise::noise;
use crate::service::{call, put};

/// Sixteen uploads that fit one by one, and six of them together.
#[test]
fn uploads_at_the_same_time_do_not_overshoot_together() {
    let (clients, bytes) = (16, 50_000_u64);
    let service = service(6 * bytes + 10);
    for round in 0..5 {
        let barrier = Barrier::new(clients);
        let outcomes: Vec<(u16, u64)> = std::thread::scope(|scope| {
            let run = |client: usize| {
                let (barrier, address) = (&barrier, service.address);
                let body = noise((round * clients + client) as u64, 50_000);
                let call = put(&format!("/{client}")).body(body);
                scope.spawn(move || {
                    barrier.wait();
                    call.send(address).verdict()
                })
            };
            let threads: Vec<_> = (0..clients).map(run).collect();
            let joined = threads.into_iter().map(ScopedJoinHandle::join);
            joined.map(|outcome| outcome.expect("no panic")).collect()
        });
        let stored: Vec<usize> = (0..clients).filter(|i| outcomes[*i].0 == 200).collect();
        assert_eq!(stored.len(), 6, "{outcomes:?}");
        let refused = outcomes.iter().filter(|o| **o == (400, 251_025)).count();
        assert_eq!(refused, clients - 6, "{outcomes:?}");
        for client in stored {
            let deleted = service.send(&call("DELETE", &format!("/{client}")));
            assert_eq!(deleted.verdict(), (200, 0));
        }
    }
}

/// Uploads and deletes of half the quota each: there is always room for who deleted first.
#[test]
fn who_deleted_finds_room() {
    let service = service(200);
    std::thread::scope(|scope| {
        for client in 0..2 {
            let service = &service;
            scope.spawn(move || {
                let path = format!("/{client}");
                for _ in 0..60 {
                    let stored = service.put(&path, vec![client; 100]);
                    assert_eq!(stored.verdict(), (200, 0), "{stored:?}");
                    let deleted = service.send(&call("DELETE", &path));
                    assert_eq!(deleted.verdict(), (200, 0));
                }
            });
        }
    });
}
