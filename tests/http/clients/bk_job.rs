//! bk-job: Java, JSON types and bodies on everything, parameters twice.

use serde_json::{Value, json};

use super::{Site, column, data, json, target};
use crate::service::{DIGITS, DIGITS_SHA256};
use crate::wire::Call;

/// Its headers; the type stands on every request that is no upload.
fn java(method: &str, target: &str) -> Call {
    Call::new(method, target)
        .header("accept", "*/*")
        .header("Content-Type", "application/json")
        .header("User-Agent", "Apache-HttpClient/4.5.13 (Java/1.8.0)")
}

fn prepare(site: &Site) {
    let info = site.send(java("GET", "/repository/actuator/info"));
    assert_eq!(info.status, 200);
    assert!(info.json().is_object(), "{info:?}");
    let exist = || {
        java(
            "GET",
            "/repository/api/repo/exist/job/local?projectId=job&repoName=local",
        )
    };
    let project = json!({"name": "job", "displayName": "job", "description": "job"});
    site.data(json("POST", "/repository/api/project/create", &project));
    assert_eq!(site.data(exist()), false);
    let repo = json!({
        "projectId": "job",
        "name": "local",
        "type": "GENERIC",
        "category": "LOCAL",
        "public": false,
        "description": "local files",
        "configuration": null,
        "storageCredentialsKey": null,
    });
    site.data(json("POST", "/repository/api/repo/create", &repo));
    assert_eq!(site.data(exist()), true);
    let projects = site.data(java("GET", "/repository/api/project/list"));
    let projects = projects.as_array().expect("a list");
    assert!(projects.iter().any(|project| project["name"] == "job"));
    let page = "/repository/api/repo/page/job/1/10?projectId=job&pageNumber=1&pageSize=10";
    let page = site.data(java("GET", page));
    assert_eq!(column(&page, "name"), ["local"]);
    assert_eq!(
        (&page["pageNumber"], &page["totalRecords"]),
        (&json!(1), &json!(1))
    );
}

fn listings(site: &Site) {
    let page = "/repository/api/node/page/job/local/u%20v\
                ?projectId=job&repoName=local&fullPath=u%20v&pageNumber=1&pageSize=10";
    let page = site.data(java("GET", page));
    assert_eq!(column(&page, "name"), ["sub", "a #1.txt"]);
    assert_eq!(column(&page, "folder"), [true, false]);
    let search = json!({
        "page": {"pageNumber": 1, "pageSize": 10},
        "sort": {"properties": ["folder", "lastModifiedDate"], "direction": "DESC"},
        "select": ["name", "fullPath", "size", "folder", "lastModifiedDate"],
        "rule": {
            "rules": [
                {"field": "projectId", "value": "job", "operation": "EQ"},
                {"field": "repoName", "value": "local", "operation": "EQ"},
                {"field": "path", "value": "/u v/", "operation": "PREFIX"},
                {"field": "name", "value": "*a*", "operation": "MATCH"},
            ],
            "relation": "AND",
        },
    });
    let found = site.data(json("POST", "/repository/api/node/search", &search));
    let mut paths = column(&found, "fullPath");
    paths.sort_by_key(Value::to_string);
    assert_eq!(paths, ["/u v/a #1.txt", "/u v/sub/bar"]);
}

#[test]
fn bk_job() {
    let site = Site::open();
    prepare(&site);
    let file = "/generic/job/local/u%20v/a%20%231.txt";
    for (target, body) in [(file, DIGITS), ("/generic/job/local/u%20v/sub/bar", b"x")] {
        let call = Call::new("PUT", target)
            .header("Content-Type", "application/octet-stream")
            .header("X-BKREPO-OVERWRITE", "true");
        assert_eq!(site.data(call.body(body))["folder"], false);
    }
    listings(&site);
    let detail = "/repository/api/node/detail/job/local";
    let node = site.data(java("GET", &format!("{detail}/u%20v/a%20%231.txt")));
    assert_eq!(node["fullPath"], "/u v/a #1.txt");
    assert_eq!(node["sha256"], DIGITS_SHA256);
    assert_eq!(node["size"], 9);
    // It looks for the code in the body of what its library calls an error.
    site.assert(java("GET", &format!("{detail}/none")), 400, 251_010);
    let answer = site.send(java("GET", file));
    assert_eq!((answer.status, &answer.body[..]), (200, DIGITS));

    let body = json!({
        "projectId": "job",
        "repoName": "local",
        "fullPathSet": ["/up/loaded"],
        "authorizedUserSet": [],
        "authorizedIpSet": [],
        "expireSeconds": 1800,
        "permits": 1,
        "type": "UPLOAD",
    });
    let list = site.data(json("POST", "/generic/temporary/url/create", &body));
    let url = target(&list[0]["url"]);
    data(&site.stranger(&Call::new("PUT", &url).body("by a browser")));
    site.assert_file("/generic/job/local/up/loaded", b"by a browser");
    let again = Call::new("PUT", &url).header("X-BKREPO-OVERWRITE", "true");
    let again = site.stranger(&again.body("once more"));
    assert_eq!(again.verdict(), (400, 251_021));
    site.assert_file("/generic/job/local/up/loaded", b"by a browser");

    let delete = "/repository/api/node/delete/job/local/u%20v";
    let delete = || java("DELETE", &format!("{delete}?projectId=job&repoName=local")).body("{}");
    site.data(delete());
    site.assert_none(file);
    site.assert_none("/generic/job/local/u%20v/sub/bar");
    // Nothing is left to be deleted, and that is no error.
    site.data(delete());
}
