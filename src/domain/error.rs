//! What the domain refuses.

use thiserror::Error;

use super::packages::PackageError;
use super::path::PathError;
use super::quota::Excess;
use crate::index::IndexError;
use crate::store::StoreError;

/// Errors of the domain floor, naming the thing at fault.
#[derive(Debug, Error)]
pub enum DomainError {
    /// No software package, or not this one.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Not a path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Not a name that a project or repository can have.
    #[error("`{0}` is no valid name of a project or repository")]
    Name(String),
    /// The repository (or its project) does not exist.
    #[error("repository {project}/{repo} does not exist")]
    NoRepository {
        /// The project.
        project: String,
        /// The repository.
        repo: String,
    },
    /// The project does not exist.
    #[error("project {0} does not exist")]
    NoProject(String),
    /// There is a project of that name.
    #[error("project {0} exists")]
    ProjectExists(String),
    /// There is a repository of that name.
    #[error("repository {0} exists")]
    RepoExists(String),
    /// A project with repositories, or a repository with files, is not deleted just so.
    #[error("{0} is not empty")]
    InUse(String),
    /// The user does not exist.
    #[error("user {0} does not exist")]
    NoUser(String),
    /// There is a user of that name.
    #[error("user {0} exists")]
    UserExists(String),
    /// The user has no access token of that name.
    #[error("access token {0} does not exist")]
    NoAccessToken(String),
    /// The user has an access token of that name.
    #[error("access token {0} exists")]
    AccessTokenExists(String),
    /// There is no such pair of keys.
    #[error("access key {0} does not exist")]
    NoAccessKey(String),
    /// Something has a value that it cannot have.
    #[error("{what} is invalid: {why}")]
    Invalid {
        /// Its name, as clients know it.
        what: &'static str,
        /// Why it is refused.
        why: String,
    },
    /// The temporary token does not open what it is used for.
    #[error("the temporary token is invalid: {0}")]
    TokenInvalid(String),
    /// The temporary token was good until lately.
    #[error("the temporary token has expired")]
    TokenExpired,
    /// Nothing is at the path.
    #[error("nothing is at {0}")]
    NotFound(String),
    /// Something is at the path, and was not to be replaced.
    #[error("{0} exists")]
    Exists(String),
    /// A file is where a folder is needed, or a folder where a file is to go.
    #[error("{0} is in the way")]
    Conflict(String),
    /// A folder that holds files is not deleted.
    #[error("folder {0} is not empty")]
    NotEmpty(String),
    /// The root of a repository cannot be deleted or replaced.
    #[error("the root of a repository cannot be {0}")]
    Root(&'static str),
    /// The bytes that came are not those that were declared.
    #[error("the {which} of the bytes received is {actual}, not {declared}")]
    Digest {
        /// Which digest.
        which: &'static str,
        /// What was declared.
        declared: String,
        /// What came.
        actual: String,
    },
    /// The state of the file is not the one that the request is conditional on.
    #[error("{0} is not in the state that the request asks for")]
    Precondition(String),
    /// More than one change or answer may have.
    #[error("too many {what}: at most {limit} are possible at once")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are possible.
        limit: usize,
    },
    /// A user has as many uploads in blocks open as they may have.
    #[error("one user may have {limit} uploads in blocks open")]
    TooManySessions {
        /// How many are possible.
        limit: u64,
    },
    /// A file is larger than files may be.
    #[error("a file may have {limit_bytes} bytes at most")]
    TooLarge {
        /// How many are possible.
        limit_bytes: u64,
    },
    /// A repository would hold more than it may; to be measured, if that was not done for this change.
    #[error("repository {} may hold {} bytes at most", .0.repo, .0.quota_bytes)]
    Quota(Excess),
    /// No such upload in blocks is going on at this path.
    #[error("no upload in blocks has the id {0}")]
    NoSession(String),
    /// The blocks do not cover the file exactly.
    #[error("the blocks are not the file: {0}")]
    Coverage(String),
    /// The numbers of the blocks are not 1 to n.
    #[error("the blocks are not numbered from 1 on: {0}")]
    Sequence(String),
    /// A block would end past the largest file.
    #[error("a block at offset {0} ends past the largest possible file")]
    BlockEnd(u64),
    /// A password cannot be hashed or checked.
    #[error("password hashing: {0}")]
    Password(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<IndexError> for DomainError {
    fn from(error: IndexError) -> Self {
        Self::Store(error.into())
    }
}
