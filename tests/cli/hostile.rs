//! Clients that want to keep the server from serving, against the binary: it goes on, and its memory
//! stays under a bound.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::noise::noise;
use crate::process::{Folder, Server, put};
use crate::wire::{Call, Wire};

const IDLE: usize = 2_000;
const SLOW: usize = 500;
/// What all of them together may cost.
const MEMORY_BYTES: u64 = 80 << 20;
/// Files that the normal client sends and fetches in one go.
const ROUNDS: u64 = 60;
const FILE_BYTES: usize = 256 << 10;

/// Takes as many descriptors as there are; false when that is too few.
fn has_descriptors(needed: u64) -> bool {
    let given = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: given.maximum,
        ..given
    };
    let raised = setrlimit(Resource::Nofile, wanted).is_ok();
    let enough = raised && given.maximum.is_none_or(|maximum| maximum >= needed);
    if !enough {
        println!("skipped: {needed} file descriptors are needed");
    }
    enough
}

/// What a normal client does: the time of one upload and one download.
fn normal_client(server: &Server, seed: u64) -> Duration {
    let (name, body) = (format!("normal/{seed}"), noise(seed, FILE_BYTES));
    let began = Instant::now();
    server.put(&name, &body);
    assert!(server.get(&name) == Some(body), "{name}");
    began.elapsed()
}

/// The same with two servers in turn, since other processes of the machine come and go: the median
/// time at the first, in that at the second.
fn compare(first: &Server, second: &Server) -> f64 {
    let (mut of_first, mut of_second): (Vec<_>, Vec<_>) = (0..ROUNDS)
        .map(|i| (normal_client(first, i), normal_client(second, i)))
        .unzip();
    of_first.sort();
    of_second.sort();
    let middle = of_first.len() / 2;
    of_first[middle].as_secs_f64() / of_second[middle].as_secs_f64()
}

/// Sends a byte a second on each connection, every other one in a header, until told to stop.
fn trickle(streams: &mut [TcpStream], stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        for stream in &mut *streams {
            // The server may have had enough of it.
            let _sent = stream.write_all(b"x");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Two thousand connections that were used and are idle, and five hundred clients that send a byte a
/// second, half of them in headers, half in bodies.
/// A server with a thread or a large buffer for each, or with a place for few, would serve nobody.
/// A normal client is served all the while, as fast as before.
#[test]
fn idle_and_slow_clients_keep_nobody_from_being_served() {
    if !has_descriptors(2 * (IDLE + SLOW) as u64) {
        return;
    }
    let (folder, quiet_folder) = (Folder::new(), Folder::new());
    let (server, quiet) = (folder.serve(), quiet_folder.serve());
    let before = compare(&server, &quiet);
    let at_rest_bytes = server.status_bytes("RssAnon");
    let mut idle: Vec<Wire> = (0..IDLE).map(|_| server.connect()).collect();
    for wire in &mut idle {
        let answer = wire.exchange(&Call::new("GET", "/healthz"));
        assert_eq!(answer.expect("an answer").status, 200);
    }
    let mut slow: Vec<TcpStream> = (0..SLOW)
        .map(|i| {
            let mut stream = TcpStream::connect(server.address).expect("the server listens");
            let body = put(&format!("slow/{i}")).header("Content-Length", "1000000");
            let begun = match i % 2 {
                0 => b"GET / HTTP/1.1\r\nX: ".to_vec(),
                _ => body.head(),
            };
            stream.write_all(&begun).expect("the server reads");
            stream
        })
        .collect();
    let stop = AtomicBool::new(false);
    let (ratio, grown_bytes) = std::thread::scope(|scope| {
        scope.spawn(|| trickle(&mut slow, &stop));
        let ratio = compare(&server, &quiet);
        let bytes = server.status_bytes("RssAnon");
        stop.store(true, Ordering::SeqCst);
        (ratio, bytes.saturating_sub(at_rest_bytes))
    });
    println!(
        "{IDLE} idle and {SLOW} slow clients: {ratio:.2} times the time of a quiet server \
         ({before:.2} times before them), {} KiB more",
        grown_bytes >> 10
    );
    assert!(grown_bytes < MEMORY_BYTES, "{grown_bytes} bytes");
    // None of the idle ones had to go.
    for wire in &mut idle {
        let answer = wire.exchange(&Call::new("GET", "/healthz"));
        assert_eq!(answer.expect("an answer").status, 200);
    }
    // And all of them together do not keep it from ending.
    slow.retain(|_| false);
    server.stop();
}

/// Ten times as many connections as the system has descriptors for: the oldest go, the newest is
/// served, and the store still opens files.
#[test]
fn more_connections_than_descriptors() {
    if !has_descriptors(4_000) {
        return;
    }
    let folder = Folder::new();
    let mut command = std::process::Command::new("sh");
    command.arg("-c");
    command.arg("ulimit -n 200 && exec \"$0\" serve --no-auth --listen 127.0.0.1:0");
    command.arg(env!("CARGO_BIN_EXE_packhold"));
    command.current_dir(folder.file("."));
    let server = Server::start(command, &folder.file("stderr.txt"));
    assert!(folder.complaints().contains("RLIMIT_NOFILE"));
    server.put("f", b"x");
    let mut wires = Vec::new();
    for _ in 0..2_000 {
        wires.push(server.connect());
    }
    for _ in 0..10 {
        assert_eq!(server.get("f").as_deref(), Some(&b"x"[..]));
    }
    assert!(
        wires.remove(0).rest().is_ok_and(|rest| rest.is_empty()),
        "the first one was closed"
    );
    server.stop();
}

/// Who does nothing, or has not finished asking, does not delay the end.
#[test]
fn idle_connections_are_closed_at_once_at_the_end() {
    let folder = Folder::new();
    let server = folder.serve();
    let mut used = server.connect();
    let answer = used.exchange(&Call::new("GET", "/healthz"));
    assert_eq!(answer.expect("an answer").status, 200);
    let mut heading = server.connect();
    heading.write(b"GET / HT").expect("the server reads");
    let mut fresh = server.connect();
    // The last connection is accepted when this is answered.
    server.put("f", b"x");
    server.signal("TERM");
    for wire in [&mut used, &mut heading, &mut fresh] {
        assert_eq!(wire.rest().expect("it is closed"), b"");
    }
    assert_eq!(server.wait().code(), Some(0));
}
