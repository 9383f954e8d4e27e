//! Absolute links to this service.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use warp::http::uri::Authority;
use warp::http::{HeaderMap, Uri};

use super::app::App;
use super::error::ApiError;
use super::request::{Request, last_word};
use crate::domain::Address;

/// What is encoded in links and file names: all but the unreserved characters (RFC 3986, 2.3).
pub const LINK: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Checks what a service is called from outside: `http` or `https`, a host, perhaps a path; gives it
/// without a slash at its end.
///
/// # Errors
/// Why it cannot be that.
pub fn public_url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("it must begin with http:// or https://".to_owned());
    }
    let named = uri.authority().is_some_and(is_plain);
    if !named || uri.query().is_some() || text.contains('#') {
        return Err("it must be a host, perhaps a port and a path, and nothing else".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A host, perhaps a port, no user.
fn is_plain(authority: &Authority) -> bool {
    !authority.host().is_empty() && !authority.as_str().contains('@')
}

/// What this service is called from outside: as configured, or else as the client called it.
///
/// # Errors
/// [`ApiError::HeaderMissing`] when the client called it nothing.
pub fn base(app: &App, request: &Request) -> Result<String, ApiError> {
    if let Some(url) = &app.config.public_url {
        return Ok(url.clone());
    }
    asked_as(app, &request.headers, request.is_secure).ok_or(ApiError::HeaderMissing("Host"))
}

/// The host that this service is called, without its port.
pub fn own_name(app: &App, headers: &HeaderMap) -> String {
    let url = app.config.public_url.clone();
    let uri = url.or_else(|| asked_as(app, headers, false));
    let uri: Option<Uri> = uri.and_then(|url| url.parse().ok());
    let host = uri.as_ref().and_then(Uri::host);
    host.unwrap_or(env!("CARGO_PKG_NAME")).to_owned()
}

/// What the client, or the proxy in front, called this service.
fn asked_as(app: &App, headers: &HeaderMap, is_secure: bool) -> Option<String> {
    let host = |word: &str| word.parse().ok().filter(is_plain);
    let host: Option<Authority> = match told(app, headers, "x-forwarded-host").and_then(host) {
        Some(host) => Some(host),
        None => headers
            .get("host")
            .and_then(|value| value.to_str().ok())
            .and_then(host),
    };
    host.map(|host| format!("{}://{host}", scheme(app, headers, is_secure)))
}

/// Whether clients reach this service by `https`.
pub fn is_https(app: &App, request: &Request) -> bool {
    match &app.config.public_url {
        Some(url) => url.starts_with("https:"),
        None => scheme(app, &request.headers, request.is_secure) == "https",
    }
}

/// Whether an `Origin` (RFC 6454, 7.1) is that of this service, as the client, or the proxy in front,
/// called it, or as it is configured.
pub fn is_own_origin(app: &App, request: &Request, origin: &str) -> bool {
    let asked = asked_as(app, &request.headers, request.is_secure);
    let known = [app.config.public_url.as_deref(), asked.as_deref()];
    known.into_iter().flatten().any(|url| {
        let rest = url.strip_prefix(origin);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// How the client, or who asked the proxy in front, reached this service.
fn scheme<'h>(app: &App, headers: &'h HeaderMap, is_secure: bool) -> &'h str {
    let own = if is_secure { "https" } else { "http" };
    let forwarded = told(app, headers, "x-forwarded-proto");
    let known = forwarded.filter(|word| ["http", "https"].contains(word));
    known.unwrap_or(own)
}

/// What the proxy in front says.
fn told<'h>(app: &App, headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    match app.config.behind_proxy {
        true => last_word(headers, name),
        false => None,
    }
}

/// The base that a client wishes links to begin with: a URL, or a host alone.
///
/// # Errors
/// [`ApiError::Parameter`].
pub fn wished(app: &App, request: &Request, host: &str) -> Result<String, ApiError> {
    wished_by(scheme(app, &request.headers, request.is_secure), host)
}

fn wished_by(scheme: &str, host: &str) -> Result<String, ApiError> {
    let url = match host.contains("://") {
        true => public_url(host),
        false => public_url(&format!("{scheme}://{host}")),
    };
    let url = url.map_err(|_| ApiError::Parameter("host"))?;
    // Upstream's host is that of its generic service.
    Ok(url.trim_end_matches("/generic").to_owned())
}

/// `/{project}/{repo}/{path}`, every segment percent-encoded.
pub fn path(address: &Address) -> String {
    let mut link = format!("/{}/{}", address.project, address.repo);
    for segment in address.path.segments() {
        // Writing to a string does not fail.
        let _written = write!(link, "/{}", utf8_percent_encode(segment, LINK));
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_urls() {
        for (text, expected) in [
            ("https://repo.example.com", "https://repo.example.com"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("https://example.com/repo/", "https://example.com/repo"),
        ] {
            assert_eq!(public_url(text).as_deref(), Ok(expected));
        }
        for text in [
            "",
            "repo.example.com",
            "/path",
            "ftp://example.com",
            "http://",
            "http://user@example.com",
            "http://example.com/?q",
            "http://example.com/#f",
            "http://example.com/a b",
        ] {
            assert!(public_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wished_host() {
        for (text, expected) in [
            ("example.com:81", "http://example.com:81"),
            ("https://example.com/generic", "https://example.com"),
        ] {
            assert_eq!(wished_by("http", text).ok().as_deref(), Some(expected));
        }
        assert_eq!(
            wished_by("https", "example.com").ok().as_deref(),
            Some("https://example.com")
        );
        for text in ["a b", "javascript:alert(1)//://"] {
            assert!(wished_by("http", text).is_err(), "{text}");
        }
    }

    #[test]
    fn segments_are_encoded_one_by_one() {
        let address = Address::new("p", "r", "/a b/文#1?%/x").expect("an address");
        assert_eq!(path(&address), "/p/r/a%20b/%E6%96%87%231%3F%25/x");
    }
}
