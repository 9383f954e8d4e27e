//! A change that waits for the committer.

use std::time::Instant;

use super::StoreError;
use crate::format::meta::{MAX_MUTATION_BYTES, Mutation, NodeId};
use crate::index::Rows;
use crate::metrics;

/// Bytes of mutations that one change may have; a commit is digested as a whole.
const MAX_CHANGE_BYTES: usize = 32 << 20;

/// What became of a change: the outer error is the store's, the inner one is the change's own
/// refusal.
pub type Outcome<T, E> = Result<Result<T, E>, StoreError>;

/// Gives out node ids.
pub struct Ids {
    next: u64,
}

impl Ids {
    pub(super) fn from(next: u64) -> Self {
        Self { next }
    }

    /// An id that no node ever had.
    pub fn fresh(&mut self) -> NodeId {
        let id = NodeId(self.next);
        self.next += 1;
        id
    }

    /// The first of `count` ids in a row that no node ever had. Whatever numbers nodes by itself
    /// when it is applied must reserve them: other changes of the same group go on behind them.
    pub fn reserve(&mut self, count: u64) -> NodeId {
        let first = NodeId(self.next);
        self.next = self.next.saturating_add(count);
        first
    }
}

/// Whether a mutation only makes space free, and so may use the reserve of a full disk.
pub(super) fn only_frees(mutation: &Mutation) -> bool {
    // Every kind is named, so that nobody can add one and forget this.
    match mutation {
        Mutation::NodeDelete(_)
        | Mutation::FolderSweep(_)
        | Mutation::RepoDelete(_)
        | Mutation::ProjectDelete(_)
        | Mutation::SessionDelete(_)
        | Mutation::TokenDelete(_)
        | Mutation::UserDelete(_)
        | Mutation::PackageDelete(_)
        | Mutation::AccessTokenDelete(_)
        | Mutation::AccessKeyDelete(_)
        | Mutation::Freed(_) => true,
        Mutation::ProjectPut(_)
        | Mutation::RepoPut(_)
        | Mutation::NodePut(_)
        | Mutation::BlobPut(_)
        | Mutation::UserPut(_)
        | Mutation::Relocated(_)
        | Mutation::NodeMove(_)
        | Mutation::TreeCopy(_)
        | Mutation::SessionPut(_)
        | Mutation::SessionTouch(_)
        | Mutation::BlockPut(_)
        | Mutation::TokenPut(_)
        | Mutation::GrantPut(_)
        | Mutation::PackagePut(_)
        | Mutation::AccessTokenPut(_)
        | Mutation::AccessKeyPut(_)
        | Mutation::QuotaPut(_) => false,
    }
}

/// Whether mutations of these lengths in bytes are too much for one change, or one of them by itself.
fn is_too_large(lengths: impl Iterator<Item = usize>) -> bool {
    let (sum, longest) = lengths.fold((0, 0), |(sum, max), n| (sum + n, n.max(max)));
    sum > MAX_CHANGE_BYTES || longest > MAX_MUTATION_BYTES
}

/// A change, whatever it gives and however it refuses itself.
pub(super) trait Job: Send {
    /// Decides; no mutations when the change refuses itself. May be asked again, when the group
    /// that it was in could not be written.
    fn check(&mut self, rows: &dyn Rows, ids: &mut Ids) -> Vec<Mutation>;
    /// Records whose freed bytes are punched: a change of the index alone.
    fn punched(&self) -> &[u64] {
        &[]
    }
    /// Tells what became of it.
    fn done(self: Box<Self>, result: Result<(), StoreError>);
}

/// See [`super::Store::submit`].
pub(super) struct Change<C, D, T, E> {
    pub(super) check: C,
    pub(super) done: D,
    pub(super) decision: Decision<T, E>,
    pub(super) pending: Pending,
}

/// Counts a change until it is acknowledged, and then how long that took.
pub(super) struct Pending {
    since: Instant,
    _entered: metrics::Entered,
}

impl Pending {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            _entered: metrics::PENDING_COMMITS.enter(),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        metrics::COMMIT_DURATION.observe(self.since.elapsed());
    }
}

/// What a change said of itself.
pub(super) enum Decision<T, E> {
    None,
    Made(T),
    Refused(E),
    TooLarge,
}

impl<C, D, T, E> Job for Change<C, D, T, E>
where
    C: FnMut(&dyn Rows, &mut Ids) -> Result<(Vec<Mutation>, T), E> + Send,
    D: FnOnce(Outcome<T, E>) + Send,
    T: Send,
    E: Send,
{
    fn check(&mut self, rows: &dyn Rows, ids: &mut Ids) -> Vec<Mutation> {
        let (mutations, value) = match (self.check)(rows, ids) {
            Ok(made) => made,
            Err(refusal) => {
                self.decision = Decision::Refused(refusal);
                return Vec::new();
            }
        };
        if is_too_large(mutations.iter().map(Mutation::encoded_len)) {
            self.decision = Decision::TooLarge;
            return Vec::new();
        }
        self.decision = Decision::Made(value);
        mutations
    }

    fn done(self: Box<Self>, result: Result<(), StoreError>) {
        // A failed group comes before a refusal: it may rest on what the group would have changed.
        let Self {
            check,
            done,
            decision,
            pending,
        } = *self;
        // What it held for the change is let go before anybody hears of it.
        drop((check, pending));
        let outcome = result.and_then(|()| match decision {
            Decision::Made(value) => Ok(Ok(value)),
            Decision::Refused(refusal) => Ok(Err(refusal)),
            Decision::TooLarge => Err(StoreError::Refused("the change is too large".to_owned())),
            Decision::None => Err(StoreError::Closed),
        });
        done(outcome);
    }
}

/// Freed bytes of these records are punched, and that is durable.
pub(super) struct Punched(pub(super) Vec<u64>);

impl Job for Punched {
    fn check(&mut self, _: &dyn Rows, _: &mut Ids) -> Vec<Mutation> {
        Vec::new()
    }

    fn punched(&self) -> &[u64] {
        &self.0
    }

    fn done(self: Box<Self>, result: Result<(), StoreError>) {
        if let Err(error) = result {
            tracing::debug!(%error, "punched holes are not noted, and will be punched again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::meta::{TokenDelete, User};

    #[test]
    fn a_delete_frees_and_what_is_put_does_not() {
        let delete = TokenDelete {
            secret_sha256: [0; 32],
        };
        assert!(only_frees(&Mutation::TokenDelete(delete)));
        let put = User {
            name: "somebody".to_owned(),
            password_phc: String::new(),
            admin: false,
            created_ms: 7,
        };
        assert!(!only_frees(&Mutation::UserPut(put)));
    }

    #[test]
    fn a_change_is_too_large_as_a_whole_or_for_one_of_its_mutations() {
        let longest = MAX_MUTATION_BYTES;
        let rest = MAX_CHANGE_BYTES - longest;
        let fitting: [&[usize]; 4] = [&[], &[longest], &[longest, rest], &[1, rest - 1, longest]];
        for lengths in fitting {
            assert!(!is_too_large(lengths.iter().copied()), "{lengths:?}");
        }
        let too_large: [&[usize]; 3] = [&[longest + 1], &[1, longest + 1, 1], &[longest, rest, 1]];
        for lengths in too_large {
            assert!(is_too_large(lengths.iter().copied()), "{lengths:?}");
        }
    }
}
