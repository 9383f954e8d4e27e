//! packhold: an embedded, single-file, content-addressed artifact store with an HTTP façade.
//!
//! The modules are floors; imports go down only (`tests/floors.rs` proves it):
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | 0 | [`digest`], [`metrics`], [`sync`], [`doc`] | leaves: whole-file digests, counters, locks, the guide |
//! | 1 | [`mod@format`] | bytes ⇄ values of the pack file; no I/O, clock or locks |
//! | 2 | [`pack`] | the file: append, sync, map, open |
//! | 2 | [`index`] | the derived redb index; may not see `pack` |
//! | 3 | [`store`] | pack + index = a chunk store |
//! | 4 | [`domain`] | what a repository, a path, a node mean |
//! | 5 | [`http`] | warp; the only home of status codes |
//! | 5 | [`client`] | files and packages to and from a running server; may not see `http` |
//! | 6 | [`cli`] | clap; commands |

pub mod cli;
pub mod client;
pub mod digest;
pub mod doc;
pub mod domain;
pub mod format;
pub mod http;
pub mod index;
pub mod metrics;
pub mod pack;
pub mod store;
pub mod sync;
