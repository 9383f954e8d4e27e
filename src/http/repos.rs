//! `/repository/api/repo/*`. Source: observed page §5.
//!
//! Every repository is a local one of type `GENERIC`; a configuration is accepted and ignored.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use warp::reply::Response;

use super::app::{App, blocking, commit};
use super::auth::{authenticate, authorize_existing, authorize_project, require_somebody};
use super::error::ApiError;
use super::json::Fields;
use super::params;
use super::request::{Body, Request};
use super::view::{Nothing, local_time, success};
use crate::domain::auth::{self, Action};
use crate::domain::projects::{self, NewRepo, RepoChange};
use crate::domain::{Address, DomainError};
use crate::format::meta::Repo;
use crate::index::Rows;

/// The most repositories on a page.
const MAX_PAGE: u64 = 10_000;

/// A repository as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RepoView {
    project_id: String,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    category: &'static str,
    public: bool,
    description: String,
    configuration: Value,
    storage_credentials_key: Option<String>,
    created_by: String,
    created_date: String,
    last_modified_by: String,
    last_modified_date: String,
    quota: Option<u64>,
    used: Option<u64>,
    display_name: Option<String>,
}

impl RepoView {
    /// `quota`: how much it may hold.
    fn of(app: &App, repo: Repo, quota: Option<u64>) -> Self {
        let date = local_time(repo.created_ms, &app.config.zone);
        Self {
            project_id: repo.project,
            name: repo.name,
            kind: "GENERIC",
            category: "LOCAL",
            public: repo.public,
            description: repo.description,
            configuration: json!({"type": "local", "settings": {}}),
            storage_credentials_key: None,
            created_by: repo.created_by.clone(),
            created_date: date.clone(),
            last_modified_by: repo.created_by,
            last_modified_date: date,
            quota,
            used: None,
            display_name: None,
        }
    }
}

/// A quota that a client names.
fn quota_bytes(bytes: i64) -> Result<u64, ApiError> {
    u64::try_from(bytes).map_err(|_| ApiError::Parameter("quota"))
}

/// A page of repositories.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PageView {
    page_number: u64,
    page_size: u64,
    total_records: u64,
    total_pages: u64,
    count: u64,
    page: u64,
    records: Vec<RepoView>,
}

/// `POST /repository/api/repo/create`. Needs `Manage` in the project.
///
/// # Errors
/// [`ApiError`].
pub async fn create(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_somebody(&principal)?;
    let fields = Fields::read(body).await?;
    let new = NewRepo {
        address: Address::new(fields.required("projectId")?, fields.required("name")?, "")?,
        public: fields.flag("public")?.unwrap_or(false),
        description: fields.text("description")?.unwrap_or_default().to_owned(),
        quota_bytes: match fields.number("quota")? {
            None => None,
            Some(bytes) => Some(quota_bytes(bytes)?),
        },
        by: principal.name().to_owned(),
        at_ms: app.store.now_ms(),
    };
    request.note.subject(&new.address);
    if !fields.required("type")?.eq_ignore_ascii_case("GENERIC") {
        return Err(ApiError::Parameter("type"));
    }
    let category = fields.text("category")?.unwrap_or("LOCAL");
    // COMPOSITE, upstream's default, is a local repository that may also have proxies.
    if !["LOCAL", "COMPOSITE"].contains(&category) {
        return Err(ApiError::Parameter("category"));
    }
    {
        let (app, project) = (Arc::clone(&app), new.address.project.clone());
        blocking(move || authorize_project(&app.store.rows()?, &principal, &project)).await?;
    }
    let quota = new.quota_bytes;
    let repo = commit(&app, move |rows, ids| new.create(rows, ids)).await?;
    let view = RepoView::of(&app, repo, quota);
    Ok(success(&request.trace, Some(view)))
}

/// `GET /repository/api/repo/info/{project}/{repo}[/{type}]`. What is used of a quota is measured: it
/// takes a moment for a repository of a million files.
///
/// # Errors
/// [`ApiError`].
pub async fn info(app: Arc<App>, request: Request, repo: Address) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let (found, quota) = {
        let (app, repo) = (Arc::clone(&app), repo.clone());
        blocking(move || {
            let rows = app.store.rows()?;
            let found = authorize_existing(&rows, &principal, Action::Read, &repo)?;
            let quota = rows.quota(&found.project, &found.name);
            Ok((found, quota.map_err(DomainError::from)?))
        })
        .await?
    };
    let used = match quota {
        Some(_) => used(&app, repo).await?,
        None => None,
    };
    let view = RepoView {
        used,
        ..RepoView::of(&app, found, quota)
    };
    Ok(success(&request.trace, Some(view)))
}

/// How many bytes a repository with a quota holds.
async fn used(app: &Arc<App>, repo: Address) -> Result<Option<u64>, ApiError> {
    let permit = Arc::clone(&app.measuring).acquire_owned().await;
    let app = Arc::clone(app);
    blocking(move || {
        let _permit = permit;
        Ok(app.usage.of(&app.store, &repo)?.map(|(_, used)| used))
    })
    .await
}

/// `GET /repository/api/repo/exist/{project}/{repo}`: to who has nothing to do with it, it does not.
///
/// # Errors
/// [`ApiError`].
pub async fn exists(app: Arc<App>, request: Request, repo: Address) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let exists = blocking(move || {
        let rows = app.store.rows()?;
        let readable = auth::may(&rows, &principal, Action::Read, &repo)?;
        if !readable {
            require_somebody(&principal)?;
        }
        let known = readable || auth::is_member(&rows, &principal, &repo.project)?;
        let found = rows.repo(&repo.project, &repo.repo);
        Ok(known && found.map_err(DomainError::from)?.is_some())
    });
    Ok(success(&request.trace, Some(exists.await?)))
}

/// Which repositories a list is to have: `name` is how they begin.
fn filter(query: &str) -> impl Fn(&Repo) -> bool + Send + 'static {
    let begins = params::query_value(query, "name").unwrap_or_default();
    let kind = params::query_value(query, "type").unwrap_or_default();
    let fits = kind.is_empty() || kind.eq_ignore_ascii_case("GENERIC");
    move |repo| fits && repo.name.starts_with(&begins)
}

/// `GET /repository/api/repo/list/{project}`: those that the principal may read.
///
/// # Errors
/// [`ApiError`].
pub async fn list(app: Arc<App>, request: Request, project: String) -> Result<Response, ApiError> {
    let page = read_page(&app, &request, project, 1, u64::MAX).await?;
    Ok(success(&request.trace, Some(page.records)))
}

/// `GET /repository/api/repo/page/{project}/{pageNumber}/{pageSize}`; page 0 is the first.
///
/// # Errors
/// [`ApiError`].
pub async fn page(app: Arc<App>, request: Request, project: String) -> Result<Response, ApiError> {
    let parse = |text: &str, name| {
        let number: Result<i64, _> = text.parse();
        let number = number.map_err(|_| ApiError::Parameter(name))?;
        Ok::<_, ApiError>(u64::try_from(number).unwrap_or(0).max(1))
    };
    let number = parse(&request.word(1), "pageNumber")?;
    let size = parse(&request.word(2), "pageSize")?.min(MAX_PAGE);
    let page = read_page(&app, &request, project, number, size).await?;
    Ok(success(&request.trace, Some(page)))
}

async fn read_page(
    app: &Arc<App>,
    request: &Request,
    project: String,
    number: u64,
    size: u64,
) -> Result<PageView, ApiError> {
    let principal = authenticate(app, request).await?;
    require_somebody(&principal)?;
    let fits = filter(&request.query);
    let first = (number - 1).saturating_mul(size);
    let upto = first.saturating_add(size);
    let app = Arc::clone(app);
    blocking(move || {
        let rows = app.store.rows()?;
        if principal.is_admin() {
            projects::project(&rows, &project)?;
        }
        let (mut total, mut found) = (0_u64, Vec::new());
        projects::each_readable_repo(&rows, &principal, &project, |repo| {
            if fits(&repo) {
                if (first..upto).contains(&total) {
                    found.push(repo);
                }
                total += 1;
            }
        })?;
        let mut records = Vec::with_capacity(found.len());
        for repo in found {
            let quota = rows.quota(&repo.project, &repo.name);
            let quota = quota.map_err(DomainError::from)?;
            records.push(RepoView::of(&app, repo, quota));
        }
        Ok(PageView {
            page_number: number,
            page_size: size,
            total_records: total,
            total_pages: total.div_ceil(size),
            count: total,
            page: number,
            records,
        })
    })
    .await
}

/// `POST /repository/api/repo/update/{project}/{repo}`: what is null or missing stays, as upstream has
/// it; so a quota is taken away by a negative one.
///
/// # Errors
/// [`ApiError`].
pub async fn update(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
    repo: Address,
) -> Result<Response, ApiError> {
    may_manage(&app, &request, &repo).await?;
    let fields = Fields::read(body).await?;
    let change = RepoChange {
        public: fields.flag("public")?,
        description: fields.text("description")?.map(str::to_owned),
        quota_bytes: fields
            .number("quota")?
            .map(|bytes| u64::try_from(bytes).ok()),
    };
    let usage = app.usage.clone();
    commit(&app, move |rows, _| {
        let mutations = projects::update_repo(rows, &usage, &repo, &change)?;
        Ok((mutations, ()))
    })
    .await?;
    Ok(success(&request.trace, None::<Nothing>))
}

/// `DELETE /repository/api/repo/delete/{project}/{repo}?forced=`: with files only if forced.
///
/// # Errors
/// [`ApiError`].
pub async fn delete(app: Arc<App>, request: Request, repo: Address) -> Result<Response, ApiError> {
    may_manage(&app, &request, &repo).await?;
    let forced = params::query_flag(&request.query, "forced");
    let now_ms = app.store.now_ms();
    commit(&app, move |rows, _| {
        Ok((projects::delete_repo(rows, &repo, forced, now_ms)?, ()))
    })
    .await?;
    app.to_sweep.notify_one();
    Ok(success(&request.trace, None::<Nothing>))
}

async fn may_manage(app: &Arc<App>, request: &Request, repo: &Address) -> Result<(), ApiError> {
    let principal = authenticate(app, request).await?;
    let (app, repo) = (Arc::clone(app), repo.clone());
    blocking(move || {
        authorize_existing(&app.store.rows()?, &principal, Action::Manage, &repo).map(drop)
    })
    .await
}
