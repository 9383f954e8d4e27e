//! Deleting whole trees.

use serde_json::json;

use super::{DAY_MS, api, data, fill, send, store_for_a_day, tree, verdict};
use crate::service::Service;

fn delete(service: &Service, path: &str) -> serde_json::Value {
    let path = format!("/node/delete/project/repo{path}");
    data(&service.send(&api("DELETE", &path)))
}

#[test]
fn folders_go_with_all_that_is_in_them() {
    let service = Service::open();
    fill(&service, &["/a/b/f", "/a/b/gg", "/a/c/", "/h", "/i"]);
    store_for_a_day(&service, "/a/expired");
    service.pass_ms(DAY_MS);
    assert_eq!(
        delete(&service, "/a"),
        json!({
            "deletedNumber": 2, "deletedSize": 6 + 7,
            "deletedTime": "2020-07-28T16:02:31.394",
        })
    );
    assert_eq!(tree(&service), ["/h", "/i"]);
    assert_eq!(delete(&service, "/h")["deletedNumber"], 1);
    for path in ["/a", "/a/b/f", "/missing", "/h"] {
        assert_eq!(delete(&service, path)["deletedNumber"], 0, "{path}");
    }
    let old = api("DELETE", "/node/project/repo/i").body("{}");
    assert_eq!(data(&service.send(&old))["deletedSize"], 2);
    assert_eq!(tree(&service), [""; 0]);
    fill(&service, &["/a/b/f"]);
    assert_eq!(
        tree(&service),
        ["/a/", "/a/b/", "/a/b/f"],
        "nothing comes back"
    );
}

#[test]
fn the_root_stays() {
    let service = Service::open();
    fill(&service, &["/f"]);
    for path in ["/", "", "/x/.."] {
        let path = format!("/node/delete/project/repo{path}");
        assert_eq!(verdict(&service, "DELETE", &path), (400, 250_112), "{path}");
    }
    assert_eq!(tree(&service), ["/f"]);
    let other = "/node/delete/project/other/f";
    assert_eq!(verdict(&service, "DELETE", other), (404, 251_006));
}

#[test]
fn several_at_once() {
    let service = Service::open();
    fill(&service, &["/a/b/f", "/a/b/g", "/a/h", "/i", "/j"]);
    let path = "/node/batch/project/repo";
    let paths = json!(["/a/b", "/missing", "i", "/a/b/f", "/i"]);
    let counted = send(&service, "POST", path, &paths);
    assert_eq!(data(&counted), 3);
    let deleted = data(&send(&service, "DELETE", path, &paths));
    assert_eq!(
        (&deleted["deletedNumber"], &deleted["deletedSize"]),
        (&json!(3), &json!(14))
    );
    assert_eq!(tree(&service), ["/a/", "/a/h", "/j"]);
    for (body, expected) in [
        (json!([]), (400, 250_104)),
        (json!({}), (400, 250_106)),
        (json!([1]), (400, 250_105)),
        (json!(["/a", "/"]), (400, 250_112)),
        (json!(["/a", "\u{0}"]), (400, 251_011)),
        (json!(vec!["/a"; 10_001]), (400, 250_105)),
    ] {
        let answer = send(&service, "DELETE", path, &body);
        assert_eq!(answer.verdict(), expected);
    }
    assert_eq!(tree(&service), ["/a/", "/a/h", "/j"], "all or nothing");
}
