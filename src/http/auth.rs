//! Who is asking (the `Authorization` header), and the refusal of what they may not do.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::sync::Arc;

use super::app::{App, blocking};
use super::error::ApiError;
use super::request::Request;
use crate::domain::auth::{self, Action, Principal};
use crate::domain::{Address, DomainError, MayCreate, projects};
use crate::format::meta::Repo;
use crate::index::Rows;

/// Standard Base64, padded or not: some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Finds out who is asking.
///
/// # Errors
/// [`ApiError::Unauthenticated`] for credentials that are wrong; none are those of nobody.
pub async fn authenticate(app: &Arc<App>, request: &Request) -> Result<Principal, ApiError> {
    let found = identify(app, request).await;
    let no_auth = app.config.no_auth;
    request
        .note
        .authenticated(&request.headers, no_auth, &found);
    found
}

async fn identify(app: &Arc<App>, request: &Request) -> Result<Principal, ApiError> {
    if app.config.no_auth {
        return Ok(Principal::admin());
    }
    let Some(header) = request.headers.get("authorization") else {
        return Ok(Principal::Anonymous);
    };
    let (name, password) = basic(header.as_bytes()).ok_or(ApiError::Unauthenticated(
        "Authorization value is not understood",
    ))?;
    let now_ms = app.store.now_ms();
    let (known, name, password) = {
        let app = Arc::clone(app);
        blocking(move || {
            let rows = app.store.rows()?;
            let known = app.passwords.remembered(&rows, &name, &password, now_ms)?;
            Ok((known, name, password))
        })
        .await?
    };
    if let Some(known) = known {
        return Ok(known);
    }
    // Each hash takes memory and time on purpose: strangers must not have many at once.
    let permit = Arc::clone(&app.hashes).acquire_owned().await;
    let app = Arc::clone(app);
    let found = blocking(move || {
        let _permit = permit;
        let rows = app.store.rows()?;
        Ok(app.passwords.verify(&rows, &name, &password, now_ms)?)
    })
    .await?;
    found.ok_or(ApiError::Unauthenticated(
        "Authorization value check failed",
    ))
}

/// Name and password of a `Basic` header (RFC 7617); the name has no colon.
pub(super) fn basic(header: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(header).ok()?;
    let (scheme, value) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(value.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

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
    let permit = Arc::clone(&app.hashes).acquire_owned().await;
    let password = password.to_owned();
    blocking(move || {
        let _permit = permit;
        Ok(auth::hash(&password)?)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_headers() {
        let some = |n: &str, p: &str| Some((n.to_owned(), p.to_owned()));
        assert_eq!(
            basic(b"Basic YWRtaW46cGFzczp3b3Jk"),
            some("admin", "pass:word")
        );
        assert_eq!(basic(b"basic YTpiYw=="), some("a", "bc"));
        assert_eq!(basic(b"Basic YTpiYw"), some("a", "bc"), "unpadded");
        assert_eq!(basic(b"Basic ****"), None);
        assert_eq!(basic(b"Bearer YTpiYw=="), None);
        assert_eq!(basic(b"Basic YWJj"), None, "no colon");
    }
}
