//! What happens on a connection: reuse, pipelining, refusals before the body, clients that go away.

use std::net::Shutdown;

use crate::noise::noise;
use crate::service::{DIGITS, Service, call, get, put};
use crate::wire::{Call, Wire};

/// Larger than what sockets buffer.
const LARGE: usize = 24 << 20;

fn answer(wire: &mut Wire, method: &str) -> u16 {
    wire.answer(method).expect("an answer").status
}

#[test]
fn a_connection_serves_many_requests_errors_among_them() {
    let service = Service::open();
    let mut wire = service.connect();
    for (call, status) in [
        (put("/f").body(DIGITS), 200),
        (put("/f").body(DIGITS), 400),
        (get("/missing"), 404),
        (get("/f").header("Range", "bytes=99-"), 416),
        (get("/f").header("Range", "bytes=1-2"), 206),
        (get("/f").header("If-None-Match", "*"), 304),
        (get("/f").header("If-Match", "\"x\""), 412),
        (Call::new("POST", "/generic/p/r/f").body("body"), 405),
        (Call::new("GET", "/nowhere").body("body"), 404),
        (put("/a%00").body("body"), 400),
        (
            put("/g").header("X-BKREPO-MD5", "0".repeat(32)).body("x"),
            400,
        ),
        (get("/f"), 200),
        (call("DELETE", "/f"), 200),
    ] {
        wire.write(&call.bytes()).expect("the connection is open");
        let answer = wire.answer("GET").expect("an answer");
        assert_eq!(answer.status, status, "{call:?}");
        assert_eq!(answer.header("Connection"), Some("keep-alive"), "{call:?}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let mut wire = service.connect();
    let calls = [
        ("GET", get("/missing"), 404),
        ("HEAD", call("HEAD", "/f"), 200),
        ("PUT", put("/f").body("refused"), 400),
        ("PUT", put("/g").body("stored"), 200),
        ("GET", get("/g"), 200),
        ("DELETE", call("DELETE", "/nothing"), 404),
        ("HEAD", call("HEAD", "/missing"), 404),
        ("GET", get("/f").header("If-None-Match", "*"), 304),
        ("GET", get("/f"), 200),
    ];
    let all: Vec<u8> = calls.iter().flat_map(|(_, call, _)| call.bytes()).collect();
    wire.write(&all).expect("the server reads");
    for (method, call, status) in &calls {
        assert_eq!(answer(&mut wire, method), *status, "{call:?}");
    }
}

#[test]
fn connection_close_is_honoured_and_told() {
    let service = Service::open();
    service.store("/f", DIGITS);
    for path in ["/f", "/missing"] {
        let mut wire = service.connect();
        let call = get(path).header("Connection", "close");
        wire.write(&call.bytes()).expect("the server reads");
        let answer = wire.answer("GET").expect("an answer");
        assert_eq!(answer.header("Connection"), Some("close"), "{path}");
        assert_eq!(wire.rest().expect("the server closes"), b"");
    }
}

#[test]
fn what_exists_is_told_before_the_body_is_asked_for() {
    let service = Service::open();
    service.store("/f", DIGITS);
    for (call, verdict) in [
        (put("/f"), (400, 251_012)),
        (put("/f/below"), (400, 251_013)),
        (put("/a%00"), (400, 251_011)),
        (put("/new").header("X-BKREPO-EXPIRES", "x"), (400, 250_105)),
        (Call::new("POST", "/generic/p/r/f"), (405, 250_112)),
        (Call::new("PUT", "/generic/-/r/f"), (400, 250_105)),
    ] {
        let mut wire = service.connect();
        let call = call
            .header("Expect", "100-continue")
            .header("Content-Length", "1000000000");
        wire.write(&call.head()).expect("the server reads");
        let answer = wire.answer("PUT").expect("an answer at once");
        assert_eq!(answer.verdict(), verdict);
        // The body never comes, so that this connection is of no use any more.
        assert_eq!(answer.header("Connection"), Some("close"), "{call:?}");
        assert_eq!(wire.rest().expect("the server closes"), b"");
    }
}

#[test]
fn the_body_is_asked_for_when_it_is_wanted() {
    let service = Service::open();
    let mut wire = service.connect();
    for path in ["/a", "/b"] {
        let call = put(path).header("Expect", "100-continue").body(DIGITS);
        wire.write(&call.head()).expect("the server reads");
        assert_eq!(answer(&mut wire, "PUT"), 100);
        wire.write(DIGITS).expect("the server reads");
        assert_eq!(answer(&mut wire, "PUT"), 200);
        service.assert_file(path, DIGITS);
    }
}

/// A client that sends all of its body before it reads sees the answer and no broken pipe, whatever
/// the reason of the refusal; and the connection can be used again.
#[test]
fn a_refused_body_is_read_to_its_end() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let body = noise(4, LARGE);
    for (call, status) in [
        (put("/f"), 400),
        (put("/a%00"), 400),
        (put("/x").header("X-BKREPO-EXPIRES", "x"), 400),
        (put("/x").header("UPLOAD-TYPE", "x"), 400),
        (Call::new("PUT", "/nowhere"), 404),
        (Call::new("POST", "/generic/p/r/f"), 405),
        (call("DELETE", "/missing"), 404),
        (get("/f"), 200),
    ] {
        let mut wire = service.connect();
        let call = call.body(&body);
        wire.write(&call.bytes()).expect("no broken pipe");
        assert_eq!(answer(&mut wire, "PUT"), status);
        wire.write(&get("/f").bytes())
            .expect("the connection is open");
        assert_eq!(wire.answer("GET").expect("an answer").body, DIGITS);
    }
}

#[test]
fn a_refused_body_in_chunks_is_read_to_its_end() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let mut wire = service.connect();
    wire.write(&put("/f").header("Transfer-Encoding", "chunked").head())
        .expect("the server reads");
    let part = [b"100000\r\n", &noise(5, 1 << 20)[..], b"\r\n"].concat();
    for _ in 0..LARGE >> 20 {
        wire.write(&part).expect("no broken pipe");
    }
    wire.write(b"0\r\n\r\n").expect("no broken pipe");
    assert_eq!(answer(&mut wire, "PUT"), 400);
    service.assert_file("/f", DIGITS);
}

#[test]
fn the_refusal_comes_while_the_body_is_still_being_sent() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let mut wire = service.connect();
    let call = put("/f").header("Content-Length", "1000000");
    wire.write(&call.head()).expect("the server reads");
    wire.write(&[0; 1000]).expect("the server reads");
    assert_eq!(
        answer(&mut wire, "PUT"),
        400,
        "999000 bytes are not there yet"
    );
    wire.write(&vec![0; 999_000]).expect("the server reads on");
    wire.write(&get("/f").bytes())
        .expect("the connection is open");
    assert_eq!(answer(&mut wire, "GET"), 200);
}

#[test]
fn what_a_client_leaves_half_sent_is_not_visible() {
    let service = Service::open();
    service.store("/old", DIGITS);
    let body = noise(6, 3_000_000);
    for sent in [0, 1, 100_000, 2_999_999] {
        for path in ["/new", "/old"] {
            let call = put(path).header("X-BKREPO-OVERWRITE", "true").body(&body);
            let head = call.head();
            let mut wire = service.connect();
            wire.write(&head).expect("the server reads");
            wire.write(&body[..sent]).expect("the server reads");
            drop(wire);
            service.assert_none("/new");
            service.assert_file("/old", DIGITS);
        }
    }
    let mut wire = service.connect();
    let call = put("/new").header("Transfer-Encoding", "chunked");
    wire.write(&call.head()).expect("the server reads");
    wire.write(b"5\r\nhello\r\n5\r\nhe")
        .expect("the server reads");
    drop(wire);
    service.store("/another", &body);
    service.assert_none("/new");
    service.assert_file("/old", DIGITS);
    assert_eq!(service.store.stats().expect("stats").files, 2);
}

#[test]
fn a_body_that_ends_early_is_refused() {
    let service = Service::open();
    let stream = std::net::TcpStream::connect(service.address).expect("the server listens");
    let mut half = stream.try_clone().expect("the same socket");
    let call = put("/f").header("Content-Length", "100");
    std::io::Write::write_all(&mut half, &call.head()).expect("the server reads");
    std::io::Write::write_all(&mut half, b"half").expect("the server reads");
    half.shutdown(Shutdown::Write).expect("it is open");
    let mut heard = String::new();
    std::io::Read::read_to_string(&mut half, &mut heard).expect("the server closes");
    assert!(heard.is_empty() || heard.contains("250132"), "{heard}");
    service.assert_none("/f");
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let mut wire = service.connect();
    wire.write(b"GET /generic/project/repo/f HTTP/1.0\r\n\r\n")
        .expect("the server reads");
    let heard = wire.rest().expect("the server closes");
    let text = String::from_utf8_lossy(&heard);
    assert!(text.starts_with("HTTP/1.0 200 "), "{text}");
    assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
    assert!(heard.ends_with(DIGITS));
}

#[test]
fn what_is_not_http_harms_nobody() {
    let service = Service::open();
    service.store("/f", DIGITS);
    for bytes in [
        &b"\r\n\r\n\r\n"[..],
        b"nonsense\r\n\r\n",
        b"GET\0/ HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"PUT /generic/project/repo/g HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT /generic/project/repo/g HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"PUT /generic/project/repo/g HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let mut wire = service.connect();
        wire.write(bytes).expect("the server reads");
        drop(wire);
        service.assert_file("/f", DIGITS);
        service.assert_none("/g");
    }
}
