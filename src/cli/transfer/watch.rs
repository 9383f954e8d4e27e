//! What a person sees of a transfer: a bar on a terminal, failures as they happen, and a summary.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde::Serialize;

use crate::cli::report::print_json;
use crate::cli::{CliError, EXIT_DAMAGE, EXIT_PARTLY};
use crate::client::{ClientError, Observer, Outcome};

/// Failures that a JSON document lists; all are counted.
const MAX_LISTED: usize = 1000;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// Failures only.
    Quiet,
    /// For people.
    Text,
    /// One JSON document at the end.
    Json,
}

impl Telling {
    /// What flags mean.
    pub fn of(quiet: bool, json: bool) -> Self {
        match (quiet, json) {
            (_, true) => Self::Json,
            (true, _) => Self::Quiet,
            _ => Self::Text,
        }
    }
}

/// A transfer as it is watched.
pub struct Watch {
    telling: Telling,
    bar: ProgressBar,
    found: AtomicU64,
    found_bytes: AtomicU64,
    moved: AtomicU64,
    moved_bytes: AtomicU64,
    kept_bytes: AtomicU64,
    present: AtomicU64,
    deleted: AtomicU64,
    passed_over: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicBool,
    damaged: AtomicBool,
    failures: Mutex<Vec<Failure>>,
}

#[derive(Serialize)]
struct Failure {
    name: String,
    error: String,
}

/// What came of a transfer.
#[derive(Serialize)]
struct Summary<'a> {
    /// Files that were to be there.
    files: u64,
    /// Their bytes.
    bytes: u64,
    /// Files that were sent or fetched.
    moved: u64,
    /// Bytes that went over the wire.
    moved_bytes: u64,
    /// Bytes of them that went before, and need not go again.
    kept_bytes: u64,
    /// Files that were there already.
    present: u64,
    /// Files that were deleted because the other side does not have them.
    deleted: u64,
    /// Symbolic links and the like.
    passed_over: u64,
    /// Files, folders and names that failed.
    failed: u64,
    /// The server could not be asked any more: not all was tried.
    given_up: bool,
    failures: &'a [Failure],
}

/// What came of deleting.
#[derive(Serialize)]
struct Removal<'a> {
    deleted: u64,
    failed: u64,
    given_up: bool,
    failures: &'a [Failure],
}

impl Observer for Watch {
    fn moved(&self, bytes: u64) {
        self.moved_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc(bytes);
    }

    fn kept(&self, bytes: u64) {
        self.kept_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc(bytes);
        // It came from here, and says nothing of how fast the rest will be.
        self.bar.reset_eta();
    }
}

impl Watch {
    /// Nothing has happened yet.
    pub fn new(telling: Telling) -> Self {
        let zero = || AtomicU64::new(0);
        let bar = match telling == Telling::Text && std::io::stderr().is_terminal() {
            true => ProgressBar::new(0).with_style(style()),
            false => ProgressBar::hidden(),
        };
        Self {
            telling,
            bar,
            found: zero(),
            found_bytes: zero(),
            moved: zero(),
            moved_bytes: zero(),
            kept_bytes: zero(),
            present: zero(),
            deleted: zero(),
            passed_over: zero(),
            failed: zero(),
            given_up: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
            failures: Mutex::new(Vec::new()),
        }
    }

    /// A file is to be sent or fetched.
    pub fn found(&self, bytes: u64) {
        self.found.fetch_add(1, Ordering::Relaxed);
        self.found_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc_length(bytes);
    }

    /// Something is passed over.
    pub fn passed_over(&self, name: &str, why: &str) {
        self.passed_over.fetch_add(1, Ordering::Relaxed);
        if self.telling != Telling::Quiet {
            self.tell(&format!("packhold: {}: {why}, passed over", shown(name)));
        }
    }

    /// What became of a file of so many bytes.
    pub fn ended(&self, name: &str, bytes: u64, outcome: Result<Outcome, ClientError>) {
        match outcome {
            Ok(Outcome::Moved) => {
                self.moved.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Outcome::Present) => {
                self.present.fetch_add(1, Ordering::Relaxed);
                self.bar.inc(bytes);
            }
            Err(error) => self.failed(name, &error),
        }
        if !self.bar.is_hidden() {
            self.bar.set_message(shown(name));
        }
    }

    /// The same of a file that has nothing to do with a server.
    pub fn settled(&self, name: &str, bytes: u64, outcome: Result<Outcome, CliError>) {
        match outcome {
            Ok(outcome) => self.ended(name, bytes, Ok(outcome)),
            Err(error) => {
                if error.is_damage() {
                    self.damaged.store(true, Ordering::Relaxed);
                }
                self.fault(name, &error);
            }
        }
    }

    /// Something failed. Where the next would fail alike, it is given up.
    pub fn failed(&self, name: &str, error: &ClientError) {
        if matches!(error, ClientError::Lost { .. }) || error.has_status(401) {
            self.given_up.store(true, Ordering::Relaxed);
        }
        self.fault(name, error);
    }

    /// Something failed that has nothing to do with a server.
    pub fn fault(&self, name: &str, error: &dyn std::fmt::Display) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let (name, error) = (shown(name), shown(&error.to_string()));
        let line = match error.contains(&name) {
            true => format!("packhold: {error}"),
            false => format!("packhold: {name}: {error}"),
        };
        self.tell(&line);
        let mut failures = self.failures.lock();
        if failures.len() < MAX_LISTED {
            failures.push(Failure { name, error });
        }
    }

    fn tell(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// A file was deleted.
    pub fn deleted(&self) {
        self.deleted.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether there is no use in going on.
    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Whether nothing failed so far.
    pub fn is_clean(&self) -> bool {
        self.failed.load(Ordering::Relaxed) == 0
    }

    /// Tells what came of it; `verb` is what was done to the files.
    pub fn finish(self, verb: &str) -> ExitCode {
        self.bar.finish_and_clear();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let failures = self.failures.lock();
        let summary = Summary {
            files: read(&self.found),
            bytes: read(&self.found_bytes),
            moved: read(&self.moved),
            moved_bytes: read(&self.moved_bytes),
            kept_bytes: read(&self.kept_bytes),
            present: read(&self.present),
            deleted: read(&self.deleted),
            passed_over: read(&self.passed_over),
            failed: read(&self.failed),
            given_up: self.is_given_up(),
            failures: &failures,
        };
        match self.telling {
            Telling::Json => print_json(&summary),
            Telling::Text => summary.print(verb),
            Telling::Quiet => {}
        }
        match self.damaged.load(Ordering::Relaxed) {
            true => ExitCode::from(EXIT_DAMAGE),
            false => exit(summary.failed, summary.moved + summary.present),
        }
    }

    /// Tells what came of it when files were to be deleted.
    pub fn finish_removal(self) -> ExitCode {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (deleted, failed) = (read(&self.deleted), read(&self.failed));
        let failures = self.failures.lock();
        match self.telling {
            Telling::Json => print_json(&Removal {
                deleted,
                failed,
                given_up: self.is_given_up(),
                failures: &failures,
            }),
            Telling::Text => println!("deleted {deleted}, {failed} failed"),
            Telling::Quiet => {}
        }
        exit(failed, deleted)
    }
}

fn exit(failed: u64, done: u64) -> ExitCode {
    match (failed, done) {
        (0, _) => ExitCode::SUCCESS,
        (_, 0) => ExitCode::FAILURE,
        _ => ExitCode::from(EXIT_PARTLY),
    }
}

impl Summary<'_> {
    fn print(&self, verb: &str) {
        let mut line = format!(
            "{verb} {} of {} files ({})",
            self.moved,
            self.files,
            HumanBytes(self.moved_bytes)
        );
        let further = [
            (self.present, "were there already"),
            (self.deleted, "deleted"),
            (self.failed, "failed"),
        ];
        for (count, what) in further {
            if count > 0 {
                line.extend([", ", &count.to_string(), " ", what]);
            }
        }
        if self.kept_bytes > 0 {
            let kept = HumanBytes(self.kept_bytes);
            line.extend(["; ", &kept.to_string(), " had gone before"]);
        }
        if self.given_up {
            line.push_str("; given up, not all was tried");
        }
        println!("{line}");
    }
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template(
        "{bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} {wide_msg}",
    );
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A name that somebody else chose, without what would steer a terminal.
pub fn shown(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for c in name.chars() {
        match c.is_control() || is_bidi(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// Whether a character turns the direction of what follows.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn names_do_not_steer_terminals() {
        assert_eq!(shown("ü \u{1b}[2J\n\u{202e}"), "ü \\u{1b}[2J\\n\\u{202e}");
    }
}
