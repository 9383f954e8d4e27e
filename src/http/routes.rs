//! The API on one page.
//!
//! | method | path | handler |
//! |---|---|---|
//! | `PUT` | `/generic/{project}/{repo}/{path}` | [`generic::put`] |
//! | `GET`, `HEAD` | `/generic/{project}/{repo}/{path}` | [`generic::get`] |
//! | `DELETE` | `/generic/{project}/{repo}/{path}` | [`generic::delete`] |
//! | `PUT` with `X-BKREPO-UPLOAD-ID` | the same | a block: [`blocks::put`] |
//! | `GET`, `POST` | `/generic/batch/{project}/{repo}` | [`batch::download`] |
//! | `GET` | `/generic/detail/{project}/{repo}/{path}` | [`nodes::read::detail`] |
//! | `POST` | `/generic/{project}/{repo}/search` | [`nodes::search::search`] |
//! | | `/repository/api/{node,metadata}/...` | [`nodes`] |
//! | `POST`, `GET`, `PUT`, `DELETE` | `/generic/{separate,block}/{project}/{repo}/{path}` | begin, list, complete, abort: [`blocks::session`] |
//! | `POST` | `/generic/temporary/{url,token}/create` | [`temporary::create`](super::temporary::create) |
//! | the same four | `/generic/temporary/{separate,block}/{project}/{repo}/{path}` | [`blocks::session_as`] |
//! | `GET`, `HEAD` | `/generic/temporary/download/{project}/{repo}/{path}` | [`temporary::download`](super::temporary::download) |
//! | `PUT` | `/generic/temporary/upload/{project}/{repo}/{path}` | [`temporary::upload`](super::temporary::upload) |
//! | `POST`, `GET`, `HEAD` | `/repository/api/share/{project}/{repo}/{path}` | [`temporary::share`](super::temporary::share) |
//! | `POST` | `/repository/api/project[/create]` | [`projects::create`](super::projects::create) |
//! | `GET` | `/repository/api/project/{list,exist/{p},info/{p}}` | [`projects`](super::projects) |
//! | `DELETE` | `/repository/api/project/delete/{p}` | [`projects::delete`](super::projects::delete) |
//! | `POST` | `/repository/api/repo[/create]`, `/repo/update/{p}/{r}` | [`repos`](super::repos) |
//! | `GET` | `/repository/api/repo/{info,exist}/{p}/{r}`, `/list/{p}`, `/page/{p}/{n}/{size}` | [`repos`](super::repos) |
//! | `DELETE` | `/repository/api/repo/delete/{p}/{r}` | [`repos::delete`](super::repos::delete) |
//! | `GET`, `HEAD` | `/repository/actuator/{info,health}` | [`ops::info`] |
//! | `POST` | `/auth/api/user/create[/{project,repo}]` | [`users::create`](super::users::create) |
//! | `GET` | `/auth/api/user/{list,{user}}` | [`users`](super::users) |
//! | `PUT`, `DELETE` | `/auth/api/user/{user}` | [`users`](super::users) |
//! | | `/api/v2/...`, `/api/status` | [`ocp`] |
//! | `GET`, `PUT` | `/packhold/grants` | [`users::grant`](super::users::grant) |
//! | `GET` | `/packhold/stats` | [`ops::stats`] |
//! | `POST` | `/packhold/verify` | [`ops::verify`] |
//! | `GET` | `/metrics` | [`ops::metrics`] |
//! | `GET`, `HEAD` | `/healthz`, `/readyz` | [`ops::healthy`], [`ops::ready`] |
//!
//! `/generic`, `/repository` and `/auth` are also answered under `/api`, `/web` and `/bkrepo/api/{service,build,user}`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use warp::http::{HeaderMap, Method};
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::app::App;
use super::body::drain;
use super::error::ApiError;
use super::request::{self, Body, Origin, Request, TraceId};
use super::view::failure;
use super::{accounts, batch, blocks, cors, generic, nodes, ocp, ops};
use crate::metrics;

/// Every route.
pub fn routes(
    app: Arc<App>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::method()
        .and(warp::path::full())
        .and(raw_query())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Origin>())
        .and(warp::body::stream().map(request::body))
        .then(move |method, path, query, headers, origin, body| {
            let app = Arc::clone(&app);
            answer(app, method, path, query, headers, origin, body)
        })
        .recover(broken)
        .unify()
}

fn raw_query() -> impl Filter<Extract = (String,), Error = Infallible> + Clone {
    warp::query::raw().or_else(|_| async { Ok::<_, Infallible>((String::new(),)) })
}

async fn answer(
    app: Arc<App>,
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    origin: Option<Origin>,
    body: Body,
) -> Response {
    metrics::REQUESTS.add(1);
    let (trace, started) = (TraceId::fresh(), Instant::now());
    let limits = &app.config.connections;
    let running = origin.as_ref().map(|origin| origin.running.clone());
    let mut body = body.watched(limits.body_timeout, running);
    let unasked = request::sends_unasked(&headers);
    let asked =
        ocp::speaks(path.as_str()).then(|| ocp::view::Asked::new(&app, &headers, &trace, started));
    let foreign = cors::applies(&app, path.as_str());
    let socket = origin.as_ref().map(|origin| origin.socket);
    let peer = request::peer(socket, &headers, app.config.behind_proxy);
    let is_secure = origin.is_some_and(|origin| origin.is_secure);
    let checked = request::check_head(&headers, limits.header_bytes);
    let request =
        checked.and_then(|()| Request::new(&trace, &method, path.as_str(), query, headers));
    let result = match request {
        Ok(request) if foreign && method == Method::OPTIONS => {
            Ok(cors::preflight(&request.headers))
        }
        Ok(request) => {
            let request = Request {
                peer,
                is_secure,
                ..request
            };
            dispatch(Arc::clone(&app), request, &mut body).await
        }
        Err(error) => Err(error),
    };
    if unasked || body.is_begun() {
        drain(body);
    }
    let mut response = result.unwrap_or_else(|error| match &asked {
        Some(asked) => asked.failure(&app, &error),
        None => failure(&trace, &error),
    });
    if foreign {
        cors::allow(&mut response);
    }
    tracing::info!(
        trace = %trace.0,
        %method,
        path = ?path.as_str(),
        status = response.status().as_u16(),
        ms = started.elapsed().as_millis(),
        "answered"
    );
    response
}

/// Which handler a request goes to.
async fn dispatch(app: Arc<App>, request: Request, body: &mut Body) -> Result<Response, ApiError> {
    let path = request.service_path().to_vec();
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let method = request.method.clone();
    match (words.as_slice(), &method) {
        (["generic", "batch", _, _], &Method::GET | &Method::POST) => {
            batch::download(app, request, body).await
        }
        (["generic", "batch", _, _], _) => not_allowed(&method, "GET, POST"),
        (["generic", name @ ("separate" | "block"), ..], _) => {
            blocks::session(app, request, blocks::dialect_of(name)).await
        }
        (["generic", "temporary", ..], _) => accounts::temporary(app, request, body).await,
        (["generic", "detail", _, _, ..], &Method::GET) => {
            let address = request.address(&path[2..])?;
            nodes::read::detail(app, request, address).await
        }
        (["generic", "detail", _, _, ..], _) => not_allowed(&method, "GET"),
        (["generic", _, _, "search"], &Method::POST) => {
            let repo = request.address(&path[1..3])?;
            nodes::search::search(app, request, body, Some(repo)).await
        }
        (["repository", "api", "node" | "metadata", ..], _) => {
            nodes::dispatch(app, request, body).await
        }
        (["generic", _, _, ..], &Method::PUT) => generic::put(app, request, body).await,
        (["generic", _, _, ..], &Method::GET | &Method::HEAD) => generic::get(app, request).await,
        (["generic", _, _, ..], &Method::DELETE) => generic::delete(app, request).await,
        (["repository", "api", "share", ..], _) => accounts::share(app, request, body).await,
        (["repository", "api", "project", ..], _) => accounts::project(app, request, body).await,
        (["repository", "api", "repo", ..], _) => accounts::repo(app, request, body).await,
        (["repository", "actuator", _], _) => accounts::actuator(&app, &request),
        (["auth", "api", "user", ..], _) => accounts::user(app, request, body).await,
        (["api", "v2" | "status", ..], _) => ocp::dispatch(app, request, body).await,
        (["packhold", "grants"], _) => accounts::grants(app, request, body).await,
        (["packhold", "stats"], &Method::GET) => ops::stats(app, request).await,
        (["packhold", "verify"], &Method::POST) => ops::verify(app, request).await,
        (["metrics"], &Method::GET) => ops::metrics(app, request).await,
        (["healthz"], &Method::GET | &Method::HEAD) => Ok(ops::healthy()),
        (["readyz"], &Method::GET | &Method::HEAD) => ops::ready(&app),
        (["generic", _, _, ..], _) => not_allowed(&method, "GET, HEAD, PUT, DELETE"),
        (["packhold", "verify"], _) => not_allowed(&method, "POST"),
        (["packhold", "stats"] | ["metrics"], _) => not_allowed(&method, "GET"),
        (["healthz" | "readyz"], _) => not_allowed(&method, "GET, HEAD"),
        _ => Err(request.no_route()),
    }
}

/// The refusal of a method that a route does not have.
pub fn not_allowed(method: &Method, allow: &'static str) -> Result<Response, ApiError> {
    let method = method.to_string();
    Err(ApiError::Method { method, allow })
}

/// What warp itself could not read; no filter above rejects, so this is a bug if it ever answers.
async fn broken(rejection: Rejection) -> Result<Response, Infallible> {
    tracing::error!(?rejection, "a request was rejected");
    Ok(failure(
        &TraceId::fresh(),
        &ApiError::Internal("a request was rejected"),
    ))
}
