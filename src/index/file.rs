//! The index as a real file, on a disk that may be full.
//!
//! redb grows its file by doubling its length, and writes into what is then a hole, at a checkpoint.
//! A write that finds no room there fails the database for good. So room is really allocated when the
//! file grows. Where there is none, the file grows all the same: what is new stays in memory, and
//! no checkpoint is made until there is room for all of it ([`Room::make`]). The index needs no
//! durability of its own, so nothing but time at the next opening is lost.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// The file, as redb sees it.
#[derive(Debug)]
pub(super) struct IndexFile {
    inner: FileBackend,
    room: Room,
}

/// Room on the disk for the whole file.
#[derive(Debug, Clone)]
pub(super) struct Room {
    file: Arc<File>,
    /// Some of the file may be a hole.
    sparse: Arc<AtomicBool>,
}

impl IndexFile {
    pub(super) fn new(file: File) -> io::Result<(Self, Room)> {
        let room = Room {
            file: Arc::new(file.try_clone()?),
            sparse: Arc::new(AtomicBool::new(true)),
        };
        let inner = FileBackend::new(file).map_err(|error| match error {
            DatabaseError::Storage(redb::StorageError::Io(error)) => error,
            other => io::Error::other(other),
        })?;
        let own = room.clone();
        Ok((Self { inner, room: own }, room))
    }
}

impl Room {
    /// Gets blocks for all of the file; false while the disk is too full.
    pub(super) fn make(&self) -> bool {
        if !self.sparse.load(Ordering::Relaxed) {
            return true;
        }
        let made = match self.file.metadata() {
            Ok(found) if found.len() > 0 => self.allocate(0, found.len()),
            _ => true,
        };
        self.sparse.store(!made, Ordering::Relaxed);
        made
    }

    /// False only if the disk is full; a file system that cannot promise is used without.
    fn allocate(&self, from: u64, upto: u64) -> bool {
        let len = upto.saturating_sub(from);
        let done = rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, from, len);
        !matches!(done, Err(Errno::NOSPC | Errno::DQUOT))
    }
}

impl StorageBackend for IndexFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let before = self.inner.len()?;
        if len > before && !self.room.allocate(before, len) {
            self.room.sparse.store(true, Ordering::Relaxed);
        }
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
