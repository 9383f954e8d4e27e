//! What stands for a user besides the password: access tokens, and pairs of keys.

use std::fmt;

use bincode::{Decode, Encode};

use crate::format::Sha256;

/// A token that its user logs in with.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AccessToken {
    /// sha256 of the token.
    pub secret_sha256: Sha256,
    /// Whose it is.
    pub user: String,
    /// What its user calls it; unique with them.
    pub name: String,
    /// When it was made, Unix milliseconds.
    pub created_ms: u64,
    /// When it ceases to be good, Unix milliseconds.
    pub expires_ms: Option<u64>,
}

/// Takes an access token away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct AccessTokenDelete {
    /// sha256 of the token.
    pub secret_sha256: Sha256,
}

/// A pair of keys with which requests are signed. Who checks a signature needs the secret itself.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct AccessKey {
    /// The key that is told.
    pub key: String,
    /// The key that is not.
    pub secret: String,
    /// Whose it is.
    pub user: String,
    /// When it was made, Unix milliseconds.
    pub created_ms: u64,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("key", &self.key)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Takes a pair of keys away.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AccessKeyDelete {
    /// The key that is told.
    pub key: String,
}

/// Sets how much a repository may hold.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Quota {
    /// The project.
    pub project: String,
    /// The repository.
    pub repo: String,
    /// Bytes of all files in it; `None` for as much as there is room for.
    pub bytes: Option<u64>,
}
