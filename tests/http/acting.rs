//! Files never act: not in a browser, and not on the disk of who unpacks them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::folders::unzip;
use crate::multipart::Form;
use crate::rpms::rpm;
use crate::service::{Service, call, get, put};
use crate::wire::{Answer, Call};

/// What a browser would run, if it were let.
const SCRIPT: &str =
    "<html><svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";

/// Asserts that a browser does not act on an answer (Fetch, `nosniff`; CSP 3, `sandbox`): its type is
/// as told, it has an origin of its own, and it loads and runs nothing.
#[track_caller]
pub fn assert_inert(answer: &Answer, what: &str) {
    let sniffing = answer.header("X-Content-Type-Options");
    assert_eq!(sniffing, Some("nosniff"), "{what}: {answer:?}");
    let policy = answer.header("Content-Security-Policy");
    let policy = policy.unwrap_or_else(|| panic!("{what}: no policy: {answer:?}"));
    let mut directives = policy.split(';').map(str::trim);
    let words = |directive: &str| directive.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let sandbox = directives
        .clone()
        .map(words)
        .find(|words| words[0] == "sandbox");
    let sandbox = sandbox.unwrap_or_else(|| panic!("{what}: {policy}"));
    for escape in [
        "allow-scripts",
        "allow-same-origin",
        "allow-forms",
        "allow-popups",
    ] {
        assert!(!sandbox.contains(&escape.to_owned()), "{what}: {policy}");
    }
    assert!(
        directives.any(|directive| directive == "default-src 'none'"),
        "{what}: {policy}"
    );
}

fn post(target: &str, body: &Value) -> Call {
    Call::new("POST", target).body(body.to_string())
}

fn data(service: &Service, call: &Call) -> Value {
    let answer = service.send(call);
    assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
    answer.json()["data"].clone()
}

/// Every way to the bytes of a file.
fn ways(service: &Service, path: &str) -> Vec<Call> {
    let wish = json!({
        "projectId": "project", "repoName": "repo", "fullPathSet": [path], "type": "DOWNLOAD",
    });
    let made = data(service, &post("/generic/temporary/url/create", &wish));
    let link = made[0]["url"].as_str().expect("a link").to_owned();
    let target = format!("/repository/api/share/project/repo{path}");
    let shared = data(service, &post(&target, &json!({})));
    let share = shared["shareUrl"].as_str().expect("a link").to_owned();
    let etag = service.get(path).header("Etag").expect("a tag").to_owned();
    let local = |url: &str| Call::new("GET", url.strip_prefix("http://test").expect("ours"));
    vec![
        get(path),
        call("HEAD", path),
        get(&format!("{path}?download=true")),
        get(&format!("{path}?preview=true")),
        get(path).header("Accept", "text/html"),
        get(path).header("Range", "bytes=0-3"),
        get(path).header("Range", "bytes=9999-"),
        get(path).header("If-None-Match", etag),
        local(&link),
        local(&share),
        post("/generic/batch/project/repo", &json!({"paths": [path]})),
    ]
}

#[test]
fn what_is_uploaded_cannot_run_on_the_origin() {
    let service = Service::open();
    for name in [
        "x.html", "x.HTM", "x.xhtml", "x.svg", "x.js", "x.mjs", "x.xml", "x.xsl", "x.pdf", "x.css",
        "x.json", "x.mht", "x.swf", "x.png", "x.txt", "x", "html",
    ] {
        let path = format!("/d/{name}");
        let upload = put(&path).header("Content-Type", "text/html");
        assert_eq!(service.send(&upload.body(SCRIPT)).status, 200);
        for way in ways(&service, &path) {
            assert_inert(&service.send(&way), &format!("{way:?}"));
        }
    }
    let zip = post(
        "/generic/batch/project/repo",
        &json!({"paths": ["/d/x", "/d/x.js"]}),
    );
    for whole in [get("/d"), get("/"), get("/d?download=true"), zip] {
        assert_inert(&service.send(&whole), &format!("{whole:?}"));
    }
}

#[test]
fn neither_can_packages() {
    let service = Service::open();
    let form = Form::of("x.rpm", rpm("name", "1", "1.el7", "noarch"));
    assert_eq!(
        service.send(&form.post("/api/v2/software-packages")).status,
        200
    );
    let file = "/api/v2/files/sys-package/name-1-1.el7.noarch.rpm";
    for call in [
        Call::new("GET", file),
        Call::new("HEAD", file),
        Call::new("GET", file).header("Range", "bytes=0-3"),
        Call::new("GET", "/api/v2/software-packages"),
        Call::new("GET", "/api/v2/files/sys-package/%3Cscript%3E.rpm"),
    ] {
        assert_inert(&service.send(&call), &format!("{call:?}"));
    }
}

#[test]
fn answers_that_quote_a_request_are_no_pages() {
    let service = Service::open();
    for call in [
        get("/%3Cscript%3Ealert(1)%3C/script%3E.html"),
        Call::new("GET", "/%3Cscript%3E"),
        Call::new("BREW", "/generic/p/r/f"),
        Call::new("GET", "/generic/%3Cscript%3E/r/f"),
        post("/repository/api/node/search", &json!({"<script>": 1})),
        Call::new("GET", "/healthz"),
        Call::new("GET", "/metrics"),
        Call::new("GET", "/api/status"),
    ] {
        let answer = service.send(&call);
        assert_inert(&answer, &format!("{call:?}"));
        let kind = answer.header("Content-Type").unwrap_or_default();
        assert!(
            !kind.contains("html") && !kind.contains("xml"),
            "{call:?}: {kind}"
        );
    }
}

#[test]
fn an_index_shows_markup_as_text() {
    let service = Service::open();
    let names = [
        "<script>alert(1)<%2Fscript>",
        "\"onmouseover=\"alert(1)",
        "'onclick='alert(1)",
        "javascript:alert(1)",
        "&lt;b&gt;",
        "</a><img src=x onerror=alert(1)>",
        "<!--",
        "a\u{202e}gpj.exe",
        "line\nbreak",
    ];
    for name in names {
        let encoded = escaped(name);
        service.store(
            &format!("/d/{}", encoded.replace("%25%32%46", "%E2%88%95")),
            "x",
        );
    }
    let answer = service.get("/d");
    let html = String::from_utf8(answer.body).expect("UTF-8");
    for markup in [
        "<script",
        "<img",
        "<!--",
        "onerror=alert(1)>",
        "\"onmouse",
        "'onclick",
    ] {
        assert!(!html.contains(markup), "{markup} in {html}");
    }
    // Every link is a path of this server.
    for link in html.split("href=\"").skip(1) {
        assert!(link.starts_with("/generic/project/repo/"), "{link}");
    }
    assert_eq!(
        html.matches("<tr><td><a href=").count(),
        1 + names.len(),
        "{html}"
    );
}

/// Where an entry is unpacked to, as the careless on Windows and elsewhere do it; `None` when that is
/// not below the target.
fn unpacked(name: &str) -> Option<Vec<String>> {
    let mut place = Vec::new();
    for segment in name.split(['/', '\\']) {
        let bare = segment.trim_end_matches(['.', ' ']);
        match segment {
            _ if segment.contains('\0') => return None,
            drive if drive.as_bytes().get(1) == Some(&b':') => return None,
            ".." => return None,
            "" | "." => {}
            _ if bare.is_empty() => return None,
            name => place.push(name.to_owned()),
        }
    }
    let absolute = name.starts_with(['/', '\\']) || place.is_empty();
    (!absolute).then_some(place)
}

/// Names that would leave the folder that an archive is unpacked into.
const LEAVING: [&str; 22] = [
    "../x",
    "../../../../x",
    "a/../../x",
    "..\\x",
    "..\\..\\x",
    "\\x",
    "\\\\host\\share\\x",
    "//x",
    "C:\\x",
    "C:/x",
    "C:x",
    "C:",
    "c:/../x",
    "a/D:/x",
    "...",
    "a/..../x",
    "a/.. ./x",
    ".. /x",
    " ../x",
    "\u{a0}../x",
    "a/./../..//x",
    "C_/x",
];

/// Every byte escaped.
fn escaped(text: &str) -> String {
    let hex = text.bytes().map(|byte| hex::encode_upper([byte]));
    hex.flat_map(|digits| ["%".to_owned(), digits]).collect()
}

/// Gives a file a path in each way that a client has to do so.
fn store_everywhere(service: &Service, path: &str) {
    let encoded = escaped(path);
    for folder in ["put", "raw"] {
        let target = format!("/generic/project/repo/zip/{folder}/{encoded}");
        let answer = service.send(
            &Call::new("PUT", target)
                .header("X-BKREPO-OVERWRITE", "true")
                .body("x"),
        );
        assert!([200, 400].contains(&answer.status), "{path}: {answer:?}");
    }
    let names = |to: &str| {
        json!({
            "srcProjectId": "project", "srcRepoName": "repo", "srcFullPath": "/f",
            "destFullPath": format!("{to}/{path}"), "overwrite": true,
        })
    };
    for way in ["copy", "move"] {
        service.send(&put("/f").header("X-BKREPO-OVERWRITE", "true").body("x"));
        let target = format!("/repository/api/node/{way}");
        let answer = service.send(&post(&target, &names(&format!("/zip/{way}"))));
        assert!([200, 400].contains(&answer.status), "{path}: {answer:?}");
    }
    let target = format!("/repository/api/node/mkdir/project/repo/zip/mkdir/{encoded}");
    let answer = service.send(&Call::new("POST", target));
    assert!([200, 400].contains(&answer.status), "{path}: {answer:?}");
}

#[test]
fn what_is_in_a_zip_stays_in_its_folder() {
    let service = Service::open();
    for path in LEAVING {
        store_everywhere(&service, path);
    }
    let batch = json!({"paths": ["/zip/put", "../zip/copy", "..\\zip\\mkdir"]});
    for call in [
        get("/zip?download=true"),
        get("/zip/put?download=true"),
        get("/zip/put/C:?download=true"),
        get("/?download=true"),
        post("/generic/batch/project/repo", &batch),
    ] {
        let answer = service.send(&call);
        assert_eq!(answer.status, 200, "{call:?}: {answer:?}");
        let entries = unzip(answer.body);
        let mut places = BTreeSet::new();
        for (name, ..) in &entries {
            let place = unpacked(name);
            assert!(place.is_some(), "{name:?} leaves the target: {call:?}");
            assert!(places.insert(place), "{name:?} twice: {call:?}");
        }
        assert!(!entries.is_empty(), "{call:?}");
    }
}

/// A path may be longer than a name in a zip can be: the request names it in its body.
#[test]
fn a_path_that_no_zip_can_hold_is_there_under_a_short_name() {
    let service = Service::open();
    service.store("/f", "content");
    service.store("/d/g", "other");
    let long = vec!["文".repeat(1000); 30].join("/");
    let body = json!({
        "srcProjectId": "project", "srcRepoName": "repo", "srcFullPath": "/f",
        "destFullPath": format!("/d/{long}/last.txt"),
    });
    data(&service, &post("/repository/api/node/move", &body));
    let answer = service.get("/d?download=true");
    let entries = unzip(answer.body);
    assert_eq!(entries.len(), 2);
    for (name, bytes, _) in entries {
        let is_long = bytes == b"content";
        assert_eq!(
            is_long,
            name.starts_with("_long/") && name.ends_with("/last.txt"),
            "{name}"
        );
    }
}
