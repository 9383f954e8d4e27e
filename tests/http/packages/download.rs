//! Files of packages: bytes, ranges, conditions, headers.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::answers::{assert_done, assert_refused, refusal};
use super::{FILES, add, assert_file, delete, download, id, md5, sha1, text};
use crate::noise::noise;
use crate::rpms::{Raw, rpm, rpm_with};
use crate::service::{Service, sha256};
use crate::wire::{Answer, Call};

const NAME: &str = "name-1-1.el7.noarch.rpm";
/// The service's clock when it begins.
const MODIFIED: &str = "Mon, 27 Jul 2020 16:02:31 GMT";

struct Site {
    service: Service,
    bytes: Vec<u8>,
}

impl Site {
    fn open() -> Self {
        let service = Service::open();
        let bytes = rpm_with("name", "1", "1.el7", "noarch", &noise(1, 100_000));
        add(&service, "x.rpm", &bytes);
        Self { service, bytes }
    }

    fn ask(&self, method: &str, headers: &[(&str, &str)]) -> Answer {
        let call = Call::new(method, format!("{FILES}/{NAME}"));
        let call = headers.iter().fold(call, |call, (n, v)| call.header(n, v));
        self.service.send(&call)
    }

    fn get(&self, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", headers)
    }

    fn tag(&self) -> String {
        format!("\"{}\"", sha256(&self.bytes))
    }
}

#[test]
fn headers_are_those_of_generic_downloads() {
    let site = Site::open();
    site.service.store(&format!("/{NAME}"), &site.bytes);
    let generic = site.service.get(&format!("/{NAME}"));
    let (got, head) = (site.get(&[]), site.ask("HEAD", &[]));
    assert_eq!((got.status, head.status), (200, 200));
    assert!(got.body == site.bytes, "other bytes");
    assert_eq!(head.body, b"");
    let len = site.bytes.len().to_string();
    for (name, value) in [
        ("Etag", &*site.tag()),
        ("X-Checksum-Sha256", &sha256(&site.bytes)),
        ("X-Checksum-Md5", &md5(&site.bytes)),
        ("Content-Length", &len),
        ("Accept-Ranges", "bytes"),
        ("Last-Modified", MODIFIED),
        ("Content-Type", "application/x-rpm"),
        ("X-Content-Type-Options", "nosniff"),
    ] {
        for answer in [&got, &head, &generic] {
            assert_eq!(answer.header(name), Some(value), "{name}: {answer:?}");
        }
    }
    let crc64 = generic.header("X-Checksum-Crc64ecma");
    assert_eq!(got.header("X-Checksum-Crc64ecma"), crc64);
}

#[test]
fn ranges() {
    let site = Site::open();
    let len = site.bytes.len();
    for (header, first, last) in [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=0-95".to_owned(), 0, 95),
        ("bytes=50000-60000".to_owned(), 50_000, 60_000),
        ("bytes=90000-".to_owned(), 90_000, len - 1),
        ("bytes=-100".to_owned(), len - 100, len - 1),
        (format!("bytes=-{}", len + 1), 0, len - 1),
        (format!("bytes=10-{}", len * 2), 10, len - 1),
    ] {
        let answer = site.get(&[("Range", &header)]);
        assert_eq!(answer.status, 206, "{header}");
        assert!(answer.body == site.bytes[first..=last], "{header}");
        let told = format!("bytes {first}-{last}/{len}");
        assert_eq!(answer.header("Content-Range"), Some(&*told));
        let head = site.ask("HEAD", &[("Range", &header)]);
        assert_eq!(head.status, 206, "HEAD {header}");
        assert_eq!(head.header("Content-Range"), Some(&*told));
    }
}

#[test]
fn ranges_that_are_not_there_are_refused_in_the_envelope() {
    let site = Site::open();
    let told = format!("bytes */{}", site.bytes.len());
    for header in [
        "bytes=10000000-",
        "bytes=-0",
        "bytes=5-4",
        "bytes=0-1,3-4",
        "bytes=x",
    ] {
        let answer = site.get(&[("Range", header)]);
        assert_eq!(refusal(&answer).0, 416, "{header}");
        assert_eq!(answer.header("Content-Range"), Some(&*told), "{header}");
    }
    let other = site.get(&[("Range", "lines=1-2")]);
    assert_eq!(other.status, 200);
    assert!(other.body == site.bytes, "other bytes");
}

#[test]
fn conditions() {
    let site = Site::open();
    let tag = site.tag();
    for (headers, status) in [
        (&[("If-None-Match", &*tag)][..], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"x\"")], 200),
        (&[("If-Modified-Since", MODIFIED)], 304),
        (&[("If-Match", &tag)], 200),
        (&[("If-Range", &tag), ("Range", "bytes=0-3")], 206),
        (&[("If-Range", "\"x\""), ("Range", "bytes=0-3")], 200),
        (&[("If-Range", MODIFIED), ("Range", "bytes=0-3")], 206),
    ] {
        let answer = site.get(headers);
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(site.ask("HEAD", headers).status, status, "{headers:?}");
        let body = match status {
            304 => &b""[..],
            206 => &site.bytes[..4],
            _ => &site.bytes,
        };
        assert!(answer.body == body, "{headers:?}");
        assert_eq!(answer.header("Etag"), Some(&*tag), "{headers:?}");
    }
    let answer = site.get(&[("If-Match", "\"x\"")]);
    assert_eq!(refusal(&answer).0, 412);
}

#[test]
fn a_head_of_what_is_not_there() {
    let site = Site::open();
    let head = Call::new("HEAD", format!("{FILES}/none.rpm"));
    let answer = site.service.send(&head);
    assert_eq!((answer.status, answer.body.len()), (404, 0));
    let get = Call::new("GET", format!("{FILES}/none.rpm"));
    assert_refused(&site.service.send(&get), 404, "PKG10000");
}

/// Names are encoded in links, and understood however they are encoded.
#[test]
fn names_with_unusual_characters() {
    let service = Service::open();
    let bytes = Raw::new("libstdc++", "1~rc1^git.2", "3+4.el7", "x86_64").bytes(b"x");
    let package = add(&service, "x.rpm", &bytes);
    let name = "libstdc++-1~rc1^git.2-3+4.el7.x86_64.rpm";
    assert_eq!(text(&package, "fileName"), name);
    assert_file(&service, &package, &bytes);
    for spelling in [
        name.to_owned(),
        name.replace('+', "%2B"),
        name.replace('+', "%2b").replace('~', "%7E"),
        name.replace('^', "%5E").replace('-', "%2D"),
    ] {
        let answer = service.send(&Call::new("GET", format!("{FILES}/{spelling}")));
        assert_eq!(answer.status, 200, "{spelling}");
        assert!(answer.body == bytes, "{spelling}");
    }
}

#[test]
fn a_large_file_is_the_same_afterwards() {
    let service = Service::open();
    let bytes = rpm_with("name", "1", "1", "noarch", &noise(2, 20_000_000));
    let package = add(&service, "x.rpm", &bytes);
    assert_eq!(text(&package, "sha1"), sha1(&bytes));
    assert_file(&service, &package, &bytes);
    let (first, last) = (9_999_999, 15_000_000);
    let header = format!("bytes={first}-{last}");
    let answer = service.send(&download(&package).header("Range", header));
    assert_eq!(answer.status, 206);
    assert!(answer.body == bytes[first..=last], "other bytes");
}

#[test]
fn a_download_that_has_begun_ends_with_its_own_bytes() {
    let service = Service::open();
    let bytes = rpm_with("name", "1", "1", "noarch", &noise(3, 20_000_000));
    let package = add(&service, "x.rpm", &bytes);
    let mut stream = TcpStream::connect(service.address).expect("the server listens");
    let call = download(&package).header("Connection", "close");
    stream.write_all(&call.bytes()).expect("the server reads");
    // It has begun, and most of it is still to be sent.
    stream.peek(&mut [0]).expect("an answer");
    assert_done(&delete(&service, id(&package)));
    let next = add(&service, "x.rpm", &rpm("name", "1", "1", "noarch"));
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).expect("the server closes");
    assert!(heard.starts_with(b"HTTP/1.1 200 "));
    assert!(heard.ends_with(&bytes), "other bytes");
    assert_file(&service, &next, &rpm("name", "1", "1", "noarch"));
}
