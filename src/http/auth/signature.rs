//! Requests signed with a pair of access keys, as OCP has it. Source: OCP's observed page §6.
//!
//! The signature covers the MD5 of the body, and the body is proven before anything is done with the
//! request: it is read whole before a handler is called, and so bounded ([`MAX_BODY_BYTES`]). No
//! client signs what is longer; who sends that is told to log in with a password or a token. To check
//! at the end of an upload instead would mean to act for somebody unproven until then.
//!
//! A signature counts once. A client that asks for the same thing twice within a second, where the
//! dates are the same, has to tell them apart by some `x-ocp-` header.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use percent_encoding::{percent_decode, percent_encode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use warp::http::{HeaderName, HeaderValue};

use super::keys::counted_as;
use super::scheme::{self, Credentials, Signature};
use super::wrong;
use crate::digest;
use crate::domain::auth::{Principal, Use, access};
use crate::http::app::{App, blocking};
use crate::http::error::ApiError;
use crate::http::links::LINK;
use crate::http::request::{Body, Request, last_word};

/// How far the date of a request may be from the store's clock.
const WINDOW_MS: u64 = 15 * 60 * 1000;
/// Bytes of body that a signed request may have: as many as the longest list of paths.
const MAX_BODY_BYTES: usize = 8 << 20;
/// Bodies up to this are read without waiting.
const FREE_BODY_BYTES: usize = 64 << 10;
/// Longer ones held at once.
pub const LONG_BODIES: usize = 8;
/// A body must have come after this.
const BODY_TIME: Duration = Duration::from_mins(1);
/// When so many signatures are remembered that it is not known whether one was used.
const FULL_FOR_S: u64 = 60;

const OFF: &str = "the Date of the signature is more than 15 minutes off";

/// What is known of a signed request whose body was read.
#[derive(Debug, Clone)]
pub struct Signed {
    /// MD5 of the body, in upper-case hex; of none, nothing.
    body_md5: String,
    /// Who asks, once that was proven: a signature counts once, but a handler may ask twice.
    proven: Arc<OnceLock<Principal>>,
}

/// Bytes of a body that hold their place among the long ones.
struct Held {
    bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the body of a signed request, so that who asks can be found out. Handlers read it after that
/// as if it came then.
///
/// # Errors
/// [`ApiError::SignedTooLong`]; what the body breaks off with.
pub async fn seal(app: &App, request: &mut Request, body: &mut Body) -> Result<(), ApiError> {
    let header = request.headers.get("authorization");
    let credentials = header.and_then(|value| scheme::read(value.as_bytes()));
    if app.config.no_auth || !matches!(credentials, Some(Credentials::Signature(_))) {
        return Ok(());
    }
    if date(request, app.store.now_ms()).is_err() {
        // Refused whatever the body is.
        return Ok(());
    }
    let announced = request.content_length().unwrap_or(0);
    if announced > MAX_BODY_BYTES as u64 {
        return Err(too_long());
    }
    let reading = tokio::time::timeout(BODY_TIME, read(&app.long_bodies, body));
    let held = reading.await.unwrap_or(Err(ApiError::ClientGone))?;
    let (body_md5, bytes) = match held.bytes.is_empty() {
        true => (String::new(), None),
        false => {
            blocking(move || {
                let md5 = hex::encode_upper(digest::md5(&held.bytes));
                Ok((md5, Some(Bytes::from_owner(held))))
            })
            .await?
        }
    };
    body.refill(bytes);
    request.signed = Some(Signed {
        body_md5,
        proven: Arc::default(),
    });
    Ok(())
}

fn too_long() -> ApiError {
    ApiError::SignedTooLong {
        limit_bytes: MAX_BODY_BYTES,
    }
}

async fn read(places: &Arc<Semaphore>, body: &mut Body) -> Result<Held, ApiError> {
    let (mut bytes, mut place) = (BytesMut::new(), None);
    while let Some(part) = body.next().await {
        let part = part?;
        let len = bytes.len() + part.len();
        if len > MAX_BODY_BYTES {
            return Err(too_long());
        }
        if len > FREE_BODY_BYTES && place.is_none() {
            place = Arc::clone(places).acquire_owned().await.ok();
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Held {
        bytes: bytes.freeze(),
        _place: place,
    })
}

/// When a request was signed, Unix milliseconds.
fn date(request: &Request, now_ms: u64) -> Result<u64, ApiError> {
    let date = request.header("date");
    let date = date.and_then(|text| httpdate::parse_http_date(text).ok());
    let since = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
    let date_ms = since.and_then(|since| u64::try_from(since.as_millis()).ok());
    let date_ms = date_ms.ok_or(ApiError::Unauthenticated(
        "the Date of a signature is missing",
    ))?;
    match date_ms.abs_diff(now_ms) <= WINDOW_MS {
        true => Ok(date_ms),
        false => Err(ApiError::Unauthenticated(OFF)),
    }
}

/// Checks a signature.
pub async fn check(
    app: &Arc<App>,
    request: &Request,
    signature: Signature,
) -> Result<Principal, ApiError> {
    let now_ms = app.store.now_ms();
    let date_ms = date(request, now_ms)?;
    // Not read where the date was off then.
    let signed = request
        .signed
        .as_ref()
        .ok_or(ApiError::Unauthenticated(OFF))?;
    if let Some(known) = signed.proven.get() {
        return Ok(known.clone());
    }
    let messages: Vec<Vec<u8>> = hosts(app, request)
        .into_iter()
        .map(|host| message(request, host, &signed.body_md5))
        .collect();
    let key = counted_as(&signature.key);
    let found = {
        let (app, signature) = (Arc::clone(app), signature.clone());
        blocking(move || {
            let rows = app.store.rows()?;
            let mut found = None;
            for message in messages {
                let signer = access::signer(&rows, &signature.key, &message, &signature.bytes)?;
                found = found.or(signer);
            }
            Ok(found)
        })
        .await?
    };
    let Some(user) = found else {
        return Err(wrong(app, request, Some(&key)).await);
    };
    let until_ms = date_ms.saturating_add(WINDOW_MS);
    let used = app
        .replays
        .admit(&signature.key, &signature.bytes, until_ms, now_ms);
    match used {
        Use::First => Ok(signed.proven.get_or_init(|| user.into()).clone()),
        Use::Again => Err(ApiError::Unauthenticated("the signature was used before")),
        Use::Unknown => Err(ApiError::TooManyLogins {
            what: "too many signed requests",
            retry_after_s: FULL_FOR_S,
        }),
    }
}

/// What the client can have called this service.
fn hosts<'r>(app: &App, request: &'r Request) -> Vec<&'r [u8]> {
    let told = request
        .headers
        .get("host")
        .map_or(&b""[..], |host| host.as_bytes());
    let forwarded = match app.config.behind_proxy {
        true => last_word(&request.headers, "x-forwarded-host"),
        false => None,
    };
    [Some(told), forwarded.map(str::as_bytes)]
        .into_iter()
        .flatten()
        .collect()
}

/// What is signed: seven parts, a line each; that of the headers may be several.
fn message(request: &Request, host: &[u8], body_md5: &str) -> Vec<u8> {
    let header = |name| {
        let value = request.headers.get(name);
        value.map_or(&b""[..], |value| value.as_bytes())
    };
    let (headers, target) = (ocp_headers(request), target(request));
    let parts: [&[u8]; 7] = [
        request.method.as_str().as_bytes(),
        body_md5.as_bytes(),
        header("content-type"),
        header("date"),
        host,
        &headers,
        target.as_bytes(),
    ];
    parts.join(&b'\n')
}

/// `name:value,value`, by name, a line each.
fn ocp_headers(request: &Request) -> Vec<u8> {
    let names = request.headers.keys().map(HeaderName::as_str);
    let mut names: Vec<&str> = names.filter(|name| name.starts_with("x-ocp-")).collect();
    names.sort_unstable();
    let line = |name: &&str| {
        let values = request.headers.get_all(*name).iter();
        let values: Vec<&[u8]> = values.map(HeaderValue::as_bytes).collect();
        [name.as_bytes(), b":", &values.join(&b',')].concat()
    };
    let lines: Vec<Vec<u8>> = names.iter().map(line).collect();
    lines.join(&b'\n')
}

/// The path as it came, and the query by name, the values of one name sorted and joined.
fn target(request: &Request) -> String {
    let mut query: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for pair in request.query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        query.entry(decoded(key)).or_default().push(decoded(value));
    }
    let encoded = |(key, mut values): (Vec<u8>, Vec<Vec<u8>>)| {
        values.sort_unstable();
        let values = values.join(&b',');
        format!(
            "{}={}",
            percent_encode(&key, LINK),
            percent_encode(&values, LINK)
        )
    };
    let pairs: Vec<String> = query.into_iter().map(encoded).collect();
    match pairs.is_empty() {
        true => request.raw_path.clone(),
        false => format!("{}?{}", request.raw_path, pairs.join("&")),
    }
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode(text.replace('+', " ").as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::TraceId;
    use warp::http::{HeaderMap, Method};

    fn request(method: &Method, path: &str, query: &str, headers: &[(&str, &str)]) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            map.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let (trace, query) = (TraceId::fresh(), query.to_owned());
        Request::new(&trace, method, path, query, map).expect("a request")
    }

    fn lines(request: &Request, md5: &str) -> String {
        let host = request.header("host").unwrap_or_default().as_bytes();
        String::from_utf8(message(request, host, md5)).expect("text")
    }

    #[test]
    fn seven_lines() {
        let signed = request(
            &Method::POST,
            "/api/v2/compute/idcs",
            "",
            &[
                ("Content-Type", "application/json"),
                ("Date", "Tue, 17 Jan 2023 09:13:57 GMT"),
                ("Host", "ocp.alibaba.net:8080"),
                ("X-Ocp-Data", "A,1"),
            ],
        );
        assert_eq!(
            lines(&signed, "186974DB33A090A16D3E2CA35F547B56"),
            "POST\n186974DB33A090A16D3E2CA35F547B56\napplication/json\n\
             Tue, 17 Jan 2023 09:13:57 GMT\nocp.alibaba.net:8080\nx-ocp-data:A,1\n\
             /api/v2/compute/idcs"
        );
        let bare = request(&Method::GET, "/x", "", &[]);
        assert_eq!(lines(&bare, ""), "GET\n\n\n\n\n\n/x");
    }

    #[test]
    fn headers_and_query_have_one_order() {
        let signed = request(
            &Method::GET,
            "/a%20b",
            "size=10&type=b,c&type=a&sort=name%2Casc&x=a+b%7E&empty",
            &[
                ("x-ocp-b", "2"),
                ("x-ocp-a", "z"),
                ("x-ocp-a", "y"),
                ("x-other", "3"),
            ],
        );
        assert_eq!(
            lines(&signed, ""),
            "GET\n\n\n\n\nx-ocp-a:z,y\nx-ocp-b:2\n\
             /a%20b?empty=&size=10&sort=name%2Casc&type=a%2Cb%2Cc&x=a%20b~"
        );
    }
}
