//! The façade: HTTP over warp. The only home of status codes, JSON and header names.
//!
//! `routes` is the whole API on one page. Handlers give `Result<Response, ApiError>`; `error`
//! alone turns an error into a status and a code. A warp rejection means only "not my route".

mod app;
mod archive;
pub mod artifact;
mod auth;
mod batch;
mod body;
pub mod conditional;
mod download;
mod error;
mod fields;
mod folder;
mod generic;
mod node_view;
mod nodes;
mod ops;
pub mod params;
pub mod range;
mod request;
mod routes;
mod server;
mod stream;
mod view;

pub use app::{App, Config};
pub use server::serve;
