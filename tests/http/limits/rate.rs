//! How often a client may ask: `--max-requests-per-second`. Time is that of the store, and stands still.

use std::num::NonZeroU32;

use crate::service::{Service, get, put};
use crate::wire::{Answer, Call};

/// One request a second, ten at once.
fn service() -> Service {
    Service::with(|config| {
        config.no_auth = true;
        config.behind_proxy = true;
        config.limits.max_requests_per_second = NonZeroU32::new(1);
    })
}

fn from(call: Call, client: &str) -> Call {
    call.header("X-Forwarded-For", client)
}

#[track_caller]
fn assert_refused(answer: &Answer, wait_s: &str) {
    assert_eq!(answer.verdict(), (429, 250_124), "{answer:?}");
    assert_eq!(answer.header("Retry-After"), Some(wait_s));
    let message = answer.json()["message"].clone();
    assert!(
        message
            .as_str()
            .is_some_and(|m| m.starts_with("Too Many Requests: ")),
        "{message}"
    );
}

#[test]
fn who_asks_too_often_waits_and_nobody_else() {
    let service = service();
    for _ in 0..10 {
        assert_eq!(service.send(&from(get("/f"), "192.0.2.1")).status, 404);
    }
    assert_refused(&service.send(&from(get("/f"), "192.0.2.1")), "1");
    let large = put("/f").body(vec![0; 8 << 20]);
    assert_refused(&service.send(&from(large, "192.0.2.1")), "1");
    assert_eq!(service.send(&from(get("/f"), "192.0.2.2")).status, 404);
    // The test's own address.
    assert_eq!(service.get("/f").status, 404);
    service.pass_ms(1000);
    assert_eq!(service.send(&from(get("/f"), "192.0.2.1")).status, 404);
    assert_refused(&service.send(&from(get("/f"), "192.0.2.1")), "1");
}

#[test]
fn an_ipv6_customer_is_one_client() {
    let service = service();
    for n in 0..10 {
        let client = format!("2001:db8:1:2:{n}::1");
        assert_eq!(service.send(&from(get("/f"), &client)).status, 404);
    }
    assert_refused(&service.send(&from(get("/f"), "2001:db8:1:2:ffff::")), "1");
    assert_eq!(
        service.send(&from(get("/f"), "2001:db8:1:3::1")).status,
        404
    );
}

#[test]
fn probes_are_never_refused() {
    let service = service();
    for _ in 0..30 {
        for probe in [
            "/healthz",
            "/readyz",
            "/repository/actuator/health",
            "/api/status",
        ] {
            assert_eq!(service.get_target(probe).status, 200, "{probe}");
        }
    }
    assert_eq!(service.get("/f").status, 404, "and take nothing");
}

#[test]
fn packages_are_refused_in_their_own_envelope_and_always_told() {
    let service = service();
    let list = || service.get_target("/api/v2/software-packages");
    for left in (0..10).rev() {
        let answer = list();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Ratelimit-Limit"), Some("10"));
        let told = answer.header("Ratelimit-Remaining");
        assert_eq!(told, Some(left.to_string().as_str()));
    }
    let answer = list();
    assert_eq!(answer.status, 429);
    let envelope = answer.json();
    assert_eq!(envelope["error"]["code"], "COM10003");
    let message = envelope["error"]["message"].to_string();
    assert!(
        message.contains("Excessive number of requests"),
        "{message}"
    );
    assert_eq!(answer.header("Ratelimit-Remaining"), Some("0"));
    assert_eq!(answer.header("Ratelimit-Reset"), Some("10"));
    assert_eq!(answer.header("Retry-After"), Some("1"));
    let generic = service.get("/f");
    assert_eq!(generic.header("Ratelimit-Limit"), None);
}

#[test]
fn without_the_limit_nothing_is_told() {
    let service = Service::open();
    let answer = service.get_target("/api/v2/software-packages");
    assert_eq!(answer.header("Ratelimit-Limit"), None);
}
