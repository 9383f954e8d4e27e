//! `PUT`: what is stored, what is answered, what is refused.

use std::time::Duration;

use serde_json::{Value, json};

use crate::noise::noise;
use crate::service::{DIGITS, DIGITS_CRC64, DIGITS_MD5, DIGITS_SHA256, Service, call, put, sha256};
use crate::wire::{Answer, Call};

/// An upload to `/f` with one header, and what it becomes.
fn with_header(name: &str, value: &str) -> (Answer, Service) {
    let service = Service::open();
    let answer = service.send(&put("/f").header(name, value).body(DIGITS));
    (answer, service)
}

#[test]
fn the_answer_has_the_documented_fields() {
    let service = Service::open();
    let answer = service.put("/dir/sub/test.json", DIGITS);
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("Content-Type"),
        Some("application/json; charset=utf-8")
    );
    let envelope = answer.json();
    assert_eq!(envelope["code"], 0);
    assert_eq!(envelope["message"], Value::Null);
    assert_eq!(
        envelope["traceId"].as_str(),
        answer.header("X-Bkrepo-Rid"),
        "the trace is in the header, too"
    );
    let expected = json!({
        "createdBy": "admin",
        "createdDate": "2020-07-27T16:02:31.394",
        "lastModifiedBy": "admin",
        "lastModifiedDate": "2020-07-27T16:02:31.394",
        "folder": false,
        "path": "/dir/sub/",
        "name": "test.json",
        "fullPath": "/dir/sub/test.json",
        "size": 9,
        "sha256": DIGITS_SHA256,
        "md5": DIGITS_MD5,
        "metadata": {},
        "projectId": "project",
        "repoName": "repo",
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&envelope["data"][field], value, "{field}");
    }
    assert_eq!(envelope["data"]["crc64ecma"], DIGITS_CRC64);
}

#[test]
fn nulls_are_written_and_the_order_is_that_of_the_seed() {
    let service = Service::open();
    let text = String::from_utf8(service.put("/f", DIGITS).body).expect("UTF-8");
    let at = |word: &str| {
        text.find(word)
            .unwrap_or_else(|| panic!("{word} in {text}"))
    };
    let keys = ["\"code\"", "\"message\":null", "\"data\"", "\"traceId\""];
    assert!(keys.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
}

#[test]
fn times_are_told_in_the_zone_of_the_service() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    });
    let created = &service.put("/f", "x").json()["data"]["createdDate"];
    assert_eq!(created, "2020-07-28T00:02:31.394");
}

#[test]
fn checksums_and_the_dedup_receipt_are_in_headers() {
    let service = Service::open();
    let receipt = |answer: &Answer| {
        let number = |name| answer.header(name)?.parse::<u64>().ok();
        (
            number("X-Packhold-New-Bytes").expect("new bytes"),
            number("X-Packhold-Shared-Bytes").expect("shared bytes"),
        )
    };
    let first = service.put("/a", DIGITS);
    assert_eq!(first.header("X-Checksum-Sha256"), Some(DIGITS_SHA256));
    assert_eq!(first.header("X-Checksum-Md5"), Some(DIGITS_MD5));
    assert_eq!(first.header("X-Checksum-Crc64ecma"), Some(DIGITS_CRC64));
    assert_eq!(receipt(&first), (9, 0));
    assert_eq!(receipt(&service.put("/b", DIGITS)), (0, 9));
    let proven = put("/c").header("X-BKREPO-SHA256", DIGITS_SHA256);
    assert_eq!(receipt(&service.send(&proven.body(DIGITS))), (0, 9));
    assert_eq!(receipt(&service.put("/empty", "")), (0, 0));
    // An insertion in the middle costs some chunks, not the file.
    let old = noise(1, 1 << 20);
    let new = [&old[..500_000], b"inserted", &old[500_000..]].concat();
    assert_eq!(receipt(&service.put("/old", &old)).0, 1 << 20);
    let (fresh, shared) = receipt(&service.put("/new", &new));
    assert_eq!(fresh + shared, new.len() as u64);
    assert!(fresh < 200_000, "{fresh} bytes are new");
    service.assert_file("/new", &new);
}

#[test]
fn digests_that_fit_in_any_case() {
    for (name, value) in [
        ("X-BKREPO-SHA256", DIGITS_SHA256.to_owned()),
        ("x-bkrepo-sha256", DIGITS_SHA256.to_uppercase()),
        ("X-BKREPO-MD5", DIGITS_MD5.to_owned()),
        ("X-BKREPO-MD5", DIGITS_MD5.to_uppercase()),
        ("X-BKREPO-CRC64ECMA", DIGITS_CRC64.to_owned()),
    ] {
        let (answer, service) = with_header(name, &value);
        assert_eq!(answer.verdict(), (200, 0), "{name}: {value}");
        service.assert_file("/f", DIGITS);
    }
}

#[test]
fn digests_that_do_not_fit_leave_nothing() {
    for (name, value, code) in [
        ("X-BKREPO-SHA256", sha256(b"other"), 251_003),
        ("X-BKREPO-SHA256", "abc".to_owned(), 251_003),
        ("X-BKREPO-SHA256", String::new(), 251_003),
        ("X-BKREPO-MD5", "0".repeat(32), 251_003),
        ("X-BKREPO-MD5", DIGITS_SHA256.to_owned(), 251_003),
        ("X-BKREPO-CRC64ECMA", "1".to_owned(), 251_003),
        ("X-BKREPO-CRC64ECMA", "0x12".to_owned(), 250_105),
    ] {
        let (answer, service) = with_header(name, &value);
        assert_eq!(answer.verdict(), (400, code), "{name}: {value}");
        assert_eq!(answer.json()["data"], Value::Null);
        service.assert_none("/f");
    }
}

#[test]
fn a_declared_digest_of_a_known_content_must_fit_too() {
    let service = Service::open();
    service.store("/known", DIGITS);
    for body in [&b"987654321"[..], b"12345678", b""] {
        let call = put("/f")
            .header("X-BKREPO-SHA256", DIGITS_SHA256)
            .body(body);
        assert_eq!(service.send(&call).verdict(), (400, 251_003));
        service.assert_none("/f");
    }
    let call = put("/f")
        .header("X-BKREPO-SHA256", DIGITS_SHA256)
        .header("X-BKREPO-MD5", "0".repeat(32));
    assert_eq!(service.send(&call.body(DIGITS)).verdict(), (400, 251_003));
    service.assert_none("/f");
}

#[test]
fn overwriting_needs_the_header() {
    for (value, replaces) in [
        (None, false),
        (Some("false"), false),
        (Some("1"), false),
        (Some("yes"), false),
        (Some("true"), true),
        (Some("True"), true),
        (Some("TRUE"), true),
    ] {
        let service = Service::open();
        service.store("/dir/f", "old");
        let mut again = put("/dir/f");
        if let Some(value) = value {
            again = again.header("X-BKREPO-OVERWRITE", value);
        }
        let answer = service.send(&again.body("new"));
        if replaces {
            assert_eq!(answer.verdict(), (200, 0), "{value:?}");
            service.assert_file("/dir/f", b"new");
        } else {
            assert_eq!(answer.verdict(), (400, 251_012), "{value:?}");
            assert_eq!(answer.json()["message"], "Node [/dir/f] existed");
            service.assert_file("/dir/f", b"old");
        }
    }
}

#[test]
fn an_overwritten_file_is_a_new_file() {
    let service = Service::open();
    let first = put("/f")
        .header("X-BKREPO-META-color", "red")
        .header("X-BKREPO-EXPIRES", "1");
    assert_eq!(service.send(&first.body("old")).status, 200);
    service.pass_ms(60_000);
    let second = put("/f").header("X-BKREPO-OVERWRITE", "true");
    let data = service.send(&second.body("new")).json()["data"].clone();
    assert_eq!(data["metadata"], json!({}));
    assert_eq!(data["createdDate"], "2020-07-27T16:03:31.394");
    assert_eq!(data["lastModifiedDate"], "2020-07-27T16:03:31.394");
    service.pass_ms(10 * 86_400_000);
    service.assert_file("/f", b"new");
}

#[test]
fn folders_and_files_do_not_take_each_others_place() {
    let service = Service::open();
    service.store("/a/b/f", "x");
    let overwrite = |path: &str| put(path).header("X-BKREPO-OVERWRITE", "true").body("y");
    assert_eq!(service.put("/a/b", "y").verdict(), (400, 251_012));
    assert_eq!(service.send(&overwrite("/a/b")).verdict(), (400, 251_013));
    for path in ["/a/b/f/g", "/a/b/f/g/h"] {
        for call in [put(path).body("y"), overwrite(path)] {
            let answer = service.send(&call);
            assert_eq!(answer.verdict(), (400, 251_013), "{path}");
            assert_eq!(answer.json()["message"], "Node [/a/b/f] conflict");
        }
    }
    assert_eq!(service.put("", "y").verdict(), (400, 251_012));
    assert_eq!(service.put("/", "y").verdict(), (400, 251_012));
    assert_eq!(service.send(&overwrite("/")).verdict(), (400, 250_105));
    service.assert_file("/a/b/f", b"x");
}

#[test]
fn bodies_are_raw_whatever_their_type() {
    let service = Service::open();
    let form = b"--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nx\r\n--b--\r\n";
    for (i, media_type) in [
        "multipart/form-data; boundary=b",
        "application/x-www-form-urlencoded",
        "application/json",
        "text/plain",
        "no type at all",
        "",
    ]
    .iter()
    .enumerate()
    {
        let path = format!("/{i}");
        let call = put(&path).header("Content-Type", media_type).body(form);
        assert_eq!(service.send(&call).verdict(), (200, 0), "{media_type}");
        service.assert_file(&path, form);
    }
}

#[test]
fn a_body_without_length_comes_in_chunks() {
    let service = Service::open();
    let body = noise(2, 300_000);
    let mut wire = service.connect();
    wire.write(&put("/f").header("Transfer-Encoding", "chunked").head())
        .expect("the server reads");
    for part in body.chunks(70_001) {
        let framed = [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
        wire.write(&framed).expect("the server reads");
    }
    wire.write(b"0\r\n\r\n").expect("the server reads");
    let answer = wire.answer("PUT").expect("an answer");
    assert_eq!(answer.verdict(), (200, 0));
    assert_eq!(answer.json()["data"]["size"], body.len());
    service.assert_file("/f", &body);
}

#[test]
fn an_empty_body_is_a_file() {
    let service = Service::open();
    service.store("/zero", "");
    let bare = service.send(&put("/bare"));
    assert_eq!(bare.verdict(), (200, 0), "without any length header");
    assert_eq!(bare.json()["data"]["sha256"], sha256(b""));
    assert_eq!(
        bare.json()["data"]["md5"],
        "d41d8cd98f00b204e9800998ecf8427e"
    );
    for path in ["/zero", "/bare"] {
        service.assert_file(path, b"");
        assert_eq!(service.get(path).header("Content-Length"), Some("0"));
    }
}

#[test]
fn a_short_body_may_come_slowly() {
    let service = Service::open();
    let body = noise(3, 1000);
    let mut wire = service.connect();
    wire.write(&put("/f").header("Content-Length", "1000").head())
        .expect("the server reads");
    for part in body.chunks(400) {
        // Longer than a short body is awaited.
        std::thread::sleep(Duration::from_millis(20));
        wire.write(part).expect("the server reads");
    }
    assert_eq!(wire.answer("PUT").expect("an answer").verdict(), (200, 0));
    service.assert_file("/f", &body);
}

#[test]
fn a_short_body_that_breaks_off_leaves_nothing() {
    let service = Service::open();
    for sent in [0, 1, 999] {
        let mut wire = service.connect();
        wire.write(&put("/f").header("Content-Length", "1000").head())
            .expect("the server reads");
        wire.write(&noise(3, sent)).expect("the server reads");
        drop(wire);
    }
    // Others are served, and what broke off is never seen.
    service.store("/g", DIGITS);
    assert_eq!(service.get("/f").status, 404);
}

#[test]
fn a_refusal_needs_no_short_body() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let mut wire = service.connect();
    wire.write(&put("/f").header("Content-Length", "9").head())
        .expect("the server reads");
    let refused = wire.answer("PUT").expect("an answer before the body");
    assert_eq!(refused.verdict(), (400, 251_012));
    service.assert_file("/f", DIGITS);
}

#[test]
fn sizes_around_the_limits_of_chunks_and_batches() {
    let service = Service::open();
    for len in [
        1,
        4095,
        4096,
        65_535,
        65_536,
        65_537,
        1 << 20,
        (1 << 20) + 1,
        5_000_000,
    ] {
        let (path, body) = (format!("/{len}"), noise(len as u64, len));
        service.store(&path, &body);
        service.assert_file(&path, &body);
    }
}

#[test]
fn blocks_are_never_stored_as_whole_files() {
    let service = Service::open();
    for (headers, code, names) in [
        (&[("X-BKREPO-UPLOAD-ID", "x")][..], 250_118, "UPLOAD-TYPE"),
        (&[("X-BKREPO-OFFSET", "0")][..], 250_118, "UPLOAD-TYPE"),
        (&[("UPLOAD-TYPE", "OTHER")][..], 250_105, "UPLOAD-TYPE"),
    ] {
        let call = headers
            .iter()
            .fold(put("/f"), |call, (name, value)| call.header(name, value));
        let answer = service.send(&call.body("x"));
        assert_eq!(answer.verdict(), (400, code), "{headers:?}");
        let message = answer.json()["message"].to_string();
        assert!(message.contains(names), "{message}");
        service.assert_none("/f");
    }
}

#[test]
fn without_auto_create_a_repository_must_exist() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.auto_create = false;
    });
    let answer = service.put("/f", "x");
    assert_eq!(answer.verdict(), (404, 251_006));
    assert_eq!(
        answer.json()["message"],
        "Repository [project/repo] not found"
    );
    assert_eq!(service.get("/f").verdict(), (404, 251_006));
    let deleted = service.send(&call("DELETE", "/f"));
    assert_eq!(deleted.verdict(), (404, 251_006));
}

#[test]
fn what_is_unknown_is_ignored() {
    let service = Service::open();
    let call = Call::new("PUT", "/generic/project/repo/f?download=true&x=%zz&&=")
        .header("X-BKREPO-UNKNOWN", "1")
        .header("X-BKREPO-UID", "someone");
    assert_eq!(service.send(&call.body("x")).verdict(), (200, 0));
    service.assert_file("/f?unknown", b"x");
}
