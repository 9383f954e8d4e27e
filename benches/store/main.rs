//! How the cost of opening, rebuilding, verifying and reclaiming grows with the store.
//!
//! `cargo bench --bench store` (with `-- --quick`: small and once, to check that it works; with
//! `-- --chunks 10000000 --files 1000000 --runs 5` up to these sizes, in some minutes and gigabytes).
//! Throughput of new, repeated and shifted content is in the benchmark `throughput`. Results are
//! checked. What is measured runs in a process of its own; memory is its anonymous memory. Runs of
//! different kinds are interleaved, and medians given: compare within one table only.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people, and counts far below the limit"
)]

mod fill;
mod jobs;
mod process;
#[expect(dead_code, reason = "the other benchmarks use more of it")]
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use packhold::store::index_path;

use process::Figures;

/// Changes behind the checkpoint when the process dies.
const BEHIND: [usize; 5] = [1, 100, 1_000, 10_000, 40_000];

fn main() {
    jobs::do_if_told();
    let args: Vec<String> = std::env::args().collect();
    let quick = args.iter().any(|arg| arg == "--quick");
    let number = |flag: &str, otherwise: usize| {
        let place = args.iter().position(|arg| arg == flag);
        let value = place.and_then(|place| args.get(place + 1));
        value.map_or(otherwise, |n| n.parse().expect("a number"))
    };
    let (chunks, files, runs) = match quick {
        true => (10_000, 1_000, 1),
        false => (1_000_000, 100_000, 5),
    };
    let sizes = Sizes {
        chunks: number("--chunks", chunks),
        files: number("--files", files),
        runs: number("--runs", runs),
    };
    println!(
        "# How the cost of a store grows\n\n{}\n",
        support::machine()
    );
    sizes.chunks();
    sizes.files();
    sizes.crashes(if quick { &BEHIND[..2] } else { &BEHIND });
}

struct Sizes {
    chunks: usize,
    files: usize,
    runs: usize,
}

/// 10 to the 3, 4, 5 … up to `most`.
fn decades(from: usize, most: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(from), |n| Some(n * 10)).take_while(move |n| *n <= most)
}

impl Sizes {
    /// Stores of files with some 64 chunks each.
    fn chunks(&self) {
        println!(
            "Files of 64 chunks (as if of 1 MiB, with small payloads); median of {} runs.\n",
            self.runs
        );
        println!(
            "| chunks | upload, µs a chunk; the last tenth | memory, MiB | index, bytes a chunk: pages, file | open, ms; after a rebuild | rebuild, s; CPU, s | million chunks/s | memory, MiB (with mapped pages) | index after it | verify, µs a chunk | reclaim half, µs a chunk freed |"
        );
        println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        for size in decades(10_000, self.chunks) {
            let store = Scratch::new();
            let pack = store.pack();
            let filled = process::run("fill-chunks", &pack, size);
            let before = process::run("size", &pack, 0);
            let chunks = process::run("verify", &pack, 0).get("chunks");
            let each = filled.get("files") / chunks;
            let filled_opened = self.opened(&pack);
            let (opened, rebuilt, verified) = self.interleaved(&pack, chunks);
            let after = process::run("size", &pack, 0);
            let reclaimed = process::run("reclaim", &pack, filled.get("files") as usize);
            println!(
                "| {chunks} | {:.2}; {:.2} | {:.0} | {} | {:.1}; {:.1} | {:.3}; {:.2} | {:.2} | {:.0} ({:.0}) | {} | {:.2} | {:.2} |",
                filled.get("fill") / chunks * 1e6,
                filled.get("each") * each * 1e6,
                filled.get("anon"),
                per(&before, chunks),
                middle(&filled_opened, "seconds") * 1e3,
                middle(&opened, "seconds") * 1e3,
                middle(&rebuilt, "seconds"),
                middle(&rebuilt, "cpu"),
                chunks / middle(&rebuilt, "seconds") / 1e6,
                middle(&rebuilt, "anon"),
                middle(&rebuilt, "hwm"),
                per(&after, chunks),
                middle(&verified, "seconds") / chunks * 1e6,
                reclaimed.get("seconds") / reclaimed.get("chunks") * 1e6,
            );
        }
    }

    /// Opens a closed store: chunks that did not fill a generation are read again, each time.
    fn opened(&self, pack: &Path) -> Vec<Figures> {
        (0..self.runs)
            .map(|_| process::run("open", pack, 0))
            .collect()
    }

    /// Rebuilds, opens, verifies, and again.
    fn interleaved(&self, pack: &Path, chunks: f64) -> (Vec<Figures>, Vec<Figures>, Vec<Figures>) {
        let (mut opened, mut rebuilt, mut verified) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.runs {
            rebuilt.push(process::run("rebuild", pack, chunks as usize));
            opened.push(process::run("open", pack, 0));
            verified.push(process::run("verify", pack, 0));
        }
        (opened, rebuilt, verified)
    }

    /// Stores of small files.
    fn files(&self) {
        println!(
            "\nFiles of one small chunk; median of {} runs.\n",
            self.runs
        );
        println!(
            "| files | upload, µs a file; the last tenth | memory, MiB | index, bytes a file: pages, file | open, ms | rebuild, s; CPU, s | µs a file | memory, MiB | index after it |"
        );
        println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        for size in decades(1_000, self.files) {
            let store = Scratch::new();
            let pack = store.pack();
            let filled = process::run("fill-files", &pack, size);
            let files = filled.get("files");
            let before = process::run("size", &pack, 0);
            let opened = self.opened(&pack);
            let (_, rebuilt, _) = self.interleaved(&pack, files);
            let after = process::run("size", &pack, 0);
            println!(
                "| {files} | {:.1}; {:.1} | {:.0} | {} | {:.1} | {:.3}; {:.2} | {:.2} | {:.0} | {} |",
                filled.get("fill") / files * 1e6,
                filled.get("each") * 1e6,
                filled.get("anon"),
                per(&before, files),
                middle(&opened, "seconds") * 1e3,
                middle(&rebuilt, "seconds"),
                middle(&rebuilt, "cpu"),
                middle(&rebuilt, "seconds") / files * 1e6,
                middle(&rebuilt, "anon"),
                per(&after, files),
            );
        }
    }

    /// Opening what a process left that died with changes behind the checkpoint.
    fn crashes(&self, behind: &[usize]) {
        println!(
            "\nOpening after a crash, with small uploads behind the checkpoint; median of {} runs.\n",
            self.runs
        );
        println!("| uploads | commits | open, ms | replay, µs an upload |");
        println!("|---:|---:|---:|---:|");
        let died: Vec<(usize, Scratch)> = behind
            .iter()
            .map(|uploads| {
                let store = Scratch::new();
                process::run("fill-chunks", &store.pack(), 10_000);
                process::run_to_death("crash", &store.pack(), *uploads);
                (*uploads, store)
            })
            .collect();
        let clean = Scratch::new();
        process::run("fill-chunks", &clean.pack(), 10_000);
        let mut rows: Vec<Vec<Figures>> = behind.iter().map(|_| Vec::new()).collect();
        let mut opened = Vec::new();
        for _ in 0..self.runs {
            opened.push(process::run("open", &clean.pack(), 0));
            for ((uploads, store), row) in died.iter().zip(&mut rows) {
                // Opening changes it.
                let copy = store.copy();
                row.push(process::run("open", &copy.pack(), *uploads));
            }
        }
        let nothing = middle(&opened, "seconds");
        println!("| 0: closed | 0 | {:.1} | |", nothing * 1e3);
        for ((uploads, _), row) in died.iter().zip(&rows) {
            let seconds = middle(row, "seconds");
            let each = (seconds - nothing) / *uploads as f64 * 1e6;
            let each = match *uploads < 100 {
                true => String::new(),
                false => format!("{each:.1}"),
            };
            println!(
                "| {uploads} | {:.0} | {:.1} | {each} |",
                middle(row, "commits"),
                seconds * 1e3,
            );
        }
    }
}

/// Bytes of the index for each of `count`: of its pages, of its file.
fn per(size: &Figures, count: f64) -> String {
    let [pages, file] = ["pages", "file"].map(|name| size.get(name) / count);
    format!("{pages:.1}, {file:.1}")
}

fn middle(runs: &[Figures], name: &str) -> f64 {
    let mut all: Vec<f64> = runs.iter().map(|run| run.get(name)).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// A folder for one store.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn pack(&self) -> PathBuf {
        self.0.path().join("b.pack")
    }

    fn copy(&self) -> Self {
        let copy = Self::new();
        for (from, to) in [
            (self.pack(), copy.pack()),
            (index_path(&self.pack()), index_path(&copy.pack())),
        ] {
            std::fs::copy(from, to).expect("a copy");
        }
        copy
    }
}
