//! Replays of what public clients of bk-repo send, with their quirks; a test for each of them
//! asserts on what that client reads of the answers.

use std::sync::MutexGuard;

use serde_json::Value;

use crate::auth;
use crate::service::Service;
use crate::wire::{Answer, Call, Wire};

mod bk_ci;
mod bk_ci_worker;
mod bk_job;
mod bkstorages;
mod blue_krill;
mod bscp;
mod codecc;
mod dbm;
mod others;
mod web;

/// A service with a password, and somebody who has it.
struct Site {
    service: Service,
    /// Given back when the service has stopped.
    _turn: MutexGuard<'static, ()>,
}

impl Site {
    fn open() -> Self {
        let turn = auth::turn();
        Self {
            service: auth::service(),
            _turn: turn,
        }
    }

    /// Says something with the administrator's login.
    fn send(&self, call: Call) -> Answer {
        self.service.send(&auth::admin(call))
    }

    /// Says something without any login, as browsers with a token do.
    fn stranger(&self, call: &Call) -> Answer {
        self.service.send(call)
    }

    /// Asserts that something is done, and gives what the envelope has.
    #[track_caller]
    fn data(&self, call: Call) -> Value {
        data(&self.send(call))
    }

    /// Asserts that something is refused, or done, with this status and code.
    #[track_caller]
    fn assert(&self, call: Call, status: u16, code: u64) {
        let answer = self.send(call);
        assert_eq!(answer.verdict(), (status, code), "{}", text(&answer));
    }

    /// Asserts that a file has these bytes.
    #[track_caller]
    fn assert_file(&self, target: &str, bytes: &[u8]) {
        let answer = self.send(Call::new("GET", target));
        assert_eq!(answer.status, 200, "{target}: {}", text(&answer));
        assert!(answer.body == bytes, "{target} has other bytes");
    }

    /// Asserts that there is no such file.
    #[track_caller]
    fn assert_none(&self, target: &str) {
        let answer = self.send(Call::new("HEAD", target));
        assert_eq!(answer.status, 404, "{target}");
    }

    /// A request on a connection that is kept, with the administrator's login.
    fn on(wire: &mut Wire, call: Call) -> Answer {
        let answer = wire.exchange(&auth::admin(call));
        answer.expect("the connection is open")
    }

    /// An upload whose length is not told beforehand.
    fn send_chunked(&self, call: Call, parts: &[&[u8]]) -> Answer {
        let call = auth::admin(call).header("Transfer-Encoding", "chunked");
        let mut bytes = call.head();
        for part in parts {
            bytes.extend(format!("{:x}\r\n", part.len()).as_bytes());
            bytes.extend([part, &b"\r\n"[..]].concat());
        }
        bytes.extend(b"0\r\n\r\n");
        let mut wire = self.service.connect();
        wire.write(&bytes).expect("the server reads");
        wire.answer("PUT").expect("an answer")
    }
}

/// A body to be read in a failed test's message.
fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// What the envelope of a success has.
#[track_caller]
fn data(answer: &Answer) -> Value {
    assert_eq!(answer.verdict(), (200, 0), "{}", text(answer));
    answer.json()["data"].clone()
}

/// A JSON body, with the type that it deserves.
fn json(method: &str, target: &str, body: &Value) -> Call {
    let call = Call::new(method, target).header("Content-Type", "application/json");
    call.body(body.to_string())
}

/// The headers of every request of Python's `requests`.
fn requests(call: Call) -> Call {
    call.header("User-Agent", "python-requests/2.34.2")
        .header("Accept-Encoding", "gzip, deflate")
        .header("Accept", "*/*")
        .header("Connection", "keep-alive")
}

/// What to ask for at a URL that the server told; it is absolute, with the `Host` of [`Call`].
#[track_caller]
fn target(url: &Value) -> String {
    let url = url.as_str().expect("a URL");
    let target = url.strip_prefix("http://test/").expect("an absolute URL");
    format!("/{target}")
}

/// What each record of a page has for `field`.
#[track_caller]
fn column(page: &Value, field: &str) -> Vec<Value> {
    let records = page["records"].as_array().expect("a page has records");
    records.iter().map(|record| record[field].clone()).collect()
}
