//! Many slow uploads, and a large one: threads and memory stay bounded.

use sha2::{Digest, Sha256};

use crate::noise::{Noise, noise};
use crate::process::{Folder, get, put};
use crate::wire::Wire;

const MIB: u64 = 1 << 20;
/// What uploads may buffer.
const BUDGET_BYTES: u64 = 64 * MIB;
/// What the server may need besides.
const BASE_BYTES: u64 = 64 * MIB;
const BUDGET: [&str; 3] = ["--no-auth", "--ingest-memory", "64M"];

const SLOW_UPLOADS: usize = 500;
const TICKS: usize = 50;
/// Bytes that every slow upload sends in a tick.
const TICK_BYTES: usize = 8;

/// Five hundred clients send a few bytes now and then, all at once.
/// A thread or a large buffer for each would bring the server down.
/// They cost neither, and every file is right in the end.
#[test]
fn slow_uploads_cost_no_thread_and_little_memory() {
    let folder = Folder::new();
    let server = folder.serve_with(&BUDGET);
    server.put("first", b"x");
    let at_rest_bytes = server.status_bytes("RssAnon");
    let bodies: Vec<Vec<u8>> = (0..SLOW_UPLOADS)
        .map(|i| noise(i as u64, TICKS * TICK_BYTES))
        .collect();
    let mut wires: Vec<Wire> = bodies.iter().map(|_| server.connect()).collect();
    for (i, (wire, body)) in wires.iter_mut().zip(&bodies).enumerate() {
        let call = put(&format!("slow/{i}")).body(body);
        wire.write(&call.head()).expect("the server reads");
    }
    let (mut threads, mut bytes) = (0, 0);
    for tick in 0..TICKS {
        for (wire, body) in wires.iter_mut().zip(&bodies) {
            let part = &body[tick * TICK_BYTES..][..TICK_BYTES];
            wire.write(part).expect("the server reads");
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        threads = threads.max(server.threads());
        bytes = bytes.max(server.status_bytes("RssAnon"));
    }
    for wire in &mut wires {
        assert_eq!(wire.answer("PUT").expect("an answer").verdict(), (200, 0));
    }
    let grown_bytes = bytes.saturating_sub(at_rest_bytes);
    println!("{SLOW_UPLOADS} slow uploads: {threads} threads, {grown_bytes} bytes more");
    // Two for every core, and a fixed number for what waits for the disk.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let limit = 100.max(84 + 2 * cores);
    assert!(threads < limit, "{threads} threads");
    assert!(
        grown_bytes < BASE_BYTES + BUDGET_BYTES,
        "{grown_bytes} bytes"
    );
    for (i, body) in bodies.iter().enumerate() {
        assert!(
            server.get(&format!("slow/{i}")).as_ref() == Some(body),
            "{i}"
        );
    }
    server.stop();
}

#[test]
fn a_large_upload_needs_no_more_memory_than_it_is_given() {
    let mebibytes = if std::env::var_os("PACKHOLD_BIG").is_some() {
        1024
    } else {
        256
    };
    let folder = Folder::new();
    let server = folder.serve_with(&BUDGET);
    let call = put("large").header("Content-Length", (mebibytes * MIB).to_string());
    let mut wire = server.connect();
    wire.write(&call.head()).expect("the server reads");
    let (mut bytes, mut sum) = (Noise::new(9), Sha256::new());
    let mut peak_bytes = 0;
    for _ in 0..mebibytes {
        let block = bytes.bytes(1 << 20);
        sum.update(&block);
        wire.write(&block).expect("the server reads");
        peak_bytes = peak_bytes.max(server.status_bytes("RssAnon"));
    }
    let answer = wire.answer("PUT").expect("an answer");
    assert_eq!(answer.verdict(), (200, 0));
    let sum = hex::encode(sum.finalize());
    assert_eq!(answer.header("X-Checksum-Sha256"), Some(&*sum));
    let mut read = Sha256::new();
    for first in (0..mebibytes * MIB).step_by(8 << 20) {
        let range = format!("bytes={first}-{}", first + 8 * MIB - 1);
        let answer = server.send(&get("large").header("Range", range));
        assert_eq!(answer.status, 206);
        read.update(&answer.body);
        peak_bytes = peak_bytes.max(server.status_bytes("RssAnon"));
    }
    assert_eq!(hex::encode(read.finalize()), sum);
    println!("{mebibytes} MiB up and down: at most {peak_bytes} bytes of memory");
    assert!(peak_bytes < BASE_BYTES + BUDGET_BYTES, "{peak_bytes} bytes");
    server.stop();
}
