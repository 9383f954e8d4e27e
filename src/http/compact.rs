//! `POST /packhold/compact`: another pack in the place of the one that is served.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use warp::http::StatusCode;
use warp::reply::Response;

use super::app::{App, blocking};
use super::error::ApiError;
use super::ops::administrator;
use super::request::Request;
use super::view::json;
use crate::domain::{DomainError, Sweeper};
use crate::metrics;
use crate::store::{CompactReport, Store, StoreError};

/// The new pack is tried to be opened so often.
const MAX_TRIES: usize = 50;
/// So long apart.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// The same document as `packhold compact --json`. Answers when it is done. Requests go on meanwhile; those
/// that come during the last step wait for it, and those that still run then and change something are
/// refused (503, `Retry-After`).
///
/// # Errors
/// 400 where the pack is no file, 503 where there is no room for another; [`ApiError`].
pub async fn run(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let report = blocking(move || Ok(compact(&app)?)).await?;
    Ok(json(StatusCode::OK, &request.trace, &report))
}

fn compact(app: &App) -> Result<CompactReport, DomainError> {
    let path = app.config.pack.as_deref();
    let path = path.ok_or_else(|| DomainError::Invalid {
        what: "store",
        why: "its pack is no file in whose place another could be put".to_owned(),
    })?;
    // What is gone already but has rows keeps its contents alive.
    let mut sweeper = Sweeper::default();
    while sweeper.sweep(&app.store)? {}
    let mut paused = None;
    let made = app.store.compact(path, || {
        paused = Some(app.current.pause());
    });
    if app.store.is_replaced() {
        // ORDER: before requests are let in again.
        app.current.set(open(&app.store, path)?);
    }
    drop(paused);
    metrics::COMPACTIONS.add(u64::from(made.is_ok()));
    Ok(made?)
}

/// Opens the new pack. Somebody may look into it just now.
fn open(old: &Store, path: &Path) -> Result<Store, StoreError> {
    let mut tries = 0;
    loop {
        match old.reopened(path) {
            Err(error) if tries < MAX_TRIES => {
                tracing::warn!(%error, "the compacted pack cannot be opened yet");
                tries += 1;
                std::thread::sleep(TRY_EVERY);
            }
            opened => return opened,
        }
    }
}
