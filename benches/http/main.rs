//! packhold over HTTP beside nginx (sendfile; `WebDAV` for uploads) and dufs: the same requests to each, over the
//! loopback, from one driver.
//!
//! `cargo bench --bench http`, with `-- --quick`: small and once, to check that it works; with words: only
//! what has one of them in its name; with `--ranges GIB`: the size of the file that ranges are read of.
//! Peers that the machine has not are left out (`benches/peers` installs them). Every server is a process
//! of its own, keeps no log of requests, and gets its turn in each round; medians of all rounds are given.
//! What is served is checked once byte by byte, and length and status always. packhold has
//! synced what it answers, the others have not.

mod content;
mod driver;
mod mixed;
mod report;
mod scenarios;
mod servers;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest of it")]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use content::Content;
use driver::Until;
use report::{Row, Sample};
use scenarios::Scenario;
use servers::{ALL, Server};

/// Uploads of a run that are read again, and held against what was sent.
const CHECKED_UPLOADS: usize = 3;

/// How much there is of everything.
pub struct Sizes {
    /// Turns that every server gets.
    pub rounds: u64,
    /// How long downloads are repeated.
    pub time: Duration,
    /// Large files to download, in bytes.
    pub large: &'static [u64],
    /// The file that ranges are read of, in bytes.
    pub ranges: u64,
    /// What is uploaded as one file, or as four, in bytes.
    pub upload: u64,
    /// Small files uploaded over 1, 32 and 256 connections.
    pub small_uploads: [usize; 3],
    /// What is uploaded in blocks, in bytes.
    pub in_blocks: u64,
    /// A block of it, in bytes.
    pub block: u64,
}

impl Sizes {
    fn full(ranges_gib: u64) -> Self {
        Self {
            rounds: 5,
            time: Duration::from_secs(1),
            large: &[64 << 20, 1 << 30],
            ranges: ranges_gib << 30,
            upload: 256 << 20,
            small_uploads: [500, 4000, 16_000],
            in_blocks: 1 << 30,
            block: 16 << 20,
        }
    }

    fn quick() -> Self {
        Self {
            rounds: 1,
            time: Duration::from_millis(50),
            large: &[4 << 20],
            ranges: 8 << 20,
            upload: 8 << 20,
            small_uploads: [4, 64, 512],
            in_blocks: 8 << 20,
            block: 2 << 20,
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let ranges = args.iter().position(|arg| arg == "--ranges");
    let ranges = ranges.and_then(|at| args.get(at + 1)?.parse().ok());
    let is_quick = args.iter().any(|arg| arg == "--quick");
    let sizes = match is_quick {
        true => Sizes::quick(),
        false => Sizes::full(ranges.unwrap_or(2)),
    };
    let words: Vec<&String> = args
        .iter()
        .filter(|arg| arg.starts_with(char::is_alphabetic))
        .collect();
    let is_wanted =
        |name: &str| words.is_empty() || words.iter().any(|w| name.contains(w.as_str()));

    let dir = tempfile::tempdir().expect("a temporary folder");
    let content = Arc::new(Content::new(0));
    let mut servers = Vec::new();
    for kind in ALL {
        match Server::start(kind, dir.path()) {
            Some(server) => servers.push(server),
            None => println!("{} is not there: left out.\n", kind.name()),
        }
    }
    for server in &servers {
        scenarios::prepare(server, &content, &sizes);
    }
    println!(
        "# HTTP, median of {} rounds\n\n{}\n",
        sizes.rounds,
        support::machine()
    );
    report::head(&servers);
    for scenario in scenarios::all(&content, &sizes) {
        if is_wanted(&scenario.name) {
            report::print(&measure(&scenario, &servers, &content, sizes.rounds));
        }
    }
    if is_wanted("fdatasync") {
        report::bare(dir.path(), sizes.small_uploads[0]);
    }
    if is_wanted("mixed") {
        mixed::run(&servers, &content, &sizes);
    }
    report::memory(&servers);
}

/// Gives every server its turn in every round.
fn measure(scenario: &Scenario, servers: &[Server], content: &Content, rounds: u64) -> Row {
    let mut samples: Vec<Vec<Sample>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for turn in 0..servers.len() {
            // Nobody is always the first.
            let at = (turn + usize::try_from(round).unwrap_or(0)) % servers.len();
            samples[at].push(once(scenario, &servers[at], content, round));
        }
    }
    Row::new(scenario, samples)
}

fn once(scenario: &Scenario, server: &Server, content: &Content, round: u64) -> Sample {
    // Each connection count has names of its own.
    let run = round * 1000 + scenario.connections as u64;
    let requests = (scenario.requests)(server, run);
    if !requests.made.is_empty() {
        // What others have not written yet is not to be waited for.
        rustix::fs::sync();
    }
    let (cpu, begun) = (server.cpu(), Instant::now());
    let (until, make) = (requests.until, requests.make);
    let done = driver::run(server.address, scenario.connections, until, make);
    let cpu = server.cpu().saturating_sub(cpu);
    let lasted = begun.elapsed();
    for file in requests.made.iter().take(CHECKED_UPLOADS) {
        server.check(&file.name, &content.with_seed(file.seed), file.len);
    }
    assert!(
        matches!(until, Until::Time(_)) || lasted >= done.elapsed,
        "the clock goes forward"
    );
    Sample::new(scenario, &done, cpu, server.anonymous_mib())
}
