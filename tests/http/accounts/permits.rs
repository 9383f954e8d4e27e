//! Permits are exact, whatever happens at once.

use serde_json::json;

use super::{data, token, using};
use crate::service::{DIGITS, Service};
use crate::wire::{Answer, Call};

/// What many uses of one token at once became.
fn at_once(service: &Service, token: &str, method: &str) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let uses: Vec<_> = (0..16)
            .map(|i| {
                let path = if method == "PUT" {
                    format!("/d/{i}")
                } else {
                    "/d/f".to_owned()
                };
                let call = using(token, method, &path).body(DIGITS);
                scope.spawn(move || call.send(service.address))
            })
            .collect();
        uses.into_iter()
            .map(|used| used.join().expect("an answer"))
            .collect()
    })
}

fn assert_exact(answers: &[Answer], permits: usize) {
    let (used, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
    assert_eq!(used.len(), permits);
    for answer in refused {
        assert_eq!(answer.verdict(), (400, 251_021));
    }
}

#[test]
fn downloads_at_once_take_exactly_the_permits() {
    let service = Service::open();
    service.store("/d/f", DIGITS);
    let token = token(&service, "/d", "DOWNLOAD", &json!({"permits": 5}));
    let answers = at_once(&service, &token, "GET");
    assert_exact(&answers, 5);
    assert!(answers.iter().all(|a| a.status != 200 || a.body == DIGITS));
}

#[test]
fn uploads_at_once_take_exactly_the_permits() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let token = token(&service, "/d", "UPLOAD", &json!({"permits": 5}));
    assert_exact(&at_once(&service, &token, "PUT"), 5);
    let there = |i: &usize| service.get(&format!("/d/{i}")).status == 200;
    assert_eq!((0..16).filter(there).count(), 5);
}

#[test]
fn only_what_sends_bytes_takes_a_permit() {
    let service = Service::open();
    service.store("/d/f", DIGITS);
    let token = token(&service, "/d", "ALL", &json!({"permits": 4}));
    for (call, status) in [
        (
            using(&token, "GET", "/d/f").header("If-None-Match", "*"),
            304,
        ),
        (
            using(&token, "GET", "/d/f").header("If-Match", "\"x\""),
            412,
        ),
        (
            using(&token, "GET", "/d/f").header("Range", "bytes=99-"),
            416,
        ),
        (using(&token, "GET", "/d/missing"), 404),
        (using(&token, "GET", "/elsewhere"), 400),
        (using(&token, "PUT", "/d/f").body("exists"), 400),
        (
            using(&token, "PUT", "/d/g")
                .header("X-BKREPO-MD5", "0".repeat(32))
                .body("x"),
            400,
        ),
    ] {
        assert_eq!(service.send(&call).status, status, "{call:?}");
    }
    let mut wire = service.connect();
    wire.write(&using(&token, "HEAD", "/d/f").bytes())
        .expect("the server reads");
    assert_eq!(wire.answer("HEAD").expect("an answer").status, 200);

    let part = service.send(&using(&token, "GET", "/d/f").header("Range", "bytes=1-2"));
    assert_eq!((part.status, &part.body[..]), (206, &b"23"[..]));
    assert_eq!(
        service
            .send(&using(&token, "PUT", "/d/g").body("x"))
            .verdict(),
        (200, 0)
    );
    assert_eq!(
        service.send(&using(&token, "GET", "/d")).status,
        200,
        "an index"
    );
    assert_eq!(service.send(&using(&token, "GET", "/d/g")).body, b"x");
    assert_eq!(
        service.send(&using(&token, "GET", "/d/g")).verdict(),
        (400, 251_021)
    );
}

#[test]
fn permits_survive_a_restart() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let token = token(&service, "/f", "DOWNLOAD", &json!({"permits": 2}));
    assert_eq!(service.send(&using(&token, "GET", "/f")).status, 200);
    let service = service.restart();
    assert_eq!(service.send(&using(&token, "GET", "/f")).status, 200);
    assert_eq!(
        service.send(&using(&token, "GET", "/f")).verdict(),
        (400, 251_021)
    );
    let service = service.restart();
    assert_eq!(
        service.send(&using(&token, "GET", "/f")).verdict(),
        (400, 251_021)
    );
}

#[test]
fn an_upload_in_blocks_takes_one_permit_when_it_is_complete() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let token = token(&service, "/d", "UPLOAD", &json!({"permits": 1}));
    let session = |method: &str| {
        let target = format!("/generic/temporary/separate/project/repo/d/f?token={token}");
        Call::new(method, target)
    };
    let started = data(&service.send(&session("POST")));
    let id = started["uploadId"].as_str().expect("an id");
    for (offset, body) in [("0", "abc"), ("3", "de")] {
        let block = using(&token, "PUT", "/d/f").header("UPLOAD-TYPE", "SEPARATE-UPLOAD");
        let block = block.header("X-BKREPO-UPLOAD-ID", id);
        data(&service.send(&block.header("X-BKREPO-OFFSET", offset).body(body)));
    }
    let complete = || {
        let call = session("PUT").header("X-BKREPO-UPLOAD-ID", id);
        service.send(&call.header("X-BKREPO-SIZE", "5"))
    };
    data(&complete());
    service.assert_file("/d/f", b"abcde");
    assert_eq!(complete().verdict(), (400, 251_021));
}
