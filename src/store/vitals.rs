//! What is known of a store at once, without walking anything.

use super::core::Store;
use super::open::Access;
use super::verify::ScrubStats;

/// How a store is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Length of the pack file.
    pub pack_bytes: u64,
    /// Bytes of disk that the pack file takes, where that is known.
    pub pack_allocated_bytes: Option<u64>,
    /// Length of the index file.
    pub index_bytes: u64,
    /// Bytes free on the file system of the pack, where that is known.
    pub free_bytes: Option<u64>,
    /// It takes changes.
    pub is_writable: bool,
    /// Damaged chunks that are known and have no intact copy.
    pub lacking_chunks: u64,
    /// Damaged places of the log that were found when it was opened.
    pub damaged_records: u64,
    /// Where scrubbing is, if the store is scrubbed.
    pub scrub: Option<ScrubStats>,
}

impl Store {
    /// How the store is. Asks the file system, but reads nothing.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        let core = &self.core;
        Vitals {
            pack_bytes: core.pack.end(),
            pack_allocated_bytes: core.pack.allocated().ok(),
            index_bytes: core.place.size(),
            free_bytes: core.pack.free(),
            is_writable: self.writable().is_ok(),
            lacking_chunks: core.damaged.lock().all().len() as u64,
            damaged_records: self.report.corrupt.len() as u64,
            scrub: core.scrub.lock().clone(),
        }
    }

    /// Whether it was opened for reading only, because that was wanted.
    #[must_use]
    pub fn is_for_reading(&self) -> bool {
        self.core.options.access == Access::ReadOnly
    }
}
