//! Users, and what was granted to them.
//!
//! Functions give the mutations of one commit, and decide on the rows that the commit is made on.

use super::DomainError;
use super::auth::{ADMIN, Action};
use super::lookup::{Address, repository};
use super::projects::project;
use super::token;
use crate::format::meta::{Grant, Mutation, User, UserDelete};
use crate::index::Rows;

/// The most characters of a user's name.
const MAX_NAME_CHARS: usize = 100;
/// Everything that can be granted.
pub const EVERYTHING: u8 = 15;

/// Where something is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In a project, with all its repositories.
    Project(String),
    /// In the repository of an address.
    Repo(Address),
    /// Among the software packages.
    Packages,
}

impl Scope {
    fn check(&self, rows: &dyn Rows) -> Result<(), DomainError> {
        match self {
            Self::Project(name) => project(rows, name).map(drop),
            Self::Repo(address) => repository(rows, address).map(drop),
            Self::Packages => Ok(()),
        }
    }

    /// Names of the project, and of the repository or an empty one; both empty for the packages.
    #[must_use]
    pub fn names(&self) -> (&str, &str) {
        match self {
            Self::Project(name) => (name, ""),
            Self::Repo(address) => (&address.project, &address.repo),
            Self::Packages => ("", ""),
        }
    }
}

/// Refuses a name that no user can have. One with a colon could not log in by `Basic`; one with a
/// slash would be two segments of an address.
///
/// # Errors
/// [`DomainError::Invalid`].
pub fn check_name(name: &str) -> Result<(), DomainError> {
    let unfit = |c: char| c.is_control() || [':', '/', '\\'].contains(&c);
    let why = match name {
        "" => "it is empty",
        "anonymous" => "it is that of nobody",
        _ if name.trim() != name => "it begins or ends with a blank",
        _ if name.chars().count() > MAX_NAME_CHARS => "it has more than 100 characters",
        _ if name.contains(unfit) => "it has a colon, slash or control character",
        _ => return Ok(()),
    };
    Err(DomainError::Invalid {
        what: "userId",
        why: why.to_owned(),
    })
}

/// The user of a name.
///
/// # Errors
/// [`DomainError::NoUser`], [`DomainError::Store`].
pub fn user(rows: &dyn Rows, name: &str) -> Result<User, DomainError> {
    let found = rows.user(name)?;
    found.ok_or_else(|| DomainError::NoUser(name.to_owned()))
}

/// Makes a user.
///
/// # Errors
/// [`DomainError::UserExists`], [`DomainError::Invalid`].
pub fn create(rows: &dyn Rows, user: &User) -> Result<Vec<Mutation>, DomainError> {
    check_name(&user.name)?;
    if rows.user(&user.name)?.is_some() {
        return Err(DomainError::UserExists(user.name.clone()));
    }
    Ok(vec![Mutation::UserPut(user.clone())])
}

/// Grants a user everything in a project or repository. A user that is not there is made; one that
/// is keeps its password and rank, or whoever manages any project could take over any account.
///
/// # Errors
/// [`DomainError::NoProject`], [`DomainError::NoRepository`], [`DomainError::Invalid`].
pub fn create_in(
    rows: &dyn Rows,
    user: &User,
    scope: &Scope,
) -> Result<Vec<Mutation>, DomainError> {
    check_name(&user.name)?;
    scope.check(rows)?;
    let mut mutations = Vec::new();
    if rows.user(&user.name)?.is_none() {
        mutations.push(Mutation::UserPut(user.clone()));
    }
    mutations.push(put(&user.name, scope, EVERYTHING));
    Ok(mutations)
}

/// Sets what a user may do in a project or repository; nothing takes the grant away.
///
/// # Errors
/// [`DomainError::NoUser`], [`DomainError::NoProject`], [`DomainError::NoRepository`].
pub fn grant(
    rows: &dyn Rows,
    name: &str,
    scope: &Scope,
    actions: &[Action],
) -> Result<Vec<Mutation>, DomainError> {
    user(rows, name)?;
    scope.check(rows)?;
    let bits = actions.iter().fold(0, |bits, action| bits | action.bit());
    Ok(vec![put(name, scope, bits)])
}

fn put(user: &str, scope: &Scope, actions: u8) -> Mutation {
    let (project, repo) = scope.names();
    Mutation::GrantPut(Grant {
        user: user.to_owned(),
        project: project.to_owned(),
        repo: repo.to_owned(),
        actions,
    })
}

/// Changes a user; what is `None` stays.
///
/// # Errors
/// [`DomainError::NoUser`]; [`DomainError::Invalid`] for the last administrator's rank.
pub fn update(
    rows: &dyn Rows,
    name: &str,
    password_phc: Option<&str>,
    admin: Option<bool>,
) -> Result<Vec<Mutation>, DomainError> {
    let mut user = user(rows, name)?;
    if name == ADMIN && admin == Some(false) {
        return Err(DomainError::Invalid {
            what: "admin",
            why: format!("{ADMIN} stays an administrator"),
        });
    }
    user.admin = admin.unwrap_or(user.admin);
    if let Some(phc) = password_phc {
        phc.clone_into(&mut user.password_phc);
    }
    Ok(vec![Mutation::UserPut(user)])
}

/// Deletes a user, with its grants and the tokens that it made.
///
/// # Errors
/// [`DomainError::NoUser`], [`DomainError::Invalid`] for `admin`.
pub fn delete(rows: &dyn Rows, name: &str) -> Result<Vec<Mutation>, DomainError> {
    user(rows, name)?;
    if name == ADMIN {
        return Err(DomainError::Invalid {
            what: "userId",
            why: format!("{ADMIN} cannot be deleted"),
        });
    }
    let mut mutations = token::revoke(rows, |token| token.created_by == name)?;
    mutations.push(Mutation::UserDelete(UserDelete {
        name: name.to_owned(),
    }));
    Ok(mutations)
}
