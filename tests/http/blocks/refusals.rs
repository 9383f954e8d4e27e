//! What is refused, with which code, and that nothing is lost by it.

use super::{BLOCK, SEPARATE, Upload, session};
use crate::service::{DIGITS, DIGITS_CRC64, DIGITS_MD5, DIGITS_SHA256, Service, put};

#[test]
fn a_completion_must_cover_the_file_exactly() {
    let service = Service::open();
    for (blocks, size, word) in [
        (&[(0, 4), (6, 4)][..], 10, "from 4 to 6"),
        (&[(0, 6), (4, 6)], 10, "begins before 6"),
        (&[(0, 4), (6, 2), (4, 4)], 10, "begins before 8"),
        (&[(2, 4)], 6, "from 0 to 2"),
        (&[(0, 4)], 5, "4 bytes, not 5"),
        (&[(0, 4)], 3, "4 bytes, not 3"),
        (&[(0, 4)], 0, "4 bytes, not 0"),
        (&[], 1, "0 bytes, not 1"),
    ] {
        let upload = Upload::start(&service, SEPARATE, "/f");
        for (start, len) in blocks {
            upload.put(start, vec![b'x'; *len]);
        }
        let answer = upload.complete(size);
        assert_eq!(answer.verdict(), (400, 251_204), "{blocks:?} {size}");
        let message = answer.json()["message"].to_string();
        assert!(message.contains(word), "{message}");
        let kept = upload.list().as_array().expect("a list").len();
        assert_eq!(kept, blocks.len(), "blocks are kept");
        service.assert_none("/f");
    }
}

#[test]
fn a_refused_completion_can_be_mended() {
    let service = Service::open();
    let upload = Upload::start(&service, SEPARATE, "/f");
    upload.put(0, "abc");
    upload.put(6, "ghi");
    assert_eq!(upload.complete(9).verdict(), (400, 251_204));
    upload.put(3, "def");
    upload.finish(9);
    service.assert_file("/f", b"abcdefghi");
}

#[test]
fn digests_of_a_block_are_checked() {
    let service = Service::open();
    let upload = Upload::start(&service, SEPARATE, "/f");
    for (name, right) in [
        ("X-BKREPO-SHA256", DIGITS_SHA256),
        ("X-BKREPO-MD5", DIGITS_MD5),
        ("X-BKREPO-CRC64ECMA", DIGITS_CRC64),
    ] {
        let answer = service.send(&upload.block(0, "other").header(name, right));
        assert_eq!(answer.verdict(), (400, 251_003), "{name}");
        assert_eq!(upload.list(), serde_json::json!([]));
    }
    let call = upload
        .block(0, DIGITS)
        .header("X-BKREPO-SHA256", DIGITS_SHA256.to_uppercase())
        .header("X-BKREPO-MD5", DIGITS_MD5)
        .header("X-BKREPO-CRC64ECMA", DIGITS_CRC64);
    assert_eq!(service.send(&call).verdict(), (200, 0));
    for (name, wrong) in [
        ("X-BKREPO-SHA256", "0".repeat(64)),
        ("X-BKREPO-MD5", "0".repeat(32)),
        ("X-BKREPO-CRC64ECMA", "1".to_owned()),
    ] {
        let call = upload.call("PUT").header("X-BKREPO-SIZE", "9");
        let answer = service.send(&call.header(name, wrong));
        assert_eq!(answer.verdict(), (400, 251_003), "{name} of the whole");
    }
    upload.finish(9);
    service.assert_file("/f", DIGITS);
}

#[test]
fn headers_that_are_missing_or_wrong_are_named() {
    let service = Service::open();
    let separate = Upload::start(&service, SEPARATE, "/f");
    let block = Upload::start(&service, BLOCK, "/f");
    let at = |value: &str| {
        put("/f")
            .header("UPLOAD-TYPE", "SEPARATE-UPLOAD")
            .header("X-BKREPO-UPLOAD-ID", value)
    };
    for (call, code) in [
        (session("GET", SEPARATE, "/f"), 250_118),
        (session("PUT", SEPARATE, "/f"), 250_118),
        (session("DELETE", BLOCK, "/f"), 250_118),
        (
            session("GET", BLOCK, "/f").header("X-BKREPO-UPLOAD-ID", " "),
            251_213,
        ),
        (separate.call("PUT"), 251_214),
        (separate.call("PUT").header("X-BKREPO-SIZE", "x"), 250_105),
        (block.call("PUT").header("X-BKREPO-SIZE", "-1"), 250_105),
        (at(&separate.id).body("x"), 251_214),
        (
            at(&separate.id).header("X-BKREPO-OFFSET", "-1").body("x"),
            251_214,
        ),
        (
            at(&separate.id).header("X-BKREPO-OFFSET", "1.5").body("x"),
            251_214,
        ),
        (at("").header("X-BKREPO-OFFSET", "0").body("x"), 251_213),
        (
            put("/f")
                .header("UPLOAD-TYPE", "SEPARATE-UPLOAD")
                .header("X-BKREPO-OFFSET", "0")
                .body("x"),
            250_118,
        ),
        (block.block("0", "x"), 250_105),
        (block.block("x", "x"), 250_105),
        (
            put("/f").header("X-BKREPO-UPLOAD-ID", &block.id).body("x"),
            250_118,
        ),
        (put("/f").header("X-BKREPO-OFFSET", "0").body("x"), 250_118),
        (
            put("/f").header("UPLOAD-TYPE", "CHUNKED-UPLOAD").body("x"),
            250_105,
        ),
        (
            put("/f").header("UPLOAD-TYPE", "separate-upload").body("x"),
            250_105,
        ),
    ] {
        let answer = service.send(&call);
        let head = String::from_utf8_lossy(&call.head()).into_owned();
        assert_eq!(answer.verdict(), (400, code), "{head}");
    }
    let both = at("").header("X-BKREPO-OFFSET", "0").body("x");
    assert_eq!(service.send(&both).verdict().0, 400);
    service.assert_none("/f");
}

#[test]
fn a_session_serves_its_own_path_and_dialect_only() {
    let service = Service::open();
    let separate = Upload::start(&service, SEPARATE, "/f");
    let block = Upload::start(&service, BLOCK, "/f");
    separate.put(0, "x");
    block.put(1, "x");
    let id = |call: crate::wire::Call, id: &str| call.header("X-BKREPO-UPLOAD-ID", id);
    let mut tampered = separate.id.clone();
    tampered.replace_range(56.., if tampered.ends_with('0') { "1" } else { "0" });
    for call in [
        id(session("GET", SEPARATE, "/other"), &separate.id),
        id(session("GET", BLOCK, "/f"), &separate.id),
        id(session("GET", BLOCK, "/f"), &separate.id[..32]),
        id(session("GET", SEPARATE, "/f"), &block.id),
        id(session("GET", SEPARATE, "/f"), &tampered),
        id(session("GET", SEPARATE, "/f"), "nothing/like/it"),
        id(session("DELETE", BLOCK, "/other"), &block.id),
        id(
            crate::wire::Call::new("GET", "/generic/block/project/r2/f"),
            &block.id,
        ),
    ] {
        let (status, code) = service.send(&call).verdict();
        assert!(
            (status, code) == (400, 251_201) || (status, code) == (404, 251_006),
            "{status} {code} {}",
            String::from_utf8_lossy(&call.head())
        );
    }
    separate.finish(1);
    assert_eq!(
        block.complete(1).verdict(),
        (400, 251_012),
        "the other was first"
    );
}

#[test]
fn a_block_cannot_end_past_the_largest_file() {
    let service = Service::open();
    let upload = Upload::start(&service, SEPARATE, "/f");
    let answer = service.send(&upload.block(u64::MAX, "x"));
    assert_eq!(answer.verdict(), (400, 251_214));
    upload.put(u64::MAX - 1, "x");
    let answer = upload.complete(u64::MAX);
    assert_eq!(answer.verdict(), (400, 251_204));
    let upload = Upload::start(&service, BLOCK, "/f");
    upload.put(u64::MAX, "x");
    assert_eq!(upload.list()[0]["sequence"], u64::MAX);
    assert_eq!(service.send(&upload.call("PUT")).verdict(), (400, 251_212));
}

#[test]
fn starts_are_judged_like_uploads() {
    let service = Service::open();
    service.store("/dir/f", "x");
    for (path, overwrite, code) in [
        ("/dir/f", "false", 251_012),
        ("/dir", "false", 251_012),
        ("/dir", "true", 251_013),
        ("/dir/f/below", "true", 251_013),
        ("/", "true", 250_105),
    ] {
        let call = session("POST", SEPARATE, path).header("X-BKREPO-OVERWRITE", overwrite);
        assert_eq!(service.send(&call).verdict(), (400, code), "{path}");
    }
    let answer = service.send(&session("PATCH", SEPARATE, "/f"));
    assert_eq!(answer.verdict(), (405, 250_112));
    let anonymous = Service::with(|_| {});
    let answer = anonymous.send(&session("POST", SEPARATE, "/f"));
    assert_eq!(answer.verdict(), (401, 250_114));
}

#[test]
fn a_block_that_breaks_off_leaves_nothing() {
    let service = Service::open();
    let upload = Upload::start(&service, SEPARATE, "/f");
    let whole = upload.block(0, vec![b'x'; 100_000]).bytes();
    let mut wire = service.connect();
    wire.write(&whole[..whole.len() - 50_000])
        .expect("it is taken");
    drop(wire);
    assert_eq!(upload.list(), serde_json::json!([]));
    upload.put(0, "ok");
    upload.finish(2);
    service.assert_file("/f", b"ok");
}
