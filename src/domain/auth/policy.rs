//! The policy: one function decides every question.
//!
//! An administrator may do everything; anybody may read a public repository; a user may do what was
//! granted in the project or in the repository, and all of it with `Manage`; what was granted in no
//! project at all is for the software packages. A temporary token may
//! read or write what lies at or below its path, and only what its creator may do at that moment.
//!
//! Grants are looked up for every request, so that one that was taken away counts at once.

use super::{Action, Bearer, Principal};
use crate::domain::MayCreate;
use crate::domain::lookup::Address;
use crate::domain::{DomainError, token};
use crate::format::meta::TokenUse;
use crate::index::Rows;

/// Whether a principal may do something at an address; whether anything is there does not matter.
///
/// # Errors
/// [`DomainError::Store`].
pub fn may(
    rows: &dyn Rows,
    principal: &Principal,
    action: Action,
    address: &Address,
) -> Result<bool, DomainError> {
    let Address { project, repo, .. } = address;
    match principal {
        Principal::User { admin: true, .. } => Ok(true),
        Principal::Token(bearer) => {
            Ok(bearer.opens(action, address) && may(rows, &bearer.creator, action, address)?)
        }
        Principal::Anonymous => reads_public(rows, action, address),
        Principal::User { name, .. } => Ok(granted(rows, name, project, "", action)?
            || granted(rows, name, project, repo, action)?
            || reads_public(rows, action, address)?),
    }
}

fn reads_public(rows: &dyn Rows, action: Action, address: &Address) -> Result<bool, DomainError> {
    if action != Action::Read {
        return Ok(false);
    }
    let repo = rows.repo(&address.project, &address.repo)?;
    Ok(repo.is_some_and(|repo| repo.public))
}

impl Bearer {
    /// Whether the token is good for an action at an address, whatever its creator may do.
    #[must_use]
    pub fn opens(&self, action: Action, address: &Address) -> bool {
        let good_for = self.token.good_for;
        let fits = match action {
            Action::Read => matches!(good_for, TokenUse::Download | TokenUse::All),
            Action::Write => matches!(good_for, TokenUse::Upload | TokenUse::All),
            Action::Delete | Action::Manage => false,
        };
        fits && token::reaches(&self.token, address)
    }
}

/// Whether exactly this scope (a repository, or with an empty name the project) grants an action.
///
/// # Errors
/// [`DomainError::Store`].
pub fn granted(
    rows: &dyn Rows,
    user: &str,
    project: &str,
    repo: &str,
    action: Action,
) -> Result<bool, DomainError> {
    let grant = rows.grant(user, project, repo)?;
    let enough = action.bit() | Action::Manage.bit();
    Ok(grant.is_some_and(|grant| grant.actions & enough != 0))
}

/// Whether a principal manages a project: makes repositories in it, and says who may do what.
///
/// # Errors
/// [`DomainError::Store`].
pub fn may_manage(
    rows: &dyn Rows,
    principal: &Principal,
    project: &str,
) -> Result<bool, DomainError> {
    match principal {
        Principal::User { admin: true, .. } => Ok(true),
        Principal::User { name, .. } => granted(rows, name, project, "", Action::Manage),
        Principal::Anonymous | Principal::Token(_) => Ok(false),
    }
}

/// Whether a principal may read the software packages, or with [`Action::Manage`] change them.
///
/// # Errors
/// [`DomainError::Store`].
pub fn may_packages(
    rows: &dyn Rows,
    principal: &Principal,
    action: Action,
) -> Result<bool, DomainError> {
    match principal {
        Principal::User { admin: true, .. } => Ok(true),
        Principal::User { name, .. } => granted(rows, name, "", "", action),
        Principal::Anonymous | Principal::Token(_) => Ok(false),
    }
}

/// Whether a principal may know what exists in a project: anything at all was granted to them there.
///
/// # Errors
/// [`DomainError::Store`].
pub fn is_member(
    rows: &dyn Rows,
    principal: &Principal,
    project: &str,
) -> Result<bool, DomainError> {
    match principal {
        Principal::User { admin: true, .. } => Ok(true),
        Principal::User { name, .. } => {
            let grants = rows.grants(project)?;
            Ok(grants.iter().any(|grant| grant.user == *name))
        }
        Principal::Anonymous | Principal::Token(_) => Ok(false),
    }
}

/// What a write by a principal may create, where writes may create at all.
///
/// # Errors
/// [`DomainError::Store`].
pub fn may_create(
    rows: &dyn Rows,
    principal: &Principal,
    project: &str,
) -> Result<MayCreate, DomainError> {
    if principal.is_admin() {
        return Ok(MayCreate::Project);
    }
    Ok(match may_manage(rows, principal, project)? {
        true => MayCreate::Repo,
        false => MayCreate::Nothing,
    })
}
