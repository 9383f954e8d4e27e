//! What can go wrong in the store.

use thiserror::Error;

use crate::format::FormatError;
use crate::format::scan::ScanError;
use crate::index::IndexError;
use crate::pack::PackError;

/// Errors of the store floor.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The pack failed.
    #[error(transparent)]
    Pack(PackError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The disk is full; nothing was changed.
    #[error("no space left on the disk of the store")]
    Full,
    /// Writes are refused.
    #[error("{0}")]
    Refused(String),
    /// It is not known whether the change was made; it may appear after a restart.
    #[error("in doubt whether the change was made: {0}")]
    InDoubt(String),
    /// The store was compacted meanwhile: nothing was changed, and its new pack is to be opened.
    #[error("the store was compacted meanwhile")]
    Replaced,
    /// The bytes of a content are not what was stored.
    #[error("stored bytes at pack offset {offset} are damaged: {why}")]
    Damaged {
        /// Where in the pack.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// Bytes that were to mend something are others.
    #[error("the bytes are not those of {0}")]
    WrongBytes(String),
    /// Acknowledged commits are missing from the pack.
    #[error(
        "the index covers the pack up to offset {indexed}, but the pack ends at {end}: \
         acknowledged commits are missing (an older copy of the pack?); \
         `packhold reindex --accept-rollback` goes on with what is there"
    )]
    Rollback {
        /// Where the pack should reach at least.
        indexed: u64,
        /// Where it ends.
        end: u64,
    },
    /// The pack and its index went different ways.
    #[error(
        "the index covers a commit that ends at offset {indexed}, and the pack, whole as it is, has \
         none there: it is a copy with another history, and acknowledged commits are missing from it; \
         `packhold reindex --accept-rollback` goes on with what is there"
    )]
    OtherHistory {
        /// Where the commit that the index covers would end.
        indexed: u64,
    },
    /// There is no store at the path.
    #[error("there is no store at {0}")]
    Missing(std::path::PathBuf),
    /// The moment that was asked for is before the first commit.
    #[error("the store has no commit as old as that")]
    BeforeHistory,
    /// What was being copied broke off.
    #[error("the copy broke off: {0}")]
    BrokenOff(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A thread could not be started, or randomness not be had.
    #[error("{0}")]
    System(String),
}

impl From<PackError> for StoreError {
    /// A full disk is an ordinary day, and has one shape wherever it was met.
    fn from(error: PackError) -> Self {
        match error {
            error if error.is_full() => Self::Full,
            PackError::Replaced => Self::Replaced,
            error => Self::Pack(error),
        }
    }
}

impl From<ScanError> for StoreError {
    fn from(error: ScanError) -> Self {
        Self::Pack(PackError::from(error))
    }
}

impl StoreError {
    /// Damage at a pack offset.
    pub(super) fn damaged(offset: u64, error: &FormatError) -> Self {
        Self::Damaged {
            offset,
            why: error.to_string(),
        }
    }

    /// Whether the store's data is damaged or missing, as opposed to a failure of the moment.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::Rollback { .. }
                | Self::OtherHistory { .. }
                | Self::Pack(PackError::Format { .. })
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io() -> std::io::Error {
        std::io::Error::other("no")
    }

    fn format() -> FormatError {
        FormatError::Checksum { what: "frame" }
    }

    #[test]
    fn what_is_missing_or_not_as_it_was_stored_is_damage() {
        let bytes = PackError::Format {
            offset: 5,
            source: format(),
        };
        let damage = [
            StoreError::damaged(5, &format()),
            StoreError::Rollback { indexed: 2, end: 1 },
            StoreError::OtherHistory { indexed: 2 },
            StoreError::from(bytes),
        ];
        for error in damage {
            assert!(error.is_damage(), "{error:?}");
        }
    }

    #[test]
    fn what_the_store_refuses_is_no_damage() {
        let word = || "a word".to_owned();
        let refusals = [
            StoreError::Full,
            StoreError::Refused(word()),
            StoreError::InDoubt(word()),
            StoreError::Replaced,
            StoreError::WrongBytes(word()),
            StoreError::Missing("nowhere".into()),
            StoreError::BeforeHistory,
            StoreError::BrokenOff(word()),
            StoreError::Closed,
            StoreError::System(word()),
        ];
        for error in refusals {
            assert!(!error.is_damage(), "{error:?}");
        }
    }

    #[test]
    fn what_the_disk_refuses_is_no_damage() {
        let offset = 5;
        let failures = [
            PackError::Poisoned("why".to_owned()),
            PackError::ReadOnly("why"),
            PackError::Locked {
                path: "nowhere".into(),
                holder: "somebody".to_owned(),
            },
            PackError::Io {
                action: "reading",
                offset,
                source: io(),
            },
            PackError::File {
                action: "opening",
                path: "nowhere".into(),
                source: io(),
            },
        ];
        for error in failures.map(StoreError::from) {
            assert!(!error.is_damage(), "{error:?}");
        }
        let scans = [
            ScanError::Read {
                offset,
                source: io(),
            },
            ScanError::Unsupported {
                offset,
                source: format(),
            },
        ];
        for error in scans.map(StoreError::from) {
            assert!(!error.is_damage(), "{error:?}");
        }
    }

    // The index can be had anew: nothing that was stored is lost with it.
    #[test]
    fn a_damaged_index_is_no_damage() {
        let failures = [
            IndexError::Damaged { table: "meta" },
            IndexError::Panicked,
            IndexError::Format(format()),
        ];
        for error in failures.map(StoreError::from) {
            assert!(!error.is_damage(), "{error:?}");
        }
    }

    #[test]
    fn a_full_disk_and_another_pack_have_one_shape() {
        let full = PackError::Full {
            offset: 5,
            bytes: 7,
        };
        assert!(matches!(StoreError::from(full), StoreError::Full));
        let replaced = StoreError::from(PackError::Replaced);
        assert!(matches!(replaced, StoreError::Replaced));
        let other = StoreError::from(PackError::ReadOnly("why"));
        assert!(matches!(
            other,
            StoreError::Pack(PackError::ReadOnly("why"))
        ));
    }
}
