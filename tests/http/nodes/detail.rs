//! Detail and size of single nodes.

use serde_json::{Value, json};

use super::{api, ask, data, fill, store_for_a_day, verdict};
use crate::service::{DIGITS, DIGITS_CRC64, DIGITS_MD5, DIGITS_SHA256, Service, put};
use crate::wire::Call;

#[test]
fn a_file_by_itself() {
    let service = Service::open();
    let upload = put("/dir/test.json").header("X-BKREPO-META-k", "v");
    let uploaded = data(&service.send(&upload.body(DIGITS)));
    let found = ask(&service, "/node/detail/project/repo/dir/test.json");
    let expected = json!({
        "createdBy": "admin",
        "createdDate": "2020-07-27T16:02:31.394",
        "lastModifiedBy": "admin",
        "lastModifiedDate": "2020-07-27T16:02:31.394",
        "folder": false,
        "path": "/dir/",
        "name": "test.json",
        "fullPath": "/dir/test.json",
        "size": 9,
        "sha256": DIGITS_SHA256,
        "md5": DIGITS_MD5,
        "crc64ecma": DIGITS_CRC64,
        "metadata": {"k": "v"},
        "nodeMetadata": [{
            "key": "k", "value": "v", "system": false,
            "description": null, "link": null, "color": null,
        }],
        "projectId": "project",
        "repoName": "repo",
        "expireDate": null,
        "nodeNum": null,
        "clusterNames": null,
        "archived": null,
        "compressed": null,
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&found[field], value, "{field}");
        assert_eq!(&found["nodeInfo"][field], value, "nodeInfo.{field}");
    }
    assert_eq!(found["nodeInfo"]["id"].as_str().map(str::len), Some(24));
    assert_eq!(uploaded, found, "an upload says the same");
    for alias in [
        "/repository/api/node/project/repo/dir/test.json",
        "/repository/api/node/detail/project/repo/%2Fdir%2Ftest.json/",
        "/api/repository/api/node/detail/project/repo/dir/test.json",
        "/web/repository/api/node/detail/project/repo/dir/test.json",
        "/generic/detail/project/repo/dir/test.json",
    ] {
        let answer = service.send(&Call::new("GET", alias));
        assert_eq!(data(&answer), found, "{alias}");
    }
}

#[test]
fn folders_and_the_root() {
    let service = Service::open();
    fill(&service, &["/a/b/f"]);
    let folder = ask(&service, "/node/detail/project/repo/a/b");
    for (field, value) in [
        ("folder", json!(true)),
        ("path", json!("/a/")),
        ("name", json!("b")),
        ("fullPath", json!("/a/b")),
        ("size", json!(0)),
        ("sha256", Value::Null),
        ("md5", Value::Null),
        ("metadata", json!({})),
    ] {
        assert_eq!(folder[field], value, "{field}");
    }
    let root = ask(&service, "/node/detail/project/repo");
    assert_eq!(root["fullPath"], "/");
    assert_eq!((&root["path"], &root["name"]), (&json!("/"), &json!("")));
    assert_eq!(root["folder"], true);
}

#[test]
fn what_is_not_there_is_a_400() {
    let service = Service::open();
    fill(&service, &["/a/f"]);
    store_for_a_day(&service, "/a/expired");
    service.pass_ms(super::DAY_MS);
    for path in ["/x", "/a/x", "/a/f/below", "/a/expired"] {
        for kind in ["detail/", "size/", ""] {
            let path = format!("/node/{kind}project/repo{path}");
            assert_eq!(verdict(&service, "GET", &path), (400, 251_010), "{path}");
        }
    }
    let missing = service.send(&api("GET", "/node/detail/project/repo/a/x"));
    assert_eq!(missing.json()["message"], "Node [/a/x] not found");
    let repo = "/node/detail/project/other/f";
    assert_eq!(verdict(&service, "GET", repo), (404, 251_006));
    for (path, verdict) in [
        // The alias: a project that is called `detail` cannot be.
        ("/node/detail/project", (400, 250_105)),
        ("/node/project", (404, 250_130)),
        ("/node", (404, 250_130)),
        ("/nodes/detail/project/repo/f", (404, 250_130)),
        ("/node/detail/project/-/f", (400, 250_105)),
    ] {
        assert_eq!(super::verdict(&service, "GET", path), verdict, "{path}");
    }
}

#[test]
fn other_methods_are_refused_by_name() {
    let service = Service::open();
    for (method, path, allow) in [
        ("PUT", "/node/detail/project/repo/f", "GET"),
        ("POST", "/node/page/project/repo/f", "GET"),
        ("GET", "/node/search", "POST"),
        ("DELETE", "/node/move", "POST"),
        ("GET", "/node/mkdir/project/repo/f", "POST"),
        ("GET", "/node/delete/project/repo/f", "DELETE"),
        ("GET", "/node/batch/project/repo", "POST, DELETE"),
        ("PUT", "/node/project/repo/f", "GET, POST, DELETE"),
        ("PUT", "/metadata/project/repo/f", "GET, POST, DELETE"),
    ] {
        let answer = service.send(&api(method, path));
        assert_eq!(answer.verdict(), (405, 250_112), "{method} {path}");
        assert_eq!(answer.header("Allow"), Some(allow), "{method} {path}");
    }
}

#[test]
fn sizes_are_those_of_all_below() {
    let service = Service::open();
    fill(&service, &["/a/f", "/a/b/gg", "/a/b/c/", "/h"]);
    store_for_a_day(&service, "/a/expired");
    service.pass_ms(super::DAY_MS);
    let size = |path: &str| ask(&service, &format!("/node/size/project/repo{path}"));
    let expected = |nodes: u64, files: u64, size: u64| json!({"subNodeCount": nodes, "subNodeWithoutFolderCount": files, "size": size});
    assert_eq!(size("/a"), expected(4, 2, 4 + 7));
    assert_eq!(size("/a/b/c"), expected(0, 0, 0));
    assert_eq!(size("/h"), expected(0, 0, 2));
    assert_eq!(size("/"), expected(6, 3, 4 + 7 + 2));
}

#[test]
fn strangers_hear_nothing() {
    let service = Service::with(|_| {});
    for (method, path) in [
        ("GET", "/node/detail/project/repo/f"),
        ("GET", "/node/page/project/repo"),
        ("GET", "/node/size/project/repo"),
        ("POST", "/node/mkdir/project/repo/a"),
        ("POST", "/node/rename/project/repo/a?newFullPath=/b"),
        ("DELETE", "/node/delete/project/repo/a"),
        ("DELETE", "/node/batch/project/repo"),
        ("POST", "/node/batch/project/repo"),
        ("GET", "/metadata/project/repo/a"),
    ] {
        assert_eq!(verdict(&service, method, path), (401, 250_114), "{path}");
    }
    let rule = json!({"rule": {"relation": "AND", "rules": [
        {"field": "projectId", "value": "project"}, {"field": "repoName", "value": "repo"},
    ]}});
    let paths = json!({
        "projectId": "p", "repoName": "r", "fullPath": "/a", "newFullPath": "/b", "expires": 1,
        "srcProjectId": "p", "srcRepoName": "r", "srcFullPath": "/a", "destFullPath": "/b",
        "metadata": {"k": "v"},
    });
    for (path, body) in [
        ("/node/search", &rule),
        ("/node/move", &paths),
        ("/node/copy", &paths),
        ("/node/rename", &paths),
        ("/node/update", &paths),
        ("/metadata/p/r/a", &paths),
    ] {
        let answer = super::send(&service, "POST", path, body);
        assert_eq!(answer.verdict(), (401, 250_114), "{path}");
    }
}
