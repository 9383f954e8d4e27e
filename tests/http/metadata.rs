//! Metadata and expiry of uploads.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Value, json};

use crate::service::{START_MS, Service, call, get, put};

const DAY_MS: u64 = 86_400_000;

/// The metadata of a file uploaded with these headers.
fn metadata(headers: &[(&str, &[u8])]) -> Value {
    let service = Service::open();
    let call = headers
        .iter()
        .fold(put("/f"), |call, (name, value)| call.header(name, value));
    let answer = service.send(&call.body("x"));
    assert_eq!(answer.verdict(), (200, 0), "{headers:?}");
    answer.json()["data"]["metadata"].clone()
}

#[test]
fn one_header_for_each_key() {
    assert_eq!(
        metadata(&[
            ("X-BKREPO-META-Build-Id", b"42"),
            ("x-bkrepo-meta-CASE", b"Kept"),
            ("X-BKREPO-META-percent", b"a%20b%2B%E6%96%87"),
            ("X-BKREPO-META-plus", b"a+b"),
            ("X-BKREPO-META-broken", b"100%"),
            ("X-BKREPO-META-empty", b""),
            ("X-BKREPO-META-number", b"007"),
        ]),
        json!({
            "build-id": "42",
            "case": "Kept",
            "percent": "a b+文",
            "plus": "a+b",
            "broken": "100%",
            "empty": "",
            "number": "007",
        })
    );
}

#[test]
fn raw_utf_8_in_values() {
    let raw = "发布 ü".as_bytes();
    assert_eq!(
        metadata(&[("X-BKREPO-META-k", raw)]),
        json!({"k": "发布 ü"})
    );
}

#[test]
fn the_first_of_a_repeated_header_counts() {
    let twice: [(&str, &[u8]); 2] = [("X-BKREPO-META-k", b"1"), ("X-BKREPO-META-K", b"2")];
    assert_eq!(metadata(&twice), json!({"k": "1"}));
}

#[test]
fn all_in_one_header_padded_or_not() {
    let pairs = "Key=Value&other=a%3Db=c& blank =x&=novalue&nokey=&alone&文=字";
    for engine in [STANDARD, STANDARD_NO_PAD] {
        let encoded = engine.encode(pairs);
        assert_eq!(
            metadata(&[("X-BKREPO-META", encoded.as_bytes())]),
            json!({"Key": "Value", "other": "a=b=c", "blank ": "x", "文": "字"}),
            "{encoded}"
        );
    }
}

#[test]
fn the_one_header_overrides_the_others() {
    let encoded = STANDARD.encode("k=base64&K=upper");
    assert_eq!(
        metadata(&[
            ("X-BKREPO-META", encoded.as_bytes()),
            ("X-BKREPO-META-k", b"header"),
            ("X-BKREPO-META-j", b"header"),
        ]),
        json!({"k": "base64", "K": "upper", "j": "header"})
    );
}

#[test]
fn what_is_not_base64_is_ignored() {
    for value in [&b"***"[..], b"", "文".as_bytes()] {
        assert_eq!(metadata(&[("X-BKREPO-META", value)]), json!({}));
    }
}

#[test]
fn reserved_keys_are_refused() {
    let service = Service::open();
    for key in [
        "scanStatus",
        "forbidStatus",
        "forbidUser",
        "forbidType",
        "targetProjectId",
        "targetRepoName",
        "targetFullPath",
    ] {
        let encoded = STANDARD.encode(format!("{key}=x"));
        let answer = service.send(&put("/f").header("X-BKREPO-META", encoded).body("x"));
        assert_eq!(answer.verdict(), (400, 251_504), "{key}");
        assert!(answer.json()["message"].to_string().contains(key));
        service.assert_none("/f");
    }
    // In lower case they are ordinary keys.
    let call = put("/f").header("X-BKREPO-META-scanStatus", "x").body("x");
    assert_eq!(service.send(&call).verdict(), (200, 0));
}

#[test]
fn cache_control_is_what_the_metadata_says() {
    let service = Service::open();
    for (path, value, expected) in [
        ("/plain", "max-age=60", "max-age=60"),
        ("/none", "", "no-cache"),
        // Nothing that cannot be sent is sent, and no header is smuggled in.
        ("/break", "a%0d%0aSet-Cookie:%20x", "no-cache"),
    ] {
        let call = put(path).header("X-BKREPO-META-cache-control", value);
        assert_eq!(service.send(&call.body("x")).status, 200);
        let answer = service.get(path);
        assert_eq!(answer.header("Cache-Control"), Some(expected), "{path}");
        assert_eq!(answer.header("Set-Cookie"), None);
    }
    let encoded = STANDARD.encode("Cache-Control=private");
    let call = put("/upper").header("X-BKREPO-META", encoded).body("x");
    assert_eq!(service.send(&call).status, 200);
    assert_eq!(
        service.get("/upper").header("Cache-Control"),
        Some("private")
    );
}

#[test]
fn an_expired_file_is_gone_at_its_millisecond() {
    let service = Service::open();
    let upload = || put("/dir/f").header("X-BKREPO-EXPIRES", "2").body("old");
    let data = service.send(&upload()).json()["data"].clone();
    assert_eq!(data["expireDate"], "2020-07-29T16:02:31.394");
    service.pass_ms(2 * DAY_MS - 1);
    service.assert_file("/dir/f", b"old");
    assert_eq!(service.put("/dir/f", "new").verdict(), (400, 251_012));
    service.pass_ms(1);
    service.assert_none("/dir/f");
    assert_eq!(service.send(&call("HEAD", "/dir/f")).status, 404);
    let ranged = get("/dir/f").header("Range", "bytes=0-0");
    assert_eq!(service.send(&ranged).verdict(), (404, 251_010));
    let deleted = service.send(&call("DELETE", "/dir/f"));
    assert_eq!(deleted.verdict(), (404, 251_010));
    assert_eq!(service.store.stats().expect("stats").files, 0);
    service.store("/dir/f", "new");
    service.assert_file("/dir/f", b"new");
}

#[test]
fn an_expired_file_is_in_nobodys_way() {
    let service = Service::open();
    let call = put("/f").header("X-BKREPO-EXPIRES", "1").body("x");
    assert_eq!(service.send(&call).status, 200);
    service.pass_ms(DAY_MS);
    service.store("/f/below", "y");
    service.assert_file("/f/below", b"y");
}

#[test]
fn expiry_is_a_number_of_days() {
    let service = Service::open();
    for value in ["-1", "x", "1.5", "", " ", "18446744073709551616"] {
        let answer = service.send(&put("/f").header("X-BKREPO-EXPIRES", value).body("x"));
        assert_eq!(answer.verdict(), (400, 250_105), "{value:?}");
        service.assert_none("/f");
    }
    for (path, value) in [("/zero", "0"), ("/most", "18446744073709551615")] {
        let answer = service.send(&put(path).header("X-BKREPO-EXPIRES", value).body("x"));
        assert_eq!(answer.verdict(), (200, 0), "{value}");
    }
    service.pass_ms(u64::MAX / 2 - START_MS);
    service.assert_file("/zero", b"x");
    service.assert_file("/most", b"x");
}
