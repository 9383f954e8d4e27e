//! What can go wrong with the index. All of it is mended by deleting the index file.

use thiserror::Error;

use crate::format::FormatError;

/// Errors of the index floor.
#[derive(Debug, Error)]
pub enum IndexError {
    /// The database failed.
    #[error("index: {0}")]
    Database(Box<redb::Error>),
    /// A row fails its checksum.
    #[error("index: a row of table {table} is damaged; delete the index file to rebuild it")]
    Damaged {
        /// The table.
        table: &'static str,
    },
    /// The database panicked, as it does when it follows a damaged page.
    #[error("index: a page is damaged; `packhold reindex` builds the index anew")]
    Panicked,
    /// A row does not decode.
    #[error("index: {0}")]
    Format(#[from] FormatError),
}

impl IndexError {
    /// Whether the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            Self::Database(error) => match error.as_ref() {
                redb::Error::Io(error) => matches!(error.kind(), StorageFull | QuotaExceeded),
                _ => false,
            },
            Self::Damaged { .. } | Self::Panicked | Self::Format(_) => false,
        }
    }

    /// Whether what is stored is damaged, as opposed to a failure of the moment.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Database(error) => matches!(error.as_ref(), redb::Error::Corrupted(_)),
            Self::Damaged { .. } | Self::Panicked | Self::Format(_) => true,
        }
    }

    /// Whether somebody still has the database open.
    pub(super) fn is_held(&self) -> bool {
        match self {
            Self::Database(error) => matches!(error.as_ref(), redb::Error::DatabaseAlreadyOpen),
            _ => false,
        }
    }
}

macro_rules! from_redb {
    ($($error:ty),+) => {$(
        impl From<$error> for IndexError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        }
    )+};
}

from_redb!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::CursorError,
    redb::SetDurabilityError
);
