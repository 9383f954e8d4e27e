//! The refusal of what who asks may not do.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::authenticate;

use crate::domain::auth::{self, Action, Principal};
use crate::domain::{Address, DomainError, MayCreate, projects};
use crate::format::meta::Repo;
use crate::http::app::{App, blocking};
use crate::http::error::ApiError;
use crate::http::request::Request;
use crate::index::Rows;

/// The repository of an address, if `principal` may do `action` there. Who may not is not told
/// whether it exists, unless they have a grant in its project.
///
/// # Errors
/// [`ApiError::Unauthenticated`] for nobody, [`ApiError::Forbidden`] for somebody; a missing
/// repository is `None` for those who may know and would be allowed the action.
pub fn authorize(
    rows: &dyn Rows,
    principal: &Principal,
    action: Action,
    address: &Address,
) -> Result<Option<Repo>, ApiError> {
    let Address { project, repo, .. } = address;
    let found = rows.repo(project, repo).map_err(DomainError::from)?;
    if auth::may(rows, principal, action, address)? {
        return Ok(found);
    }
    if found.is_none() && auth::is_member(rows, principal, project)? {
        return Err(no_repository(address));
    }
    if let Principal::Token(bearer) = principal
        && !bearer.opens(action, address)
    {
        let why = format!("it is not good for [{action:?}] at {}", address.path);
        return Err(DomainError::TokenInvalid(why).into());
    }
    let wanted = format!("[{action:?}] permission in project[{project}] repo[{repo}]");
    Err(denied(principal, &wanted))
}

/// Like [`authorize`], where a missing repository is an error for those who may know, too.
///
/// # Errors
/// As for [`authorize`]; [`DomainError::NoRepository`].
pub fn authorize_existing(
    rows: &dyn Rows,
    principal: &Principal,
    action: Action,
    address: &Address,
) -> Result<Repo, ApiError> {
    let found = authorize(rows, principal, action, address)?;
    found.ok_or_else(|| no_repository(address))
}

/// Who is asking, if they may do `action` at an address: what is asked before a body is read.
///
/// # Errors
/// As for [`authenticate`] and [`authorize`].
pub async fn admit(
    app: &Arc<App>,
    request: &Request,
    action: Action,
    address: &Address,
) -> Result<Principal, ApiError> {
    let principal = authenticate(app, request).await?;
    let (app, address) = (Arc::clone(app), address.clone());
    blocking(move || {
        authorize(&app.store.rows()?, &principal, action, &address)?;
        Ok(principal)
    })
    .await
}

fn no_repository(address: &Address) -> ApiError {
    let (project, repo) = (address.project.clone(), address.repo.clone());
    DomainError::NoRepository { project, repo }.into()
}

/// Refuses who does not manage a project; a missing one is told to who would be allowed.
///
/// # Errors
/// [`ApiError::Unauthenticated`], [`ApiError::Forbidden`], [`DomainError::NoProject`].
pub fn authorize_project(
    rows: &dyn Rows,
    principal: &Principal,
    project: &str,
) -> Result<(), ApiError> {
    if !auth::may_manage(rows, principal, project)? {
        let wanted = format!("[Manage] permission in project[{project}]");
        return Err(denied(principal, &wanted));
    }
    projects::project(rows, project)?;
    Ok(())
}

/// Refuses who may not read the software packages, or with [`Action::Manage`] change them.
///
/// # Errors
/// [`ApiError::Unauthenticated`], [`ApiError::Forbidden`].
pub fn authorize_packages(
    rows: &dyn Rows,
    principal: &Principal,
    action: Action,
) -> Result<(), ApiError> {
    match auth::may_packages(rows, principal, action)? {
        true => Ok(()),
        false => {
            let wanted = format!("[{action:?}] permission for software packages");
            Err(denied(principal, &wanted))
        }
    }
}

/// Refuses who is no administrator.
///
/// # Errors
/// [`ApiError::Unauthenticated`], [`ApiError::Forbidden`].
pub fn require_admin(principal: &Principal) -> Result<(), ApiError> {
    match principal.is_admin() {
        true => Ok(()),
        false => Err(denied(principal, "the permission of an administrator")),
    }
}

/// Refuses who did not say who they are.
///
/// # Errors
/// [`ApiError::Unauthenticated`].
pub fn require_somebody(principal: &Principal) -> Result<(), ApiError> {
    match principal {
        Principal::Anonymous => Err(denied(principal, "")),
        Principal::User { .. } | Principal::Token(_) => Ok(()),
    }
}

/// Refuses who is neither an administrator nor the user in question.
///
/// # Errors
/// [`ApiError::Unauthenticated`], [`ApiError::Forbidden`].
pub fn require_self(principal: &Principal, name: &str) -> Result<(), ApiError> {
    match principal {
        Principal::User { name: own, .. } if own == name => Ok(()),
        _ => require_admin(principal),
    }
}

/// The refusal of what a principal may not do.
pub fn denied(principal: &Principal, wanted: &str) -> ApiError {
    match principal {
        Principal::Anonymous => ApiError::Unauthenticated("credentials are needed"),
        Principal::User { name, .. } => {
            ApiError::Forbidden(format!("user[{name}] does not have {wanted}"))
        }
        // Who has a link need not know who made it.
        Principal::Token(_) => {
            ApiError::Forbidden(format!("whoever made the token does not have {wanted}"))
        }
    }
}

/// What a write by a principal may create.
///
/// # Errors
/// [`ApiError::Domain`].
pub fn may_create(
    app: &App,
    rows: &dyn Rows,
    principal: &Principal,
    address: &Address,
) -> Result<MayCreate, ApiError> {
    if !app.config.auto_create {
        return Ok(MayCreate::Nothing);
    }
    Ok(auth::may_create(rows, principal, &address.project)?)
}

/// The hash of a new password. Like the checks of passwords, only a few are made at once.
///
/// # Errors
/// [`DomainError::Password`].
pub async fn hash(app: &Arc<App>, password: &str) -> Result<String, ApiError> {
    let leave = app.lanes.fast().await;
    let password = Zeroizing::new(password.to_owned());
    blocking(move || {
        let _leave = leave;
        Ok(auth::hash(&password)?)
    })
    .await
}
