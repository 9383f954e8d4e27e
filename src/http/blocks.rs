//! Uploads in blocks. Sources: seed 004 (`/generic/separate/...`, blocks go by offsets), and the
//! older `/generic/block/...` (they go by numbers) that real clients use (observed §3.1).

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use warp::http::{HeaderMap, HeaderValue, Method};
use warp::reply::Response;

use super::app::{App, blocking, waiting};
use super::auth::{authenticate, authorize, may_create};
use super::body::receive;
use super::error::ApiError;
use super::generic::{declared, upload};
use super::params;
use super::quota::within;
use super::request::{Body, Request};
use super::stream::{Steps, respond};
use super::view::{Nothing, json_headers, success};
use crate::domain::auth::{Action, Principal};
use crate::domain::blocks::{self, BlockUpload, SESSION_MS, UploadId};
use crate::domain::{Address, DomainError};
use crate::format::meta::{Block, Dialect};
use crate::store::Ingest;

const UPLOAD_ID: &str = "x-bkrepo-upload-id";
const SEQUENCE: &str = "x-bkrepo-sequence";
const OFFSET: &str = "x-bkrepo-offset";
const SIZE: &str = "x-bkrepo-size";
const UPLOAD_TYPE: &str = "upload-type";
const SEPARATE: &str = "SEPARATE-UPLOAD";

/// How long a completion waits for whoever digests the same blocks, before it looks again.
const AGAIN: Duration = Duration::from_millis(10);
/// The longest that it waits so: whoever looks reads the rows of all blocks.
const AGAIN_AT_LAST: Duration = Duration::from_secs(1);
/// Blocks listed at once.
const PAGE: usize = 500;

/// Who asks, and about what.
pub type Entrance = (Principal, Address);

/// What the answer to a start tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    upload_id: String,
    expire_seconds: u64,
}

/// Whether a `PUT` to a file's own path brings a block, and in which dialect. What only half says
/// so is refused: it is never stored as a whole file.
///
/// # Errors
/// [`ApiError::Parameter`] for an unknown `UPLOAD-TYPE`, [`ApiError::HeaderMissing`].
pub fn dialect_of_put(headers: &HeaderMap) -> Result<Option<Dialect>, ApiError> {
    let has = |name| headers.contains_key(name);
    match headers.get(UPLOAD_TYPE).map(HeaderValue::as_bytes) {
        Some(value) if value == SEPARATE.as_bytes() => Ok(Some(Dialect::Offset)),
        Some(_) => Err(ApiError::Parameter("UPLOAD-TYPE")),
        None if has(OFFSET) => Err(ApiError::HeaderMissing("UPLOAD-TYPE")),
        None if has(UPLOAD_ID) && has(SEQUENCE) => Ok(Some(Dialect::Sequence)),
        None if has(UPLOAD_ID) => Err(ApiError::HeaderMissing("UPLOAD-TYPE")),
        None => Ok(None),
    }
}

/// `/generic/{separate,block}/{project}/{repo}/{path}`.
///
/// # Errors
/// [`ApiError`].
pub async fn session(
    app: Arc<App>,
    request: Request,
    dialect: Dialect,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let address = request.place()?;
    session_as(app, request, (principal, address), dialect).await
}

/// The same, for somebody and a place that are known.
///
/// # Errors
/// [`ApiError`].
pub async fn session_as(
    app: Arc<App>,
    request: Request,
    at: Entrance,
    dialect: Dialect,
) -> Result<Response, ApiError> {
    {
        let (app, (principal, address)) = (Arc::clone(&app), at.clone());
        blocking(move || {
            authorize(&app.store.rows()?, &principal, Action::Write, &address).map(drop)
        })
        .await?;
    }
    match request.method {
        Method::POST => start(app, request, at, dialect).await,
        Method::GET => list(app, request, at, dialect).await,
        Method::PUT => complete(app, request, at, dialect).await,
        Method::DELETE => abort(app, request, at, dialect).await,
        // The route has no others.
        _ => Err(request.no_route()),
    }
}

/// `POST`: begins an upload in blocks.
///
/// # Errors
/// [`ApiError`].
async fn start(
    app: Arc<App>,
    request: Request,
    (principal, address): Entrance,
    dialect: Dialect,
) -> Result<Response, ApiError> {
    let mut upload = upload(&app, &request, address, &principal)?;
    // The completion takes it.
    upload.permit = None;
    let upload = {
        let app = Arc::clone(&app);
        blocking(move || {
            let rows = app.store.rows()?;
            authorize(&rows, &principal, Action::Write, &upload.address)?;
            upload.may_create = may_create(&app, &rows, &principal, &upload.address)?;
            app.store.writable()?;
            Ok(upload)
        })
        .await?
    };
    count_session(&app, &upload.by).await?;
    let (done, outcome) = waiting();
    blocks::start(&app.store, upload, dialect, done);
    let started = Started {
        upload_id: outcome.await?.to_string(),
        expire_seconds: SESSION_MS / 1000,
    };
    Ok(success(&request.trace, Some(started)))
}

/// Refuses one more session to who has too many.
async fn count_session(app: &Arc<App>, user: &str) -> Result<(), ApiError> {
    let limit = app.config.limits.max_sessions_per_user;
    if app.open.take(user, limit) {
        return Ok(());
    }
    let permit = Arc::clone(&app.measuring).acquire_owned().await;
    let (app, user) = (Arc::clone(app), user.to_owned());
    blocking(move || {
        let _permit = permit;
        Ok(app.open.recount(&app.store, &user, limit)?)
    })
    .await
}

/// `PUT` to the file's own path: takes in a block.
///
/// # Errors
/// [`ApiError`].
pub async fn put(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
    (principal, address): Entrance,
    dialect: Dialect,
) -> Result<Response, ApiError> {
    let upload = BlockUpload {
        address,
        id: upload_id(&request, dialect)?,
        key: key(&request.headers, dialect)?,
        declared: declared(&request.headers)?,
    };
    let session = *upload.id.session_id();
    let size = request.content_length();
    // A block at an offset says how large the file is at least.
    let offset = match dialect {
        Dialect::Offset => upload.key,
        Dialect::Sequence => 0,
    };
    let (begun, ingest, quota) = {
        let app = Arc::clone(&app);
        blocking(move || {
            let quota = {
                let rows = app.store.rows()?;
                authorize(&rows, &principal, Action::Write, &upload.address)?;
                app.config
                    .limits
                    .admit(size.map(|size| offset.saturating_add(size)))?;
                let most = app.usage.most(&rows, &upload.address, app.store.now_ms())?;
                match most {
                    Some(excess)
                        if excess.growth_bytes < offset.saturating_add(size.unwrap_or(0)) =>
                    {
                        return Err(DomainError::Quota(excess).into());
                    }
                    most => most,
                }
            };
            let (begun, ingest) = blocks::begin_block(&app.store, upload, size)?;
            Ok((begun, ingest, quota))
        })
        .await?
    };
    app.config.limits.cap(body, offset);
    if let Some(excess) = quota {
        let left = excess.growth_bytes.saturating_sub(offset);
        body.cap(left, DomainError::Quota(excess).into());
    }
    let ingested = receive(&app.store, ingest, body, Ingest::finish_block).await?;
    let (done, outcome) = waiting();
    blocks::finish_block(&app.store, begun, ingested, done);
    outcome.await?;
    catch_up(app, session);
    Ok(success(&request.trace, None::<Nothing>))
}

/// Digests blocks that did not come in order, beside whatever comes next.
fn catch_up(app: Arc<App>, session: [u8; 16]) {
    tokio::task::spawn_blocking(move || {
        // Whoever does so already goes on to this block, too.
        if let Err(error) = blocks::catch_up(&app.store, &app.digesting, &session) {
            // Completing the upload will meet it again, and tell the client.
            tracing::warn!(%error, "digesting blocks");
        }
    });
}

/// `GET`: the blocks that came so far.
///
/// # Errors
/// [`ApiError`].
async fn list(
    app: Arc<App>,
    request: Request,
    (principal, address): Entrance,
    dialect: Dialect,
) -> Result<Response, ApiError> {
    let id = upload_id(&request, dialect)?;
    let (done, outcome) = waiting();
    let listing = Listing {
        app: Arc::clone(&app),
        id: id.clone(),
        address: address.clone(),
        at_ms: app.store.now_ms(),
        trace: request.trace.0.clone(),
        next: Some(0),
        begun: false,
    };
    blocking(move || {
        // A session is its writers' business.
        authorize(&app.store.rows()?, &principal, Action::Write, &address)?;
        // Whoever asks goes on with it: that counts as use.
        blocks::touch(&app.store, address, id, done);
        Ok(())
    })
    .await?;
    outcome.await?;
    let mut response = respond(listing);
    json_headers(&mut response, &request.trace);
    Ok(response)
}

/// The answer of [`list`], a page of blocks at a time.
struct Listing {
    app: Arc<App>,
    id: UploadId,
    address: Address,
    at_ms: u64,
    trace: String,
    /// The key from which on the next blocks are; `None` at the end.
    next: Option<u64>,
    begun: bool,
}

/// A block as seed 004 lists it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeparateRow<'a> {
    size: u64,
    sha256: String,
    start_pos: u64,
    upload_id: &'a str,
}

/// A block as the older dialect lists it.
#[derive(Serialize)]
struct SequenceRow {
    size: u64,
    sha256: String,
    sequence: u64,
}

impl Steps for Listing {
    fn step(&mut self) -> Result<Option<bytes::Bytes>, ApiError> {
        let Some(from) = self.next else {
            return Ok(None);
        };
        let rows = self.app.store.rows()?;
        let (address, id) = (&self.address, &self.id);
        let page = blocks::blocks(&rows, address, id, self.at_ms, from, PAGE)?;
        let mut text = String::new();
        if from == 0 {
            text.push_str(r#"{"code":0,"message":null,"data":["#);
        }
        for block in &page {
            if std::mem::replace(&mut self.begun, true) {
                text.push(',');
            }
            text.push_str(&self.row(block));
        }
        self.next = match page.last().and_then(|last| last.key.checked_add(1)) {
            Some(next) if page.len() == PAGE => Some(next),
            _ => None,
        };
        if self.next.is_none() {
            text.push_str(r#"],"traceId":""#);
            text.push_str(&self.trace);
            text.push_str("\"}");
        }
        Ok(Some(text.into()))
    }
}

impl Listing {
    fn row(&self, block: &Block) -> String {
        let sha256 = hex::encode(block.sha256);
        let row = match self.id.dialect {
            Dialect::Offset => serde_json::to_string(&SeparateRow {
                size: block.size,
                sha256,
                start_pos: block.key,
                upload_id: &self.id.to_string(),
            }),
            Dialect::Sequence => serde_json::to_string(&SequenceRow {
                size: block.size,
                sha256,
                sequence: block.key,
            }),
        };
        row.unwrap_or_default()
    }
}

/// `PUT`: makes the file.
///
/// # Errors
/// [`ApiError`]; the session and its blocks stay.
async fn complete(
    app: Arc<App>,
    request: Request,
    (principal, address): Entrance,
    dialect: Dialect,
) -> Result<Response, ApiError> {
    let id = upload_id(&request, dialect)?;
    let size = params::number_header(&request.headers, SIZE)?;
    if dialect == Dialect::Offset && size.is_none() {
        return Err(ApiError::NeitherOffsetNorSize);
    }
    let upload = upload(&app, &request, address, &principal)?;
    let mut again = AGAIN;
    let attempt = || {
        let (app, principal) = (Arc::clone(&app), principal.clone());
        let (mut upload, id) = (upload.clone(), id.clone());
        blocking(move || {
            {
                let rows = app.store.rows()?;
                authorize(&rows, &principal, Action::Write, &upload.address)?;
                upload.may_create = may_create(&app, &rows, &principal, &upload.address)?;
                app.config.limits.admit(size)?;
            }
            let state = (&app.digesting, &app.usage);
            Ok(blocks::complete(&app.store, state, &upload, &id, size)?)
        })
    };
    while within(&app, &upload.address, attempt).await?.is_none() {
        tokio::time::sleep(again).await;
        again = AGAIN_AT_LAST.min(again * 2);
    }
    Ok(success(&request.trace, None::<Nothing>))
}

/// `DELETE`: ends the session.
///
/// # Errors
/// [`ApiError`].
async fn abort(
    app: Arc<App>,
    request: Request,
    (principal, address): Entrance,
    dialect: Dialect,
) -> Result<Response, ApiError> {
    let id = upload_id(&request, dialect)?;
    let (done, outcome) = waiting();
    blocking(move || {
        authorize(&app.store.rows()?, &principal, Action::Write, &address)?;
        blocks::abort(&app.store, address, id, done);
        Ok(())
    })
    .await?;
    outcome.await?;
    Ok(success(&request.trace, None::<Nothing>))
}

/// Reads `X-BKREPO-UPLOAD-ID`.
fn upload_id(request: &Request, dialect: Dialect) -> Result<UploadId, ApiError> {
    let value = request.headers.get(UPLOAD_ID);
    let value = value.ok_or(ApiError::HeaderMissing("X-BKREPO-UPLOAD-ID"))?;
    let text = String::from_utf8_lossy(value.as_bytes());
    match text.trim() {
        "" => Err(ApiError::UploadIdBlank),
        text => Ok(UploadId::parse(text, dialect)?),
    }
}

/// Reads where the block belongs: `X-BKREPO-OFFSET`, or `X-BKREPO-SEQUENCE`, which counts from 1.
fn key(headers: &HeaderMap, dialect: Dialect) -> Result<u64, ApiError> {
    match dialect {
        Dialect::Offset => match params::number_header(headers, OFFSET) {
            Ok(Some(offset)) => Ok(offset),
            _ => Err(ApiError::NeitherOffsetNorSize),
        },
        Dialect::Sequence => match params::number_header(headers, SEQUENCE)? {
            Some(sequence) if sequence > 0 => Ok(sequence),
            _ => Err(ApiError::Parameter("X-BKREPO-SEQUENCE")),
        },
    }
}
