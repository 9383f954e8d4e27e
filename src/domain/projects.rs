//! Projects and repositories: making, changing and deleting them.
//!
//! Functions that change something give the mutations of one commit, and decide on the rows that
//! the commit is made on.

use super::DomainError;
use super::auth::{self, Action, Principal};
use super::lookup::{Address, repository};
use super::path::{reserved_project, valid_name};
use super::quota::Usage;
use super::tree::Tree;
use super::{blocks, token};
use crate::format::meta::{Mutation, Project, ProjectDelete, Quota, Repo, RepoDelete};
use crate::index::Rows;
use crate::store::Ids;

/// Rows read at once.
const PAGE: usize = 500;
/// The most characters of a description or display name.
const MAX_TEXT_CHARS: usize = 4096;

/// The project of a name, if there is one.
///
/// # Errors
/// [`DomainError::Store`].
pub fn find(rows: &dyn Rows, name: &str) -> Result<Option<Project>, DomainError> {
    Ok(rows.project(name)?)
}

/// The project of a name.
///
/// # Errors
/// [`DomainError::NoProject`], [`DomainError::Store`].
pub fn project(rows: &dyn Rows, name: &str) -> Result<Project, DomainError> {
    let found = find(rows, name)?;
    found.ok_or_else(|| DomainError::NoProject(name.to_owned()))
}

/// Makes a project.
///
/// # Errors
/// [`DomainError::Name`], [`DomainError::Invalid`], [`DomainError::ProjectExists`].
pub fn create(rows: &dyn Rows, project: &Project) -> Result<Vec<Mutation>, DomainError> {
    if !valid_name(&project.name) || reserved_project(&project.name) {
        return Err(DomainError::Name(project.name.clone()));
    }
    refuse_long("displayName", &project.display_name)?;
    refuse_long("description", &project.description)?;
    if rows.project(&project.name)?.is_some() {
        return Err(DomainError::ProjectExists(project.name.clone()));
    }
    Ok(vec![Mutation::ProjectPut(project.clone())])
}

/// Deletes a project that has no repositories.
///
/// # Errors
/// [`DomainError::NoProject`], [`DomainError::InUse`].
pub fn delete(rows: &dyn Rows, name: &str) -> Result<Vec<Mutation>, DomainError> {
    project(rows, name)?;
    if !rows.repos(name, None, 1)?.is_empty() {
        return Err(DomainError::InUse(format!("project {name}")));
    }
    Ok(vec![Mutation::ProjectDelete(ProjectDelete {
        name: name.to_owned(),
    })])
}

/// A repository to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRepo {
    /// The project, and the name of the repository.
    pub address: Address,
    /// Anybody may read it.
    pub public: bool,
    /// Free text.
    pub description: String,
    /// How much it may hold, in bytes; `None` for as much as there is room for.
    pub quota_bytes: Option<u64>,
    /// Who makes it.
    pub by: String,
    /// When, Unix milliseconds.
    pub at_ms: u64,
}

impl NewRepo {
    /// Makes the repository.
    ///
    /// # Errors
    /// [`DomainError::NoProject`], [`DomainError::RepoExists`], [`DomainError::Invalid`].
    pub fn create(
        &self,
        rows: &dyn Rows,
        ids: &mut Ids,
    ) -> Result<(Vec<Mutation>, Repo), DomainError> {
        let Address { project, repo, .. } = &self.address;
        refuse_long("description", &self.description)?;
        self::project(rows, project)?;
        if rows.repo(project, repo)?.is_some() {
            return Err(DomainError::RepoExists(format!("{project}/{repo}")));
        }
        let repo = Repo {
            project: project.clone(),
            name: repo.clone(),
            root: ids.fresh(),
            public: self.public,
            description: self.description.clone(),
            created_by: self.by.clone(),
            created_ms: self.at_ms,
        };
        let mut mutations = vec![Mutation::RepoPut(repo.clone())];
        if self.quota_bytes.is_some() {
            // Its root is new: nothing was ever counted for it.
            mutations.push(quota(&self.address, self.quota_bytes));
        }
        Ok((mutations, repo))
    }
}

fn quota(repo: &Address, bytes: Option<u64>) -> Mutation {
    Mutation::QuotaPut(Quota {
        project: repo.project.clone(),
        repo: repo.repo.clone(),
        bytes,
    })
}

/// What is to be changed of a repository; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepoChange {
    /// Whether anybody may read it.
    pub public: Option<bool>,
    /// Free text.
    pub description: Option<String>,
    /// How much it may hold, in bytes; within, `None` for as much as there is room for.
    pub quota_bytes: Option<Option<u64>>,
}

/// Changes a repository. A quota may be below what it holds: then nothing makes it grow.
///
/// # Errors
/// [`DomainError::NoRepository`], [`DomainError::Invalid`].
pub fn update_repo(
    rows: &dyn Rows,
    usage: &Usage,
    address: &Address,
    change: &RepoChange,
) -> Result<Vec<Mutation>, DomainError> {
    let mut repo = repository(rows, address)?;
    let mut mutations = Vec::new();
    if let Some(bytes) = change.quota_bytes {
        usage.forget(rows, repo.root)?;
        mutations.push(quota(address, bytes));
    }
    repo.public = change.public.unwrap_or(repo.public);
    if let Some(description) = &change.description {
        refuse_long("description", description)?;
        repo.description.clone_from(description);
    }
    mutations.push(Mutation::RepoPut(repo));
    Ok(mutations)
}

/// Deletes a repository and all that is in it, with its tokens and block uploads; one with files only if `forced`.
///
/// # Errors
/// [`DomainError::NoRepository`], [`DomainError::InUse`].
pub fn delete_repo(
    rows: &dyn Rows,
    address: &Address,
    forced: bool,
    now_ms: u64,
) -> Result<Vec<Mutation>, DomainError> {
    let found = repository(rows, address)?;
    if !forced && Tree::files(found.root).next(rows, now_ms)?.is_some() {
        let Address { project, repo, .. } = address;
        return Err(DomainError::InUse(format!("repository {project}/{repo}")));
    }
    let mut mutations = token::revoke(rows, |token| {
        token.project == address.project && token.repo == address.repo
    })?;
    mutations.extend(blocks::revoke(rows, address)?);
    mutations.push(Mutation::RepoDelete(RepoDelete {
        project: found.project,
        name: found.name,
    }));
    Ok(mutations)
}

/// The projects that a principal may know of, by name.
///
/// # Errors
/// [`DomainError::Store`].
pub fn visible(rows: &dyn Rows, principal: &Principal) -> Result<Vec<Project>, DomainError> {
    let (mut found, mut after): (Vec<Project>, _) = (Vec::new(), None::<String>);
    loop {
        let page = rows.projects(after.as_deref(), PAGE)?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        after = Some(last.name.clone());
        for project in page {
            if auth::is_member(rows, principal, &project.name)? {
                found.push(project);
            }
        }
    }
}

/// Gives `each` the repositories of a project that a principal may read, by name.
///
/// # Errors
/// [`DomainError::Store`].
pub fn each_readable_repo(
    rows: &dyn Rows,
    principal: &Principal,
    project: &str,
    mut each: impl FnMut(Repo),
) -> Result<(), DomainError> {
    let mut after = None::<String>;
    loop {
        let page = rows.repos(project, after.as_deref(), PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.name.clone());
        for repo in page {
            let address = Address {
                project: repo.project.clone(),
                repo: repo.name.clone(),
                path: super::path::NodePath::default(),
            };
            if auth::may(rows, principal, Action::Read, &address)? {
                each(repo);
            }
        }
    }
}

fn refuse_long(what: &'static str, text: &str) -> Result<(), DomainError> {
    if text.chars().count() <= MAX_TEXT_CHARS {
        return Ok(());
    }
    Err(DomainError::Invalid {
        what,
        why: format!("at most {MAX_TEXT_CHARS} characters are possible"),
    })
}
