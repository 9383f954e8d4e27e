//! What a person sees: log lines, progress, numbers.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::CliError;
use super::args::{Args, Command, LogFormat, Page};
use crate::doc;
use crate::store::Progress;

/// Plain progress lines come no more often than this.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Work that is done sooner shows no progress.
const QUIET_FOR: Duration = Duration::from_millis(500);

/// Log lines go to standard error. The audit trail is no matter of how much is logged otherwise; a
/// filter that names it decides for itself.
pub fn start_logging(args: &Args) -> Logging {
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
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match args.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otel")]
    {
        let export = super::otel::layer(args);
        let (layer, traces) =
            export.map_or((None, None), |(layer, traces)| (Some(layer), Some(traces)));
        registry.with(layer).init();
        Logging { traces }
    }
    #[cfg(not(feature = "otel"))]
    {
        registry.init();
        Logging {}
    }
}

/// As long as it lives, what is logged gets where it should.
#[must_use]
pub struct Logging {
    /// Those that were not sent yet are, when this is dropped.
    #[cfg(feature = "otel")]
    #[expect(dead_code, reason = "it is only dropped")]
    traces: Option<super::otel::Traces>,
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

/// Prints a page of the documentation. Who reads only its beginning may close the other end.
pub fn print_page(page: Page) -> Result<ExitCode, CliError> {
    let text = match page {
        Page::Guide => doc::GUIDE,
        Page::Api => doc::API,
        Page::Comparison => doc::COMPARISON,
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::io("writing to standard output")(error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Bytes for people, and exactly.
pub fn bytes(n: u64) -> String {
    format!("{} ({n} bytes)", HumanBytes(n))
}
