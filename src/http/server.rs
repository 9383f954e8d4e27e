//! Serving: connections, timeouts, shutdown.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

use super::app::App;
use super::error::ApiError;
use super::gc;
use super::request::{TraceId, expects_continue};
use super::routes::routes;
use super::sweep;
use super::view::failure;

/// A request's headers must be complete after this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Running requests are given this long when the server shuts down.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// After a failed accept (no file descriptors left, say) this long nothing is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown` is ready, then finishes the running requests, within bounds.
pub async fn serve(app: Arc<App>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let sweeping = tokio::spawn(sweep::run(Arc::clone(&app)));
    let reclaiming = tokio::spawn(gc::background(Arc::clone(&app)));
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => connection(&app, &graceful, stream, peer),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    sweeping.abort();
    reclaiming.abort();
    let running = graceful.count();
    tracing::info!(running, "shutting down");
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were still running when the time was up");
    }
}

fn connection(app: &Arc<App>, graceful: &GracefulShutdown, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "no TCP_NODELAY");
    }
    let filter = warp::service(routes(Arc::clone(app)));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let mut filter = filter.clone();
        let keeps_alive = keeps_alive(&request);
        let waits = expects_continue(request.headers());
        request.extensions_mut().insert(peer);
        name_host(&mut request);
        async move {
            // warp panics on a target without a path, as CONNECT has it.
            let mut response = match request.uri().path_and_query() {
                Some(_) => tower_service::Service::call(&mut filter, request).await?,
                None => failure(
                    &TraceId::fresh(),
                    &ApiError::NoRoute(request.uri().to_string()),
                ),
            };
            if let Some(keeps) = keeps_alive {
                // Whether a client that waited sends the body of a refused request after all,
                // nobody knows: nothing can be read behind that.
                let keeps = keeps && (!waits || response.status().is_success());
                let value = HeaderValue::from_static(if keeps { "keep-alive" } else { "close" });
                response.headers_mut().insert(CONNECTION, value);
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Some clients look header names up case-sensitively.
        .title_case_headers(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection.into_owned());
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, %peer, "a connection ended");
        }
    });
}

/// HTTP/2 has the host in the target; links are made of the header.
fn name_host(request: &mut Request<Incoming>) {
    if request.headers().contains_key(HOST) {
        return;
    }
    let host = request.uri().authority().map(warp::host::Authority::as_str);
    if let Some(Ok(host)) = host.map(HeaderValue::from_str) {
        request.headers_mut().insert(HOST, host);
    }
}

/// Whether the client wants to go on, on HTTP/1: seed 003 has `Connection` in every answer.
fn keeps_alive(request: &Request<Incoming>) -> Option<bool> {
    let asked = |word: &str| {
        let values = request.headers().get_all(CONNECTION).iter();
        let mut words = values
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','));
        words.any(|w| w.trim().eq_ignore_ascii_case(word))
    };
    match request.version() {
        Version::HTTP_11 => Some(!asked("close")),
        Version::HTTP_10 => Some(asked("keep-alive")),
        _ => None,
    }
}
