//! What can be done with nodes beside uploading and downloading: list, search, make folders,
//! rename, move, copy, delete with all that is below, change metadata and expiry.
//!
//! **Invariants.** Every change is one atomic commit, decided on the rows that it changes. Nothing
//! ever lies deeper than [`MAX_SEGMENTS`](super::path::MAX_SEGMENTS). No answer takes memory in
//! proportion to a folder: walks go page by page, sorted answers keep only the best so far.

mod change;
mod gather;
mod listing;
mod measure;
mod merge;
mod plain;
mod remove;
mod rule;
mod scope;
mod search;
mod top;
mod transfer;
mod walk;

pub use super::place::make_folder;
pub use change::{
    MAX_METADATA_BYTES, MetadataChange, change_metadata, refuse_large_metadata, set_expiry,
};
pub use gather::MAX_PAGE_BYTES;
pub use listing::{Listing, page};
pub(super) use measure::bytes_below;
pub use measure::{Measure, measure};
pub use remove::{Removed, remove, tops};
pub use rule::{Candidate, Field, Op, Pattern, Rule, Test, Value};
pub use search::{Hit, Hits, Search, listing_rule, search};
pub use top::MAX_SORTED;
pub use transfer::{Transfer, Way, rename, transfer};
pub use walk::{Found, Walk};
