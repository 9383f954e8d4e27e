//! Who is asking (the `Authorization` header), and the refusal of what they may not do.
//!
//! | credentials | what they are |
//! |---|---|
//! | `Basic name:password` | a user's password, or one of the user's access tokens |
//! | `Bearer token` | an access token |
//! | `Platform key:secret` | a pair of access keys; `X-BKREPO-UID` names whom an administrator speaks for |
//! | `OCP-ACCESS-KEY-HMACSHA1 key:signature` | a request signed with a pair of access keys: [`signature`] |
//! | a cookie, without that header | a session of the web page: [`mod@session`] |
//!
//! Every route takes every kind. Temporary tokens come in the query: [`super::temporary`].
//!
//! Failures are counted by address, and by user or key: beyond a limit they are answered with 429,
//! late. What says nothing of a secret is none: no credentials, unreadable ones, an expired token, a
//! date that is off. Right credentials are let in, whatever failed before.

mod basic;
mod keys;
mod rights;
mod scheme;
mod session;
mod signature;
mod turns;

use std::sync::Arc;
use std::time::Duration;

pub use basic::Lanes;
pub use rights::*;
pub use session::{CSRF, Cookie, prove_page};
pub use signature::{LONG_BODIES, Signed, seal};

use self::scheme::Credentials;
use super::app::App;
use super::error::ApiError;
use super::request::Request;
use super::timing::{self, Phase};
use crate::domain::auth::{Excess, Found, Login, Principal, Who};

/// The pause before the first answer to one failure too many; it doubles with every other.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// And no pause is longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Finds out who is asking.
///
/// # Errors
/// [`ApiError::Unauthenticated`] for credentials that are wrong, [`ApiError::TooManyLogins`] where too
/// many were before; none are those of nobody.
pub async fn authenticate(app: &Arc<App>, request: &Request) -> Result<Principal, ApiError> {
    if let Some(found) = session::find(app, request).await? {
        request.note.with_session(found.principal.name());
        session::prove(app, request, &found)?;
        return Ok(found.principal);
    }
    let found = timing::whole(Phase::Login, identify(app, request)).await;
    let no_auth = app.config.no_auth;
    request
        .note
        .authenticated(&request.headers, no_auth, &found);
    found
}

/// Checks what somebody types: a name with a password or an access token.
///
/// # Errors
/// As for [`authenticate`].
pub async fn check_login(
    app: &Arc<App>,
    request: &Request,
    login: Login,
) -> Result<Principal, ApiError> {
    basic::check(app, request, login).await
}

/// The session that the cookie of a request names, and that is still good.
///
/// # Errors
/// [`ApiError`] when the index cannot be read.
pub async fn session(app: &Arc<App>, request: &Request) -> Result<Option<Found>, ApiError> {
    session::find(app, request).await
}

/// Whom credentials claim to be from, whether they are right or not: a user, or the key of a pair.
pub fn claimed(header: &[u8]) -> Option<String> {
    match scheme::read(header)? {
        Credentials::Basic(login) => Some(login.name),
        Credentials::Platform { key, .. } => Some(key),
        Credentials::Signature(signature) => Some(signature.key),
        Credentials::Bearer(_) => None,
    }
}

async fn identify(app: &Arc<App>, request: &Request) -> Result<Principal, ApiError> {
    if app.config.no_auth {
        session::refuse_other_pages(app, request)?;
        return Ok(Principal::admin());
    }
    let Some(header) = request.headers.get("authorization") else {
        return Ok(Principal::Anonymous);
    };
    match scheme::read(header.as_bytes()) {
        Some(Credentials::Basic(login)) => basic::check(app, request, login).await,
        Some(Credentials::Bearer(token)) => keys::bearer(app, request, token).await,
        Some(Credentials::Platform { key, secret }) => {
            keys::platform(app, request, key, secret).await
        }
        Some(Credentials::Signature(found)) => signature::check(app, request, found).await,
        None => Err(ApiError::Unauthenticated(
            "Authorization value is not understood",
        )),
    }
}

/// Counts credentials that are wrong, and refuses them.
async fn wrong(app: &App, request: &Request, user: Option<&str>) -> ApiError {
    let who = Who {
        address: request.peer,
        user,
    };
    refusal(app.failures.charge(who, app.store.now_ms())).await
}

/// The refusal of wrong credentials; late, where there were too many before.
async fn refusal(excess: Option<Excess>) -> ApiError {
    let Some(excess) = excess else {
        return ApiError::Unauthenticated("Authorization value check failed");
    };
    tokio::time::sleep(pause(excess.failures)).await;
    ApiError::TooManyLogins {
        what: "too many failed credentials",
        retry_after_s: excess.over_in_s,
    }
}

fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_PAUSE
        .saturating_mul(1 << doublings)
        .min(LONGEST_PAUSE)
}

/// The refusal of what was good once.
fn expired() -> ApiError {
    ApiError::Unauthenticated("the access token has expired")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let ms = |failures| pause(failures).as_millis();
        assert_eq!([1, 2, 3, 4, 5].map(ms), [50, 100, 200, 400, 800]);
        assert_eq!([6, 7, 1000, u32::MAX].map(ms), [1000; 4]);
    }
}
