//! Logging in and out, and what ends a session.

use packhold::domain::auth::{IDLE_MS, LONGEST_MS, Limits, put_admin};
use serde_json::{Value, json};

use super::{Browser, attempt, browser_of, cookie_of, log_in, log_in_as, service, who};
use crate::accounts::{data, post, with_json};
use crate::auth::{self, PASSWORD, admin};
use crate::service::{Service, get, put};
use crate::wire::Call;

fn make_user(service: &Service, name: &str) {
    let body = json!({"userId": name, "name": name, "pwd": name});
    data(&service.send(&admin(post("/auth/api/user/create", &body))));
}

#[track_caller]
fn assert_over(service: &Service, browser: &Browser) {
    assert_eq!(who(service, browser), Value::Null);
    let list = Call::new("GET", "/repository/api/project/list");
    assert_eq!(service.send(&browser.ask(list)).verdict(), (401, 250_114));
}

#[test]
fn in_and_out() {
    let _turn = auth::turn();
    let service = service(|_| {});
    let before = data(&service.get_target("/packhold/session"));
    let nobody = json!({"userId": null, "admin": false, "csrf": null, "login": true});
    assert_eq!(before, nobody);
    let browser = log_in(&service);
    let session = Call::new("GET", "/packhold/session");
    let now = data(&service.send(&browser.visit(session.clone())));
    let expected = json!({"userId": "admin", "admin": true, "csrf": browser.csrf, "login": true});
    assert_eq!(now, expected);
    assert_eq!(service.send(&browser.ask(put("/f")).body("x")).status, 200);
    assert_eq!(service.send(&browser.visit(get("/f"))).body, b"x");
    let out = service.send(&browser.ask(Call::new("DELETE", "/packhold/session")));
    assert_eq!(data(&out), true);
    let line = out.header("Set-Cookie").expect("a cookie");
    assert!(line.starts_with("packhold-session=; "), "{line}");
    assert!(line.contains("Max-Age=0"), "{line}");
    assert_over(&service, &browser);
}

#[test]
fn the_cookie_is_for_this_service_alone() {
    let _turn = auth::turn();
    let plain = service(|_| {});
    let answer = plain.send(&attempt("admin", PASSWORD));
    let line = answer.header("Set-Cookie").expect("a cookie");
    let (pair, flags) = line.split_once("; ").expect("flags");
    let secret = pair.strip_prefix("packhold-session=").expect("its name");
    assert_eq!(secret.len(), 64, "256 bits in hex");
    assert_eq!(flags, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    let proxied = service(|config| config.behind_proxy = true);
    let secure = service(|config| config.public_url = Some("https://p.example".to_owned()));
    for (service, proto) in [(&proxied, "https"), (&secure, "http")] {
        let call = attempt("admin", PASSWORD).header("X-Forwarded-Proto", proto);
        let answer = service.send(&call);
        let line = answer.header("Set-Cookie").expect("a cookie");
        assert!(line.starts_with("__Host-packhold-session="), "{line}");
        assert!(
            line.ends_with("; HttpOnly; SameSite=Strict; Secure"),
            "{line}"
        );
        let browser = browser_of(&answer);
        let call = Call::new("GET", "/packhold/session").header("X-Forwarded-Proto", proto);
        let seen = data(&service.send(&browser.visit(call)));
        assert_eq!(seen["userId"], "admin");
    }
    // Over https a cookie that could have come over http is none.
    let call = Call::new("GET", "/packhold/session").header("X-Forwarded-Proto", "https");
    let answer = proxied.send(&attempt("admin", PASSWORD));
    assert_eq!(
        data(&proxied.send(&call.header("Cookie", cookie_of(&answer))))["userId"],
        Value::Null
    );
}

/// A session is always a new one: what somebody planted in the browser, known or made up, is worth nothing
/// after a login.
#[test]
fn nobody_chooses_the_session_of_another() {
    let _turn = auth::turn();
    let service = service(|_| {});
    let planted = log_in(&service);
    let victim = browser_of(&service.send(&planted.visit(attempt("admin", PASSWORD))));
    assert_ne!(
        (&victim.cookie, &victim.csrf),
        (&planted.cookie, &planted.csrf)
    );
    assert_over(&service, &planted);
    assert_eq!(who(&service, &victim), "admin");
    let made_up = format!("packhold-session={}", "ab".repeat(32));
    let call = attempt("admin", PASSWORD).header("Cookie", &made_up);
    assert_ne!(cookie_of(&service.send(&call)), made_up);
}

#[test]
fn sessions_end_by_themselves() {
    let _turn = auth::turn();
    let service = service(|_| {});
    let idle = log_in(&service);
    service.pass_ms(IDLE_MS - 1);
    assert_eq!(who(&service, &idle), "admin");
    service.pass_ms(IDLE_MS);
    assert_over(&service, &idle);
    let busy = log_in(&service);
    for _ in 0..(LONGEST_MS / IDLE_MS) * 2 - 1 {
        service.pass_ms(IDLE_MS / 2);
        assert_eq!(who(&service, &busy), "admin");
    }
    service.pass_ms(IDLE_MS / 2);
    assert_over(&service, &busy);
}

#[test]
fn a_changed_password_ends_them() {
    let _turn = auth::turn();
    let service = service(|_| {});
    make_user(&service, "ann");
    let (ann, other) = (log_in_as(&service, "ann", "ann"), log_in(&service));
    let body = json!({"pwd": "new"});
    let change = with_json("PUT", "/auth/api/user/ann", &body);
    data(&service.send(&ann.ask(change)));
    assert_over(&service, &ann);
    assert_eq!(who(&service, &other), "admin");
    put_admin(&service.store, "another").expect("a password");
    assert_over(&service, &other);
}

#[test]
fn so_does_the_end_of_a_user_who_may_come_back() {
    let _turn = auth::turn();
    let service = service(|_| {});
    make_user(&service, "ann");
    let ann = log_in_as(&service, "ann", "ann");
    data(&service.send(&admin(Call::new("DELETE", "/auth/api/user/ann"))));
    assert_over(&service, &ann);
    make_user(&service, "ann");
    assert_over(&service, &ann);
}

#[test]
fn rank_counts_as_it_is_now() {
    let _turn = auth::turn();
    let service = service(|_| {});
    make_user(&service, "ann");
    let ann = log_in_as(&service, "ann", "ann");
    let stats = Call::new("GET", "/packhold/stats");
    assert_eq!(service.send(&ann.visit(stats.clone())).status, 403);
    let body = json!({"admin": true});
    data(&service.send(&admin(with_json("PUT", "/auth/api/user/ann", &body))));
    assert_eq!(service.send(&ann.visit(stats)).status, 200);
}

#[test]
fn a_token_opens_one_that_ends_with_it() {
    let _turn = auth::turn();
    let service = service(|_| {});
    let make = |query: &str| {
        let call = Call::new("POST", format!("/auth/api/user/token/admin/ci{query}"));
        let made = data(&service.send(&admin(call)));
        made["id"].as_str().expect("a token").to_owned()
    };
    let browser = log_in_as(&service, "admin", &make(""));
    assert_eq!(who(&service, &browser), "admin");
    data(&service.send(&admin(Call::new("DELETE", "/auth/api/user/token/admin/ci"))));
    assert_over(&service, &browser);
    let browser = log_in_as(&service, "admin", &make("?expiredAt=2020-07-27T16:12:00Z"));
    assert_eq!(who(&service, &browser), "admin");
    service.pass_ms(15 * 60 * 1000);
    assert_over(&service, &browser);
}

#[test]
fn a_restart_ends_them() {
    let _turn = auth::turn();
    let service = service(|_| {});
    let browser = log_in(&service);
    let service = service.restart();
    assert_over(&service, &browser);
}

#[test]
fn cookies_that_are_none() {
    let _turn = auth::turn();
    let service = service(|_| {});
    let good = log_in(&service);
    for value in [
        "",
        "packhold-session",
        "packhold-session=",
        "=;;=",
        "packhold-session=\u{e9}",
        "packhold-session=\0x",
    ] {
        let call = Call::new("GET", "/packhold/session").header("Cookie", value);
        let answer = call.send(service.address);
        // What is no header at all is refused before it is looked at.
        assert!(
            answer.status == 400 || answer.json()["data"]["userId"].is_null(),
            "{value:?}"
        );
    }
    // Others of the host have set some, too.
    let crowd = format!("a=b; packhold-session=stale; {}; c", good.cookie);
    let call = Call::new("GET", "/packhold/session").header("Cookie", crowd);
    assert_eq!(data(&service.send(&call))["userId"], "admin");
    // What says who asks counts before a cookie.
    let both = good.visit(auth::login(
        Call::new("GET", "/packhold/stats"),
        "admin",
        "wrong",
    ));
    assert_eq!(service.send(&both).status, 401);
}

#[test]
fn guessing_falls_under_the_limits_of_all_logins() {
    let _turn = auth::turn();
    let service = service(|config| {
        config.failed_logins = Limits {
            per_address: 6,
            per_user: 4,
        };
    });
    for _ in 0..4 {
        let answer = service.send(&attempt("admin", "wrong"));
        assert_eq!(answer.verdict(), (401, 250_114));
        assert_eq!(answer.header("Set-Cookie"), None);
    }
    let slowed = service.send(&attempt("admin", "wrong"));
    assert_eq!(slowed.verdict(), (429, 250_124));
    assert!(slowed.header("Retry-After").is_some());
    // And so do those that come by `Basic`.
    let basic = auth::login(Call::new("GET", "/packhold/stats"), "admin", "wrong");
    assert_eq!(service.send(&basic).status, 429);
    assert_eq!(who(&service, &log_in(&service)), "admin");
}

#[test]
fn what_is_no_login() {
    let _turn = auth::turn();
    let service = service(|_| {});
    for (body, code) in [
        ("", 250_106),
        ("[]", 250_106),
        ("{}", 250_103),
        (r#"{"userId": "admin"}"#, 250_103),
        (r#"{"userId": 1, "pwd": "x"}"#, 250_105),
    ] {
        let call = Call::new("POST", "/packhold/session").header("X-PACKHOLD-CSRF", "page");
        let (status, found) = service.send(&call.body(body)).verdict();
        assert_eq!(status, 400, "{body}");
        assert_eq!(found, code, "{body}");
    }
    let stranger = service.send(&attempt("stranger", PASSWORD));
    assert_eq!(stranger.verdict(), (401, 250_114));
}

#[test]
fn without_passwords_nobody_logs_in() {
    let service = Service::open();
    let open = json!({"userId": "admin", "admin": true, "csrf": null, "login": false});
    assert_eq!(data(&service.get_target("/packhold/session")), open);
    let answer = service.send(&attempt("anybody", "x"));
    assert_eq!((data(&answer), answer.header("Set-Cookie")), (open, None));
}
