//! Handing a change to the store.

use super::DomainError;
use crate::format::meta::Mutation;
use crate::index::Rows;
use crate::store::{Ids, Store};

/// Makes a change, in one commit. `done` hears when it is durable and visible, or why it is not:
/// its own refusal, or what the store says.
pub(super) fn submit<T: Send + 'static>(
    store: &Store,
    check: impl FnMut(&dyn Rows, &mut Ids) -> Result<(Vec<Mutation>, T), DomainError> + Send + 'static,
    done: impl FnOnce(Result<T, DomainError>) + Send + 'static,
) {
    store.submit(check, move |outcome| {
        done(outcome.map_err(DomainError::from).and_then(|inner| inner));
    });
}
