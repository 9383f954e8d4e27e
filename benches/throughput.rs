//! Upload and download throughput, beside the raw speed of the digests that the API demands.
//!
//! `cargo bench --bench throughput` (with `-- --quick`: small and once, to check that it works).
//! Every run is checked: digests of what was stored, CRC of what was read. Runs are interleaved
//! and medians are given, because machines are noisy; compare within one table only.

mod support;

use std::hint::black_box;
use std::time::Instant;

use packhold::digest::{Hasher, Wanted, sha256};
use support::{Bench, Engine, Server, noise};

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let (mebibytes, runs) = if quick { (8, 1) } else { (256, 5) };
    let bytes = noise(mebibytes << 20, 1);
    // The same with a byte before it: all cuts lie elsewhere.
    let shifted = [&[7], bytes.as_slice()].concat();
    let mut bench = Bench::new(bytes.len());
    for run in 0..runs {
        digests(&mut bench, &bytes);
        engine(&mut bench, &bytes, &shifted);
        http(&mut bench, &bytes, run);
    }
    println!("# Throughput of {mebibytes} MiB, median of {runs} interleaved runs\n");
    bench.print("md5 (raw)");
}

fn digests(bench: &mut Bench, bytes: &[u8]) {
    bench.time("md5 (raw)", || {
        black_box(<md5::Md5 as sha2::Digest>::digest(bytes));
    });
    bench.time("sha256 (raw)", || {
        black_box(sha256(bytes));
    });
    bench.time("md5 + sha256 + crc64, interleaved", || {
        let mut hasher = Hasher::new(Wanted::Md5);
        hasher.update(bytes);
        black_box(hasher.finish());
    });
}

fn engine(bench: &mut Bench, bytes: &[u8], shifted: &[u8]) {
    let engine = Engine::start();
    let digest = sha256(bytes);
    bench.time("engine: upload, new", || {
        engine.put("new", bytes, None, 1..);
    });
    bench.time("engine: upload, repeated", || {
        engine.put("again", bytes, None, ..=0);
    });
    bench.time("engine: upload, repeated, sha256 declared", || {
        engine.put("declared", bytes, Some(digest), ..=0);
    });
    bench.time("engine: upload, shifted by a byte", || {
        engine.put("shifted", shifted, None, 1..1 << 20);
    });
    bench.time("engine: download, every chunk CRC-checked", || {
        engine.get("declared", bytes.len());
    });
    assert_eq!(
        engine.digest_of("again"),
        digest,
        "what is stored is what came"
    );
}

fn http(bench: &mut Bench, bytes: &[u8], run: usize) {
    let server = Server::start();
    let digest = hex::encode(sha256(bytes));
    let crc = crc32fast::hash(bytes);
    let new = format!("new-{run}");
    bench.time("HTTP: upload, new", || {
        assert_eq!(server.put(&new, bytes, None), digest);
    });
    bench.time("HTTP: upload, repeated", || {
        assert_eq!(server.put("again", bytes, None), digest);
    });
    bench.time("HTTP: upload, repeated, sha256 declared", || {
        assert_eq!(server.put("declared", bytes, Some(&digest)), digest);
    });
    let start = Instant::now();
    let got = server.get("declared", bytes.len());
    bench.add("HTTP: download", start.elapsed());
    assert_eq!(got, crc, "what is served is what came");
    drop(server);
    blocks(bench, bytes, crc);
}

/// Blocks of 8 MiB, one behind the other, each durable when it is answered.
fn blocks(bench: &mut Bench, bytes: &[u8], crc: u32) {
    const BLOCK_BYTES: usize = 8 << 20;
    let server = Server::start();
    let id = server.start_blocks("blocks");
    bench.time("HTTP: upload, new, in blocks of 8 MiB", || {
        for (i, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            server.put_block("blocks", &id, i * BLOCK_BYTES, block);
        }
    });
    bench.time("HTTP: completing it", || {
        server.complete_blocks("blocks", &id, bytes.len());
    });
    assert_eq!(
        server.get("blocks", bytes.len()),
        crc,
        "what is served is what came"
    );
    let stats = server.store.stats().expect("stats");
    assert_eq!((stats.files, stats.logical_bytes), (1, bytes.len() as u64));
}
