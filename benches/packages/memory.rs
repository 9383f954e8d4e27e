//! How much memory queries take: asked in a process of their own, which has nothing else in it.

use std::path::Path;
use std::process::Command;

use packhold::index::Rows;
use packhold::store::{Options, Store};

use crate::queries::{CLASSES, ORDERS};

/// Makes this program the process that asks.
const FLAG: &str = "--ask";
/// Memory for pages of the index, in MiB: as little as can be, and what `serve` gives it.
const CACHES: [usize; 2] = [1, 128];

/// If this is the process that asks, does so and ends.
pub fn ask_if_told() {
    let args: Vec<String> = std::env::args().collect();
    let Some(place) = args.iter().position(|arg| arg == FLAG) else {
        return;
    };
    let number = |n: usize| args[place + n].parse::<usize>().expect("a number");
    ask(Path::new(&args[place + 1]), number(2), number(3));
    std::process::exit(0);
}

/// Prints how much memory `rounds` of all queries take on the store, which must be closed.
pub fn measure(store: &Path, rounds: usize) {
    println!(
        "\n| cache of the index, MiB | opened, MiB | {} queries later | {rounds} times as many later | most in the second part |\n|---:|---:|---:|---:|---:|",
        CLASSES.len() * ORDERS.len() * 2
    );
    for cache in CACHES {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let command = command.arg(FLAG).arg(store);
        let status = command
            .args([cache.to_string(), rounds.to_string()])
            .status();
        assert!(status.expect("a process").success(), "queries work");
    }
}

fn ask(store: &Path, cache: usize, rounds: usize) {
    let options = Options {
        index_cache_bytes: cache << 20,
        ..Options::default()
    };
    let store = Store::open(store, options).expect("a store");
    let opened = resident("RssAnon");
    every_query(&store);
    let (first, peak) = (resident("RssAnon"), resident("VmRSS"));
    // From here on, `VmHWM` is the most since now.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    for _ in 0..rounds {
        every_query(&store);
    }
    let (later, most) = (resident("RssAnon"), resident("VmHWM") - peak);
    println!("| {cache} | {opened:.1} | {first:.1} | {later:.1} | +{most:.1} |");
}

fn every_query(store: &Store) {
    for class in CLASSES {
        let mut total = 0;
        for (field, _) in ORDERS {
            for descending in [false, true] {
                let query = class.query(field, descending, total);
                total = store
                    .rows()
                    .and_then(|rows| Ok(rows.packages(&query)?))
                    .expect("an answer")
                    .total;
            }
        }
    }
}

/// A line of `/proc/self/status`, in MiB.
fn resident(what: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(what));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes.expect("a size").parse::<f64>().expect("a number") / 1024.0
}
