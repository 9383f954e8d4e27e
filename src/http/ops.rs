//! `/packhold/stats`, `/healthz`, `/readyz`: operations.

use std::sync::Arc;

use bytes::Bytes;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::app::{App, blocking};
use super::auth::{authenticate, require_admin};
use super::error::ApiError;
use super::params;
use super::request::Request;
use super::view::json;

/// Refuses who is no administrator.
///
/// # Errors
/// [`ApiError::Unauthenticated`], [`ApiError::Forbidden`].
pub async fn administrator(app: &Arc<App>, request: &Request) -> Result<(), ApiError> {
    require_admin(&authenticate(app, request).await?)
}

/// `GET /packhold/stats?dedup=true`: the same document as `packhold stats --dedup --json`.
///
/// # Errors
/// [`ApiError`].
pub async fn stats(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let wants_dedup = params::query_flag(&request.query, "dedup");
    let stats = blocking(move || {
        let mut stats = app.store.stats()?;
        if wants_dedup {
            stats.dedup = Some(app.store.shares()?);
        }
        Ok(stats)
    });
    let stats = stats.await?;
    Ok(json(StatusCode::OK, &request.trace, &stats))
}

/// An answer of plain text.
pub fn plain(text: impl Into<Bytes>, kind: &'static str) -> Response {
    let mut response = Response::new(text.into().into());
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The type of an answer to a probe.
const PLAIN: &str = "text/plain; charset=utf-8";

/// `GET /healthz`: the process answers.
pub fn healthy() -> Response {
    plain("ok\n", PLAIN)
}

/// `GET /readyz`: the store is open, and takes changes, unless it is served for reading only on purpose.
///
/// # Errors
/// 503 when it does not, with the reason.
pub fn ready(app: &App) -> Result<Response, ApiError> {
    if app.store.is_for_reading() {
        return Ok(plain("ready, for reading only\n", PLAIN));
    }
    let writable = app.store.writable();
    writable.map_err(|error| crate::store::StoreError::Refused(error.to_string()))?;
    Ok(plain("ready\n", PLAIN))
}

/// `GET /repository/actuator/info`: bk-job looks here whether the service is there.
pub fn info(request: &Request) -> Response {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let info = serde_json::json!({"app": {"name": name, "version": version}});
    json(StatusCode::OK, &request.trace, &info)
}

/// `GET /repository/actuator/health`.
///
/// # Errors
/// 503 when the store takes no changes.
pub fn health(app: &App, request: &Request) -> Result<Response, ApiError> {
    ready(app)?;
    let up = serde_json::json!({"status": "UP"});
    Ok(json(StatusCode::OK, &request.trace, &up))
}
