//! Clients that are slow, idle or many: each limit of connections, with figures that make it small.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use packhold::http::ConnectionLimits;
use socket2::{Domain, Socket, Type};

use crate::noise::noise;
use crate::service::{DIGITS, Service, get, put};
use crate::wire::{Call, Wire};

/// What stands still this long has done so for good.
const SHORT: Duration = Duration::from_millis(300);
/// Longer than any client waits.
const LONG: Duration = Duration::from_hours(1);
/// Between two bytes of a client that is slow and does not stand still.
const PAUSE: Duration = Duration::from_millis(20);

fn limited(change: impl FnOnce(&mut ConnectionLimits)) -> Service {
    Service::with(|config| {
        config.no_auth = true;
        change(&mut config.connections);
    })
}

fn status(wire: &mut Wire) -> u16 {
    wire.answer("GET").expect("an answer").status
}

/// Waits until the server closes, after whatever it says.
fn assert_closed(mut wire: Wire) {
    if let Err(error) = wire.rest() {
        // As good as an end.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
}

/// Asserts that a connection serves a request.
fn assert_open(wire: &mut Wire) {
    wire.write(&Call::new("GET", "/healthz").bytes())
        .expect("the connection is open");
    assert_eq!(status(wire), 200);
}

#[test]
fn who_does_not_finish_the_headers_is_hung_up_on() {
    let service = limited(|limits| limits.header_timeout = SHORT);
    service.store("/f", DIGITS);
    for sent in ["", "G", "GET /generic/project/repo/f HTTP/1.1\r\nHost: t"] {
        let mut wire = service.connect();
        wire.write(sent.as_bytes()).expect("the server reads");
        assert_eq!(wire.rest().expect("the server closes"), b"", "`{sent}`");
    }
    // A second request has its own time.
    let mut wire = service.connect();
    assert_open(&mut wire);
    sleep(SHORT);
    assert_open(&mut wire);
    wire.write(b"GET / HT").expect("the server reads");
    assert_eq!(wire.rest().expect("the server closes"), b"");
}

#[test]
fn one_byte_now_and_then_does_not_win_time_for_headers() {
    let service = limited(|limits| limits.header_timeout = SHORT);
    let mut wire = service.connect();
    wire.write(b"GET / HTTP/1.1\r\nA: ")
        .expect("the server reads");
    while wire.write(b"a").is_ok() {
        sleep(PAUSE);
    }
}

#[test]
fn an_idle_connection_is_closed_and_one_in_use_is_not() {
    let service = limited(|limits| limits.keep_alive_timeout = SHORT);
    let mut wire = service.connect();
    for _ in 0..5 {
        assert_open(&mut wire);
        sleep(SHORT / 3);
    }
    assert_eq!(wire.rest().expect("the server closes"), b"");
}

#[test]
fn long_headers_are_refused_in_the_words_of_the_api() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let with = |target: &str, bytes: usize| {
        let value = "v".repeat(bytes);
        service.send(&Call::new("GET", target).header("X-Long", value))
    };
    let file = "/generic/project/repo/f";
    assert_eq!(with(file, 65_000).status, 200);
    assert_eq!(with(file, 65_536).verdict(), (431, 250_106));
    let told = with("/api/v2/files/sys-package", 65_536);
    assert_eq!(
        (told.status, told.json()["error"]["code"].as_str()),
        (431, Some("COM10003"))
    );
    // The body of a refused request is read, and the connection goes on.
    let mut wire = service.connect();
    let call = put("/g").header("X-Long", "v".repeat(70_000)).body(DIGITS);
    wire.write(&call.bytes()).expect("the server reads");
    assert_eq!(status(&mut wire), 431);
    assert_open(&mut wire);
    service.assert_none("/g");
    // What does not even fit into the buffer has no path to go by.
    let mut wire = service.connect();
    let head = Call::new("GET", file).header("X-Long", "v".repeat(200_000));
    let _sent = wire.write(&head.head());
    if let Ok(answer) = wire.answer("GET") {
        assert_eq!(answer.status, 431);
    }
    assert_closed(wire);
}

#[test]
fn a_long_target_is_refused() {
    let service = Service::open();
    let target = |bytes: usize| format!("/generic/project/repo/f?q={}", "q".repeat(bytes));
    assert_eq!(
        service.send(&Call::new("GET", target(65_000))).status,
        404,
        "not there, but not too long"
    );
    assert_eq!(service.send(&Call::new("GET", target(65_536))).status, 414);
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    let service = limited(|limits| limits.body_timeout = SHORT);
    service.store("/old", DIGITS);
    let form = "multipart/form-data; boundary=b";
    let calls = [
        put("/new"),
        put("/old").header("X-BKREPO-OVERWRITE", "true"),
        put("/new").header("Expect", "100-continue"),
        Call::new("POST", "/generic/project/repo/search"),
        Call::new("POST", "/api/v2/software-packages").header("Content-Type", form),
    ];
    for call in calls {
        for framing in [("Content-Length", "1000"), ("Transfer-Encoding", "chunked")] {
            let call = call.clone().header(framing.0, framing.1);
            let mut wire = service.connect();
            wire.write(&call.head()).expect("the server reads");
            wire.write(b"5\r\n--b").expect("the server reads");
            let mut answer = wire.answer("PUT").expect("an answer");
            if answer.status == 100 {
                answer = wire.answer("PUT").expect("an answer");
            }
            assert_eq!(answer.status, 408, "{call:?}: {answer:?}");
            assert_eq!(answer.header("Connection"), Some("close"));
            assert_eq!(wire.rest().expect("the server closes"), b"");
        }
    }
    service.assert_none("/new");
    service.assert_file("/old", DIGITS);
}

#[test]
fn a_body_that_comes_slowly_is_taken() {
    let service = limited(|limits| limits.body_timeout = SHORT);
    let mut wire = service.connect();
    let body = noise(1, 40);
    wire.write(&put("/f").body(&body).head())
        .expect("the server reads");
    for byte in &body {
        sleep(PAUSE);
        wire.write(&[*byte]).expect("the server reads");
    }
    assert_eq!(status(&mut wire), 200);
    service.assert_file("/f", &body);
}

/// Larger than what the sockets of both sides and the server buffer.
const LARGE: usize = 32 << 20;

#[test]
fn who_does_not_read_the_answer_is_hung_up_on() {
    let service = limited(|limits| limits.send_timeout = SHORT);
    let body = noise(2, LARGE);
    service.store("/f", &body);
    let mut wire = service.connect();
    wire.write(&get("/f").bytes()).expect("the server reads");
    sleep(SHORT * 4);
    let answer = wire.answer("GET");
    assert!(answer.is_err(), "all of it was there");
    service.assert_file("/f", &body);
}

#[test]
fn who_reads_the_answer_slowly_gets_all_of_it() {
    let service = limited(|limits| limits.send_timeout = SHORT * 4);
    let body = noise(3, LARGE);
    service.store("/f", &body);
    let mut stream = TcpStream::connect(service.address).expect("the server listens");
    let call = get("/f").header("Connection", "close");
    stream.write_all(&call.head()).expect("the server reads");
    let (mut heard, mut part) = (Vec::new(), vec![0; 256 << 10]);
    loop {
        match stream.read(&mut part).expect("the server goes on") {
            0 => break,
            read => heard.extend_from_slice(&part[..read]),
        }
        sleep(PAUSE);
    }
    assert!(heard.ends_with(&body), "{} bytes", heard.len());
}

/// Answers are small enough to be in the sockets at once, and the client does not read them: it is
/// the server's buffer that stands still.
#[test]
fn who_pipelines_and_does_not_read_is_hung_up_on() {
    let service = limited(|limits| limits.send_timeout = SHORT);
    service.store("/f", noise(4, 100_000));
    let mut wire = service.connect();
    let calls = get("/f").bytes().repeat(1000);
    let _sent = wire.write(&calls);
    sleep(SHORT * 4);
    let answers = (0..1000).take_while(|_| wire.answer("GET").is_ok());
    assert!(answers.count() < 1000);
}

#[test]
fn the_longest_idle_connection_makes_room() {
    let service = limited(|limits| limits.connections = 3);
    let mut wires: Vec<Wire> = (0..3).map(|_| service.connect()).collect();
    for wire in &mut wires {
        assert_open(wire);
    }
    // The first is used again: now the second is the longest idle.
    assert_open(&mut wires[0]);
    let mut new = service.connect();
    assert_open(&mut new);
    let rest = wires.remove(1).rest();
    assert_eq!(rest.expect("it was closed"), b"");
    for wire in &mut wires {
        assert_open(wire);
    }
    assert_open(&mut new);
}

#[test]
fn who_sends_headers_slowly_makes_room_too() {
    let service = limited(|limits| {
        limits.connections = 10;
        limits.header_timeout = LONG;
    });
    let mut slow: Vec<Wire> = (0..10).map(|_| service.connect()).collect();
    for wire in &mut slow {
        wire.write(b"GET / HT").expect("the server reads");
    }
    let mut others: Vec<Wire> = (0..10).map(|_| service.connect()).collect();
    others.iter_mut().for_each(assert_open);
    slow.into_iter().for_each(assert_closed);
}

#[test]
fn running_requests_are_not_disturbed_by_new_connections() {
    let service = limited(|limits| limits.connections = 4);
    let mut uploads: Vec<Wire> = (0..3).map(|_| service.connect()).collect();
    for (i, wire) in uploads.iter_mut().enumerate() {
        let call = put(&format!("/{i}")).header("Expect", "100-continue");
        wire.write(&call.body(DIGITS).head())
            .expect("the server reads");
        assert_eq!(status(wire), 100);
    }
    for _ in 0..100 {
        assert_open(&mut service.connect());
    }
    // With a fourth all are busy.
    let mut last = service.connect();
    let call = put("/last").header("Expect", "100-continue").body(DIGITS);
    last.write(&call.head()).expect("the server reads");
    assert_eq!(status(&mut last), 100);
    for _ in 0..10 {
        let mut refused = service.connect();
        match refused.answer("GET") {
            Ok(answer) => assert_eq!(answer.verdict(), (503, 250_102)),
            Err(error) => panic!("{error}"),
        }
        assert_closed(refused);
    }
    for (i, wire) in uploads.iter_mut().chain([&mut last]).enumerate() {
        wire.write(DIGITS).expect("the server reads");
        assert_eq!(status(wire), 200, "{i}");
    }
    service.assert_file("/last", DIGITS);
}

/// A connection from another address of this machine.
fn connect_from(source: Ipv4Addr, service: &Service) -> Wire {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let source: SocketAddr = (source, 0).into();
    socket.bind(&source.into()).expect("the address is local");
    let connected = socket.connect(&service.address.into());
    connected.expect("the server listens");
    Wire::over(socket.into())
}

#[test]
fn an_address_can_only_close_its_own_connections() {
    let service = limited(|limits| limits.connections_per_address = 2);
    let other = Ipv4Addr::new(127, 0, 0, 2);
    let mut others = [other; 2].map(|source| connect_from(source, &service));
    others.iter_mut().for_each(assert_open);
    for _ in 0..50 {
        let _idle = service.connect();
    }
    let mut first = service.connect();
    assert_open(&mut first);
    let mut second = service.connect();
    assert_open(&mut second);
    assert_open(&mut service.connect());
    assert_eq!(first.rest().expect("it was closed"), b"");
    others.iter_mut().for_each(assert_open);
}

#[test]
fn behind_a_proxy_all_may_come_from_one_address() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.behind_proxy = true;
        config.connections.connections_per_address = 1;
    });
    let mut wires = [(); 5].map(|()| service.connect());
    wires.iter_mut().for_each(assert_open);
    wires.iter_mut().for_each(assert_open);
}
