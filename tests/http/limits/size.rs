//! How large an upload may be: `--max-upload-bytes`.

use crate::accounts::{token, using};
use crate::blocks::{BLOCK, SEPARATE, Upload};
use crate::multipart::Form;
use crate::rpms::rpm;
use crate::service::{Service, put};
use crate::wire::{Answer, Call};
use serde_json::json;

const LIMIT: usize = 1000;
const REFUSED: (u16, u64) = (413, 250_106);

fn service() -> Service {
    Service::with(|config| {
        config.no_auth = true;
        config.limits.max_upload_bytes = Some(LIMIT as u64);
    })
}

/// Announces a body of so many bytes, and sends none.
fn announced(service: &Service, call: Call, bytes: usize) -> Answer {
    let mut wire = service.connect();
    let call = call
        .header("Expect", "100-continue")
        .header("Content-Length", bytes.to_string());
    wire.write(&call.head()).expect("the server reads");
    wire.answer("PUT").expect("an answer at once")
}

/// Sends a body in chunks, and no end of it.
fn endless(service: &Service, call: Call, bytes: usize) -> Answer {
    let mut wire = service.connect();
    wire.write(&call.header("Transfer-Encoding", "chunked").head())
        .expect("the server reads");
    let chunk = [
        format!("{bytes:x}\r\n").as_bytes(),
        &vec![b'x'; bytes],
        b"\r\n",
    ]
    .concat();
    wire.write(&chunk).expect("the server reads");
    wire.answer("PUT").expect("an answer before the end")
}

#[test]
fn what_is_as_long_as_possible_is_stored() {
    let service = service();
    service.store("/f", [0; LIMIT]);
    let upload = Upload::start(&service, SEPARATE, "/blocks");
    upload.put(0, [1; LIMIT / 2]);
    upload.put(LIMIT / 2, [2; LIMIT / 2]);
    upload.finish(LIMIT as u64);
}

#[test]
fn a_longer_one_is_refused_before_its_body() {
    let service = service();
    service.store("/there", "x");
    let upload = token(&service, "/", "UPLOAD", &json!({}));
    for call in [put("/f"), using(&upload, "PUT", "/f")] {
        let answer = announced(&service, call.clone(), LIMIT + 1);
        assert_eq!(answer.verdict(), REFUSED);
        assert_eq!(
            answer.json()["message"],
            "the request body is longer than 1000 bytes"
        );
        // Whoever sends all before listening hears it, too.
        let sent = service.send(&call.body(vec![0; 3 << 20]));
        assert_eq!(sent.verdict(), REFUSED);
    }
    service.assert_none("/f");
}

#[test]
fn one_of_unknown_length_is_refused_as_soon_as_it_is_too_long() {
    let service = service();
    for path in ["/f", "/dir/f"] {
        assert_eq!(endless(&service, put(path), LIMIT + 1).verdict(), REFUSED);
        service.assert_none(path);
    }
    assert_eq!(service.store.stats().expect("stats").files, 0);
}

#[test]
fn blocks_are_held_to_it_and_so_is_what_they_come_to() {
    let service = service();
    for (dialect, first) in [(SEPARATE, 0), (BLOCK, 1)] {
        let upload = Upload::start(&service, dialect, "/f");
        let large = upload.block(first, [0; LIMIT + 1]);
        assert_eq!(service.send(&large).verdict(), REFUSED, "{dialect}");
        assert_eq!(upload.list(), json!([]), "nothing was kept");
    }
    // An offset says how large the file is to be.
    let upload = Upload::start(&service, SEPARATE, "/f");
    assert_eq!(service.send(&upload.block(LIMIT, "x")).verdict(), REFUSED);
    assert_eq!(
        upload.complete(LIMIT as u64 + 1).verdict(),
        REFUSED,
        "by what is announced"
    );
    // A number does not: the sum is told when the file is to be made.
    let upload = Upload::start(&service, BLOCK, "/f");
    upload.put(1, [0; LIMIT]);
    upload.put(2, "x");
    let unsized_ = upload.call("PUT");
    let answer = service.send(&unsized_);
    assert_eq!(answer.verdict(), REFUSED);
    assert_eq!(
        answer.json()["message"],
        "a file may have 1000 bytes at most"
    );
    service.assert_none("/f");
    assert_eq!(upload.list().as_array().map(Vec::len), Some(2), "kept");
}

#[test]
fn packages_are_refused_in_their_own_envelope() {
    let service = service();
    let bytes = [rpm("name", "1", "1.el7", "x86_64"), vec![0; LIMIT]].concat();
    let call = Form::of("name-1-1.el7.x86_64.rpm", bytes).post("/api/v2/software-packages");
    let answer = service.send(&call);
    assert_eq!(answer.status, 413);
    let envelope = answer.json();
    assert_eq!(envelope["error"]["code"], "COM10003", "{envelope}");
    assert_eq!(envelope["successful"], false);
    assert_eq!(service.store.stats().expect("stats").packages, 0);
}
