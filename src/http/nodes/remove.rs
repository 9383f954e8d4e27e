//! Deleting nodes with all that is below them.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Serialize;
use warp::reply::Response;

use super::super::app::{App, blocking};
use super::super::auth::{admit, authenticate};
use super::super::error::ApiError;
use super::super::json::{list, wrong};
use super::super::request::{Body, Request};
use super::super::view::{local_time, success};
use super::{at, change};
use crate::domain::auth::{Action, Principal};
use crate::domain::nodes::{self, Removed};
use crate::domain::path::NodePath;
use crate::domain::{Address, DomainError};

/// Paths that one request may delete.
const MAX_PATHS: usize = 10_000;

/// What was deleted; folders do not count.
#[derive(Serialize)]
struct Deleted {
    #[serde(rename = "deletedNumber")]
    files: u64,
    #[serde(rename = "deletedSize")]
    bytes: u64,
    #[serde(rename = "deletedTime")]
    time: String,
}

impl Deleted {
    fn of(removed: Removed, zone: &TimeZone) -> Self {
        Self {
            files: removed.files,
            bytes: removed.bytes,
            time: local_time(removed.at_ms, zone),
        }
    }
}

async fn remove(
    app: &Arc<App>,
    request: &Request,
    principal: Principal,
    repo: Address,
    paths: Vec<NodePath>,
) -> Result<Response, ApiError> {
    let actions = vec![(Action::Delete, repo.clone())];
    let removed = change(app, principal, actions, move |store, _, done| {
        nodes::remove(store, &repo, paths, done);
    })
    .await?;
    app.to_sweep.notify_one();
    let deleted = Deleted::of(removed, &app.config.zone);
    Ok(success(&request.trace, Some(deleted)))
}

/// Deletes a file, or a folder with all that is in it; where nothing is, nothing.
///
/// # Errors
/// [`ApiError`]; the root is 250112.
pub async fn one(app: Arc<App>, request: Request, address: Address) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let paths = vec![address.path.clone()];
    remove(&app, &request, principal, address, paths).await
}

/// The paths in a body.
async fn paths(body: &mut Body) -> Result<Vec<NodePath>, ApiError> {
    let (texts, _memory) = list(body).await?;
    if texts.is_empty() {
        return Err(ApiError::Empty("fullPaths"));
    }
    if texts.len() > MAX_PATHS {
        return Err(wrong("fullPaths", "a list of at most 10,000 paths"));
    }
    let mut paths = Vec::with_capacity(texts.len());
    for text in &texts {
        let text = text.as_str();
        let text = text.ok_or_else(|| wrong("fullPaths", "a list of texts"))?;
        paths.push(NodePath::parse(text).map_err(DomainError::from)?);
    }
    Ok(paths)
}

/// Deletes several paths of a repository, all of them at once.
///
/// # Errors
/// [`ApiError`].
pub async fn several(
    app: Arc<App>,
    request: Request,
    repo: Address,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let principal = admit(&app, &request, Action::Delete, &repo).await?;
    let paths = paths(body).await?;
    request.note.subjects(&paths);
    remove(&app, &request, principal, repo, paths).await
}

/// How many files deleting several paths would delete.
///
/// # Errors
/// [`ApiError`].
pub async fn count(
    app: Arc<App>,
    request: Request,
    repo: Address,
    body: &mut Body,
) -> Result<Response, ApiError> {
    admit(&app, &request, Action::Delete, &repo).await?;
    let paths = paths(body).await?;
    blocking(move || {
        let rows = app.store.rows()?;
        let mut files = 0;
        for path in nodes::tops(paths) {
            let address = at(&repo, &path.to_string())?;
            match nodes::measure(&rows, &address, app.store.now_ms()) {
                Ok(found) => files += found.files,
                Err(DomainError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(success(&request.trace, Some(files)))
    })
    .await
}
