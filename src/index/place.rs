//! Where an index lives.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError};

use super::IndexError;
use super::file::{IndexFile, Room};

/// Where the index lives.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// In memory, for as long as it is open.
    Memory,
    /// Elsewhere: the seam at which tests put a simulated medium with faults.
    Shelf(Arc<dyn Shelf>),
}

/// Something that keeps the bytes of one index.
pub trait Shelf: Debug + Send + Sync {
    /// Opens what is there, or begins anew: `builder.create_with_backend(…)`.
    ///
    /// # Errors
    /// Whatever redb says.
    fn database(&self, builder: &Builder) -> Result<Database, DatabaseError>;

    /// Takes away what is there, if anything is.
    ///
    /// # Errors
    /// Any.
    fn remove(&self) -> std::io::Result<()>;

    /// Bytes that it takes.
    fn size(&self) -> u64;

    /// Whether a checkpoint would find room for all of it.
    fn has_room(&self) -> bool {
        true
    }
}

/// What can say whether a checkpoint would find room.
pub(super) enum Keeper {
    File(Room),
    Memory,
    Shelf(Arc<dyn Shelf>),
}

impl Keeper {
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::File(room) => room.make(),
            Self::Memory => true,
            Self::Shelf(shelf) => shelf.has_room(),
        }
    }
}

impl Place {
    /// Opens the database that is there, or makes an empty one.
    pub(super) fn database(&self, cache_bytes: usize) -> Result<(Database, Keeper), IndexError> {
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes);
        match self {
            Self::Memory => {
                let database = builder.create_with_backend(InMemoryBackend::new())?;
                Ok((database, Keeper::Memory))
            }
            Self::Shelf(shelf) => Ok((shelf.database(&builder)?, Keeper::Shelf(Arc::clone(shelf)))),
            Self::File(path) => {
                let (file, room) = open_file(path).map_err(redb::StorageError::from)?;
                Ok((builder.create_with_backend(file)?, Keeper::File(room)))
            }
        }
    }

    /// Deletes the index, if it is there.
    ///
    /// # Errors
    /// [`IndexError::Database`] with the I/O error.
    pub fn remove(&self) -> Result<(), IndexError> {
        let removed = match self {
            Self::Memory => Ok(()),
            Self::Shelf(shelf) => shelf.remove(),
            Self::File(path) => std::fs::remove_file(path),
        };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(DatabaseError::from(redb::StorageError::from(error)).into())
            }
            _ => Ok(()),
        }
    }

    /// Where a second index can be made beside this one.
    #[must_use]
    pub fn beside(&self) -> Self {
        match self {
            Self::File(path) => Self::File(path.with_extension("index.verify")),
            Self::Memory | Self::Shelf(_) => Self::Memory,
        }
    }

    /// A new file beside the index that has no name, and ends when it is closed.
    pub(super) fn nameless(&self) -> std::io::Result<File> {
        let Self::File(index) = self else {
            return Err(std::io::ErrorKind::Unsupported.into());
        };
        let path = index.with_extension("index.sort");
        let file = open_new(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }

    /// Bytes of disk that it takes; 0 in memory.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::File(path) => std::fs::metadata(path).map_or(0, |m| m.len()),
            Self::Memory => 0,
            Self::Shelf(shelf) => shelf.size(),
        }
    }
}

fn open_new(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).mode(0o600);
    match options.clone().create_new(true).open(path) {
        // What a process left that was killed between two system calls.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            options.create_new(true).open(path)
        }
        other => other,
    }
}

fn open_file(path: &Path) -> std::io::Result<(IndexFile, Room)> {
    // It holds password hashes: for its owner only, like the pack.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    IndexFile::new(file)
}
