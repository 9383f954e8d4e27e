//! `packhold import` and `export`: files into and out of a closed store.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use bytes::Bytes;

use super::push::each_file;
use super::watch::{Telling, Watch};
use crate::cli::CliError;
use crate::cli::args::{self, LocalArgs};
use crate::cli::serve::options;
use crate::client::{ClientError, Dest, Observer, Outcome, crew, files};
use crate::digest::{Hasher, Wanted};
use crate::domain::quota::Usage;
use crate::domain::{self, Address, Declared, DomainError, Leaf, MayCreate, Stored, Tree, Upload};
use crate::format::Sha256;
use crate::format::meta::NodeKind;
use crate::index::Rows;
use crate::store::{Access, Store, StoreError};

/// Who the files are of.
const USER: &str = "admin";
/// Bytes taken in at once.
const PIECE_BYTES: u64 = 1 << 20;

fn open(args: &LocalArgs, access: Access) -> Result<Store, CliError> {
    let path = &args.store.store;
    Ok(Store::open(path, options(&args.store, access))?)
}

/// Runs `packhold import`.
pub fn import(args: &args::Import) -> Result<ExitCode, CliError> {
    if !args.dir.is_dir() {
        let dir = args.dir.display();
        return Err(CliError::Usage(format!("{dir} is no folder")));
    }
    let store = open(&args.local, Access::Create)?;
    let watch = Watch::new(Telling::of(args.local.quiet, args.local.json));
    let importing = Importing {
        store: &store,
        usage: Usage::default(),
        overwrite: args.local.overwrite,
        watch: &watch,
    };
    let produce = |give: &mut dyn FnMut((PathBuf, Address, u64))| {
        each_file(
            &args.dir,
            &watch,
            &mut |path: &Path, name, bytes| match args.place.below(name) {
                Ok(to) => {
                    watch.found(bytes);
                    give((path.to_owned(), to, bytes));
                }
                Err(error) => watch.fault(name, &error),
            },
        );
    };
    crew(
        usize::from(args.local.jobs),
        produce,
        |(path, to, bytes)| {
            if !watch.is_given_up() {
                let outcome = importing.file(&path, &to, bytes);
                watch.settled(&to.to_string(), bytes, outcome);
            }
        },
    );
    drop(importing);
    store.close();
    Ok(watch.finish("imported"))
}

struct Importing<'a> {
    store: &'a Store,
    usage: Usage,
    overwrite: bool,
    watch: &'a Watch,
}

impl Importing<'_> {
    fn file(&self, path: &Path, to: &Address, bytes: u64) -> Result<Outcome, CliError> {
        let there = {
            let rows = self.store.rows()?;
            match domain::file(&rows, to, self.store.now_ms()) {
                Ok(there) => there,
                Err(DomainError::NoRepository { .. } | DomainError::NotFound(_)) => None,
                Err(error) => return Err(error.into()),
            }
        };
        let (mut file, len) = files::open(path)?;
        if let Some(there) = there {
            let same = there.blob.size == len
                && files::digest(path, &file, len, Wanted::Sha256Only)?.sha256 == there.blob.sha256;
            match (same, self.overwrite) {
                (true, _) => return Ok(Outcome::Present),
                (false, false) => return Err(ClientError::Exists(to.to_string()).into()),
                (false, true) => {}
            }
        }
        let upload = Upload {
            address: to.clone(),
            overwrite: self.overwrite,
            expires_days: 0,
            metadata: Vec::new(),
            declared: Declared::default(),
            precondition: Arc::new(|_| true),
            by: USER.to_owned(),
            may_create: MayCreate::Project,
            permit: None,
            max_bytes: None,
        };
        let mut ingest = domain::begin(self.store, &upload, Some(bytes))?;
        loop {
            let mut piece = Vec::new();
            let read = (&mut file).take(PIECE_BYTES).read_to_end(&mut piece);
            let failed = || CliError::io(format!("reading {}", path.display()));
            if read.map_err(failed())? == 0 {
                break;
            }
            let len = piece.len() as u64;
            ingest.push(&Bytes::from(piece))?;
            self.watch.moved(len);
        }
        let ingested = ingest.finish()?;
        let finish = || {
            let (sender, receiver) = sync_channel(1);
            let done = move |stored: Result<Stored, DomainError>| {
                // Whoever waits does so until it hears this.
                let _heard = sender.send(stored);
            };
            let (upload, ingested) = (upload.clone(), ingested.clone());
            domain::finish(self.store, &self.usage, upload, ingested, done);
            receiver.recv().unwrap_or(Err(StoreError::Closed.into()))
        };
        match finish() {
            // It did not fit by what was known; perhaps it does by what is measured.
            Err(DomainError::Quota(excess)) => {
                self.usage.measure(self.store, to, &excess)?;
                finish()?;
            }
            stored => drop(stored?),
        }
        Ok(Outcome::Moved)
    }
}

/// Runs `packhold export`.
pub fn export(args: &args::Export) -> Result<ExitCode, CliError> {
    let store = open(&args.local, Access::ReadOnly)?;
    let address = &args.place.address;
    let watch = Watch::new(Telling::of(args.local.quiet, args.local.json));
    let rows = store.rows()?;
    let folder = domain::folder(&rows, address, store.now_ms())?;
    let dest = Dest::open(&args.dir)?;
    let exporting = Exporting {
        store: &store,
        dest: &dest,
        overwrite: args.local.overwrite,
        watch: &watch,
    };
    let mut failure = None;
    let produce = |give: &mut dyn FnMut((String, Sha256, u64))| {
        let mut tree = Tree::files(folder);
        loop {
            match tree.next(&rows, store.now_ms()) {
                Ok(Some(Leaf::File(name, node))) => {
                    if let NodeKind::File { sha256, size } = node.kind {
                        watch.found(size);
                        give((name, sha256, size));
                    }
                }
                Ok(Some(Leaf::EmptyFolder(_))) => {}
                Ok(None) => return,
                Err(error) => {
                    failure = Some(error);
                    return;
                }
            }
        }
    };
    crew(
        usize::from(args.local.jobs),
        produce,
        |(name, sha256, size)| {
            let outcome = exporting.file(&name, &sha256, size);
            watch.settled(&name, size, outcome);
        },
    );
    drop(rows);
    store.close();
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(watch.finish("exported")),
    }
}

struct Exporting<'a> {
    store: &'a Store,
    dest: &'a Dest,
    overwrite: bool,
    watch: &'a Watch,
}

impl Exporting<'_> {
    fn file(&self, name: &str, sha256: &Sha256, size: u64) -> Result<Outcome, CliError> {
        let names: Vec<&str> = name.split('/').collect();
        let spot = self.dest.spot(&names)?;
        if let Some((there, len)) = spot.there()? {
            let same = len == size
                && files::digest(spot.shown(), &there, len, Wanted::Sha256Only)?.sha256 == *sha256;
            match (same, self.overwrite) {
                (true, _) => return Ok(Outcome::Present),
                (false, false) => {
                    let shown = spot.shown().display().to_string();
                    return Err(ClientError::Exists(shown).into());
                }
                (false, true) => {}
            }
        }
        let missing = || StoreError::WrongBytes(format!("content {}", hex::encode(sha256)));
        let blob = self.store.rows()?.blob(sha256).map_err(DomainError::from)?;
        let blob = blob.ok_or_else(missing)?;
        let mut reader = self.store.read(&blob, 0..size);
        let mut partial = spot.partial(sha256)?;
        let failed = || CliError::io(format!("writing {}", spot.shown().display()));
        partial.empty().map_err(failed())?;
        let mut hasher = Hasher::new(Wanted::Sha256Only);
        while reader.remaining() > 0 {
            for bytes in reader.next_window()? {
                partial.file.write_all(&bytes).map_err(failed())?;
                hasher.update(&bytes);
                self.watch.moved(bytes.len() as u64);
            }
        }
        if hasher.finish().sha256 != *sha256 {
            spot.drop_partial(&partial);
            return Err(missing().into());
        }
        spot.put(&partial, self.overwrite)?;
        Ok(Outcome::Moved)
    }
}
