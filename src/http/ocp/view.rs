//! Shapes on the wire: keys in alphabetical order, nulls left out.

use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::utf8_percent_encode;
use serde::Serialize;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use crate::format::meta::Package;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::links::{self, LINK};
use crate::http::request::{Request, TraceId};
use crate::http::view::{error_headers, json, log};

/// The envelope of every answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    duration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
    server: &'a str,
    status: u16,
    successful: bool,
    timestamp: String,
    trace_id: &'a str,
}

#[derive(Debug, Serialize)]
struct ErrorView {
    code: &'static str,
    message: String,
}

/// `data` of an answer that has none.
#[derive(Debug, Serialize)]
pub struct Nothing {}

/// A page of anything.
#[derive(Debug, Serialize)]
pub struct Paged<T> {
    /// What is on it.
    pub contents: Vec<T>,
    /// Where it is.
    pub page: PageView,
}

/// Where a page is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageView {
    /// Its number, from 1 on.
    pub number: u64,
    /// How much it could have.
    pub size: u64,
    /// How much all pages have.
    pub total_elements: u64,
    /// How many pages there are.
    pub total_pages: u64,
}

/// A software package.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageView {
    architecture: String,
    build_number: String,
    create_time: String,
    deletable: bool,
    download_url: String,
    extension: &'static str,
    file_name: String,
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    installation_data_list: Option<[(); 0]>,
    md5: String,
    name: String,
    operating_system: String,
    sha1: String,
    size: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    version: String,
}

impl PackageView {
    /// A package as it is shown; `base` is what links begin with.
    pub fn of(package: Package, base: &str, zone: &TimeZone, with_installations: bool) -> Self {
        let encoded = utf8_percent_encode(&package.file_name, LINK);
        Self {
            download_url: format!("{base}/api/v2/files/sys-package/{encoded}"),
            architecture: package.architecture,
            build_number: package.build_number,
            create_time: told(package.created_ms, zone, "%Y-%m-%dT%H:%M:%S%:z"),
            deletable: true,
            extension: "rpm",
            file_name: package.file_name,
            id: package.id,
            installation_data_list: with_installations.then_some([]),
            md5: hex::encode(package.md5),
            name: package.name,
            operating_system: package.operating_system,
            sha1: hex::encode(package.sha1),
            size: package.size,
            kind: package.kind.name(),
            version: package.version,
        }
    }
}

/// What an answer says of its request.
pub struct Asked {
    trace: TraceId,
    started: Instant,
    server: String,
}

impl Asked {
    /// From what is known before the request is understood.
    pub fn new(app: &App, headers: &HeaderMap, trace: &TraceId, started: Instant) -> Self {
        Self {
            trace: trace.clone(),
            started,
            server: links::own_name(app, headers),
        }
    }

    fn of(app: &App, request: &Request) -> Self {
        Self::new(app, &request.headers, &request.trace, request.started)
    }

    fn answer<T: Serialize>(
        &self,
        app: &App,
        status: StatusCode,
        data: Option<T>,
        error: Option<ErrorView>,
    ) -> Response {
        let envelope = Envelope {
            data,
            duration: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            error,
            server: &self.server,
            status: status.as_u16(),
            successful: status.is_success(),
            timestamp: now(app),
            trace_id: self.trace.short(),
        };
        json(status, &self.trace, &envelope)
    }

    /// The answer of an error; server errors are logged here, once.
    pub fn failure(&self, app: &App, error: &ApiError) -> Response {
        let answer = error.ocp_answer();
        log(&self.trace, answer.status, error);
        let view = ErrorView {
            code: answer.code,
            message: answer.message,
        };
        let mut response = self.answer(app, answer.status, None::<Nothing>, Some(view));
        error_headers(&mut response, error);
        response
    }
}

/// A successful answer.
pub fn success<T: Serialize>(app: &App, request: &Request, data: Option<T>) -> Response {
    Asked::of(app, request).answer(app, StatusCode::OK, data, None)
}

/// The time of the store's clock, with milliseconds and offset.
pub fn now(app: &App) -> String {
    let zone = &app.config.zone;
    told(app.store.now_ms(), zone, "%Y-%m-%dT%H:%M:%S%.3f%:z")
}

fn told(unix_ms: u64, zone: &TimeZone, format: &str) -> String {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    timestamp
        .to_zoned(zone.clone())
        .strftime(format)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_offset() {
        let east = TimeZone::fixed(jiff::tz::offset(8));
        let ms = 1_597_043_810_952;
        assert_eq!(
            told(ms, &east, "%Y-%m-%dT%H:%M:%S%:z"),
            "2020-08-10T15:16:50+08:00"
        );
        assert_eq!(
            told(ms, &TimeZone::UTC, "%Y-%m-%dT%H:%M:%S%.3f%:z"),
            "2020-08-10T07:16:50.952+00:00"
        );
    }
}
