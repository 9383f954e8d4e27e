//! `packhold dedup`: how files would be stored. And `packhold stats --dedup`: how those of a store are, in the
//! same figures, tables and plots, with its repositories in the place of releases.

pub mod args;
mod page;
mod text;
mod walk;
mod words;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;

use super::CliError;
use super::report::{print_json, progress};
use crate::format::header::Chunking;
use crate::store::{
    Access, Forecast, ForecastReport, Options, Progress, SettingForecast, Shares, Store,
};
use args::Dedup;
use walk::{Found, Release};
use words::{FORESEEN, STORED};

/// Bytes read at once.
const BATCH_BYTES: usize = 1 << 20;
/// Files of which is told why they could not be read.
const MAX_TOLD: usize = 100;

/// What the command found. Field names are part of the interface (`--json`).
#[derive(Debug, Default, Serialize)]
struct Report {
    #[serde(flatten)]
    forecast: ForecastReport,
    /// Which of the settings is that of the store, or of a new one.
    default_setting: usize,
    /// Whether it was compared with a store.
    against_store: bool,
    /// Seconds that reading, cutting and hashing took.
    seconds: f64,
    bytes_per_second: f64,
    /// Files and folders that could not be read (to their end); the first of them by name.
    unreadable: u64,
    unreadable_files: Vec<Unreadable>,
    /// Links, pipes, devices, which were passed over.
    passed_over: u64,
}

#[derive(Debug, Serialize)]
struct Unreadable {
    path: String,
    why: String,
}

/// Runs the command. Exit status 1 if something could not be read.
pub fn run(args: &Dedup) -> Result<ExitCode, CliError> {
    let releases = walk::releases(&args.paths)?;
    let store = match &args.store {
        Some(path) => Some(Store::open(path, options())?),
        None => None,
    };
    let forecast = match &store {
        Some(store) => Forecast::against(store),
        None => Forecast::new(&Forecast::settings()),
    };
    let report = Reading::new(forecast, &releases).read(&releases, store.is_some())?;
    if args.json {
        print_json(&report);
    } else {
        text::print(&report);
    }
    if let Some(out) = &args.html {
        let page = page::page(&report);
        std::fs::write(out, page).map_err(CliError::io(format!("writing {}", out.display())))?;
    }
    for file in &report.unreadable_files {
        eprintln!("packhold: {}: {}", text::printable(&file.path), file.why);
    }
    let more = report.unreadable - report.unreadable_files.len() as u64;
    if more > 0 {
        eprintln!("packhold: {more} more could not be read");
    }
    Ok(match report.unreadable {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Prints what repositories hold and share, behind the other figures of a store.
pub fn print_shares(shares: &Shares) {
    text::print_shares(shares);
}

/// The same as a page.
pub fn page_of_shares(shares: &Shares) -> String {
    page::page_of_shares(shares)
}

fn options() -> Options {
    Options {
        access: Access::ReadOnly,
        progress: progress(),
        ..Options::default()
    }
}

impl Report {
    /// What is shown where only one way to cut is.
    fn shown(&self) -> Option<&SettingForecast> {
        self.forecast.settings.get(self.default_setting)
    }
}

/// Reading all files once.
struct Reading {
    forecast: Forecast,
    report: Report,
    buffer: Vec<u8>,
    progress: Progress,
    total: u64,
}

impl Reading {
    fn new(forecast: Forecast, releases: &[Release]) -> Self {
        let mut total = 0;
        for release in releases {
            walk::each_file(&release.path, &mut |found| {
                if let Found::File(_, bytes) = found {
                    total += bytes;
                }
            });
        }
        Self {
            forecast,
            report: Report::default(),
            buffer: vec![0; BATCH_BYTES],
            progress: progress(),
            total,
        }
    }

    fn read(mut self, releases: &[Release], against_store: bool) -> Result<Report, CliError> {
        let begun = Instant::now();
        for release in releases {
            self.forecast.release(&release.name);
            // The first error of the store ends it all.
            let mut result = Ok(());
            walk::each_file(&release.path, &mut |found| {
                if result.is_ok() {
                    result = self.visit(found);
                }
            });
            result?;
        }
        let mut report = self.report;
        report.forecast = self.forecast.report();
        report.against_store = against_store;
        let settings = report.forecast.settings.iter();
        let default = Chunking::default().avg_bytes;
        report.default_setting = settings
            .enumerate()
            .find(|(_, setting)| setting.avg_bytes == default)
            .map_or(0, |(n, _)| n);
        report.seconds = begun.elapsed().as_secs_f64();
        report.bytes_per_second = figure(report.forecast.bytes) / report.seconds.max(1e-9);
        Ok(report)
    }

    fn visit(&mut self, found: Found<'_>) -> Result<(), CliError> {
        match found {
            Found::File(path, _) => return self.file(path),
            Found::Other => self.report.passed_over += 1,
            Found::Unreadable(path, error) => self.unreadable(path, &error),
        }
        Ok(())
    }

    /// Reads a file. What was read of one that fails on the way counts: it cannot be taken back.
    fn file(&mut self, path: &Path) -> Result<(), CliError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) => {
                self.unreadable(path, &error);
                return Ok(());
            }
        };
        loop {
            match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(n) => self.forecast.push(&self.buffer[..n])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.unreadable(path, &error);
                    break;
                }
            }
            (self.progress)("reading", self.forecast.bytes(), self.total);
        }
        self.forecast.end_file()?;
        Ok(())
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        self.report.unreadable += 1;
        if self.report.unreadable_files.len() < MAX_TOLD {
            self.report.unreadable_files.push(Unreadable {
                path: path.to_string_lossy().into_owned(),
                why: error.to_string(),
            });
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn figure(number: u64) -> f64 {
    number as f64
}

/// A part of a whole, per cent.
fn per_cent(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => 100.0 * figure(part) / figure(whole),
    }
}

/// How a setting is called: the KiB of its chunks.
fn sizes(setting: &SettingForecast) -> String {
    let kib = |bytes: u32| {
        let text = format!("{:.2}", f64::from(bytes) / 1024.0);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let sizes = [setting.min_bytes, setting.avg_bytes, setting.max_bytes];
    sizes.map(kib).join("/")
}
