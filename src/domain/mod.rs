//! What projects, repositories, folders and files mean. No HTTP words, no JSON, no clock: the time
//! is an argument.

pub mod auth;
pub mod blocks;
mod delete;
mod error;
mod freeing;
mod lookup;
pub mod nodes;
pub mod packages;
pub mod path;
mod place;
pub mod projects;
pub mod quota;
mod random;
mod selection;
mod submit;
mod sweep;
pub mod token;
mod tree;
mod upload;
pub mod users;

pub use delete::delete;
pub use error::DomainError;
pub use freeing::would_free;
pub use lookup::{Address, Entry, FileEntry, entry, file, folder, is_live, repository};
pub use place::MayCreate;
pub use selection::{Selected, Selection, select};
pub use sweep::Sweeper;
pub use tree::{Cursor, Leaf, Page, Tree, list};
pub use upload::{Declared, Precondition, State, Stored, Upload, begin, check, finish};
