//! The index: a redb database derived from the pack.
//!
//! **Invariant.** It holds nothing that the pack does not hold: delete it, and it is rebuilt row
//! for row the same. So it needs no durability of its own: on the write path its transactions are
//! not durable, and now and then a checkpoint is. [`Tables::apply`] is the only thing that changes
//! rows for mutations, at run time and at replay alike. This floor does not see the pack.

mod apply;
mod carry;
mod compare;
mod error;
mod file;
mod open;
mod packages;
mod place;
mod recent;
mod row;
mod rows;
mod sorter;
mod space;
mod tables;
mod walk;

pub use error::IndexError;
pub use open::{Batch, Index};
pub use packages::{Field, Filter, Match, PackagePage, PackageQuery};
pub use place::{Place, Shelf};
pub use recent::{GENERATION_ROWS, Recent};
pub use row::{Checkpoint, Prefix, prefix};
pub use rows::{Counts, Expiry, Rank, Rows};
pub use sorter::{ChunkSorter, SortedChunks};
pub use space::{BlockKey, NodeKey};
pub use tables::{Reader, Tables};
