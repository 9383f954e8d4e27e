//! The work of a process that will be killed. What it does is a function of the seed and a number, so
//! that who kills it knows what must be there without being told.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use bytes::Bytes;

use crate::cli::CliError;
use crate::domain::quota::Usage;
use crate::domain::{self, Address, Declared, DomainError, MayCreate, Upload};
use crate::store::{Options, Store};

/// Threads that work at once; each has names of its own, so that what it does is in order.
pub const LANES: u64 = 4;
/// Names that a lane has.
const NAMES: u64 = 6;
/// Numbers that a process may use up.
pub const SPAN: u64 = 1 << 20;

/// One change: a name, and its bytes afterwards.
pub struct Change {
    /// The path of the file.
    pub path: String,
    /// What it holds then; nothing after a delete.
    pub bytes: Option<Vec<u8>>,
}

/// Numbers that look random and are the same for the same seed: xorshift64*.
pub struct Choice(u64);

impl Choice {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64, number: u64) -> Self {
        let mixed = (seed ^ number.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut choice = Self(mixed | 1);
        // What neighbours have in common is gone after a few steps.
        for _ in 0..4 {
            choice.next();
        }
        choice
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        let words = (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        let mut bytes: Vec<u8> = words.collect();
        bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        bytes
    }
}

/// All paths of all lanes.
pub fn paths() -> impl Iterator<Item = String> {
    (0..LANES).flat_map(|lane| (0..NAMES).map(move |name| path(lane, name)))
}

fn path(lane: u64, name: u64) -> String {
    format!("/lane{lane}/file{name}")
}

/// The change of a number; the lane that makes it is `number % LANES`.
pub fn change(seed: u64, number: u64) -> Change {
    let mut choice = Choice::new(seed, number);
    let path = path(number % LANES, choice.below(NAMES));
    if choice.below(6) == 0 {
        return Change { path, bytes: None };
    }
    let len = match choice.below(8) {
        0 => 0,
        1..=4 => choice.below(4 << 10),
        5 | 6 => choice.below(60 << 10),
        _ => choice.below(600 << 10),
    };
    // Some of it is what others have, too: chunks are shared with files that come and go.
    let mut bytes = Choice::new(seed, choice.below(5)).bytes(len / 2);
    bytes.extend(choice.bytes(len - len / 2));
    let bytes = Some(bytes);
    Change { path, bytes }
}

/// Where a file of the test lies.
pub fn address(path: &str) -> Result<Address, DomainError> {
    Address::new("selftest", "files", path)
}

/// Works until it is killed. Each number is told when it is begun, and when it is durable, with the
/// length of the pack then.
pub fn run(path: &Path, seed: u64, from: u64) -> Result<(), CliError> {
    let store = Store::open(path, Options::default())?;
    let store = &store;
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| scope.spawn(move || lane_works(store, path, seed, from + lane)))
            .collect();
        for lane in lanes {
            lane.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    })
}

fn lane_works(store: &Store, pack: &Path, seed: u64, first: u64) -> Result<(), CliError> {
    let tell = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(CliError::io("telling what was done"))
    };
    for number in (first..first + SPAN).step_by(usize::try_from(LANES).unwrap_or(1)) {
        let change = change(seed, number);
        tell(format!("begun {number}"))?;
        make(store, &change)?;
        let found = std::fs::metadata(pack).map_err(CliError::io("asking for the length"))?;
        tell(format!("done {number} {}", found.len()))?;
    }
    Ok(())
}

fn make(store: &Store, change: &Change) -> Result<(), DomainError> {
    let address = address(&change.path)?;
    let (sender, receiver) = sync_channel(1);
    let Some(bytes) = &change.bytes else {
        domain::delete(store, address, move |made| {
            // The receiver waits below for as long as this closure exists.
            let _waited_for = sender.send(made);
        });
        return match receiver.recv() {
            Ok(Err(DomainError::NotFound(_) | DomainError::NoRepository { .. })) => Ok(()),
            Ok(other) => other,
            Err(_) => Err(crate::store::StoreError::Closed.into()),
        };
    };
    let upload = Upload {
        address,
        overwrite: true,
        expires_days: 0,
        metadata: Vec::new(),
        declared: Declared::default(),
        precondition: Arc::new(|_| true),
        by: "selftest".to_owned(),
        may_create: MayCreate::Project,
        permit: None,
        max_bytes: None,
    };
    let mut ingest = domain::begin(store, &upload, Some(bytes.len() as u64))?;
    for piece in bytes.chunks(128 << 10) {
        ingest.push(&Bytes::copy_from_slice(piece))?;
    }
    let (usage, ingested) = (Usage::default(), ingest.finish()?);
    domain::finish(store, &usage, upload, ingested, move |stored| {
        let _waited_for = sender.send(stored.map(|_| ()));
    });
    match receiver.recv() {
        Ok(stored) => stored,
        Err(_) => Err(crate::store::StoreError::Closed.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_the_same_for_the_same_seed_and_lanes_share_no_name() {
        let mut seen = std::collections::BTreeMap::new();
        for number in 0..200 {
            let (one, two) = (change(7, number), change(7, number));
            assert_eq!((&one.path, &one.bytes), (&two.path, &two.bytes));
            assert!(paths().any(|path| path == one.path));
            let lane = *seen.entry(one.path).or_insert(number % LANES);
            assert_eq!(lane, number % LANES);
        }
        assert!(seen.len() > 20, "{seen:?}");
        assert_ne!(change(7, 3).bytes, change(8, 3).bytes);
    }
}
