//! Answering with a file: conditions, range, headers, and the bytes without a copy.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::task::JoinHandle;
use warp::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use warp::http::{Method, StatusCode};
use warp::reply::{Reply, Response};

use super::app::App;
use super::artifact;
use super::conditional::{self, Outcome, Validators};
use super::error::ApiError;
use super::params;
use super::range::{self, RangeAnswer};
use super::request::{Request, TraceId};
use super::view::RID;
use crate::domain::FileEntry;
use crate::format::meta::{Blob, Node};
use crate::metrics;
use crate::store::{BlobReader, StoreError};

const CHECKSUM_SHA256: HeaderName = HeaderName::from_static("x-checksum-sha256");
const CHECKSUM_SHA1: HeaderName = HeaderName::from_static("x-checksum-sha1");
const CHECKSUM_MD5: HeaderName = HeaderName::from_static("x-checksum-md5");
const CHECKSUM_CRC64: HeaderName = HeaderName::from_static("x-checksum-crc64ecma");

/// What is sent, whichever API it is asked for through.
pub struct Artifact {
    /// What it is called.
    pub name: String,
    /// Its content.
    pub blob: Blob,
    /// The sha256 of it in hexadecimal digits, as [`etag`] gives them.
    pub etag: String,
    /// sha1 of its content, where that is told.
    pub sha1: Option<[u8; 20]>,
    /// When it was changed last, Unix milliseconds.
    pub modified_ms: u64,
    /// How it may be cached.
    pub cache_control: String,
}

/// The entity tag of a content, without quotation marks.
pub fn etag(blob: &Blob) -> String {
    hex::encode(blob.sha256)
}

/// A client may keep it, and asks every time whether it still may.
pub const ASK_ALWAYS: &str = "no-cache";

impl From<FileEntry> for Artifact {
    fn from(file: FileEntry) -> Self {
        let FileEntry {
            address,
            node,
            blob,
        } = file;
        Self {
            name: address.path.name().unwrap_or_default().to_owned(),
            etag: etag(&blob),
            blob,
            sha1: None,
            modified_ms: node.modified_ms,
            cache_control: cache_control(&node).to_owned(),
        }
    }
}

/// An answer that is decided, and the first of its bytes.
pub struct Prepared {
    artifact: Artifact,
    status: StatusCode,
    range: std::ops::Range<u64>,
    reader: BlobReader,
    window: Vec<Bytes>,
}

/// What a request says of how it wants an artifact.
pub struct Asked<'r> {
    /// GET or HEAD.
    pub method: &'r Method,
    /// Its headers.
    pub headers: &'r HeaderMap,
    /// Its query, as it came.
    pub query: &'r str,
    /// Its trace.
    pub trace: &'r TraceId,
}

impl<'r> From<&'r Request> for Asked<'r> {
    fn from(request: &'r Request) -> Self {
        Self {
            method: &request.method,
            headers: &request.headers,
            query: &request.query,
            trace: &request.trace,
        }
    }
}

/// Which status answers a GET or HEAD, and with which bytes.
///
/// # Errors
/// [`ApiError::Precondition`], [`ApiError::Range`].
pub fn decide(
    asked: &Asked<'_>,
    artifact: &Artifact,
) -> Result<(StatusCode, std::ops::Range<u64>), ApiError> {
    let validators = Validators {
        etag: &artifact.etag,
        modified_s: artifact.modified_ms / 1000,
    };
    match conditional::evaluate(asked.headers, Some(&validators), true) {
        Outcome::PreconditionFailed => Err(ApiError::Precondition),
        Outcome::NotModified => Ok((StatusCode::NOT_MODIFIED, 0..0)),
        Outcome::Proceed => select(asked.headers, &validators, artifact.blob.size),
    }
}

/// Decides how to answer a GET or HEAD, and reads the first window. May wait for the disk.
///
/// # Errors
/// [`ApiError::Precondition`], [`ApiError::Range`], [`ApiError::Domain`] for damaged bytes.
pub fn prepare(
    app: &App,
    request: &Request,
    artifact: impl Into<Artifact>,
) -> Result<Prepared, ApiError> {
    let artifact = artifact.into();
    let (status, range) = decide(&request.into(), &artifact)?;
    let mut reader = app.store.read(&artifact.blob, range.clone());
    let window = match request.method == Method::HEAD {
        true => Vec::new(),
        false => reader.next_window()?,
    };
    Ok(Prepared {
        artifact,
        status,
        range,
        reader,
        window,
    })
}

fn select(
    headers: &HeaderMap,
    validators: &Validators<'_>,
    size: u64,
) -> Result<(StatusCode, std::ops::Range<u64>), ApiError> {
    let applies = conditional::range_applies(headers, validators);
    let header = headers.get("range").filter(|_| applies);
    match range::evaluate(header.map(HeaderValue::as_bytes), size) {
        RangeAnswer::Whole => Ok((StatusCode::OK, 0..size)),
        RangeAnswer::Partial { first, last } => Ok((StatusCode::PARTIAL_CONTENT, first..last + 1)),
        RangeAnswer::Unsatisfiable => Err(ApiError::Range { size }),
    }
}

impl Prepared {
    /// Whether a GET is answered with bytes of the file, be they none.
    pub fn sends(&self) -> bool {
        self.status != StatusCode::NOT_MODIFIED
    }

    /// The answer; the windows behind the first are read while it is sent.
    pub fn respond(self, request: &Request) -> Response {
        let body = match (self.window.len(), self.reader.remaining()) {
            (0, _) => Response::new(Vec::new().into()),
            (1, 0) => Response::new(self.window[0].clone().into()),
            _ => warp::reply::stream(windows(self.reader, self.window)).into_response(),
        };
        let labels = self.artifact.labels();
        let decided = (self.status, self.range);
        respond(body, &request.into(), &self.artifact, &labels, decided)
    }
}

/// The answer with a body, and all that its head says.
pub fn respond(
    body: Response,
    asked: &Asked<'_>,
    artifact: &Artifact,
    labels: &Labels,
    (status, range): (StatusCode, std::ops::Range<u64>),
) -> Response {
    let mut response = body;
    *response.status_mut() = status;
    let mut headers = labels.all.clone();
    if let Ok(rid) = HeaderValue::from_str(&asked.trace.0) {
        headers.insert(RID, rid);
    }
    if status != StatusCode::NOT_MODIFIED {
        let len = range.end - range.start;
        if *asked.method != Method::HEAD {
            metrics::SENT_BYTES.add(len);
        }
        headers.insert(CONTENT_TYPE, labels.content_type.clone());
        headers.insert(CONTENT_LENGTH, len.into());
        if params::query_flag(asked.query, "download") {
            put(
                &mut headers,
                CONTENT_DISPOSITION,
                artifact::content_disposition(&artifact.name),
            );
        }
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last) = (range.start, range.end - 1);
        let size = artifact.blob.size;
        put(
            &mut headers,
            CONTENT_RANGE,
            format!("bytes {first}-{last}/{size}"),
        );
    }
    *response.headers_mut() = headers;
    response
}

/// What the answers with an artifact say of it.
pub struct Labels {
    /// All of them.
    all: HeaderMap,
    /// Those that have a body, or would have one.
    content_type: HeaderValue,
}

impl Artifact {
    /// What is said of it.
    pub fn labels(&self) -> Labels {
        let blob = &self.blob;
        let modified = Duration::from_secs(self.modified_ms / 1000);
        let modified = std::time::UNIX_EPOCH + modified;
        // With room for what only one answer says.
        let mut all = HeaderMap::with_capacity(24);
        all.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        for (name, value) in [
            (CACHE_CONTROL, self.cache_control.clone()),
            (ETAG, format!("\"{}\"", self.etag)),
            (LAST_MODIFIED, httpdate::fmt_http_date(modified)),
            (CHECKSUM_SHA256, self.etag.clone()),
            (CHECKSUM_MD5, hex::encode(blob.md5)),
            (CHECKSUM_CRC64, blob.crc64.to_string()),
        ] {
            put(&mut all, name, value);
        }
        if let Some(sha1) = self.sha1 {
            put(&mut all, CHECKSUM_SHA1, hex::encode(sha1));
        }
        let content_type = HeaderValue::try_from(artifact::content_type(&self.name));
        Labels {
            all,
            content_type: content_type
                .unwrap_or(HeaderValue::from_static("application/octet-stream")),
        }
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// What the metadata says, if that can be sent.
fn cache_control(node: &Node) -> &str {
    let named = |(key, value): &'_ (String, String)| {
        key.eq_ignore_ascii_case("cache-control")
            && !value.trim().is_empty()
            && HeaderValue::from_str(value).is_ok()
    };
    let pair = node.metadata.iter().find(|pair| named(pair));
    pair.map_or(ASK_ALWAYS, |(_, value)| value)
}

type Ahead = JoinHandle<(BlobReader, Result<Vec<Bytes>, StoreError>)>;

/// What is being sent, and where what follows comes from.
struct Sending {
    window: std::vec::IntoIter<Bytes>,
    rest: Rest,
}

enum Rest {
    /// In memory so far: read where it is sent.
    Near(BlobReader),
    /// Some of it was not: a window is read while the one before is sent.
    Ahead(Option<Ahead>),
}

impl Rest {
    /// The window behind the one that was sent; empty at the end.
    async fn next(&mut self) -> Result<Vec<Bytes>, StoreError> {
        if let Self::Near(reader) = self {
            if reader.remaining() == 0 {
                return Ok(Vec::new());
            }
            if let Some(window) = reader.next_window_now() {
                return Ok(window);
            }
        }
        let ahead = match std::mem::replace(self, Self::Ahead(None)) {
            Self::Near(reader) => read_ahead(reader),
            Self::Ahead(ahead) => ahead,
        };
        let Some(ahead) = ahead else {
            return Ok(Vec::new());
        };
        let (reader, window) = ahead
            .await
            .map_err(|e| StoreError::System(format!("a reader: {e}")))?;
        let window = window.inspect_err(|error| tracing::error!(%error, "a download broke off"))?;
        *self = Self::Ahead(read_ahead(reader));
        Ok(window)
    }
}

fn read_ahead(mut reader: BlobReader) -> Option<Ahead> {
    if reader.remaining() == 0 {
        return None;
    }
    Some(tokio::task::spawn_blocking(move || {
        let window = reader.next_window();
        (reader, window)
    }))
}

/// All windows. An error ends the stream, and with it the connection: a client that counts bytes
/// notices, and nothing wrong was sent.
fn windows(
    reader: BlobReader,
    first: Vec<Bytes>,
) -> impl futures_util::Stream<Item = Result<Bytes, StoreError>> + Send + Sync + 'static {
    let sending = Sending {
        window: first.into_iter(),
        rest: Rest::Near(reader),
    };
    stream::try_unfold(sending, |mut sending| async move {
        loop {
            if let Some(bytes) = sending.window.next() {
                return Ok(Some((bytes, sending)));
            }
            let window = sending.rest.next().await?;
            if window.is_empty() {
                return Ok(None);
            }
            sending.window = window.into_iter();
        }
    })
}
