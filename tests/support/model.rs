//! Random programs against a store and a `BTreeMap`: what one holds, the other must.
//!
//! A program is read from bytes, four a step, so that proptest and a fuzzer drive the same thing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use packhold::digest::Wanted;
use packhold::domain::DomainError;
use packhold::domain::packages::{Fields, PackageError};
use packhold::format::header::HEADER_BYTES;
use packhold::index::{Field, Place};
use packhold::store::{GcOptions, Store};

use super::client::{Client, Clock, fields, new_sim, options, rewritten, upload};
use super::crash;
use super::noise::{Noise, noise};
use super::sim::{Call, Failure, Sim};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// One step of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Puts bytes of a seed.
    Put(u8, Size, u8),
    /// Puts what another name holds, with or without a change in it.
    Copy(u8, u8, bool),
    /// Puts a file that expires after a day.
    PutForADay(u8, u8),
    /// Deletes.
    Delete(u8),
    /// Takes in bytes and drops them.
    Abandon(u8),
    /// Lets so many quarters of a day pass.
    Wait(u8),
    /// Closes and opens again.
    Reopen,
    /// Closes and opens again without the index.
    Rebuild,
    /// Pulls the plug; the seed says what of the pending writes reached the disk.
    Kill(u8),
    /// Puts while the disk fails in some way; then the plug is pulled.
    Fail(u8, u8),
    /// Verifies.
    Verify,
    /// Takes in a package with bytes of a seed.
    Add(u8, Size, u8),
    /// Takes in a package with what a file holds.
    AddFile(u8, u8),
    /// Deletes a package.
    Remove(u8),
    /// Gives space back; first it is only told how much.
    Gc,
    /// Rewrites the pack into another, and goes on with that.
    Compact,
}

/// How large a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// No bytes.
    Empty,
    /// Up to 255.
    Small(u8),
    /// An inline manifest.
    Middle,
    /// Several manifest pages.
    Large,
}

/// Reads a program, four bytes a step.
pub fn program(bytes: &[u8]) -> Vec<Step> {
    bytes
        .chunks_exact(4)
        .map(|word| {
            let (name, a, b) = (word[1] % 8, word[2], word[3]);
            match word[0] % 26 {
                0..=3 => Step::Put(name, size(a), b),
                4..=5 => Step::Copy(name, a % 8, b % 2 == 1),
                6 => Step::PutForADay(name, a),
                7..=8 => Step::Delete(name),
                9 => Step::Abandon(a),
                10 => Step::Wait(a % 5),
                11 => Step::Reopen,
                12 => Step::Rebuild,
                13..=14 => Step::Kill(a),
                15 => Step::Verify,
                16..=17 => Step::Add(name, size(a), b),
                18 => Step::AddFile(name, a % 8),
                19..=21 => Step::Remove(name),
                22 => Step::Fail(name, a),
                23..=24 => Step::Gc,
                _ => Step::Compact,
            }
        })
        .collect()
}

fn size(byte: u8) -> Size {
    match byte % 8 {
        0 => Size::Empty,
        1..=3 => Size::Small(byte),
        4..=6 => Size::Middle,
        _ => Size::Large,
    }
}

struct File {
    bytes: Vec<u8>,
    expires_ms: Option<u64>,
}

/// The store, what it should hold, and the world around it.
struct World {
    files: BTreeMap<u8, File>,
    /// Id and bytes of each package.
    packages: BTreeMap<u8, (u64, Vec<u8>)>,
    /// The highest id that a package ever had.
    last_id: u64,
    sim: Sim,
    /// What the disk held when `sim` was made.
    start: Vec<u8>,
    clock: Clock,
    dir: tempfile::TempDir,
    indexes: u32,
    client: Option<Client>,
}

/// Runs a program; panics where store and model differ.
pub fn run(program: &[Step]) {
    let sim = new_sim();
    let mut world = World {
        files: BTreeMap::new(),
        packages: BTreeMap::new(),
        last_id: 0,
        start: sim.image(),
        sim,
        clock: Clock::at(1_000_000),
        dir: tempfile::tempdir().expect("a folder"),
        indexes: 0,
        client: None,
    };
    world.open();
    for step in program {
        world.step(*step);
    }
    world.compare();
    world.client().assert_clean();
    world.close();
    world.open();
    world.compare();
}

fn path(name: u8) -> String {
    match name % 3 {
        0 => format!("/{name}"),
        _ => format!("/folder{}/{name}", name % 3),
    }
}

fn bytes_of(size: Size, seed: u8) -> Vec<u8> {
    let len = match size {
        Size::Empty => 0,
        Size::Small(len) => usize::from(len),
        Size::Middle => 3_000 + usize::from(seed) * 20,
        Size::Large => 150_000 + usize::from(seed) * 500,
    };
    noise(u64::from(seed), len)
}

/// Few, so that many are deleted and come again.
fn package(name: u8) -> u8 {
    name % 3
}

fn package_fields(package: u8) -> Fields {
    fields(&format!("package{package}"), "1")
}

impl World {
    fn client(&self) -> &Client {
        self.client.as_ref().expect("it is open")
    }

    fn index(&self) -> PathBuf {
        self.dir.path().join(format!("index{}", self.indexes))
    }

    fn open(&mut self) {
        let medium = self.sim.reopened().medium();
        let place = Place::File(self.index());
        let store = Store::open_on(medium, place, options(&self.clock)).expect("it opens");
        assert!(store.open_report().corrupt.is_empty());
        self.client = Some(Client { store });
    }

    fn close(&mut self) {
        self.client().store.close();
        self.client = None;
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put(name, size, seed) => self.put(name, bytes_of(size, seed), None),
            Step::Copy(name, of, changed) => {
                let Some(file) = self.files.get(&of) else {
                    return;
                };
                let mut bytes = file.bytes.clone();
                if changed {
                    bytes.insert(bytes.len() / 3, name);
                }
                self.put(name, bytes, None);
            }
            Step::PutForADay(name, seed) => self.put(name, noise(u64::from(seed), 2_000), Some(1)),
            Step::Delete(name) => self.delete(name),
            Step::Abandon(seed) => {
                let mut ingest = self.client().store.ingest(Wanted::Md5);
                let bytes = Bytes::from(noise(u64::from(seed) + 1_000, 300_000));
                ingest.push(&bytes).expect("there is room");
            }
            Step::Wait(quarters) => self.clock.advance(u64::from(quarters) * DAY_MS / 4),
            Step::Reopen => {
                self.close();
                self.open();
            }
            Step::Rebuild => {
                self.close();
                std::fs::remove_file(self.index()).expect("it is there");
                self.open();
            }
            Step::Kill(seed) => self.kill(seed),
            Step::Fail(name, how) => self.fail(name, how),
            Step::Verify => self.client().assert_clean(),
            Step::Add(name, size, seed) => self.add(package(name), bytes_of(size, seed)),
            Step::AddFile(name, of) => {
                if let Some(file) = self.files.get(&of) {
                    self.add(package(name), file.bytes.clone());
                }
            }
            Step::Remove(name) => self.remove(package(name)),
            Step::Gc => self.gc(),
            Step::Compact => self.compact(),
        }
        self.compare();
    }

    fn put(&mut self, name: u8, bytes: Vec<u8>, expires_days: Option<u64>) {
        let mut upload = upload(&path(name));
        upload.expires_days = expires_days.unwrap_or(0);
        let sent = self.client().send(upload, &bytes, 70_000);
        let node = sent.expect("the upload succeeds").file.node;
        let expires_ms = node.expires_ms;
        assert_eq!(expires_ms.is_some(), expires_days.is_some());
        self.files.insert(name, File { bytes, expires_ms });
    }

    fn add(&mut self, name: u8, bytes: Vec<u8>) {
        let added = self.client().try_add(package_fields(name), &bytes);
        if self.packages.contains_key(&name) {
            let exists = matches!(added, Err(DomainError::Package(PackageError::Exists(_))));
            assert!(exists, "{added:?}");
            return;
        }
        let id = added.expect("the package comes in").id;
        assert!(id > self.last_id, "{id} was given before");
        self.last_id = id;
        self.packages.insert(name, (id, bytes));
    }

    fn remove(&mut self, name: u8) {
        if let Some((id, _)) = self.packages.remove(&name) {
            self.client().try_remove(id).expect("it is there");
        }
    }

    /// Nothing is in use, so all that is not needed is given back.
    fn gc(&self) {
        let store = &self.client().store;
        let mut options = GcOptions {
            dry_run: true,
            window_bytes: 60_000,
            batch_chunks: 10,
            ..GcOptions::default()
        };
        let would = store.gc(&options).expect("it can be told");
        options.dry_run = false;
        let freed = store.gc(&options).expect("it can be done");
        assert!(freed.complete && freed.held_bytes == 0, "{freed:?}");
        let told = (
            would.blobs,
            would.chunks,
            would.freed_bytes,
            would.manifests,
        );
        let done = (
            freed.blobs,
            freed.chunks,
            freed.freed_bytes,
            freed.manifests,
        );
        assert_eq!(told, done);
        let again = store.gc(&options).expect("it can be done again");
        assert_eq!((again.blobs, again.chunks, again.manifests), (0, 0, 0));
    }

    /// The old pack is closed, and forgotten; nothing of it may be needed any more.
    fn compact(&mut self) {
        self.indexes += 1;
        let place = Place::File(self.index());
        let (sim, report) = rewritten(self.client(), place);
        assert_eq!((report.damaged_chunks, report.healed_chunks), (0, 0));
        self.client = None;
        self.start = sim.image();
        self.start.truncate(HEADER_BYTES);
        self.sim = sim;
        self.open();
        let opened = self.client().store.open_report();
        assert_eq!((opened.rebuilt, opened.replayed_commits), (false, 0));
        self.client().assert_clean();
        let stats = self.client().store.stats().expect("stats");
        assert_eq!(stats.freed_bytes, 0);
    }

    fn is_live(&self, file: &File) -> bool {
        file.expires_ms.is_none_or(|at| at > self.clock.now_ms())
    }

    fn delete(&mut self, name: u8) {
        let is_there = self.files.get(&name).is_some_and(|f| self.is_live(f));
        let deleted = self.client().try_delete(&path(name));
        assert_eq!(deleted.is_ok(), is_there, "{deleted:?}");
        if is_there {
            self.files.remove(&name);
        }
    }

    /// What a kill leaves: of the pack a crash image, of the index the file as it lies there.
    fn kill(&mut self, seed: u8) {
        let log = self.sim.log();
        let image = crash::one(&self.start, &log, &mut Noise::new(u64::from(seed)));
        let before = self.index();
        self.indexes += 1;
        std::fs::copy(before, self.index()).expect("a copy");
        // Closing writes to the old medium, which is gone.
        self.client = None;
        self.start.clone_from(&image);
        self.sim = Sim::of_image(image);
        self.open();
    }

    /// A put on a disk that fails: what was acknowledged is there behind the crash, and what was not is
    /// there whole or not at all.
    fn fail(&mut self, name: u8, how: u8) {
        let call = Call::ALL[usize::from(how % 8).min(Call::ALL.len() - 1)];
        let failure = match how >> 3 & 3 {
            0 => Failure::Io,
            1 => Failure::Full,
            2 => Failure::Short(usize::from(how) * 11),
            _ => Failure::Interrupted,
        };
        self.sim.fail(call, u64::from(how >> 5), failure);
        let bytes = noise(u64::from(how) + 2_000, 5_000);
        let put = self.client().try_put(&path(name), &bytes);
        self.sim.mend();
        self.kill(how);
        let file = File {
            bytes,
            expires_ms: None,
        };
        let found = self.client().get(&path(name));
        if put.is_ok() || found.as_ref() == Some(&file.bytes) {
            self.files.insert(name, file);
        }
    }

    fn compare(&self) {
        for name in 0..8 {
            let file = self.files.get(&name).filter(|f| self.is_live(f));
            let found = self.client().get(&path(name));
            let expected = file.map(|f| &f.bytes);
            assert!(found.as_ref() == expected, "{} differs", path(name));
        }
        for name in 0..3 {
            let file_name = package_fields(name).file_name;
            let found = self.client().try_package(&file_name);
            let found = found.expect("the package is readable");
            let found = found.map(|(package, bytes)| (package.id, bytes));
            let expected = self.packages.get(&name);
            assert!(found.as_ref() == expected, "package {name} differs");
        }
        let mut ids: Vec<u64> = self.packages.values().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        // All have the same kind, so they come by id.
        let found = self.client().package_ids(None, Vec::new(), Field::Kind);
        assert_eq!(found, ids);
    }
}
