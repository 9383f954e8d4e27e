//! What clients ask before they upload: the time, who answers, and whether all is well.

use super::answers::{assert_refused, assert_time};
use crate::auth::{self, admin, login};
use crate::service::Service;
use crate::wire::Call;

fn ask(target: &str) -> Call {
    // obd sends this type with everything.
    Call::new("GET", target).header("Content-Type", "application/json")
}

#[test]
fn the_time_is_plain_text_and_needs_no_login() {
    let _turn = auth::turn();
    let service = auth::service();
    for call in [ask("/api/v2/time"), admin(ask("/api/v2/time"))] {
        let answer = service.send(&call);
        assert_eq!(answer.status, 200, "{answer:?}");
        let content_type = answer.header("Content-Type").expect("a type");
        assert!(content_type.starts_with("text/plain"), "{content_type}");
        let text = String::from_utf8(answer.body).expect("text");
        assert_time(&text, "0000-00-00T00:00:00.000+00:00");
    }
}

#[test]
fn the_time_is_told_in_the_zone_of_the_server() {
    let service = Service::with(|config| {
        config.zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    });
    let answer = service.send(&ask("/api/v2/time"));
    let text = String::from_utf8(answer.body).expect("text");
    assert!(text.ends_with("+08:00"), "{text}");
}

#[test]
fn the_status_needs_no_login() {
    let _turn = auth::turn();
    let service = auth::service();
    for call in [ask("/api/status"), admin(ask("/api/status"))] {
        let answer = service.send(&call);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body.trim_ascii(), b"okay");
    }
}

#[test]
fn who_answers_is_told_to_those_who_log_in() {
    let _turn = auth::turn();
    let service = auth::service();
    let answer = service.send(&ask("/api/v2/info"));
    assert_refused(&answer, 401, "IAM10000");
    let wrong = login(ask("/api/v2/info"), "admin", "wrong");
    assert_refused(&service.send(&wrong), 401, "IAM10000");
    let answer = service.send(&admin(ask("/api/v2/info")));
    assert_eq!(answer.status, 200, "{answer:?}");
    let content_type = answer.header("Content-Type").expect("a type");
    assert!(
        content_type.starts_with("application/json"),
        "{content_type}"
    );
    super::answers::assert_order(&answer.body);
    let info = answer.json();
    for key in ["data", "status", "successful", "traceId"] {
        assert!(info.get(key).is_none(), "no envelope: {info}");
    }
    assert!(info["name"].as_str().is_some_and(|name| !name.is_empty()));
    let version = info["buildVersion"].as_str().expect("a version");
    let (number, build) = version.split_once('_').expect("number and build");
    let parts: Vec<u32> = number
        .split('.')
        .map(|part| part.parse().expect("numbers"))
        .collect();
    // What obd needs to take a server over.
    assert!(parts >= vec![4, 2, 0], "{version}");
    assert!(build.starts_with("packhold-"), "{version}");
}
