//! `packhold verify`.

use std::process::ExitCode;

use super::args;
use super::remote::{Method, ask};
use super::report::{bytes, print_json};
use super::serve::options;
use super::{CliError, EXIT_DAMAGE};
use crate::store::{Access, Store, VerifyReport};

/// Runs the command. Exit status 3 when anything is damaged.
pub fn run(args: &args::Verify) -> Result<ExitCode, CliError> {
    let report: VerifyReport = match &args.at.remote.server {
        Some(server) => {
            let path = format!("/packhold/verify?repair={}", args.repair);
            ask(&args.at.remote, server, Method::Post, &path)?
        }
        None => {
            let access = if args.repair {
                Access::ReadWrite
            } else {
                Access::ReadOnly
            };
            let store = Store::open(&args.at.store.store, options(&args.at.store, access))?;
            store.verify(args.repair)?
        }
    };
    if args.at.json {
        print_json(&report);
    } else {
        print(&report);
    }
    Ok(if report.clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_DAMAGE)
    })
}

fn print(report: &VerifyReport) {
    println!(
        "checked {} records, {} chunks, {} contents, {} files, {} packages, {} of pack",
        report.records,
        report.chunks,
        report.blobs,
        report.files,
        report.packages,
        bytes(report.pack_bytes)
    );
    for damage in &report.damages {
        println!("damaged: {damage}");
    }
    for error in &report.index_errors {
        println!("index: {error}");
    }
    if !report.index_errors.is_empty() {
        println!("`packhold reindex` builds the index anew");
    }
    for file in &report.damaged_files {
        println!(
            "damaged file: {}/{}{}: {}",
            file.project, file.repo, file.path, file.reason
        );
    }
    if report.repaired_chunks > 0 {
        println!(
            "repaired {} chunks from other copies",
            report.repaired_chunks
        );
    }
    if report.clean {
        println!("everything is sound");
    }
}
