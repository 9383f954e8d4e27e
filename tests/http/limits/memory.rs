//! What a client could make grow without bound.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::accounts::{data, post};
use crate::blocks::{BLOCK, SEPARATE, Upload, session};
use crate::service::{DIGITS, Service, put};
use crate::wire::{Call, Wire};

/// A JSON list of so many of the same.
fn list(one: &str, many: usize) -> String {
    format!("[{}]", vec![one; many].join(","))
}

#[test]
fn a_batch_names_so_many_paths() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let batch = |paths: &str| {
        let call = Call::new("POST", "/generic/batch/project/repo");
        service.send(&call.body(format!(r#"{{"paths": {paths}}}"#)))
    };
    for (one, many) in [(r#""""#, 2_500_000), (r#""f""#, 100_001)] {
        let answer = batch(&list(one, many));
        assert_eq!(answer.verdict(), (400, 251_014), "{many}");
    }
    assert_eq!(batch(&list(r#""f""#, 100_000)).body, DIGITS);
    assert_eq!(batch(&list("0", 10)).verdict(), (400, 250_106));
    assert_eq!(batch(&list(r#""f""#, 3_000_000)).verdict(), (413, 250_106));
}

#[test]
fn a_document_does_not_take_many_times_its_length() {
    let service = Service::open();
    for one in ["0", "[]", "[0]", "{}", r#"{"":0}"#, r#""""#] {
        let many = (1_000_000) / (one.len() + 1);
        let body = format!(r#"{{"rule": {}}}"#, list(one, many));
        let answer = service.send(&Call::new("POST", "/repository/api/node/search").body(body));
        assert_eq!(answer.verdict(), (400, 250_106), "{one}");
        let several = Call::new("DELETE", "/repository/api/node/batch/project/repo");
        let answer = service.send(&several.body(list(one, 8_000_000 / (one.len() + 1))));
        assert_eq!(answer.verdict(), (400, 250_106), "{one}");
    }
    let paths: Vec<String> = (0..10_000)
        .map(|n| format!("/folder/with/file-{n}"))
        .collect();
    service.store("/folder/with/file-7", DIGITS);
    let several = Call::new("DELETE", "/repository/api/node/batch/project/repo");
    let deleted = service.send(&several.body(json!(paths).to_string()));
    assert_eq!(data(&deleted)["deletedNumber"], 1);
}

#[test]
fn a_user_has_so_many_uploads_in_blocks() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.limits.max_sessions_per_user = 3;
    });
    let refused = |dialect: &str| {
        let answer = service.send(&session("POST", dialect, "/more"));
        assert_eq!(answer.verdict(), (429, 250_129), "{answer:?}");
    };
    let first = Upload::start(&service, SEPARATE, "/f");
    let second = Upload::start(&service, BLOCK, "/f");
    let third = Upload::start(&service, BLOCK, "/g");
    refused(SEPARATE);
    refused(BLOCK);
    // What is open goes on; what ends makes room.
    second.put(1, DIGITS);
    second.finish(9);
    let fourth = Upload::start(&service, SEPARATE, "/h");
    refused(BLOCK);
    assert_eq!(service.send(&first.call("DELETE")).verdict(), (200, 0));
    Upload::start(&service, BLOCK, "/i");
    refused(BLOCK);
    service.pass_ms(43_200_000);
    Upload::start(&service, BLOCK, "/j");
    third.assert_gone();
    fourth.assert_gone();
}

#[test]
fn sessions_are_counted_after_a_restart_too() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.limits.max_sessions_per_user = 2;
    });
    Upload::start(&service, SEPARATE, "/f");
    let service = service.restart();
    Upload::start(&service, SEPARATE, "/g");
    let answer = service.send(&session("POST", SEPARATE, "/h"));
    assert_eq!(answer.verdict(), (429, 250_129));
}

#[test]
fn metadata_is_bounded_on_every_way_in() {
    // More than the headers of a request may have otherwise.
    let service = Service::with(|config| {
        config.no_auth = true;
        config.connections.header_bytes = 1 << 20;
    });
    let long = "v".repeat(33_000);
    let once = put("/f").header("X-BKREPO-META-a", &long);
    assert_eq!(service.send(&once.clone().body("x")).verdict(), (200, 0));
    let twice = once
        .header("X-BKREPO-META-b", &long)
        .header("X-BKREPO-OVERWRITE", "true");
    assert_eq!(service.send(&twice.body("x")).verdict(), (400, 250_105));
    let body = json!({"metadata": {"b": long}});
    let answer = service.send(&post("/repository/api/metadata/project/repo/f", &body));
    assert_eq!(answer.verdict(), (400, 250_105));
}

// A page of 10,000 records with all their metadata is up to 32 MiB, and its client may take it as
// slowly as it likes.
#[test]
fn answers_that_are_not_taken_are_bounded_together() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.connections.header_bytes = 1 << 20;
        config.limits.answer_bytes = 20 << 20;
    });
    let long = "v".repeat(60_000);
    for n in 0..150 {
        let file = put(&format!("/d/{n}")).header("X-BKREPO-META-a", &long);
        assert_eq!(service.send(&file.body("x")).verdict(), (200, 0));
    }
    let page = |all: bool| {
        Call::new(
            "GET",
            format!("/repository/api/node/page/project/repo/d?pageSize=1000&includeMetadata={all}"),
        )
    };
    let assert_until = |verdict: (u16, u64)| {
        let mut tries = (0..100).map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            service.send(&page(true)).verdict()
        });
        assert!(tries.any(|found| found == verdict), "never {verdict:?}");
    };
    // Somebody whose answer has begun.
    let ask = || {
        let socket = TcpStream::connect(service.address).expect("a connection");
        let mut wire = Wire::over(socket.try_clone().expect("a second handle"));
        wire.write(&page(true).bytes()).expect("the server reads");
        socket.peek(&mut [0]).expect("an answer");
        (socket, wire)
    };
    // 18 MB, since metadata are told twice: more than the buffers of a connection take: they stay until it is read.
    let (_, mut slow) = ask();
    assert_eq!(service.send(&page(true)).verdict(), (503, 250_102));
    // Short ones are for everybody.
    assert_eq!(service.send(&page(false)).verdict(), (200, 0));
    let first = slow.answer("GET").expect("an answer");
    assert_eq!(first.verdict(), (200, 0));
    assert!(first.body.len() > 18_000_000, "{}", first.body.len());
    assert_until((200, 0));
    // Who goes away gives its memory back.
    let gone = ask();
    assert_eq!(service.send(&page(true)).verdict(), (503, 250_102));
    drop(gone);
    assert_until((200, 0));
}

// Who is told that the service is busy asks again: what was made must not be made twice.
#[test]
fn a_long_answer_to_a_change_is_always_given() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.limits.answer_bytes = 0;
    });
    service.store("/f", DIGITS);
    let paths: Vec<String> = (0..1_000).map(|n| format!("/folder/{n}")).collect();
    let wish = json!({
        "projectId": "project", "repoName": "repo", "fullPathSet": paths, "type": "ALL",
    });
    let made = service.send(&post("/generic/temporary/token/create", &wish));
    assert_eq!(made.verdict(), (200, 0), "{}", made.status);
    assert!(made.body.len() > 64 << 10, "{}", made.body.len());
    for n in 0..300 {
        service.store(&format!("/d/{n}"), DIGITS);
    }
    let page = Call::new(
        "GET",
        "/repository/api/node/page/project/repo/d?pageSize=300",
    );
    assert_eq!(service.send(&page).verdict(), (503, 250_102));
}
