//! `packhold gc`.

use std::process::ExitCode;

use super::CliError;
use super::args;
use super::remote::{Method, ask};
use super::report::{bytes, print_json};
use super::serve::options;
use crate::domain::Sweeper;
use crate::store::{Access, GcOptions, GcReport, Store};

/// Runs the command.
pub fn run(args: &args::Gc) -> Result<ExitCode, CliError> {
    let dry_run = args.dry_run;
    let report: GcReport = match &args.at.remote.server {
        Some(server) => {
            let path = format!("/packhold/gc?dry_run={dry_run}");
            ask(&args.at.remote, server, Method::Post, &path)?
        }
        None => {
            let access = match dry_run {
                true => Access::ReadOnly,
                false => Access::ReadWrite,
            };
            let store = Store::open(&args.at.store.store, options(&args.at.store, access))?;
            if !dry_run {
                let mut sweeper = Sweeper::default();
                while sweeper.sweep(&store)? {}
            }
            let report = store.gc(&GcOptions {
                dry_run,
                ..GcOptions::default()
            })?;
            store.close();
            report
        }
    };
    if args.at.json {
        print_json(&report);
    } else {
        print(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &GcReport) {
    let verb = match report.dry_run {
        true => "would free",
        false => "freed",
    };
    println!("{verb:14} {}", bytes(report.freed_bytes));
    println!("  chunks       {}", report.chunks);
    println!("  contents     {}", report.blobs);
    println!(
        "  manifests    {} of {}",
        report.manifests,
        bytes(report.manifest_bytes)
    );
    if !report.dry_run {
        println!("given back     {}", bytes(report.punched_bytes));
    }
    println!("needed         {}", bytes(report.live_bytes));
    if report.held_bytes > 0 {
        println!(
            "in use         {}, freed another time",
            bytes(report.held_bytes)
        );
    }
    if !report.complete {
        println!("something was in use for too long: not all was looked at");
    }
}
