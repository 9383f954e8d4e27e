//! `/generic/batch/{project}/{repo}`: several files at once.

use serde_json::json;

use crate::folders::unzip;
use crate::noise::noise;
use crate::service::{START_MS, Service};
use crate::wire::{Answer, Call};

fn call(paths: &[&str]) -> Call {
    Call::new("POST", "/generic/batch/project/repo").body(json!({ "paths": paths }).to_string())
}

fn batch(service: &Service, paths: &[&str]) -> Answer {
    service.send(&call(paths))
}

fn names(service: &Service, paths: &[&str]) -> Vec<String> {
    let answer = batch(service, paths);
    assert_eq!(answer.status, 200, "{paths:?}: {answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/zip"));
    let entries = unzip(answer.body);
    entries.into_iter().map(|(name, ..)| name).collect()
}

fn filled() -> Service {
    let service = Service::open();
    service.store("/a/b/one.txt", "1");
    service.store("/a/b/two.txt", "2");
    service.store("/a/c/three.txt", "3");
    service.store("/top.txt", "t");
    service.store("/%E6%96%87/%F0%9F%93%A6.whl", noise(3, 300_000));
    service
}

#[test]
fn a_zip_by_get_with_a_body_and_by_post() {
    let service = filled();
    for method in ["GET", "POST"] {
        let body = r#"{"paths": ["/a/b/one.txt", "文/📦.whl"], "unknown": 1}"#;
        let call = Call::new(method, "/generic/batch/project/repo/").body(body);
        let answer = service.send(&call);
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        let name = format!("{START_MS}.zip");
        let disposition = format!("attachment;filename=\"{name}\";filename*=UTF-8''{name}");
        let theirs = answer.header("Content-Disposition");
        assert_eq!(theirs, Some(disposition.as_str()), "{method}");
        let expected = vec![
            ("repo/a/b/one.txt".to_owned(), b"1".to_vec(), true),
            ("repo/文/📦.whl".to_owned(), noise(3, 300_000), false),
        ];
        assert!(unzip(answer.body) == expected, "{method}");
    }
}

#[test]
fn names_keep_the_folder_in_common() {
    let service = filled();
    for (paths, expected) in [
        (vec!["/a/b"], vec!["b/one.txt", "b/two.txt"]),
        (
            vec!["/a/b/one.txt", "/a/b/two.txt"],
            vec!["b/one.txt", "b/two.txt"],
        ),
        (
            vec!["/a/b/one.txt", "/a/c"],
            vec!["a/b/one.txt", "a/c/three.txt"],
        ),
        (
            vec!["top.txt", "/a/c/three.txt"],
            vec!["repo/a/c/three.txt", "repo/top.txt"],
        ),
        (
            vec!["/a/b", "a//b/", "/a/x/../b/one.txt"],
            vec!["b/one.txt", "b/two.txt"],
        ),
        (
            vec!["/"],
            vec![
                "a/b/one.txt",
                "a/b/two.txt",
                "a/c/three.txt",
                "文/📦.whl",
                "top.txt",
            ],
        ),
    ] {
        assert_eq!(names(&service, &paths), expected, "{paths:?}");
    }
}

#[test]
fn exactly_one_file_is_that_file() {
    let service = filled();
    for paths in [
        vec!["/a/c/three.txt"],
        vec!["/a/c"],
        vec!["/a/c", "/a/c/three.txt"],
    ] {
        let answer = batch(&service, &paths);
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, &b"3"[..]),
            "{paths:?}"
        );
        let disposition = "attachment;filename=\"three.txt\";filename*=UTF-8''three.txt";
        let plain = service.send(&call(&paths).header("Range", "bytes=5-"));
        assert_eq!(plain.verdict(), (416, 250_120));
        let target = "/generic/batch/project/repo?download=true";
        let body = json!({ "paths": paths }).to_string();
        let named = service.send(&Call::new("POST", target).body(body));
        assert_eq!(named.header("Content-Disposition"), Some(disposition));
    }
    let large = call(&["/文/📦.whl"]).header("Range", "bytes=100000-100009");
    let part = service.send(&large);
    assert_eq!(part.status, 206);
    assert_eq!(
        part.header("Content-Range"),
        Some("bytes 100000-100009/300000")
    );
    assert!(part.body == noise(3, 300_000)[100_000..100_010]);
}

#[test]
fn empty_folders_are_kept() {
    let service = filled();
    service.store("/a/gone/sub/f", "x");
    let gone = Call::new("DELETE", "/generic/project/repo/a/gone/sub/f");
    assert_eq!(service.send(&gone).status, 200);
    assert_eq!(
        names(&service, &["/a/gone", "/a/c"]),
        ["a/c/three.txt", "a/gone/sub/"]
    );
    let answer = batch(&service, &["/a/gone"]);
    let disposition = answer
        .header("Content-Disposition")
        .expect("a name")
        .to_owned();
    assert!(disposition.contains("\"sub.zip\""), "{disposition}");
    assert_eq!(unzip(answer.body).len(), 1);
}

#[test]
fn all_that_is_missing_is_named_and_nothing_sent() {
    let service = filled();
    let answer = batch(&service, &["/a/b", "/no", "/a/nor/this", "/top.txt/below"]);
    assert_eq!(answer.verdict(), (404, 251_010));
    let message = answer.json()["message"]
        .as_str()
        .expect("a message")
        .to_owned();
    for path in ["/no", "/a/nor/this", "/top.txt/below"] {
        assert!(message.contains(path), "{path} in {message}");
    }
    assert!(!message.contains("/a/b,"), "{message}");
}

#[test]
fn bad_requests() {
    let service = filled();
    let send = |method: &str, body: &str| {
        let call = Call::new(method, "/generic/batch/project/repo").body(body);
        service.send(&call).verdict()
    };
    assert_eq!(send("POST", r#"{"paths": []}"#), (400, 250_104));
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"paths": "x"}"#,
        r#"{"paths": [1]}"#,
        "\u{0}",
    ] {
        assert_eq!(send("POST", body), (400, 250_106), "{body}");
        assert_eq!(send("GET", body), (400, 250_106), "{body}");
    }
    assert_eq!(send("POST", r#"{"paths": ["a\u0000b"]}"#), (400, 251_011));
    assert_eq!(send("PUT", "x"), (405, 250_112));
    let elsewhere = Call::new("POST", "/generic/batch/project/none").body(r#"{"paths":["/"]}"#);
    assert_eq!(service.send(&elsewhere).verdict(), (404, 251_006));
    let long = format!(r#"{{"paths": ["{}"]}}"#, "x".repeat(9 << 20));
    assert_eq!(send("POST", &long), (413, 250_106));
    let closed = Service::with(|_| {});
    assert_eq!(closed.send(&call(&["/"])).verdict(), (401, 250_114));
}
