//! `packhold push`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::sessions;
use super::watch::Watch;
use crate::cli::CliError;
use crate::cli::args::{self, BlockArgs, TransferArgs};
use crate::client::{ClientError, Found, Gate, Push, Server, Walk, crew, push};
use crate::domain::Address;

/// A file on its way.
struct Job {
    path: PathBuf,
    to: Address,
    bytes: u64,
}

/// Runs the command.
pub fn run(args: &args::Push) -> Result<ExitCode, CliError> {
    let server = args.transfer.connect()?;
    let watch = Watch::new(args.transfer.telling());
    let is_single = matches!(&args.sources[..], [one] if !one.is_dir());
    let produce = |give: &mut dyn FnMut(&Path, &str, u64)| {
        for source in &args.sources {
            each_file(source, &watch, give);
        }
    };
    let place = |name: &str| match is_single && !args.place.is_folder {
        true => Ok(args.place.address.clone()),
        false => args.place.below(name),
    };
    let sending = Sending {
        server: &server,
        transfer: &args.transfer,
        blocks: &args.blocks,
        overwrite: args.overwrite,
        watch: &watch,
    };
    sending.run(produce, place);
    Ok(watch.finish("sent"))
}

/// Files that go to a server.
pub struct Sending<'a> {
    pub server: &'a Server,
    pub transfer: &'a TransferArgs,
    pub blocks: &'a BlockArgs,
    pub overwrite: bool,
    pub watch: &'a Watch,
}

impl Sending<'_> {
    /// Sends what `produce` finds, each to where `place` says.
    pub fn run(
        &self,
        produce: impl FnOnce(&mut dyn FnMut(&Path, &str, u64)),
        place: impl Fn(&str) -> Result<Address, ClientError>,
    ) {
        let threads = self.transfer.threads();
        let (gate, sessions) = (Gate::new(threads), sessions());
        let with = Push {
            server: self.server,
            persistence: self.transfer.persistence(),
            gate: &gate,
            threads,
            block_bytes: self.blocks.block_size,
            overwrite: self.overwrite,
            sessions: &sessions,
            observer: self.watch,
        };
        let watch = self.watch;
        let produce = |give: &mut dyn FnMut(Job)| {
            produce(&mut |path, name, bytes| {
                if watch.is_given_up() {
                    return;
                }
                match place(name) {
                    Ok(to) => {
                        watch.found(bytes);
                        let path = path.to_owned();
                        give(Job { path, to, bytes });
                    }
                    Err(error) => watch.failed(&path.display().to_string(), &error),
                }
            });
        };
        crew(threads, produce, |job| {
            if !watch.is_given_up() {
                let outcome = push(&with, &job.path, &job.to);
                watch.ended(&job.to.to_string(), job.bytes, outcome);
            }
        });
    }
}

/// The files that a source stands for: itself, or what is below it. A link that was named is meant.
pub fn each_file(source: &Path, watch: &Watch, give: &mut dyn FnMut(&Path, &str, u64)) {
    let shown = || source.display().to_string();
    let about = match std::fs::metadata(source) {
        Ok(about) => about,
        Err(error) => return watch.fault(&shown(), &error),
    };
    if !about.is_dir() {
        return match source.file_name().and_then(|name| name.to_str()) {
            Some(name) => give(source, name, about.len()),
            None => watch.fault(&shown(), &"the name is not UTF-8"),
        };
    }
    let walk = match Walk::new(source) {
        Ok(walk) => walk,
        Err(error) => return watch.fault(&shown(), &error),
    };
    for found in walk {
        match found {
            Ok(Found::File { path, name, bytes }) => give(&path, &name, bytes),
            Ok(Found::Other(path)) => {
                watch.passed_over(&path.display().to_string(), "neither file nor folder");
            }
            Err(error) => watch.fault(&shown(), &error),
        }
        if watch.is_given_up() {
            return;
        }
    }
}
