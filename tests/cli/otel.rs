//! Traces that are sent to a collector, which is one of ours.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use crate::process::{Folder, get};

/// The trace that the client began.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A collector; gives what it is sent: the path and the body.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            let (mut path, mut bytes) = (String::new(), 0);
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|n| n > 2) {
                if path.is_empty() {
                    path.clone_from(&line);
                }
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    bytes = value.trim().parse().expect("a length");
                }
                line.clear();
            }
            let mut body = vec![0; bytes];
            stream.read_exact(&mut body).expect("a body");
            // Before it is answered: whoever has the answer may end, and the test then asks what came. Or it
            // has heard enough.
            let _heard = sender.send((path, body));
            let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            stream.get_mut().write_all(answer).expect("an answer");
        }
    });
    (url, received)
}

fn has(body: &[u8], part: impl AsRef<[u8]>) -> bool {
    let part = part.as_ref();
    body.windows(part.len()).any(|window| window == part)
}

#[test]
fn spans_of_requests_reach_a_collector() {
    let (url, received) = collector();
    let folder = Folder::new();
    let server = folder.serve_with(&["--no-auth", "--otlp-endpoint", &url]);
    server.put("file", b"content");
    let call = get("file").header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let answer = server.send(&call);
    assert_eq!(answer.status, 200);
    let own = answer.header("X-Bkrepo-Rid").expect("a trace").to_owned();
    // What waits is sent before it ends.
    server.stop();
    let sent: Vec<(String, Vec<u8>)> = received.try_iter().collect();
    assert!(!sent.is_empty(), "{}", folder.complaints());
    assert!(
        sent.iter()
            .all(|(path, _)| path.starts_with("POST /v1/traces "))
    );
    let all: Vec<u8> = sent.into_iter().flat_map(|(_, body)| body).collect();
    for part in [
        "packhold",
        "upload",
        "commit",
        "http.response.status_code",
        "/generic/project/repo/file",
        own.as_str(),
    ] {
        assert!(has(&all, part), "{part}");
    }
    assert!(has(&all, hex::decode(TRACE).expect("hex")), "the client's");
}

#[test]
fn a_collector_that_is_gone_holds_up_nobody() {
    let folder = Folder::new();
    let server = folder.serve_with(&["--no-auth", "--otlp-endpoint", "http://127.0.0.1:1"]);
    server.put("file", b"content");
    assert_eq!(server.get("file").as_deref(), Some(&b"content"[..]));
    server.stop();
}
