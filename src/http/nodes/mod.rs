//! `/repository/api/node/...` and `/repository/api/metadata/...` (observed page, 5), on one page.
//!
//! | method | path behind `/repository/api` | handler |
//! |---|---|---|
//! | `GET` | `/node/detail/{p}/{r}/{path}`, `/node/{p}/{r}/{path}` | [`read::detail`] |
//! | `GET` | `/node/page/{p}/{r}/{path}` | [`read::page`] |
//! | `GET` | `/node/size/{p}/{r}/{path}` | [`read::size`] |
//! | `POST` | `/node/search`, `/node/query` | [`search::search`] |
//! | `POST` | `/node/mkdir/{p}/{r}/{path}`, `/node/{p}/{r}/{path}` | [`write::make_folder`] |
//! | `POST` | `/node/rename/{p}/{r}/{path}`, `/node/rename` | [`write::rename`] |
//! | `POST` | `/node/move`, `/node/copy` | [`write::transfer`] |
//! | `POST` | `/node/update/{p}/{r}/{path}`, `/node/update` | [`write::update`] |
//! | `DELETE` | `/node/delete/{p}/{r}/{path}`, `/node/{p}/{r}/{path}` | [`remove::one`] |
//! | `DELETE` | `/node/batch/{p}/{r}` | [`remove::several`] |
//! | `POST` | `/node/batch/{p}/{r}` | [`remove::count`] |
//! | `GET` | `/metadata/{p}/{r}/{path}` | [`metadata::get`] |
//! | `POST` | `/metadata/{p}/{r}/{path}` | [`metadata::save`] |
//! | `DELETE` | `/metadata/{p}/{r}/{path}` | [`metadata::delete`] |
//!
//! Besides, `GET /generic/detail/{p}/{r}/{path}` and `POST /generic/{p}/{r}/search`. The words win
//! over projects of the same names. A node that is missing is a 400 here, not a 404: clients know
//! that from upstream.

mod metadata;
pub mod read;
mod records;
mod remove;
mod rules;
pub mod search;
mod write;

use std::sync::Arc;

use warp::http::Method;
use warp::reply::Response;

use super::app::{App, Done, blocking, waiting};
use super::auth::{authorize, may_create};
use super::error::ApiError;
use super::request::{Body, Request};
use crate::domain::auth::{Action, Principal};
use crate::domain::nodes::Way;
use crate::domain::path::NodePath;
use crate::domain::{Address, DomainError, MayCreate};
use crate::store::Store;

/// Which handler a request goes to; the path begins with `/repository/api/node` or `.../metadata`.
///
/// # Errors
/// [`ApiError`].
pub async fn dispatch(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let path = request.service_path()[2..].to_vec();
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let (get, post, delete) = (&Method::GET, &Method::POST, &Method::DELETE);
    let address = |behind: usize| address(&request, behind);
    match (words.as_slice(), &request.method) {
        (["node", "detail", _, _, ..], method) if method == get => {
            let address = address(4)?;
            read::detail(app, request, address).await
        }
        (["node", "page", _, _, ..], method) if method == get => {
            let address = address(4)?;
            read::page(app, request, address).await
        }
        (["node", "size", _, _, ..], method) if method == get => {
            let address = address(4)?;
            read::size(app, request, address).await
        }
        (["node", "search" | "query"], method) if method == post => {
            search::search(app, request, body, None).await
        }
        (["node", "mkdir", _, _, ..], method) if method == post => {
            let address = address(4)?;
            write::make_folder(app, request, address).await
        }
        (["node", "rename", _, _, ..], method) if method == post => {
            let address = address(4)?;
            write::rename(app, request, Some(address), body).await
        }
        (["node", "rename"], method) if method == post => {
            write::rename(app, request, None, body).await
        }
        (["node", "move"], method) if method == post => {
            write::transfer(app, request, body, Way::Move).await
        }
        (["node", "copy"], method) if method == post => {
            write::transfer(app, request, body, Way::Copy).await
        }
        (["node", "update", _, _, ..], method) if method == post => {
            let address = address(4)?;
            write::update(app, request, Some(address), body).await
        }
        (["node", "update"], method) if method == post => {
            write::update(app, request, None, body).await
        }
        (["node", "delete", _, _, ..], method) if method == delete => {
            let address = address(4)?;
            remove::one(app, request, address).await
        }
        (["node", "batch", _, _], method) if method == delete => {
            let repo = address(4)?;
            remove::several(app, request, repo, body).await
        }
        (["node", "batch", _, _], method) if method == post => {
            let repo = address(4)?;
            remove::count(app, request, repo, body).await
        }
        _ => others(app, request, body).await,
    }
}

/// The old aliases of nodes, and metadata.
async fn others(app: Arc<App>, request: Request, body: &mut Body) -> Result<Response, ApiError> {
    let path = request.service_path()[2..].to_vec();
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let method = request.method.clone();
    if let Some(allow) = methods(&words) {
        let method = method.to_string();
        return Err(ApiError::Method { method, allow });
    }
    let [kind @ ("node" | "metadata"), _, _, ..] = words.as_slice() else {
        return Err(request.no_route());
    };
    let address = address(&request, 3)?;
    match (*kind, method) {
        ("node", Method::GET) => read::detail(app, request, address).await,
        ("node", Method::POST) => write::make_folder(app, request, address).await,
        ("node", Method::DELETE) => remove::one(app, request, address).await,
        ("metadata", Method::GET) => metadata::get(app, request, address).await,
        ("metadata", Method::POST) => metadata::save(app, request, address, body).await,
        ("metadata", Method::DELETE) => metadata::delete(app, request, address, body).await,
        (_, method) => Err(ApiError::Method {
            method: method.to_string(),
            allow: "GET, POST, DELETE",
        }),
    }
}

/// The methods of the routes that have words of their own.
fn methods(words: &[&str]) -> Option<&'static str> {
    match words {
        ["node", "detail" | "page" | "size", _, _, ..] => Some("GET"),
        [
            "node",
            "search" | "query" | "move" | "copy" | "rename" | "update",
        ]
        | ["node", "mkdir" | "rename" | "update", _, _, ..] => Some("POST"),
        ["node", "delete", _, _, ..] => Some("DELETE"),
        ["node", "batch", _, _] => Some("POST, DELETE"),
        _ => None,
    }
}

/// The address behind so many words of the path, two of which were `repository/api`.
fn address(request: &Request, words: usize) -> Result<Address, ApiError> {
    request.address(&request.service_path()[words.min(request.service_path().len())..])
}

/// A node that is asked about and is not there is the client's mistake.
fn asked(error: DomainError) -> ApiError {
    match error {
        DomainError::NotFound(path) => ApiError::NoNode(path),
        error => error.into(),
    }
}

/// Checks that `principal` may do all of `actions`, then makes a change and waits for it. The change
/// hears what it may create of what the last of the addresses lies in.
async fn change<T: Send + 'static>(
    app: &Arc<App>,
    principal: Principal,
    actions: Vec<(Action, Address)>,
    begin: impl FnOnce(&Store, MayCreate, Done<T>) + Send + 'static,
) -> Result<T, ApiError> {
    let (done, outcome) = waiting();
    let app = Arc::clone(app);
    blocking(move || {
        let creates = {
            let rows = app.store.rows()?;
            let mut creates = MayCreate::Nothing;
            for (action, address) in &actions {
                authorize(&rows, &principal, *action, address)?;
                creates = may_create(&app, &rows, &principal, address)?;
            }
            creates
        };
        begin(&app.store, creates, done);
        Ok(())
    })
    .await?;
    outcome.await.map_err(|error| match error {
        ApiError::Domain(error) => asked(error),
        error => error,
    })
}

/// The address of a repository with a path from elsewhere.
fn at(repo: &Address, path: &str) -> Result<Address, ApiError> {
    let path = NodePath::parse(path).map_err(DomainError::from)?;
    Ok(Address {
        path,
        ..repo.clone()
    })
}
