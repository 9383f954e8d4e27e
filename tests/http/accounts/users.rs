//! `/auth/api/user/*`.

use serde_json::{Value, json};

use super::{data, grant, make_repo, make_user, post, user, with_json};
use crate::auth::{self, admin, login};
use crate::service::Service;
use crate::wire::{Answer, Call};

const CREATE: &str = "/auth/api/user/create";

fn new(name: &str) -> Value {
    json!({"userId": name, "name": name, "pwd": name, "admin": false, "asstUsers": ["x"], "group": false})
}

/// Whether somebody is let in.
fn logs_in(service: &Service, name: &str, password: &str) -> bool {
    let call = Call::new("GET", "/repository/api/project/list");
    service.send(&login(call, name, password)).status == 200
}

fn assert_no_hash(answer: &Answer) {
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains("argon2") && !text.contains("pwd"), "{text}");
}

#[test]
fn users_come_change_and_go() {
    let _turn = auth::turn();
    let service = auth::service();
    assert_eq!(data(&service.send(&admin(post(CREATE, &new("ann"))))), true);
    let again = service.send(&admin(post("/api/auth/api/user/create", &new("ann"))));
    assert_eq!(again.verdict(), (400, 250_201));
    assert!(logs_in(&service, "ann", "ann"));

    let change = |body: &Value| with_json("PUT", "/auth/api/user/ann", body);
    assert_eq!(
        data(&service.send(&admin(change(&json!({"pwd": "new", "asstUsers": ["y"]}))))),
        true
    );
    assert!(!logs_in(&service, "ann", "ann") && logs_in(&service, "ann", "new"));
    data(&service.send(&admin(change(&json!({"admin": true})))));
    assert!(logs_in(&service, "ann", "new"), "the password stays");
    let stats = || Call::new("GET", "/packhold/stats");
    assert_eq!(service.send(&login(stats(), "ann", "new")).status, 200);
    data(&service.send(&admin(change(&json!({"pwd": "newer"})))));
    assert_eq!(
        service.send(&login(stats(), "ann", "newer")).status,
        200,
        "the rank stays"
    );

    let service = service.restart();
    assert!(logs_in(&service, "ann", "newer"));
    let delete = || Call::new("DELETE", "/auth/api/user/ann");
    assert_eq!(data(&service.send(&admin(delete()))), true);
    assert!(!logs_in(&service, "ann", "newer"));
    assert_eq!(service.send(&admin(delete())).verdict(), (400, 250_202));
    assert_eq!(
        service.send(&admin(change(&json!({})))).verdict(),
        (400, 250_202)
    );
}

#[test]
fn the_administrator_stays() {
    let _turn = auth::turn();
    let service = auth::service();
    let delete = service.send(&admin(Call::new("DELETE", "/auth/api/user/admin")));
    assert_eq!(delete.verdict(), (400, 250_105));
    let demote = with_json("PUT", "/auth/api/user/admin", &json!({"admin": false}));
    assert_eq!(service.send(&admin(demote)).verdict(), (400, 250_105));
    assert!(logs_in(&service, "admin", auth::PASSWORD));
}

#[test]
fn users_see_and_change_themselves() {
    let _turn = auth::turn();
    let service = auth::service();
    make_user(&service, "ann");
    make_user(&service, "bob");
    let info = |name: &str| Call::new("GET", format!("/auth/api/user/{name}"));
    let own = service.send(&user(info("ann"), "ann"));
    assert_no_hash(&own);
    assert_eq!(
        data(&own),
        json!({
            "userId": "ann", "name": "ann", "admin": false, "locked": false,
            "createdDate": "2020-07-27T16:02:31.394",
        })
    );
    let detail = Call::new("GET", "/auth/api/user/detail/bob");
    assert_eq!(data(&service.send(&admin(detail)))["userId"], "bob");
    assert_eq!(
        service.send(&user(info("bob"), "ann")).verdict(),
        (403, 250_113)
    );
    assert_eq!(
        service.send(&user(info("unknown"), "ann")).verdict(),
        (403, 250_113)
    );
    assert_eq!(
        service.send(&admin(info("unknown"))).verdict(),
        (400, 250_202)
    );
    auth::assert_challenge(&service.send(&info("ann")));

    let list = || Call::new("GET", "/auth/api/user/list");
    let all = service.send(&admin(list()));
    assert_no_hash(&all);
    let names: Vec<Value> = data(&all)
        .as_array()
        .expect("a list")
        .iter()
        .map(|u| u["userId"].clone())
        .collect();
    assert_eq!(names, ["admin", "ann", "bob"]);
    assert_eq!(service.send(&user(list(), "ann")).verdict(), (403, 250_113));

    let change =
        |name: &str, body: &Value| with_json("PUT", &format!("/auth/api/user/{name}"), body);
    let rank = service.send(&user(change("ann", &json!({"admin": true})), "ann"));
    assert_eq!(rank.verdict(), (403, 250_113));
    let other = service.send(&user(change("bob", &json!({"pwd": "x"})), "ann"));
    assert_eq!(other.verdict(), (403, 250_113));
    data(&service.send(&user(
        change("ann", &json!({"pwd": "own", "admin": false})),
        "ann",
    )));
    assert!(logs_in(&service, "ann", "own"));
    assert_eq!(
        service
            .send(&user(Call::new("DELETE", "/auth/api/user/bob"), "bob"))
            .verdict(),
        (403, 250_113)
    );
}

#[test]
fn what_is_wrong_is_named() {
    let _turn = auth::turn();
    let service = auth::service();
    for (key, value, code) in [
        ("userId", Value::Null, 250_103),
        ("userId", json!(""), 250_104),
        ("userId", json!(1), 250_105),
        ("userId", json!("a:b"), 250_105),
        ("userId", json!("a/b"), 250_105),
        ("userId", json!("a\nb"), 250_105),
        ("userId", json!(" a"), 250_105),
        ("userId", json!("anonymous"), 250_105),
        ("userId", json!("x".repeat(101)), 250_105),
        ("pwd", Value::Null, 250_103),
        ("pwd", json!(""), 250_104),
        ("pwd", json!(7), 250_105),
        ("admin", json!("perhaps"), 250_105),
    ] {
        let mut body = new("ann");
        body[key] = value.clone();
        let answer = service.send(&admin(post(CREATE, &body)));
        assert_eq!(answer.verdict(), (400, code), "{key}: {value}");
        assert!(answer.json()["message"].to_string().contains(key), "{key}");
    }
    let unused = service.send(&admin(Call::new("GET", "/auth/api/user/list")));
    assert_eq!(data(&unused).as_array().map(Vec::len), Some(1));
    let empty = with_json("PUT", "/auth/api/user/admin", &json!({"pwd": ""}));
    assert_eq!(service.send(&admin(empty)).verdict(), (400, 250_104));
    for (call, verdict) in [
        (Call::new("POST", CREATE).body("nonsense"), (400, 250_106)),
        (Call::new("POST", "/auth/api/user/x"), (405, 250_112)),
        (
            Call::new("GET", "/auth/api/user/create/project"),
            (405, 250_112),
        ),
        (Call::new("GET", "/auth/api/nothing"), (404, 250_130)),
    ] {
        assert_eq!(service.send(&admin(call)).verdict(), verdict);
    }
}

#[test]
fn a_manager_brings_users_into_the_project() {
    let _turn = auth::turn();
    let service = auth::service();
    make_repo(&service, "p", "r");
    make_repo(&service, "other", "r");
    let into = |place: &str, body: &Value| post(&format!("{CREATE}/{place}"), body);
    let mut lead = new("lead");
    lead["projectId"] = json!("p");
    for _ in 0..2 {
        assert_eq!(data(&service.send(&admin(into("project", &lead)))), true);
    }
    let mut guest = new("guest");
    guest["projectId"] = json!("p");
    guest["repoName"] = json!("r");
    for _ in 0..2 {
        assert_eq!(
            data(&service.send(&user(into("repo", &guest), "lead"))),
            true
        );
    }
    let put = |target: &str| Call::new("PUT", format!("/generic/{target}")).body("x");
    data(&service.send(&user(put("p/r/f"), "guest")));
    data(&service.send(&user(put("p/new/f"), "lead")));
    assert_eq!(
        service.send(&user(put("p/new/g"), "guest")).verdict(),
        (403, 250_113)
    );
    assert_eq!(
        service.send(&user(put("other/r/f"), "lead")).verdict(),
        (403, 250_113)
    );

    // Who manages a project cannot take over the account of another.
    make_user(&service, "bob");
    let mut bob = json!({"userId": "bob", "name": "bob", "pwd": "stolen", "projectId": "p"});
    data(&service.send(&user(into("project", &bob), "lead")));
    assert!(logs_in(&service, "bob", "bob") && !logs_in(&service, "bob", "stolen"));
    bob["userId"] = json!("root");
    bob["admin"] = json!(true);
    assert_eq!(
        service.send(&user(into("project", &bob), "lead")).verdict(),
        (403, 250_113)
    );

    guest["repoName"] = json!("unknown");
    assert_eq!(
        service.send(&user(into("repo", &guest), "lead")).verdict(),
        (404, 251_006)
    );
    guest["repoName"] = Value::Null;
    assert_eq!(
        service.send(&user(into("repo", &guest), "lead")).verdict(),
        (400, 250_103)
    );
    lead["projectId"] = json!("unknown");
    assert_eq!(
        service.send(&admin(into("project", &lead))).verdict(),
        (404, 251_004)
    );
    assert_eq!(
        service
            .send(&user(into("project", &lead), "guest"))
            .verdict(),
        (403, 250_113)
    );
    auth::assert_challenge(&service.send(&into("project", &lead)));
    assert_eq!(
        service
            .send(&user(post(CREATE, &new("x")), "lead"))
            .verdict(),
        (403, 250_113)
    );
}

#[test]
fn grants_are_listed_and_survive() {
    let _turn = auth::turn();
    let service = auth::service();
    make_repo(&service, "p", "r");
    make_user(&service, "ann");
    grant(&service, "ann", "p", "", &["read"]);
    grant(&service, "ann", "p", "r", &["WRITE", "DELETE"]);
    let service = service.restart();
    let list = || Call::new("GET", "/packhold/grants?projectId=p");
    assert_eq!(
        data(&service.send(&admin(list()))),
        json!([
            {"userId": "ann", "projectId": "p", "repoName": null, "actions": ["READ"]},
            {"userId": "ann", "projectId": "p", "repoName": "r", "actions": ["WRITE", "DELETE"]},
        ])
    );
    assert_eq!(service.send(&user(list(), "ann")).verdict(), (403, 250_113));
    auth::assert_challenge(&service.send(&list()));
    auth::assert_challenge(&service.send(&Call::new("GET", "/packhold/grants")));
    let nameless = service.send(&admin(Call::new("GET", "/packhold/grants")));
    assert_eq!(nameless.verdict(), (400, 250_103));

    let set = |body: &Value| with_json("PUT", "/packhold/grants", body);
    let mut body = json!({"userId": "ann", "projectId": "p", "actions": ["READ"]});
    assert_eq!(
        service.send(&user(set(&body), "ann")).verdict(),
        (403, 250_113)
    );
    auth::assert_challenge(&service.send(&set(&body)));
    for (key, value, verdict) in [
        ("userId", json!("unknown"), (400, 250_202)),
        ("projectId", json!("unknown"), (404, 251_004)),
        ("repoName", json!("unknown"), (404, 251_006)),
        ("actions", Value::Null, (400, 250_103)),
        ("actions", json!("READ"), (400, 250_105)),
        ("actions", json!(["FLY"]), (400, 250_105)),
    ] {
        let before = body[key].clone();
        body[key] = value;
        assert_eq!(
            service.send(&admin(set(&body))).verdict(),
            verdict,
            "{body}"
        );
        body[key] = before;
    }
    grant(&service, "ann", "p", "", &[]);
    grant(&service, "ann", "p", "r", &[]);
    assert_eq!(data(&service.send(&admin(list()))), json!([]));
}
