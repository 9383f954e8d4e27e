//! The worker of bk-ci: a token for a build's folder, whole paths escaped as one segment.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Site, column, data, json};
use crate::noise::noise;
use crate::wire::{Answer, Call};

const UPLOAD: &str = "/bkrepo/api/build/generic/temporary/upload/ci/pipeline";
const DOWNLOAD: &str = "/bkrepo/api/build/generic/temporary/download/ci/pipeline";

fn put(site: &Site, path: &str, token: &str, body: &[u8]) -> Answer {
    let pairs = "projectId=ci&pipelineId=p-1&taskName=%E6%9E%84%E5%BB%BA+1%261";
    let call = Call::new("PUT", format!("{UPLOAD}/{path}?token={token}"))
        .header("X-BKREPO-UID", "someone")
        .header("X-BKREPO-OVERWRITE", "true")
        .header("X-BKREPO-COMMIT-EDGE", "true")
        .header("X-BKREPO-META", STANDARD.encode(pairs))
        .header("Content-Type", "application/octet-stream");
    site.stranger(&call.body(body))
}

fn get(site: &Site, path: &str, token: &str) -> Answer {
    site.stranger(&Call::new(
        "GET",
        format!("{DOWNLOAD}/{path}?token={token}"),
    ))
}

fn token(site: &Site) -> String {
    let body = json!({
        "projectId": "ci",
        "repoName": "pipeline",
        "fullPathSet": ["/p-1/b-1"],
        "authorizedUserSet": [],
        "authorizedIpSet": [],
        "expireSeconds": 86_400,
        "permits": null,
        "type": "ALL",
    });
    let call = json(
        "POST",
        "/bkrepo/api/build/generic/temporary/token/create",
        &body,
    );
    let list = site.data(call.header("X-BKREPO-UID", "someone"));
    list[0]["token"].as_str().expect("a token").to_owned()
}

fn query(site: &Site, name: &str) -> Vec<Value> {
    let query = json!({
        "select": ["fullPath"],
        // Its pages begin with this one.
        "page": {"pageNumber": 0, "pageSize": 10_000},
        "sort": {"properties": ["fullPath"], "direction": "ASC"},
        "rule": {
            "rules": [
                {"field": "projectId", "value": "ci", "operation": "EQ"},
                {"field": "repoName", "value": ["pipeline", "custom"], "operation": "IN"},
                {"field": "folder", "value": "false", "operation": "EQ"},
                {"field": "metadata.pipelineId", "value": "p-1", "operation": "EQ"},
                {
                    "rules": [{"field": "name", "value": name, "operation": "MATCH"}],
                    "relation": "OR",
                },
            ],
            "relation": "AND",
        },
    });
    let call = json(
        "POST",
        "/bkrepo/api/build/repository/api/node/query",
        &query,
    );
    column(&site.data(call), "fullPath")
}

#[test]
fn bk_ci_worker() {
    let site = Site::open();
    site.data(Call::new("PUT", "/generic/ci/pipeline/p-1/b-10/other.zip").body("another build"));
    let token = token(&site);
    let large = noise(10, 2_000_000);
    data(&put(&site, "%2Fp-1%2Fb-1%2Fout.zip", &token, b"old"));
    data(&put(&site, "%2Fp-1%2Fb-1%2Fout.zip", &token, &large));
    let stored = put(
        &site,
        "%2Fp-1%2Fb-1%2Flogs%2F%E6%97%A5+1.zip",
        &token,
        b"log",
    );
    let metadata = json!({"projectId": "ci", "pipelineId": "p-1", "taskName": "构建+1&1"});
    assert_eq!(data(&stored)["metadata"], metadata);
    let downloaded = get(&site, "%2Fp-1%2Fb-1%2Fout.zip", &token);
    assert_eq!(downloaded.status, 200);
    assert!(downloaded.body == large);
    assert_eq!(get(&site, "%2Fp-1%2Fb-1%2Fnone", &token).status, 404);

    // Neither the build whose name begins alike, nor what a token's path is climbed out of.
    for path in [
        "p-1%2Fb-10%2Fother.zip",
        "p-1%2Fb-1%2F..%2Fb-10%2Fother.zip",
        "p-1",
    ] {
        let refused = get(&site, path, &token);
        assert_eq!(refused.verdict(), (400, 251_021), "{path}: {refused:?}");
        let refused = put(&site, path, &token, b"x");
        assert_eq!(refused.verdict(), (400, 251_021), "{path}: {refused:?}");
    }
    site.assert_file("/generic/ci/pipeline/p-1/b-10/other.zip", b"another build");

    assert_eq!(
        query(&site, "*.zip"),
        ["/p-1/b-1/logs/日+1.zip", "/p-1/b-1/out.zip"]
    );
    assert_eq!(query(&site, "out.*"), ["/p-1/b-1/out.zip"]);
    assert_eq!(query(&site, "none*"), [json!(null); 0]);
    for path in ["p-1", "p-1/b-1"] {
        let target = format!("/bkrepo/api/build/repository/api/metadata/ci/pipeline/{path}");
        let body = json!({"nodeMetadata": [
            {"key": "pipelineName", "value": "流水线"},
            {"key": "buildNum", "value": "7", "description": "of the pipeline"},
        ]});
        site.data(json("POST", &target, &body));
        let found = site.data(Call::new("GET", &target));
        assert_eq!(found["pipelineName"], "流水线", "{path}");
        assert_eq!(found["buildNum"], "7", "{path}");
    }
    site.service.pass_ms(86_401_000);
    let late = get(&site, "%2Fp-1%2Fb-1%2Fout.zip", &token);
    assert_eq!(late.verdict(), (400, 251_022), "{late:?}");
}
