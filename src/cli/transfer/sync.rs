//! `packhold sync`.

use std::process::ExitCode;

use super::pull::Fetching;
use super::push::{Sending, each_file};
use super::watch::Watch;
use crate::cli::CliError;
use crate::cli::args;
use crate::client::{ClientError, Listing, Place, Server, remove_file};
use crate::domain::Address;

/// Files that are deleted before the folder is listed anew: their names are held in memory, since
/// what is deleted while it is listed shifts the pages.
const MAX_HELD: usize = 100_000;

/// Runs the command.
pub fn run(args: &args::Sync) -> Result<ExitCode, CliError> {
    let server = args.transfer.connect()?;
    let watch = Watch::new(args.transfer.telling());
    if args.down {
        let fetching = Fetching {
            server: &server,
            transfer: &args.transfer,
            overwrite: true,
            watch: &watch,
        };
        let place = Place {
            is_folder: true,
            ..args.place.clone()
        };
        fetching.run(&[place], &folder(args))?;
        return Ok(watch.finish("fetched"));
    }
    if !args.dir.is_dir() {
        let dir = args.dir.display();
        return Err(CliError::Usage(format!("{dir} is no folder")));
    }
    let sending = Sending {
        server: &server,
        transfer: &args.transfer,
        blocks: &args.blocks,
        overwrite: true,
        watch: &watch,
    };
    sending.run(
        |give| each_file(&args.dir, &watch, give),
        |name| args.place.below(name),
    );
    // What could not be read here is not known to be gone.
    if args.delete && watch.is_clean() {
        delete(args, &server, &watch);
    }
    Ok(watch.finish("sent"))
}

/// The folder here, written so that it is one.
fn folder(args: &args::Sync) -> std::path::PathBuf {
    args.dir.join("")
}

/// Deletes what is there and not here.
fn delete(args: &args::Sync, server: &Server, watch: &Watch) {
    loop {
        let gone = match gone(args, server) {
            Ok(gone) => gone,
            Err(error) => return watch.failed(&args.place.to_string(), &error),
        };
        let is_all = gone.len() < MAX_HELD;
        for address in &gone {
            match remove_file(server, args.transfer.persistence(), address) {
                Ok(true) => watch.deleted(),
                Ok(false) => {}
                Err(error) => watch.failed(&address.to_string(), &error),
            }
            if watch.is_given_up() {
                return;
            }
        }
        if is_all || !watch.is_clean() {
            return;
        }
    }
}

/// Files that are there and not here, not all of too many.
fn gone(args: &args::Sync, server: &Server) -> Result<Vec<Address>, ClientError> {
    let mut gone = Vec::new();
    let persistence = args.transfer.persistence();
    for listed in Listing::new(server, persistence, &args.place.address, true) {
        let (name, address, _) = listed?;
        let here = args.dir.join(&name);
        // Only what is known not to be here: not what cannot be looked at.
        match std::fs::symlink_metadata(&here) {
            Err(error) if is_missing(&error) => gone.push(address),
            Err(error) => {
                let action = format!("reading {}", here.display());
                return Err(ClientError::io(action)(error));
            }
            Ok(_) => {}
        }
        if gone.len() == MAX_HELD {
            break;
        }
    }
    Ok(gone)
}

/// A folder on the way may be missing, too, or be a file.
fn is_missing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}
