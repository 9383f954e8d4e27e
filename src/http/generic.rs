//! `/generic/{project}/{repo}/{path}`: upload, download, delete. Source: seed 003.

use std::sync::Arc;

use bytes::Bytes;
use warp::http::{HeaderMap, HeaderValue, Method};
use warp::reply::Response;

use super::app::{App, blocking, blocking_commit, commit, waiting};
use super::archive;
use super::auth::{authenticate, authorize, may_create};
use super::blocks;
use super::body::{receive, short};
use super::conditional::{self, Outcome, Validators};
use super::download::{Prepared, prepare};
use super::error::ApiError;
use super::folder;
use super::node_view::with_file;
use super::params;
use super::quota::within;
use super::request::{Body, Request, sends_unasked};
use super::timing::{self, Phase};
use super::view::{Nothing, success};
use crate::domain::auth::{Action, Principal};
use crate::domain::nodes;
use crate::domain::path::NodePath;
use crate::domain::quota::Excess;
use crate::domain::{
    self, Address, Declared, DomainError, MayCreate, Precondition, State, Stored, Upload,
};
use crate::format::meta::NodeId;
use crate::index::Rows;
use crate::store::{Generation, Ids, Ingest};

const OVERWRITE: &str = "x-bkrepo-overwrite";
const SHA256: &str = "x-bkrepo-sha256";
const MD5: &str = "x-bkrepo-md5";

/// `PUT`: takes in a file. A refusal that needs no body is answered before it is read.
///
/// # Errors
/// [`ApiError`].
pub async fn put(app: Arc<App>, request: Request, body: &mut Body) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let address = request.place()?;
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

async fn take_in(
    app: &Arc<App>,
    request: &Request,
    body: &mut Body,
    principal: Principal,
    address: Address,
) -> Result<Stored, ApiError> {
    let upload = upload(app, request, address, &principal)?;
    let size = request.content_length();
    let repo = upload.address.at(NodePath::default());
    if sends_unasked(&request.headers)
        && let Some(bytes) = short(body, size, app.store.largest_chunk()).await?
    {
        return within(app, &repo, || {
            at_once(app, upload.clone(), principal.clone(), bytes.clone())
        })
        .await;
    }
    let begun = within(app, &repo, || {
        let (app, upload, principal) = (Arc::clone(app), upload.clone(), principal.clone());
        blocking(move || begin(&app, upload, &principal, size))
    });
    let (upload, ingest, quota) = begun.await?;
    app.config.limits.cap(body, 0);
    if let Some(excess) = quota {
        // Whatever else is there: this alone would be too much.
        body.cap(excess.growth_bytes, DomainError::Quota(excess).into());
    }
    let ingested = receive(&app.store, ingest, body, Ingest::finish).await?;
    within(app, &repo, || {
        let (done, outcome) = waiting();
        domain::finish(
            &app.store,
            &app.usage,
            upload.clone(),
            ingested.clone(),
            done,
        );
        outcome
    })
    .await
}

/// A whole upload in one turn of a thread: every other costs a short one more than its work.
async fn at_once(
    app: &Arc<App>,
    upload: Upload,
    principal: Principal,
    bytes: Bytes,
) -> Result<Stored, ApiError> {
    // It is never closed.
    let turns = Arc::clone(&app.short_uploads);
    let turn = timing::phase(Phase::Turn, turns.acquire_owned()).await;
    let app = Arc::clone(app);
    blocking_commit(move || {
        let _turn = turn;
        let size = bytes.len() as u64;
        let (upload, mut ingest, quota) = begin(&app, upload, &principal, Some(size))?;
        if let Some(excess) = quota.filter(|excess| size > excess.growth_bytes) {
            return Err(DomainError::Quota(excess).into());
        }
        ingest.push(&bytes)?;
        let ingested = ingest.finish()?;
        Ok(move |done| domain::finish(&app.store, &app.usage, upload, ingested, done))
    })
    .await
}

/// What can be said of an upload before its bytes come; it is then ready to take them in. Besides,
/// what they come to at most in a repository with a quota.
fn begin(
    app: &App,
    mut upload: Upload,
    principal: &Principal,
    size: Option<u64>,
) -> Result<(Upload, Ingest, Option<Excess>), ApiError> {
    let quota = {
        let (rows, now_ms) = (app.store.rows()?, app.store.now_ms());
        authorize(&rows, principal, Action::Write, &upload.address)?;
        upload.may_create = may_create(app, &rows, principal, &upload.address)?;
        app.config.limits.admit(size)?;
        domain::check(&rows, &upload, now_ms)?;
        app.usage
            .check(&rows, &upload.address, size.unwrap_or(0), now_ms)?;
        app.usage.most(&rows, &upload.address, now_ms)?
    };
    let ingest = domain::begin(&app.store, &upload, size)?;
    Ok((upload, ingest, quota))
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
    let metadata = params::metadata(headers)?;
    nodes::refuse_large_metadata(metadata.iter().map(|(key, value)| (key, value)))?;
    Ok(Upload {
        address,
        overwrite: params::bool_header(headers, OVERWRITE),
        expires_days: params::expires_days(headers)?,
        metadata,
        declared: declared(headers)?,
        precondition: precondition(request),
        by: principal.name().to_owned(),
        may_create: MayCreate::Nothing,
        permit: principal.permit(),
        max_bytes: app.config.limits.max_upload_bytes,
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
    // Before anything is looked at.
    let generation = app.store.generation();
    let principal = authenticate(&app, &request).await?;
    let address = request.place()?;
    let needs_none = app.config.no_auth || principal == Principal::Anonymous;
    let is_plain = needs_none && request.query.is_empty();
    let hot = generation.filter(|_| is_plain);
    find(app, request, principal, address, hot).await
}

/// What a download found.
enum Found {
    File(Box<Prepared>),
    Folder(NodeId),
}

/// Answers somebody who is already known with what is at an address. A token that counts its uses
/// gives a permit for every answer with a body, before the first byte of it.
///
/// # Errors
/// [`ApiError`].
pub async fn get_as(
    app: Arc<App>,
    request: Request,
    principal: Principal,
    address: Address,
) -> Result<Response, ApiError> {
    find(app, request, principal, address, None).await
}

/// The same; a file is remembered for who asks again in the generation `hot`.
async fn find(
    app: Arc<App>,
    request: Request,
    principal: Principal,
    address: Address,
    hot: Option<Generation>,
) -> Result<Response, ApiError> {
    let permit = principal.permit();
    let (found, request, address) = {
        let app = Arc::clone(&app);
        blocking(move || {
            let rows = app.store.rows()?;
            authorize(&rows, &principal, Action::Read, &address)?;
            let now_ms = app.store.now_ms();
            let found = match domain::file(&rows, &address, now_ms)? {
                Some(file) => {
                    if let Some(generation) = hot {
                        app.hot.remember(&request.raw_path, generation, &file);
                    }
                    Found::File(Box::new(prepare(&app, &request, file)?))
                }
                None => Found::Folder(domain::folder(&rows, &address, now_ms)?),
            };
            Ok((found, request, address))
        })
        .await?
    };
    let sends = request.method == Method::GET
        && match &found {
            Found::File(file) => file.sends(),
            Found::Folder(_) => true,
        };
    if let Some(token) = permit.filter(|_| sends) {
        let take = move |rows: &dyn Rows, _: &mut Ids| {
            Ok((vec![domain::token::take_permit(rows, &token)?], ()))
        };
        commit(&app, take).await?;
    }
    Ok(match found {
        Found::File(file) => file.respond(&request),
        Found::Folder(id) if params::query_flag(&request.query, "download") => {
            archive::folder(&app, &request, &address, id)
        }
        Found::Folder(id) => folder::index(&app, &request, &address, id),
    })
}

/// `DELETE`.
///
/// # Errors
/// [`ApiError`].
pub async fn delete(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let address = request.place()?;
    let (done, outcome) = waiting();
    let deleting = Arc::clone(&app);
    blocking(move || {
        let app = deleting;
        authorize(&app.store.rows()?, &principal, Action::Delete, &address)?;
        domain::delete(&app.store, address, done);
        Ok(())
    })
    .await?;
    outcome.await?;
    app.to_sweep.notify_one();
    Ok(success(&request.trace, None::<Nothing>))
}
