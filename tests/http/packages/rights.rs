//! Who may look at packages, and who may change them.

use std::collections::BTreeSet;

use serde_json::json;

use super::answers::{assert_refused, data};
use super::{FILES, PACKAGES, id, md5, text};
use crate::auth::{self, admin, login};
use crate::multipart::Form;
use crate::rpms::rpm;
use crate::service::Service;
use crate::wire::{Answer, Call};

const NAME: &str = "name-1-1.el7.noarch.rpm";

fn package(version: &str) -> Call {
    let bytes = rpm("name", version, "1.el7", "noarch");
    Form::of("x.rpm", bytes).post(PACKAGES)
}

fn with_json(method: &str, target: &str, body: &serde_json::Value) -> Call {
    let call = Call::new(method, target).header("Content-Type", "application/json");
    call.body(body.to_string())
}

/// Makes a user whose password is their name.
fn make_user(service: &Service, name: &str) {
    let body = json!({"userId": name, "name": name, "pwd": name});
    let call = with_json("POST", "/auth/api/user/create", &body);
    assert_eq!(service.send(&admin(call)).verdict(), (200, 0), "{name}");
}

/// Gives a role, or with an empty one takes it away.
fn grant(service: &Service, name: &str, role: &str) -> Answer {
    let body = json!({"userId": name, "role": role});
    service.send(&admin(with_json("PUT", "/packhold/grants", &body)))
}

/// A service where each role has a user of that name, and one has none; it has one package.
fn prepared() -> Service {
    let service = auth::service();
    make_user(&service, "nobody");
    for role in ["PACKAGE_VIEWER", "PACKAGE_MANAGER"] {
        make_user(&service, role);
        let granted = grant(&service, role, role);
        assert_eq!(granted.verdict(), (200, 0), "{granted:?}");
    }
    data(&service.send(&admin(package("1"))));
    service
}

fn user(call: Call, name: &str) -> Call {
    login(call, name, name)
}

/// Everything that those who may look may do.
fn looks(id: u64) -> [Call; 5] {
    [
        Call::new("GET", PACKAGES),
        Call::new("GET", format!("{PACKAGES}?keyword=name&sort=name")),
        Call::new("GET", format!("{PACKAGES}/{id}")),
        Call::new("GET", format!("{FILES}/{NAME}")),
        Call::new("GET", format!("{FILES}/{NAME}")).header("Range", "bytes=0-3"),
    ]
}

/// Everything that only those who may change may do.
fn changes(id: u64) -> [Call; 3] {
    let legacy = "/api/v2/files/uploadFile?type=OBPROXY_INSTALL_PACKAGE";
    let bytes = rpm("name", "3", "1.el7", "noarch");
    [
        package("2"),
        Form::of("x.rpm", bytes).post(legacy),
        Call::new("DELETE", format!("{PACKAGES}/{id}")),
    ]
}

/// The id of the one package.
fn the_id(service: &Service) -> u64 {
    let found = data(&service.send(&admin(Call::new("GET", PACKAGES))));
    let contents = found["contents"].as_array().expect("an array");
    assert_eq!(contents.len(), 1, "{found}");
    id(&contents[0])
}

#[test]
fn nobody_without_a_login() {
    let _turn = auth::turn();
    let service = prepared();
    let id = the_id(&service);
    let strange = Call::new("GET", format!("{PACKAGES}/123456"));
    let word = Call::new("GET", format!("{PACKAGES}/word"));
    let missing = Call::new("GET", format!("{FILES}/none.rpm"));
    // What exists is told to nobody either.
    let others = [strange, word, missing];
    let all = looks(id).into_iter().chain(changes(id)).chain(others);
    for call in all {
        assert_refused(&service.send(&call), 401, "IAM10000");
        for (name, password) in [
            ("PACKAGE_MANAGER", "wrong"),
            ("admin", "wrong"),
            ("nobody at all", "x"),
            ("admin", ""),
        ] {
            let call = login(call.clone(), name, password);
            assert_refused(&service.send(&call), 401, "IAM10000");
        }
        let garbled = call.clone().header("Authorization", "Basic ???");
        assert_refused(&service.send(&garbled), 401, "IAM10000");
    }
    assert_eq!(the_id(&service), id);
}

/// obd tries again without its file and its login: no body, and the type of all its requests.
#[test]
fn the_retry_of_obd_is_refused_at_once() {
    let _turn = auth::turn();
    let service = prepared();
    let typed = || Call::new("POST", PACKAGES).header("Content-Type", "application/json");
    for call in [typed(), typed().body(""), Call::new("POST", PACKAGES)] {
        let mut wire = service.connect();
        wire.write(&call.bytes()).expect("the server reads");
        let answer = wire.answer("POST").expect("an answer");
        assert_refused(&answer, 401, "IAM10000");
        let message = answer.json()["error"]["message"].clone();
        assert!(message.is_string(), "obd prints it: {message}");
    }
}

/// The body is not there yet, and much of it will never be.
#[test]
fn a_refusal_does_not_wait_for_the_body() {
    let _turn = auth::turn();
    let service = prepared();
    let form = Form::of("x.rpm", "");
    let head = || {
        let head = form.head(PACKAGES).header("Expect", "100-continue");
        head.header("Content-Length", "1000000000")
    };
    for (call, status, code) in [
        (head(), 401, "IAM10000"),
        (login(head(), "admin", "wrong"), 401, "IAM10000"),
        (user(head(), "nobody"), 403, "IAM11000"),
        (user(head(), "PACKAGE_VIEWER"), 403, "IAM11000"),
    ] {
        let mut wire = service.connect();
        wire.write(&call.head()).expect("the server reads");
        let answer = wire.answer("POST").expect("an answer at once");
        assert_refused(&answer, status, code);
    }
    let large = form.head(PACKAGES).body(vec![0; 24 << 20]);
    assert_refused(&service.send(&large), 401, "IAM10000");
}

#[test]
fn a_user_without_a_role_may_do_nothing() {
    let _turn = auth::turn();
    let service = prepared();
    let id = the_id(&service);
    for call in looks(id).into_iter().chain(changes(id)) {
        assert_refused(&service.send(&user(call, "nobody")), 403, "IAM11000");
    }
    assert_eq!(the_id(&service), id);
}

#[test]
fn a_viewer_may_look() {
    let _turn = auth::turn();
    let service = prepared();
    let id = the_id(&service);
    for call in looks(id) {
        let answer = service.send(&user(call.clone(), "PACKAGE_VIEWER"));
        assert!([200, 206].contains(&answer.status), "{call:?}: {answer:?}");
    }
    for call in changes(id) {
        let answer = service.send(&user(call, "PACKAGE_VIEWER"));
        assert_refused(&answer, 403, "IAM11000");
    }
    assert_eq!(the_id(&service), id);
}

#[test]
fn managers_and_administrators_may_do_everything() {
    let _turn = auth::turn();
    for who in ["PACKAGE_MANAGER", "admin"] {
        let service = prepared();
        let id = the_id(&service);
        let says = |call| match who {
            "admin" => admin(call),
            _ => user(call, who),
        };
        for call in looks(id).into_iter().chain(changes(id)) {
            let answer = service.send(&says(call.clone()));
            let status = answer.status;
            assert!([200, 206].contains(&status), "{who} {call:?}: {status}");
        }
        let left = data(&service.send(&says(Call::new("GET", PACKAGES))));
        let contents = left["contents"].as_array().expect("an array");
        let versions = contents.iter().map(|row| text(row, "version"));
        let versions: BTreeSet<&str> = versions.collect();
        assert_eq!(versions, BTreeSet::from(["2", "3"]), "{who}");
        let bytes = rpm("name", "2", "1.el7", "noarch");
        assert!(contents.iter().any(|row| row["md5"] == md5(&bytes)));
    }
}

#[test]
fn a_role_counts_at_once_and_no_longer() {
    let _turn = auth::turn();
    let service = prepared();
    let look = || user(Call::new("GET", PACKAGES), "nobody");
    let change = |version| user(package(version), "nobody");
    assert_refused(&service.send(&look()), 403, "IAM11000");
    assert_eq!(grant(&service, "nobody", "PACKAGE_VIEWER").status, 200);
    assert_eq!(service.send(&look()).status, 200);
    assert_refused(&service.send(&change("5")), 403, "IAM11000");
    assert_eq!(grant(&service, "nobody", "PACKAGE_MANAGER").status, 200);
    assert_eq!(service.send(&change("5")).status, 200);
    assert_eq!(service.send(&look()).status, 200);
    assert_eq!(grant(&service, "nobody", "").status, 200);
    assert_refused(&service.send(&change("6")), 403, "IAM11000");
    assert_refused(&service.send(&look()), 403, "IAM11000");
}

#[test]
fn roles_survive_a_restart() {
    let _turn = auth::turn();
    let service = prepared().restart();
    let id = the_id(&service);
    for (who, status) in [
        ("PACKAGE_VIEWER", 200),
        ("PACKAGE_MANAGER", 200),
        ("nobody", 403),
    ] {
        let look = user(Call::new("GET", PACKAGES), who);
        assert_eq!(service.send(&look).status, status, "{who}");
    }
    let delete = Call::new("DELETE", format!("{PACKAGES}/{id}"));
    let refused = service.send(&user(delete.clone(), "PACKAGE_VIEWER"));
    assert_refused(&refused, 403, "IAM11000");
    let deleted = service.send(&user(delete, "PACKAGE_MANAGER"));
    assert_eq!(deleted.status, 200);
}

#[test]
fn roles_that_there_are_not() {
    let _turn = auth::turn();
    let service = prepared();
    for role in ["PACKAGE", "package_viewer", "OWNER", "*"] {
        assert_eq!(grant(&service, "nobody", role).status, 400, "{role}");
    }
    let look = user(Call::new("GET", PACKAGES), "nobody");
    assert_refused(&service.send(&look), 403, "IAM11000");
    let body = json!({"userId": "nobody", "role": "PACKAGE_VIEWER"});
    for who in ["nobody", "PACKAGE_MANAGER"] {
        let call = user(with_json("PUT", "/packhold/grants", &body), who);
        assert_eq!(service.send(&call).status, 403, "{who}");
    }
}

/// A right to files of repositories is none to packages, and the other way round.
#[test]
fn roles_and_grants_are_apart() {
    let _turn = auth::turn();
    let service = prepared();
    let file = Call::new("PUT", "/generic/p/r/f").body("x");
    assert_eq!(service.send(&admin(file)).verdict(), (200, 0));
    let read = Call::new("GET", "/generic/p/r/f");
    let answer = service.send(&user(read.clone(), "PACKAGE_MANAGER"));
    assert_eq!(answer.verdict().0, 403);
    let body = json!({
        "userId": "nobody", "projectId": "p", "repoName": "", "actions": ["MANAGE"],
    });
    let granted = service.send(&admin(with_json("PUT", "/packhold/grants", &body)));
    assert_eq!(granted.verdict(), (200, 0));
    assert_eq!(service.send(&user(read, "nobody")).body, b"x");
    let look = user(Call::new("GET", PACKAGES), "nobody");
    assert_refused(&service.send(&look), 403, "IAM11000");
}
