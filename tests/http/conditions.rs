//! Conditional requests (RFC 9110 §13).

use crate::service::{DIGITS, DIGITS_SHA256, Service, call, get, put};
use crate::wire::{Answer, Call};

const MODIFIED: &str = "Mon, 27 Jul 2020 16:02:31 GMT";
const EARLIER: &str = "Mon, 27 Jul 2020 16:02:30 GMT";
const LATER: &str = "Mon, 27 Jul 2020 16:02:32 GMT";

/// `TAG` stands for the quoted tag, `BARE` for the tag without quotes.
fn with(call: Call, headers: &[(&str, &str)]) -> Call {
    headers.iter().fold(call, |call, (name, value)| {
        let value = value.replace("TAG", "\"BARE\"");
        call.header(name, value.replace("BARE", DIGITS_SHA256))
    })
}

fn service() -> Service {
    let service = Service::open();
    service.store("/f", DIGITS);
    service
}

fn statuses(service: &Service, headers: &[(&str, &str)]) -> (u16, u16) {
    let got = service.send(&with(get("/f"), headers));
    let head = service.send(&with(call("HEAD", "/f"), headers));
    if got.status == 304 {
        assert_not_modified(&got);
    }
    (got.status, head.status)
}

/// A 304 has the validators and nothing that tells of a body.
fn assert_not_modified(answer: &Answer) {
    let tag = format!("\"{DIGITS_SHA256}\"");
    assert_eq!(answer.header("Etag"), Some(&*tag));
    assert_eq!(answer.header("Last-Modified"), Some(MODIFIED));
    assert_eq!(answer.header("Cache-Control"), Some("no-cache"));
    assert_eq!(answer.header("Content-Length"), None);
    assert_eq!(answer.header("Transfer-Encoding"), None);
    assert_eq!(answer.header("Content-Range"), None);
}

#[test]
fn reading_under_conditions() {
    let service = service();
    for (headers, status) in [
        (&[("If-None-Match", "TAG")][..], 304),
        (&[("If-None-Match", "BARE")], 304),
        (&[("If-None-Match", "W/TAG")], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"x\", TAG")], 304),
        (&[("If-None-Match", "\"x\""), ("If-None-Match", "TAG")], 304),
        (&[("If-None-Match", "\"x\"")], 200),
        (&[("If-Modified-Since", MODIFIED)], 304),
        (&[("If-Modified-Since", LATER)], 304),
        (&[("If-Modified-Since", EARLIER)], 200),
        (&[("If-Modified-Since", "yesterday")], 200),
        (&[("If-Match", "TAG")], 200),
        (&[("If-Match", "BARE")], 200),
        (&[("If-Match", "*")], 200),
        (&[("If-Match", "W/TAG")], 412),
        (&[("If-Match", "\"x\"")], 412),
        (&[("If-Unmodified-Since", MODIFIED)], 200),
        (&[("If-Unmodified-Since", EARLIER)], 412),
        (
            &[("If-None-Match", "\"x\""), ("If-Modified-Since", LATER)],
            200,
        ),
        (
            &[("If-None-Match", "TAG"), ("If-Modified-Since", EARLIER)],
            304,
        ),
        (
            &[("If-Match", "TAG"), ("If-Unmodified-Since", EARLIER)],
            200,
        ),
        (&[("If-Match", "\"x\""), ("If-None-Match", "TAG")], 412),
        (&[("If-None-Match", "TAG"), ("Range", "bytes=0-1")], 304),
        (&[("If-None-Match", "TAG"), ("Range", "bytes=99-")], 304),
        (&[("If-Match", "\"x\""), ("Range", "bytes=99-")], 412),
        (&[("If-Match", "TAG"), ("Range", "bytes=0-1")], 206),
    ] {
        assert_eq!(statuses(&service, headers), (status, status), "{headers:?}");
    }
}

#[test]
fn a_failed_condition_is_told_in_the_envelope() {
    let service = service();
    let answer = service.send(&get("/f").header("If-Match", "\"x\""));
    assert_eq!(answer.verdict().0, 412);
    assert_eq!(answer.json()["data"], serde_json::Value::Null);
}

#[test]
fn conditions_on_a_missing_file_do_not_hide_that_it_is_missing() {
    let service = service();
    for header in ["If-Match", "If-None-Match", "If-Range"] {
        let call = get("/missing").header(header, "*");
        assert_eq!(service.send(&call).verdict(), (404, 251_010), "{header}");
    }
}

#[test]
fn if_range_decides_whether_the_range_counts() {
    let service = service();
    for (value, status) in [
        ("TAG", 206),
        ("BARE", 206),
        (MODIFIED, 206),
        ("W/TAG", 200),
        ("\"x\"", 200),
        (EARLIER, 200),
        (LATER, 200),
        ("*", 200),
    ] {
        let headers = [("If-Range", value), ("Range", "bytes=1-2")];
        assert_eq!(statuses(&service, &headers), (status, status), "{value}");
        let unsatisfiable = [("If-Range", value), ("Range", "bytes=99-")];
        let expected = if status == 206 { 416 } else { 200 };
        assert_eq!(statuses(&service, &unsatisfiable).0, expected, "{value}");
    }
    let answer = service.send(&with(
        get("/f"),
        &[("If-Range", "\"x\""), ("Range", "bytes=1-2")],
    ));
    assert_eq!(answer.body, DIGITS);
    assert_eq!(answer.header("Content-Range"), None);
}

#[test]
fn uploading_under_conditions() {
    for (headers, status) in [
        (&[("If-None-Match", "*")][..], 412),
        (&[("If-None-Match", "TAG")], 412),
        (&[("If-None-Match", "\"x\"")], 200),
        (&[("If-Match", "TAG")], 200),
        (&[("If-Match", "BARE")], 200),
        (&[("If-Match", "*")], 200),
        (&[("If-Match", "\"x\"")], 412),
        (&[("If-Unmodified-Since", EARLIER)], 412),
        (&[("If-Unmodified-Since", MODIFIED)], 200),
    ] {
        let service = service();
        let upload = put("/f").header("X-BKREPO-OVERWRITE", "true");
        let answer = service.send(&with(upload, headers).body("new"));
        assert_eq!(answer.verdict().0, status, "{headers:?}");
        let expected = if status == 200 { b"new" } else { DIGITS };
        service.assert_file("/f", expected);
    }
}

#[test]
fn uploading_a_new_file_under_conditions() {
    let service = service();
    let upload = |name: &str, value: &str| {
        let answer = service.send(&with(put("/new"), &[(name, value)]).body("new"));
        answer.verdict().0
    };
    assert_eq!(upload("If-Match", "*"), 412);
    assert_eq!(upload("If-Match", "TAG"), 412);
    service.assert_none("/new");
    assert_eq!(upload("If-None-Match", "*"), 200);
    assert_eq!(upload("If-None-Match", "*"), 412);
    service.assert_file("/new", b"new");
    let elsewhere = Call::new("PUT", "/generic/fresh/fresh/f").header("If-Match", "*");
    assert_eq!(service.send(&elsewhere.body("x")).verdict().0, 412);
}

#[test]
fn a_condition_is_judged_again_when_the_body_is_in() {
    let service = service();
    let mut wire = service.connect();
    let slow = put("/f").header("X-BKREPO-OVERWRITE", "true");
    let slow = with(slow, &[("If-Match", "TAG")]).header("Expect", "100-continue");
    let slow = slow.body("slow");
    wire.write(&slow.head()).expect("the server reads");
    assert_eq!(wire.answer("PUT").expect("go on").status, 100);
    let quick = put("/f").header("X-BKREPO-OVERWRITE", "true").body("quick");
    assert_eq!(service.send(&quick).status, 200);
    wire.write(b"slow").expect("the server reads");
    assert_eq!(wire.answer("PUT").expect("an answer").status, 412);
    service.assert_file("/f", b"quick");
}
