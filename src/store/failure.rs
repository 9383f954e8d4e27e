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

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> PackError {
        PackError::Full {
            offset: 5,
            bytes: 7,
        }
    }

    fn index() -> IndexError {
        IndexError::Damaged { table: "meta" }
    }

    fn io() -> PackError {
        PackError::Io {
            action: "writing",
            offset: 5,
            source: std::io::Error::other("no"),
        }
    }

    fn poisoned() -> PackError {
        PackError::Poisoned("why".to_owned())
    }

    // Only then are those changes tried again that free space.
    #[test]
    fn a_group_is_full_when_its_commit_found_no_room() {
        assert!(GroupError::from(full()).is_full());
        let others = [
            GroupError::Refused(full()),
            GroupError::Refused(PackError::ReadOnly("why")),
            GroupError::Pack(io()),
            GroupError::Pack(PackError::Replaced),
            GroupError::Before(index()),
            GroupError::After(index()),
            GroupError::Closed,
        ];
        for error in others {
            assert!(!error.is_full(), "{error:?}");
        }
    }

    /// What each change of a group is told, and whether the index is to be replaced.
    fn told(error: GroupError) -> (StoreError, bool) {
        let failure = Failure::of(error);
        (failure.error(), matches!(failure, Failure::Index(..)))
    }

    #[test]
    fn a_group_of_which_nothing_was_written_is_refused() {
        for (error, replaces) in [
            (GroupError::Refused(poisoned()), false),
            (GroupError::Refused(full()), false),
            (GroupError::Closed, false),
            (GroupError::Before(index()), true),
        ] {
            let text = error.to_string();
            let (told, is_index) = told(error);
            assert_eq!(is_index, replaces, "{told:?}");
            let is_refused = matches!(&told, StoreError::Refused(why) if *why == text);
            assert!(is_refused, "{told:?}");
        }
    }

    #[test]
    fn a_group_that_may_have_been_written_is_in_doubt() {
        for (error, replaces) in [
            (GroupError::Pack(io()), false),
            (GroupError::Pack(poisoned()), false),
            (GroupError::Pack(PackError::ReadOnly("why")), false),
            (GroupError::After(index()), true),
        ] {
            let text = error.to_string();
            let (told, is_index) = told(error);
            assert_eq!(is_index, replaces, "{told:?}");
            let is_in_doubt = matches!(&told, StoreError::InDoubt(why) if *why == text);
            assert!(is_in_doubt, "{told:?}");
        }
    }

    #[test]
    fn a_full_disk_and_another_pack_are_told_as_such() {
        let full = told(GroupError::Pack(full()));
        assert!(matches!(full, (StoreError::Full, false)), "{full:?}");
        for error in [
            GroupError::Pack(PackError::Replaced),
            GroupError::Refused(PackError::Replaced),
        ] {
            let replaced = told(error);
            let is_told = matches!(replaced, (StoreError::Replaced, false));
            assert!(is_told, "{replaced:?}");
        }
    }
}
