//! Too many failed logins: strangers are slowed down, right credentials are let in.

use std::time::{Duration, Instant};

use packhold::domain::auth::{Limits, put_admin};
use packhold::http::Config;
use packhold::metrics::PASSWORD_HASHES;

use super::{Pair, bearer, make_key, make_token, platform};
use crate::auth::{self, PASSWORD, admin, login};
use crate::service::{Service, get};
use crate::wire::{Answer, Call};

/// A service with few failures, and a proxy, which says where requests come from.
fn service() -> Service {
    let service = Service::with(|config: &mut Config| {
        config.behind_proxy = true;
        config.failed_logins = Limits {
            per_address: 6,
            per_user: 4,
        };
    });
    put_admin(&service.store, PASSWORD).expect("a password");
    service
}

fn from(call: Call, address: &str) -> Call {
    call.header("X-Forwarded-For", address)
}

fn wrong(name: &str, address: &str) -> Call {
    from(login(get("/f"), name, "wrong"), address)
}

#[track_caller]
fn assert_slowed(answer: &Answer) {
    assert_eq!(answer.verdict(), (429, 250_124), "{answer:?}");
    let seconds = answer.header("Retry-After").expect("when to try again");
    let seconds: u64 = seconds.parse().expect("a number");
    assert!((1..=600).contains(&seconds), "{seconds}");
    assert!(answer.header("Www-Authenticate").is_none());
}

#[test]
fn for_one_user_from_everywhere() {
    let _turn = auth::turn();
    let service = service();
    for n in 0..4 {
        auth::assert_challenge(&service.send(&wrong("ann", &format!("192.0.2.{n}"))));
    }
    assert_slowed(&service.send(&wrong("ann", "192.0.2.9")));
    auth::assert_challenge(&service.send(&wrong("bob", "192.0.2.9")));
    let packages = login(Call::new("GET", "/api/v2/software-packages"), "ann", "x");
    let slowed = service.send(&from(packages, "192.0.2.8"));
    assert_eq!(slowed.status, 429);
    assert_eq!(slowed.json()["error"]["code"], "IAM10007");
    assert!(slowed.header("Retry-After").is_some());
}

#[test]
fn from_one_address_for_every_user() {
    let _turn = auth::turn();
    let service = service();
    for n in 0..6 {
        auth::assert_challenge(&service.send(&wrong(&format!("user{n}"), "192.0.2.1")));
    }
    assert_slowed(&service.send(&wrong("another", "192.0.2.1")));
    auth::assert_challenge(&service.send(&wrong("another", "192.0.2.2")));
    service.pass_ms(120_000);
    auth::assert_challenge(&service.send(&wrong("another", "192.0.2.1")));
}

#[test]
fn right_credentials_are_let_in_all_the_while() {
    let _turn = auth::turn();
    let service = service();
    let token = make_token(&service, "admin", "ci");
    let keys = make_key(&service, "admin");
    for n in 0..8 {
        let answer = service.send(&wrong("admin", "192.0.2.1"));
        assert_eq!(answer.status, if n < 4 { 401 } else { 429 });
    }
    for address in ["192.0.2.1", "192.0.2.2"] {
        for call in [
            admin(get("/f")),
            bearer(get("/f"), &token),
            login(get("/f"), "admin", &token),
            platform(get("/f"), &keys),
        ] {
            assert_eq!(service.send(&from(call, address)).verdict(), (404, 251_006));
        }
    }
    // Not known any more, it is hashed in the slow lane, and let in all the same.
    put_admin(&service.store, "another").expect("a password");
    let before = PASSWORD_HASHES.get();
    let right = from(login(get("/f"), "admin", "another"), "192.0.2.1");
    assert_eq!(service.send(&right).status, 404);
    assert_eq!(PASSWORD_HASHES.get() - before, 1);
    assert_slowed(&service.send(&wrong("admin", "192.0.2.1")));
}

#[test]
fn absent_credentials_are_no_failures() {
    let _turn = auth::turn();
    let service = service();
    for _ in 0..50 {
        auth::assert_challenge(&service.send(&from(get("/f"), "192.0.2.1")));
        let unreadable = get("/f").header("Authorization", "Basic ???");
        auth::assert_challenge(&service.send(&from(unreadable, "192.0.2.1")));
    }
    auth::assert_challenge(&service.send(&wrong("ann", "192.0.2.1")));
}

#[test]
fn tokens_and_keys_count_too() {
    let _turn = auth::turn();
    let service = service();
    for _ in 0..6 {
        let call = bearer(get("/f"), "pht_wrong");
        auth::assert_challenge(&service.send(&from(call, "192.0.2.1")));
    }
    assert_slowed(&service.send(&from(bearer(get("/f"), "pht_wrong"), "192.0.2.1")));
    let pair = Pair {
        key: "key".to_owned(),
        secret: "wrong".to_owned(),
    };
    for n in 0..4 {
        let call = platform(get("/f"), &pair);
        auth::assert_challenge(&service.send(&from(call, &format!("192.0.2.1{n}"))));
    }
    assert_slowed(&service.send(&from(platform(get("/f"), &pair), "192.0.2.2")));
    // An expired token is no guess.
    let query = "/auth/api/user/token/admin/x?expiredAt=2020-07-27T16:02:32.394Z";
    let made = service.send(&admin(Call::new("POST", query)));
    let token = made.json()["data"]["id"]
        .as_str()
        .expect("a token")
        .to_owned();
    service.pass_ms(1000);
    for _ in 0..20 {
        let call = from(bearer(get("/f"), &token), "192.0.2.3");
        auth::assert_challenge(&service.send(&call));
    }
}

/// The same wrong password again and again, as a forgotten client sends it, is hashed once.
#[test]
fn the_same_wrong_password_costs_one_hash() {
    let _turn = auth::turn();
    let service = service();
    let before = PASSWORD_HASHES.get();
    for name in ["admin", "nobody"] {
        for n in 0..3 {
            let answer = service.send(&wrong(name, &format!("192.0.2.{n}")));
            auth::assert_challenge(&answer);
        }
    }
    assert_eq!(PASSWORD_HASHES.get() - before, 2);
}

#[test]
fn a_hundred_clients_with_one_right_password_cost_one_hash() {
    let _turn = auth::turn();
    let service = service();
    let before = PASSWORD_HASHES.get();
    let barrier = std::sync::Barrier::new(100);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                barrier.wait();
                let call = from(admin(get("/f")), "192.0.2.1");
                assert_eq!(service.send(&call).status, 404);
            });
        }
    });
    assert_eq!(PASSWORD_HASHES.get() - before, 1);
}

/// Strangers guess as fast as they can, for the administrator and for others, from one address and
/// from many. Each lane hashes a few a second: the administrator, whose password nobody has seen yet,
/// is let in soon, from elsewhere and from the address of the strangers too.
#[test]
fn who_guesses_keeps_nobody_out() {
    let _turn = auth::turn();
    let service = service();
    let before = PASSWORD_HASHES.get();
    let until = Instant::now() + Duration::from_secs(4);
    std::thread::scope(|scope| {
        for n in 0..32 {
            let service = &service;
            scope.spawn(move || {
                let mut guess = 0;
                while Instant::now() < until {
                    let name = if n % 2 == 0 { "ann" } else { "admin" };
                    let address = if n < 16 {
                        "192.0.2.1".to_owned()
                    } else {
                        format!("203.0.113.{n}")
                    };
                    let call = login(get("/f"), name, &format!("guess {n} {guess}"));
                    let status = service.send(&from(call, &address)).status;
                    assert!([401, 429].contains(&status), "{status}");
                    guess += 1;
                }
            });
        }
        std::thread::sleep(Duration::from_secs(1));
        for address in ["192.0.2.1", "198.51.100.7"] {
            put_admin(&service.store, PASSWORD).expect("a password");
            let began = Instant::now();
            let answer = service.send(&from(admin(get("/f")), address));
            assert_eq!(answer.status, 404, "{answer:?}");
            let took = began.elapsed();
            assert!(took < Duration::from_secs(20), "{address}: {took:?}");
        }
    });
    let hashes = PASSWORD_HASHES.get() - before;
    assert!(hashes < 300, "{hashes} hashes in seconds");
}
