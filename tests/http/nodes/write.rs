//! mkdir, rename, update.

use serde_json::{Value, json};

use super::{DAY_MS, api, ask, data, fill, send, store_for_a_day, tree, verdict};
use crate::service::Service;

fn mkdir(service: &Service, path: &str) -> (u16, u64) {
    verdict(service, "POST", &format!("/node/mkdir/project/repo{path}"))
}

fn rename(service: &Service, from: &str, to: &str) -> (u16, u64) {
    let path = format!("/node/rename/project/repo{from}?newFullPath={to}");
    verdict(service, "POST", &path)
}

#[test]
fn folders_are_made_with_those_above_them() {
    let service = Service::open();
    let made = service.send(&api("POST", "/node/mkdir/project/repo/a/b"));
    assert_eq!(data(&made), Value::Null);
    assert_eq!(tree(&service), ["/a/", "/a/b/"], "with its repository");
    assert_eq!(mkdir(&service, "/a/b"), (200, 0), "once more");
    assert_eq!(mkdir(&service, "/a/b/../c/"), (200, 0));
    assert_eq!(
        verdict(&service, "POST", "/node/project/repo/old"),
        (200, 0)
    );
    assert_eq!(mkdir(&service, "/"), (200, 0));
    fill(&service, &["/f"]);
    assert_eq!(mkdir(&service, "/f"), (400, 251_012));
    assert_eq!(mkdir(&service, "/f/below"), (400, 251_013));
    assert_eq!(mkdir(&service, &"/d".repeat(65)), (400, 251_011));
    assert_eq!(tree(&service), ["/a/", "/a/b/", "/a/c/", "/f", "/old/"]);
}

#[test]
fn without_auto_create_nothing_is_made_for_a_folder() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.auto_create = false;
    });
    assert_eq!(mkdir(&service, "/a"), (404, 251_006));
}

#[test]
fn a_folder_takes_the_place_of_an_expired_file() {
    let service = Service::open();
    store_for_a_day(&service, "/a");
    service.pass_ms(DAY_MS);
    assert_eq!(mkdir(&service, "/a/b"), (200, 0));
    assert_eq!(tree(&service), ["/a/", "/a/b/"]);
}

#[test]
fn nodes_get_other_names() {
    let service = Service::open();
    fill(&service, &["/a/b/f", "/a/g", "/h"]);
    assert_eq!(rename(&service, "/a/g", "/new/deep/g2"), (200, 0));
    service.assert_file("/new/deep/g2", b"/a/g");
    service.assert_none("/a/g");
    assert_eq!(rename(&service, "/a/b", "/a/c"), (200, 0));
    let old = json!({
        "projectId": "project", "repoName": "repo", "fullPath": "/a", "newFullPath": "%41",
    });
    let answer = send(&service, "POST", "/node/rename", &old);
    assert_eq!(data(&answer), Value::Null);
    service.assert_file("/%2541/c/f", b"/a/b/f");
    for (from, to, expected) in [
        ("/h", "/new", (400, 251_012)),
        ("/h", "/new/deep/g2", (400, 251_012)),
        ("/h", "/h", (400, 251_012)),
        ("/h", "/", (400, 251_012)),
        ("/new", "/new/deep/below", (400, 251_013)),
        ("/h", "/h/below", (400, 251_013)),
        ("/new/deep", "/h/below", (400, 251_013)),
        ("/", "/x", (400, 250_112)),
        ("/missing", "/x", (400, 251_010)),
        ("/h", "/%00", (400, 251_011)),
    ] {
        assert_eq!(rename(&service, from, to), expected, "{from} {to}");
    }
    let without = "/node/rename/project/repo/h";
    assert_eq!(verdict(&service, "POST", without), (400, 250_103));
    assert_eq!(
        tree(&service),
        [
            "/%41/",
            "/%41/c/",
            "/%41/c/f",
            "/h",
            "/new/",
            "/new/deep/",
            "/new/deep/g2"
        ]
    );
}

#[test]
fn a_new_name_keeps_who_made_it_and_tells_who_changed_it() {
    let service = Service::open();
    fill(&service, &["/f"]);
    let before = ask(&service, "/node/detail/project/repo/f");
    service.pass_ms(60_000);
    assert_eq!(rename(&service, "/f", "/g"), (200, 0));
    let after = ask(&service, "/node/detail/project/repo/g");
    assert_eq!(after["createdDate"], before["createdDate"]);
    assert_eq!(after["nodeInfo"]["id"], before["nodeInfo"]["id"]);
    assert_eq!(after["lastModifiedDate"], "2020-07-27T16:03:31.394");
}

#[test]
fn nothing_sinks_too_deep() {
    let service = Service::open();
    let deep = "/d".repeat(60);
    fill(&service, &["/t/u/v/w", &format!("{deep}/")]);
    let too_deep = format!("{deep}/t");
    assert_eq!(rename(&service, "/t", &too_deep), (200, 0), "64 in all");
    assert_eq!(rename(&service, &too_deep, "/t"), (200, 0));
    fill(&service, &["/t/u/v/x/"]);
    let deeper = format!("{deep}/d/t");
    assert_eq!(rename(&service, "/t", &deeper), (400, 251_011));
    assert_eq!(rename(&service, "/t/u/v/w", &"/e".repeat(64)), (200, 0));
    assert_eq!(rename(&service, "/t", &"/g".repeat(65)), (400, 251_011));
    service.store("/t/u/y", "still there");
}

#[test]
fn expiry_is_set_taken_away_and_checked() {
    let service = Service::open();
    fill(&service, &["/a/f"]);
    let update =
        |body: &Value| send(&service, "POST", "/node/update/project/repo/a/f", body).verdict();
    service.pass_ms(1000);
    assert_eq!(update(&json!({"expires": 2})), (200, 0));
    let detail = || ask(&service, "/node/detail/project/repo/a/f");
    assert_eq!(detail()["expireDate"], "2020-07-29T16:02:32.394");
    assert_eq!(detail()["lastModifiedDate"], "2020-07-27T16:02:32.394");
    assert_eq!(update(&json!({"expires": "0"})), (200, 0));
    assert_eq!(detail()["expireDate"], Value::Null);
    service.pass_ms(3 * DAY_MS);
    service.assert_file("/a/f", b"/a/f");
    let named = json!({
        "projectId": "project", "repoName": "repo", "fullPath": "/a/f", "expires": 1,
    });
    let answer = send(&service, "POST", "/node/update", &named);
    assert_eq!(answer.verdict(), (200, 0));
    for (body, expected) in [
        (json!({}), (400, 250_103)),
        (json!({"expires": null}), (400, 250_103)),
        (json!({"expires": -1}), (400, 250_105)),
        (json!({"expires": 1.5}), (400, 250_105)),
        (json!({"expires": "soon"}), (400, 250_105)),
        (json!({"expires": [1]}), (400, 250_105)),
        (json!([]), (400, 250_106)),
    ] {
        assert_eq!(update(&body), expected, "{body}");
    }
    for (path, expected) in [
        ("/a", (400, 250_105)),
        ("/", (400, 250_105)),
        ("/x", (400, 251_010)),
    ] {
        let path = format!("/node/update/project/repo{path}");
        let answer = send(&service, "POST", &path, &json!({"expires": 1}));
        assert_eq!(answer.verdict(), expected, "{path}");
    }
    service.pass_ms(DAY_MS);
    service.assert_none("/a/f");
    assert_eq!(
        update(&json!({"expires": 0})),
        (400, 251_010),
        "gone is gone"
    );
}

#[test]
fn bodies_that_are_no_documents() {
    let service = Service::open();
    fill(&service, &["/f"]);
    for path in [
        "/node/search",
        "/node/move",
        "/node/copy",
        "/node/rename",
        "/node/update",
        "/metadata/project/repo/f",
    ] {
        for body in [
            &b""[..],
            b"{",
            b"[1]",
            b"\"x\"",
            b"null",
            b"\xff\xfe",
            b"{}x",
        ] {
            let answer = service.send(&api("POST", path).body(body));
            assert_eq!(answer.verdict(), (400, 250_106), "{path} {body:?}");
        }
        let deep = "[".repeat(10_000);
        let answer = service.send(&api("POST", path).body(deep));
        assert_eq!(answer.verdict(), (400, 250_106), "{path}");
        let large = vec![b' '; (8 << 20) + 1];
        let answer = service.send(&api("POST", path).body(large));
        assert_eq!(answer.verdict(), (413, 250_106), "{path}");
    }
    let wrong = json!({"srcProjectId": 1, "srcRepoName": "repo", "srcFullPath": "/f"});
    let answer = send(&service, "POST", "/node/move", &wrong);
    // Read in the order of an address: its path first.
    assert_eq!(answer.verdict(), (400, 250_105));
    assert!(
        answer.json()["message"]
            .to_string()
            .contains("srcProjectId")
    );
    let answer = send(
        &service,
        "POST",
        "/node/copy",
        &json!({"srcFullPath": "/f"}),
    );
    assert_eq!(answer.verdict(), (400, 250_103));
}
