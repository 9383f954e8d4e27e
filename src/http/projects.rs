//! `/repository/api/project/*`. Source: observed page §5.

use std::sync::Arc;

use serde::Serialize;
use warp::reply::Response;

use super::app::{App, blocking, commit};
use super::auth::{authenticate, denied, require_admin, require_somebody};
use super::error::ApiError;
use super::json::Fields;
use super::params;
use super::request::{Body, Request};
use super::view::{Nothing, local_time, success};
use crate::domain::{auth, projects};
use crate::format::meta::Project;

/// A project as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProjectView {
    name: String,
    display_name: String,
    description: String,
    created_by: String,
    created_date: String,
    last_modified_by: String,
    last_modified_date: String,
}

impl ProjectView {
    fn of(app: &App, project: Project) -> Self {
        let date = local_time(project.created_ms, &app.config.zone);
        Self {
            name: project.name,
            display_name: project.display_name,
            description: project.description,
            created_by: project.created_by.clone(),
            created_date: date.clone(),
            last_modified_by: project.created_by,
            last_modified_date: date,
        }
    }
}

/// `POST /repository/api/project/create`: answers with the name. Administrators only.
///
/// # Errors
/// [`ApiError`].
pub async fn create(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_admin(&principal)?;
    let fields = Fields::read(body).await?;
    let name = fields.required("name")?.to_owned();
    request.note.subject(&name);
    let shown = fields.text("displayName")?.filter(|text| !text.is_empty());
    let project = Project {
        display_name: shown.unwrap_or(&name).to_owned(),
        description: fields.text("description")?.unwrap_or_default().to_owned(),
        created_by: principal.name().to_owned(),
        created_ms: app.store.now_ms(),
        name: name.clone(),
    };
    commit(&app, move |rows, _| {
        Ok((projects::create(rows, &project)?, ()))
    })
    .await?;
    Ok(success(&request.trace, Some(name)))
}

/// `GET /repository/api/project/list?names=a,b`: those that the principal has to do with.
///
/// # Errors
/// [`ApiError`].
pub async fn list(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_somebody(&principal)?;
    let names = params::query_value(&request.query, "names").filter(|names| !names.is_empty());
    let found = {
        let app = Arc::clone(&app);
        blocking(move || Ok(projects::visible(&app.store.rows()?, &principal)?)).await?
    };
    let wanted = |project: &Project| match &names {
        Some(names) => names.split(',').any(|name| name.trim() == project.name),
        None => true,
    };
    let views = found.into_iter().filter(wanted);
    let views: Vec<ProjectView> = views.map(|found| ProjectView::of(&app, found)).collect();
    Ok(success(&request.trace, Some(views)))
}

/// `GET /repository/api/project/exist/{project}`: to who has nothing to do with it, it does not.
///
/// # Errors
/// [`ApiError`].
pub async fn exists(app: Arc<App>, request: Request, name: String) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_somebody(&principal)?;
    let exists = blocking(move || {
        let rows = app.store.rows()?;
        let known = auth::is_member(&rows, &principal, &name)?;
        Ok(known && projects::find(&rows, &name)?.is_some())
    });
    Ok(success(&request.trace, Some(exists.await?)))
}

/// `GET /repository/api/project/info/{project}`.
///
/// # Errors
/// [`ApiError`].
pub async fn info(app: Arc<App>, request: Request, name: String) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let found = {
        let app = Arc::clone(&app);
        blocking(move || {
            let rows = app.store.rows()?;
            if !auth::is_member(&rows, &principal, &name)? {
                let wanted = format!("[Read] permission in project[{name}]");
                return Err(denied(&principal, &wanted));
            }
            Ok(projects::project(&rows, &name)?)
        })
        .await?
    };
    let view = ProjectView::of(&app, found);
    Ok(success(&request.trace, Some(view)))
}

/// `DELETE /repository/api/project/delete/{project}`: only without repositories.
///
/// # Errors
/// [`ApiError`].
pub async fn delete(app: Arc<App>, request: Request, name: String) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_admin(&principal)?;
    commit(&app, move |rows, _| {
        Ok((projects::delete(rows, &name)?, ()))
    })
    .await?;
    Ok(success(&request.trace, None::<Nothing>))
}
