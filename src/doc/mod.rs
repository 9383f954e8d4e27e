//! What people read: the same pages as `packhold doc` prints. `tests/cli/docs.rs` runs the commands in them.

/// How to deploy, secure, back up, watch, grow, upgrade, reclaim and recover.
pub const GUIDE: &str = include_str!("guide.md");
/// The API, with a `curl` line for every call.
pub const API: &str = include_str!("api.md");
/// Whether one wants something else.
pub const COMPARISON: &str = include_str!("comparison.md");

#[doc = include_str!("guide.md")]
pub mod guide {}
#[doc = include_str!("api.md")]
pub mod api {}
#[doc = include_str!("comparison.md")]
pub mod comparison {}
