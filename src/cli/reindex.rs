//! `packhold reindex`.

use std::process::ExitCode;

use super::args;
use super::serve::options;
use super::{CliError, EXIT_DAMAGE};
use crate::store::{Access, Options, Store};

/// Runs the command. Exit status 3 when the pack is damaged.
pub fn run(args: &args::Reindex) -> Result<ExitCode, CliError> {
    let options = Options {
        accept_rollback: args.accept_rollback,
        rebuild: true,
        ..options(&args.store, Access::ReadWrite)
    };
    let store = Store::open(&args.store.store, options)?;
    let report = store.open_report();
    println!("replayed {} commits", report.replayed_commits);
    if report.torn_bytes > 0 {
        println!("cut {} bytes of a torn tail", report.torn_bytes);
    }
    for damage in &report.corrupt {
        println!("damaged: at offset {}: {}", damage.offset, damage.reason);
    }
    Ok(if report.corrupt.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_DAMAGE)
    })
}
