//! The façade: HTTP over warp. The only home of status codes, JSON and header names.
//!
//! `api` is the whole API on one page. Handlers give `Result<Response, ApiError>`; `error`
//! alone turns an error into a status and a code. A warp rejection means only "not my route".

mod access;
mod api;
mod app;
mod archive;
pub mod artifact;
mod audit;
mod auth;
mod batch;
mod blocks;
mod body;
mod compact;
pub mod conditional;
mod connections;
mod cors;
mod current;
mod download;
mod entry_names;
mod error;
mod folder;
mod gc;
mod generic;
mod heal;
mod held;
mod hot;
mod json;
mod limits;
mod links;
mod measure;
mod multipart;
mod node_view;
mod nodes;
mod ocp;
mod openapi;
mod ops;
mod pack;
pub mod params;
#[doc(hidden)]
pub mod probe;
mod projects;
mod quota;
pub mod range;
mod rate;
mod repos;
mod request;
mod route;
mod routes;
mod scrub;
mod server;
mod stream;
mod sweep;
mod temporary;
mod timing;
mod tls;
mod users;
mod verify;
mod view;
mod web;

pub use api::{endpoint, endpoints};
pub use app::{App, Config};
pub use audit::Audit;
pub use connections::Limits as ConnectionLimits;
pub use limits::Limits;
pub use links::public_url;
pub use openapi::document as openapi;
pub use server::serve;
pub use tls::{Tls, TlsError};
