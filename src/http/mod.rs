//! The façade: HTTP over warp. The only home of status codes, JSON and header names.
//!
//! `routes` is the whole API on one page. Handlers give `Result<Response, ApiError>`; `error`
//! alone turns an error into a status and a code. A warp rejection means only "not my route".

mod accounts;
mod app;
mod archive;
pub mod artifact;
mod auth;
mod batch;
mod blocks;
mod body;
pub mod conditional;
mod connections;
mod cors;
mod download;
mod error;
mod folder;
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
mod routes;
mod server;
mod stream;
mod sweep;
mod temporary;
mod tls;
mod users;
mod view;

pub use app::{App, Config};
pub use connections::Limits;
pub use links::public_url;
pub use server::serve;
pub use tls::{Tls, TlsError};
