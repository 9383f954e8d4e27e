//! What a handler needs to know of a request.

mod body;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use warp::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use warp::http::{HeaderMap, Method};

use super::audit::Note;
use super::auth::Signed;
use super::connections::Running;
use super::error::ApiError;
use super::params;
use crate::domain::Address;

pub use body::Body;

/// Where a request came from.
#[derive(Clone)]
pub struct Origin {
    /// The other end of the connection.
    pub socket: SocketAddr,
    /// Whether it is encrypted.
    pub is_secure: bool,
    /// As long as anybody has this, the connection has something to do.
    pub running: Running,
}

/// Identifies a request in its answer and in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceId(pub String);

impl TraceId {
    /// A fresh one: 32 hexadecimal digits, unique in this process and unlikely elsewhere.
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        static BASE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
        let base = *BASE.get_or_init(|| getrandom::u64().unwrap_or(0));
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        // An odd factor takes no two numbers to one: the first half is unique by itself.
        let mixed = base ^ next.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self(format!("{mixed:016x}{next:016x}"))
    }

    /// The first half of it, for who wants 16 digits.
    pub fn short(&self) -> &str {
        self.0.get(..16).unwrap_or(&self.0)
    }
}

/// A request without its body.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its trace.
    pub trace: TraceId,
    /// Method.
    pub method: Method,
    /// Path, as it came.
    pub raw_path: String,
    /// Path, percent-decoded, split; no segment is empty.
    pub segments: Vec<String>,
    /// Those that stand where the pattern of its route has names.
    pub bound: Vec<String>,
    /// Query, as it came.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Who asks, as far as that can be trusted.
    pub peer: Option<IpAddr>,
    /// Whether the connection is encrypted.
    pub is_secure: bool,
    /// When it came.
    pub started: Instant,
    /// What was read of it to check its signature, if it has one.
    pub signed: Option<Signed>,
    /// For the audit trail.
    pub note: Note,
}

impl Request {
    /// The request of these parts.
    ///
    /// # Errors
    /// [`ApiError::Param`] when the path is not UTF-8.
    pub fn new(
        trace: &TraceId,
        method: &Method,
        raw_path: &str,
        query: String,
        headers: HeaderMap,
    ) -> Result<Self, ApiError> {
        let path = params::decode_path(raw_path)?;
        Ok(Self {
            trace: trace.clone(),
            method: method.clone(),
            raw_path: raw_path.to_owned(),
            segments: path
                .split('/')
                .filter(|segment| !segment.is_empty())
                .map(str::to_owned)
                .collect(),
            bound: Vec::new(),
            query,
            headers,
            peer: None,
            is_secure: false,
            started: Instant::now(),
            signed: None,
            note: Note::default(),
        })
    }

    /// The segments behind what gateways put in front: `/api`, `/web`, `/bkrepo/api/{service}`.
    pub fn service_path(&self) -> &[String] {
        service_path(&self.segments)
    }

    /// The address of a route that has `{project}/{repo}/{path..}`.
    ///
    /// # Errors
    /// [`ApiError::Domain`] for a bad one.
    pub fn place(&self) -> Result<Address, ApiError> {
        let [project, repo, path @ ..] = self.bound.as_slice() else {
            return Err(self.no_route());
        };
        Ok(Address::new(project, repo, &path.join("/"))?)
    }

    /// The repository of a route that has `{project}/{repo}`.
    ///
    /// # Errors
    /// [`ApiError::Domain`] for a bad one.
    pub fn repo(&self) -> Result<Address, ApiError> {
        let [project, repo, ..] = self.bound.as_slice() else {
            return Err(self.no_route());
        };
        Ok(Address::new(project, repo, "")?)
    }

    /// The word that stands for a name of the route's pattern; the first is 0.
    pub fn word(&self, at: usize) -> String {
        self.bound.get(at).cloned().unwrap_or_default()
    }

    /// The error for a path that is no route.
    pub fn no_route(&self) -> ApiError {
        ApiError::NoRoute(format!("/{}", self.segments.join("/")))
    }

    /// A header as text; `None` when it is missing or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The announced length of the body in bytes.
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }
}

/// The segments behind what gateways put in front.
pub fn service_path<S: AsRef<str>>(segments: &[S]) -> &[S] {
    let words: Vec<&str> = segments.iter().take(4).map(AsRef::as_ref).collect();
    let skip = match words.as_slice() {
        [
            "bkrepo",
            "api",
            "service" | "build" | "user",
            "generic" | "repository" | "auth",
        ] => 3,
        ["api" | "web", "generic" | "repository" | "auth", ..] => 1,
        _ => 0,
    };
    &segments[skip..]
}

/// The address that a request came from. A proxy appends to `X-Forwarded-For` who asked it; what
/// stands before its own word anybody can have written.
pub fn peer(socket: Option<SocketAddr>, headers: &HeaderMap, behind_proxy: bool) -> Option<IpAddr> {
    let socket = socket.map(|address| address.ip().to_canonical());
    if !behind_proxy {
        return socket;
    }
    match last_word(headers, "x-forwarded-for") {
        Some(last) => last.parse().ok(),
        None => socket,
    }
}

/// The last of the words in a header that a proxy appends to.
pub fn last_word<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let last = headers.get_all(name).iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next().map(str::trim)
}

/// Checks the length of all header fields, each with its colon, blank and end of line.
///
/// # Errors
/// [`ApiError::HeadTooLong`].
pub fn check_head(headers: &HeaderMap, limit_bytes: usize) -> Result<(), ApiError> {
    let field = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let bytes: usize = headers.iter().map(field).sum();
    match bytes > limit_bytes {
        true => Err(ApiError::HeadTooLong { limit_bytes }),
        false => Ok(()),
    }
}

/// Whether the client waits for a word before it sends the body.
pub fn expects_continue(headers: &HeaderMap) -> bool {
    let expect = headers.get("expect").and_then(|value| value.to_str().ok());
    expect.is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
}

/// Whether a body comes, or is said to.
pub fn sends_body(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING)
}

/// Whether a body comes that the client sends whatever it hears.
pub fn sends_unasked(headers: &HeaderMap) -> bool {
    sends_body(headers) && !expects_continue(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> Request {
        let (trace, headers) = (TraceId::fresh(), HeaderMap::new());
        Request::new(&trace, &Method::GET, path, String::new(), headers).unwrap()
    }

    #[test]
    fn gateways_and_slashes_do_not_matter() {
        for path in [
            "/generic/p/r/a/b",
            "//generic//p/r/a//b/",
            "/api/generic/p/r/a/b",
            "/web/generic/p/r/%2Fa/b",
            "/bkrepo/api/build/generic/p/r/a%2Fb",
        ] {
            let mut request = request(path);
            assert_eq!(request.service_path()[0], "generic", "{path}");
            request.bound = request.service_path()[1..].to_vec();
            let address = request.place().unwrap();
            assert_eq!(
                (address.project.as_str(), address.repo.as_str()),
                ("p", "r"),
                "{path}"
            );
            assert_eq!(address.path.to_string(), "/a/b", "{path}");
        }
    }

    #[test]
    fn gateways_may_stand_before_every_service() {
        for (path, service) in [
            ("/api/repository/api/project/list", "repository"),
            ("/web/auth/api/user/list", "auth"),
            ("/bkrepo/api/user/repository/api/repo/list/p", "repository"),
            ("/repository/api/project/list", "repository"),
            // Before others they do not.
            ("/bkrepo/api/user/packhold/stats", "bkrepo"),
            ("/bkrepo/api/service/api/v2/info", "bkrepo"),
            ("/web/metrics", "web"),
            ("/web/api/generic/p/r/f", "web"),
        ] {
            assert_eq!(request(path).service_path()[0], service, "{path}");
        }
    }

    #[test]
    fn only_the_word_of_the_own_proxy_counts() {
        let socket: Option<SocketAddr> = "[::ffff:192.0.2.1]:80".parse().ok();
        let mut headers = HeaderMap::new();
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        assert_eq!(peer(socket, &headers, true), ip("192.0.2.1"));
        let forged = "203.0.113.9, 198.51.100.2".parse().unwrap();
        headers.append("x-forwarded-for", forged);
        assert_eq!(peer(socket, &headers, false), ip("192.0.2.1"));
        assert_eq!(peer(socket, &headers, true), ip("198.51.100.2"));
        headers.append("x-forwarded-for", "unknown".parse().unwrap());
        assert_eq!(peer(socket, &headers, true), None, "nobody's address");
    }

    #[test]
    fn traces_are_unique() {
        let (a, b) = (TraceId::fresh(), TraceId::fresh());
        assert_ne!(a, b);
        assert_ne!(a.short(), b.short());
        assert_eq!((a.0.len(), a.short().len()), (32, 16));
    }
}
