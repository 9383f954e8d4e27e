//! A cookie alone changes nothing: the page has to have made the request.

use serde_json::json;

use super::{Browser, attempt, log_in, service};
use crate::accounts::post;
use crate::auth::{self, PASSWORD};
use crate::service::{Service, call, get, put};
use crate::wire::Call;

/// Requests that change something, by every kind of handler.
fn changes() -> Vec<Call> {
    vec![
        put("/g").body("x"),
        call("DELETE", "/f"),
        post("/repository/api/project/create", &json!({"name": "p"})),
        Call::new("POST", "/generic/separate/project/repo/h"),
        Call::new("DELETE", "/repository/api/node/delete/project/repo/f"),
        Call::new("POST", "/auth/api/user/token/admin/stolen"),
        Call::new("POST", "/packhold/gc"),
        Call::new("DELETE", "/api/v2/software-packages/1"),
        Call::new("DELETE", "/packhold/session"),
    ]
}

#[track_caller]
fn assert_refused(service: &Service, call: &Call) {
    let answer = service.send(call);
    assert_eq!(answer.status, 403, "{call:?}: {answer:?}");
}

fn with_a_file() -> (Service, Browser) {
    let service = service(|_| {});
    let browser = log_in(&service);
    let stored = service.send(&browser.ask(put("/f")).body("x"));
    assert_eq!(stored.verdict(), (200, 0));
    (service, browser)
}

#[test]
fn a_cookie_alone_changes_nothing() {
    let _turn = auth::turn();
    let (service, browser) = with_a_file();
    let other = log_in(&service);
    for change in changes() {
        assert_refused(&service, &browser.visit(change.clone()));
        for proof in ["", "page", "null", other.csrf.as_str(), &browser.csrf[1..]] {
            let call = browser.visit(change.clone());
            assert_refused(&service, &call.header("X-PACKHOLD-CSRF", proof));
        }
    }
    assert_eq!(service.send(&browser.visit(get("/f"))).body, b"x");
    assert_eq!(service.send(&browser.visit(get("/g"))).status, 404);
}

#[test]
fn neither_does_a_page_of_another_origin() {
    let _turn = auth::turn();
    let (service, browser) = with_a_file();
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Site", ""),
        ("Origin", "http://evil.example"),
        ("Origin", "https://test"),
        ("Origin", "http://test.evil.example"),
        ("Origin", "http://tes"),
        ("Origin", "null"),
    ] {
        for change in changes() {
            assert_refused(&service, &browser.ask(change).header(name, value));
        }
        assert_refused(&service, &attempt("admin", PASSWORD).header(name, value));
    }
    assert_eq!(service.send(&browser.visit(get("/f"))).body, b"x");
}

#[test]
fn the_page_itself_does() {
    let _turn = auth::turn();
    let (service, browser) = with_a_file();
    for (name, value) in [
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Site", "none"),
        ("Origin", "http://test"),
    ] {
        let again = put("/f").body("y").header("X-BKREPO-OVERWRITE", "true");
        let answer = service.send(&browser.ask(again).header(name, value));
        assert_eq!(answer.verdict(), (200, 0), "{name}: {value}");
    }
    let public =
        super::service(|config| config.public_url = Some("https://p.example/x".to_owned()));
    let call = attempt("admin", PASSWORD).header("Origin", "https://p.example");
    assert_eq!(public.send(&call).verdict(), (200, 0));
}

/// Else a page could log somebody in as somebody else, and have them upload there.
#[test]
fn no_other_page_logs_anybody_in() {
    let _turn = auth::turn();
    let service = service(|_| {});
    let body = json!({"userId": "admin", "pwd": PASSWORD});
    let answer = service.send(&post("/packhold/session", &body));
    assert_eq!(answer.verdict(), (403, 250_113));
    assert_eq!(answer.header("Set-Cookie"), None);
}

/// A script with a password is no page, whatever cookies it carries.
#[test]
fn other_credentials_need_no_proof() {
    let _turn = auth::turn();
    let (service, browser) = with_a_file();
    let change = auth::admin(browser.visit(put("/g").body("x")));
    let answer = service.send(&change.header("Origin", "http://evil.example"));
    assert_eq!(answer.verdict(), (200, 0));
}

/// The browser's own window would ask for a password, and remember it beside the session.
#[test]
fn the_page_asks_for_a_login_itself() {
    let _turn = auth::turn();
    let service = service(|_| {});
    let list = || Call::new("GET", "/repository/api/project/list");
    auth::assert_challenge(&service.send(&list()));
    let asked = service.send(&list().header("X-PACKHOLD-CSRF", "page"));
    let challenge = asked.header("Www-Authenticate").expect("a challenge");
    assert!(challenge.starts_with("Session realm="), "{challenge}");
}

/// With `--no-auth` every page that is open in a browser on the machine could have simple requests made,
/// and a form is one.
#[test]
fn without_passwords_other_pages_change_nothing_either() {
    let service = Service::open();
    service.store("/f", "x");
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "http://evil.example"),
    ] {
        for change in changes() {
            assert_refused(&service, &change.header(name, value));
        }
    }
    for own in [("Sec-Fetch-Site", "same-origin"), ("Origin", "http://test")] {
        let answer = service.send(&call("DELETE", "/f").header(own.0, own.1));
        assert!([200, 404].contains(&answer.status), "{answer:?}");
    }
    service.assert_none("/f");
}
