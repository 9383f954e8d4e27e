//! The older dialect, which real clients use: blocks go by their numbers.

use serde_json::json;

use super::{BLOCK, Upload};
use crate::noise::noise;
use crate::service::{Service, sha256};

#[test]
fn a_file_comes_in_numbered_blocks() {
    let service = Service::open();
    let bytes = noise(5, 300_000);
    let upload = Upload::start(&service, BLOCK, "/dir/f.bin");
    assert!(upload.id.len() == 32 && upload.id.bytes().all(|b| b.is_ascii_hexdigit()));
    upload.put(3, &bytes[200_000..]);
    upload.put(1, &bytes[..100_000]);
    upload.put(2, &bytes[100_000..200_000]);
    assert_eq!(
        upload.list(),
        json!([
            {"size": 100_000, "sha256": sha256(&bytes[..100_000]), "sequence": 1},
            {"size": 100_000, "sha256": sha256(&bytes[100_000..200_000]), "sequence": 2},
            {"size": 100_000, "sha256": sha256(&bytes[200_000..]), "sequence": 3},
        ])
    );
    let answer = service.send(&upload.call("PUT"));
    assert_eq!(answer.verdict(), (200, 0), "no size is needed");
    service.assert_file("/dir/f.bin", &bytes);
    upload.assert_gone();
}

#[test]
fn a_number_that_comes_again_replaces_the_block() {
    let service = Service::open();
    let upload = Upload::start(&service, BLOCK, "/f");
    upload.put(1, "longer than it should be");
    upload.put(2, "two");
    upload.put(1, "one");
    upload.finish(6);
    service.assert_file("/f", b"onetwo");
    assert_eq!(
        service.get("/f").header("X-Checksum-Sha256"),
        Some(sha256(b"onetwo").as_str())
    );
}

#[test]
fn empty_blocks_are_blocks() {
    let service = Service::open();
    let upload = Upload::start(&service, BLOCK, "/f");
    upload.put(1, "a");
    upload.put(2, "");
    upload.put(3, "b");
    upload.finish(2);
    service.assert_file("/f", b"ab");
    let upload = Upload::start(&service, BLOCK, "/empty");
    upload.finish(0);
    service.assert_file("/empty", b"");
}

#[test]
fn the_numbers_must_be_one_to_n() {
    let service = Service::open();
    for numbers in [&[][..], &[2], &[1, 3], &[1, 2, 4, 5]] {
        let upload = Upload::start(&service, BLOCK, "/f");
        for number in numbers {
            upload.put(number, "x");
        }
        let answer = service.send(&upload.call("PUT"));
        assert_eq!(answer.verdict(), (400, 251_212), "{numbers:?}");
        let blocks = upload.list();
        assert_eq!(
            blocks.as_array().expect("a list").len(),
            numbers.len(),
            "kept"
        );
    }
    let upload = Upload::start(&service, BLOCK, "/f");
    upload.put(1, "x");
    assert_eq!(upload.complete(2).verdict(), (400, 251_204), "another size");
    upload.finish(1);
    service.assert_file("/f", b"x");
}

#[test]
fn a_session_of_numbers_survives_a_restart() {
    let service = Service::open();
    let upload = Upload::start(&service, BLOCK, "/f");
    upload.put(1, "one");
    let id = upload.id.clone();
    let service = service.restart();
    let upload = Upload {
        service: &service,
        dialect: BLOCK,
        path: "/f".to_owned(),
        id,
    };
    upload.put(2, "two");
    upload.finish(6);
    service.assert_file("/f", b"onetwo");
}
