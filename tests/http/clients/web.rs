//! bk-repo's own web pages, and those of bk-ci: below `/web`, whole paths as one segment.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Site, column, json, target};
use crate::service::DIGITS;
use crate::wire::{Answer, Call};

/// What `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A route of this path, leading slash and all escaped.
fn at(route: &str, path: &str) -> String {
    format!(
        "/web/{route}/ui/files/{}",
        utf8_percent_encode(path, COMPONENT)
    )
}

fn upload(site: &Site, path: &str, overwrite: &str, body: &[u8]) -> Answer {
    let call = Call::new("PUT", at("generic", path))
        .header("Content-Type", "application/octet-stream")
        .header("X-BKREPO-OVERWRITE", overwrite)
        .header("X-BKREPO-EXPIRES", "0")
        .header("X-CSRFToken", "undefined")
        .header("Accept-Language", "zh-CN")
        .header("X-BKREPO-PROJECT-ID", "ui");
    site.send(call.body(body))
}

fn search(site: &Site, rules: &Value, more: &Value) -> Value {
    let mut query = json!({
        "page": {"pageNumber": 1, "pageSize": 10_000},
        "sort": {"properties": ["name"], "direction": "ASC"},
        "rule": {
            "rules": [
                {"field": "projectId", "value": "ui", "operation": "EQ"},
                {"field": "repoName", "value": "files", "operation": "EQ"},
            ],
            "relation": "AND",
        },
    });
    let all = query["rule"]["rules"].as_array_mut().expect("a list");
    all.extend(rules.as_array().expect("a list").iter().cloned());
    for (key, value) in more.as_object().expect("an object") {
        query[key] = value.clone();
    }
    site.data(json("POST", "/web/repository/api/node/search", &query))
}

fn browsing(site: &Site) {
    let below = json!([
        {"field": "path", "value": "/", "operation": "EQ"},
        {"field": "folder", "value": true, "operation": "EQ"},
    ]);
    let select = json!({"select": ["name", "fullPath", "metadata"]});
    let folders = search(site, &below, &select);
    assert_eq!(column(&folders, "fullPath"), ["/made", "/目录 1"]);
    let named = json!([
        {"field": "path", "value": "/目录 1/", "operation": "PREFIX"},
        {"field": "name", "value": "*a*", "operation": "MATCH"},
    ]);
    let page = json!({"page": {"pageNumber": 1, "pageSize": 1}});
    let first = search(site, &named, &page);
    assert_eq!(column(&first, "name"), ["a.txt"]);
    assert_eq!(first["totalRecords"], 2);
    let second = json!({"page": {"pageNumber": 2, "pageSize": 1}});
    assert_eq!(column(&search(site, &named, &second), "name"), ["bar"]);
    let files = json!([
        {"field": "fullPath", "value": "/目录 1", "operation": "PREFIX"},
        {"field": "folder", "value": false, "operation": "EQ"},
    ]);
    assert_eq!(search(site, &files, &page)["totalRecords"], 3);
    let detail = site.data(Call::new(
        "GET",
        at("repository/api/node/detail", "/目录 1/a.txt"),
    ));
    assert_eq!(detail["fullPath"], "/目录 1/a.txt");
    let preview = format!("/web/generic/ui/files/{}?preview=true", "目录%201/a.txt");
    let preview = Call::new("GET", preview).header("range", "bytes=0-52428800");
    let preview = site.send(preview);
    assert_eq!((preview.status, &preview.body[..]), (206, DIGITS));
    assert_eq!(preview.header("Content-Range"), Some("bytes 0-8/9"));
    assert_eq!(preview.header("Content-Disposition"), None);
}

fn changing(site: &Site) {
    let new = utf8_percent_encode("/made/名 &+1", COMPONENT);
    let rename = at("repository/api/node/rename", "/made/in the ui");
    let rename = Call::new("POST", format!("{rename}?newFullPath={new}"));
    site.data(rename.header("Content-Length", "0"));
    let body = |from: &str, to: &str| {
        json!({
            "srcProjectId": "ui",
            "srcRepoName": "files",
            "srcFullPath": from,
            "destProjectId": "ui",
            "destRepoName": "files",
            "destFullPath": to,
            "overwrite": false,
        })
    };
    // Into a folder that is there.
    let moving = body("/目录 1/a.txt", "/made/名 &+1");
    site.data(json("POST", "/web/repository/api/node/move", &moving));
    let moved = at("generic", "/made/名 &+1/a.txt");
    site.assert_file(&moved, DIGITS);
    let copying = body("/made/名 &+1", "/copied");
    site.data(json("POST", "/web/repository/api/node/copy", &copying));
    site.assert_file(&at("generic", "/copied/a.txt"), DIGITS);
    site.assert_file(&moved, DIGITS);

    let metadata = || at("repository/api/metadata", "/copied/a.txt");
    let body = json!({"nodeMetadata": [
        {"key": "k", "value": "v", "description": "d"},
        {"key": "gone", "value": "soon"},
    ]});
    site.data(json("POST", &metadata(), &body));
    site.data(json("DELETE", &metadata(), &json!({"keyList": ["gone"]})));
    assert_eq!(site.data(Call::new("GET", metadata())), json!({"k": "v"}));
    let size = site.data(Call::new("GET", at("repository/api/node/size", "/目录 1")));
    assert_eq!(size["size"], 6);
}

#[test]
fn web_pages() {
    let site = Site::open();
    for (path, body) in [
        ("/目录 1/a.txt", DIGITS),
        ("/目录 1/b", b"b"),
        ("/目录 1/sub/bar", b"12345"),
        ("/top#?%25.txt", b"top"),
    ] {
        assert_eq!(upload(&site, path, "false", body).status, 200, "{path}");
        site.assert_file(&at("generic", path), body);
    }
    let refused = upload(&site, "/目录 1/a.txt", "false", b"x");
    assert_eq!(refused.verdict(), (400, 251_012));
    // It is shown to whoever sits there.
    assert_eq!(refused.json()["message"], "Node [/目录 1/a.txt] existed");
    assert_eq!(upload(&site, "/目录 1/a.txt", "true", DIGITS).status, 200);
    let mkdir = Call::new("POST", at("repository/api/node/mkdir", "/made/in the ui"));
    site.data(mkdir.header("Content-Length", "0"));
    browsing(&site);
    changing(&site);

    let share = json!({
        "projectId": "ui",
        "repoName": "files",
        "fullPathSet": ["/top#?%25.txt"],
        "type": "DOWNLOAD",
        "host": "http://test/web/generic",
        "needsNotify": false,
        "expireSeconds": 86_400,
    });
    let list = site.data(json("POST", "/web/generic/temporary/url/create", &share));
    let shared = site.stranger(&Call::new("GET", target(&list[0]["url"])));
    assert_eq!((shared.status, &shared.body[..]), (200, &b"top"[..]));

    let delete = Call::new("DELETE", at("repository/api/node/delete", "/made"));
    site.data(delete);
    site.assert_none(&at("generic", "/made/名 &+1/a.txt"));
    let many = json!(["/目录 1", "/copied/a.txt"]);
    site.data(json(
        "DELETE",
        "/web/repository/api/node/batch/ui/files",
        &many,
    ));
    for path in ["/目录 1/b", "/目录 1/sub/bar", "/copied/a.txt"] {
        site.assert_none(&at("generic", path));
    }
    site.assert_file(&at("generic", "/top#?%25.txt"), b"top");
}

#[test]
fn bk_ci_web_pages() {
    let site = Site::open();
    let target = at("generic", "/up/loaded file.bin");
    let head = || site.send(Call::new("HEAD", &target)).status;
    assert_eq!(head(), 404);
    let put = |overwrite| {
        let call = Call::new("PUT", &target).header("X-BKREPO-OVERWRITE", overwrite);
        site.send(call.header("X-BKREPO-EXPIRES", "0").body(DIGITS))
    };
    assert_eq!(put("false").verdict(), (200, 0));
    assert_eq!(head(), 200);
    assert_eq!(put("false").verdict(), (400, 251_012));
    assert_eq!(put("true").verdict(), (200, 0));
}
