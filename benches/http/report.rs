//! Figures and the table of them.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::driver::Run;
use super::scenarios::Scenario;
use super::servers::{Kind, Server};
use super::support::median;

/// One run of a scenario.
#[derive(Clone, Copy)]
pub struct Sample {
    /// MB, or requests, a second.
    rate: f64,
    /// Processor time of the server: microseconds a request, or milliseconds a MB.
    cpu: f64,
    /// The slowest of a hundred requests, milliseconds.
    p99_ms: f64,
    /// Anonymous memory at the end.
    mib: f64,
}

impl Sample {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn new(scenario: &Scenario, run: &Run, cpu: Duration, mib: f64) -> Self {
        let (count, cpu) = match scenario.counts_bytes {
            true => (run.bytes as f64 / 1e6, cpu.as_secs_f64() * 1e3),
            false => (run.requests as f64, cpu.as_secs_f64() * 1e6),
        };
        Self {
            rate: count / run.elapsed.as_secs_f64(),
            cpu: cpu / count,
            p99_ms: run.percentile(99.0).as_secs_f64() * 1e3,
            mib,
        }
    }
}

/// What a scenario came to.
pub struct Row {
    name: String,
    counts_bytes: bool,
    connections: usize,
    samples: Vec<Vec<Sample>>,
}

impl Row {
    pub fn new(scenario: &Scenario, samples: Vec<Vec<Sample>>) -> Self {
        Self {
            name: scenario.name.clone(),
            counts_bytes: scenario.counts_bytes,
            connections: scenario.connections,
            samples,
        }
    }
}

fn middle(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    let mut figures: Vec<f64> = samples.iter().map(figure).collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// The head of the table.
pub fn head(servers: &[Server]) {
    let names: Vec<&str> = servers.iter().map(|server| server.kind.name()).collect();
    let columns = |what| cells(names.iter().map(|name| format!("{name}{what}")));
    let (rates, cpus, slowest) = (columns(""), columns(", CPU"), columns(", p99 ms"));
    println!("| what | connections | unit |{rates} × nginx |{cpus}{slowest}");
    let lines = "---:|".repeat(servers.len() * 3 + 1);
    println!("|---|---:|---|{lines}");
}

/// A row of it.
pub fn print(row: &Row) {
    let columns = |figure: &dyn Fn(&Sample) -> f64| {
        let figures = row.samples.iter().map(|samples| middle(samples, figure));
        cells(figures.map(figures_of))
    };
    let rates: Vec<f64> = row.samples.iter().map(|s| middle(s, |s| s.rate)).collect();
    let ratio = match rates.as_slice() {
        [own, nginx, ..] => format!("{:.2}", own / nginx),
        _ => "-".to_owned(),
    };
    let unit = match row.counts_bytes {
        true => "MB/s; ms/MB",
        false => "1/s; µs",
    };
    println!(
        "| {} | {} | {unit} |{} {ratio} |{}{}",
        row.name,
        row.connections,
        columns(&|s| s.rate),
        columns(&|s| s.cpu),
        columns(&|s| s.p99_ms),
    );
    let mib = row
        .samples
        .first()
        .map(|samples| middle(samples, |s| s.mib));
    assert!(mib.is_none_or(|mib| mib > 0.0), "a process has memory");
}

fn cells(texts: impl Iterator<Item = String>) -> String {
    texts.fold(String::new(), |row, text| row + " " + &text + " |")
}

/// Three figures, and no more after the point.
fn figures_of(f: f64) -> String {
    match f {
        f if f >= 100.0 => format!("{f:.0}"),
        f if f >= 10.0 => format!("{f:.1}"),
        f => format!("{f:.2}"),
    }
}

/// What the file system takes to append 4 KiB durably.
pub fn bare(dir: &Path, count: usize) {
    let mut file = OpenOptions::new();
    let file = file.append(true).create(true).open(dir.join("bare"));
    let mut file = file.expect("a file");
    let mut times = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        file.write_all(&[7; 4096]).expect("an append");
        file.sync_data().expect("a sync");
        times.push(begun.elapsed());
    }
    let time = median(&times);
    println!(
        "\nBare append of 4 KiB and fdatasync: {:.3} ms, {:.0} a second (median of {count}).",
        time.as_secs_f64() * 1e3,
        1.0 / time.as_secs_f64()
    );
}

/// What packhold holds at the end.
pub fn memory(servers: &[Server]) {
    let own = servers.iter().find(|server| server.kind == Kind::Packhold);
    let mib = own.expect("packhold").anonymous_mib();
    println!("\nAnonymous memory of packhold after all of it: {mib:.0} MiB.");
}
