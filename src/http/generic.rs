//! `/generic/{project}/{repo}/{path}`: upload, download, delete. Source: seed 003.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::oneshot;
use warp::http::HeaderValue;
use warp::reply::Response;

use super::app::{App, blocking};
use super::archive;
use super::auth::{authenticate, authorize};
use super::body::receive;
use super::conditional::{self, Outcome, Validators};
use super::download::prepare;
use super::error::ApiError;
use super::folder;
use super::node_view::with_file;
use super::params;
use super::request::{Body, Request};
use super::view::success;
use crate::domain::auth::{Action, Principal};
use crate::domain::{self, Address, Declared, DomainError, Precondition, State, Stored, Upload};
use crate::store::StoreError;

const OVERWRITE: &str = "x-bkrepo-overwrite";
const SHA256: &str = "x-bkrepo-sha256";
const MD5: &str = "x-bkrepo-md5";
const UPLOAD_ID: &str = "x-bkrepo-upload-id";
const SEQUENCE: &str = "x-bkrepo-sequence";
const OFFSET: &str = "x-bkrepo-offset";
const UPLOAD_TYPE: &str = "upload-type";

/// Waits for what a change became.
async fn outcome<T>(receiver: oneshot::Receiver<Result<T, DomainError>>) -> Result<T, ApiError> {
    match receiver.await {
        Ok(result) => Ok(result?),
        Err(_) => Err(StoreError::Closed.into()),
    }
}

/// `PUT`: takes in a file. A refusal that needs no body is answered before it is read.
///
/// # Errors
/// [`ApiError`].
pub async fn put(app: Arc<App>, request: Request, body: &mut Body) -> Result<Response, ApiError> {
    let stored = take_in(&app, &request, body).await?;
    let size = stored.file.blob.size;
    let mut response = with_file(&stored.file, &app.config.zone, |view| {
        success(&request.trace, Some(view))
    });
    let blob = &stored.file.blob;
    for (name, value) in [
        ("x-checksum-sha256", hex::encode(blob.sha256)),
        ("x-checksum-md5", hex::encode(blob.md5)),
        ("x-checksum-crc64ecma", blob.crc64.to_string()),
        ("x-packhold-new-bytes", stored.new_bytes.to_string()),
        (
            "x-packhold-shared-bytes",
            (size - stored.new_bytes).to_string(),
        ),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

async fn take_in(app: &Arc<App>, request: &Request, body: &mut Body) -> Result<Stored, ApiError> {
    let principal = authenticate(app, request).await?;
    let address = request.address(&request.service_path()[1..])?;
    let upload = upload(app, request, address, &principal)?;
    let size = request.content_length();
    let ingest = {
        let (app, upload) = (Arc::clone(app), upload.clone());
        blocking(move || {
            {
                let rows = app.store.rows()?;
                authorize(&rows, &principal, Action::Write, &upload.address)?;
                domain::check(&rows, &upload, app.store.now_ms())?;
            }
            Ok(domain::begin(&app.store, &upload, size)?)
        })
        .await?
    };
    let share = app.store.largest_chunk();
    let ingested = receive(ingest, body, app.store.budget(), share).await?;
    let (sender, receiver) = oneshot::channel();
    domain::finish(&app.store, upload, ingested, move |result| {
        // Nobody listens when the client has gone; the file is there all the same.
        let _listener = sender.send(result);
    });
    outcome(receiver).await
}

/// What the headers say about an upload.
fn upload(
    app: &App,
    request: &Request,
    address: Address,
    principal: &Principal,
) -> Result<Upload, ApiError> {
    let headers = &request.headers;
    refuse_blocks(request)?;
    let sha256 = params::digest_header(headers, SHA256, 64)?;
    let md5 = params::digest_header(headers, MD5, 32)?;
    Ok(Upload {
        address,
        overwrite: params::bool_header(headers, OVERWRITE),
        expires_days: params::expires_days(headers)?,
        metadata: params::metadata(headers)?,
        declared: Declared {
            sha256,
            md5,
            crc64: params::crc64_header(headers)?,
        },
        precondition: precondition(request),
        by: principal.name().to_owned(),
        may_create: app.config.auto_create && principal.is_admin(),
    })
}

/// A request that means a block is never stored as a whole file.
fn refuse_blocks(request: &Request) -> Result<(), ApiError> {
    let has = |name| request.headers.contains_key(name);
    if has(UPLOAD_TYPE) {
        return Err(ApiError::Parameter("UPLOAD-TYPE"));
    }
    if has(UPLOAD_ID) && has(SEQUENCE) {
        return Err(ApiError::Parameter("X-BKREPO-UPLOAD-ID"));
    }
    if has(UPLOAD_ID) || has(OFFSET) {
        return Err(ApiError::HeaderMissing("UPLOAD-TYPE"));
    }
    Ok(())
}

/// `If-Match` and `If-None-Match` of an upload, to be asked when it begins and when it ends.
fn precondition(request: &Request) -> Precondition {
    let headers = request.headers.clone();
    Arc::new(move |state: Option<State>| {
        let etag = state.map(|state| hex::encode(state.sha256));
        let validators = etag.as_deref().zip(state).map(|(etag, state)| Validators {
            etag,
            modified_s: state.modified_ms / 1000,
        });
        conditional::evaluate(&headers, validators.as_ref(), false) == Outcome::Proceed
    })
}

/// `GET` and `HEAD`: a file, or a folder as an HTML index or, with `download=true`, a zip.
///
/// # Errors
/// [`ApiError`].
pub async fn get(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    blocking(move || {
        let address = request.address(&request.service_path()[1..])?;
        let rows = app.store.rows()?;
        authorize(&rows, &principal, Action::Read, &address)?;
        let now_ms = app.store.now_ms();
        if let Some(file) = domain::file(&rows, &address, now_ms)? {
            return Ok(prepare(&app, &request, file)?.respond(&request));
        }
        let id = domain::folder(&rows, &address, now_ms)?;
        Ok(if params::query_flag(&request.query, "download") {
            archive::folder(&app, &request, &address, id)
        } else {
            folder::index(&app, &request, &address, id)
        })
    })
    .await
}

/// `DELETE`.
///
/// # Errors
/// [`ApiError`].
pub async fn delete(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let address = request.address(&request.service_path()[1..])?;
    let (sender, receiver) = oneshot::channel();
    blocking(move || {
        authorize(&app.store.rows()?, &principal, Action::Delete, &address)?;
        domain::delete(&app.store, address, move |result| {
            // Nobody listens when the client has gone.
            let _listener = sender.send(result);
        });
        Ok(())
    })
    .await?;
    outcome(receiver).await?;
    Ok(success(&request.trace, None::<Nothing>))
}

/// `data: null`.
#[derive(Serialize)]
struct Nothing {}
