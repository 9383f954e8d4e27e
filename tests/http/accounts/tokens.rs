//! What a temporary token opens, to whom, and for how long.

use serde_json::json;

use super::{data, grant, make_repo, make_user, post, token, user, using, wish};
use crate::auth::{self, admin, login};
use crate::service::{DIGITS, DIGITS_SHA256, Service, get};
use crate::wire::Call;

const INVALID: (u16, u64) = (400, 251_021);

#[test]
fn a_download_is_one_like_any_other() {
    let service = Service::open();
    service.store("/d/%E6%96%87%201.txt", DIGITS);
    let token = token(&service, "/d", "DOWNLOAD", &json!({}));
    let path = "/d/%E6%96%87%201.txt";
    let plain = service.send(&get(path));
    let found = service.send(&using(&token, "GET", path));
    assert_eq!((found.status, &found.body[..]), (200, DIGITS));
    for name in [
        "Etag",
        "Content-Type",
        "Content-Length",
        "Last-Modified",
        "Cache-Control",
    ] {
        assert_eq!(found.header(name), plain.header(name), "{name}");
    }
    assert_eq!(found.header("X-Checksum-Sha256"), Some(DIGITS_SHA256));
    let part = service.send(&using(&token, "GET", path).header("Range", "bytes=-2"));
    assert_eq!((part.status, &part.body[..]), (206, &b"89"[..]));
    assert_eq!(part.header("Content-Range"), Some("bytes 7-8/9"));
    let named = Call::new(
        "GET",
        format!("/generic/temporary/download/project/repo{path}?token={token}&download=true"),
    );
    assert!(service.send(&named).header("Content-Disposition").is_some());
    let zip = Call::new(
        "GET",
        format!("/generic/temporary/download/project/repo/d?token={token}&download=true"),
    );
    assert_eq!(
        service.send(&zip).header("Content-Type"),
        Some("application/zip")
    );
    let index = service.send(&using(&token, "GET", "/d"));
    let html = String::from_utf8_lossy(&index.body);
    let link = html.split('"').find(|part| part.contains("201.txt"));
    assert_eq!(
        service.get_target(link.expect("a link")).body,
        DIGITS,
        "{html}"
    );
    let missing = service.send(&using(&token, "GET", "/d/missing"));
    assert_eq!(missing.verdict(), (404, 251_010));
}

#[test]
fn an_upload_is_one_like_any_other() {
    let service = Service::open();
    service.store("/other", "x");
    let token = token(&service, "a/b.txt", "UPLOAD", &json!({}));
    let call = using(&token, "PUT", "/a/b.txt").header("X-BKREPO-META-Kind", "log");
    let stored = data(&service.send(&call.header("X-BKREPO-EXPIRES", "1").body(DIGITS)));
    assert_eq!(stored["fullPath"], "/a/b.txt");
    assert_eq!(stored["createdBy"], "admin");
    assert_eq!(stored["metadata"]["kind"], "log");
    service.assert_file("/a/b.txt", DIGITS);
    let again = service.send(&using(&token, "PUT", "/a/b.txt").body("y"));
    assert_eq!(again.verdict(), (400, 251_012));
    let call = using(&token, "PUT", "/a/b.txt").header("X-BKREPO-OVERWRITE", "True");
    data(&service.send(&call.body("z")));
    service.assert_file("/a/b.txt", b"z");
    let wrong = using(&token, "PUT", "/a/b.txt").header("X-BKREPO-SHA256", "0".repeat(64));
    let wrong = wrong.header("X-BKREPO-OVERWRITE", "true");
    assert_eq!(service.send(&wrong.body("w")).verdict(), (400, 251_003));
}

#[test]
fn a_token_opens_its_path_and_what_is_below_it() {
    let service = Service::open();
    for path in ["/a/f", "/ab", "/a.txt", "/b"] {
        service.store(path, DIGITS);
    }
    let token = token(&service, "/a", "ALL", &json!({}));
    assert_eq!(service.send(&using(&token, "GET", "/a/f")).status, 200);
    assert_eq!(
        service
            .send(&using(&token, "PUT", "/a/new/g").body("x"))
            .status,
        200
    );
    for path in [
        "/ab",
        "/a.txt",
        "/b",
        "/",
        "/a/../b",
        "/a/%2e%2e/ab",
        "/a%2F..%2Fb",
        "/A/f",
    ] {
        let found = service.send(&using(&token, "GET", path));
        assert_eq!(found.verdict(), INVALID, "{path}");
        let stored = service.send(&using(&token, "PUT", path).body("x"));
        assert_eq!(stored.verdict(), INVALID, "{path}");
    }
    for place in ["project/other", "other/repo"] {
        let target = format!("/generic/temporary/download/{place}/a/f?token={token}");
        assert_eq!(service.get_target(&target).verdict(), INVALID);
    }
    // Normal paths only differ in how they are written.
    for path in ["//a//f/", "/%2Fa%2Ff", "/a/./f", "/x/../a/f"] {
        assert_eq!(
            service.send(&using(&token, "GET", path)).status,
            200,
            "{path}"
        );
    }
}

#[test]
fn a_token_is_good_for_what_it_was_made_for() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let down = token(&service, "/", "DOWNLOAD", &json!({}));
    let up = token(&service, "/", "UPLOAD", &json!({}));
    for (call, verdict) in [
        (using(&up, "GET", "/f"), INVALID),
        (using(&down, "PUT", "/g").body("x"), INVALID),
        (using("", "GET", "/f"), INVALID),
        (using("unknown", "GET", "/f"), INVALID),
        (using(&down[1..], "GET", "/f"), INVALID),
        (using(&down.to_uppercase(), "GET", "/f"), INVALID),
        (
            Call::new("GET", "/generic/temporary/download/project/repo/f"),
            INVALID,
        ),
        (
            Call::new(
                "DELETE",
                format!("/generic/temporary/download/project/repo/f?token={down}"),
            ),
            (405, 250_112),
        ),
        (
            Call::new("GET", "/generic/temporary/nothing"),
            (404, 250_130),
        ),
    ] {
        assert_eq!(service.send(&call).verdict(), verdict, "{call:?}");
    }
    service.assert_none("/g");
}

#[test]
fn tokens_expire_at_their_second() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let short = token(&service, "/f", "DOWNLOAD", &json!({"expireSeconds": 60}));
    let day = token(&service, "/f", "DOWNLOAD", &json!({}));
    let ever = token(&service, "/f", "DOWNLOAD", &json!({"expireSeconds": 0}));
    let never = token(&service, "/f", "DOWNLOAD", &json!({"expireSeconds": -1}));
    for (pass_ms, token, verdict) in [
        (59_999, &short, None),
        (1, &short, Some((400, 251_022))),
        (86_400_000 - 60_001, &day, None),
        (1, &day, Some((400, 251_022))),
        (10_000_000_000, &ever, None),
        (0, &never, None),
    ] {
        service.pass_ms(pass_ms);
        let found = service.send(&using(token, "GET", "/f"));
        match verdict {
            Some(verdict) => assert_eq!(found.verdict(), verdict),
            None => assert_eq!(found.status, 200),
        }
    }
}

#[test]
fn users_and_addresses() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let for_users = token(
        &service,
        "/f",
        "DOWNLOAD",
        &json!({"authorizedUserSet": ["ann", "bö"]}),
    );
    let as_user = |name: &str| using(&for_users, "GET", "/f").header("X-BKREPO-UID", name);
    assert_eq!(service.send(&as_user("ann")).status, 200);
    assert_eq!(service.send(&as_user("bö")).status, 200);
    assert_eq!(service.send(&as_user("eve")).verdict(), INVALID);
    assert_eq!(
        service.send(&using(&for_users, "GET", "/f")).verdict(),
        INVALID
    );
    for (addresses, fits) in [
        (json!(["127.0.0.1"]), true),
        (json!(["192.0.2.1", "127.0.0.0/8"]), true),
        (json!(["192.0.2.1", "10.0.0.0/8", "::1"]), false),
    ] {
        let token = token(
            &service,
            "/f",
            "DOWNLOAD",
            &json!({"authorizedIpSet": addresses}),
        );
        // Anybody can write that.
        let call = using(&token, "GET", "/f").header("X-Forwarded-For", "192.0.2.1");
        let found = service.send(&call);
        match fits {
            true => assert_eq!(found.status, 200),
            false => assert_eq!(found.verdict(), INVALID),
        }
    }
}

#[test]
fn behind_a_proxy_its_word_counts() {
    let service = Service::with(|config| (config.no_auth, config.behind_proxy) = (true, true));
    service.store("/f", DIGITS);
    let token = token(
        &service,
        "/f",
        "DOWNLOAD",
        &json!({"authorizedIpSet": ["192.0.2.1"]}),
    );
    for (told, fits) in [
        ("192.0.2.1", true),
        ("203.0.113.9, 192.0.2.1", true),
        ("192.0.2.1, 203.0.113.9", false),
        ("", false),
    ] {
        let found = service.send(&using(&token, "GET", "/f").header("X-Forwarded-For", told));
        assert_eq!(found.status == 200, fits, "{told}");
    }
}

#[test]
fn a_token_is_worth_what_its_creator_may_do() {
    let _turn = auth::turn();
    let service = auth::service();
    make_repo(&service, "project", "repo");
    make_user(&service, "ann");
    grant(&service, "ann", "project", "repo", &["WRITE", "READ"]);
    let create = |kind: &str| {
        let made = data(&service.send(&user(
            post("/generic/temporary/token/create", &wish("/d", kind)),
            "ann",
        )));
        made[0]["token"].as_str().expect("a token").to_owned()
    };
    let both = create("ALL");
    let stored = data(&service.send(&using(&both, "PUT", "/d/f").body(DIGITS)));
    assert_eq!(stored["createdBy"], "ann");
    assert_eq!(service.send(&using(&both, "GET", "/d/f")).body, DIGITS);

    grant(&service, "ann", "project", "repo", &["READ"]);
    assert_eq!(
        service
            .send(&using(&both, "PUT", "/d/g").body("x"))
            .verdict(),
        (403, 250_113)
    );
    assert_eq!(service.send(&using(&both, "GET", "/d/f")).body, DIGITS);
    grant(&service, "ann", "project", "repo", &[]);
    assert_eq!(
        service.send(&using(&both, "GET", "/d/f")).verdict(),
        (403, 250_113)
    );
    grant(&service, "ann", "project", "", &["MANAGE"]);
    assert_eq!(service.send(&using(&both, "GET", "/d/f")).body, DIGITS);

    // A user of the same name is not the same user.
    data(&service.send(&admin(Call::new("DELETE", "/auth/api/user/ann"))));
    assert_eq!(
        service.send(&using(&both, "GET", "/d/f")).verdict(),
        INVALID
    );
    make_user(&service, "ann");
    grant(&service, "ann", "project", "", &["MANAGE"]);
    assert_eq!(
        service.send(&using(&both, "GET", "/d/f")).verdict(),
        INVALID
    );
}

#[test]
fn an_authenticated_user_may_be_the_authorized_one() {
    let _turn = auth::turn();
    let service = auth::service();
    make_repo(&service, "project", "repo");
    make_user(&service, "ann");
    make_user(&service, "bob");
    let mut body = wish("/f", "UPLOAD");
    body["authorizedUserSet"] = json!(["ann"]);
    let made = data(&service.send(&admin(post("/generic/temporary/token/create", &body))));
    let token = made[0]["token"].as_str().expect("a token");
    let put = || using(token, "PUT", "/f").body(DIGITS);
    assert_eq!(service.send(&put()).verdict(), INVALID);
    assert_eq!(service.send(&user(put(), "bob")).verdict(), INVALID);
    auth::assert_challenge(&service.send(&login(put(), "ann", "wrong")));
    let stored = data(&service.send(&user(put(), "ann")));
    assert_eq!(stored["createdBy"], "admin", "the token's creator");
}

#[test]
fn a_deleted_repository_takes_its_tokens_with_it() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let token = token(&service, "/", "ALL", &json!({}));
    let gone = Call::new(
        "DELETE",
        "/repository/api/repo/delete/project/repo?forced=true",
    );
    data(&service.send(&gone));
    assert_eq!(service.send(&using(&token, "GET", "/f")).verdict(), INVALID);
    assert_eq!(
        service
            .send(&using(&token, "PUT", "/f").body("x"))
            .verdict(),
        INVALID
    );
    service.store("/f", "new");
    assert_eq!(service.send(&using(&token, "GET", "/f")).verdict(), INVALID);
}

#[test]
fn tokens_survive_a_restart_and_an_index_built_anew() {
    let service = Service::open();
    service.store("/f", DIGITS);
    let token = token(
        &service,
        "/f",
        "DOWNLOAD",
        &json!({"authorizedUserSet": ["ann"]}),
    );
    let service = service.restart();
    let call = || using(&token, "GET", "/f").header("X-BKREPO-UID", "ann");
    assert_eq!(service.send(&call()).body, DIGITS);
    assert_eq!(service.send(&using(&token, "GET", "/f")).verdict(), INVALID);
    // The pack never had the secret.
    let pack = std::fs::read(service.pack()).expect("the pack is there");
    let secret = token.as_bytes();
    assert!(!pack.windows(secret.len()).any(|window| window == secret));
    service.pass_ms(86_400_000);
    assert_eq!(service.send(&call()).verdict(), (400, 251_022));
}
