//! What became of a group of changes that could not be committed.

use super::StoreError;
use crate::index::IndexError;
use crate::pack::PackError;

/// Why a group failed, and on which side of the commit record.
#[derive(Debug, thiserror::Error)]
pub(super) enum GroupError {
    /// Writes are forbidden, and nothing was written.
    #[error(transparent)]
    Refused(PackError),
    /// The pack failed while the commit was written or synced.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The index failed, and nothing was written to the pack.
    #[error(transparent)]
    Before(IndexError),
    /// The index failed, and the pack may hold the commit.
    #[error(transparent)]
    After(IndexError),
    #[error("the store is closed")]
    Closed,
}

impl GroupError {
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Pack(error) if error.is_full())
    }
}

/// A group's failure, to be told to each of its changes.
pub(super) enum Failure {
    Full,
    Replaced,
    Refused(String),
    InDoubt(String),
    /// The index failed and is to be replaced.
    Index(String, Doubt),
}

/// Whether the pack may hold the commit of a failed group.
#[derive(Clone, Copy)]
pub(super) enum Doubt {
    None,
    Some,
}

impl Failure {
    pub(super) fn of(error: GroupError) -> Self {
        match error {
            GroupError::Pack(error) if error.is_full() => Self::Full,
            // Found before anything was written.
            GroupError::Pack(PackError::Replaced) | GroupError::Refused(PackError::Replaced) => {
                Self::Replaced
            }
            // The sync failed, or the write did and could perhaps not be taken back: the commit
            // may or may not be on the disk.
            GroupError::Pack(error) => Self::InDoubt(error.to_string()),
            GroupError::Refused(error) => Self::Refused(error.to_string()),
            GroupError::Before(error) => Self::Index(error.to_string(), Doubt::None),
            GroupError::After(error) => Self::Index(error.to_string(), Doubt::Some),
            GroupError::Closed => Self::Refused(error.to_string()),
        }
    }

    pub(super) fn error(&self) -> StoreError {
        match self {
            Self::Full => StoreError::Full,
            Self::Replaced => StoreError::Replaced,
            Self::Refused(why) | Self::Index(why, Doubt::None) => StoreError::Refused(why.clone()),
            Self::InDoubt(why) | Self::Index(why, Doubt::Some) => StoreError::InDoubt(why.clone()),
        }
    }
}
