//! Answering with a file: conditions, range, headers, and the bytes without a copy.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::task::JoinHandle;
use warp::http::header::{HeaderName, HeaderValue};
use warp::http::{Method, StatusCode};
use warp::reply::{Reply, Response};

use super::app::App;
use super::artifact;
use super::conditional::{self, Outcome, Validators};
use super::error::ApiError;
use super::params;
use super::range::{self, RangeAnswer};
use super::request::Request;
use super::view::RID;
use crate::domain::FileEntry;
use crate::format::meta::{Blob, Node};
use crate::metrics;
use crate::store::{BlobReader, StoreError};

/// What is sent, whichever API it is asked for through.
pub struct Artifact {
    /// What it is called.
    pub name: String,
    /// Its content.
    pub blob: Blob,
    /// sha1 of its content, where that is told.
    pub sha1: Option<[u8; 20]>,
    /// When it was changed last, Unix milliseconds.
    pub modified_ms: u64,
    /// How it may be cached.
    pub cache_control: String,
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
    let etag = hex::encode(artifact.blob.sha256);
    let validators = Validators {
        etag: &etag,
        modified_s: artifact.modified_ms / 1000,
    };
    let size = artifact.blob.size;
    let (status, range) = match conditional::evaluate(&request.headers, Some(&validators), true) {
        Outcome::PreconditionFailed => return Err(ApiError::Precondition),
        Outcome::NotModified => (StatusCode::NOT_MODIFIED, 0..0),
        Outcome::Proceed => select(request, &validators, size)?,
    };
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
    request: &Request,
    validators: &Validators<'_>,
    size: u64,
) -> Result<(StatusCode, std::ops::Range<u64>), ApiError> {
    let applies = conditional::range_applies(&request.headers, validators);
    let header = request.headers.get("range").filter(|_| applies);
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
        let mut response = match (self.window.len(), self.reader.remaining()) {
            (0, _) => Response::new(Vec::new().into()),
            (1, 0) => Response::new(self.window[0].clone().into()),
            _ => warp::reply::stream(windows(self.reader, self.window)).into_response(),
        };
        if request.method != Method::HEAD {
            metrics::SENT_BYTES.add(self.range.end - self.range.start);
        }
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in headers_of(&self.artifact, self.status, &self.range, request) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

fn headers_of(
    artifact: &Artifact,
    status: StatusCode,
    range: &std::ops::Range<u64>,
    request: &Request,
) -> Vec<(&'static str, String)> {
    let Artifact { name, blob, .. } = artifact;
    let modified = Duration::from_secs(artifact.modified_ms / 1000);
    let modified = std::time::UNIX_EPOCH + modified;
    let mut list = vec![
        ("accept-ranges", "bytes".to_owned()),
        ("cache-control", artifact.cache_control.clone()),
        ("etag", format!("\"{}\"", hex::encode(blob.sha256))),
        ("last-modified", httpdate::fmt_http_date(modified)),
        ("x-checksum-sha256", hex::encode(blob.sha256)),
        ("x-checksum-md5", hex::encode(blob.md5)),
        ("x-checksum-crc64ecma", blob.crc64.to_string()),
        (RID, request.trace.0.clone()),
    ];
    let sha1 = artifact.sha1.map(hex::encode);
    list.extend(sha1.map(|sha1| ("x-checksum-sha1", sha1)));
    if status == StatusCode::NOT_MODIFIED {
        return list;
    }
    list.push(("content-type", artifact::content_type(name)));
    list.push(("content-length", (range.end - range.start).to_string()));
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last) = (range.start, range.end - 1);
        list.push((
            "content-range",
            format!("bytes {first}-{last}/{}", blob.size),
        ));
    }
    if params::query_flag(&request.query, "download") {
        list.push(("content-disposition", artifact::content_disposition(name)));
    }
    list
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

/// What is being sent, and the window that is read meanwhile.
struct Sending {
    window: std::vec::IntoIter<Bytes>,
    ahead: Option<Ahead>,
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

/// All windows, one read ahead. An error ends the stream, and with it the connection: a client
/// that counts bytes notices, and nothing wrong was sent.
fn windows(
    reader: BlobReader,
    first: Vec<Bytes>,
) -> impl futures_util::Stream<Item = Result<Bytes, StoreError>> + Send + Sync + 'static {
    let sending = Sending {
        window: first.into_iter(),
        ahead: read_ahead(reader),
    };
    stream::try_unfold(sending, |mut sending| async move {
        loop {
            if let Some(bytes) = sending.window.next() {
                return Ok(Some((bytes, sending)));
            }
            let Some(ahead) = sending.ahead.take() else {
                return Ok(None);
            };
            let (reader, window) = ahead
                .await
                .map_err(|e| StoreError::System(format!("a reader: {e}")))?;
            sending.window = window
                .inspect_err(|error| tracing::error!(%error, "a download broke off"))?
                .into_iter();
            sending.ahead = read_ahead(reader);
        }
    })
}
