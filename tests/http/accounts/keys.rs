//! `/packhold/keys`, and bk-repo's `Platform` credentials.

use packhold::domain::auth::ADMIN;
use serde_json::{Value, json};

use super::{Pair, data, grant, make_key, make_repo, make_user, platform, post, user};
use crate::auth::{self, admin};
use crate::service::{Service, get, put};
use crate::wire::Call;

const KEYS: &str = "/packhold/keys";

fn prepared() -> Service {
    let service = auth::service();
    make_user(&service, "ann");
    make_user(&service, "bob");
    service
}

fn listed(service: &Service, name: &str) -> Vec<Value> {
    let call = Call::new("GET", format!("{KEYS}?userId={name}"));
    let found = data(&service.send(&admin(call)));
    found.as_array().expect("a list").clone()
}

fn delete(pair: &Pair) -> Call {
    Call::new("DELETE", format!("{KEYS}/{}", pair.key))
}

#[test]
fn keys_come_and_go_and_secrets_are_shown_once() {
    let _turn = auth::turn();
    let service = prepared();
    let made = data(&service.send(&user(post(KEYS, &json!({})), "ann")));
    let secret = made["secretKey"].as_str().expect("the secret").to_owned();
    assert!(secret.starts_with("phs_") && secret.len() == 52, "{secret}");
    assert_eq!(made["userId"], "ann");
    let own = service.send(&user(Call::new("GET", KEYS), "ann"));
    assert!(!String::from_utf8_lossy(&own.body).contains(&secret[4..]));
    let key = made["accessKey"].clone();
    assert_eq!(
        data(&own),
        json!([{"accessKey": key, "userId": "ann", "createdAt": "2020-07-27T16:02:31.394"}])
    );
    assert_eq!(listed(&service, "bob"), [Value::Null; 0]);
    let pair = Pair::of(&made);
    let service = service.restart();
    assert_eq!(data(&service.send(&user(delete(&pair), "ann"))), true);
    assert_eq!(listed(&service, "ann"), [Value::Null; 0]);
    assert_eq!(
        service.send(&admin(delete(&pair))).verdict(),
        (400, 250_213)
    );
}

#[test]
fn who_may() {
    let _turn = auth::turn();
    let service = prepared();
    let pair = make_key(&service, "bob");
    let unknown = Pair {
        key: "unknown".to_owned(),
        ..make_key(&service, "bob")
    };
    for call in [
        post(KEYS, &json!({"userId": "bob"})),
        Call::new("GET", "/packhold/keys?userId=bob"),
        delete(&pair),
        delete(&unknown),
    ] {
        assert_eq!(
            service.send(&user(call.clone(), "ann")).verdict(),
            (403, 250_113)
        );
        auth::assert_challenge(&service.send(&call));
    }
    let nobody = service.send(&admin(post(KEYS, &json!({"userId": "nobody"}))));
    assert_eq!(nobody.verdict(), (400, 250_202));
    let method = service.send(&admin(Call::new("PUT", KEYS)));
    assert_eq!(method.verdict(), (405, 250_112));
    assert_eq!(
        service
            .send(&admin(Call::new("GET", "/packhold/keys/a/b")))
            .verdict()
            .0,
        404
    );
}

#[test]
fn an_administrator_speaks_for_users() {
    let _turn = auth::turn();
    let service = prepared();
    make_repo(&service, "project", "repo");
    grant(&service, "ann", "project", "repo", &["READ", "WRITE"]);
    let pair = make_key(&service, ADMIN);
    let by = |call: Call, uid: &str| platform(call.header("X-BKREPO-UID", uid), &pair);

    let stored = service.send(&by(put("/ann").body("x"), "ann"));
    assert_eq!(data(&stored)["createdBy"], "ann");
    let forbidden = service.send(&by(put("/bob").body("x"), "bob"));
    assert_eq!(forbidden.verdict(), (403, 250_113));
    let stats = || Call::new("GET", "/packhold/stats");
    assert_eq!(
        service.send(&by(stats(), "ann")).verdict(),
        (403, 250_113),
        "not more than ann"
    );
    for uid in ["", " ", "admin"] {
        assert_eq!(
            service.send(&by(stats(), uid)).status,
            200,
            "`{uid}` is the owner"
        );
    }
    assert_eq!(service.send(&platform(stats(), &pair)).status, 200);
    // Nobody is made on the fly, and a user who is gone has no rights, least of all the owner's.
    for uid in ["nobody", "anonymous"] {
        let refused = service.send(&by(get("/ann"), uid));
        assert_eq!(refused.verdict(), (403, 250_113));
        assert!(refused.json()["message"].to_string().contains(uid));
    }
    data(&service.send(&admin(Call::new("DELETE", "/auth/api/user/ann"))));
    assert_eq!(
        service.send(&by(get("/ann"), "ann")).verdict(),
        (403, 250_113)
    );
    let packages = Call::new("GET", "/api/v2/software-packages");
    assert_eq!(
        service.send(&platform(packages, &pair)).json()["successful"],
        true
    );
}

#[test]
fn the_keys_of_anybody_else_are_always_their_own() {
    let _turn = auth::turn();
    let service = prepared();
    let pair = make_key(&service, "ann");
    let own = |name: &str| Call::new("GET", format!("/auth/api/user/{name}"));
    for uid in ["ann", "bob", "admin", "nobody", ""] {
        let by = |call: Call| platform(call.header("X-BKREPO-UID", uid), &pair);
        assert_eq!(data(&service.send(&by(own("ann"))))["userId"], "ann");
        assert_eq!(
            service.send(&by(own("bob"))).verdict(),
            (403, 250_113),
            "{uid}"
        );
    }
    let change = json!({"admin": true});
    let promote = super::with_json("PUT", "/auth/api/user/ann", &change);
    data(&service.send(&admin(promote)));
    let by = platform(own("bob").header("X-BKREPO-UID", "bob"), &pair);
    assert_eq!(service.send(&by).status, 200, "the rank counts at once");
}

#[test]
fn wrong_and_deleted_keys_are_refused() {
    let _turn = auth::turn();
    let service = prepared();
    let (pair, other) = (make_key(&service, ADMIN), make_key(&service, ADMIN));
    let stats = || Call::new("GET", "/packhold/stats");
    assert_eq!(service.send(&platform(stats(), &pair)).status, 200);
    for (key, secret) in [
        (&pair.key, &other.secret),
        (&pair.key, &String::new()),
        (&"unknown".to_owned(), &pair.secret),
        (&pair.secret, &pair.key),
    ] {
        let wrong = Pair {
            key: key.clone(),
            secret: secret.clone(),
        };
        auth::assert_challenge(&service.send(&platform(stats(), &wrong)));
    }
    let packages = Call::new("GET", "/api/v2/software-packages");
    let wrong = Pair {
        secret: "wrong".to_owned(),
        key: pair.key.clone(),
    };
    let refused = service.send(&platform(packages, &wrong));
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (401, &json!("IAM10000"))
    );
    data(&service.send(&admin(delete(&pair))));
    auth::assert_challenge(&service.send(&platform(stats(), &pair)));
    assert_eq!(service.send(&platform(stats(), &other)).status, 200);
}
