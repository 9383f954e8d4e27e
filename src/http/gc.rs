//! Giving space back: when an administrator asks for it, and by itself when enough can be given back.

use std::sync::Arc;

use warp::http::StatusCode;
use warp::reply::Response;

use super::app::{App, Shared, blocking};
use super::error::ApiError;
use super::ops::administrator;
use super::params;
use super::request::Request;
use super::view::json;
use crate::domain::{self, Address, DomainError, Sweeper};
use crate::metrics;
use crate::store::{GcOptions, GcReport, Store};

/// How much of the time a server reclaims, in percent: the rest is for clients.
const SHARE_PERCENT: u32 = 50;

/// `POST /packhold/gc?dry_run=true`: the same document as `packhold gc --json`. Answers when it is done.
///
/// # Errors
/// [`ApiError`].
pub async fn run(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let dry_run = params::query_flag(&request.query, "dry_run");
    let report = blocking(move || Ok(reclaim(&app.store, dry_run)?)).await?;
    Ok(json(StatusCode::OK, &request.trace, &report))
}

fn reclaim(store: &Store, dry_run: bool) -> Result<GcReport, DomainError> {
    if !dry_run {
        // What is gone already but has rows keeps its contents alive.
        let mut sweeper = Sweeper::default();
        while sweeper.sweep(store)? {}
    }
    Ok(store.gc(&GcOptions {
        dry_run,
        share_percent: SHARE_PERCENT,
        ..GcOptions::default()
    })?)
}

/// `GET /packhold/explain/{sha256}`: what refers to a digest, as a content and as a chunk.
///
/// # Errors
/// 400 for what is no sha256 in hex; [`ApiError`].
pub async fn explain(app: Arc<App>, request: Request, digest: &str) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let sha256 = hex::decode(digest).ok().and_then(|d| d.try_into().ok());
    let sha256 = sha256.ok_or(ApiError::Parameter("sha256"))?;
    let explained = blocking(move || Ok(app.store.explain(&sha256)?)).await?;
    Ok(json(StatusCode::OK, &request.trace, &explained))
}

/// `GET /packhold/would-free/{project}/{repo}/{path}`: what deleting the file, the folder or, without a
/// path, the repository would free.
///
/// # Errors
/// [`ApiError`].
pub async fn would_free(
    app: Arc<App>,
    request: Request,
    at: Address,
) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let would = blocking(move || Ok(domain::would_free(&app.store, &at)?)).await?;
    Ok(json(StatusCode::OK, &request.trace, &would))
}

/// Looks every while how much could be given back, if anything changed, and gives it back when it is
/// enough; never ends.
pub async fn background(shared: Arc<Shared>) {
    let mut seen = None;
    loop {
        tokio::time::sleep(shared.config.gc_every).await;
        let commits = metrics::COMMITS.get();
        let app = shared.enter().await;
        if seen == Some(commits) || app.store.writable().is_err() {
            continue;
        }
        let done = blocking(move || {
            let would = reclaim(&app.store, true)?;
            metrics::LIVE_BYTES.set(would.live_bytes);
            metrics::RECLAIMABLE_BYTES.set(would.freed_bytes);
            match app.config.gc_at.is_reached(&would) {
                true => Ok(Some(reclaim(&app.store, false)?)),
                false => Ok(None),
            }
        });
        match done.await {
            Ok(Some(report)) => tracing::info!(?report, "space was given back"),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "no space is given back"),
        }
        seen = Some(commits);
    }
}
