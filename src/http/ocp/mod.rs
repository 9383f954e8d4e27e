//! OCP's software-package API. Source: seeds 000 to 002, and the package contract.
//!
//! | method | path | handler |
//! |---|---|---|
//! | `POST` | `/api/v2/software-packages` | [`upload::upload`] |
//! | `POST` | `/api/v2/files/uploadFile?type=` | the same, for old clients |
//! | `GET` | `/api/v2/software-packages` | [`packages::list`] |
//! | `GET`, `DELETE` | `/api/v2/software-packages/{id}` | [`packages::info`], [`packages::delete`] |
//! | `GET`, `HEAD` | `/api/v2/files/sys-package/{fileName}` | [`packages::download`] |
//! | `GET`, `HEAD` | `/api/v2/time`, `/api/status` | [`service`]: no login |
//! | `GET`, `HEAD` | `/api/v2/info` | [`service::info`] |

mod packages;
mod query;
mod service;
mod upload;
pub mod view;

use std::sync::Arc;

use warp::http::Method;
use warp::reply::Response;

use super::app::App;
use super::error::ApiError;
use super::request::{Body, Request};
use super::routes::not_allowed;

/// Whether a path, as it came, belongs to OCP's API, whose clients expect its envelope.
pub fn speaks(raw_path: &str) -> bool {
    let mut words = raw_path.split('/').filter(|word| !word.is_empty());
    words.next() == Some("api") && matches!(words.next(), Some("v2" | "status"))
}

/// Which handler a request goes to.
pub async fn dispatch(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let words = request.segments.clone();
    let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    let method = request.method.clone();
    match (words.as_slice(), &method) {
        (["v2", "software-packages"] | ["v2", "files", "uploadFile"], &Method::POST) => {
            upload::upload(app, request, body).await
        }
        (["v2", "software-packages"], &Method::GET) => packages::list(app, request).await,
        (["v2", "software-packages", id], &Method::GET) => packages::info(app, request, id).await,
        (["v2", "software-packages", id], &Method::DELETE) => {
            packages::delete(app, request, id).await
        }
        (["v2", "files", "sys-package", _, ..], &Method::GET | &Method::HEAD) => {
            // No name has a slash, but one that was escaped is a name that is not found.
            let name = words[3..].join("/");
            packages::download(app, request, name).await
        }
        (["v2", "time"], &Method::GET | &Method::HEAD) => Ok(service::time(&app)),
        (["v2", "info"], &Method::GET | &Method::HEAD) => service::info(app, request).await,
        (["status"], &Method::GET | &Method::HEAD) => service::status(&app),
        (["v2", "software-packages"], _) => not_allowed(&method, "GET, POST"),
        (["v2", "files", "uploadFile"], _) => not_allowed(&method, "POST"),
        (["v2", "software-packages", _], _) => not_allowed(&method, "GET, DELETE"),
        (["v2", "files", "sys-package", _, ..] | ["v2", "time" | "info"] | ["status"], _) => {
            not_allowed(&method, "GET, HEAD")
        }
        _ => Err(request.no_route()),
    }
}
