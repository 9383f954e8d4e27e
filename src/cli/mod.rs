//! The command line. The only home of clap.

mod accounts;
mod args;
mod backup;
mod compact;
mod config;
mod dedup;
mod descriptors;
mod gc;
mod heal;
#[cfg(feature = "otel")]
mod otel;
mod reindex;
mod remote;
mod report;
mod selftest;
mod serve;
mod stats;
mod systemd;
mod transfer;
mod verify;

use std::process::ExitCode;

use thiserror::Error;

use crate::client::ClientError;
use crate::domain::DomainError;
use crate::http::TlsError;
use crate::store::StoreError;
use args::Command;

/// Damage was found: an exit status of its own.
const EXIT_DAMAGE: u8 = 3;
/// Some of several files were not sent or fetched.
const EXIT_PARTLY: u8 = 4;

/// Why a command failed.
#[derive(Debug, Error)]
enum CliError {
    /// The store cannot be opened or used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The domain refuses.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// A server that was asked does not answer as it should, or says no.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A file or socket.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate or its key.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The arguments do not go together.
    #[error("{0}")]
    Usage(String),
}

impl CliError {
    fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        |source| Self::Io { action, source }
    }

    /// Whether the store's data is damaged or missing.
    fn is_damage(&self) -> bool {
        match self {
            Self::Store(error) | Self::Domain(DomainError::Store(error)) => error.is_damage(),
            _ => false,
        }
    }

    fn exit(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            error if error.is_damage() => ExitCode::from(EXIT_DAMAGE),
            Self::Store(_) | Self::Domain(_) | Self::Client(_) | Self::Io { .. } | Self::Tls(_) => {
                ExitCode::FAILURE
            }
        }
    }
}

/// Runs the command of this process. Exit status: 0 fine, 1 failed, 2 usage, 3 damage found,
/// 4 some of several files failed.
#[must_use]
pub fn main() -> ExitCode {
    let args = match config::parse() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("packhold: {error}");
            return error.exit();
        }
    };
    let _logging = report::start_logging(&args);
    let result = match args.command {
        Command::Serve(args) => serve::run(&args),
        Command::Stats(args) => stats::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Compact(args) => compact::run(&args),
        Command::Dedup(args) => dedup::run(&args),
        Command::Reindex(args) => reindex::run(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Follow(args) => backup::follow(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Selftest(args) => selftest::run(&args),
        Command::Push(args) => transfer::push(&args),
        Command::Pull(args) => transfer::pull(&args),
        Command::Ls(args) => transfer::ls(&args),
        Command::Rm(args) => transfer::rm(&args),
        Command::Sync(args) => transfer::sync(&args),
        Command::Package(command) => transfer::package(&command),
        Command::Import(args) => transfer::import(&args),
        Command::Export(args) => transfer::export(&args),
        Command::User(command) => accounts::user(&command),
        Command::Token(command) => accounts::token(&command),
        Command::Key(command) => accounts::key(&command),
        Command::Config(command) => config::run(&command),
        Command::Doc { page } => report::print_page(page),
        Command::Completions { shell } => config::completions(shell),
        Command::Man { dir } => config::man(dir.as_deref()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("packhold: {error}");
        error.exit()
    })
}
