//! Sessions of the web page: the cookie that names one, and the proof that a request comes from the page.
//!
//! A browser sends a cookie with whatever any page makes it ask for. So a cookie alone lets nobody change
//! anything: such a request also says what only this service's own page can read ([`CSRF`]), and must not
//! be known to come from another origin. `SameSite=Strict` keeps most of them away before that.
//!
//! A cookie that names no session, or none any more, is none: other services of the host may have set it.

use std::sync::Arc;

use warp::http::Method;
use warp::http::header::COOKIE;

use crate::domain::auth::{Found, LONGEST_MS};
use crate::http::app::{App, blocking};
use crate::http::error::ApiError;
use crate::http::request::Request;
use crate::http::{cors, links};

/// What a request of the page says beside its cookie. No page of another origin can: a header of its own
/// needs a preflight request, and no route but those of temporary links answers those.
pub const CSRF: &str = "x-packhold-csrf";

/// Over `http`.
const PLAIN: &str = "packhold-session";
/// Over `https`. Browsers take a cookie of such a name from this very host alone, and only if it is sent
/// encrypted (RFC 6265bis, 4.1.3.2).
const SECURE: &str = "__Host-packhold-session";
/// Cookies of the name that are looked at: a browser sends one for each path and domain that set it.
const MAX_COOKIES: usize = 4;

/// The cookie that names a session.
pub struct Cookie {
    is_https: bool,
}

impl Cookie {
    /// As it is where this request came.
    pub fn of(app: &App, request: &Request) -> Self {
        Self {
            is_https: links::is_https(app, request),
        }
    }

    fn name(&self) -> &'static str {
        if self.is_https { SECURE } else { PLAIN }
    }

    /// `Set-Cookie` with a secret.
    pub fn set(&self, secret: &str) -> String {
        self.line(secret, LONGEST_MS / 1000)
    }

    /// `Set-Cookie` that has the browser forget it.
    pub fn clear(&self) -> String {
        self.line("", 0)
    }

    fn line(&self, value: &str, max_age_s: u64) -> String {
        let secure = if self.is_https { "; Secure" } else { "" };
        let name = self.name();
        format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}")
    }

    /// What a request has under its name.
    pub fn secrets(&self, request: &Request) -> Vec<String> {
        let lines = request.headers.get_all(COOKIE).iter();
        let lines = lines.filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';'));
        let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        let named = pairs.filter(|(name, value)| *name == self.name() && !value.is_empty());
        let values = named.map(|(_, value)| value.to_owned());
        values.take(MAX_COOKIES).collect()
    }
}

/// The session that a request has, if it has nothing that comes before it: an `Authorization` header, or
/// a service without passwords.
pub async fn find(app: &Arc<App>, request: &Request) -> Result<Option<Found>, ApiError> {
    if app.config.no_auth || request.headers.contains_key("authorization") {
        return Ok(None);
    }
    let secrets = Cookie::of(app, request).secrets(request);
    if secrets.is_empty() {
        return Ok(None);
    }
    let app = Arc::clone(app);
    blocking(move || {
        let (rows, now_ms) = (app.store.rows()?, app.store.now_ms());
        for secret in secrets {
            if let Some(found) = app.sessions.find(&rows, &secret, now_ms)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    })
    .await
}

/// Refuses a request that changes something and does not prove that the page made it.
pub fn prove(app: &App, request: &Request, found: &Found) -> Result<(), ApiError> {
    if changes_nothing(request) {
        return Ok(());
    }
    let said = request.header(CSRF);
    if is_of_other_page(app, request) || !said.is_some_and(|said| found.has_csrf(said)) {
        return Err(not_proven());
    }
    Ok(())
}

/// Refuses what another page sends where there is no session yet that it could prove: it would choose as
/// whom somebody is logged in.
pub fn prove_page(app: &App, request: &Request) -> Result<(), ApiError> {
    match is_of_other_page(app, request) || request.header(CSRF).is_none() {
        true => Err(not_proven()),
        false => Ok(()),
    }
}

/// Without passwords there is no cookie, and nothing else that another page would lack.
pub fn refuse_other_pages(app: &App, request: &Request) -> Result<(), ApiError> {
    let open = changes_nothing(request) || cors::applies(app, &request.raw_path);
    match !open && is_of_other_page(app, request) {
        true => Err(not_proven()),
        false => Ok(()),
    }
}

fn changes_nothing(request: &Request) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(&request.method)
}

/// Whether a browser says that another origin makes it ask. It says so itself (Fetch Metadata), as it sees
/// the address, whatever proxies are in between; where it does not, as over plain `http`, it names the origin.
fn is_of_other_page(app: &App, request: &Request) -> bool {
    if let Some(site) = request.headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    match request.headers.get("origin") {
        None => false,
        Some(origin) => !origin
            .to_str()
            .is_ok_and(|origin| links::is_own_origin(app, request, origin)),
    }
}

fn not_proven() -> ApiError {
    ApiError::Forbidden(
        "the request does not prove that this service's own page made it: X-PACKHOLD-CSRF"
            .to_owned(),
    )
}
