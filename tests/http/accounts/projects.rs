//! `/repository/api/project/*` and `/repository/actuator/*`.

use serde_json::{Value, json};

use super::{data, grant, make_repo, make_user, post, user};
use crate::auth::{self, admin};
use crate::service::Service;
use crate::wire::Call;

const CREATE: &str = "/repository/api/project/create";

#[test]
fn a_project_is_made_once() {
    let service = Service::open();
    let body = json!({"name": "paas", "displayName": "PaaS", "description": "of teams"});
    assert_eq!(data(&service.send(&post(CREATE, &body))), "paas");
    assert_eq!(service.send(&post(CREATE, &body)).verdict(), (400, 251_005));
    for (prefix, name) in [
        ("", "old"),
        ("/api", "a"),
        ("/web", "w"),
        ("/bkrepo/api/service", "s"),
    ] {
        let target = format!("{prefix}/repository/api/project");
        assert_eq!(
            data(&service.send(&post(&target, &json!({"name": name})))),
            name
        );
    }
    let info = data(&service.get_target("/repository/api/project/info/paas"));
    assert_eq!(
        info,
        json!({
            "name": "paas", "displayName": "PaaS", "description": "of teams",
            "createdBy": "admin", "createdDate": "2020-07-27T16:02:31.394",
            "lastModifiedBy": "admin", "lastModifiedDate": "2020-07-27T16:02:31.394",
        })
    );
    let unknown = service.get_target("/repository/api/project/info/unknown");
    assert_eq!(unknown.verdict(), (404, 251_004));
}

#[test]
fn what_is_wrong_is_named() {
    let service = Service::open();
    for (body, code) in [
        (json!({}), 250_103),
        (json!({"name": null}), 250_103),
        (json!({"name": " "}), 250_104),
        (json!({"name": 7}), 250_105),
        (json!({"name": "-"}), 250_105),
        (json!({"name": "a/b"}), 250_105),
        (json!({"name": "temporary"}), 250_105),
        (json!({"name": "x".repeat(101)}), 250_105),
        (json!({"name": "x", "displayName": []}), 250_105),
        (
            json!({"name": "x", "description": "y".repeat(4097)}),
            250_105,
        ),
    ] {
        assert_eq!(
            service.send(&post(CREATE, &body)).verdict(),
            (400, code),
            "{body}"
        );
    }
    let broken = service.send(&Call::new("POST", CREATE).body("{"));
    assert_eq!(broken.verdict(), (400, 250_106));
    for (method, target, verdict) in [
        ("GET", CREATE, (405, 250_112)),
        ("POST", "/repository/api/project/list", (405, 250_112)),
        ("GET", "/repository/api/project/delete/x", (405, 250_112)),
        ("GET", "/repository/api/project/nothing", (404, 250_130)),
        ("GET", "/repository/api/nothing", (404, 250_130)),
    ] {
        assert_eq!(
            service.send(&Call::new(method, target)).verdict(),
            verdict,
            "{target}"
        );
    }
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .filter_map(|project| project["name"].as_str())
        .collect()
}

#[test]
fn everybody_sees_their_own() {
    let _turn = auth::turn();
    let service = auth::service();
    for project in ["a", "b", "c"] {
        make_repo(&service, project, "repo");
    }
    make_user(&service, "ann");
    grant(&service, "ann", "a", "", &["READ"]);
    grant(&service, "ann", "c", "repo", &["WRITE"]);
    let list = || Call::new("GET", "/repository/api/project/list");
    assert_eq!(names(&data(&service.send(&admin(list())))), ["a", "b", "c"]);
    assert_eq!(
        names(&data(&service.send(&user(list(), "ann")))),
        ["a", "c"]
    );
    let some = || Call::new("GET", "/repository/api/project/list?names=b,%20c,unknown");
    assert_eq!(names(&data(&service.send(&admin(some())))), ["b", "c"]);
    assert_eq!(names(&data(&service.send(&user(some(), "ann")))), ["c"]);
    auth::assert_challenge(&service.send(&list()));

    let exist = |name: &str| Call::new("GET", format!("/repository/api/project/exist/{name}"));
    for (name, to_admin, to_ann) in [
        ("a", true, true),
        ("b", true, false),
        ("c", true, true),
        ("unknown", false, false),
    ] {
        assert_eq!(data(&service.send(&admin(exist(name)))), to_admin, "{name}");
        assert_eq!(
            data(&service.send(&user(exist(name), "ann"))),
            to_ann,
            "{name}"
        );
    }
    auth::assert_challenge(&service.send(&exist("a")));
    let info = |name: &str| Call::new("GET", format!("/repository/api/project/info/{name}"));
    assert_eq!(data(&service.send(&user(info("c"), "ann")))["name"], "c");
    for name in ["b", "unknown"] {
        assert_eq!(
            service.send(&user(info(name), "ann")).verdict(),
            (403, 250_113)
        );
        auth::assert_challenge(&service.send(&info(name)));
    }
    let create = || post(CREATE, &json!({"name": "new"}));
    assert_eq!(
        service.send(&user(create(), "ann")).verdict(),
        (403, 250_113)
    );
    auth::assert_challenge(&service.send(&create()));
}

#[test]
fn only_a_project_without_repositories_is_deleted() {
    let _turn = auth::turn();
    let service = auth::service();
    make_repo(&service, "p", "r");
    make_user(&service, "ann");
    grant(&service, "ann", "p", "", &["MANAGE"]);
    let delete = || Call::new("DELETE", "/repository/api/project/delete/p");
    auth::assert_challenge(&service.send(&delete()));
    assert_eq!(
        service.send(&user(delete(), "ann")).verdict(),
        (403, 250_113)
    );
    assert_eq!(service.send(&admin(delete())).verdict(), (400, 251_008));
    let repo = Call::new("DELETE", "/repository/api/repo/delete/p/r");
    data(&service.send(&user(repo, "ann")));
    data(&service.send(&admin(delete())));
    assert_eq!(service.send(&admin(delete())).verdict(), (404, 251_004));
    // One that comes back under the name is another one.
    data(&service.send(&admin(post(CREATE, &json!({"name": "p"})))));
    let list = Call::new("GET", "/repository/api/project/list");
    assert_eq!(data(&service.send(&user(list, "ann"))), json!([]));
}

#[test]
fn the_actuator_needs_no_login() {
    let service = Service::with(|_| {});
    for prefix in ["", "/api", "/bkrepo/api/service"] {
        let info = service.get_target(&format!("{prefix}/repository/actuator/info"));
        assert_eq!((info.status, info.json().is_object()), (200, true));
    }
    let health = service.get_target("/repository/actuator/health");
    assert_eq!(
        (health.status, health.json()),
        (200, json!({"status": "UP"}))
    );
    let env = service.get_target("/repository/actuator/env");
    assert_eq!(env.verdict(), (404, 250_130));
}
