//! What stands for a user besides the password. Access tokens: `/auth/api/user/token/*`, as bk-repo has
//! them (observed page §5). Pairs of access keys: `/packhold/keys`.
//!
//! Secrets are shown once, to who had them made; no other answer has one.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;
use warp::reply::Response;

use super::app::{App, blocking, commit};
use super::auth::{authenticate, denied, require_self, require_somebody};
use super::error::ApiError;
use super::json::Fields;
use super::params::query_value;
use super::request::{Body, Request};
use super::view::{local_time, success};
use crate::domain::DomainError;
use crate::domain::auth::{Principal, access};
use crate::format::meta::{AccessKey, AccessToken};

/// An access token as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenView {
    name: String,
    /// The token itself, under the name that upstream has for it; only when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    created_at: String,
    expired_at: Option<String>,
}

impl TokenView {
    fn of(token: AccessToken, secret: Option<String>, zone: &TimeZone) -> Self {
        Self {
            name: token.name,
            id: secret,
            created_at: local_time(token.created_ms, zone),
            expired_at: token.expires_ms.map(|at_ms| local_time(at_ms, zone)),
        }
    }
}

/// A pair of access keys as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    access_key: String,
    /// Only when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<String>,
    user_id: String,
    created_at: String,
}

impl KeyView {
    /// Without the secret.
    fn of(pair: AccessKey, zone: &TimeZone) -> Self {
        Self {
            access_key: pair.key,
            secret_key: None,
            user_id: pair.user,
            created_at: local_time(pair.created_ms, zone),
        }
    }
}

/// Lets in who is the user in question, or an administrator.
async fn enter(app: &Arc<App>, request: &Request, user: &str) -> Result<(), ApiError> {
    require_self(&authenticate(app, request).await?, user)
}

/// `POST /auth/api/user/token/{user}/{name}?expiredAt=`: makes an access token. `projectId`, which
/// upstream's clients send, changes nothing: a token may do what its user may.
///
/// # Errors
/// [`ApiError`].
pub async fn add_token(
    app: Arc<App>,
    request: Request,
    user: String,
    name: String,
) -> Result<Response, ApiError> {
    enter(&app, &request, &user).await?;
    let zone = &app.config.zone;
    let expires_ms = match query_value(&request.query, "expiredAt") {
        Some(text) if !text.trim().is_empty() => Some(moment(text.trim(), zone)?),
        _ => None,
    };
    let now_ms = app.store.now_ms();
    let made = access::new_token(&user, &name, expires_ms, now_ms)?;
    let token = made.token.clone();
    commit(&app, move |rows, _| {
        Ok((access::add_token(rows, &token, now_ms)?, ()))
    })
    .await?;
    let view = TokenView::of(made.token, Some(made.secret), zone);
    Ok(success(&request.trace, Some(view)))
}

/// A moment as clients write it: ISO, with an offset or `Z`, or in the zone in which times are told.
fn moment(text: &str, zone: &TimeZone) -> Result<u64, ApiError> {
    // The plus of an offset that was not escaped is a blank.
    let text = text.replace(' ', "+");
    let with_offset = text.parse::<Timestamp>().ok();
    let timestamp = with_offset.or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(zone.clone()).ok()?.timestamp())
    });
    let ms = timestamp.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    ms.ok_or(ApiError::Parameter("expiredAt"))
}

/// `GET /auth/api/user/list/token/{user}`.
///
/// # Errors
/// [`ApiError`].
pub async fn tokens(app: Arc<App>, request: Request, user: String) -> Result<Response, ApiError> {
    enter(&app, &request, &user).await?;
    let found = {
        let app = Arc::clone(&app);
        blocking(move || Ok(access::tokens(&app.store.rows()?, &user)?)).await?
    };
    let view = |token| TokenView::of(token, None, &app.config.zone);
    let views: Vec<TokenView> = found.into_iter().map(view).collect();
    Ok(success(&request.trace, Some(views)))
}

/// `DELETE /auth/api/user/token/{user}/{name}`.
///
/// # Errors
/// [`ApiError`].
pub async fn delete_token(
    app: Arc<App>,
    request: Request,
    user: String,
    name: String,
) -> Result<Response, ApiError> {
    enter(&app, &request, &user).await?;
    commit(&app, move |rows, _| {
        Ok((access::delete_token(rows, &user, &name)?, ()))
    })
    .await?;
    Ok(success(&request.trace, Some(true)))
}

/// `POST /packhold/keys` `{userId?}`: makes a pair of access keys, of oneself unless it says whose.
///
/// # Errors
/// [`ApiError`].
pub async fn add_key(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_somebody(&principal)?;
    let fields = Fields::read(body).await?;
    let user = fields.text("userId")?.unwrap_or(principal.name());
    require_self(&principal, user)?;
    let pair = access::new_key(user, app.store.now_ms())?;
    let put = pair.clone();
    commit(&app, move |rows, _| Ok((access::add_key(rows, &put)?, ()))).await?;
    let secret_key = Some(pair.secret.clone());
    let view = KeyView {
        secret_key,
        ..KeyView::of(pair, &app.config.zone)
    };
    Ok(success(&request.trace, Some(view)))
}

/// `GET /packhold/keys?userId=`: the pairs of keys of a user, by default of oneself.
///
/// # Errors
/// [`ApiError`].
pub async fn keys(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_somebody(&principal)?;
    let named = query_value(&request.query, "userId");
    let user = named.unwrap_or_else(|| principal.name().to_owned());
    require_self(&principal, &user)?;
    let found = {
        let app = Arc::clone(&app);
        blocking(move || Ok(access::keys(&app.store.rows()?, &user)?)).await?
    };
    let view = |pair| KeyView::of(pair, &app.config.zone);
    let views: Vec<KeyView> = found.into_iter().map(view).collect();
    Ok(success(&request.trace, Some(views)))
}

/// `DELETE /packhold/keys/{accessKey}`: by its user, or an administrator.
///
/// # Errors
/// [`ApiError`]; who may not delete a key is not told whether it is there.
pub async fn delete_key(
    app: Arc<App>,
    request: Request,
    key: String,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_somebody(&principal)?;
    {
        let (app, key) = (Arc::clone(&app), key.clone());
        blocking(move || may_delete(&app, &principal, &key)).await?;
    }
    commit(&app, move |rows, _| {
        Ok((access::delete_key(rows, &key)?, ()))
    })
    .await?;
    Ok(success(&request.trace, Some(true)))
}

fn may_delete(app: &App, principal: &Principal, key: &str) -> Result<(), ApiError> {
    match access::key(&app.store.rows()?, key) {
        Ok(pair) => require_self(principal, &pair.user),
        Err(DomainError::NoAccessKey(_)) if !principal.is_admin() => {
            Err(denied(principal, "the permission of an administrator"))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_with_and_without_a_zone() {
        let east = TimeZone::fixed(jiff::tz::offset(8));
        for (text, expected) in [
            ("2019-12-21T09:46:37.877Z", 1_576_921_597_877),
            ("2019-12-21T17:46:37.877+08:00", 1_576_921_597_877),
            ("2019-12-21T17:46:37.877 08:00", 1_576_921_597_877),
            ("2019-12-21T17:46:37.877", 1_576_921_597_877),
            ("2019-12-21T17:46:37", 1_576_921_597_000),
        ] {
            let found = moment(text, &east).expect(text);
            assert_eq!(found, expected, "{text}");
        }
        for text in ["x", "7", "1950-01-01T00:00:00Z", "2019-13-21T09:46:37Z"] {
            assert!(moment(text, &east).is_err(), "{text}");
        }
    }
}
