//! `packhold pull`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::watch::Watch;
use crate::cli::CliError;
use crate::cli::args::{self, TransferArgs};
use crate::client::{
    ClientError, Dest, Listing, Place, Pull, RemoteFile, Server, crew, node, pull,
};

/// A file on its way.
struct Job {
    file: RemoteFile,
    /// Below the destination.
    name: String,
}

/// Where files go.
struct Target {
    dest: PathBuf,
    /// The name of the only file, if it gets one of its own.
    rename: Option<String>,
}

/// Runs the command.
pub fn run(args: &args::Pull) -> Result<ExitCode, CliError> {
    let (places, dest) = match &args.places[..] {
        [place] => (std::slice::from_ref(place), "."),
        [places @ .., dest] => (places, dest.as_str()),
        [] => return Err(CliError::Usage("what is to be fetched?".to_owned())),
    };
    let read = |text: &String| {
        let place = text.parse::<Place>();
        place.map_err(|why| CliError::Usage(format!("{text}: {why}")))
    };
    let places = places.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let server = args.transfer.connect()?;
    let watch = Watch::new(args.transfer.telling());
    let fetching = Fetching {
        server: &server,
        transfer: &args.transfer,
        overwrite: args.overwrite,
        watch: &watch,
    };
    fetching.run(&places, Path::new(dest))?;
    Ok(watch.finish("fetched"))
}

/// Files that come from a server.
pub struct Fetching<'a> {
    pub server: &'a Server,
    pub transfer: &'a TransferArgs,
    pub overwrite: bool,
    pub watch: &'a Watch,
}

impl Fetching<'_> {
    /// Fetches files and what is below folders.
    pub fn run(&self, places: &[Place], dest: &Path) -> Result<(), CliError> {
        let persistence = self.transfer.persistence();
        let mut found = Vec::new();
        for place in places {
            // Only places that were typed are held, not what is below them.
            match node(self.server, persistence, &place.address) {
                Ok(Some(node)) => found.push((place, node)),
                Ok(None) => self.watch.fault(&place.to_string(), &"is not there"),
                Err(error) => self.watch.failed(&place.to_string(), &error),
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let is_single = matches!(&found[..], [(_, node)] if places.len() == 1 && !node.folder);
        let target = target(dest, is_single);
        let dest = Dest::open(&target.dest)?;
        let with = Pull {
            server: self.server,
            persistence,
            overwrite: self.overwrite,
            observer: self.watch,
        };
        let produce = |give: &mut dyn FnMut(Job)| {
            for (place, node) in &found {
                if !node.folder {
                    let name = place.address.path.name().unwrap_or_default();
                    let name = target.rename.as_deref().unwrap_or(name);
                    self.give(give, node.file(place.address.clone()), name.to_owned());
                    continue;
                }
                for listed in Listing::new(self.server, persistence, &place.address, true) {
                    match listed {
                        Ok((name, address, node)) => self.give(give, node.file(address), name),
                        Err(error) => self.watch.failed(&place.to_string(), &error),
                    }
                    if self.watch.is_given_up() {
                        return;
                    }
                }
            }
        };
        crew(self.transfer.threads(), produce, |job: Job| {
            if self.watch.is_given_up() {
                return;
            }
            let names: Vec<&str> = job.name.split('/').collect();
            let outcome = dest
                .spot(&names)
                .and_then(|spot| pull(&with, &job.file, &spot));
            self.watch.ended(&job.name, job.file.size, outcome);
        });
        Ok(())
    }

    fn give(&self, give: &mut dyn FnMut(Job), file: Result<RemoteFile, ClientError>, name: String) {
        match file {
            Ok(file) => {
                self.watch.found(file.size);
                give(Job { file, name });
            }
            Err(error) => self.watch.failed(&name, &error),
        }
    }
}

/// A single file gets the name that was typed, unless a folder was typed.
fn target(dest: &Path, is_single: bool) -> Target {
    let text = dest.as_os_str().as_encoded_bytes();
    let is_folder = dest.is_dir() || text.ends_with(b"/");
    let name = dest.file_name().and_then(|name| name.to_str());
    match name.filter(|_| is_single && !is_folder) {
        Some(name) => Target {
            dest: dest.parent().map(Path::to_owned).unwrap_or_default(),
            rename: Some(name.to_owned()),
        },
        None => Target {
            dest: dest.to_owned(),
            rename: None,
        },
    }
}
