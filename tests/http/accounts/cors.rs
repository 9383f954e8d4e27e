//! Pages of other origins may follow temporary links, and do nothing else.

use serde_json::json;

use super::{post, token, using, wish};
use crate::auth;
use crate::service::{DIGITS, Service, get};
use crate::wire::{Answer, Call};

const ORIGIN: &str = "Access-Control-Allow-Origin";

fn assert_open(answer: &Answer) {
    assert_eq!(answer.header(ORIGIN), Some("*"), "{answer:?}");
    assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
    let exposed = answer
        .header("Access-Control-Expose-Headers")
        .unwrap_or_default();
    for name in [
        "ETag",
        "Content-Range",
        "Content-Disposition",
        "X-Checksum-Sha256",
        "X-Checksum-Md5",
        "X-Checksum-Crc64ecma",
    ] {
        assert!(
            exposed.split(", ").any(|word| word == name),
            "{name}: {exposed}"
        );
    }
}

fn preflight(target: &str) -> Call {
    Call::new("OPTIONS", target)
        .header("Origin", "https://page.example.com")
        .header("Access-Control-Request-Method", "PUT")
        .header(
            "Access-Control-Request-Headers",
            "content-type,x-bkrepo-overwrite",
        )
}

#[test]
fn a_preflight_needs_no_login() {
    let _turn = auth::turn();
    let service = auth::service();
    for target in [
        "/generic/temporary/upload/project/repo/f?token=x",
        "/bkrepo/api/build/generic/temporary/download/p/r/f",
        "/generic/temporary/separate/p/r/f",
        "/generic/temporary/url/create",
    ] {
        let answer = service.send(&preflight(target));
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert_open(&answer);
        assert_eq!(
            answer.header("Access-Control-Allow-Methods"),
            Some("GET, HEAD, PUT, POST, DELETE")
        );
        assert_eq!(
            answer.header("Access-Control-Allow-Headers"),
            Some("content-type,x-bkrepo-overwrite")
        );
        assert!(answer.header("Access-Control-Max-Age").is_some());
    }
    let hostile = Call::new("OPTIONS", "/generic/temporary/upload/p/r/f")
        .header("Access-Control-Request-Headers", "x: <y>");
    let answer = service.send(&hostile);
    assert_eq!(answer.header("Access-Control-Allow-Headers"), None);
}

#[test]
fn every_answer_to_a_link_may_be_read() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let token = token(&service, "/f", "ALL", &json!({}));
    for (call, status) in [
        (using(&token, "GET", "/f"), 200),
        (using(&token, "GET", "/f").header("Range", "bytes=1-2"), 206),
        (using(&token, "GET", "/f").header("If-None-Match", "*"), 304),
        (using(&token, "GET", "/f").header("Range", "bytes=99-"), 416),
        (using(&token, "PUT", "/f").body("x"), 400),
        (using("", "GET", "/f"), 400),
        (using(&token, "GET", "/f%ff"), 400),
        (Call::new("GET", "/generic/temporary/nothing"), 404),
        (Call::new("PATCH", "/generic/temporary/download/p/r/f"), 405),
    ] {
        let answer = service.send(&call.header("Origin", "https://page.example.com"));
        assert_eq!(answer.status, status);
        assert_open(&answer);
    }
}

#[test]
fn no_other_route_is_open() {
    let service = Service::open();
    service.store("/f", DIGITS);
    for call in [
        get("/f"),
        Call::new("GET", "/generic/project/temporary/f"),
        Call::new("GET", "/repository/api/project/list"),
        Call::new("GET", "/packhold/stats"),
        preflight("/generic/project/repo/f"),
        preflight("/repository/api/project/create"),
    ] {
        let answer = service.send(&call.header("Origin", "https://page.example.com"));
        assert_eq!(answer.header(ORIGIN), None);
    }
    assert_eq!(
        service
            .send(&preflight("/generic/project/repo/f"))
            .verdict(),
        (405, 250_112)
    );
}

/// With `--no-auth`, every page that is open in a browser on the machine is the administrator.
/// It could send a simple POST for a link to any file, and read the link where the answer is open.
/// Now answers with new links are not.
#[test]
fn without_auth_pages_cannot_read_new_links() {
    let service = Service::open();
    service.store("/f", DIGITS);
    for target in [
        "/generic/temporary/url/create",
        "/web/generic/temporary/token/create",
    ] {
        let answer = service.send(&post(target, &wish("/f", "DOWNLOAD")));
        assert_eq!((answer.verdict(), answer.header(ORIGIN)), ((200, 0), None));
        assert_eq!(service.send(&preflight(target)).header(ORIGIN), None);
    }
}
