//! What it costs to take in a package: how much more when there are many, and beside a generic upload.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use packhold::domain::DomainError;
use packhold::format::meta::{Mutation, Package};
use packhold::index::{Index, Place};
use packhold::store::Store;

use crate::rpms::rpm_with;
use crate::support::{Server, median, noise};

/// Packages put in one commit.
const BATCH: usize = 1000;
/// Commits of one package each, of which the median is told.
const SINGLE: usize = 100;
/// Parallel uploads.
const CLIENTS: usize = 8;

/// Puts all packages into the store and into an index in memory, and prints what one more of them
/// takes after the first thousand, with sets that are as long as they become, and at the end.
pub fn fill(store: &Store, packages: &[Package]) {
    let index = Index::open(&Place::Memory, 64 << 20).expect("an index");
    let count = packages.len();
    let mut ends = vec![BATCH.min(count), 65_000.min(count / 2), count];
    ends.sort_unstable();
    ends.dedup();
    println!("| one more package behind | commit, ms | of that, the index, ms |\n|---|---:|---:|");
    let mut done = 0;
    for end in ends {
        let (batches, single) = packages[done..end].split_at(end - done - SINGLE);
        for batch in batches.chunks(BATCH) {
            put(store, batch);
            apply(&index, batch);
        }
        let durable: Vec<Duration> = timed(single, |one| put(store, one));
        let memory: Vec<Duration> = timed(single, |one| apply(&index, one));
        let row = [&durable, &memory].map(|times| median(times).as_secs_f64() * 1e3);
        println!("| {} | {:.2} | {:.3} |", end - SINGLE, row[0], row[1]);
        done = end;
    }
    println!();
}

fn timed(packages: &[Package], mut work: impl FnMut(&[Package])) -> Vec<Duration> {
    let each = packages.chunks(1).map(|one| {
        let start = Instant::now();
        work(one);
        start.elapsed()
    });
    each.collect()
}

fn mutations(packages: &[Package]) -> Vec<Mutation> {
    let all = packages.iter().cloned();
    all.map(Mutation::PackagePut).collect()
}

fn put(store: &Store, packages: &[Package]) {
    let mutations = mutations(packages);
    let made = store.commit(move |_, _| Ok::<_, DomainError>((mutations.clone(), ())));
    made.expect("a commit").expect("packages");
}

fn apply(index: &Index, packages: &[Package]) {
    let batch = index.begin().expect("a batch");
    {
        let mut tables = batch.tables();
        for mutation in mutations(packages) {
            tables.apply(&mutation).expect("a row");
        }
    }
    batch.commit(false).expect("a commit");
}

/// Prints how many small RPMs a second are taken in, and how many generic files of the same bytes.
pub fn uploads(count: usize, runs: usize) {
    let server = Server::start();
    let mut rows = [
        ("OCP, one behind the other", 1, Vec::new()),
        ("generic, one behind the other", 1, Vec::new()),
        ("OCP, 8 at once", CLIENTS, Vec::new()),
        ("generic, 8 at once", CLIENTS, Vec::new()),
    ];
    for run in 0..runs {
        // Both have bytes that the store does not have: half of them each, other halves the next time.
        let made: Vec<(String, Vec<u8>)> = (0..count).map(|n| small(run, n)).collect();
        for (n, (what, clients, times)) in rows.iter_mut().enumerate() {
            let mine = made.iter().skip(n).step_by(4);
            let start = Instant::now();
            send(&server, mine.collect(), *clients, what.starts_with("OCP"));
            times.push(start.elapsed() / u32::try_from(count / 4).expect("a small number"));
        }
    }
    let answer = server.call("GET /api/v2/software-packages?size=1", "", &[]);
    let total = format!("\"totalElements\":{}", runs * count / 2);
    assert!(answer.contains(&total), "{answer}");
    println!("\n| small RPMs | uploads/s | × generic |\n|---|---:|---:|");
    let rates = rows.map(|(what, _, times)| (what, 1.0 / median(&times).as_secs_f64()));
    for pair in rates.chunks(2) {
        for (what, rate) in pair {
            println!("| {what} | {rate:.0} | {:.2} |", rate / pair[1].1);
        }
    }
}

/// An RPM of some 10 KiB, and its name.
fn small(run: usize, number: usize) -> (String, Vec<u8>) {
    let (version, release) = (format!("1.{run}.0"), format!("{number}.el7"));
    let file = noise(8192, (run * 1_000_003 + number) as u64 * 2 + 1);
    let rpm = rpm_with("small", &version, &release, "x86_64", &file);
    (format!("small-{version}-{release}.x86_64.rpm"), rpm)
}

fn send(server: &Server, files: Vec<&(String, Vec<u8>)>, clients: usize, as_packages: bool) {
    let queue = Mutex::new(files);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no panic").pop();
                    let Some((name, bytes)) = next else { break };
                    if as_packages {
                        post(server, name, bytes);
                    } else {
                        server.put(name, bytes, None);
                    }
                }
            });
        }
    });
}

fn post(server: &Server, name: &str, bytes: &[u8]) {
    let boundary = "----packhold";
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
    );
    let body = [
        head.as_bytes(),
        bytes,
        format!("\r\n--{boundary}--\r\n").as_bytes(),
    ]
    .concat();
    let kind = format!("Content-Type: multipart/form-data; boundary={boundary}\r\n");
    let answer = server.call("POST /api/v2/software-packages", &kind, &body);
    assert!(
        answer.contains(&format!("\"fileName\":\"{name}\"")),
        "{answer}"
    );
}
