//! Random programs against a store and a `BTreeMap`: what one holds, the other must.
//!
//! A program is read from bytes, four a step, so that proptest and a fuzzer drive the same thing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;
use packhold::digest::Wanted;
use packhold::domain::DomainError;
use packhold::domain::nodes::Way;
use packhold::domain::packages::{Fields, PackageError};
use packhold::format::header::HEADER_BYTES;
use packhold::index::{Field, Place};
use packhold::store::{GcOptions, GcReport, Store};

use super::client::{Client, Clock, fields, new_sim, options, rewritten, upload};
use super::crash;
use super::log::copies_let_go;
use super::noise::{Noise, noise};
use super::sim::{Call, Failure, Sim};
use super::tree::{Path, Tree, parse, text};

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
    /// Moves or copies a node to another's place, or into it.
    Transfer(Way, u8, u8, bool),
    /// Gives a node another path.
    Rename(u8, u8),
    /// Deletes a node and all below it.
    RemoveAll(u8),
    /// Makes a folder.
    Folder(u8),
    /// Forgets some nodes of deleted folders.
    Sweep(u8),
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
            let (node, name, a, b) = (word[1], word[1] % 8, word[2], word[3]);
            match word[0] % 34 {
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
                25 => Step::Compact,
                26..=27 => Step::Transfer(Way::Move, node, a, b % 2 == 1),
                28..=29 => Step::Transfer(Way::Copy, node, a, b % 2 == 1),
                30 => Step::Rename(node, a),
                31 => Step::RemoveAll(node),
                32 => Step::Folder(node),
                _ => Step::Sweep(a % 4 + 1),
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

#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    bytes: Rc<Vec<u8>>,
    expires_ms: Option<u64>,
}

/// The store, what it should hold, and the world around it.
struct World {
    tree: Tree<File>,
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
        tree: Tree::default(),
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

/// Copies of folders would double without end.
const MAX_NODES: usize = 40;

/// Where the file of a name goes.
fn place(name: u8) -> Path {
    match name % 3 {
        0 => parse(&format!("/{name}")),
        _ => parse(&format!("/folder{}/{name}", name % 3)),
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
                let Some(file) = self.tree.file(&place(of)) else {
                    return;
                };
                let mut bytes = file.bytes.to_vec();
                if changed {
                    bytes.insert(bytes.len() / 3, name);
                }
                self.put(name, bytes, None);
            }
            Step::PutForADay(name, seed) => self.put(name, noise(u64::from(seed), 2_000), Some(1)),
            Step::Delete(name) => {
                let path = place(name);
                let deleted = self.client().try_delete(&text(&path));
                assert_eq!(deleted.is_ok(), self.tree.delete(&path), "{deleted:?}");
            }
            Step::Abandon(seed) => {
                let mut ingest = self.client().store.ingest(Wanted::Md5);
                let bytes = Bytes::from(noise(u64::from(seed) + 1_000, 300_000));
                ingest.push(&bytes).expect("there is room");
            }
            Step::Wait(quarters) => {
                self.clock.advance(u64::from(quarters) * DAY_MS / 4);
                let now_ms = self.clock.now_ms();
                let is_live = |file: &File| file.expires_ms.is_none_or(|at| at > now_ms);
                self.tree.retain_files(is_live);
            }
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
                if let Some(file) = self.tree.file(&place(of)) {
                    self.add(package(name), file.bytes.to_vec());
                }
            }
            Step::Remove(name) => self.remove(package(name)),
            Step::Gc => self.gc(),
            Step::Compact => self.compact(),
            Step::Transfer(way, from, to, overwrite) => {
                let to = match to % 4 {
                    0 => Path::new(),
                    _ => self.node(to / 4),
                };
                let from = self.node(from);
                let after = self.tree.transferred(&from, &to, overwrite, way);
                if after.as_ref().is_some_and(|after| after.len() > MAX_NODES) {
                    return;
                }
                let done = self
                    .client()
                    .try_transfer(&text(&from), &text(&to), overwrite, way);
                self.becomes(after, &done);
            }
            Step::Rename(from, to) => {
                let (from, to) = (self.node(from), self.node(to));
                let after = self.tree.renamed(&from, &to);
                let done = self.client().try_rename(&text(&from), &text(&to));
                self.becomes(after, &done);
            }
            Step::RemoveAll(node) => {
                let path = self.node(node);
                if let Ok(removed) = self.client().try_remove_all(&text(&path)) {
                    assert_eq!(removed.files, self.tree.remove(&path));
                } else {
                    assert_eq!(self.tree.len(), 0, "there is no repository");
                }
            }
            Step::Folder(node) => {
                let path = self.node(node);
                let made = self.client().try_make_folder(&text(&path));
                assert_eq!(made.is_ok(), self.tree.make_folder(&path), "{made:?}");
            }
            Step::Sweep(count) => drop(self.client().sweep(count.into())),
        }
        self.compare();
    }

    /// One of the paths that there are; or one where nothing is, mostly.
    fn node(&self, number: u8) -> Path {
        let number = usize::from(number) % (self.tree.len() + 4);
        match self.tree.path(number) {
            Some(path) => path.clone(),
            None => {
                parse(["/new", "/folder1/new", "/folder2", "/new/deep"][number - self.tree.len()])
            }
        }
    }

    /// A change was let in exactly if the model lets it in.
    fn becomes(&mut self, after: Option<Tree<File>>, done: &Result<(), DomainError>) {
        assert_eq!(done.is_ok(), after.is_some(), "{done:?}");
        self.tree = after.unwrap_or_else(|| std::mem::take(&mut self.tree));
    }

    fn put(&mut self, name: u8, bytes: Vec<u8>, expires_days: Option<u64>) {
        let path = place(name);
        let mut upload = upload(&text(&path));
        upload.expires_days = expires_days.unwrap_or(0);
        let sent = self.client().send(upload, &bytes, 70_000);
        let expires_ms = match &sent {
            Ok(stored) => stored.file.node.expires_ms,
            Err(_) => None,
        };
        assert_eq!(expires_ms.is_some(), sent.is_ok() && expires_days.is_some());
        let bytes = Rc::new(bytes);
        let may = self.tree.put(&path, File { bytes, expires_ms });
        assert_eq!(sent.is_ok(), may, "{sent:?}");
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

    /// Nothing is in use, so all that is not needed is given back. A chunk that could not be read when it
    /// was uploaded again has a copy, which goes the time after the chunk.
    fn gc(&self) {
        let run = |dry_run| {
            let options = GcOptions {
                dry_run,
                window_bytes: 60_000,
                batch_chunks: 10,
                ..GcOptions::default()
            };
            let report = self.client().store.gc(&options);
            report.expect("it can be done")
        };
        let freed = |of: &GcReport| (of.blobs, of.chunks, of.freed_bytes, of.manifests);
        let before = copies_let_go(&self.sim.image());
        let (would, done) = (run(true), run(false));
        assert!(done.complete && done.held_bytes == 0, "{done:?}");
        assert_eq!(freed(&would), freed(&done));
        let copies = copies_let_go(&self.sim.image()) - before;
        let mut last = run(false);
        if copies > 0 {
            assert_eq!((last.blobs, last.manifests), (0, 0));
            assert!(last.chunks <= copies, "{last:?}, {copies} copies");
            last = run(false);
        }
        assert_eq!(freed(&last), (0, 0, 0, 0));
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
        let path = place(name);
        let put = self.client().try_put(&text(&path), &bytes);
        self.sim.mend();
        self.kill(how);
        let mut after = self.tree.clone();
        let file = File {
            bytes: Rc::new(bytes),
            expires_ms: None,
        };
        let may = after.put(&path, file.clone());
        assert!(may || put.is_err());
        let found = || self.client().get(&text(&path));
        if may && (put.is_ok() || found().as_ref() == Some(&*file.bytes)) {
            self.tree = after;
        }
    }

    fn compare(&self) {
        let client = self.client();
        let found = client.tree(|found| File {
            bytes: Rc::new(client.get(&found.path).expect("it is listed")),
            expires_ms: found.node.expires_ms,
        });
        assert!(found == self.tree, "{:?}", differences(&found, &self.tree));
        for name in 0..8 {
            let path = place(name);
            let is_there = self.tree.file(&path).is_some();
            assert_eq!(client.get(&text(&path)).is_some(), is_there);
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

/// Paths that are not in both, or not the same.
fn differences<'t>(one: &'t Tree<File>, other: &'t Tree<File>) -> Vec<&'t Path> {
    let differs = |tree: &'t Tree<File>, from: &'t Tree<File>| {
        let nodes = tree.iter();
        nodes.filter(|node| !from.iter().any(|other| other == *node))
    };
    let paths = differs(one, other).chain(differs(other, one));
    paths.map(|(path, _)| path).collect()
}
