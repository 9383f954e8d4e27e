//! The routes of projects, repositories, users and temporary links; `routes` has them in its table.

use std::sync::Arc;

use warp::http::Method;
use warp::reply::Response;

use super::app::App;
use super::error::ApiError;
use super::request::{Body, Request};
use super::routes::not_allowed;
use super::temporary::{self, Form};
use super::users::{self, Place};
use super::{blocks, ops, projects, repos};
use crate::domain::Address;

/// `/generic/temporary/*`.
pub async fn temporary(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let words = words(&request, 2);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let method = request.method.clone();
    match (words.as_slice(), &method) {
        (["url", "create"], &Method::POST) => {
            temporary::create(app, request, body, Form::Url).await
        }
        (["token", "create"], &Method::POST) => {
            temporary::create(app, request, body, Form::Token).await
        }
        (["download", _, _, ..], &Method::GET | &Method::HEAD) => {
            temporary::download(app, request, 3).await
        }
        (["upload", _, _, ..], &Method::PUT) => temporary::upload(app, request, body).await,
        ([name @ ("separate" | "block"), _, _, ..], _) => {
            let at = temporary::enter(&app, &request, &request.service_path()[3..]).await?;
            blocks::session_as(app, request, at, blocks::dialect_of(name)).await
        }
        (["url" | "token", "create"], _) => not_allowed(&method, "POST"),
        (["download", _, _, ..], _) => not_allowed(&method, "GET, HEAD"),
        (["upload", _, _, ..], _) => not_allowed(&method, "PUT"),
        _ => Err(request.no_route()),
    }
}

/// `/repository/api/share/*`.
pub async fn share(app: Arc<App>, request: Request, body: &mut Body) -> Result<Response, ApiError> {
    match request.method {
        Method::POST => temporary::share(app, request, body).await,
        Method::GET | Method::HEAD => temporary::download(app, request, 3).await,
        _ => not_allowed(&request.method, "GET, HEAD, POST"),
    }
}

/// `/repository/api/project/*`.
pub async fn project(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let words = words(&request, 3);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let method = request.method.clone();
    match (words.as_slice(), &method) {
        ([] | ["create"], &Method::POST) => projects::create(app, request, body).await,
        (["list"], &Method::GET) => projects::list(app, request).await,
        (["exist", name], &Method::GET) => projects::exists(app, request, (*name).to_owned()).await,
        (["info", name], &Method::GET) => projects::info(app, request, (*name).to_owned()).await,
        (["delete", name], &Method::DELETE) => {
            projects::delete(app, request, (*name).to_owned()).await
        }
        ([] | ["create"], _) => not_allowed(&method, "POST"),
        (["list"] | ["exist" | "info", _], _) => not_allowed(&method, "GET"),
        (["delete", _], _) => not_allowed(&method, "DELETE"),
        _ => Err(request.no_route()),
    }
}

/// `/repository/api/repo/*`.
pub async fn repo(app: Arc<App>, request: Request, body: &mut Body) -> Result<Response, ApiError> {
    let words = words(&request, 3);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let method = request.method.clone();
    match (words.as_slice(), &method) {
        ([] | ["create"], &Method::POST) => repos::create(app, request, body).await,
        (["info", project, repo] | ["info", project, repo, _], &Method::GET) => {
            let repo = Address::new(project, repo, "")?;
            repos::info(app, request, repo).await
        }
        (["exist", project, repo], &Method::GET) => {
            let repo = Address::new(project, repo, "")?;
            repos::exists(app, request, repo).await
        }
        (["list", project], &Method::GET) => repos::list(app, request, (*project).to_owned()).await,
        (["page", project, number, size], &Method::GET) => {
            repos::page(app, request, (*project).to_owned(), number, size).await
        }
        (["update", project, repo], &Method::POST) => {
            let repo = Address::new(project, repo, "")?;
            repos::update(app, request, body, repo).await
        }
        (["delete", project, repo], &Method::DELETE) => {
            let repo = Address::new(project, repo, "")?;
            repos::delete(app, request, repo).await
        }
        ([] | ["create"] | ["update", _, _], _) => not_allowed(&method, "POST"),
        (["delete", _, _], _) => not_allowed(&method, "DELETE"),
        (["info" | "exist", _, _] | ["info" | "page", _, _, _] | ["list", _], _) => {
            not_allowed(&method, "GET")
        }
        _ => Err(request.no_route()),
    }
}

/// `/auth/api/user/*`.
pub async fn user(app: Arc<App>, request: Request, body: &mut Body) -> Result<Response, ApiError> {
    let words = words(&request, 3);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let method = request.method.clone();
    match (words.as_slice(), &method) {
        (["create"], &Method::POST) => users::create(app, request, body, Place::Nowhere).await,
        (["create", "project"], &Method::POST) => {
            users::create(app, request, body, Place::Project).await
        }
        (["create", "repo"], &Method::POST) => users::create(app, request, body, Place::Repo).await,
        (["list"], &Method::GET) => users::list(app, request).await,
        (["detail", name] | [name], &Method::GET) => {
            users::info(app, request, (*name).to_owned()).await
        }
        ([name], &Method::PUT) => users::update(app, request, body, (*name).to_owned()).await,
        ([name], &Method::DELETE) => users::delete(app, request, (*name).to_owned()).await,
        (["create", "project" | "repo"], _) => not_allowed(&method, "POST"),
        (["detail", _], _) => not_allowed(&method, "GET"),
        ([_], _) => not_allowed(&method, "GET, PUT, DELETE"),
        _ => Err(request.no_route()),
    }
}

/// `/packhold/grants`.
pub async fn grants(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    match request.method {
        Method::GET => users::grants(app, request).await,
        Method::PUT => users::grant(app, request, body).await,
        _ => not_allowed(&request.method, "GET, PUT"),
    }
}

/// `/repository/actuator/*`.
pub fn actuator(app: &App, request: &Request) -> Result<Response, ApiError> {
    let words = words(request, 2);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (words.as_slice(), &request.method) {
        (["info"], &Method::GET | &Method::HEAD) => Ok(ops::info(request)),
        (["health"], &Method::GET | &Method::HEAD) => ops::health(app, request),
        (["info" | "health"], method) => not_allowed(method, "GET, HEAD"),
        _ => Err(request.no_route()),
    }
}

/// The segments behind the first `skip` of a service's path.
fn words(request: &Request, skip: usize) -> Vec<String> {
    let segments = request.service_path().iter().skip(skip);
    segments.cloned().collect()
}
