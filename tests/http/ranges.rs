//! `Range`: which bytes, which status.

use crate::noise::{Noise, noise};
use crate::service::{Service, call, get};

/// Header, status, `Content-Range`, bytes; for the file `0123456789`.
const TABLE: [(&str, u16, Option<&str>, &str); 34] = [
    ("bytes=0-9", 206, Some("bytes 0-9/10"), "0123456789"),
    ("bytes=0-0", 206, Some("bytes 0-0/10"), "0"),
    ("bytes=5-7", 206, Some("bytes 5-7/10"), "567"),
    ("bytes=9-9", 206, Some("bytes 9-9/10"), "9"),
    ("bytes=5-", 206, Some("bytes 5-9/10"), "56789"),
    ("bytes=0-", 206, Some("bytes 0-9/10"), "0123456789"),
    ("bytes=-3", 206, Some("bytes 7-9/10"), "789"),
    ("bytes=-10", 206, Some("bytes 0-9/10"), "0123456789"),
    ("bytes=-11", 206, Some("bytes 0-9/10"), "0123456789"),
    ("bytes=8-100", 206, Some("bytes 8-9/10"), "89"),
    (
        "bytes=8-18446744073709551615",
        206,
        Some("bytes 8-9/10"),
        "89",
    ),
    ("Bytes=5-7", 206, Some("bytes 5-7/10"), "567"),
    ("BYTES=5-7", 206, Some("bytes 5-7/10"), "567"),
    ("  bytes=5-7  ", 206, Some("bytes 5-7/10"), "567"),
    ("bytes=005-007", 206, Some("bytes 5-7/10"), "567"),
    ("bytes=10-", 416, Some("bytes */10"), ""),
    ("bytes=10-11", 416, Some("bytes */10"), ""),
    ("bytes=100-200", 416, Some("bytes */10"), ""),
    ("bytes=-0", 416, Some("bytes */10"), ""),
    ("bytes=7-5", 416, Some("bytes */10"), ""),
    ("bytes=0-1,3-4", 416, Some("bytes */10"), ""),
    ("bytes=0-1,", 416, Some("bytes */10"), ""),
    ("bytes=", 416, Some("bytes */10"), ""),
    ("bytes=-", 416, Some("bytes */10"), ""),
    ("bytes=a-b", 416, Some("bytes */10"), ""),
    ("bytes= 0-1", 416, Some("bytes */10"), ""),
    ("bytes=+1-2", 416, Some("bytes */10"), ""),
    ("bytes=18446744073709551616-", 416, Some("bytes */10"), ""),
    ("bytes=0-18446744073709551616", 416, Some("bytes */10"), ""),
    ("bytes=-18446744073709551616", 416, Some("bytes */10"), ""),
    ("lines=0-1", 200, None, "0123456789"),
    ("bytes", 200, None, "0123456789"),
    ("", 200, None, "0123456789"),
    ("0-4", 200, None, "0123456789"),
];

#[test]
fn the_table() {
    let service = Service::open();
    service.store("/f", "0123456789");
    for (header, status, content_range, bytes) in TABLE {
        let answer = service.send(&get("/f").header("Range", header));
        assert_eq!(answer.status, status, "{header}");
        assert_eq!(answer.header("Content-Range"), content_range, "{header}");
        if status == 416 {
            assert_eq!(answer.verdict(), (416, 250_120), "{header}");
        } else {
            assert_eq!(answer.body, bytes.as_bytes(), "{header}");
            let len = bytes.len().to_string();
            assert_eq!(answer.header("Content-Length"), Some(&*len), "{header}");
            assert_eq!(answer.header("Accept-Ranges"), Some("bytes"));
        }
        let head = service.send(&call("HEAD", "/f").header("Range", header));
        assert_eq!(head.status, status, "HEAD {header}");
        assert_eq!(head.header("Content-Range"), content_range, "HEAD {header}");
    }
}

#[test]
fn any_range_of_an_empty_file_is_unsatisfiable() {
    let service = Service::open();
    service.store("/empty", "");
    for header in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"] {
        let answer = service.send(&get("/empty").header("Range", header));
        assert_eq!(answer.verdict(), (416, 250_120), "{header}");
        assert_eq!(answer.header("Content-Range"), Some("bytes */0"));
    }
    let other = service.send(&get("/empty").header("Range", "lines=0-"));
    assert_eq!((other.status, other.body.len()), (200, 0));
}

#[test]
fn ranges_of_a_file_of_many_chunks_and_windows() {
    let service = Service::open();
    let body = noise(3, 5_000_000);
    service.store("/big", &body);
    let len = body.len();
    for (first, last) in [
        (0, 0),
        (65_535, 65_536),
        (1, len - 2),
        (1_048_575, 1_048_576),
        (2_000_000, 4_500_000),
        (len - 1, len - 1),
        (0, len - 1),
    ] {
        let header = format!("bytes={first}-{last}");
        let answer = service.send(&get("/big").header("Range", &header));
        assert_eq!(answer.status, 206);
        assert!(answer.body == body[first..=last], "{header}");
        let expected = format!("bytes {first}-{last}/{len}");
        assert_eq!(answer.header("Content-Range"), Some(&*expected));
    }
}

#[test]
fn random_ranges() {
    let service = Service::open();
    let body = noise(4, 400_000);
    service.store("/f", &body);
    let mut choice = Noise::new(5);
    let mut wire = service.connect();
    for _ in 0..200 {
        let (a, b) = (choice.below(body.len()), choice.below(body.len()));
        let (first, last) = (a.min(b), a.max(b));
        let call = get("/f").header("Range", format!("bytes={first}-{last}"));
        wire.write(&call.bytes()).expect("the connection is open");
        let answer = wire.answer("GET").expect("an answer");
        assert!(answer.body == body[first..=last], "{first}-{last}");
    }
}
