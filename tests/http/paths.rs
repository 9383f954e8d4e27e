//! Paths, names, and what gateways put in front.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::service::{Service, get, put};
use crate::wire::Call;

/// Where an upload to this target ends up.
fn full_path(service: &Service, target: impl AsRef<[u8]>) -> String {
    let call = Call::new("PUT", target.as_ref()).header("X-BKREPO-OVERWRITE", "true");
    let answer = service.send(&call.body("x"));
    let target = String::from_utf8_lossy(target.as_ref()).into_owned();
    assert_eq!(answer.verdict(), (200, 0), "{target}: {answer:?}");
    let json = answer.json();
    json["data"]["fullPath"]
        .as_str()
        .expect("a path")
        .to_owned()
}

#[test]
fn paths_are_normalised() {
    let service = Service::open();
    for (path, expected) in [
        ("/a/b", "/a/b"),
        ("//a///b", "/a/b"),
        ("/a/b/", "/a/b"),
        ("/a/b//", "/a/b"),
        ("/./a/./b/.", "/a/b"),
        ("/a/x/../b", "/a/b"),
        ("/../../a/b", "/a/b"),
        ("/x/y/../../../../a/b", "/a/b"),
        ("/%2Fa%2fb", "/a/b"),
        ("%2Fa%2Fb", "/a/b"),
        ("/a%2F..%2Fa/b", "/a/b"),
        ("/%2e%2e/a/%2E/b", "/a/b"),
        ("/a%5Cb", "/a/b"),
        ("/%20a%20/b%09", "/a/b"),
        ("/a%252Fb", "/a%2Fb"),
        ("/a+b", "/a+b"),
        ("/a%2Bb", "/a+b"),
        ("/100%", "/100%"),
        ("/a%zz", "/a%zz"),
        ("/a%3Fb%23c", "/a?b#c"),
        ("/a;v=1,2:3@!$&'()*", "/a;v=1,2:3@!$&'()*"),
        ("/{a}|^\"b", "/{a}|^\"b"),
    ] {
        let found = full_path(&service, format!("/generic/project/repo{path}"));
        assert_eq!(found, expected, "{path}");
        assert_eq!(service.get(path).body, b"x", "{path}");
    }
}

#[test]
fn names_in_any_script_escaped_or_raw() {
    let service = Service::open();
    for name in [
        "文件.txt",
        "файл",
        "ملف",
        "ไฟล์",
        "📦",
        "e\u{301}",
        "a\u{200d}b",
    ] {
        let escaped = percent_encode(name.as_bytes(), NON_ALPHANUMERIC).to_string();
        let expected = format!("/{name}");
        let escaped = format!("/generic/project/repo/{escaped}");
        assert_eq!(full_path(&service, &escaped), expected);
        let raw = format!("/generic/project/repo/{name}");
        assert_eq!(full_path(&service, raw.as_bytes()), expected, "raw");
        let answer = service.send(&Call::new("GET", raw.as_bytes()));
        assert_eq!(
            (answer.status, &answer.body[..]),
            (200, &b"x"[..]),
            "{name}"
        );
    }
    // What Unicode holds to be equal are different files all the same.
    service.assert_none("/%C3%A9");
}

#[test]
fn too_deep_or_too_long_paths_are_refused() {
    let service = Service::open();
    let deep = |n: usize| "/d".repeat(n);
    let long = |n: usize| format!("/{}", "%C3%A9".repeat(n));
    for path in [deep(64), format!("/x/..{}", deep(63)) + "/e", long(1024)] {
        assert_eq!(service.put(&path, "x").verdict(), (200, 0), "{path}");
        service.assert_file(&path, b"x");
    }
    for path in [
        deep(65),
        long(1025),
        format!("/{}/f", "y".repeat(1025)),
        "/a%00b".to_owned(),
        "/%00".to_owned(),
        "/a%FFb".to_owned(),
        "/%C3".to_owned(),
        "/%ED%A0%80".to_owned(),
    ] {
        for call in [put(&path).body("x"), get(&path)] {
            assert_eq!(service.send(&call).verdict(), (400, 251_011), "{path}");
        }
    }
}

#[test]
fn a_target_over_64_kibibytes_is_too_long() {
    let service = Service::open();
    let query = format!("/f?{}", "q".repeat(60_000));
    assert_eq!(service.send(&put(&query).body("x")).verdict(), (200, 0));
    let call = get(&format!("/f?{}", "q".repeat(66_000)));
    assert_eq!(service.send(&call).status, 414);
}

#[test]
fn raw_bytes_that_are_not_utf_8_are_refused() {
    let service = Service::open();
    let call = Call::new("PUT", b"/generic/project/repo/a\xffb").body("x");
    assert_eq!(service.send(&call).status, 400);
    assert_eq!(service.store.stats().expect("stats").files, 0);
}

#[test]
fn names_of_projects_and_repositories() {
    let service = Service::open();
    let most = "n".repeat(100);
    for (project, repo) in [
        ("a", "b"),
        ("_a", "_"),
        ("0", "A.b-c_d"),
        (&most, &most),
        ("generic", "generic"),
        ("api", "web"),
        ("p", "batch"),
    ] {
        let target = format!("/generic/{project}/{repo}/f");
        assert_eq!(full_path(&service, &target), "/f", "{target}");
        assert_eq!(service.send(&Call::new("GET", &target)).body, b"x");
    }
    let over = "n".repeat(101);
    for (project, repo) in [
        ("-a", "r"),
        (".a", "r"),
        ("p", ".r"),
        ("p", "a+b"),
        ("a%20b", "r"),
        ("p", "%E6%96%87"),
        (&over, "r"),
        ("p", &over),
        ("..", "r"),
        ("p", ".."),
        ("p%00", "r"),
    ] {
        let target = format!("/generic/{project}/{repo}/f");
        for call in [
            Call::new("PUT", &target).body("x"),
            Call::new("GET", &target),
            Call::new("DELETE", &target),
        ] {
            assert_eq!(service.send(&call).verdict(), (400, 250_105), "{target}");
        }
    }
}

#[test]
fn reserved_projects_cannot_be_made() {
    let service = Service::open();
    for project in [
        "batch",
        "block",
        "separate",
        "temporary",
        "delta",
        "detail",
        "compressed",
        "allow",
        "publicKey",
    ] {
        let call = Call::new("PUT", format!("/generic/{project}/r/f")).body("x");
        let status = service.send(&call).status;
        assert!([400, 404, 405].contains(&status), "{project}: {status}");
    }
    assert_eq!(service.store.stats().expect("stats").files, 0);
}

#[test]
fn gateways_and_slashes() {
    let service = Service::open();
    service.store("/dir/f", "here");
    for target in [
        "/generic/project/repo/dir/f",
        "//generic/project/repo/dir/f",
        "///generic//project///repo//dir//f//",
        "/api/generic/project/repo/dir/f",
        "/web/generic/project/repo/dir/f/",
        "/web/generic/project/repo/%2Fdir%2Ff",
        "/bkrepo/api/service/generic/project/repo/dir/f",
        "/bkrepo/api/build/generic/project/repo/dir/f",
        "/bkrepo/api/user/generic/project/repo/dir/f/?download=false",
        "http://elsewhere.example/generic/project/repo/dir/f",
    ] {
        let answer = service.send(&Call::new("GET", target));
        assert_eq!(
            (answer.status, &answer.body[..]),
            (200, &b"here"[..]),
            "{target}"
        );
    }
}

#[test]
fn names_differ_by_case_and_share_nothing_between_repositories() {
    let service = Service::open();
    for (i, target) in ["/p/r/f", "/p/r/F", "/P/r/f", "/p/R/f"].iter().enumerate() {
        let call = Call::new("PUT", format!("/generic{target}")).body(i.to_string());
        assert_eq!(service.send(&call).verdict(), (200, 0), "{target}");
    }
    for (i, target) in ["/p/r/f", "/p/r/F", "/P/r/f", "/p/R/f"].iter().enumerate() {
        let answer = service.send(&Call::new("GET", format!("/generic{target}")));
        assert_eq!(answer.body, i.to_string().as_bytes(), "{target}");
    }
}
