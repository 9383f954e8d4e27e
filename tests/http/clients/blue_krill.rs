//! `blue-krill`: Python's `requests`, a new connection each time.

use serde_json::{Value, json};

use super::{Site, data, json, requests, target};
use crate::service::{DIGITS, DIGITS_MD5, DIGITS_SHA256};
use crate::wire::{Answer, Call};

const FILE: &str = "/generic/paas/blobs/pkgs/app%20v1.tar.gz";

fn prepare(site: &Site) {
    let post = |target: &str, body: &Value| requests(json("POST", target, body));
    let project = json!({"name": "paas", "displayName": "paas", "description": ""});
    let created = site.data(post("/repository/api/project/create", &project));
    assert_eq!(created, "paas");
    site.assert(
        post("/repository/api/project/create", &project),
        400,
        251_005,
    );
    let repo = json!({
        "projectId": "paas",
        "name": "blobs",
        "type": "GENERIC",
        "category": "LOCAL",
        "public": false,
        "description": "no description",
        "configuration": null,
        "storageCredentialsKey": null,
    });
    site.data(post("/repository/api/repo/create", &repo));
    site.assert(post("/repository/api/repo/create", &repo), 400, 251_007);
    let mut user = json!({
        "admin": false,
        "name": "lead",
        "pwd": "lead's",
        "userId": "lead",
        "asstUsers": ["someone"],
        "group": false,
        "projectId": "paas",
    });
    let created = site.data(post("/auth/api/user/create/project", &user));
    assert_eq!(created, true);
    user["userId"] = json!("guest");
    user["repoName"] = json!("blobs");
    assert_eq!(site.data(post("/auth/api/user/create/repo", &user)), true);
}

fn put(site: &Site, overwrite: &str, body: &[u8]) -> Answer {
    let call = requests(Call::new("PUT", FILE)).header("X-BKREPO-OVERWRITE", overwrite);
    site.send(call.body(body))
}

fn signed(site: &Site, kind: &str) -> String {
    let body = json!({
        "projectId": "paas",
        "repoName": "blobs",
        // Without the leading slash.
        "fullPathSet": ["pkgs/app v1.tar.gz"],
        "expireSeconds": 3600,
        "type": kind,
    });
    let call = json("POST", "/generic/temporary/url/create", &body);
    let list = site.data(requests(call));
    assert_eq!(list[0]["fullPath"], "/pkgs/app v1.tar.gz");
    target(&list[0]["url"])
}

#[test]
fn blue_krill() {
    let site = Site::open();
    prepare(&site);
    data(&put(&site, "False", b"first"));
    assert_eq!(put(&site, "False", b"no").verdict(), (400, 251_012));
    site.assert_file(FILE, b"first");
    data(&put(&site, "True", DIGITS));
    site.assert_file(FILE, DIGITS);
    // A file object without bytes goes out in chunks.
    let empty = requests(Call::new("PUT", "/generic/paas/blobs/empty"));
    let empty = empty.header("X-BKREPO-OVERWRITE", "True");
    assert_eq!(data(&site.send_chunked(empty, &[]))["size"], 0);

    let head = site.send(requests(Call::new("HEAD", FILE)));
    assert_eq!(head.status, 200);
    assert_eq!(head.header("Content-Length"), Some("9"));
    assert_eq!(head.header("X-Checksum-Sha256"), Some(DIGITS_SHA256));
    assert_eq!(head.header("X-Checksum-Md5"), Some(DIGITS_MD5));
    assert_eq!(head.header("Content-Encoding"), None);

    let url = signed(&site, "DOWNLOAD");
    let download = site.stranger(&requests(Call::new("GET", &url)));
    assert_eq!((download.status, &download.body[..]), (200, DIGITS));
    let url = signed(&site, "UPLOAD");
    let upload = requests(Call::new("PUT", &url)).header("X-BKREPO-OVERWRITE", "True");
    data(&site.stranger(&upload.body("signed")));
    site.assert_file(FILE, b"signed");

    let delete = || requests(Call::new("DELETE", FILE)).header("Content-Length", "0");
    assert_eq!(site.data(delete()), Value::Null);
    site.assert(delete(), 404, 251_010);
    site.assert_none(FILE);
    let repo = |forced: &str| {
        let target = format!("/repository/api/repo/delete/paas/blobs?forced={forced}");
        requests(Call::new("DELETE", target)).header("Content-Length", "0")
    };
    site.assert(repo("False"), 400, 251_008);
    site.data(repo("True"));
    site.assert_none("/generic/paas/blobs/empty");
}
