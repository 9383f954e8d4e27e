//! `packhold selftest`: real files on the user's own disk, a process that is killed while it works,
//! and a comparison of what is there with what was acknowledged.
//!
//! A kill loses nothing that was written: the page cache lives on. So after each kill a copy of the
//! pack is also made to look as after a power failure: of the bytes that came behind the last
//! acknowledgement, some are gone.

mod args;
mod model;
mod rounds;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

pub use args::Selftest;

use super::report::print_json;
use super::{CliError, EXIT_DAMAGE};

/// What was tried, and what was found. Field names are part of the interface (`selftest --json`).
#[derive(Debug, Default, Serialize)]
struct SelftestReport {
    /// Whether nothing was lost and nothing damaged.
    clean: bool,
    /// With it the same work is done again. Where in it the kills fall is up to the machine.
    seed: u64,
    /// Processes that were killed while they wrote.
    crashes: u64,
    /// Processes that were killed while they opened the store after that.
    crashes_while_opening: u64,
    /// Copies of the pack that were made to look as after a power failure.
    power_failures: u64,
    /// Times that the index was deleted before the store was opened again.
    indexes_deleted: u64,
    /// Times that an older index was put in its place.
    indexes_aged: u64,
    /// Uploads and deletes that were acknowledged.
    acknowledged_changes: u64,
    /// Uploads and deletes that were cut off.
    cut_off_changes: u64,
    /// Files compared byte for byte with what they must hold.
    compared_files: u64,
    /// Bytes of them.
    compared_bytes: u64,
    /// Full verifications of a store.
    verifications: u64,
    /// What was lost, wrong or damaged.
    losses: Vec<String>,
    /// The folder in which the store was left to be looked at, if anything was lost.
    kept: Option<PathBuf>,
}

/// Runs the command. Exit status 3 when anything was lost or damaged.
pub fn run(args: &Selftest) -> Result<ExitCode, CliError> {
    if let Some(store) = &args.child {
        work::run(store, args.seed.unwrap_or(0), args.from)?;
        return Ok(ExitCode::SUCCESS);
    }
    let seed = match args.seed {
        Some(seed) => seed,
        None => random_seed()?,
    };
    let folder = make_folder(&args.dir)?;
    if !args.json {
        println!("seed {seed}, in {}", folder.display());
    }
    let report = rounds::Rounds::new(&folder, seed).run(args.crash)?;
    let report = finish(report, &folder)?;
    if args.json {
        print_json(&report);
    } else {
        print(&report);
    }
    Ok(match report.clean {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_DAMAGE),
    })
}

fn random_seed() -> Result<u64, CliError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes)
        .map_err(|error| CliError::io("choosing a seed")(std::io::Error::other(error)))?;
    Ok(u64::from(u32::from_le_bytes(bytes)))
}

/// A folder of its own, so that nothing of the user's is touched.
fn make_folder(dir: &Path) -> Result<PathBuf, CliError> {
    let folder = dir.join(format!("packhold-selftest-{}", std::process::id()));
    std::fs::create_dir(&folder).map_err(CliError::io(format!("creating {}", folder.display())))?;
    Ok(folder)
}

fn finish(mut report: SelftestReport, folder: &Path) -> Result<SelftestReport, CliError> {
    report.clean = report.losses.is_empty();
    if report.clean {
        std::fs::remove_dir_all(folder)
            .map_err(CliError::io(format!("deleting {}", folder.display())))?;
    } else {
        report.kept = Some(folder.to_owned());
    }
    Ok(report)
}

fn print(report: &SelftestReport) {
    println!(
        "killed {} processes at work and {} while they opened the store",
        report.crashes, report.crashes_while_opening
    );
    println!(
        "made {} copies as after a power failure; deleted {} indexes, put {} older ones in place",
        report.power_failures, report.indexes_deleted, report.indexes_aged
    );
    println!(
        "{} changes were acknowledged, {} cut off",
        report.acknowledged_changes, report.cut_off_changes
    );
    println!(
        "compared {} files ({} bytes), verified {} times",
        report.compared_files, report.compared_bytes, report.verifications
    );
    for loss in &report.losses {
        println!("lost: {loss}");
    }
    if let Some(kept) = &report.kept {
        println!("what is left is in {}", kept.display());
    }
    println!("losses: {}", report.losses.len());
}
