//! The façade: HTTP over warp. The only home of status codes, JSON and header names.
//!
//! `api` is the whole API on one page. Handlers give `Result<Response, ApiError>`; `error`
//! alone turns an error into a status and a code. A warp rejection means only "not my route".

mod access;
mod api;
mod app;
mod archive;
pub mod artifact;
mod auth;
mod batch;
mod blocks;
mod body;
pub mod conditional;
mod cors;
mod download;
mod entry_names;
mod error;
mod folder;
mod gc;
mod generic;
mod json;
mod links;
mod multipart;
mod node_view;
mod nodes;
mod ocp;
mod ops;
pub mod params;
mod projects;
pub mod range;
mod repos;
mod request;
mod route;
mod routes;
mod server;
mod stream;
mod sweep;
mod temporary;
mod users;
mod view;

pub use api::endpoints;
pub use app::{App, Config};
pub use links::public_url;
pub use server::serve;
