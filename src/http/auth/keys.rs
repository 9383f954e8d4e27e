//! Access tokens and pairs of access keys that come as they are.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{expired, wrong};
use crate::domain::auth::Principal;
use crate::domain::auth::access::{self, Shown};
use crate::http::app::{App, blocking};
use crate::http::error::ApiError;
use crate::http::request::Request;

/// Names whom a request with the keys of an administrator speaks for.
const UID: &str = "x-bkrepo-uid";

/// Checks an access token.
pub async fn bearer(
    app: &Arc<App>,
    request: &Request,
    token: Zeroizing<String>,
) -> Result<Principal, ApiError> {
    let shown = {
        let app = Arc::clone(app);
        blocking(move || {
            let rows = app.store.rows()?;
            Ok(access::token_user(&rows, &token, app.store.now_ms())?)
        })
        .await?
    };
    match shown {
        Shown::Of(principal) => Ok(principal),
        Shown::Expired => Err(expired()),
        Shown::Unknown => Err(wrong(app, request, None).await),
    }
}

/// What a pair of keys shows.
enum Found {
    Somebody(Principal),
    /// Nobody has the name that is spoken for.
    NoUser(String),
    Wrong,
}

/// Checks a pair of keys, and whom they speak for.
pub async fn platform(
    app: &Arc<App>,
    request: &Request,
    key: String,
    secret: Zeroizing<String>,
) -> Result<Principal, ApiError> {
    let named = request.headers.get(UID);
    let named = named.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    let found = {
        let (app, key) = (Arc::clone(app), key.clone());
        blocking(move || {
            let rows = app.store.rows()?;
            let Some(owner) = access::key_user(&rows, &key, &secret)? else {
                return Ok(Found::Wrong);
            };
            let spoken_for = access::spoken_for(&rows, owner, named.as_deref())?;
            Ok(match spoken_for {
                Some(principal) => Found::Somebody(principal),
                None => Found::NoUser(named.unwrap_or_default()),
            })
        })
        .await?
    };
    match found {
        Found::Somebody(principal) => Ok(principal),
        Found::NoUser(name) => Err(ApiError::Forbidden(format!(
            "X-BKREPO-UID names user[{name}], whom nobody has made"
        ))),
        Found::Wrong => Err(wrong(app, request, Some(&counted_as(&key))).await),
    }
}

/// What failures with a key are counted for: no user's name has a colon.
pub fn counted_as(key: &str) -> String {
    format!("key:{key}")
}
