//! What a person sees: log lines, progress, numbers.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;

use super::args::{Args, Command, LogFormat};
use crate::store::Progress;

/// Plain progress lines come no more often than this.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Work that is done sooner shows no progress.
const QUIET_FOR: Duration = Duration::from_millis(500);

/// Log lines go to standard error. The audit trail is no matter of how much is logged otherwise; a
/// filter that names it decides for itself.
pub fn start_logging(args: &Args) {
    let told = match (&args.command, args.log.as_str()) {
        // What others are warned of happens there on purpose, all the time.
        (Command::Selftest(_), "warn") => "error",
        (_, told) => told,
    };
    let mut filter = EnvFilter::try_new(told).unwrap_or_else(|_| EnvFilter::new("warn"));
    if !args.log.contains("audit")
        && let Ok(directive) = "audit=info".parse()
    {
        filter = filter.add_directive(directive);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// A progress bar on a terminal, plain lines elsewhere, both on standard error.
pub fn progress() -> Progress {
    let started = Instant::now();
    let state = Mutex::new((ProgressBar::hidden(), "", started));
    let terminal = std::io::stderr().is_terminal();
    Arc::new(move |what, done, total| {
        if started.elapsed() < QUIET_FOR {
            return;
        }
        let mut state = state.lock();
        let (bar, current, last_line) = &mut *state;
        if *current != what {
            bar.finish_and_clear();
            *current = what;
            if terminal {
                *bar = new_bar(total);
            }
        }
        if terminal {
            bar.set_message(what);
            bar.set_length(total);
            bar.set_position(done);
        } else if last_line.elapsed() >= LINE_EVERY {
            *last_line = Instant::now();
            eprintln!("{what}: {} of {}", HumanBytes(done), HumanBytes(total));
        }
    })
}

fn new_bar(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg} {bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}",
    );
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Prints one JSON document on standard output.
pub fn print_json<T: serde::Serialize>(value: &T) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("packhold: {error}"),
    }
}

/// Bytes for people, and exactly.
pub fn bytes(n: u64) -> String {
    format!("{} ({n} bytes)", HumanBytes(n))
}
