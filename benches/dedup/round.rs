//! One family through one program: release by release, then all again, then one back.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use ::packhold::format::header::Chunking;

use crate::casync;
use crate::families::{Family, Release};
use crate::packhold::{self, Server};
use crate::peers::{Peer, Work};
use crate::process::{self, Cost};

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    /// All releases, one behind the other.
    pub first: Cost,
    /// All of them again, under other names.
    pub again: Cost,
    /// Bytes of all its files after the first time, and after the second.
    pub stored: u64,
    pub stored_again: u64,
    /// Of that: what the chunks would take without compression, where it is known.
    pub chunks: Option<u64>,
}

/// One release under one of two names.
fn steps(family: &Family, again: bool) -> impl Iterator<Item = (&Release, &Path, String)> {
    family.releases.iter().map(move |release| match again {
        false => (release, release.path.as_path(), release.name.clone()),
        true => (
            release,
            release.again.as_path(),
            format!("again-{}", release.name),
        ),
    })
}

/// What earlier programs left to be written is not the next one's.
fn settle() {
    // Where there is no such command, its figures are a bit worse.
    let _status = Command::new("sync").status();
}

/// The work folder of a round: what is stored in `repo`, the rest beside it.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        settle();
        let dir = tempfile::tempdir().expect("a temporary folder");
        for name in ["repo", "home"] {
            fs::create_dir(dir.path().join(name)).expect("a folder");
        }
        Self(dir)
    }

    pub fn at(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Runs a command, whose output does not matter.
    fn run(&self, command: &mut Command) -> Result<Cost, String> {
        process::run(command, Stdio::null(), &self.at("log"))
    }

    /// Fails unless what was restored is the release.
    fn check(&self, release: &Release) {
        let (is, should) = (fs::read(self.at("out")), fs::read(&release.path));
        let same = is.expect("what was restored") == should.expect("the release");
        assert!(same, "{} comes back as it was", release.name);
    }
}

/// Lengths of all files below a folder.
fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).expect("a folder").flatten();
    let sizes = entries.map(|entry| match entry.file_type().expect("a type") {
        kind if kind.is_dir() => size(&entry.path()),
        _ => entry.metadata().expect("a size").len(),
    });
    sizes.sum()
}

/// Another program.
pub fn peer(peer: &Peer, family: &Family) -> Result<Round, String> {
    let scratch = Scratch::new();
    let (repo, home) = (scratch.at("repo"), scratch.at("home"));
    let work = Work {
        repo: &repo,
        home: &home,
    };
    if let Some(mut init) = peer.init(&work) {
        scratch.run(&mut init)?;
    }
    let mut round = Round::default();
    for (_, path, name) in steps(family, false) {
        let cost = scratch.run(&mut peer.store(&work, path, &name))?;
        round.first = round.first.and(cost);
    }
    round.stored = size(&repo);
    if peer.name == "casync" {
        round.chunks = Some(casync::chunk_bytes(&repo));
    }
    for (_, path, name) in steps(family, true) {
        let cost = scratch.run(&mut peer.store(&work, path, &name))?;
        round.again = round.again.and(cost);
    }
    round.stored_again = size(&repo);
    if let Some((release, path, name)) = steps(family, true).last() {
        let out = scratch.at("out");
        let mut restore = peer.restore(&work, path, &name, &out);
        let stdout = File::create(scratch.at("stdout")).map_err(|e| e.to_string())?;
        process::run(&mut restore, stdout.into(), &scratch.at("log"))?;
        if !out.exists() {
            fs::rename(scratch.at("stdout"), &out).map_err(|e| e.to_string())?;
        }
        scratch.check(release);
    }
    Ok(round)
}

/// packhold as a process for each release; a second time only if `twice`.
pub fn engine(family: &Family, chunking: &Chunking, twice: bool) -> Round {
    let scratch = Scratch::new();
    let repo = scratch.at("repo");
    let pack = packhold::pack(&repo);
    let mut round = Round::default();
    for (_, path, name) in steps(family, false) {
        let mut command = packhold::put_command(&pack, path, &name, chunking);
        round.first = round
            .first
            .and(scratch.run(&mut command).expect("it works"));
    }
    round.stored = size(&repo);
    round.chunks = Some(packhold::chunk_bytes(&pack));
    if twice {
        for (_, path, name) in steps(family, true) {
            let mut command = packhold::put_command(&pack, path, &name, chunking);
            round.again = round
                .again
                .and(scratch.run(&mut command).expect("it works"));
        }
        round.stored_again = size(&repo);
    }
    if let Some((release, _, name)) = steps(family, twice).last() {
        let mut get = packhold::get_command(&pack, &name, &scratch.at("out"));
        scratch.run(&mut get).expect("it works");
        scratch.check(release);
    }
    round
}

/// packhold as a server; the second time with or without the digest that clients declare.
pub fn server(family: &Family, declared: bool) -> Round {
    let scratch = Scratch::new();
    let repo = scratch.at("repo");
    let pack = packhold::pack(&repo);
    let mut round = Round::default();
    let server = Server::start(&pack, &scratch.at("log"));
    for (_, path, name) in steps(family, false) {
        round.first = round.first.and(server.put(path, &name, None));
    }
    server.stop();
    round.stored = size(&repo);
    let server = Server::start(&pack, &scratch.at("log"));
    for (_, path, name) in steps(family, true) {
        let digest = declared.then(|| {
            let bytes = fs::read(path).expect("a release");
            hex::encode(::packhold::digest::sha256(&bytes))
        });
        let cost = server.put(path, &name, digest.as_deref());
        round.again = round.again.and(cost);
    }
    if let Some((release, _, name)) = steps(family, true).last() {
        server.get(&name, &scratch.at("out"));
        scratch.check(release);
    }
    server.stop();
    round.stored_again = size(&repo);
    round.chunks = Some(packhold::chunk_bytes(&pack));
    round
}
