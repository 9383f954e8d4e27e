//! Which requests were answered, how, and how fast.
//!
//! The labels are few and fixed: actions as in the audit trail, the methods of HTTP, statuses. Nothing
//! that a client writes becomes one, so that nobody can fill the memory of who watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use warp::http::{Method, StatusCode};

use super::text::{Kind, Text};
use crate::http::audit::ACTIONS;
use crate::metrics::Histogram;

const METHODS: [&str; 9] = [
    "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE",
];
/// What is told of all others.
const OTHER: &str = "other";
const FIRST_STATUS: usize = 100;
const STATUSES: usize = 500;

/// By status.
type Row = [AtomicU64; STATUSES];

/// By action, method and status; zeros, most of which are never touched.
static ANSWERED: [[Row; METHODS.len() + 1]; ACTIONS.len() + 1] =
    [const { [const { [const { AtomicU64::new(0) }; STATUSES] }; METHODS.len() + 1] };
        ACTIONS.len() + 1];
static DURATION: [Histogram; ACTIONS.len() + 1] = [const { Histogram::new() }; ACTIONS.len() + 1];

/// An action, by its number. The number behind the last one is for actions without a name.
#[derive(Debug, Clone, Copy)]
pub struct Action(usize);

impl Action {
    /// Sending a file. A test holds the number against the name.
    pub const DOWNLOAD: Self = Self(1);

    /// Of a name, as the audit trail has it.
    pub fn named(name: &str) -> Self {
        let mut names = ACTIONS.iter();
        Self(
            names
                .position(|known| *known == name)
                .unwrap_or(ACTIONS.len()),
        )
    }

    fn name(self) -> &'static str {
        ACTIONS.get(self.0).copied().unwrap_or(OTHER)
    }
}

/// Counts a request that was answered; `took` until the answer's head was ready.
pub fn answered(action: Action, method: &Method, status: StatusCode, took: Duration) {
    let mut methods = METHODS.iter();
    let method = methods.position(|known| *known == method.as_str());
    let method = method.unwrap_or(METHODS.len());
    let status = usize::from(status.as_u16()).saturating_sub(FIRST_STATUS);
    let row = &ANSWERED[action.0][method];
    row[status.min(STATUSES - 1)].fetch_add(1, Ordering::Relaxed);
    DURATION[action.0].observe(took);
}

/// Writes what was counted.
pub fn write(text: &mut Text) {
    const REQUESTS: &str = "packhold_http_requests_total";
    const SECONDS: &str = "packhold_http_request_duration_seconds";
    text.metric(
        REQUESTS,
        "Requests answered, by action (as in the audit trail), method and status.",
        Kind::Counter,
    );
    let all = || (0..=ACTIONS.len()).map(Action);
    for action in all() {
        for (at, row) in ANSWERED[action.0].iter().enumerate() {
            let method = METHODS.get(at).copied().unwrap_or(OTHER);
            for (status, count) in row.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let (action, status) = (action.name(), status + FIRST_STATUS);
                    let labels =
                        format!("action=\"{action}\",method=\"{method}\",status=\"{status}\"");
                    text.sample(REQUESTS, &labels, count);
                }
            }
        }
    }
    text.metric(
        SECONDS,
        "Time until the head of an answer was ready, uploads included, bodies of downloads not.",
        Kind::Histogram,
    );
    for action in all() {
        let histogram = &DURATION[action.0];
        if histogram
            .cumulative()
            .last()
            .is_some_and(|count| *count > 0)
        {
            text.histogram(SECONDS, &format!("action=\"{}\"", action.name()), histogram);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_downloads() {
        assert_eq!(Action::DOWNLOAD.name(), "download");
        assert_eq!(Action::named("download").0, Action::DOWNLOAD.0);
    }

    #[test]
    fn what_has_no_name_is_other() {
        let strange = Method::from_bytes(b"BREW").unwrap();
        let status = StatusCode::from_u16(999).unwrap();
        answered(Action::named("nothing"), &strange, status, Duration::ZERO);
        let mut text = Text::default();
        write(&mut text);
        let text = text.finish();
        let line =
            "packhold_http_requests_total{action=\"other\",method=\"other\",status=\"599\"} 1";
        assert!(text.lines().any(|l| l == line), "{text}");
    }
}
