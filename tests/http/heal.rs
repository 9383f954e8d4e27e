//! Checking and mending beside clients.

use serde_json::Value;

use crate::damage::damage;
use crate::noise::noise;
use crate::service::{Service, get};
use crate::wire::{Answer, Call};

fn ask(service: &Service, method: &str, target: &str) -> Answer {
    service.send(&Call::new(method, target))
}

fn verified(service: &Service, query: &str) -> Value {
    let answer = ask(service, "POST", &format!("/packhold/verify?{query}"));
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[test]
fn a_sample_at_a_rate() {
    let service = Service::open();
    for i in 0..5 {
        service.store(&format!("/f{i}"), noise(i, 300_000));
    }
    let whole = verified(&service, "");
    assert_eq!(whole["checked_bytes"], whole["of_bytes"]);
    let part = verified(&service, "sample=20%25&seed=5&rate=100000000");
    assert_eq!((&part["clean"], &part["seed"]), (&true.into(), &5.into()));
    let (checked, of) = (part["checked_bytes"].as_u64(), part["of_bytes"].as_u64());
    assert!(checked >= Some(300_000) && checked < of, "{part}");
    assert_eq!(verified(&service, "sample=20%25&seed=5"), part);
    let drawn = verified(&service, "sample=300000");
    let seed = drawn["seed"].as_u64().expect("it is told");
    assert_eq!(
        verified(&service, &format!("sample=300000&seed={seed}")),
        drawn
    );
    for query in [
        "sample=0",
        "sample=0%25",
        "sample=101%25",
        "sample=NaN%25",
        "sample=-1",
        "sample=x",
        "sample=99999999999999999999",
        "rate=0",
        "rate=1",
        "rate=-1",
        "rate=inf",
        "rate=99999999999999999999",
        "seed=5",
        "sample=5%25&seed=x",
        "sample=",
    ] {
        let answer = ask(&service, "POST", &format!("/packhold/verify?{query}"));
        assert_eq!(answer.status, 400, "{query}");
    }
}

#[test]
fn chunks_and_contents_heal_over_http() {
    let (bad, good) = (Service::open(), Service::open());
    let body = noise(4, 300_000);
    for service in [&bad, &good] {
        service.store("/f", &body);
        service.store("/other", noise(5, 1_000));
    }
    let name = crate::service::sha256(&body);
    let content = format!("/packhold/contents/{name}");
    damage(&bad, &body[100_000..100_032]);
    let report = verified(&bad, "repair=true");
    let chunk = format!("/packhold/chunks/{}", text(&report["lacking_chunks"][0]));
    assert_eq!(ask(&bad, "GET", &chunk).verdict(), (404, 251_010));
    let damaged = ask(&bad, "GET", "/packhold/damage").json();
    assert_eq!(damaged["damaged_files"][0]["path"], "/f");
    assert_eq!(damaged["damaged_contents"][0], name.as_str());
    assert_eq!(damaged["lacking_chunks"], report["lacking_chunks"]);
    let stats = ask(&bad, "GET", "/packhold/stats").json();
    assert_eq!(stats["lacking_chunks"], 1);

    let intact = ask(&good, "GET", &chunk);
    assert_eq!(intact.status, 200);
    let mut wrong = intact.body.clone();
    wrong[7] ^= 1;
    let put = |target: &str, body: &[u8]| bad.send(&Call::new("PUT", target).body(body));
    assert_eq!(put(&chunk, &wrong).verdict(), (400, 251_003));
    assert_eq!(put(&chunk, &noise(9, 70_000)).status, 413);
    assert_eq!(put(&content, &noise(9, 300_000)).verdict(), (400, 251_003));
    assert_eq!(put(&content, &noise(9, 300_001)).status, 413);
    assert_eq!(bad.send(&get("/f")).status, 500);
    assert_eq!(put(&chunk, &intact.body).status, 200);
    assert_eq!(put(&chunk, &intact.body).verdict(), (404, 251_010));
    bad.assert_file("/f", &body);
    assert_eq!(put(&content, &body).verdict(), (404, 251_010));

    damage(&bad, &body[200_000..200_032]);
    assert_eq!(verified(&bad, "repair=true")["clean"], false);
    assert_eq!(ask(&bad, "GET", &content).verdict(), (500, 251_102));
    let whole = ask(&good, "GET", &content);
    assert!(whole.status == 200 && whole.body == body);
    assert_eq!(put(&content, &whole.body).status, 200);
    bad.assert_file("/f", &body);
    assert_eq!(verified(&bad, "")["clean"], true);
    let damaged = ask(&bad, "GET", "/packhold/damage").json();
    assert_eq!(damaged["damaged_files"].as_array().map(Vec::len), Some(0));
    for target in [
        "/packhold/chunks/xyz",
        "/packhold/chunks/",
        "/packhold/contents/ab",
    ] {
        for method in ["GET", "PUT"] {
            let answer = bad.send(&Call::new(method, target).body("x"));
            assert!(matches!(answer.status, 400 | 404), "{method} {target}");
        }
    }
}

// A server that scrubs tells what it found, and goes on serving.
#[test]
fn a_scrub_runs_beside_clients() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.scrub_every = Some(std::time::Duration::from_hours(24));
    });
    let body = noise(6, 200_000);
    service.store("/f", &body);
    let scrub = || ask(&service, "GET", "/packhold/stats").json()["scrub"].clone();
    let wait_for = |passes: u64| {
        while scrub()["passes"].as_u64() < Some(passes) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    wait_for(1);
    damage(&service, &body[100_000..100_032]);
    service.pass_ms(86_400_000);
    let service = service.restart();
    let scrub = || ask(&service, "GET", "/packhold/stats").json()["scrub"].clone();
    while scrub()["damaged_files"]
        .as_array()
        .is_none_or(Vec::is_empty)
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let found = scrub();
    assert_eq!(found["damaged_files"][0]["path"], "/f", "{found}");
    assert_eq!(found["damaged_chunks"], 1, "{found}");
    let metrics = ask(&service, "GET", "/metrics");
    let metrics = String::from_utf8(metrics.body).expect("a text");
    for name in [
        "scrubs",
        "damaged_chunks",
        "checked_bytes",
        "repaired_chunks",
    ] {
        assert!(
            metrics.contains(&format!("packhold_{name}_total ")),
            "{name}"
        );
    }
}
