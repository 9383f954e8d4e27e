//! The web page at `/`: plain HTML, CSS and modules of JavaScript, which are in the binary. It asks the
//! same routes as every client; only the session is its own ([`session`]).
//!
//! The page may run its own scripts and nothing else: [`POLICY`] allows no inline script or style, no other
//! origin, no frame around it, and no text to become markup (Trusted Types). Files of users are served by the
//! same origin, but inert (`routes::restrain`), so that none of them becomes a page with this session.

mod assets;
pub mod session;

use warp::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, WWW_AUTHENTICATE,
};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use self::assets::Asset;
use super::auth::CSRF;
use super::conditional::{Outcome, Validators, evaluate};
use super::error::ApiError;
use super::request::Request;
use crate::domain::DomainError;

/// What the page may do in a browser (CSP 3, Trusted Types).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// How a request of the page is asked for a login: a browser that heard `Basic` would ask by itself, in a
/// window of its own, and remember that beside the session.
const CHALLENGE: &str = "Session realm=\"Authentication Required\"";

/// `GET /`.
///
/// # Errors
/// [`ApiError::Precondition`].
pub fn page(request: &Request) -> Result<Response, ApiError> {
    let mut response = send(request, assets::page())?;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY.as_str(), POLICY),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// `GET /packhold/web/{asset}`: what the page is made of.
///
/// # Errors
/// [`DomainError::NotFound`], [`ApiError::Precondition`].
pub fn asset(request: &Request) -> Result<Response, ApiError> {
    let name = request.bound.join("/");
    let found = assets::find(&name).ok_or(DomainError::NotFound(name))?;
    let mut response = send(request, found)?;
    let same_origin = HeaderValue::from_static("same-origin");
    let headers = response.headers_mut();
    headers.insert("cross-origin-resource-policy", same_origin);
    Ok(response)
}

/// Browsers ask each time whether it is still the same: after an upgrade no old script meets a new one.
fn send(request: &Request, asset: &'static Asset) -> Result<Response, ApiError> {
    let current = Validators {
        etag: &asset.sha256,
        modified_s: 0,
    };
    // Without a date: of a binary it says nothing.
    let mut conditions = request.headers.clone();
    conditions.remove("if-modified-since");
    conditions.remove("if-unmodified-since");
    let mut response = match evaluate(&conditions, Some(&current), true) {
        Outcome::Proceed => Response::new(asset.bytes.into()),
        Outcome::NotModified => {
            let mut response = Response::new("".into());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        Outcome::PreconditionFailed => return Err(ApiError::Precondition),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::try_from(format!("\"{}\"", asset.sha256)) {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}

/// Whether the page asks.
pub fn is_of_page(headers: &HeaderMap) -> bool {
    headers.contains_key(CSRF)
}

/// Has the page ask for a login, not the browser.
pub fn ask_in_page(response: &mut Response) {
    let headers = response.headers_mut();
    if headers.contains_key(WWW_AUTHENTICATE) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
}
