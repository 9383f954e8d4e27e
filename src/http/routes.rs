//! Requests come in here: each gets its trace and its answer in the right envelope, and is logged.
//! Which handler answers it is said by the table in `api`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use warp::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{HeaderMap, Method};
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::api::ROUTES;
use super::app::{App, Shared};
use super::audit::{Outcome, Trail, is_health};
use super::body::{Drain, drain};
use super::error::ApiError;
use super::held::hold;
use super::request::{self, Body, Origin, Request, TraceId};
use super::route::dispatch;
use super::view::failure;
use super::{auth, cors, ocp, web};
use crate::metrics;

/// Every route.
pub fn routes(
    shared: Arc<Shared>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::method()
        .and(warp::path::full())
        .and(raw_query())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Origin>())
        .and(warp::body::stream().map(Body::of))
        .then(
            move |method: Method, path: FullPath, query, headers, origin, body| {
                let shared = Arc::clone(&shared);
                async move {
                    // A probe that waits too long would have a healthy service restarted.
                    let app = match is_health(&method, path.as_str()) {
                        true => shared.enter_at_once(),
                        false => shared.enter().await,
                    };
                    answer(app, method, path, query, headers, origin, body).await
                }
            },
        )
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
    let mut body = body
        .watched(limits.body_timeout, running)
        .charged_to(app.documents.clone());
    let is_of_page = web::is_of_page(&headers);
    let unasked = request::sends_unasked(&headers);
    let asked =
        ocp::speaks(path.as_str()).then(|| ocp::view::Asked::new(&app, &headers, &trace, started));
    let foreign = cors::applies(&app, path.as_str());
    let socket = origin.as_ref().map(|origin| origin.socket);
    let peer = request::peer(socket, &headers, app.config.behind_proxy);
    let is_secure = origin.is_some_and(|origin| origin.is_secure);
    let trail = Trail::new(app.config.audit, &trace, &method, path.as_str(), peer);
    // A probe that is refused would have a healthy service restarted.
    let tokens = match trail.is_health() {
        true => None,
        false => app.rate.take(peer, app.store.now_ms()),
    };
    let checked = request::check_head(&headers, limits.header_bytes);
    let request =
        checked.and_then(|()| Request::new(&trace, &method, path.as_str(), query, headers));
    let result = match (tokens.and_then(|tokens| tokens.wait_s), request) {
        (Some(wait_s), _) => Err(ApiError::TooOften { wait_s }),
        (None, Ok(request)) if foreign && method == Method::OPTIONS => {
            Ok(cors::preflight(&request.headers))
        }
        (None, Ok(request)) => {
            let note = trail.note();
            let mut request = Request {
                peer,
                is_secure,
                note,
                ..request
            };
            match auth::seal(&app, &mut request, &mut body).await {
                Ok(()) => dispatch(ROUTES, Arc::clone(&app), request, &mut body).await,
                Err(error) => Err(error),
            }
        }
        (None, Err(error)) => Err(error),
    };
    if let Err(error) = &result {
        app.doubt_index(error);
    }
    let received_bytes = body.received_bytes();
    if unasked || body.is_begun() {
        drain(
            body,
            match asked {
                Some(_) => Drain::PACKAGE,
                None => Drain::FILE,
            },
        );
    }
    let result = match result {
        // What was changed is told, whoever holds how much: it is not done again.
        Ok(response) if trail.is_read() => hold(response, &app.answers).await,
        result => result,
    };
    let code = code(&result, asked.is_some());
    let mut response = result.unwrap_or_else(|error| match &asked {
        Some(asked) => asked.failure(&app, &error),
        None => failure(&trace, &error),
    });
    if foreign {
        cors::allow(&mut response);
    }
    if is_of_page {
        web::ask_in_page(&mut response);
    }
    restrain(&mut response);
    if let (Some(_), Some(tokens)) = (&asked, tokens) {
        tokens.tell(&mut response);
    }
    tracing::info!(
        trace = %trace.0,
        %method,
        path = ?path.as_str(),
        status = response.status().as_u16(),
        ms = started.elapsed().as_millis(),
        "answered"
    );
    trail.finish(&Outcome {
        response: &response,
        code,
        received_bytes,
    });
    response
}

/// The code in an answer's envelope; of a success, that of the generic API.
fn code(result: &Result<Response, ApiError>, is_ocp: bool) -> String {
    match result {
        Ok(_) => "0".to_owned(),
        Err(error) if is_ocp => error.ocp_answer().code.to_owned(),
        Err(error) => error.answer().code.to_string(),
    }
}

/// Keeps a browser from acting on an answer, whatever is in it: its type is as told, and it cannot
/// run anything on this origin. And from a cache: it keeps nothing. Answers that need more than nothing say
/// so themselves.
pub fn restrain(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = headers.entry(CONTENT_SECURITY_POLICY);
    policy.or_insert(HeaderValue::from_static("sandbox; default-src 'none'"));
    // Else a cache may keep what is missing, and hide what comes next.
    let kept = headers.entry(CACHE_CONTROL);
    kept.or_insert(HeaderValue::from_static("no-store"));
}

/// What warp itself could not read; no filter above rejects, so this is a bug if it ever answers.
async fn broken(rejection: Rejection) -> Result<Response, Infallible> {
    tracing::error!(?rejection, "a request was rejected");
    Ok(failure(
        &TraceId::fresh(),
        &ApiError::Internal("a request was rejected"),
    ))
}
