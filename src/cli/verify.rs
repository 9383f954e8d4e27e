//! `packhold verify`.

use std::process::ExitCode;

use super::args;
use super::heal::{Patient, heal};
use super::remote::{Method, ask};
use super::report::{bytes, print_json};
use super::serve::options;
use super::{CliError, EXIT_DAMAGE};
use crate::store::{Access, Sample, SampleSize, Store, VerifyOptions, VerifyReport};

/// Runs the command. Exit status 3 when anything is damaged.
pub fn run(args: &args::Verify) -> Result<ExitCode, CliError> {
    let at = &args.at;
    let (mut report, patient): (VerifyReport, Patient<'_>) = match &at.remote.server {
        Some(server) => {
            let path = format!("/packhold/verify?{}", query(args));
            let report = ask(&at.remote, server, Method::Post, &path)?;
            (report, Patient::Served(&at.remote, server))
        }
        None => {
            let access = if args.repair {
                Access::ReadWrite
            } else {
                Access::ReadOnly
            };
            let store = Store::open(&at.store.store, options(&at.store, access))?;
            let report = store.verify_with(&VerifyOptions {
                repair: args.repair,
                sample: match args.sample {
                    Some(size) => Some(Sample::new(size, args.seed)?),
                    None => None,
                },
                rate: args.rate,
                ..VerifyOptions::default()
            })?;
            (report, Patient::Closed(store))
        }
    };
    if !report.clean && !args.from.is_empty() {
        heal(&patient, &args.from, &at.store, &at.remote, &mut report)?;
    }
    if let Patient::Closed(store) = patient {
        store.close();
    }
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

/// What is asked of a server.
fn query(args: &args::Verify) -> String {
    let sample = args.sample.map(|size| match size {
        SampleSize::Share(millionths) => {
            let (percent, rest) = (millionths / 10_000, millionths % 10_000);
            // A percent sign is one of the characters that have to be escaped.
            format!("&sample={percent}.{rest:04}%25")
        }
        SampleSize::Bytes(bytes) => format!("&sample={bytes}"),
    });
    let seed = args.seed.map(|seed| format!("&seed={seed}"));
    let rate = args.rate.map(|rate| format!("&rate={}", rate.get()));
    let rest: String = [sample, seed, rate].into_iter().flatten().collect();
    format!("repair={}{rest}", args.repair)
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
    println!(
        "read {} of {}",
        bytes(report.checked_bytes),
        bytes(report.of_bytes)
    );
    if let Some(seed) = report.seed {
        println!(
            "a sample: frames, commits and the chain were checked as a whole, rows and files were not"
        );
        println!("`--seed {seed}` draws it again");
    }
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
    if report.unlisted_files > 0 {
        println!("and {} more files", report.unlisted_files);
    }
    for chunk in &report.lacking_chunks {
        println!("no intact copy: chunk {chunk}");
    }
    if report.fetched_chunks > 0 {
        println!("fetched {} chunks", report.fetched_chunks);
    }
    if report.repaired_chunks > 0 {
        println!(
            "{} damaged chunks have an intact copy",
            report.repaired_chunks
        );
    }
    match (report.clean, report.seed) {
        (true, None) => println!("everything is sound"),
        (true, Some(_)) => println!("what was checked is sound"),
        (false, _) => {}
    }
}
