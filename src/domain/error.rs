//! What the domain refuses.

use thiserror::Error;

use super::path::PathError;
use crate::index::IndexError;
use crate::store::StoreError;

/// Errors of the domain floor, naming the thing at fault.
#[derive(Debug, Error)]
pub enum DomainError {
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
    /// What was asked for is not possible with this value.
    #[error("Parameter [{name}] is invalid: {why}")]
    Parameter {
        /// What is at fault.
        name: &'static str,
        /// Why.
        why: String,
    },
    /// More than one change or answer may have.
    #[error("too many {what}: at most {limit} are possible at once")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are possible.
        limit: usize,
    },
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
