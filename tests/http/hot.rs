//! Who asks for the same again hears the same, and no more once it is not so any more.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::service::{Service, call, get};
use crate::wire::{Answer, Call};

/// What an answer says, but for what is its own: when it was given, and its trace, which a refusal has in
/// its body, too.
fn said(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let own = ["date", "x-bkrepo-rid"];
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()))
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .collect();
    headers.sort();
    let body = match answer.status {
        ..400 => answer.body.clone(),
        _ => Vec::new(),
    };
    (answer.status, headers, body)
}

#[test]
fn the_second_answer_is_the_first() {
    let service = Service::open();
    service.store("/f.txt", "0123456789");
    let etag = service.get("/f.txt").header("Etag").map(str::to_owned);
    let etag = etag.expect("an entity tag");
    let mut changes = 0;
    for headers in [
        vec![],
        vec![("Range", "bytes=2-4")],
        vec![("Range", "bytes=-3")],
        vec![("Range", "bytes=10-")],
        vec![("If-None-Match", etag.as_str())],
        vec![("If-None-Match", "\"other\"")],
        vec![("If-Match", "\"other\"")],
        vec![("If-Range", etag.as_str()), ("Range", "bytes=1-1")],
        vec![("If-Range", "\"other\""), ("Range", "bytes=1-1")],
        vec![("If-Modified-Since", "Mon, 27 Jul 2020 16:02:31 GMT")],
        vec![("Connection", "close")],
    ] {
        for method in ["GET", "HEAD"] {
            // A change, so that nothing is known of it.
            changes += 1;
            service.store(&format!("/{changes}"), "x");
            let ask = || {
                let asked = headers
                    .iter()
                    .fold(call(method, "/f.txt"), |asked, (name, value)| {
                        asked.header(name, value)
                    });
                said(&service.send(&asked))
            };
            let first = ask();
            assert_eq!(service.get("/f.txt").status, 200);
            assert_eq!(ask(), first, "{method} {headers:?}");
            assert_eq!(ask(), first, "{method} {headers:?}");
        }
    }
}

#[test]
fn what_was_changed_is_seen_at_once() {
    let service = Service::open();
    let twice = |path: &str, bytes: &[u8]| {
        for _ in 0..2 {
            service.assert_file(path, bytes);
        }
    };
    for round in 0..50_u32 {
        let bytes = round.to_string();
        let answer = service.send(
            &call("PUT", "/f")
                .header("X-BKREPO-OVERWRITE", "true")
                .body(&bytes),
        );
        assert_eq!(answer.verdict(), (200, 0));
        twice("/f", bytes.as_bytes());
    }
    assert_eq!(service.send(&call("DELETE", "/f")).verdict(), (200, 0));
    service.assert_none("/f");
    service.store("/folder/f", "in a folder");
    twice("/folder/f", b"in a folder");
    let moved = serde_json::json!({
        "projectId": "project", "repoName": "repo", "fullPath": "/folder", "newFullPath": "/other",
    });
    let rename = Call::new("POST", "/repository/api/node/rename").body(moved.to_string());
    assert_eq!(service.send(&rename).verdict(), (200, 0));
    service.assert_none("/folder/f");
    twice("/other/f", b"in a folder");
}

#[test]
fn what_expires_is_gone_when_it_does() {
    let service = Service::open();
    let answer = service.send(&call("PUT", "/f").header("X-BKREPO-EXPIRES", "1").body("x"));
    assert_eq!(answer.verdict(), (200, 0));
    for _ in 0..3 {
        service.assert_file("/f", b"x");
    }
    service.pass_ms(24 * 3600 * 1000);
    service.assert_none("/f");
}

#[test]
fn damage_is_answered_no_sooner() {
    let service = Service::open();
    service.store("/f", "0123456789");
    for _ in 0..3 {
        service.assert_file("/f", b"0123456789");
    }
    let pack = fs::read(service.pack()).expect("the pack");
    let at = memchr::memmem::find(&pack, b"0123456789").expect("the bytes");
    let file = fs::OpenOptions::new().write(true).open(service.pack());
    let file = file.expect("the pack");
    file.write_all_at(b"1", at as u64).expect("a flip");
    for _ in 0..3 {
        let answer = service.send(&get("/f"));
        assert_eq!(answer.status, 500, "{answer:?}");
    }
}
