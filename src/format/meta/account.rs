//! Who may do what: users, their grants, and temporary tokens.

use bincode::{Decode, Encode};

use crate::format::Sha256;

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct User {
    /// Unique name.
    pub name: String,
    /// Argon2 hash of the password, PHC string.
    pub password_phc: String,
    /// May do everything.
    pub admin: bool,
    /// When it was created, Unix milliseconds.
    pub created_ms: u64,
}

/// Takes a user away, and all that was granted to it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct UserDelete {
    /// Its name.
    pub name: String,
}

/// Sets what a user may do in a project or a repository.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Grant {
    /// The user.
    pub user: String,
    /// The project; empty for the software packages.
    pub project: String,
    /// The repository; empty for the project with all its repositories.
    pub repo: String,
    /// Bits: 1 read, 2 write, 4 delete, 8 manage; none takes the grant away.
    pub actions: u8,
}

/// What a temporary token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum TokenUse {
    /// Reading.
    Download,
    /// Writing.
    Upload,
    /// Both.
    All,
}

/// A temporary token: lets whoever has it reach one path, or what is below it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Token {
    /// sha256 of the secret that its owner has.
    pub secret_sha256: Sha256,
    /// The project.
    pub project: String,
    /// The repository.
    pub repo: String,
    /// The path, normal; everything below it is reached, too.
    pub path: String,
    /// What it is good for.
    pub good_for: TokenUse,
    /// Users who may use it; none: all.
    pub users: Vec<String>,
    /// Addresses from which it may be used; none: all.
    pub addresses: Vec<String>,
    /// How many more times it may be used.
    pub permits: Option<u32>,
    /// When it ceases to exist, Unix milliseconds.
    pub expires_ms: Option<u64>,
    /// Who made it, and must still be allowed what it is used for.
    pub created_by: String,
    /// When, Unix milliseconds.
    pub created_ms: u64,
}

/// Takes a temporary token away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct TokenDelete {
    /// sha256 of its secret.
    pub secret_sha256: Sha256,
}
