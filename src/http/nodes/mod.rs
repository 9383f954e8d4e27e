//! `/repository/api/node/...` and `/repository/api/metadata/...` (observed page, 5). A node that is
//! missing is a 400 here, not a 404: clients know that from upstream.

pub mod metadata;
pub mod read;
mod records;
pub mod remove;
mod rules;
pub mod search;
pub mod write;

use std::sync::Arc;

use super::app::{App, Done, blocking, waiting};
use super::auth::{authorize, may_create};
use super::error::ApiError;
use crate::domain::auth::{Action, Principal};
use crate::domain::path::NodePath;
use crate::domain::{Address, DomainError, MayCreate};
use crate::store::Store;

/// A node that is asked about and is not there is the client's mistake.
fn asked(error: DomainError) -> ApiError {
    match error {
        DomainError::NotFound(path) => ApiError::NoNode(path),
        error => error.into(),
    }
}

/// Checks that `principal` may do all of `actions`, then makes a change and waits for it. The change
/// hears what it may create of what the last of the addresses lies in.
async fn change<T: Send + 'static>(
    app: &Arc<App>,
    principal: Principal,
    actions: Vec<(Action, Address)>,
    begin: impl FnOnce(&Store, MayCreate, Done<T>) + Send + 'static,
) -> Result<T, ApiError> {
    let (done, outcome) = waiting();
    let app = Arc::clone(app);
    blocking(move || {
        let creates = {
            let rows = app.store.rows()?;
            let mut creates = MayCreate::Nothing;
            for (action, address) in &actions {
                authorize(&rows, &principal, *action, address)?;
                creates = may_create(&app, &rows, &principal, address)?;
            }
            creates
        };
        begin(&app.store, creates, done);
        Ok(())
    })
    .await?;
    outcome.await.map_err(|error| match error {
        ApiError::Domain(error) => asked(error),
        error => error,
    })
}

/// The address of a repository with a path from elsewhere.
fn at(repo: &Address, path: &str) -> Result<Address, ApiError> {
    let path = NodePath::parse(path).map_err(DomainError::from)?;
    Ok(Address {
        path,
        ..repo.clone()
    })
}
