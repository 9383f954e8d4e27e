//! The pack file: append, sync, read, open.
//!
//! **Invariants.** One appender: records are written in order, each in full before the next
//! begins. One syncer: every sync of the file is made by one thread, because a write-back error is
//! told to only one of several. After a failed sync or an I/O error the pack refuses writes until
//! it is opened again (a failed sync is never retried); reads go on. Nothing is handed out past
//! the written end. This floor does not know what the records mean.

#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod appender;
mod error;
mod file;
mod map;
mod open;
mod punch;
mod sink;
mod syncer;

pub use appender::Tail;
pub use error::PackError;
pub use file::{complete, incomplete, replace, sync_parent, take_after, with_suffix};
pub use open::{Medium, Opened, Pack};
pub use punch::punch;
pub use sink::{Sink, Source};
