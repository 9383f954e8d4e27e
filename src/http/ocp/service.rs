//! What clients ask of the service before they upload. Source: observed §1.

use std::sync::Arc;

use warp::http::StatusCode;
use warp::http::header::{CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::view::now;
use crate::http::app::App;
use crate::http::auth::{authenticate, require_somebody};
use crate::http::error::ApiError;
use crate::http::ops;
use crate::http::request::Request;
use crate::http::view::json;

/// The version of OCP whose package API this is: clients compare what stands before the `_`.
const SPOKEN: &str = "4.3.0";

fn text(body: String) -> Response {
    let mut response = Response::new(body.into());
    let plain = HeaderValue::from_static("text/plain;charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// `GET /api/v2/time`.
pub fn time(app: &App) -> Response {
    text(now(app))
}

/// `GET /api/status`.
///
/// # Errors
/// 503 when the store takes no changes.
pub fn status(app: &App) -> Result<Response, ApiError> {
    ops::ready(app)?;
    Ok(text("okay".to_owned()))
}

/// `GET /api/v2/info`: a bare document.
///
/// # Errors
/// [`ApiError::Unauthenticated`].
pub async fn info(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    require_somebody(&authenticate(&app, &request).await?)?;
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let info = serde_json::json!({
        "artifact": name,
        "buildVersion": format!("{SPOKEN}_{name}-{version}"),
        "group": name,
        "name": "ocp-server",
    });
    Ok(json(StatusCode::OK, &request.trace, &info))
}
