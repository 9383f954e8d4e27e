//! Who is asking, how they prove it, and what they may do.

pub mod access;
mod compare;
mod failures;
mod passwords;
mod policy;
mod recent;
mod replays;
mod sessions;

pub use failures::{Excess, Failures, Limits, Who};
pub use passwords::{Checked, Login, Passwords, has_admin, hash, put_admin, random_password};
pub use policy::{granted, is_member, may, may_create, may_manage, may_packages};
pub use replays::{Replays, Use};
pub use sessions::{Candidate, Found, IDLE_MS, LONGEST_MS, Opened, Sessions};

use crate::format::Sha256;
use crate::format::meta::{Token, User};

/// The user that a new store has.
pub const ADMIN: &str = "admin";

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Nobody said who they are.
    Anonymous,
    /// Somebody who proved who they are.
    User {
        /// Their name.
        name: String,
        /// They may do everything.
        admin: bool,
    },
    /// Whoever has a temporary token.
    Token(Box<Bearer>),
}

/// A temporary token in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The token.
    pub token: Token,
    /// Who made it; what they may not do, it does not open.
    pub creator: Principal,
}

impl Principal {
    /// The administrator.
    #[must_use]
    pub fn admin() -> Self {
        Self::User {
            name: ADMIN.to_owned(),
            admin: true,
        }
    }

    /// Their name; with a token, that of who made it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User { name, .. } => name,
            Self::Token(bearer) => bearer.creator.name(),
        }
    }

    /// Whether they may do everything.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        matches!(self, Self::User { admin: true, .. })
    }

    /// The token whose permits a use takes from; `None` where uses are not counted.
    #[must_use]
    pub fn permit(&self) -> Option<Sha256> {
        match self {
            Self::Token(bearer) => bearer.token.permits.map(|_| bearer.token.secret_sha256),
            Self::Anonymous | Self::User { .. } => None,
        }
    }
}

impl From<User> for Principal {
    fn from(user: User) -> Self {
        Self::User {
            name: user.name,
            admin: user.admin,
        }
    }
}

/// What is done in a repository, or with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Reading files.
    Read,
    /// Writing files.
    Write,
    /// Deleting files.
    Delete,
    /// Changing or deleting the repository, and saying who may do what there.
    Manage,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Delete, Self::Manage];

    /// Its bit in a grant.
    #[must_use]
    pub fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Delete => 4,
            Self::Manage => 8,
        }
    }
}
