//! `/packhold/*`, `/metrics`, `/healthz`, `/readyz`: operations.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::app::{App, blocking};
use super::auth::{authenticate, require_admin};
use super::error::ApiError;
use super::request::Request;
use super::view::json;
use crate::metrics;

/// Refuses who is no administrator.
///
/// # Errors
/// [`ApiError::Unauthenticated`], [`ApiError::Forbidden`].
pub async fn administrator(app: &Arc<App>, request: &Request) -> Result<(), ApiError> {
    require_admin(&authenticate(app, request).await?)
}

/// `GET /packhold/stats`: the same document as `packhold stats --json`.
///
/// # Errors
/// [`ApiError`].
pub async fn stats(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let stats = blocking(move || Ok(app.store.stats()?)).await?;
    Ok(json(StatusCode::OK, &request.trace, &stats))
}

/// `GET /metrics`, in Prometheus' text format.
///
/// # Errors
/// [`ApiError`].
pub async fn metrics(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let mut text = String::new();
    for (name, help, value) in metrics::all() {
        let written = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}"
        );
        written.map_err(|_| ApiError::Internal("formatting metrics"))?;
    }
    Ok(plain(text, "text/plain; version=0.0.4; charset=utf-8"))
}

fn plain(text: impl Into<Bytes>, kind: &'static str) -> Response {
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

/// `GET /readyz`: the store takes changes.
///
/// # Errors
/// 503 when it does not.
pub fn ready(app: &App) -> Result<Response, ApiError> {
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
