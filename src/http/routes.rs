//! Requests come in here: each gets its trace and its answer in the right envelope, and is logged.
//! Which handler answers it is said by the table in `api`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument;
use warp::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{HeaderMap, Method, StatusCode};

use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::api::ROUTES;
use super::app::{App, Shared};
use super::audit::{Outcome, Trail, is_health};
use super::body::{Drain, drain};
use super::error::ApiError;
use super::held::hold;
use super::measure::{self, Action};
use super::request::{self, Body, Origin, Request, TraceId};
use super::route::dispatch;
use super::timing::{self, Phase, RequestSpan};
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
                let call = Call {
                    trace: TraceId::fresh(),
                    method,
                    path,
                    query,
                    headers,
                    origin,
                    body,
                };
                timing::timed(enter(Arc::clone(&shared), call))
            },
        )
        .recover(broken)
        .unify()
}

fn raw_query() -> impl Filter<Extract = (String,), Error = Infallible> + Clone {
    warp::query::raw().or_else(|_| async { Ok::<_, Infallible>((String::new(),)) })
}

/// A request, as it came.
struct Call {
    trace: TraceId,
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    origin: Option<Origin>,
    body: Body,
}

async fn enter(shared: Arc<Shared>, call: Call) -> Response {
    let _running = metrics::RUNNING_REQUESTS.enter();
    let path = call.path.as_str();
    let span = RequestSpan::new(&call.trace, &call.method, path, &call.headers);
    let own = span.clone();
    let answering = async move {
        // A probe that waits too long would have a healthy service restarted.
        let app = match is_health(&call.method, call.path.as_str()) {
            true => shared.enter_at_once(),
            false => timing::phase(Phase::Store, shared.enter()).await,
        };
        answer(app, call, &own).await
    };
    answering.instrument(span.0).await
}

async fn answer(app: Arc<App>, call: Call, span: &RequestSpan) -> Response {
    let Call {
        trace,
        method,
        path,
        query,
        headers,
        origin,
        body,
    } = call;
    let started = Instant::now();
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
    let request = checked
        .and_then(|()| Request::new(&trace, &method, path.as_str(), query, headers))
        .map(|request| Request {
            peer,
            is_secure,
            note: trail.note(),
            ..request
        });
    let result = match tokens.and_then(|tokens| tokens.wait_s) {
        Some(wait_s) => Err(ApiError::TooOften { wait_s }),
        None => handle(&app, request, &mut body, foreign).await,
    };
    if let Err(error) = &result {
        app.doubt_index(error);
    }
    let received_bytes = body.received_bytes();
    if unasked || body.is_begun() {
        let most = asked.as_ref().map_or(Drain::FILE, |_| Drain::PACKAGE);
        drain(body, most);
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
    let asked = (&trace, &method, path.as_str());
    note(&app, asked, trail.action(), response.status());
    span.answered(trail.action(), response.status());
    trail.finish(&Outcome {
        response: &response,
        code,
        received_bytes,
    });
    response
}

/// Has a request answered by its route.
async fn handle(
    app: &Arc<App>,
    request: Result<Request, ApiError>,
    body: &mut Body,
    foreign: bool,
) -> Result<Response, ApiError> {
    let mut request = request?;
    if foreign && request.method == Method::OPTIONS {
        return Ok(cors::preflight(&request.headers));
    }
    timing::whole(Phase::Login, auth::seal(app, &mut request, body)).await?;
    dispatch(ROUTES, Arc::clone(app), request, body).await
}

/// Counts and logs a request that was answered.
fn note(
    app: &App,
    (trace, method, path): (&TraceId, &Method, &str),
    action: &'static str,
    status: StatusCode,
) {
    let took = timing::elapsed();
    measure::answered(Action::named(action), method, status, took);
    let (trace, status) = (&trace.0, status.as_u16());
    let ms = took.as_millis();
    tracing::info!(parent: None, %trace, %method, ?path, status, ms, "answered");
    if let Some(slow) = timing::slow(app.config.slow_request) {
        let spent = slow.spent;
        tracing::warn!(parent: None, %trace, %method, ?path, status, action, ms, spent, "a slow request");
    }
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
