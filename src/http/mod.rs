//! The façade: HTTP over warp. The only home of status codes, JSON and header names.
//!
//! `routes` is the whole API on one page. Handlers give `Result<Response, ApiError>`; `error`
//! alone turns an error into a status and a code. A warp rejection means only "not my route".

mod app;
mod archive;
pub mod artifact;
mod auth;
mod batch;
mod blocks;
mod body;
pub mod conditional;
mod download;
mod error;
mod folder;
mod generic;
mod ops;
pub mod params;
pub mod range;
mod request;
mod routes;
mod server;
mod stream;
mod sweep;
mod view;

pub use app::{App, Config};
pub use server::serve;
