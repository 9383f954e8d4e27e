//! Who may do what, and what strangers are told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use packhold::domain::auth::put_admin;
use packhold::metrics::PASSWORD_HASHES;

use crate::service::{Service, call, get, put};
use crate::wire::{Answer, Call};

/// The administrator's.
pub const PASSWORD: &str = "s3cret:with:colon ü";

/// The counter of password hashes belongs to the process; these tests run one after the other.
static HASHING: Mutex<()> = Mutex::new(());

/// A service where the administrator has [`PASSWORD`]; whoever opens one waits for their [`turn`].
pub fn service() -> Service {
    let service = Service::with(|_| {});
    put_admin(&service.store, PASSWORD).expect("a password");
    service
}

/// The request, as somebody says it.
pub fn login(call: Call, name: &str, password: &str) -> Call {
    let encoded = STANDARD.encode(format!("{name}:{password}"));
    call.header("Authorization", format!("Basic {encoded}"))
}

/// The request, as the administrator says it.
pub fn admin(call: Call) -> Call {
    login(call, "admin", PASSWORD)
}

/// Asserts that credentials are asked for.
pub fn assert_challenge(answer: &Answer) {
    assert_eq!(answer.verdict(), (401, 250_114), "{answer:?}");
    let challenge = answer.header("Www-Authenticate").expect("a challenge");
    assert!(challenge.starts_with("Basic realm="), "{challenge}");
}

/// Waits until no other test hashes passwords.
pub fn turn() -> MutexGuard<'static, ()> {
    HASHING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn one_at_a_time<T>(test: impl FnOnce() -> T) -> T {
    let _turn = turn();
    test()
}

#[test]
fn without_credentials_everything_is_refused() {
    one_at_a_time(|| {
        let service = service();
        for call in [get("/f"), put("/f").body("x"), call("DELETE", "/f")] {
            assert_challenge(&service.send(&call));
        }
        let head = service.send(&call("HEAD", "/f"));
        assert_eq!((head.status, head.body.len()), (401, 0));
        assert!(head.header("Www-Authenticate").is_some());
    });
}

/// Ordinary clients send all of the body before they read: they hear the refusal all the same.
#[test]
fn a_large_upload_without_credentials_hears_the_refusal() {
    one_at_a_time(|| {
        let service = service();
        assert_challenge(&service.send(&put("/f").body(vec![0; 24 << 20])));
        let waiting = put("/f").header("Expect", "100-continue");
        let waiting = waiting.header("Content-Length", "1000000000");
        let mut wire = service.connect();
        wire.write(&waiting.head()).expect("the server reads");
        assert_challenge(&wire.answer("PUT").expect("an answer at once"));
    });
}

#[test]
fn wrong_credentials() {
    one_at_a_time(|| {
        let service = service();
        for (name, password) in [
            ("admin", "wrong"),
            ("admin", ""),
            ("nobody", PASSWORD),
            ("", ""),
        ] {
            assert_challenge(&service.send(&login(get("/f"), name, password)));
        }
        for header in ["Basic ???", "Basic", "Bearer x", "Basic YWRtaW4=", ""] {
            let call = get("/f").header("Authorization", header);
            assert_challenge(&service.send(&call));
        }
    });
}

#[test]
fn right_credentials() {
    one_at_a_time(|| {
        let service = service();
        let answer = service.send(&admin(put("/f")).body("x"));
        assert_eq!(answer.verdict(), (200, 0));
        assert_eq!(answer.json()["data"]["createdBy"], "admin");
        assert_eq!(service.send(&admin(get("/f"))).body, b"x");
        let unpadded = STANDARD_NO_PAD.encode(format!("admin:{PASSWORD}"));
        assert_ne!(unpadded.len() % 4, 0, "there was padding to leave out");
        for scheme in ["Basic", "basic", "BASIC"] {
            let call = get("/f").header("Authorization", format!("{scheme} {unpadded}"));
            assert_eq!(service.send(&call).body, b"x", "{scheme}");
        }
        assert_eq!(
            service.send(&admin(call("DELETE", "/f"))).verdict(),
            (200, 0)
        );
        let missing = service.send(&admin(Call::new("GET", "/generic/no/such/f")));
        assert_eq!(missing.verdict(), (404, 251_006));
        let stats = service.send(&admin(Call::new("GET", "/packhold/stats")));
        assert_eq!(stats.status, 200);
    });
}

#[test]
fn strangers_do_not_learn_what_exists() {
    one_at_a_time(|| {
        let service = service();
        assert_eq!(service.send(&admin(put("/f")).body("x")).status, 200);
        let told = |project: &str, repo: &str, path: &str, method: &str| {
            let target = format!("/generic/{project}/{repo}/{path}");
            let answer = service.send(&Call::new(method, target).body("y"));
            assert_challenge(&answer);
            answer.json()["message"].as_str().map(str::to_owned)
        };
        for method in ["GET", "PUT", "DELETE"] {
            let known = told("project", "repo", "f", method);
            assert_eq!(known, told("project", "repo", "missing", method));
            assert_eq!(known, told("project", "unknown", "f", method));
            assert_eq!(known, told("unknown", "unknown", "f", method));
        }
        assert_eq!(service.send(&admin(get("/f"))).body, b"x");
    });
}

#[test]
fn a_hundred_requests_cost_one_hash() {
    one_at_a_time(|| {
        let service = service();
        let before = PASSWORD_HASHES.get();
        let mut wire = service.connect();
        for i in 0..100 {
            let call = admin(put(&format!("/{i}"))).body("x");
            wire.write(&call.bytes()).expect("the server reads");
            assert_eq!(wire.answer("PUT").expect("an answer").status, 200);
        }
        assert_eq!(PASSWORD_HASHES.get() - before, 1);
    });
}

/// Thirty clients begin at once with the same password.
/// Each looked for it among the verified ones, found nothing, and queued to have it hashed.
/// Now those who waited look again: no more than run at once are hashed.
#[test]
fn requests_that_come_at_once_share_the_hash() {
    one_at_a_time(|| {
        let service = service();
        let before = PASSWORD_HASHES.get();
        std::thread::scope(|scope| {
            for i in 0..30 {
                let call = admin(put(&format!("/{i}"))).body("x");
                let address = service.address;
                scope.spawn(move || assert_eq!(call.send(address).status, 200));
            }
        });
        let hashes = PASSWORD_HASHES.get() - before;
        assert!(hashes <= 2, "{hashes} hashes");
    });
}

#[test]
fn a_changed_password_counts_at_once() {
    one_at_a_time(|| {
        let service = service();
        assert_eq!(service.send(&admin(put("/f")).body("x")).status, 200);
        put_admin(&service.store, "another").expect("a password");
        assert_challenge(&service.send(&admin(get("/f"))));
        assert_eq!(
            service.send(&login(get("/f"), "admin", "another")).status,
            200
        );
    });
}

#[test]
fn a_remembered_password_is_hashed_again_after_some_minutes() {
    one_at_a_time(|| {
        let service = service();
        let before = PASSWORD_HASHES.get();
        for (pass_ms, hashes) in [(0, 1), (299_999, 1), (1, 2), (1, 2)] {
            service.pass_ms(pass_ms);
            let answer = service.send(&admin(get("/f")));
            assert_eq!(answer.status, 404);
            assert_eq!(PASSWORD_HASHES.get() - before, hashes);
        }
    });
}

#[test]
fn without_auth_any_credentials_are_those_of_the_administrator() {
    let service = Service::open();
    for call in [
        put("/a"),
        login(put("/b"), "someone", "whatever"),
        put("/c").header("Authorization", "nonsense"),
    ] {
        let answer = service.send(&call.body("x"));
        assert_eq!(answer.verdict(), (200, 0));
        assert_eq!(answer.json()["data"]["createdBy"], "admin");
    }
}
