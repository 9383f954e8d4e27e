//! `/repository/api/repo/*`.

use serde_json::{Value, json};

use super::{data, grant, make_repo, make_user, post, user};
use crate::auth::{self, admin};
use crate::service::{DIGITS, Service, get};
use crate::wire::Call;

const CREATE: &str = "/repository/api/repo/create";

fn service() -> Service {
    let service = Service::open();
    data(&service.send(&post(
        "/repository/api/project/create",
        &json!({"name": "p"}),
    )));
    service
}

fn new(name: &str) -> Value {
    json!({"projectId": "p", "name": name, "type": "GENERIC", "category": "LOCAL"})
}

#[test]
fn a_repository_is_made_once() {
    let service = service();
    let mut body = new("r");
    for (key, value) in [
        ("public", json!(true)),
        ("description", json!("of files")),
        ("configuration", Value::Null),
        ("storageCredentialsKey", Value::Null),
        ("quota", Value::Null),
    ] {
        body[key] = value;
    }
    let made = data(&service.send(&post(CREATE, &body)));
    let detail = json!({
        "projectId": "p", "name": "r", "displayName": null, "type": "GENERIC",
        "category": "LOCAL", "public": true, "description": "of files",
        "configuration": {"type": "local", "settings": {}}, "storageCredentialsKey": null,
        "createdBy": "admin", "createdDate": "2020-07-27T16:02:31.394",
        "lastModifiedBy": "admin", "lastModifiedDate": "2020-07-27T16:02:31.394",
        "quota": null, "used": null,
    });
    assert_eq!(made, detail);
    assert_eq!(service.send(&post(CREATE, &body)).verdict(), (400, 251_007));
    for target in ["info/p/r", "info/p/r/GENERIC"] {
        let target = format!("/repository/api/repo/{target}");
        assert_eq!(data(&service.get_target(&target)), detail);
    }
    let mut old = new("old");
    old["configuration"] = json!({"type": "local"});
    data(&service.send(&post("/api/repository/api/repo", &old)));
    for (name, exists) in [("r", true), ("old", true), ("unknown", false)] {
        let target = format!("/repository/api/repo/exist/p/{name}?projectId=p&repoName={name}");
        assert_eq!(data(&service.get_target(&target)), exists);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let service = service();
    for (key, value, verdict) in [
        ("projectId", Value::Null, (400, 250_103)),
        ("projectId", json!(""), (400, 250_104)),
        ("projectId", json!("unknown"), (404, 251_004)),
        ("name", Value::Null, (400, 250_103)),
        ("name", json!("-x"), (400, 250_105)),
        ("name", json!([]), (400, 250_105)),
        ("type", Value::Null, (400, 250_103)),
        ("type", json!("DOCKER"), (400, 250_105)),
        ("category", json!("REMOTE"), (400, 250_105)),
        ("public", json!("perhaps"), (400, 250_105)),
        ("description", json!(1), (400, 250_105)),
    ] {
        let mut body = new("r");
        body[key] = value.clone();
        assert_eq!(
            service.send(&post(CREATE, &body)).verdict(),
            verdict,
            "{key}: {value}"
        );
    }
    for (method, target, verdict) in [
        ("GET", "info/p/unknown", (404, 251_006)),
        ("GET", "info/unknown/r", (404, 251_006)),
        ("GET", "list/unknown", (404, 251_004)),
        ("GET", "page/p/x/10", (400, 250_105)),
        ("GET", "page/p/1/x", (400, 250_105)),
        ("DELETE", "delete/p/unknown", (404, 251_006)),
        ("GET", "delete/p/r", (405, 250_112)),
        ("PUT", "create", (405, 250_112)),
        ("POST", "page/p/1/10", (405, 250_112)),
        ("GET", "nothing", (404, 250_130)),
    ] {
        let call = Call::new(method, format!("/repository/api/repo/{target}"));
        assert_eq!(service.send(&call).verdict(), verdict, "{target}");
    }
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .filter_map(|repo| repo["name"].as_str())
        .collect()
}

#[test]
fn pages() {
    let service = service();
    for name in ["b2", "a1", "b1", "c1", "a2"] {
        data(&service.send(&post(CREATE, &new(name))));
    }
    let page = |target: &str| data(&service.get_target(&format!("/repository/api/repo/{target}")));
    assert_eq!(names(&page("list/p")), ["a1", "a2", "b1", "b2", "c1"]);
    assert_eq!(names(&page("list/p?name=b&type=GENERIC")), ["b1", "b2"]);
    assert_eq!(names(&page("list/p?type=DOCKER")), [""; 0]);
    for (number, expected) in [
        ("0", &["a1", "a2"][..]),
        ("-1", &["a1", "a2"]),
        ("1", &["a1", "a2"]),
        ("2", &["b1", "b2"]),
        ("3", &["c1"]),
        ("4", &[]),
        ("9223372036854775807", &[]),
    ] {
        let found = page(&format!("page/p/{number}/2"));
        assert_eq!(names(&found["records"]), expected, "{number}");
        assert_eq!(
            (&found["totalRecords"], &found["totalPages"]),
            (&json!(5), &json!(3))
        );
        assert_eq!(found["pageSize"], 2);
        assert_eq!(
            found["pageNumber"],
            number.parse::<i64>().expect("a number").max(1)
        );
    }
    assert_eq!(names(&page("page/p/1/10?name=a")["records"]), ["a1", "a2"]);
}

#[test]
fn who_may_not_read_it_does_not_see_it() {
    let _turn = auth::turn();
    let service = auth::service();
    for repo in ["closed", "granted", "public"] {
        make_repo(&service, "p", repo);
    }
    make_user(&service, "ann");
    make_user(&service, "lead");
    grant(&service, "ann", "p", "granted", &["READ"]);
    grant(&service, "lead", "p", "", &["MANAGE"]);
    let update =
        |repo: &str, body: &Value| post(&format!("/repository/api/repo/update/p/{repo}"), body);
    let open = || update("public", &json!({"public": true, "description": null}));
    assert_eq!(service.send(&user(open(), "ann")).verdict(), (403, 250_113));
    data(&service.send(&user(open(), "lead")));
    let list = || Call::new("GET", "/repository/api/repo/list/p");
    for (name, expected) in [
        ("ann", &["granted", "public"][..]),
        ("lead", &["closed", "granted", "public"]),
    ] {
        assert_eq!(names(&data(&service.send(&user(list(), name)))), expected);
    }
    auth::assert_challenge(&service.send(&list()));
    let unknown = Call::new("GET", "/repository/api/repo/list/unknown");
    assert_eq!(data(&service.send(&user(unknown, "ann"))), json!([]));

    let ask =
        |what: &str, repo: &str| Call::new("GET", format!("/repository/api/repo/{what}/p/{repo}"));
    assert_eq!(data(&service.send(&ask("info", "public")))["public"], true);
    assert_eq!(data(&service.send(&ask("exist", "public"))), true);
    auth::assert_challenge(&service.send(&ask("info", "closed")));
    auth::assert_challenge(&service.send(&ask("exist", "closed")));
    assert_eq!(
        service.send(&user(ask("info", "closed"), "ann")).verdict(),
        (403, 250_113)
    );
    assert_eq!(
        service.send(&user(ask("info", "unknown"), "ann")).verdict(),
        (404, 251_006)
    );
    assert_eq!(
        data(&service.send(&user(ask("exist", "closed"), "ann"))),
        true
    );

    let create = || post(CREATE, &new("more"));
    assert_eq!(
        service.send(&user(create(), "ann")).verdict(),
        (403, 250_113)
    );
    auth::assert_challenge(&service.send(&create()));
    assert_eq!(
        data(&service.send(&user(create(), "lead")))["createdBy"],
        "lead"
    );
    let elsewhere = json!({"projectId": "unknown", "name": "r", "type": "GENERIC"});
    assert_eq!(
        service
            .send(&user(post(CREATE, &elsewhere), "lead"))
            .verdict(),
        (403, 250_113)
    );
}

#[test]
fn an_update_changes_what_is_sent() {
    let service = service();
    data(&service.send(&post(CREATE, &new("r"))));
    let update = "/repository/api/repo/update/p/r";
    let info = || data(&service.get_target("/repository/api/repo/info/p/r"));
    for (body, public, description) in [
        (json!({"public": true}), true, ""),
        (json!({"description": "text"}), true, "text"),
        (
            json!({"public": false, "configuration": null}),
            false,
            "text",
        ),
        (json!({}), false, "text"),
    ] {
        data(&service.send(&post(update, &body)));
        assert_eq!(
            (&info()["public"], &info()["description"]),
            (&json!(public), &json!(description))
        );
    }
    let wrong = service.send(&post(update, &json!({"public": 1})));
    assert_eq!(wrong.verdict(), (400, 250_105));
}

#[test]
fn a_repository_with_files_is_deleted_only_by_force() {
    let service = Service::open();
    service.store("/d/f", DIGITS);
    let delete = |query: &str| {
        let target = format!("/repository/api/repo/delete/project/repo{query}");
        service.send(&Call::new("DELETE", target))
    };
    for query in ["", "?forced=False", "?forced=false", "?forced=1"] {
        assert_eq!(delete(query).verdict(), (400, 251_008), "{query}");
    }
    service.assert_file("/d/f", DIGITS);
    assert_eq!(data(&delete("?forced=True")), Value::Null);
    assert_eq!(service.get("/d/f").verdict(), (404, 251_006));
    assert_eq!(delete("?forced=True").verdict(), (404, 251_006));
    // One that comes back under the name is empty.
    service.store("/g", "x");
    service.assert_none("/d/f");
    assert_eq!(service.send(&get("/g")).body, b"x");
    assert_eq!(
        service
            .send(&Call::new("DELETE", "/generic/project/repo/g"))
            .status,
        200
    );
    data(&delete(""));
    let service = service.restart();
    assert_eq!(service.get("/g").verdict(), (404, 251_006));
}

#[test]
fn force_is_for_managers() {
    let _turn = auth::turn();
    let service = auth::service();
    make_repo(&service, "p", "r");
    make_user(&service, "ann");
    grant(&service, "ann", "p", "r", &["READ", "WRITE", "DELETE"]);
    let delete = || Call::new("DELETE", "/repository/api/repo/delete/p/r?forced=true");
    assert_eq!(
        service.send(&user(delete(), "ann")).verdict(),
        (403, 250_113)
    );
    auth::assert_challenge(&service.send(&delete()));
    data(&service.send(&admin(delete())));
}
