//! How chunks should be cut: a forecast for many settings, and real stores for the likely ones.

use std::fs::File;
use std::io::Read;
use std::time::Instant;

use packhold::format::header::Chunking;
use packhold::store::{Forecast, ForecastReport, SettingForecast};

use crate::families::Family;
use crate::round;

const MIB: f64 = 1_048_576.0;

/// KiB at least and on average; four times as much at most.
const REAL: [(u32, u32); 5] = [(2, 8), (4, 16), (8, 32), (16, 64), (64, 256)];

fn setting(min_kib: u32, avg_kib: u32, max_kib: u32, normalization: u32) -> Chunking {
    Chunking {
        min_bytes: min_kib << 10,
        avg_bytes: avg_kib << 10,
        max_bytes: max_kib << 10,
        normalization,
        ..Chunking::default()
    }
}

/// Those that stores are made of, and those that are only foretold.
fn settings() -> (Vec<Chunking>, Vec<Chunking>) {
    let real = REAL.map(|(min, avg)| setting(min, avg, avg * 4, 1));
    let other = [(1, 4, 16), (2, 16, 64), (4, 16, 128), (8, 16, 64)];
    let mut other: Vec<Chunking> = other.map(|(a, b, c)| setting(a, b, c, 1)).to_vec();
    other.extend([0, 2, 3].map(|level| setting(4, 16, 64, level)));
    (real.to_vec(), other)
}

fn name(chunking: &Chunking) -> String {
    let sizes = [chunking.min_bytes, chunking.avg_bytes, chunking.max_bytes];
    let [min, avg, max] = sizes.map(|bytes| bytes >> 10);
    let level = match chunking.normalization {
        1 => String::new(),
        level => format!(", normalization {level}"),
    };
    let default = match *chunking == Chunking::default() {
        true => " (default)",
        false => "",
    };
    format!("{min}/{avg}/{max}{level}{default}")
}

fn forecast(family: &Family, settings: &[Chunking]) -> ForecastReport {
    let mut forecast = Forecast::new(settings);
    let mut buffer = vec![0; 1 << 20];
    for release in &family.releases {
        forecast.release(&release.name);
        let mut file = File::open(&release.path).expect("a release");
        loop {
            match file.read(&mut buffer).expect("bytes") {
                0 => break,
                n => forecast.push(&buffer[..n]).expect("no store"),
            }
        }
        forecast.end_file().expect("no store");
    }
    forecast.report()
}

/// Of each family: what real stores and the forecast say of a setting.
#[derive(Default)]
struct Row {
    name: String,
    ratios: Vec<String>,
    chunks: u64,
    chunk_bytes: u64,
    metadata: u64,
    index: u64,
    wall: f64,
    cpu: f64,
}

impl Row {
    fn add(&mut self, family: &Family, told: &SettingForecast) {
        let all = told.stored_bytes + told.metadata_bytes + told.index_bytes;
        self.ratios.push(format!(
            "{:.2} ({:.2})",
            family.bytes() as f64 / told.stored_bytes as f64,
            family.bytes() as f64 / all as f64
        ));
        self.chunks += told.chunks;
        self.chunk_bytes += told.stored_bytes;
        self.metadata += told.metadata_bytes;
        self.index += told.index_bytes;
    }

    fn print(&self) {
        let time = match self.wall > 0.0 {
            true => format!("{:.1}; {:.1}", self.wall, self.cpu),
            false => String::new(),
        };
        println!(
            "| {} | {} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {time} |",
            self.name,
            self.ratios.join(" | "),
            self.chunks as f64 / 1e3,
            self.chunk_bytes as f64 / MIB,
            self.metadata as f64 / MIB,
            self.index as f64 / MIB,
            (self.chunk_bytes + self.metadata + self.index) as f64 / MIB,
        );
    }
}

/// Prints the table; every real store must have exactly the chunks that were foretold.
pub fn print(families: &[Family]) {
    let (real, other) = settings();
    let all = [real.as_slice(), &other].concat();
    let new = |chunking: &Chunking| Row {
        name: name(chunking),
        ..Row::default()
    };
    let mut rows: Vec<Row> = all.iter().map(new).collect();
    let mut foretold = 0.0;
    for family in families {
        let begun = Instant::now();
        let report = forecast(family, &all);
        foretold += begun.elapsed().as_secs_f64();
        assert_eq!(report.bytes, family.bytes());
        for (row, told) in rows.iter_mut().zip(&report.settings) {
            row.add(family, told);
        }
        for ((chunking, row), told) in real.iter().zip(&mut rows).zip(&report.settings) {
            let round = round::engine(family, chunking, false);
            assert_eq!(round.chunks, Some(told.stored_bytes), "as foretold");
            row.wall += round.first.wall;
            row.cpu += round.first.cpu;
        }
    }
    let bytes: u64 = families.iter().map(Family::bytes).sum();
    println!(
        "\n## How chunks are cut\n\nKiB at least/on average/at most. Ratio of each family by its chunks alone, and with metadata and index in brackets. Time: a store for each setting, filled by a process for each release. Forecast of all {} settings in one pass: {foretold:.1} s, {:.0} MB/s.\n",
        all.len(),
        bytes as f64 / 1e6 / foretold,
    );
    let names: Vec<&str> = families.iter().map(|f| f.name.as_str()).collect();
    println!(
        "| sizes | {} | thousand chunks | chunks, MiB | metadata, MiB | index, MiB | all, MiB | time, s; CPU, s |",
        names.join(" | ")
    );
    println!(
        "|---|{}---:|---:|---:|---:|---:|---:|",
        "---:|".repeat(names.len())
    );
    rows.iter().for_each(Row::print);
}
