//! Serving: connections and shutdown.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::{Builder, Connection as Serving};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::either::Either;
use warp::reply::Response;

use super::app::{App, Shared};
use super::connections::{Answered, Connection, Connections, Limits, Watched, watch};
use super::error::ApiError;
use super::gc;
use super::hot;
use super::request::{Origin, TraceId, expects_continue};
use super::routes::routes;
use super::scrub;
use super::sweep;
use super::tls::Encrypted;
use super::view::failure;
use crate::metrics;
use crate::store::Store;

/// Running requests are given this long when the server shuts down.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// After a failed accept (no file descriptors left, say) this long nothing is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The longest request target, in bytes.
const TARGET_BYTES: usize = 64 << 10;
/// What else the first line of a request has, in bytes, with room to spare.
const FIRST_LINE_BYTES: usize = 1 << 10;
/// Requests at once on a connection of HTTP/2.
const HTTP2_STREAMS: u32 = 100;
/// What is buffered of one answer of HTTP/2, in bytes.
const HTTP2_SEND_BYTES: usize = 128 << 10;
/// Requests of HTTP/2 that may be taken back before anybody looked at them.
const HTTP2_TAKEN_BACK: usize = 20;
/// Mistakes of a client of HTTP/2 that it is forgiven.
const HTTP2_MISTAKES: usize = 64;

/// What is answered in place of a connection's first request when all others are busy.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
Connection: close\r\n\
Retry-After: 1\r\n\
Content-Type: application/json; charset=utf-8\r\n\
Content-Length: 73\r\n\
\r\n\
{\"code\":250102,\"message\":\"Too many connections\",\"data\":null,\"traceId\":\"\"}";

/// Serves until `shutdown` is ready, then finishes the running requests, within bounds. Gives the store that
/// it has then: one that was compacted is another.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Store {
    // Whoever has the app keeps its store open, and each request is to take its own.
    let shared = Arc::clone(&app.shared);
    drop(app);
    let app = shared;
    let connections = Connections::new(limits(&app));
    let sweeping = tokio::spawn(sweep::run(Arc::clone(&app)));
    let reclaiming = tokio::spawn(gc::background(Arc::clone(&app)));
    let scrubbing = tokio::spawn(scrub::background(Arc::clone(&app)));
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => open(&app, &connections, stream, peer),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                connections.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    sweeping.abort();
    reclaiming.abort();
    scrubbing.abort();
    tracing::info!(connections = connections.count(), "shutting down");
    app.is_ending.store(true, Ordering::Relaxed);
    connections.end();
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, connections.gone())
        .await
        .is_err()
    {
        tracing::warn!("requests were still running when the time was up");
    }
    app.current.now()
}

fn limits(app: &Shared) -> Limits {
    let limits = app.config.connections.clone();
    match app.config.behind_proxy {
        // All come from the proxy.
        true => Limits {
            connections_per_address: usize::MAX,
            ..limits
        },
        false => limits,
    }
}

fn open(app: &Arc<Shared>, connections: &Arc<Connections>, stream: TcpStream, peer: SocketAddr) {
    let Some(admitted) = connections.admit(peer.ip()) else {
        metrics::REFUSED_CONNECTIONS.add(1);
        tracing::debug!(%peer, "all connections are busy");
        if app.config.tls.is_none() {
            // A courtesy: whether it gets there or not, the connection is closed.
            let _told = stream.try_write(REFUSAL);
        }
        return;
    };
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let connection = admitted.connection();
        let stream = Watched::new(stream, Arc::clone(connection));
        let stream = match &app.config.tls {
            None => Either::Left(stream),
            Some(tls) => {
                let handshake = Box::pin(tls.acceptor().accept(stream));
                match shake_hands(connection, handshake).await {
                    Some(Ok(stream)) => Either::Right(Box::new(stream)),
                    Some(Err(error)) => {
                        return tracing::debug!(%error, %peer, "a handshake failed");
                    }
                    None => return tracing::debug!(%peer, "a handshake was broken off"),
                }
            }
        };
        // Boxed, so that the task has no room for it while hands are shaken.
        Box::pin(run(&app, connection, stream, peer)).await;
    });
}

/// Waits for a handshake, and frees what it took.
async fn shake_hands<F: Future + Unpin>(
    connection: &Connection,
    mut handshake: F,
) -> Option<F::Output> {
    watch(connection, pin!(&mut handshake), |_| ()).await
}

/// Serves one connection to its end.
async fn run(
    app: &Arc<Shared>,
    connection: &Arc<Connection>,
    // One type for both, since all of HTTP is compiled for each.
    stream: Either<Watched, Box<Encrypted<Watched>>>,
    peer: SocketAddr,
) {
    let filter = warp::service(routes(Arc::clone(app)));
    let service = service_fn(|mut request: Request<Incoming>| {
        let origin = Origin {
            socket: peer,
            is_secure: app.config.tls.is_some(),
            running: connection.begin(request.version() == Version::HTTP_2),
        };
        let running = origin.running.clone();
        name_host(&mut request);
        let finish = {
            let (keeps_alive, running) = (KeepsAlive::asked(&request), running);
            let connection = Arc::clone(connection);
            move |mut response: Response| {
                keeps_alive.tell(&mut response, &connection);
                response.map(|body| Answered::new(body, running))
            }
        };
        if let Some(response) = hot::answer(app, &request, &origin) {
            return ready(Ok(finish(response))).left_future();
        }
        request.extensions_mut().insert(origin);
        let answer = answer(filter.clone(), request);
        // Boxed, because a connection has room for an answer as long as it is open.
        Box::pin(async move { Ok::<_, Infallible>(finish(answer.await?)) }).right_future()
    });
    let builder = builder(&app.config.connections);
    let serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    match watch(connection, serving, Serving::graceful_shutdown).await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, %peer, "a connection ended"),
        None => tracing::debug!(%peer, "a connection was closed"),
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let head_bytes = limits.header_bytes + TARGET_BYTES + FIRST_LINE_BYTES;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Some clients look header names up case-sensitively.
        .title_case_headers(true)
        // The head of a request has to fit in.
        .max_buf_size(head_bytes)
        // It would count idle time, too; `watch` tells them apart.
        .header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(HTTP2_SEND_BYTES)
        .max_pending_accept_reset_streams(HTTP2_TAKEN_BACK)
        .max_local_error_reset_streams(HTTP2_MISTAKES);
    builder
}

/// Answers one request.
async fn answer<F>(mut filter: F, request: Request<Incoming>) -> Result<Response, Infallible>
where
    F: tower_service::Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    // warp panics on a target without a path, as CONNECT has it.
    match request.uri().path_and_query() {
        Some(_) => filter.call(request).await,
        None => Ok(failure(
            &TraceId::fresh(),
            &ApiError::NoRoute(request.uri().to_string()),
        )),
    }
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

/// What a client wants to become of its connection.
struct KeepsAlive {
    /// Whether it goes on; HTTP/2 has other words for that.
    asked: Option<bool>,
    /// The client waits for a word before it sends the body.
    waits: bool,
}

impl KeepsAlive {
    /// On HTTP/1: seed 003 has `Connection` in every answer.
    fn asked(request: &Request<Incoming>) -> Self {
        let has = |word: &str| {
            let values = request.headers().get_all(CONNECTION).iter();
            let mut words = values
                .filter_map(|v| v.to_str().ok())
                .flat_map(|v| v.split(','));
            words.any(|w| w.trim().eq_ignore_ascii_case(word))
        };
        let asked = match request.version() {
            Version::HTTP_11 => Some(!has("close")),
            Version::HTTP_10 => Some(has("keep-alive")),
            _ => None,
        };
        Self {
            asked,
            waits: expects_continue(request.headers()),
        }
    }

    /// Says in the answer what becomes of it.
    fn tell(&self, response: &mut Response, connection: &Connection) {
        let Some(asked) = self.asked else { return };
        // Whether a client that waited sends the body of a refused request after all, and when the
        // rest of one that stood still comes, nobody knows: nothing can be read behind that.
        let keeps = asked
            && (!self.waits || response.status().is_success())
            && response.status() != StatusCode::REQUEST_TIMEOUT
            && !connection.is_ending();
        let value = HeaderValue::from_static(if keeps { "keep-alive" } else { "close" });
        response.headers_mut().insert(CONNECTION, value);
    }
}
