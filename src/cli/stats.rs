//! `packhold stats`.

use std::process::ExitCode;

use super::CliError;
use super::args;
use super::dedup;
use super::remote::{Method, ask};
use super::report::{bytes, print_json};
use super::serve::options;
use crate::store::{Access, Stats, Store};

/// Runs the command.
pub fn run(args: &args::Stats) -> Result<ExitCode, CliError> {
    let dedups = args.dedup || args.html.is_some();
    let stats: Stats = match &args.at.remote.server {
        Some(server) => {
            let path = match dedups {
                true => "/packhold/stats?dedup=true",
                false => "/packhold/stats",
            };
            ask(&args.at.remote, server, Method::Get, path)?
        }
        None => {
            let options = options(&args.at.store, Access::ReadOnly);
            let store = Store::open(&args.at.store.store, options)?;
            let mut stats = store.stats()?;
            if dedups {
                stats.dedup = Some(store.shares()?);
            }
            stats
        }
    };
    if args.at.json {
        print_json(&stats);
    } else {
        print(&stats);
        if let Some(shares) = &stats.dedup {
            dedup::print_shares(shares);
        }
    }
    if let Some(out) = &args.html {
        let shares = stats.dedup.as_ref().ok_or_else(|| {
            CliError::Usage("the server is older than this program, and does not tell".to_owned())
        })?;
        let page = dedup::page_of_shares(shares);
        std::fs::write(out, page).map_err(CliError::io(format!("writing {}", out.display())))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(stats: &Stats) {
    println!("files          {}", stats.files);
    println!("packages       {}", stats.packages);
    println!("file sizes     {}", bytes(stats.logical_bytes));
    println!("contents       {}", stats.blobs);
    println!("chunks         {}", stats.chunks);
    println!("stored         {}", bytes(stats.stored_bytes));
    println!("dedup ratio    {:.2}", stats.dedup_ratio);
    println!("pack file      {}", bytes(stats.pack_bytes));
    println!("  on disk      {}", bytes(stats.pack_allocated_bytes));
    println!("  reclaimable  {}", bytes(stats.reclaimable_bytes));
    println!("index file     {}", bytes(stats.index_bytes));
    if stats.unlisted_blobs > 0 {
        println!(
            "damaged        {} contents of which it is not known which chunks they have",
            stats.unlisted_blobs
        );
    }
    if stats.lacking_chunks > 0 {
        println!(
            "damaged        {} chunks without an intact copy",
            stats.lacking_chunks
        );
    }
    if let Some(scrub) = &stats.scrub {
        println!("scrubbed       {} times", scrub.passes);
        println!("  this time    {}", bytes(scrub.checked_bytes));
        println!(
            "  damaged      {} chunks, {} of them mended; {} other places",
            scrub.damaged_chunks, scrub.repaired_chunks, scrub.damaged_places
        );
    }
}
