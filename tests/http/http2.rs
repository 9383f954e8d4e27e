//! HTTP/2 over plain TCP, by prior knowledge: the limits that it has of its own.

use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use packhold::http::ConnectionLimits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::noise::noise;
use crate::service::{DIGITS, Service};

/// What stands still this long has done so for good.
const SHORT: Duration = Duration::from_millis(300);

type Sender = SendRequest<Full<Bytes>>;

/// Runs a client.
pub fn block_on<T>(client: impl Future<Output = T>) -> T {
    Runtime::new().expect("a runtime").block_on(client)
}

/// A connection, and the end of it.
pub async fn over<S>(stream: S) -> (Sender, JoinHandle<hyper::Result<()>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let shaken = http2::handshake(TokioExecutor::new(), io).await;
    let (sender, connection) = shaken.expect("the server speaks HTTP/2");
    (sender, tokio::spawn(connection))
}

async fn connect(service: &Service) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let stream = tokio::net::TcpStream::connect(service.address).await;
    over(stream.expect("the server listens")).await
}

/// A request to the repository that tests use.
pub fn request(method: &str, path: &str, body: &[u8]) -> Request<Full<Bytes>> {
    let uri = format!("http://test/generic/project/repo{path}");
    let request = Request::builder().method(method).uri(uri);
    let body = Full::new(Bytes::copy_from_slice(body));
    request.body(body).expect("a request")
}

/// Status and body of an answer.
pub async fn told<B: BodyExt>(answer: Response<B>) -> (u16, Bytes)
where
    B::Error: std::fmt::Debug,
{
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a whole body");
    (status, body.to_bytes())
}

fn limited(change: impl FnOnce(&mut ConnectionLimits)) -> Service {
    Service::with(|config| {
        config.no_auth = true;
        change(&mut config.connections);
    })
}

#[test]
fn many_requests_at_once_on_one_connection() {
    let service = Service::open();
    block_on(async {
        let (sender, _connection) = connect(&service).await;
        let calls = (0..300).map(|i| {
            let mut sender = sender.clone();
            async move {
                let (path, body) = (format!("/{i}"), noise(i, 10_000));
                sender.ready().await.expect("the connection is open");
                let put = sender.send_request(request("PUT", &path, &body)).await;
                assert_eq!(told(put.expect("an answer")).await.0, 200);
                let got = sender.send_request(request("GET", &path, b"")).await;
                assert_eq!(told(got.expect("an answer")).await, (200, body.into()));
            }
        });
        futures_util::future::join_all(calls).await;
    });
}

#[test]
fn an_idle_connection_is_told_farewell() {
    let service = limited(|limits| limits.keep_alive_timeout = SHORT);
    service.store("/f", DIGITS);
    block_on(async {
        let (mut sender, connection) = connect(&service).await;
        for _ in 0..5 {
            let got = sender.send_request(request("GET", "/f", b"")).await;
            assert_eq!(told(got.expect("an answer")).await.1, DIGITS);
            tokio::time::sleep(SHORT / 3).await;
        }
        let ended = connection.await.expect("no panic");
        ended.expect("a farewell is no error");
    });
}

#[test]
fn a_connection_without_a_request_is_closed() {
    let service = limited(|limits| limits.header_timeout = SHORT);
    block_on(async {
        let (_sender, connection) = connect(&service).await;
        let _ended = connection.await.expect("no panic");
    });
}

#[test]
fn long_headers_are_refused() {
    let service = Service::open();
    service.store("/f", DIGITS);
    block_on(async {
        let (mut sender, _connection) = connect(&service).await;
        let mut long = |bytes: usize| {
            let mut request = request("GET", "/f", b"");
            // Several, since one header of HTTP/2 is limited by the client.
            for i in 0..10 {
                let name = format!("x-long-{i}");
                let name = hyper::header::HeaderName::try_from(name).expect("a name");
                let value = "v".repeat(bytes / 10).try_into().expect("a value");
                request.headers_mut().insert(name, value);
            }
            sender.send_request(request)
        };
        assert_eq!(told(long(60_000).await.expect("an answer")).await.0, 200);
        let (status, body) = told(long(80_000).await.expect("an answer")).await;
        assert_eq!(status, 431);
        assert!(String::from_utf8_lossy(&body).contains("250106"));
        if let Ok(answer) = long(300_000).await {
            assert_eq!(answer.status(), 431);
        }
    });
}

#[test]
fn a_body_that_stands_still_is_given_up_and_the_others_go_on() {
    let service = limited(|limits| limits.body_timeout = SHORT);
    service.store("/f", DIGITS);
    block_on(async {
        let stream = tokio::net::TcpStream::connect(service.address).await;
        let io = TokioIo::new(stream.expect("the server listens"));
        let shaken = http2::handshake(TokioExecutor::new(), io).await;
        let (mut sender, connection) = shaken.expect("the server speaks HTTP/2");
        let _connection = tokio::spawn(connection);
        let first = Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"half")));
        let parts = futures_util::StreamExt::chain(
            futures_util::stream::iter([first]),
            futures_util::stream::pending(),
        );
        let body = BodyExt::boxed_unsync(StreamBody::new(parts));
        let put = Request::put("http://test/generic/project/repo/new").body(body);
        let answer = sender.send_request(put.expect("a request")).await;
        assert_eq!(answer.expect("an answer").status(), 408);
        let none = BodyExt::boxed_unsync(StreamBody::new(futures_util::stream::empty()));
        let get = Request::get("http://test/generic/project/repo/f").body(none);
        let answer = sender.send_request(get.expect("a request")).await;
        assert_eq!(told(answer.expect("an answer")).await.1, DIGITS);
    });
    service.assert_none("/new");
}

/// The client's windows are closed: the socket would take more, but the client does not.
#[test]
fn who_takes_nothing_of_an_answer_is_hung_up_on() {
    let service = limited(|limits| limits.send_timeout = SHORT);
    service.store("/f", noise(1, 32 << 20));
    block_on(async {
        let (mut sender, connection) = connect(&service).await;
        let answer = sender.send_request(request("GET", "/f", b"")).await;
        let answer = answer.expect("an answer");
        let _ended = connection.await.expect("no panic");
        let body = answer.into_body().collect().await;
        assert!(body.is_err(), "all of it was there");
    });
}

/// Frames of HTTP/2 by hand: type, flags, stream, payload.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET / HTTP/2` to the host `test`, and the whole of it.
const GET_ROOT: &[u8] = b"\x82\x86\x84\x41\x04test";

/// Opens a connection by hand, says `frames` and hears what comes until it is closed.
fn say(service: &Service, frames: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(service.address).expect("the server listens");
    let patience = Some(Duration::from_mins(1));
    stream.set_read_timeout(patience).expect("a timeout");
    let hello = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &frame(4, 0, 0, b"")[..],
    ]
    .concat();
    stream.write_all(&hello).expect("the server reads");
    // It may hang up meanwhile.
    let _sent = stream.write_all(frames);
    let (mut heard, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return heard,
            Ok(read) => heard.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return heard,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Requests that are taken back at once cost the client nothing and the server some work: soon it
/// does not listen any more.
#[test]
fn a_flood_of_requests_that_are_taken_back_ends_the_connection() {
    let service = limited(|limits| {
        limits.keep_alive_timeout = Duration::from_hours(1);
        limits.header_timeout = Duration::from_hours(1);
    });
    service.store("/f", DIGITS);
    let mut flood = Vec::new();
    for stream in (1..20_000).step_by(2) {
        flood.extend(frame(1, 0b101, stream, GET_ROOT));
        flood.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    let _heard = say(&service, &flood);
    service.assert_file("/f", DIGITS);
}

#[test]
fn headers_without_an_end_end_the_connection() {
    let service = limited(|limits| {
        limits.keep_alive_timeout = Duration::from_hours(1);
        limits.header_timeout = Duration::from_hours(1);
    });
    let mut flood = frame(1, 0, 1, GET_ROOT);
    // A literal header without indexing, name `a`, value of 100 bytes.
    let field = [&b"\x00\x01a\x64"[..], &[b'v'; 100]].concat();
    let part = frame(9, 0, 1, &field.repeat(150));
    for _ in 0..1000 {
        flood.extend(&part);
    }
    let _heard = say(&service, &flood);
    service.store("/f", DIGITS);
    service.assert_file("/f", DIGITS);
}
