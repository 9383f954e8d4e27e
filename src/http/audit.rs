//! The audit trail: who did what to which path, from where, when, and with which result. One log line,
//! with the target `audit`, for every request that changes something or is refused (401, 403, 429),
//! whatever becomes of it; with [`Audit::Reads`] for all others, too.
//!
//! Fields: `trace` (as in the answer), `principal` (of wrong credentials, whom they claim), `auth` (how
//! they came), `action`, `method`, `path`, `subject` (what the body or the form names), `peer`,
//! `status`, `code` (of the answer's envelope), `bytes` (that came; of a download, that were promised),
//! `ms`.
//!
//! No line can be forged: every text is a value of a field, and both formats of the log quote and
//! escape those; what JSON need not escape and some reader takes for the end of a line, or a terminal
//! for a command, is escaped here. No secret is in it: neither the query, where temporary tokens are, nor any header or
//! body.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use warp::http::{HeaderMap, HeaderValue, Method};
use warp::reply::Response;

use super::auth;
use super::error::ApiError;
use super::request::{TraceId, service_path};
use crate::domain::auth::Principal;

/// The longest text that names what a request is about, in bytes; more is counted.
const MAX_SUBJECT_BYTES: usize = 64 << 10;

/// What is written to the audit trail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audit {
    /// Nothing.
    Off,
    /// What changes something, and what is refused.
    #[default]
    Changes,
    /// All requests but those for the service's health.
    Reads,
}

/// What handlers tell of a request. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Note(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    principal: Option<String>,
    auth: Option<&'static str>,
    subject: Option<String>,
}

impl Note {
    /// Who asks, or why that is not known.
    pub fn authenticated(
        &self,
        headers: &HeaderMap,
        no_auth: bool,
        found: &Result<Principal, ApiError>,
    ) {
        let header = headers.get("authorization").map(HeaderValue::as_bytes);
        let mut noted = self.0.lock();
        noted.auth = Some(match header {
            _ if no_auth => "off",
            None => "none",
            Some(header) => scheme(header),
        });
        noted.principal = match found {
            Ok(principal) => Some(principal.name().to_owned()),
            Err(_) => header.and_then(auth::claimed),
        };
    }

    /// Who asks has a session of the web page.
    pub fn with_session(&self, user: &str) {
        let mut noted = self.0.lock();
        noted.auth = Some("session");
        noted.principal = Some(user.to_owned());
    }

    /// Somebody logs in on the web page, or tries to.
    pub fn logs_in(&self, user: &str) {
        let mut noted = self.0.lock();
        noted.auth = Some("password");
        noted.principal = Some(user.to_owned());
    }

    /// A temporary token is used; `by` is who made it, as soon as that is known.
    pub fn with_token(&self, by: Option<&Principal>) {
        let mut noted = self.0.lock();
        noted.auth = Some("temporary");
        noted.principal = by.map(|principal| principal.name().to_owned());
    }

    /// What the request is about, beside its path.
    pub fn subject(&self, named: impl ToString) {
        self.subjects([named]);
    }

    /// The same for several things.
    pub fn subjects<T: ToString>(&self, named: impl IntoIterator<Item = T>) {
        let (mut text, mut more) = (String::new(), 0_u64);
        for one in named {
            let one = one.to_string();
            if text.len() + one.len() > MAX_SUBJECT_BYTES {
                more += 1;
                continue;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&one);
        }
        if more > 0 {
            // Writing to a string does not fail.
            let _written = write!(text, " and {more} more");
        }
        self.0.lock().subject = Some(text);
    }
}

/// How credentials came: the scheme, if it is a known one. Not as it was sent: it could be the secret.
fn scheme(header: &[u8]) -> &'static str {
    const KNOWN: [&str; 4] = ["basic", "bearer", "platform", "ocp-access-key-hmacsha1"];
    let word = header.split(|byte| *byte == b' ').next();
    let word = word.unwrap_or_default();
    let known = KNOWN.into_iter();
    let mut fitting = known.filter(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes()));
    fitting.next().unwrap_or("unknown")
}

/// A request, from its beginning on.
pub struct Trail {
    level: Audit,
    trace: TraceId,
    method: Method,
    path: String,
    action: &'static str,
    peer: Option<IpAddr>,
    started: Instant,
    note: Note,
}

/// What became of it.
pub struct Outcome<'r> {
    /// The answer.
    pub response: &'r Response,
    /// The code in its envelope.
    pub code: String,
    /// Bytes of the body that were read.
    pub received_bytes: u64,
}

/// A path as it is meant, and what is done there.
fn what(method: &Method, path: &str) -> (String, &'static str) {
    // Decoded: names as they are, whatever way of writing them somebody chose.
    let decoded = percent_encoding::percent_decode_str(path);
    let path = decoded.decode_utf8_lossy().into_owned();
    let segments: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    let action = action(method, service_path(&segments));
    (path, action)
}

/// Whether somebody only looks whether the service is well.
pub fn is_health(method: &Method, path: &str) -> bool {
    what(method, path).1 == HEALTH
}

impl Trail {
    /// A request that just came; `path` as it came.
    pub fn new(
        level: Audit,
        trace: &TraceId,
        method: &Method,
        path: &str,
        peer: Option<IpAddr>,
    ) -> Self {
        let (path, action) = what(method, path);
        Self {
            level,
            trace: trace.clone(),
            method: method.clone(),
            action,
            path,
            peer,
            started: Instant::now(),
            note: Note::default(),
        }
    }

    /// Where handlers note what only they know.
    pub fn note(&self) -> Note {
        self.note.clone()
    }

    /// What is done, in one word of [`ACTIONS`].
    pub fn action(&self) -> &'static str {
        self.action
    }

    /// Whether somebody only looks whether the service is well.
    pub fn is_health(&self) -> bool {
        self.action == HEALTH
    }

    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        READS.contains(&self.action)
    }

    /// Writes the line, if it is wanted.
    pub fn finish(self, outcome: &Outcome<'_>) {
        let status = outcome.response.status().as_u16();
        let refused = matches!(status, 401 | 403 | 429);
        let wanted = match self.level {
            Audit::Off => false,
            Audit::Changes => refused || !self.is_read(),
            Audit::Reads => refused || self.action != HEALTH,
        };
        if !wanted {
            return;
        }
        let promised = outcome.response.headers().get("content-length");
        let promised = promised.and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = match self.action {
            "download" => promised.unwrap_or(0),
            _ => outcome.received_bytes,
        };
        let noted = std::mem::take(&mut *self.note.0.lock());
        let peer = self.peer.map(|peer| peer.to_string());
        let principal = shown(noted.principal.as_deref().unwrap_or("unknown"));
        let (path, subject) = (shown(&self.path), noted.subject.as_deref().map(shown));
        // Texts are given as they are: so they are quoted and escaped by the log, in both formats.
        // It has its trace, and needs none before it.
        tracing::info!(
            target: "audit",
            parent: None,
            trace = self.trace.0.as_str(),
            principal = principal.as_ref(),
            auth = noted.auth.unwrap_or("none"),
            action = self.action,
            method = self.method.as_str(),
            path = path.as_ref(),
            subject = subject.as_deref(),
            peer = peer.as_deref().unwrap_or("unknown"),
            status,
            code = outcome.code.as_str(),
            bytes,
            ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        );
    }
}

/// A text without characters that end a line, turn it around or command a terminal, and that JSON may
/// have as they are.
fn shown(text: &str) -> Cow<'_, str> {
    let acts = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match acts(c) {
            true => escaped.extend(c.escape_unicode()),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

const HEALTH: &str = "health";
/// All actions: those that `action` gives.
pub const ACTIONS: [&str; 23] = [
    HEALTH,
    "download",
    "read",
    "search",
    "preflight",
    "backup",
    "blocks-begin",
    "blocks-complete",
    "blocks-abort",
    "share",
    "login",
    "logout",
    "upload",
    "mkdir",
    "rename",
    "move",
    "copy",
    "metadata",
    "user",
    "grant",
    "delete",
    "put",
    "post",
];
/// Actions that change nothing.
const READS: [&str; 5] = [HEALTH, "download", "read", "search", "preflight"];

/// What a request does, by its route. What is not named here is told by the method alone: no change is
/// left out because somebody forgot it.
fn action(method: &Method, words: &[&str]) -> &'static str {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    match words {
        ["healthz" | "readyz"] | ["repository", "actuator", "health"] | ["api", "status"]
            if is_read =>
        {
            HEALTH
        }
        // Whoever has the pack has all that is in it, secrets too.
        ["packhold", "pack"] => "backup",
        _ if method == Method::OPTIONS => "preflight",
        ["generic", "batch", ..] => "download",
        ["generic", "temporary", "download", ..]
        | ["repository", "api", "share", ..]
        | ["api", "v2", "files", "sys-package", ..]
            if is_read =>
        {
            "download"
        }
        ["generic", "detail", ..] if is_read => "read",
        ["generic", "temporary", "separate" | "block", ..]
        | ["generic", "separate" | "block", ..] => match *method {
            Method::POST => "blocks-begin",
            Method::PUT => "blocks-complete",
            Method::DELETE => "blocks-abort",
            _ => "read",
        },
        ["generic", "temporary", "url" | "token", ..] | ["repository", "api", "share", ..] => {
            "share"
        }
        ["generic", "temporary", "upload", ..] => "upload",
        ["generic", _, _, "search"] if method == Method::POST => "search",
        ["repository", "api", "node", "search" | "query"] => "search",
        ["repository", "api", "node", "batch", ..] if method == Method::POST => "read",
        ["generic", _, _, ..] if is_read => "download",
        _ if is_read => "read",
        ["api", "v2", "software-packages"] | ["api", "v2", "files", "uploadFile"] => "upload",
        ["generic", _, _, ..] if method == Method::PUT => "upload",
        ["repository", "api", "node", "mkdir", ..] => "mkdir",
        ["repository", "api", "node", "rename", ..] => "rename",
        ["repository", "api", "node", "move", ..] => "move",
        ["repository", "api", "node", "copy", ..] => "copy",
        ["repository", "api", "metadata", ..] => "metadata",
        ["auth", "api", "user", ..] => "user",
        ["packhold", "grants"] => "grant",
        ["packhold", "session"] => match *method {
            Method::POST => "login",
            _ => "logout",
        },
        _ => match *method {
            Method::DELETE => "delete",
            Method::PUT => "put",
            _ => "post",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(method: &Method, path: &str) -> &'static str {
        Trail::new(Audit::Changes, &TraceId::fresh(), method, path, None).action
    }

    #[test]
    fn actions_by_route() {
        let (get, put, post, delete) = (&Method::GET, &Method::PUT, &Method::POST, &Method::DELETE);
        for (method, path, action) in [
            (get, "/generic/p/r/f", "download"),
            (&Method::HEAD, "//api/generic/p/r/f", "download"),
            (put, "/web/generic/p/r/%2Ff", "upload"),
            (delete, "/generic/p/r/f", "delete"),
            (post, "/generic/batch/p/r", "download"),
            (get, "/generic/detail/p/r/f", "read"),
            (post, "/generic/p/r/search", "search"),
            (post, "/generic/separate/p/r/f", "blocks-begin"),
            (put, "/generic/block/p/r/f", "blocks-complete"),
            (delete, "/generic/temporary/separate/p/r/f", "blocks-abort"),
            (get, "/generic/separate/p/r/f", "read"),
            (post, "/generic/temporary/url/create", "share"),
            (put, "/generic/temporary/upload/p/r/f", "upload"),
            (get, "/generic/temporary/download/p/r/f", "download"),
            (get, "/repository/api/share/p/r/f", "download"),
            (post, "/repository/api/share/p/r/f", "share"),
            (post, "/bkrepo/api/service/repository/api/node/copy", "copy"),
            (post, "/repository/api/node/query", "search"),
            (post, "/repository/api/node/batch/p/r", "read"),
            (delete, "/repository/api/node/batch/p/r", "delete"),
            (post, "/repository/api/repo/create", "post"),
            (put, "/auth/api/user/ann", "user"),
            (put, "/packhold/grants", "grant"),
            (post, "/packhold/session", "login"),
            (delete, "/packhold/session", "logout"),
            (get, "/packhold/session", "read"),
            (post, "/packhold/verify", "post"),
            (get, "/packhold/pack", "backup"),
            (post, "/api/v2/software-packages", "upload"),
            (delete, "/api/v2/software-packages/1", "delete"),
            (get, "/api/v2/files/sys-package/f.rpm", "download"),
            (get, "/healthz", "health"),
            (get, "/api/status", "health"),
            (post, "/healthz", "post"),
            (&Method::PATCH, "/nowhere", "post"),
            (get, "/nowhere", "read"),
        ] {
            assert_eq!(what(method, path), action, "{method} {path}");
            assert!(ACTIONS.contains(&action), "{action}");
        }
    }

    #[test]
    fn long_lists_are_counted() {
        let note = Note::default();
        note.subjects((0..100_000).map(|n| format!("/file-{n}")));
        let noted = note.0.lock();
        let text = noted.subject.as_deref().expect("a text");
        assert!(text.len() < MAX_SUBJECT_BYTES + 100, "{}", text.len());
        assert!(text.starts_with("/file-0 /file-1 ") && text.ends_with(" more"));
    }
}
