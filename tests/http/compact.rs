//! `POST /packhold/compact`: another pack in the place of the one that is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::blocks::{SEPARATE, Upload};
use crate::noise::noise;
use crate::service::{Service, call, get, put};
use crate::wire::{Answer, Call};

fn compact(service: &Service) -> Value {
    let answer = service.send(&Call::new("POST", "/packhold/compact"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn assert_clean(service: &Service) {
    let verify = service.send(&Call::new("POST", "/packhold/verify"));
    assert_eq!(verify.json()["clean"], true, "{verify:?}");
}

/// Refused because another store came meanwhile; the client is told when to ask again.
fn is_refused(answer: &Answer) -> bool {
    answer.status == 503 && answer.header("Retry-After") == Some("1")
}

#[test]
fn a_served_store_is_compacted() {
    let service = Service::replaceable();
    service.store("/kept", noise(1, 300_000));
    service.store("/gone", noise(2, 900_000));
    assert_eq!(service.send(&call("DELETE", "/gone")).verdict(), (200, 0));
    let session = Upload::start(&service, SEPARATE, "/in/blocks");
    session.put(0, noise(3, 50_000));
    let report = compact(&service);
    assert_eq!(report["damaged_chunks"], 0, "{report}");
    let after = report["after_bytes"].as_u64().expect("a number");
    assert!(after < 400_000, "{report}");
    let length = std::fs::metadata(service.pack()).expect("the pack").len();
    assert!(length >= after);
    service.assert_file("/kept", &noise(1, 300_000));
    service.assert_none("/gone");
    // The upload in blocks goes on.
    session.put(50_000, noise(4, 50_000));
    session.finish(100_000);
    let mut whole = noise(3, 50_000);
    whole.extend(noise(4, 50_000));
    service.assert_file("/in/blocks", &whole);
    // And once more, with what has come since.
    service.store("/late", b"late");
    compact(&service);
    assert_clean(&service);
    let service = service.restart();
    service.assert_file("/kept", &noise(1, 300_000));
    service.assert_file("/late", b"late");
    service.assert_file("/in/blocks", &whole);
}

// Clients upload, delete and read all the time, and the store is compacted again and again. A change that
// is acknowledged while it is already left behind would be gone.
// Whatever was acknowledged is there; who is refused is told to come again, and can.
#[test]
fn nothing_acknowledged_is_lost_while_clients_work() {
    const CLIENTS: usize = 4;
    const FILES: usize = 30;
    let service = Service::replaceable();
    let ended = AtomicUsize::new(0);
    let bytes = |client: usize, file: usize| noise((client * 1_000 + file) as u64, 20_000);
    let path = |client: usize, file: usize| format!("/c{client}/f{file}");
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (service, ended) = (&service, &ended);
            scope.spawn(move || {
                let patiently = |wanted: &Call| {
                    let answers = (0..1_000).map(|_| service.send(wanted));
                    let taken = answers.into_iter().find(|answer| !is_refused(answer));
                    let answer = taken.expect("it is not refused for ever");
                    assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
                };
                for file in 0..FILES {
                    patiently(&put(&path(client, file)).body(bytes(client, file)));
                    let found = service.get(&path(client, file));
                    assert!(found.status == 200 && found.body == bytes(client, file));
                    if file % 5 == 4 {
                        patiently(&call("DELETE", &path(client, file - 1)));
                    }
                }
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        let mut count = 0;
        while ended.load(Ordering::SeqCst) < CLIENTS || count < 2 {
            compact(&service);
            count += 1;
        }
    });
    let assert_all = |service: &Service| {
        for client in 0..CLIENTS {
            for file in 0..FILES {
                match file % 5 {
                    3 => service.assert_none(&path(client, file)),
                    _ => service.assert_file(&path(client, file), &bytes(client, file)),
                }
            }
        }
    };
    assert_all(&service);
    assert_clean(&service);
    let service = service.restart();
    assert_all(&service);
    assert_clean(&service);
}

// An upload is under way, for longer than is waited for it. What it wrote is in the old pack, and would be
// other bytes in the new one.
// It is refused, and can be sent again; a download that is under way goes on to its end.
#[test]
fn who_is_under_way_is_refused_or_ends_with_its_own_bytes() {
    let service = Service::replaceable();
    let large = noise(1, 24 << 20);
    service.store("/large", &large);
    let wanted = put("/late").body(noise(2, 1_000_000));
    let (head, body) = (wanted.head(), noise(2, 1_000_000));
    let mut upload = service.connect();
    upload.write(&head).expect("it is taken");
    upload.write(&body[..500_000]).expect("it is taken");
    let mut download = TcpStream::connect(service.address).expect("it listens");
    let asked = get("/large").header("Connection", "close").bytes();
    download.write_all(&asked).expect("it is taken");
    let mut answer = vec![0; 1_000];
    download.read_exact(&mut answer).expect("it begins");
    service.send(&call("DELETE", "/large"));
    compact(&service);
    upload.write(&body[500_000..]).expect("it is taken");
    let refused = upload.answer("PUT").expect("an answer");
    assert!(is_refused(&refused), "{refused:?}");
    service.assert_none("/late");
    download.read_to_end(&mut answer).expect("it goes on");
    let start = answer.windows(4).position(|four| four == b"\r\n\r\n");
    assert!(answer[start.expect("a head") + 4..] == large, "other bytes");
    service.assert_none("/large");
    assert_eq!(service.send(&wanted).verdict(), (200, 0));
    service.assert_file("/late", &body);
    assert_clean(&service);
}

#[test]
fn a_store_that_is_no_file_is_not_compacted() {
    let service = Service::open();
    let answer = service.send(&Call::new("POST", "/packhold/compact"));
    assert_eq!(answer.verdict(), (400, 250_105), "{answer:?}");
}
