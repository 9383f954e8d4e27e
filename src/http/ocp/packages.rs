//! Finding, sending and deleting software packages.

use std::sync::Arc;

use warp::reply::Response;

use super::query;
use super::view::{Nothing, PackageView, PageView, Paged, success};
use crate::domain::DomainError;
use crate::domain::auth::Action;
use crate::domain::packages;
use crate::http::app::{App, blocking, commit};
use crate::http::auth::{authenticate, authorize_packages};
use crate::http::download::{ASK_ALWAYS, Artifact, etag, prepare};
use crate::http::error::ApiError;
use crate::http::links;
use crate::http::params::query_value;
use crate::http::request::Request;
use crate::index::Rows;

/// What `read` makes of the rows, for who may see packages.
async fn viewed<T: Send + 'static>(
    app: &Arc<App>,
    request: &Request,
    read: impl FnOnce(&App, &dyn Rows) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let principal = authenticate(app, request).await?;
    let app = Arc::clone(app);
    blocking(move || {
        let rows = app.store.rows()?;
        authorize_packages(&rows, &principal, Action::Read)?;
        read(&app, &rows)
    })
    .await
}

/// `GET /api/v2/software-packages`.
///
/// # Errors
/// [`ApiError`].
pub async fn list(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let raw = request.query.clone();
    let (asked, found) = viewed(&app, &request, move |_, rows| {
        let asked = query::read(&raw)?;
        let found = rows.packages(&asked.query).map_err(DomainError::from)?;
        Ok((asked, found))
    })
    .await?;
    let with_installations = query_value(&request.query, "withInstallationData")
        .is_none_or(|value| !value.eq_ignore_ascii_case("false"));
    let base = links::base(&app, &request)?;
    let zone = &app.config.zone;
    let view = |package| PackageView::of(package, &base, zone, with_installations);
    let page = Paged {
        contents: found.packages.into_iter().map(view).collect(),
        page: PageView {
            number: asked.number,
            size: asked.size,
            total_elements: found.total,
            total_pages: found.total.div_ceil(asked.size),
        },
    };
    Ok(success(&app, &request, Some(page)))
}

/// The id in a path.
fn id_of(word: &str) -> Result<u64, ApiError> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let id = word.parse().ok().filter(|_| digits);
    id.ok_or(ApiError::Parameter("id"))
}

/// `GET /api/v2/software-packages/{id}`.
///
/// # Errors
/// [`ApiError`].
pub async fn info(app: Arc<App>, request: Request, id: &str) -> Result<Response, ApiError> {
    let id = id.to_owned();
    let package = viewed(&app, &request, move |_, rows| {
        Ok(packages::package(rows, id_of(&id)?)?)
    })
    .await?;
    let base = links::base(&app, &request)?;
    let view = PackageView::of(package, &base, &app.config.zone, true);
    Ok(success(&app, &request, Some(view)))
}

/// `DELETE /api/v2/software-packages/{id}`.
///
/// # Errors
/// [`ApiError`].
pub async fn delete(app: Arc<App>, request: Request, id: &str) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    {
        let app = Arc::clone(&app);
        blocking(move || authorize_packages(&app.store.rows()?, &principal, Action::Manage))
            .await?;
    }
    let id = id_of(id)?;
    commit(&app, move |rows, _| Ok((packages::delete(rows, id)?, ()))).await?;
    Ok(success(&app, &request, None::<Nothing>))
}

/// `GET /api/v2/files/sys-package/{fileName}`.
///
/// # Errors
/// [`ApiError`].
pub async fn download(
    app: Arc<App>,
    request: Request,
    file_name: String,
) -> Result<Response, ApiError> {
    let asked = request.clone();
    let prepared = viewed(&app, &request, move |app, rows| {
        let (package, blob) = packages::file(rows, &file_name)?;
        let artifact = Artifact {
            name: package.file_name,
            etag: etag(&blob),
            blob,
            sha1: Some(package.sha1),
            modified_ms: package.created_ms,
            cache_control: ASK_ALWAYS.to_owned(),
        };
        prepare(app, &asked, artifact)
    })
    .await?;
    Ok(prepared.respond(&request))
}
