//! `packhold compact`.

use std::process::ExitCode;

use super::remote::{Method, ask};
use super::report::{bytes, print_json};
use super::serve::options;
use super::{CliError, EXIT_DAMAGE, args};
use crate::domain::Sweeper;
use crate::store::{Access, CompactReport, Store};

/// Runs the command.
pub fn run(args: &args::Compact) -> Result<ExitCode, CliError> {
    let report: CompactReport = match &args.at.remote.server {
        Some(server) => ask(&args.at.remote, server, Method::Post, "/packhold/compact")?,
        None => {
            let path = &args.at.store.store;
            let store = Store::open(path, options(&args.at.store, Access::ReadWrite))?;
            // What is gone already but has rows keeps its contents alive.
            let mut sweeper = Sweeper::default();
            while sweeper.sweep(&store)? {}
            store.compact(path, || {})?
        }
    };
    if args.at.json {
        print_json(&report);
    } else {
        print(&report);
    }
    match report.damaged_chunks {
        0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::from(EXIT_DAMAGE)),
    }
}

fn print(report: &CompactReport) {
    println!("pack before    {}", bytes(report.before_bytes));
    println!("  on disk      {}", bytes(report.before_allocated_bytes));
    println!("pack now       {}", bytes(report.after_bytes));
    println!("  contents     {}", report.contents);
    println!(
        "  chunks       {} of {}",
        report.chunks,
        bytes(report.chunk_bytes)
    );
    if report.healed_chunks > 0 {
        println!("healed         {} damaged chunks", report.healed_chunks);
    }
    if report.damaged_chunks > 0 {
        println!(
            "damaged        {} chunks, as they were; `packhold verify` names the files",
            report.damaged_chunks
        );
    }
    println!("copies of the store (backup, follow) must be made anew");
}
