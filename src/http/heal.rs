//! What is damaged, and mending it: chunks and contents by their sha256, for administrators. The server
//! fetches nothing by itself; whoever mends it brings the bytes.

use std::sync::Arc;

use bytes::Bytes;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::app::{App, blocking};
use super::body::{collect, receive};
use super::error::ApiError;
use super::ops::administrator;
use super::request::{Body, Request};
use super::stream::{self, Steps};
use super::view::{RID, json};
use crate::format::Sha256;
use crate::store::BlobReader;

const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// `GET /packhold/damage`: what is known to be damaged and has no intact copy, and the files that it hits.
///
/// # Errors
/// [`ApiError`].
pub async fn damage(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let damage = blocking(move || Ok(app.store.damage()?)).await?;
    Ok(json(StatusCode::OK, &request.trace, &damage))
}

/// `GET /packhold/chunks/{sha256}`: the bytes of a chunk.
///
/// # Errors
/// [`ApiError::NoDigest`] when there are none that are intact; [`ApiError`].
pub async fn chunk(app: Arc<App>, request: Request, digest: &str) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let sha256 = parse(digest)?;
    let bytes = blocking(move || Ok(app.store.chunk(&sha256)?)).await?;
    let bytes = bytes.ok_or_else(|| no("Chunk", &sha256))?;
    let len = bytes.len() as u64;
    Ok(binary(&request, len, Response::new(bytes.into())))
}

/// `PUT /packhold/chunks/{sha256}`: mends a chunk that is known to be damaged, wherever it is.
///
/// # Errors
/// [`ApiError::NoDigest`] when it is not; [`ApiError::TooLong`]; 400 for other bytes; [`ApiError`].
pub async fn mend_chunk(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
    digest: &str,
) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let sha256 = parse(digest)?;
    let bytes = collect(body, app.store.largest_chunk()).await?;
    let mended = blocking(move || Ok(app.store.mend_chunk(&sha256, &bytes)?)).await?;
    match mended {
        0 => Err(no("Damaged chunk", &sha256)),
        _ => Ok(done(&request)),
    }
}

/// `GET /packhold/contents/{sha256}`: the bytes of a content, whatever files have it.
///
/// # Errors
/// [`ApiError::NoDigest`]; [`ApiError`].
pub async fn content(app: Arc<App>, request: Request, digest: &str) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let sha256 = parse(digest)?;
    let found = blocking(move || {
        let found = app.store.content(&sha256)?;
        let (blob, reader) = found.ok_or_else(|| no("Content", &sha256))?;
        let mut windows = Windows {
            reader,
            next: Vec::new().into_iter(),
        };
        // What cannot be read from the start on is an error, not an answer that breaks off.
        windows.fill()?;
        Ok((windows, blob.size))
    });
    let (windows, size) = found.await?;
    Ok(binary(&request, size, stream::respond(windows)))
}

/// `PUT /packhold/contents/{sha256}`: mends a content that cannot be read, for all files that have it.
///
/// # Errors
/// [`ApiError::NoDigest`] when none is damaged that has this digest; 400 for other bytes; [`ApiError`].
pub async fn mend_content(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
    digest: &str,
) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let sha256 = parse(digest)?;
    let store = app.store.clone();
    let ingest = blocking(move || Ok(store.begin_mending(&sha256)?)).await?;
    let (ingest, size) = ingest.ok_or_else(|| no("Damaged content", &sha256))?;
    body.cap(size, ApiError::TooLong { limit_bytes: size });
    let store = app.store.clone();
    let finish = move |ingest| store.finish_mending(&sha256, ingest);
    receive(&app.store, ingest, body, finish).await?;
    Ok(done(&request))
}

fn parse(digest: &str) -> Result<Sha256, ApiError> {
    let sha256 = hex::decode(digest).ok().and_then(|d| d.try_into().ok());
    sha256.ok_or(ApiError::Parameter("sha256"))
}

fn no(what: &str, sha256: &Sha256) -> ApiError {
    ApiError::NoDigest(format!("{what} [{}]", hex::encode(sha256)))
}

fn done(request: &Request) -> Response {
    let mended = serde_json::json!({"mended": true});
    json(StatusCode::OK, &request.trace, &mended)
}

fn binary(request: &Request, bytes: u64, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, BINARY);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    if let Ok(trace) = HeaderValue::try_from(request.trace.0.as_str()) {
        headers.insert(RID, trace);
    }
    response
}

/// A content, window by window.
struct Windows {
    reader: BlobReader,
    next: std::vec::IntoIter<Bytes>,
}

impl Windows {
    fn fill(&mut self) -> Result<(), ApiError> {
        if self.next.len() == 0 && self.reader.remaining() > 0 {
            self.next = self.reader.next_window()?.into_iter();
        }
        Ok(())
    }
}

impl Steps for Windows {
    fn step(&mut self) -> Result<Option<Bytes>, ApiError> {
        self.fill()?;
        Ok(self.next.next())
    }
}
