//! Metadata of nodes.

use serde_json::{Value, json};

use super::{ask, data, fill, send, verdict};
use crate::service::{Service, put};

fn save(service: &Service, path: &str, body: &Value) -> (u16, u64) {
    send(
        service,
        "POST",
        &format!("/metadata/project/repo{path}"),
        body,
    )
    .verdict()
}

fn read(service: &Service, path: &str) -> Value {
    ask(service, &format!("/metadata/project/repo{path}"))
}

#[test]
fn saved_merged_and_deleted() {
    let service = Service::open();
    let call = put("/a/f").header("X-BKREPO-META-old", "1").body("x");
    assert_eq!(service.send(&call).status, 200);
    let values = json!({"metadata": {
        "Text": "文", "number": 1.5, "flag": true, "nothing": null, "list": [1, "a"],
    }});
    assert_eq!(save(&service, "/a/f", &values), (200, 0));
    let list = json!({"nodeMetadata": [
        {"key": "old", "value": "2", "description": "d", "link": "http://x/"},
        {"key": "new", "value": 3},
    ]});
    assert_eq!(save(&service, "/a/f", &list), (200, 0));
    assert_eq!(
        read(&service, "/a/f"),
        json!({
            "Text": "文", "number": "1.5", "flag": "true", "nothing": "", "list": "[1,\"a\"]",
            "old": "2", "new": "3",
        })
    );
    let keys = json!({"keyList": ["Text", "number", "list", "nothing", "missing"]});
    let deleted = send(&service, "DELETE", "/metadata/project/repo/a/f", &keys);
    assert_eq!(data(&deleted), Value::Null);
    let left = json!({"flag": "true", "old": "2", "new": "3"});
    assert_eq!(read(&service, "/a/f"), left);
    service.assert_file("/a/f", b"x");
    assert_eq!(
        save(&service, "/a", &json!({"metadata": {"k": "v"}})),
        (200, 0)
    );
    assert_eq!(read(&service, "/a"), json!({"k": "v"}), "folders too");
    service.store("/a/g", "y");
    assert_eq!(read(&service, "/a"), json!({"k": "v"}));
}

#[test]
fn what_is_not_there_has_none() {
    let service = Service::open();
    fill(&service, &["/f"]);
    for path in ["/missing", "/f/below", "/", "/f"] {
        assert_eq!(read(&service, path), json!({}), "{path}");
    }
    let other = "/metadata/project/other/f";
    assert_eq!(verdict(&service, "GET", other), (404, 251_006));
    let pair = json!({"metadata": {"k": "v"}});
    assert_eq!(save(&service, "/missing", &pair), (400, 251_010));
    assert_eq!(save(&service, "/", &pair), (400, 250_105));
}

#[test]
fn what_cannot_be_metadata() {
    let service = Service::open();
    fill(&service, &["/f"]);
    for (body, expected) in [
        (json!({}), (400, 250_103)),
        (json!({"metadata": [1]}), (400, 250_105)),
        (json!({"metadata": {" ": "v"}}), (400, 250_104)),
        (json!({"nodeMetadata": {"k": "v"}}), (400, 250_105)),
        (json!({"nodeMetadata": ["k"]}), (400, 250_105)),
        (json!({"nodeMetadata": [{"value": "v"}]}), (400, 250_105)),
        (json!({"nodeMetadata": [{"key": "k"}]}), (400, 250_103)),
        (json!({"metadata": {"scanStatus": "x"}}), (400, 251_504)),
        (
            json!({"nodeMetadata": [{"key": "forbidUser", "value": "x"}]}),
            (400, 251_504),
        ),
        (
            json!({"metadata": {"k": "v".repeat(64 << 10)}}),
            (400, 250_105),
        ),
    ] {
        assert_eq!(save(&service, "/f", &body), expected, "{body:.80}");
    }
    let path = "/metadata/project/repo/f";
    for (body, expected) in [
        (json!({}), (400, 250_103)),
        (json!({"keyList": "k"}), (400, 250_105)),
        (json!({"keyList": [1]}), (400, 250_105)),
        (json!({"keyList": ["targetRepoName"]}), (400, 251_504)),
    ] {
        let answer = send(&service, "DELETE", path, &body);
        assert_eq!(answer.verdict(), expected, "{body}");
    }
    assert_eq!(read(&service, "/f"), json!({}));
    // Both halves fit, the whole does not.
    let half = |key: &str| json!({"metadata": {key: "v".repeat(40 << 10)}});
    assert_eq!(save(&service, "/f", &half("a")), (200, 0));
    assert_eq!(save(&service, "/f", &half("b")), (400, 250_105));
    assert_eq!(
        save(&service, "/f", &json!({"metadata": {"a": ""}})),
        (200, 0)
    );
    assert_eq!(save(&service, "/f", &half("b")), (200, 0));
}
