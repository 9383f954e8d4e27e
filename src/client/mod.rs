//! The client: files and packages to and from a running server. No clap, no terminal.
//!
//! Invariants: a server is not trusted with where files go (every name of a listing is checked, and
//! files are made below the destination only, through no symbolic link: [`mod@dest`]); nothing is in
//! its place at either end before its sha256 was proven; memory does not grow with the number of
//! files nor with their sizes.
//!
//! | module | what it is |
//! |---|---|
//! | `server` | requests and answers; credentials; the only home of ureq |
//! | `retry` | what is asked again, and when |
//! | `netrc` | credentials from `~/.netrc` |
//! | `place` | `PROJECT/REPO/PATH` |
//! | `listing`, `walk` | what is below a folder there, and here |
//! | `push`, `blocks`, `pull`, `packages` | one file, one package |
//! | `dest` | files below a folder here, whoever names them |
//! | `crew` | several files at once |

mod blocks;
mod crew;
pub mod dest;
mod error;
pub mod files;
mod listing;
pub mod netrc;
mod packages;
mod place;
mod pull;
mod push;
mod remove;
mod retry;
mod server;
mod sessions;
mod walk;

pub use crew::{Gate, crew};
pub use dest::Dest;
pub use error::ClientError;
pub use listing::{Listing, RemoteFile, RemoteNode, node};
pub use packages::{Package, Packages, push_package, remove_package};
pub use place::Place;
pub use pull::{Pull, pull};
pub use push::{Push, push};
pub use remove::{remove_file, remove_tree};
pub use retry::Persistence;
pub use server::{Answer, Body, Call, Credentials, Method, Patience, Server, Settings};
pub use sessions::Sessions;
pub use walk::{Found, Walk};

/// What became of a file that was to be sent or fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was sent or fetched.
    Moved,
    /// It was there already, byte for byte.
    Present,
}

/// Whoever wants to know how far it is.
pub trait Observer: Sync {
    /// So many bytes went over the wire.
    fn moved(&self, bytes: u64);
    /// So many bytes of a file need not: they went before.
    fn kept(&self, bytes: u64);
}
