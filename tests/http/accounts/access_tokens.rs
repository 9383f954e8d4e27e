//! `/auth/api/user/token/*`, and logging in with access tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use packhold::metrics::PASSWORD_HASHES;
use serde_json::{Value, json};

use super::{bearer, data, make_token, make_user, user};
use crate::auth::{self, admin, login};
use crate::service::Service;
use crate::wire::Call;

fn create(user: &str, name: &str, query: &str) -> Call {
    Call::new("POST", format!("/auth/api/user/token/{user}/{name}{query}"))
}

fn list(user: &str) -> Call {
    Call::new("GET", format!("/auth/api/user/list/token/{user}"))
}

fn delete(user: &str, name: &str) -> Call {
    Call::new("DELETE", format!("/auth/api/user/token/{user}/{name}"))
}

/// A question that only the user, or an administrator, is answered.
fn ann() -> Call {
    Call::new("GET", "/auth/api/user/ann")
}

fn prepared() -> Service {
    let service = auth::service();
    make_user(&service, "ann");
    make_user(&service, "bob");
    service
}

#[test]
fn a_token_is_shown_once_and_its_digest_kept() {
    let _turn = auth::turn();
    let service = prepared();
    let query = "?expiredAt=2020-08-01T00:00:00.000Z&projectId=any";
    let made = data(&service.send(&user(create("ann", "ci", query), "ann")));
    let token = made["id"].as_str().expect("the token").to_owned();
    assert!(token.starts_with("pht_") && token.len() == 52, "{token}");
    let shown = json!({
        "name": "ci", "createdAt": "2020-07-27T16:02:31.394",
        "expiredAt": "2020-08-01T00:00:00.000",
    });
    let mut without = made.clone();
    without.as_object_mut().expect("an object").remove("id");
    assert_eq!(without, shown);
    let forever = data(&service.send(&admin(create("ann", "a", ""))));
    assert_eq!(forever["expiredAt"], Value::Null);
    let listed = data(&service.send(&user(list("ann"), "ann")));
    assert_eq!(listed[1], shown);
    assert_eq!(
        (&listed[0]["name"], listed.as_array().map(Vec::len)),
        (&json!("a"), Some(2))
    );
    let pack = std::fs::read(service.pack()).expect("the pack");
    let token = token.as_bytes();
    assert!(
        !pack.windows(token.len()).any(|bytes| bytes == token),
        "the token is in the pack"
    );
}

#[test]
fn a_token_stands_for_its_user_without_a_hash() {
    let _turn = auth::turn();
    let service = prepared();
    let token = make_token(&service, "ann", "ci");
    let before = PASSWORD_HASHES.get();
    let unpadded = STANDARD_NO_PAD.encode(format!("ann:{token}"));
    for call in [
        bearer(ann(), &token),
        login(ann(), "ann", &token),
        ann().header("Authorization", format!("Basic {unpadded}")),
        ann().header("Authorization", format!("bearer {token}")),
    ] {
        assert_eq!(data(&service.send(&call))["userId"], "ann");
    }
    let forbidden = service.send(&bearer(Call::new("GET", "/packhold/stats"), &token));
    assert_eq!(forbidden.verdict(), (403, 250_113));
    let packages = || Call::new("GET", "/api/v2/software-packages");
    let forbidden = service.send(&bearer(packages(), &token)).json();
    assert_eq!(forbidden["error"]["code"], "IAM11000");
    assert_eq!(PASSWORD_HASHES.get(), before);

    auth::assert_challenge(&service.send(&login(ann(), "bob", &token)));
    auth::assert_challenge(&service.send(&login(ann(), "", &token)));
    for wrong in ["pht_", "x", &token[..51], &format!("{token}0"), "ann"] {
        auth::assert_challenge(&service.send(&bearer(ann(), wrong)));
    }
    let refused = service.send(&bearer(packages(), "wrong"));
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (401, &json!("IAM10000"))
    );
}

#[test]
fn tokens_expire_in_their_millisecond() {
    let _turn = auth::turn();
    let service = prepared();
    // The service begins at 16:02:31.394.
    let query = "?expiredAt=2020-07-27T16:02:32.394Z";
    let made = data(&service.send(&user(create("ann", "ci", query), "ann")));
    let token = made["id"].as_str().expect("the token").to_owned();
    let calls = [bearer(ann(), &token), login(ann(), "ann", &token)];
    service.pass_ms(999);
    for call in &calls {
        assert_eq!(service.send(call).status, 200);
    }
    let again = service.send(&user(create("ann", "ci", ""), "ann"));
    assert_eq!(again.verdict(), (400, 250_219));
    service.pass_ms(1);
    for call in &calls {
        auth::assert_challenge(&service.send(call));
    }
    // An expired one is not in the way, and is forgotten then.
    data(&service.send(&user(create("ann", "ci", ""), "ann")));
    let listed = data(&service.send(&user(list("ann"), "ann")));
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    auth::assert_challenge(&service.send(&calls[0]));
}

#[test]
fn tokens_survive_a_restart_and_end_at_once_when_deleted() {
    let _turn = auth::turn();
    let service = prepared();
    let tokens = ["one", "two"].map(|name| make_token(&service, "ann", name));
    let service = service.restart();
    for token in &tokens {
        assert_eq!(service.send(&bearer(ann(), token)).status, 200);
    }
    assert_eq!(
        data(&service.send(&user(delete("ann", "one"), "ann"))),
        true
    );
    auth::assert_challenge(&service.send(&bearer(ann(), &tokens[0])));
    assert_eq!(service.send(&bearer(ann(), &tokens[1])).status, 200);
    let again = service.send(&admin(delete("ann", "one")));
    assert_eq!(again.verdict(), (400, 250_204));
    data(&service.send(&admin(Call::new("DELETE", "/auth/api/user/ann"))));
    auth::assert_challenge(&service.send(&bearer(ann(), &tokens[1])));
    make_user(&service, "ann");
    auth::assert_challenge(&service.send(&bearer(ann(), &tokens[1])));
}

#[test]
fn who_may_and_what_is_wrong() {
    let _turn = auth::turn();
    let service = prepared();
    data(&service.send(&user(create("bob", "ci", ""), "bob")));
    for call in [
        create("bob", "x", ""),
        list("bob"),
        delete("bob", "ci"),
        list("nobody"),
    ] {
        assert_eq!(
            service.send(&user(call.clone(), "ann")).verdict(),
            (403, 250_113)
        );
        auth::assert_challenge(&service.send(&call));
    }
    for call in [
        create("nobody", "x", ""),
        list("nobody"),
        delete("nobody", "x"),
    ] {
        assert_eq!(service.send(&admin(call)).verdict(), (400, 250_202));
    }
    let taken = service.send(&admin(create("bob", "ci", "")));
    assert_eq!(taken.verdict(), (400, 250_219));
    for query in ["?expiredAt=soon", "?expiredAt=2019-01-01T00:00:00.000Z"] {
        let wrong = service.send(&admin(create("bob", "x", query)));
        assert_eq!(wrong.verdict(), (400, 250_105), "{query}");
    }
    let long = "x".repeat(101);
    let wrong = service.send(&admin(create("bob", &long, "")));
    assert_eq!(wrong.verdict(), (400, 250_105));
    let method = service.send(&admin(Call::new("PUT", "/auth/api/user/token/bob/x")));
    assert_eq!(method.verdict(), (405, 250_112));
    assert_eq!(method.header("Allow"), Some("POST, DELETE"));
}
