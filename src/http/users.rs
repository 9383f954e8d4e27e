//! `/auth/api/user/*`, and `/packhold/grants`, which upstream has no simple counterpart of.
//! Source: observed page §5. No answer has a password or its hash.

use std::sync::Arc;

use serde::Serialize;
use warp::reply::Response;

use super::app::{App, blocking, commit};
use super::auth::{
    authenticate, authorize_existing, authorize_project, denied, hash, require_admin, require_self,
    require_somebody,
};
use super::error::ApiError;
use super::json::Fields;
use super::params;
use super::request::{Body, Request};
use super::view::{Nothing, local_time, success};
use crate::domain::auth::{Action, Principal};
use crate::domain::users::{self, Scope};
use crate::domain::{Address, DomainError};
use crate::format::meta::{Grant, User};
use crate::index::Rows;

/// A user as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserView {
    user_id: String,
    name: String,
    admin: bool,
    locked: bool,
    created_date: String,
}

impl UserView {
    fn of(app: &App, user: User) -> Self {
        Self {
            user_id: user.name.clone(),
            created_date: local_time(user.created_ms, &app.config.zone),
            name: user.name,
            admin: user.admin,
            locked: false,
        }
    }
}

/// A role among the software packages as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleView {
    user_id: String,
    role: &'static str,
}

/// A grant as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GrantView {
    user_id: String,
    project_id: String,
    repo_name: Option<String>,
    actions: Vec<&'static str>,
}

impl GrantView {
    fn of(grant: Grant) -> Self {
        let has = |action: &Action| grant.actions & action.bit() != 0;
        let actions = Action::ALL.into_iter().filter(has).map(name_of).collect();
        Self {
            user_id: grant.user,
            project_id: grant.project,
            repo_name: Some(grant.repo).filter(|repo| !repo.is_empty()),
            actions,
        }
    }
}

fn name_of(action: Action) -> &'static str {
    match action {
        Action::Read => "READ",
        Action::Write => "WRITE",
        Action::Delete => "DELETE",
        Action::Manage => "MANAGE",
    }
}

/// The roles among the software packages, by OCP's names, and what they may do.
const ROLES: [(&str, Action); 2] = [
    ("PACKAGE_VIEWER", Action::Read),
    ("PACKAGE_MANAGER", Action::Manage),
];

/// What a new user is created for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing in particular.
    Nowhere,
    /// Everything in a project.
    Project,
    /// Everything in a repository.
    Repo,
}

/// `POST /auth/api/user/create`, `/create/project`, `/create/repo`: answers `true`. The latter two
/// take a user that is there already, and then leave its password as it is.
///
/// # Errors
/// [`ApiError`].
pub async fn create(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
    place: Place,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    match place {
        Place::Nowhere => require_admin(&principal)?,
        Place::Project | Place::Repo => require_somebody(&principal)?,
    }
    let fields = Fields::read(body).await?;
    let scope = match place {
        Place::Nowhere => None,
        Place::Project => Some(Scope::Project(fields.required("projectId")?.to_owned())),
        Place::Repo => {
            let (project, repo) = (fields.required("projectId")?, fields.required("repoName")?);
            Some(Scope::Repo(Address::new(project, repo, "")?))
        }
    };
    if let Some(scope) = &scope {
        may_grant(&app, &principal, scope).await?;
    }
    let name = fields.required("userId")?.to_owned();
    request.note.subject(&name);
    users::check_name(&name)?;
    let admin = fields.flag("admin")?.unwrap_or(false);
    if admin {
        require_admin(&principal)?;
    }
    let user = User {
        name,
        password_phc: hash(&app, fields.required("pwd")?).await?,
        admin,
        created_ms: app.store.now_ms(),
    };
    commit(&app, move |rows, _| {
        let mutations = match &scope {
            Some(scope) => users::create_in(rows, &user, scope),
            None => users::create(rows, &user),
        };
        Ok((mutations?, ()))
    })
    .await?;
    Ok(success(&request.trace, Some(true)))
}

/// Refuses who may not say what others may do.
async fn may_grant(app: &Arc<App>, principal: &Principal, scope: &Scope) -> Result<(), ApiError> {
    let (app, principal, scope) = (Arc::clone(app), principal.clone(), scope.clone());
    blocking(move || {
        let rows = app.store.rows()?;
        match &scope {
            Scope::Project(name) => authorize_project(&rows, &principal, name),
            Scope::Repo(repo) => {
                authorize_existing(&rows, &principal, Action::Manage, repo).map(drop)
            }
            Scope::Packages => require_admin(&principal),
        }
    })
    .await
}

/// `PUT /auth/api/user/{user}`: changes the keys that are sent, of oneself the password only.
///
/// # Errors
/// [`ApiError`].
pub async fn update(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
    name: String,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_self(&principal, &name)?;
    let fields = Fields::read(body).await?;
    let admin = fields.flag("admin")?;
    if admin == Some(true) {
        require_admin(&principal)?;
    }
    let phc = match fields.text("pwd")? {
        None => None,
        Some("") => return Err(ApiError::Empty("pwd")),
        Some(password) => Some(hash(&app, password).await?),
    };
    commit(&app, move |rows, _| {
        Ok((users::update(rows, &name, phc.as_deref(), admin)?, ()))
    })
    .await?;
    Ok(success(&request.trace, Some(true)))
}

/// `DELETE /auth/api/user/{user}`: with its grants and the tokens that it made.
///
/// # Errors
/// [`ApiError`].
pub async fn delete(app: Arc<App>, request: Request, name: String) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_admin(&principal)?;
    commit(&app, move |rows, _| Ok((users::delete(rows, &name)?, ()))).await?;
    Ok(success(&request.trace, Some(true)))
}

/// `GET /auth/api/user/{user}`, to administrators and the user.
///
/// # Errors
/// [`ApiError`].
pub async fn info(app: Arc<App>, request: Request, name: String) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_self(&principal, &name)?;
    let found = {
        let app = Arc::clone(&app);
        blocking(move || Ok(users::user(&app.store.rows()?, &name)?)).await?
    };
    let view = UserView::of(&app, found);
    Ok(success(&request.trace, Some(view)))
}

/// `GET /auth/api/user/list`, to administrators.
///
/// # Errors
/// [`ApiError`].
pub async fn list(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_admin(&principal)?;
    let found = {
        let app = Arc::clone(&app);
        blocking(move || {
            let found = app.store.rows()?.users(None, usize::MAX);
            Ok(found.map_err(DomainError::from)?)
        })
        .await?
    };
    let views: Vec<UserView> = found
        .into_iter()
        .map(|user| UserView::of(&app, user))
        .collect();
    Ok(success(&request.trace, Some(views)))
}

/// `PUT /packhold/grants` `{userId, projectId, repoName?, actions}`: sets what a user may do in a
/// project or repository, by `READ`, `WRITE`, `DELETE` and `MANAGE`; an empty list takes it away.
/// `{userId, role}` sets the role among the software packages, and takes it away when it is empty.
///
/// # Errors
/// [`ApiError`].
pub async fn grant(app: Arc<App>, request: Request, body: &mut Body) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    require_somebody(&principal)?;
    let fields = Fields::read(body).await?;
    let (scope, actions) = match fields.text("role")? {
        Some(role) => (Scope::Packages, actions_of(role)?),
        None => (scope_of(&fields)?, actions(&fields)?),
    };
    let name = fields.required("userId")?.to_owned();
    request.note.subjects([name.clone(), told(&scope)]);
    may_grant(&app, &principal, &scope).await?;
    commit(&app, move |rows, _| {
        Ok((users::grant(rows, &name, &scope, &actions)?, ()))
    })
    .await?;
    Ok(success(&request.trace, None::<Nothing>))
}

/// Where something is granted, for the audit trail.
fn told(scope: &Scope) -> String {
    match scope {
        Scope::Project(name) => name.clone(),
        Scope::Repo(repo) => repo.to_string(),
        Scope::Packages => "software packages".to_owned(),
    }
}

fn scope_of(fields: &Fields) -> Result<Scope, ApiError> {
    let project = fields.required("projectId")?;
    let repo = fields.text("repoName")?.filter(|repo| !repo.is_empty());
    Ok(match repo {
        Some(repo) => Scope::Repo(Address::new(project, repo, "")?),
        None => Scope::Project(project.to_owned()),
    })
}

fn actions(fields: &Fields) -> Result<Vec<Action>, ApiError> {
    let words = fields.texts("actions")?;
    let words = words.ok_or(ApiError::Missing("actions"))?;
    let action = |word: &String| {
        let named = |action: &Action| name_of(*action).eq_ignore_ascii_case(word);
        let found = Action::ALL.into_iter().find(named);
        found.ok_or(ApiError::Parameter("actions"))
    };
    words.iter().map(action).collect()
}

/// What a role among the software packages may do; an empty one nothing.
fn actions_of(role: &str) -> Result<Vec<Action>, ApiError> {
    if role.is_empty() {
        return Ok(Vec::new());
    }
    let found = ROLES.iter().find(|(name, _)| *name == role);
    let (_, action) = found.ok_or(ApiError::Parameter("role"))?;
    Ok(vec![*action])
}

/// `GET /packhold/grants?projectId=`: all that was granted in a project; with `role=true` instead,
/// the roles among the software packages.
///
/// # Errors
/// [`ApiError`].
pub async fn grants(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    if params::query_flag(&request.query, "role") {
        return roles(app, request, principal).await;
    }
    let project = params::query_value(&request.query, "projectId");
    let found = blocking(move || {
        let Some(project) = project else {
            return Err(match principal {
                Principal::Anonymous => denied(&principal, ""),
                Principal::User { .. } | Principal::Token(_) => ApiError::Missing("projectId"),
            });
        };
        let rows = app.store.rows()?;
        authorize_project(&rows, &principal, &project)?;
        let found = rows.grants(&project);
        Ok(found.map_err(DomainError::from)?)
    })
    .await?;
    let views: Vec<GrantView> = found.into_iter().map(GrantView::of).collect();
    Ok(success(&request.trace, Some(views)))
}

async fn roles(
    app: Arc<App>,
    request: Request,
    principal: Principal,
) -> Result<Response, ApiError> {
    require_admin(&principal)?;
    let found = blocking(move || {
        let found = app.store.rows()?.grants("");
        Ok(found.map_err(DomainError::from)?)
    })
    .await?;
    let role = |grant: Grant| {
        let has = |(_, action): &&(&str, Action)| grant.actions & action.bit() != 0;
        let (role, _) = *ROLES.iter().rev().find(has)?;
        let user_id = grant.user;
        Some(RoleView { user_id, role })
    };
    let views: Vec<RoleView> = found.into_iter().filter_map(role).collect();
    Ok(success(&request.trace, Some(views)))
}
