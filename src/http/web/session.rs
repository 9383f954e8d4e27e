//! `/packhold/session`: who is logged in on the page.

use std::sync::Arc;

use serde::Serialize;
use warp::http::header::{HeaderValue, SET_COOKIE};
use warp::reply::Response;
use zeroize::Zeroizing;

use crate::domain::auth::{Candidate, Login, Principal};
use crate::http::app::{App, blocking};
use crate::http::auth::{self, Cookie};
use crate::http::error::ApiError;
use crate::http::json::Fields;
use crate::http::request::{Body, Request};
use crate::http::view::success;

/// Who the page works for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionView {
    /// `None`: nobody is logged in.
    user_id: Option<String>,
    admin: bool,
    /// What requests that change something say as `X-PACKHOLD-CSRF`.
    csrf: Option<String>,
    /// Whether this service has passwords at all.
    login: bool,
}

impl SessionView {
    fn of(principal: &Principal, csrf: Option<String>, login: bool) -> Self {
        let user_id = match principal {
            Principal::User { name, .. } => Some(name.clone()),
            Principal::Anonymous | Principal::Token(_) => None,
        };
        Self {
            user_id,
            admin: principal.is_admin(),
            csrf,
            login,
        }
    }
}

/// `GET /packhold/session`, to everybody: who is logged in by the cookie that came along.
///
/// # Errors
/// [`ApiError`].
pub async fn info(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let view = match auth::session(&app, &request).await? {
        _ if app.config.no_auth => SessionView::of(&Principal::admin(), None, false),
        Some(found) => SessionView::of(&found.principal, Some(found.csrf), true),
        None => SessionView::of(&Principal::Anonymous, None, true),
    };
    Ok(success(&request.trace, Some(view)))
}

/// `POST /packhold/session` `{userId, pwd}`: a password or an access token. The session is always a new
/// one, and what the browser had before is over.
///
/// # Errors
/// [`ApiError`]; as for any other login.
pub async fn login(app: Arc<App>, request: Request, body: &mut Body) -> Result<Response, ApiError> {
    auth::prove_page(&app, &request)?;
    let fields = Fields::read(body).await?;
    let login = Login {
        name: fields.required("userId")?.to_owned(),
        password: Zeroizing::new(fields.required("pwd")?.to_owned()),
    };
    request.note.logs_in(&login.name);
    if app.config.no_auth {
        let view = SessionView::of(&Principal::admin(), None, false);
        return Ok(success(&request.trace, Some(view)));
    }
    let candidate = {
        let (app, login) = (Arc::clone(&app), login.clone());
        // ORDER: before the check; see `Candidate::of`.
        blocking(move || {
            let (rows, now_ms) = (app.store.rows()?, app.store.now_ms());
            Ok(Candidate::of(&rows, &login, now_ms)?)
        })
        .await?
    };
    let principal = auth::check_login(&app, &request, login).await?;
    let candidate = candidate.ok_or(ApiError::Internal("a login of nobody was right"))?;
    let cookie = Cookie::of(&app, &request);
    for secret in cookie.secrets(&request) {
        app.sessions.close(&secret);
    }
    let opened = app.sessions.open(candidate, app.store.now_ms())?;
    let view = SessionView::of(&principal, Some(opened.csrf), true);
    let response = success(&request.trace, Some(view));
    Ok(with_cookie(response, &cookie.set(&opened.secret)))
}

/// `DELETE /packhold/session`: logs out.
///
/// # Errors
/// [`ApiError::Forbidden`] where the page did not make the request.
pub async fn logout(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    auth::authenticate(&app, &request).await?;
    auth::prove_page(&app, &request)?;
    let cookie = Cookie::of(&app, &request);
    for secret in cookie.secrets(&request) {
        app.sessions.close(&secret);
    }
    let response = success(&request.trace, Some(true));
    Ok(with_cookie(response, &cookie.clear()))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}
