//! The services of bk-ci, through their gateway: old routes, uploads of unknown length.

use serde_json::{Value, json};

use super::{Site, column, data, json, target};
use crate::noise::noise;
use crate::service::{DIGITS, DIGITS_MD5, DIGITS_SHA256};
use crate::wire::Call;

const GATEWAY: &str = "/bkrepo/api/service";

/// The headers of its requests; `OkHttp` sends them.
fn ok(call: Call) -> Call {
    call.header("X-BKREPO-UID", "someone")
        .header("X-DEVOPS-PROJECT-ID", "ci")
        .header("Accept-Encoding", "gzip")
        .header("User-Agent", "okhttp/4.9.0")
}

fn get(site: &Site, route: &str) -> Value {
    site.data(ok(Call::new("GET", format!("{GATEWAY}{route}"))))
}

fn post(route: &str, body: &Value) -> Call {
    ok(json("POST", &format!("{GATEWAY}{route}"), body))
}

fn file(path: &str) -> String {
    format!("{GATEWAY}/generic/ci/custom/{path}")
}

fn upload(path: &str) -> Call {
    ok(Call::new("PUT", file(path)))
        .header("X-BKREPO-OVERWRITE", "true")
        .header("Content-Type", "application/octet-stream")
}

/// Every service prepares its own, and takes what is there already for success.
fn prepare(site: &Site) {
    let project = json!({"name": "ci", "displayName": "ci", "description": "ci"});
    for (status, code) in [(200, 0), (400, 251_005)] {
        site.assert(post("/repository/api/project", &project), status, code);
    }
    for repo in ["pipeline", "custom"] {
        let repo = json!({
            "category": "LOCAL",
            "name": repo,
            "projectId": "ci",
            "type": "GENERIC",
            "public": false,
            "description": format!("storage for devops ci {repo}"),
            "storageCredentialsKey": null,
            "display": true,
        });
        for (status, code) in [(200, 0), (400, 251_007)] {
            site.assert(post("/repository/api/repo", &repo), status, code);
        }
    }
}

fn uploads(site: &Site) {
    let large = noise(11, 600_000);
    let parts: Vec<&[u8]> = large.chunks(8192).collect();
    let call = upload("dir/large.bin").header("X-BKREPO-META-pipelineId", "p-1");
    let stored = data(&site.send_chunked(call, &parts));
    assert_eq!(stored["size"], large.len());
    site.assert_file(&file("dir/large.bin"), &large);
    let call = upload("dir/a%231.txt").header("X-BKREPO-META-source", "%E6%9E%84+1");
    let stored = site.data(call.header("X-BKREPO-META-empty", "").body(DIGITS));
    assert_eq!(stored["metadata"], json!({"source": "构+1", "empty": ""}));
    // The direct client sends this header even when there is nothing to say.
    let call = upload("dir/sub/b.txt").header("X-BKREPO-META", "");
    assert_eq!(site.data(call.body("b"))["metadata"], json!({}));
}

fn questions(site: &Site) {
    let query = "?deep=true&includeFolder=false&includeMetadata=true&pageNumber=1&pageSize=2\
                 &sortProperty=lastModifiedDate&direction=DESC";
    let page = get(
        site,
        &format!("/repository/api/node/page/ci/custom/dir{query}"),
    );
    assert_eq!(
        (&page["totalRecords"], &page["totalPages"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(column(&page, "folder"), [false, false]);
    let node = get(site, "/repository/api/node/ci/custom/dir/a%231.txt");
    assert_eq!(
        (&node["md5"], &node["sha256"]),
        (&json!(DIGITS_MD5), &json!(DIGITS_SHA256))
    );
    let size = get(site, "/repository/api/node/size/ci/custom/dir");
    assert_eq!(size["size"], 600_010);
    assert_eq!(size["subNodeWithoutFolderCount"], 3);
    assert_eq!(size["subNodeCount"], 4);
    let search = json!({
        "page": {"pageNumber": 0, "pageSize": 10_000},
        "sort": {"properties": ["fullPath"], "direction": "ASC"},
        // Empty means everything.
        "select": [],
        "rule": {
            "rules": [
                {"field": "projectId", "value": "ci", "operation": "EQ"},
                {"field": "repoName", "value": ["custom"], "operation": "IN"},
                {"field": "folder", "value": false, "operation": "EQ"},
                {
                    "rules": [
                        {"field": "path", "value": "/dir/", "operation": "EQ"},
                        {"field": "path", "value": "/dir/sub/", "operation": "EQ"},
                    ],
                    "relation": "OR",
                },
                {
                    "rules": [{"field": "name", "value": "*.txt", "operation": "MATCH"}],
                    "relation": "OR",
                },
            ],
            "relation": "AND",
        },
    });
    let found = site.data(post("/repository/api/node/search", &search));
    assert_eq!(
        column(&found, "fullPath"),
        ["/dir/a#1.txt", "/dir/sub/b.txt"]
    );
    assert_eq!(column(&found, "size"), [9, 1]);
    assert_eq!(found["records"][0]["metadata"]["source"], "构+1");
}

fn changes(site: &Site) {
    let across = |from: &str, to: &str| {
        json!({
            "srcProjectId": "ci",
            "srcRepoName": "custom",
            "srcFullPath": from,
            "destProjectId": "ci",
            "destRepoName": if to.starts_with("/p-") { "pipeline" } else { "custom" },
            "destFullPath": to,
            "overwrite": true,
        })
    };
    let copy = across("/dir/a#1.txt", "/p-1/copy.txt");
    site.data(post("/repository/api/node/copy", &copy));
    site.assert_file("/generic/ci/pipeline/p-1/copy.txt", DIGITS);
    site.assert_file(&file("dir/a%231.txt"), DIGITS);
    let route = across("/dir/a#1.txt", "/moved/a.txt");
    site.data(post("/repository/api/node/move", &route));
    site.assert_file(&file("moved/a.txt"), DIGITS);
    site.assert_none(&file("dir/a%231.txt"));
    let renaming = json!({
        "projectId": "ci",
        "repoName": "custom",
        "fullPath": "/moved",
        "newFullPath": "/renamed",
    });
    site.data(post("/repository/api/node/rename", &renaming));
    site.assert_file(&file("renamed/a.txt"), DIGITS);
    site.assert_none(&file("moved/a.txt"));
    let made = format!("{GATEWAY}/repository/api/node/ci/custom/made/by/post");
    site.data(ok(Call::new("POST", &made)).header("Content-Length", "0"));
    let folder = get(site, "/repository/api/node/ci/custom/made/by/post");
    assert_eq!(
        (&folder["folder"], &folder["path"]),
        (&json!(true), &json!("/made/by/"))
    );
    let metadata = "/repository/api/metadata/ci/custom/renamed/a.txt";
    site.data(post(metadata, &json!({"metadata": {"quality": "good"}})));
    let merged = json!({"source": "构+1", "empty": "", "quality": "good"});
    assert_eq!(get(site, metadata), merged);
    let gone = format!("{GATEWAY}/repository/api/node/ci/custom/dir");
    site.data(ok(Call::new("DELETE", gone)));
    site.assert_none(&file("dir/sub/b.txt"));
}

fn links(site: &Site) {
    let share = json!({
        "authorizedUserList": [],
        "authorizedIpList": [],
        "expireSeconds": 60,
    });
    let shared = site.data(post(
        "/repository/api/share/ci/custom/renamed/a.txt",
        &share,
    ));
    let url = target(&shared["shareUrl"]);
    assert_eq!(site.stranger(&Call::new("GET", url)).body, DIGITS);
    let body = json!({
        "projectId": "ci",
        "repoName": "custom",
        "fullPathSet": ["/renamed/a.txt"],
        "authorizedUserSet": [],
        "authorizedIpSet": [],
        "expireSeconds": 60,
        "permits": null,
        "type": "DOWNLOAD",
    });
    let list = site.data(post("/generic/temporary/url/create", &body));
    let url = target(&list[0]["url"]) + "&download=true";
    let answer = site.stranger(&Call::new("GET", url));
    assert_eq!((answer.status, &answer.body[..]), (200, DIGITS));
    assert!(answer.header("Content-Disposition").is_some());
    let update = post(
        "/repository/api/node/update/ci/custom/renamed/a.txt",
        &json!({"expires": 3}),
    );
    site.data(update);
    site.service.pass_ms(3 * 86_400_000 - 1);
    site.assert_file(&file("renamed/a.txt"), DIGITS);
    site.service.pass_ms(1);
    site.assert_none(&file("renamed/a.txt"));
}

#[test]
fn bk_ci_services() {
    let site = Site::open();
    prepare(&site);
    uploads(&site);
    questions(&site);
    changes(&site);
    links(&site);
}
