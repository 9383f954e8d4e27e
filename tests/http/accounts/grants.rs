//! Who may do what: the whole matrix.

use serde_json::json;

use super::{data, grant, make_repo, make_user, post, user};
use crate::auth::{self, admin, login};
use crate::service::Service;
use crate::wire::{Answer, Call};

const READ: usize = 0;
const WRITE: usize = 1;
const DELETE: usize = 2;
const MANAGE: usize = 3;

/// Everything that is done in a repository, by the right that it needs.
fn deeds(repo: &str) -> Vec<(usize, Call)> {
    let file = |method: &str| Call::new(method, format!("/generic/p/{repo}/f"));
    let overwrite = || file("PUT").header("X-BKREPO-OVERWRITE", "true").body("x");
    let batch = Call::new("GET", format!("/generic/batch/p/{repo}")).body(r#"{"paths": ["/f"]}"#);
    let tokens =
        json!({"projectId": "p", "repoName": repo, "fullPathSet": ["/f"], "type": "DOWNLOAD"});
    let update = format!("/repository/api/repo/update/p/{repo}");
    vec![
        (WRITE, overwrite()),
        (READ, file("GET")),
        (READ, batch),
        (
            READ,
            Call::new("GET", format!("/generic/p/{repo}/?download=true")),
        ),
        (
            READ,
            Call::new("GET", format!("/repository/api/repo/info/p/{repo}")),
        ),
        (WRITE, post("/generic/temporary/token/create", &tokens)),
        (DELETE, file("DELETE")),
        (WRITE, overwrite().header("X-BKREPO-EXPIRES", "1")),
        (MANAGE, post(&update, &json!({"description": "new"}))),
    ]
}

/// Somebody, as they say things, and what they may do of read, write, delete, manage.
type Somebody = (&'static str, fn(Call) -> Call, [bool; 4]);

fn assert_refused(who: &str, answer: &Answer) {
    match who {
        "anonymous" => auth::assert_challenge(answer),
        _ => assert_eq!(answer.verdict(), (403, 250_113), "{who}"),
    }
}

fn assert_matrix(service: &Service, repo: &str, somebodies: &[Somebody]) {
    data(
        &service.send(&admin(
            Call::new("PUT", format!("/generic/p/{repo}/f"))
                .header("X-BKREPO-OVERWRITE", "true")
                .body("x"),
        )),
    );
    for (who, says, may) in somebodies {
        for (needed, call) in deeds(repo) {
            let answer = service.send(&says(call.clone()));
            match may[needed] {
                true => assert_eq!(answer.status, 200, "{who} {call:?}"),
                false => assert_refused(who, &answer),
            }
        }
        // Those who may delete did so.
        let again = Call::new("PUT", format!("/generic/p/{repo}/f"));
        let again = again.header("X-BKREPO-OVERWRITE", "true").body("x");
        data(&service.send(&admin(again)));
    }
}

fn prepared() -> Service {
    let service = auth::service();
    make_repo(&service, "p", "closed");
    make_repo(&service, "p", "public");
    let body = json!({"public": true});
    data(&service.send(&admin(post("/repository/api/repo/update/p/public", &body))));
    for name in ["outsider", "reader", "writer", "eraser", "manager", "lead"] {
        make_user(&service, name);
    }
    for repo in ["closed", "public"] {
        grant(&service, "reader", "p", repo, &["READ"]);
        grant(&service, "writer", "p", repo, &["WRITE"]);
        grant(&service, "eraser", "p", repo, &["READ", "DELETE"]);
        grant(&service, "manager", "p", repo, &["MANAGE"]);
    }
    grant(&service, "lead", "p", "", &["MANAGE"]);
    service
}

#[test]
fn the_matrix() {
    let _turn = auth::turn();
    let service = prepared();
    let no = [false; 4];
    let all = [true; 4];
    let closed: [Somebody; 8] = [
        ("anonymous", |call| call, no),
        ("outsider", |call| user(call, "outsider"), no),
        (
            "reader",
            |call| user(call, "reader"),
            [true, false, false, false],
        ),
        (
            "writer",
            |call| user(call, "writer"),
            [false, true, false, false],
        ),
        (
            "eraser",
            |call| user(call, "eraser"),
            [true, false, true, false],
        ),
        ("manager", |call| user(call, "manager"), all),
        ("lead", |call| user(call, "lead"), all),
        ("admin", admin, all),
    ];
    assert_matrix(&service, "closed", &closed);
    let public = closed
        .map(|(who, says, [_, write, delete, manage])| (who, says, [true, write, delete, manage]));
    assert_matrix(&service, "public", &public);
    // A wrong password is refused even where nobody needs one.
    for repo in ["closed", "public"] {
        for (_, call) in deeds(repo) {
            auth::assert_challenge(&service.send(&login(call, "manager", "wrong")));
        }
    }
}

#[test]
fn a_grant_that_is_taken_away_counts_at_once() {
    let _turn = auth::turn();
    let service = prepared();
    let put = || {
        user(
            Call::new("PUT", "/generic/p/closed/g")
                .header("X-BKREPO-OVERWRITE", "true")
                .body("x"),
            "writer",
        )
    };
    data(&service.send(&put()));
    grant(&service, "writer", "p", "closed", &[]);
    assert_refused("writer", &service.send(&put()));
}

#[test]
fn who_is_told_what_does_not_exist() {
    let _turn = auth::turn();
    let service = prepared();
    for (method, path) in [
        ("GET", "p/unknown/f"),
        ("DELETE", "p/unknown/f"),
        ("GET", "unknown/r/f"),
    ] {
        let call = || Call::new(method, format!("/generic/{path}"));
        auth::assert_challenge(&service.send(&call()));
        assert_refused("outsider", &service.send(&user(call(), "outsider")));
        assert_eq!(service.send(&admin(call())).verdict(), (404, 251_006));
        let to_reader = service.send(&user(call(), "reader")).verdict();
        let expected = if path.starts_with("p/") {
            (404, 251_006)
        } else {
            (403, 250_113)
        };
        assert_eq!(to_reader, expected, "{path}");
    }
}

#[test]
fn what_a_write_creates() {
    let _turn = auth::turn();
    let service = prepared();
    make_user(&service, "author");
    grant(&service, "author", "p", "", &["READ", "WRITE"]);
    let put = |path: &str| Call::new("PUT", format!("/generic/{path}")).body("x");
    for (name, path, verdict) in [
        ("author", "p/closed/by-author", (200, 0)),
        ("author", "p/new/f", (404, 251_006)),
        ("manager", "p/new/f", (404, 251_006)),
        ("outsider", "p/new/f", (403, 250_113)),
        ("lead", "unknown/new/f", (403, 250_113)),
        ("lead", "p/new/f", (200, 0)),
    ] {
        assert_eq!(
            service.send(&user(put(path), name)).verdict(),
            verdict,
            "{name} {path}"
        );
    }
    let info = Call::new("GET", "/repository/api/repo/info/p/new");
    let info = data(&service.send(&admin(info)));
    assert_eq!(
        (&info["public"], &info["createdBy"]),
        (&json!(false), &json!("lead"))
    );
    assert_eq!(service.send(&admin(put("fresh/new/f"))).verdict(), (200, 0));
    let project = Call::new("GET", "/repository/api/project/exist/fresh");
    assert_eq!(data(&service.send(&admin(project))), true);
}

#[test]
fn without_auto_create_nothing_is_created() {
    let service = Service::with(|config| (config.no_auth, config.auto_create) = (true, false));
    assert_eq!(service.put("/f", "x").verdict(), (404, 251_006));
    let project = json!({"name": "project"});
    data(&service.send(&post("/repository/api/project/create", &project)));
    assert_eq!(service.put("/f", "x").verdict(), (404, 251_006));
    let repo = json!({"projectId": "project", "name": "repo", "type": "GENERIC"});
    data(&service.send(&post("/repository/api/repo/create", &repo)));
    service.store("/f", "x");
}
