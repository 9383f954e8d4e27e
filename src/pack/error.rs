//! What can go wrong with the pack file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::format::FormatError;
use crate::format::scan::ScanError;

/// Errors of the pack floor.
#[derive(Debug, Error)]
pub enum PackError {
    /// The medium failed.
    #[error("{action} at offset {offset}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where in the pack.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file system has no room; nothing was written.
    #[error("no space left for {bytes} more bytes at offset {offset}")]
    Full {
        /// Where in the pack.
        offset: u64,
        /// What was to be written.
        bytes: u64,
    },
    /// An earlier failure forbids writing until the store is opened again.
    #[error("the store refuses writes until it is opened again: {0}")]
    Poisoned(String),
    /// Another pack has its name now: it is read on, and never written again.
    #[error("the store was compacted meanwhile, and its pack is another file now")]
    Replaced,
    /// Opened for reading only, or with damage that writing could bury.
    #[error("the store is open for reading only: {0}")]
    ReadOnly(&'static str),
    /// Somebody else has the pack.
    #[error("{path} is in use by {holder}")]
    Locked {
        /// The pack.
        path: PathBuf,
        /// Who, as far as the system tells.
        holder: String,
    },
    /// The file could not be opened or created.
    #[error("{action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are not what they should be.
    #[error("at offset {offset}: {source}")]
    Format {
        /// Where in the pack.
        offset: u64,
        /// What is wrong.
        source: FormatError,
    },
    /// The log cannot be scanned.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

impl PackError {
    /// Whether the file system was full: the one failure after which writing goes on.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}
