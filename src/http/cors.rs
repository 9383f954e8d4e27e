//! Pages of other origins may use temporary links, and nothing else.
//!
//! A link carries its own right, so that any page that has it may follow it; no credentials of the
//! browser go with it (Fetch standard, CORS protocol). Every other route has no such headers.

use percent_encoding::percent_decode_str;
use warp::http::header::HeaderValue;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::app::App;
use super::request::service_path;

/// What scripts may read of an answer.
const EXPOSED: &str = "ETag, Content-Range, Content-Disposition, Content-Length, Accept-Ranges, \
     Last-Modified, X-Checksum-Sha256, X-Checksum-Md5, X-Checksum-Crc64ecma, X-BKREPO-RID, \
     X-Packhold-New-Bytes, X-Packhold-Shared-Bytes";
/// The longest list of request headers that is echoed, in bytes.
const MAX_ECHO_BYTES: usize = 4096;

/// Whether pages of other origins may use a path. Where everybody is the administrator, they may not
/// make links: any page that a developer opens could make one to any file.
pub fn applies(app: &App, raw_path: &str) -> bool {
    let path = percent_decode_str(raw_path).decode_utf8_lossy();
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    match service_path(&segments) {
        ["generic", "temporary", "url" | "token", "create"] => !app.config.no_auth,
        ["generic", "temporary", ..] => true,
        _ => false,
    }
}

/// The answer to a preflight request.
pub fn preflight(headers: &HeaderMap) -> Response {
    let mut response = Response::new(Vec::new().into());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    for (name, value) in [
        (
            "access-control-allow-methods",
            "GET, HEAD, PUT, POST, DELETE",
        ),
        ("access-control-max-age", "86400"),
        ("vary", "Access-Control-Request-Headers"),
    ] {
        answer.insert(name, HeaderValue::from_static(value));
    }
    let asked = headers.get("access-control-request-headers");
    if let Some(asked) = asked.filter(|value| is_list_of_names(value.as_bytes())) {
        answer.insert("access-control-allow-headers", asked.clone());
    }
    allow(&mut response);
    response
}

/// Lets any page read an answer.
pub fn allow(response: &mut Response) {
    let headers = response.headers_mut();
    let anybody = HeaderValue::from_static("*");
    headers.insert("access-control-allow-origin", anybody);
    let exposed = HeaderValue::from_static(EXPOSED);
    headers.insert("access-control-expose-headers", exposed);
}

/// Header names (RFC 9110, 5.6.2), commas and blanks.
fn is_list_of_names(value: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, \t".contains(byte);
    value.len() <= MAX_ECHO_BYTES && value.iter().all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_of_names_are_echoed() {
        let echoed = |value: &'static str| {
            let mut headers = HeaderMap::new();
            let name = "access-control-request-headers";
            headers.insert(name, HeaderValue::from_static(value));
            let response = preflight(&headers);
            response
                .headers()
                .contains_key("access-control-allow-headers")
        };
        assert!(echoed("content-type, x-bkrepo-overwrite,range"));
        assert!(!echoed("x: y") && !echoed("<script>") && !echoed("a;b"));
    }
}
