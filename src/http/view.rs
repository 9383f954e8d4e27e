//! Shapes on the wire.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use warp::reply::Response;

use super::error::ApiError;
use super::held::InMemory;
use super::request::TraceId;
use crate::domain::DomainError;
use crate::store::StoreError;

/// Names the request in every answer.
pub const RID: &str = "x-bkrepo-rid";

/// The envelope of the generic API; nulls are written.
#[derive(Debug, Serialize)]
struct Envelope<'a, T> {
    code: u32,
    message: Option<&'a str>,
    data: Option<T>,
    #[serde(rename = "traceId")]
    trace_id: &'a str,
}

/// `data: null`.
#[derive(Debug, Serialize)]
pub struct Nothing {}

/// ISO local date-time with milliseconds, as in seed 003: `2020-07-27T16:02:31.394`.
pub fn local_time(unix_ms: u64, zone: &TimeZone) -> String {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    let time = timestamp.to_zoned(zone.clone());
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}

/// A successful answer.
pub fn success<T: Serialize>(trace: &TraceId, data: Option<T>) -> Response {
    let envelope = Envelope {
        code: 0,
        message: None,
        data,
        trace_id: &trace.0,
    };
    json(StatusCode::OK, trace, &envelope)
}

/// The answer of an error; server errors are logged here, once.
pub fn failure(trace: &TraceId, error: &ApiError) -> Response {
    let answer = error.answer();
    log(trace, answer.status, error);
    let envelope = Envelope::<()> {
        code: answer.code,
        message: Some(&answer.message),
        data: None,
        trace_id: &trace.0,
    };
    let mut response = json(answer.status, trace, &envelope);
    error_headers(&mut response, error);
    response
}

/// Logs what is the server's fault.
pub fn log(trace: &TraceId, status: StatusCode, error: &ApiError) {
    if status.is_server_error() {
        tracing::error!(trace = %trace.0, status = status.as_u16(), %error, "request failed");
    }
}

/// Puts the headers that an error has, whatever its envelope.
pub fn error_headers(response: &mut Response, error: &ApiError) {
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"Authentication Required\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    if let ApiError::TooManyLogins { retry_after_s, .. } = error {
        let seconds = HeaderValue::from(*retry_after_s);
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    if let ApiError::Method { allow, .. } = error
        && let Ok(allow) = HeaderValue::try_from(allow)
    {
        response.headers_mut().insert("allow", allow);
    }
    if let ApiError::Domain(DomainError::Store(StoreError::Replaced)) = error {
        // Whoever asks anew is served from the new pack.
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let ApiError::TooOften { wait_s } = error {
        let wait = HeaderValue::from(*wait_s);
        response.headers_mut().insert("retry-after", wait);
    }
    if let ApiError::Range { size } = error
        && let Ok(value) = HeaderValue::try_from(format!("bytes */{size}"))
    {
        response.headers_mut().insert("content-range", value);
    }
}

/// Any JSON document as an answer.
pub fn json<T: Serialize>(status: StatusCode, trace: &TraceId, value: &T) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.extensions_mut().insert(InMemory);
    json_headers(&mut response, trace);
    response
}

/// Puts the headers that every JSON answer has.
pub fn json_headers(response: &mut Response, trace: &TraceId) {
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    headers.insert(CONTENT_TYPE, json);
    if let Ok(value) = HeaderValue::try_from(trace.0.as_str()) {
        headers.insert(RID, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_with_milliseconds() {
        let ms = 1_595_865_751_394;
        assert_eq!(local_time(ms, &TimeZone::UTC), "2020-07-27T16:02:31.394");
        let east = TimeZone::fixed(jiff::tz::offset(8));
        assert_eq!(local_time(ms, &east), "2020-07-28T00:02:31.394");
        assert_eq!(
            local_time(1_595_865_751_000, &TimeZone::UTC),
            "2020-07-27T16:02:31.000"
        );
        assert!(!local_time(u64::MAX, &TimeZone::UTC).is_empty());
    }
}
