//! `GET` and `HEAD`: headers and bytes.

use crate::service::{DIGITS, DIGITS_CRC64, DIGITS_MD5, DIGITS_SHA256, Service, call, get, put};
use crate::wire::{Answer, Call};

#[test]
fn the_headers_of_the_seed_in_title_case() {
    let service = Service::open();
    service.store("/dir/test.json", DIGITS);
    let answer = service.get("/dir/test.json");
    let tag = format!("\"{DIGITS_SHA256}\"");
    for (name, value) in [
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", "no-cache"),
        ("Connection", "keep-alive"),
        ("Content-Length", "9"),
        ("Content-Type", "application/json"),
        ("Etag", &*tag),
        ("Last-Modified", "Mon, 27 Jul 2020 16:02:31 GMT"),
        ("X-Checksum-Sha256", DIGITS_SHA256),
        ("X-Checksum-Md5", DIGITS_MD5),
        ("X-Checksum-Crc64ecma", DIGITS_CRC64),
        ("X-Content-Type-Options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}: {answer:?}");
    }
    let date = answer.header("Date").expect("a date");
    assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    let policy = answer.header("Content-Security-Policy");
    assert!(policy.is_some_and(|policy| policy.starts_with("sandbox")));
    let rid = answer.header("X-Bkrepo-Rid").expect("a trace");
    assert!(rid.len() == 32 && rid.bytes().all(|b| b.is_ascii_hexdigit()));
    for absent in ["Content-Range", "Content-Disposition", "Transfer-Encoding"] {
        assert_eq!(answer.header(absent), None, "{absent}");
    }
    assert_eq!(answer.body, DIGITS);
}

#[test]
fn every_header_name_is_in_title_case() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let answers = [
        service.get("/f"),
        service.get("/missing"),
        service.put("/f", "x"),
        service.send(&get("/f").header("Range", "bytes=1-2")),
        service.send(&get("/f").header("Range", "bytes=99-")),
        service.send(&get("/f").header("If-None-Match", "*")),
        service.send(&call("HEAD", "/f")),
        service.send(&call("DELETE", "/f")),
        service.send(&Call::new("GET", "/healthz")),
    ];
    for (name, _) in answers.iter().flat_map(|answer| &answer.headers) {
        let title = |word: &str| {
            let mut chars = word.chars();
            let first = chars.next();
            first.is_some_and(|c| !c.is_ascii_lowercase()) && chars.all(|c| !c.is_ascii_uppercase())
        };
        assert!(name.split('-').all(title), "{name}");
    }
}

/// What must be the same for GET and HEAD.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !["Date", "X-Bkrepo-Rid"].contains(&name.as_str()));
    headers.sort();
    (answer.status, headers)
}

#[test]
fn head_is_get_without_a_body() {
    let service = Service::open();
    service.store("/dir/f.txt", DIGITS);
    service.store("/empty", "");
    let cases: [(&str, &[(&str, &str)]); 13] = [
        ("/dir/f.txt", &[]),
        ("/dir/f.txt?download=true", &[]),
        ("/empty", &[]),
        ("/dir/f.txt", &[("Range", "bytes=2-4")]),
        ("/dir/f.txt", &[("Range", "bytes=99-")]),
        ("/empty", &[("Range", "bytes=0-")]),
        ("/dir/f.txt", &[("If-None-Match", "*")]),
        ("/dir/f.txt", &[("If-Match", "\"x\"")]),
        ("/dir/f.txt", &[("Connection", "close")]),
        ("/missing", &[]),
        ("/missing", &[("Range", "bytes=0-")]),
        ("/a%00b", &[]),
        ("/dir/f.txt/below", &[]),
    ];
    for (path, headers) in cases {
        let with = |method| {
            let call = call(method, path);
            headers.iter().fold(call, |call, (n, v)| call.header(n, v))
        };
        let (get, head) = (service.send(&with("GET")), service.send(&with("HEAD")));
        assert_eq!(comparable(&get), comparable(&head), "{path} {headers:?}");
    }
}

#[test]
fn nothing_follows_the_headers_of_a_head() {
    let service = Service::open();
    service.store("/f", DIGITS);
    for (method, path, headers) in [
        ("HEAD", "/f", &[][..]),
        ("HEAD", "/missing", &[]),
        ("HEAD", "/f", &[("Range", "bytes=99-")]),
        ("GET", "/f", &[("If-None-Match", "*")]),
    ] {
        let mut wire = service.connect();
        let call = call(method, path).header("Connection", "close");
        let call = headers.iter().fold(call, |call, (n, v)| call.header(n, v));
        wire.write(&call.head()).expect("the server reads");
        let bytes = wire.rest().expect("the server closes");
        assert!(bytes.ends_with(b"\r\n\r\n"), "{method} {path}");
    }
}

#[test]
fn content_disposition_only_when_downloading() {
    let service = Service::open();
    service.store("/%E6%96%87 a\"b.txt".replace(' ', "%20").as_str(), "x");
    let expected = "attachment;filename=\"%E6%96%87%20a%22b.txt\";\
                    filename*=UTF-8''%E6%96%87%20a%22b.txt";
    for (query, disposition) in [
        ("?download=true", Some(expected)),
        ("?download=True", Some(expected)),
        ("?x=1&download=TRUE&preview=true", Some(expected)),
        ("?download=false", None),
        ("?download=1", None),
        ("?download", None),
        ("?preview=true", None),
        ("?", None),
        ("", None),
    ] {
        for method in ["GET", "HEAD"] {
            let call = call(method, &format!("/%E6%96%87%20a%22b.txt{query}"));
            let answer = service.send(&call);
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("Content-Disposition"), disposition, "{query}");
        }
    }
}

#[test]
fn types_go_by_name() {
    let service = Service::open();
    for (name, expected) in [
        ("a.txt", "text/plain;charset=UTF-8"),
        ("a.html", "text/html;charset=UTF-8"),
        ("a.json", "application/json"),
        ("a.tar.gz", "application/gzip"),
        ("a.zip", "application/zip"),
        ("a.jar", "application/java-archive"),
        ("a.rpm", "application/x-rpm"),
        ("a.yaml", "application/x-yaml"),
        ("a.png", "image/png"),
        ("a.unknown-type", "application/octet-stream"),
        ("README", "application/octet-stream"),
    ] {
        let path = format!("/{name}");
        // What the uploader said of the type does not matter.
        let call = put(&path)
            .header("Content-Type", "text/x-other")
            .body("<p>");
        assert_eq!(service.send(&call).status, 200);
        let answer = service.get(&path);
        assert_eq!(answer.header("Content-Type"), Some(expected), "{name}");
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    }
}

#[test]
fn missing_files_and_folders() {
    let service = Service::open();
    service.store("/dir/f", "x");
    for path in ["/missing", "/dir/missing", "/dir/f/below", "/missing/f"] {
        let answer = service.get(path);
        assert_eq!(answer.verdict(), (404, 251_010), "{path}");
        let message = format!("Node [{path}] not found");
        assert_eq!(answer.json()["message"], message);
        assert_eq!(
            answer.json()["traceId"].as_str(),
            answer.header("X-Bkrepo-Rid")
        );
    }
    let elsewhere = service.send(&Call::new("GET", "/generic/no/such/f"));
    assert_eq!(elsewhere.verdict(), (404, 251_006));
}
