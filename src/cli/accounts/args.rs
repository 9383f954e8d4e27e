//! What can be typed behind `user`, `token` and `key`.

use clap::{Subcommand, ValueEnum};

pub use crate::cli::args::At;

/// `packhold user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user; the password is asked for, or one line of standard input, or the variable
    /// `PACKHOLD_NEW_PASSWORD`.
    Add {
        /// The user's name.
        name: String,
        /// The user may do everything.
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        at: At,
    },
    /// List all users.
    List {
        #[command(flatten)]
        at: At,
    },
    /// Set a user's password, which comes as for a new user.
    Passwd {
        /// The user's name.
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Delete a user with all grants, tokens and keys.
    Del {
        /// The user's name.
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Set what a user may do in a project or repository.
    Grant {
        /// The user's name.
        name: String,
        /// PROJECT, or PROJECT/REPO.
        scope: String,
        /// What the user may do; without any, nothing.
        actions: Vec<ActionWord>,
        #[command(flatten)]
        at: At,
    },
    /// Set a user's role among the software packages.
    Role {
        /// The user's name.
        name: String,
        /// The role.
        role: RoleWord,
        #[command(flatten)]
        at: At,
    },
}

/// What can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ActionWord {
    /// Reading files.
    Read,
    /// Writing files.
    Write,
    /// Deleting files.
    Delete,
    /// All of that, and saying who may do what.
    Manage,
}

/// A role among the software packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// Reads packages.
    Viewer,
    /// Uploads and deletes packages, too.
    Manager,
    /// Nothing.
    None,
}

/// `packhold token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make an access token; it is printed, and never shown again.
    Add {
        /// Whose it is.
        #[arg(value_name = "USER")]
        owner: String,
        /// What it is called.
        name: String,
        /// After how many days it expires [default: never].
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
        #[command(flatten)]
        at: At,
    },
    /// List a user's access tokens.
    List {
        /// Whose they are.
        #[arg(value_name = "USER")]
        owner: String,
        #[command(flatten)]
        at: At,
    },
    /// Delete an access token.
    Del {
        /// Whose it is.
        #[arg(value_name = "USER")]
        owner: String,
        /// What it is called.
        name: String,
        #[command(flatten)]
        at: At,
    },
}

/// `packhold key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a pair of keys; both are printed, and the secret one is never shown again.
    Add {
        /// Whose they are.
        #[arg(value_name = "USER")]
        owner: String,
        #[command(flatten)]
        at: At,
    },
    /// List a user's access keys.
    List {
        /// Whose they are.
        #[arg(value_name = "USER")]
        owner: String,
        #[command(flatten)]
        at: At,
    },
    /// Delete a pair of keys.
    Del {
        /// The key that is no secret.
        key: String,
        #[command(flatten)]
        at: At,
    },
}
