//! Dedup of repeated package uploads, beside restic, borg, casync and rustic.
//!
//! `benches/peers` installs the other programs, `benches/dedup/fetch` the packages; then
//! `cargo bench --bench dedup` (`-- --quick`: packhold alone, with small families that are made up; `-- --runs 3`:
//! medians; `-- --only NAME`: families whose name has that; `-- --dir DIR`: other families, a folder each).
//! What is not there is skipped with a word. Each release is uploaded by a process of its own, then all again from
//! another path. Results are checked: what was stored comes back byte for byte from each program.

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

mod casync;
mod families;
mod packhold;
mod peers;
mod process;
mod round;
#[expect(dead_code, reason = "the other benchmarks use more of it")]
#[path = "../support/mod.rs"]
mod support;
mod sweep;

use std::path::PathBuf;

use ::packhold::format::header::Chunking;

use families::Family;
use peers::{PEERS, Peer};
use process::Cost;
use round::Round;

const MIB: f64 = 1_048_576.0;

fn main() {
    packhold::do_if_told();
    let args: Vec<String> = std::env::args().collect();
    let quick = args.iter().any(|arg| arg == "--quick");
    let value = |flag: &str| {
        let place = args.iter().position(|arg| arg == flag);
        place.and_then(|place| args.get(place + 1)).cloned()
    };
    let runs = value("--runs").map_or(1, |n| n.parse().expect("a number"));
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let dir = match value("--dir") {
        _ if quick => scratch.path().join("made"),
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/dedup"),
    };
    if quick {
        families::make(&dir);
    }
    println!(
        "# Dedup of repeated package uploads\n\n{}",
        support::machine()
    );
    let mut all = families::all(&dir);
    if let Some(part) = value("--only") {
        all.retain(|family| family.name.contains(&part));
    }
    if !quick && value("--dir").is_none() && value("--only").is_none() {
        for name in families::listed() {
            if !all.iter().any(|family| family.name == name) {
                println!("\n{name}: not there; `benches/dedup/fetch` gets it.");
            }
        }
    }
    let peers = if quick { &[] } else { PEERS.as_slice() };
    let tables: Vec<Table> = all.iter().map(|f| Table::measure(f, peers, runs)).collect();
    for table in &tables {
        table.print();
    }
    if !all.is_empty() {
        sweep::print(&all);
    }
    if !peers.is_empty() {
        marks(&tables);
    }
    assert!(!quick || all.len() == 2, "made up");
    if quick {
        let ratio = |n: usize| tables[n].rows[0].ratio(&all[n]);
        assert!(
            ratio(0) < 1.0 && ratio(1) > 2.5,
            "{} {}",
            ratio(0),
            ratio(1)
        );
    }
}

/// A program in one of its modes, and its runs.
struct Row {
    name: String,
    /// `None`: packhold itself.
    peer: Option<&'static Peer>,
    runs: Vec<Result<Round, String>>,
}

impl Row {
    /// The run in the middle by wall time, if none failed.
    fn middle(&self) -> Result<Round, String> {
        let mut all = Vec::new();
        for run in &self.runs {
            all.push(run.clone()?);
        }
        all.sort_by(|a, b| a.first.wall.total_cmp(&b.first.wall));
        all.get(all.len() / 2).copied().ok_or_else(String::new)
    }

    fn ratio(&self, family: &Family) -> f64 {
        let stored = self.middle().map_or(f64::INFINITY, |r| r.stored as f64);
        family.bytes() as f64 / stored
    }

    fn wall(&self) -> Option<f64> {
        self.middle().ok().map(|round| round.first.wall)
    }
}

struct Table<'a> {
    family: &'a Family,
    rows: Vec<Row>,
}

impl<'a> Table<'a> {
    fn measure(family: &'a Family, peers: &'static [Peer], runs: usize) -> Self {
        let row = |name: &str, peer| Row {
            name: name.to_owned(),
            peer,
            runs: Vec::new(),
        };
        let mut rows = vec![
            row("packhold", None),
            row("packhold, HTTP", None),
            row("packhold, HTTP, sha256 declared when it comes again", None),
        ];
        rows.extend(peers.iter().map(|peer| row(peer.name, Some(peer))));
        for _ in 0..runs {
            for (n, row) in rows.iter_mut().enumerate() {
                row.runs.push(match (row.peer, n) {
                    (Some(peer), _) => round::peer(peer, family),
                    (None, 0) => Ok(round::engine(family, &Chunking::default(), true)),
                    (None, n) => Ok(round::server(family, n == 2)),
                });
            }
        }
        Self { family, rows }
    }

    fn print(&self) {
        let family = self.family;
        println!(
            "\n## {}: {} releases, {:.1} MiB\n",
            family.name,
            family.releases.len(),
            family.bytes() as f64 / MIB
        );
        println!(
            "| program | stored, MiB | ratio | of its chunks alone | all again: more, MiB | first: s; CPU, s | again: s; CPU, s | first, × packhold | memory, MiB |"
        );
        println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
        let own = self.rows[0].wall().unwrap_or(f64::NAN);
        for row in &self.rows {
            match row.middle() {
                Ok(round) => self.print_row(&row.name, &round, own),
                Err(why) => println!("| {} | skipped: {why} | | | | | | | |", row.name),
            }
        }
    }

    fn print_row(&self, name: &str, round: &Round, own: f64) {
        let bytes = self.family.bytes() as f64;
        let chunks = round.chunks.map(|chunks| bytes / chunks as f64);
        let time = |cost: &Cost| format!("{:.2}; {:.2}", cost.wall, cost.cpu);
        println!(
            "| {name} | {:.1} | {:.2} | {} | {:.2} | {} | {} | {:.2} | {:.0} |",
            round.stored as f64 / MIB,
            bytes / round.stored as f64,
            chunks.map_or(String::new(), |ratio| format!("{ratio:.2}")),
            (round.stored_again as f64 - round.stored as f64) / MIB,
            time(&round.first),
            time(&round.again),
            round.first.wall / own,
            round.first.anon.max(round.again.anon),
        );
    }

    /// The best ratio without compression: by all that is stored, but of casync by its chunks alone.
    fn best(&self) -> Option<(&str, f64)> {
        let bytes = self.family.bytes() as f64;
        let ratios = self.rows.iter().filter_map(|row| {
            let (peer, round) = (row.peer?, row.middle().ok()?);
            let stored = match peer.compresses {
                true => round.chunks?,
                false => round.stored,
            };
            Some((peer.name, bytes / stored as f64))
        });
        ratios.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// How often packhold fits into the time of a program: of its modes the faster one.
    fn faster(&self, program: &str) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.name.starts_with(program));
        let wall = rows.filter_map(Row::wall).min_by(f64::total_cmp);
        Some(wall? / self.rows[0].wall()?)
    }
}

/// What is aimed at: a ratio no worse than the best of the others, and a fifth of the time.
fn marks(tables: &[Table<'_>]) {
    println!(
        "\n## The marks\n\nRatio without compression, of all that is stored (of casync: of its chunks alone), and the time of the faster mode of restic and borg in that of packhold.\n"
    );
    println!("| family | ratio | best of the others | restic, × | borg, × |");
    println!("|---|---:|---|---:|---:|");
    for table in tables {
        let best = table.best();
        let best = best.map_or(String::new(), |(name, ratio)| format!("{ratio:.2} {name}"));
        let times = ["restic", "borg"].map(|program| {
            let times = table.faster(program);
            times.map_or("not there".to_owned(), |times| format!("{times:.2}"))
        });
        println!(
            "| {} | {:.2} | {best} | {} |",
            table.family.name,
            table.rows[0].ratio(table.family),
            times.join(" | ")
        );
    }
}
