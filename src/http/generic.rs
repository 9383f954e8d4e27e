//! `/generic/{project}/{repo}/{path}`: upload, download, delete. Source: seed 003.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::oneshot;
use warp::http::{HeaderMap, HeaderValue};
use warp::reply::Response;

use super::app::{App, blocking};
use super::archive;
use super::auth::{authenticate, authorize};
use super::blocks;
use super::body::receive;
use super::conditional::{self, Outcome, Validators};
use super::download::prepare;
use super::error::ApiError;
use super::folder;
use super::params;
use super::request::{Body, Request};
use super::view::{NodeView, success};
use crate::domain::auth::{Action, Principal};
use crate::domain::{self, Address, Declared, DomainError, Precondition, State, Stored, Upload};
use crate::store::{Ingest, StoreError};

const OVERWRITE: &str = "x-bkrepo-overwrite";
const SHA256: &str = "x-bkrepo-sha256";
const MD5: &str = "x-bkrepo-md5";

/// Waits for what a change became.
pub(super) async fn outcome<T>(
    receiver: oneshot::Receiver<Result<T, DomainError>>,
) -> Result<T, ApiError> {
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
    let principal = authenticate(&app, &request).await?;
    let address = request.address(&request.service_path()[1..])?;
    put_as(app, request, body, principal, address).await
}

/// The same, for somebody and a place that are known: a whole file, or a block of one.
///
/// # Errors
/// [`ApiError`].
pub async fn put_as(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
    principal: Principal,
    address: Address,
) -> Result<Response, ApiError> {
    if let Some(dialect) = blocks::dialect_of_put(&request.headers)? {
        return blocks::put(app, request, body, (principal, address), dialect).await;
    }
    let stored = take_in(&app, &request, body, principal, address).await?;
    let size = stored.file.blob.size;
    let view = NodeView::file(&stored.file, &app.config.zone);
    let mut response = success(&request.trace, Some(view));
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

async fn take_in(
    app: &Arc<App>,
    request: &Request,
    body: &mut Body,
    principal: Principal,
    address: Address,
) -> Result<Stored, ApiError> {
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
    let ingested = receive(&app.store, ingest, body, Ingest::finish).await?;
    let (sender, receiver) = oneshot::channel();
    domain::finish(&app.store, upload, ingested, move |result| {
        // Nobody listens when the client has gone; the file is there all the same.
        let _listener = sender.send(result);
    });
    outcome(receiver).await
}

/// The digests that the headers declare.
pub(super) fn declared(headers: &HeaderMap) -> Result<Declared, ApiError> {
    Ok(Declared {
        sha256: params::digest_header(headers, SHA256, 64)?,
        md5: params::digest_header(headers, MD5, 32)?,
        crc64: params::crc64_header(headers)?,
    })
}

/// What the headers say about an upload.
pub(super) fn upload(
    app: &App,
    request: &Request,
    address: Address,
    principal: &Principal,
) -> Result<Upload, ApiError> {
    let headers = &request.headers;
    Ok(Upload {
        address,
        overwrite: params::bool_header(headers, OVERWRITE),
        expires_days: params::expires_days(headers)?,
        metadata: params::metadata(headers)?,
        declared: declared(headers)?,
        precondition: precondition(request),
        by: principal.name().to_owned(),
        may_create: app.config.auto_create && principal.is_admin(),
    })
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
    let deleting = Arc::clone(&app);
    blocking(move || {
        let app = deleting;
        authorize(&app.store.rows()?, &principal, Action::Delete, &address)?;
        domain::delete(&app.store, address, move |result| {
            // Nobody listens when the client has gone.
            let _listener = sender.send(result);
        });
        Ok(())
    })
    .await?;
    outcome(receiver).await?;
    app.to_sweep.notify_one();
    Ok(success(&request.trace, None::<Nothing>))
}

/// `data: null`.
#[derive(Serialize)]
pub(super) struct Nothing {}
