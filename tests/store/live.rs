//! A store in real files that rot while it is open.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use packhold::store::Store;
use tempfile::TempDir;

use crate::support::client::{Client, Clock, options};

/// An open store.
pub struct Live {
    /// The store.
    pub client: Client,
    /// Its time.
    pub clock: Clock,
    folder: TempDir,
}

impl Live {
    /// A new one.
    pub fn new() -> Self {
        Self::at(tempfile::tempdir().expect("a folder"), Clock::at(1_000))
    }

    fn at(folder: TempDir, clock: Clock) -> Self {
        let store = Store::open(&folder.path().join("pack"), options(&clock)).expect("a store");
        Self {
            client: Client { store },
            clock,
            folder,
        }
    }

    /// Closed, and opened again.
    pub fn reopened(self) -> Self {
        self.client.store.close();
        let Self {
            client,
            clock,
            folder,
        } = self;
        drop(client);
        Self::at(folder, clock)
    }

    /// The pack file.
    pub fn pack(&self) -> PathBuf {
        self.file("pack")
    }

    /// A file beside it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Flips one bit of the pack where it holds `bytes`.
    pub fn flip(&self, bytes: &[u8]) {
        let pack = std::fs::read(self.pack()).expect("the pack");
        let at = pack.windows(bytes.len()).position(|window| window == bytes);
        self.flip_at(at.expect("the pack holds these bytes") as u64);
    }

    /// Flips one bit of a byte of the pack.
    pub fn flip_at(&self, at: u64) {
        flip(&self.pack(), at);
    }
}

/// Flips one bit of a byte of a file.
pub fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.expect("the file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("the byte");
    file.write_all_at(&[byte[0] ^ 1], at)
        .expect("it is written");
}
