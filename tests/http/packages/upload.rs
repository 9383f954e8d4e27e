//! What an upload is answered with: the sample of seeds 000 and 001, key by key.

use std::collections::HashSet;

use jiff::tz::{TimeZone, offset};
use serde_json::{Value, json};

use super::answers::{assert_order, assert_time, data, keys, success};
use super::{PACKAGES, add, add_rpm, download, id, list, md5, sha1, text, total, upload};
use crate::multipart::Form;
use crate::rpms::{Raw, Size, rpm, rpm_with};
use crate::service::Service;

/// The name under which the sample's file comes, which is not what its header says.
const SAMPLE: &str = "t-oceanbase-ocp-agent-3.1.2-20210812221.rpm";
const CANONICAL: &str = "t-oceanbase-ocp-agent-3.1.2-20210812221645.alios7.x86_64.rpm";

fn sample() -> Vec<u8> {
    let release = "20210812221645.alios7";
    rpm("t-oceanbase-ocp-agent", "3.1.2", release, "x86_64")
}

#[test]
fn the_tests_own_packages_are_packages() {
    assert_eq!(sample(), sample(), "the builder is deterministic");
    let payload = b"\r\n--0123".repeat(100);
    let built = rpm_with("name", "1.0", "2.el7", "noarch", &payload);
    let mut raw = Raw::new("name", "1.0", "2.el7", "noarch");
    for (size, bytes) in [
        (Size::Short, built),
        (Size::Short, raw.bytes(b"payload")),
        (Size::Long, raw.bytes(b"payload")),
        (Size::Absent, raw.bytes(b"payload")),
    ] {
        raw.size = size;
        let read = rpm::PackageMetadata::parse(&mut &bytes[..]).expect("a package");
        let nevra = read.get_nevra().expect("its fields").to_string();
        assert_eq!(nevra, "name-1.0-2.el7.noarch");
        assert!(!read.is_source_package());
    }
    let built = rpm_with("name", "1.0", "2.el7", "noarch", &payload);
    assert!(built.windows(payload.len()).any(|window| window == payload));
}

/// The document's own request: the file is named twice, in the query for nothing.
#[test]
fn the_answer_is_that_of_the_sample() {
    let service = Service::open();
    let bytes = sample();
    let target = format!("{PACKAGES}?file={SAMPLE}");
    let answer = service.send(&Form::of(SAMPLE, &bytes).post(&target));
    let package = data(&answer);
    let expected = json!({
        "architecture": "x86_64",
        "buildNumber": "20210812221645",
        "createTime": "2020-07-27T16:02:31+00:00",
        "deletable": true,
        "downloadUrl": format!("http://test/api/v2/files/sys-package/{CANONICAL}"),
        "extension": "rpm",
        "fileName": CANONICAL,
        "md5": md5(&bytes),
        "name": "t-oceanbase-ocp-agent",
        "operatingSystem": "alios7",
        "sha1": sha1(&bytes),
        "size": bytes.len(),
        "type": "OCP_AGENT_INSTALL_PACKAGE",
        "version": "3.1.2",
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(package[key], *value, "{key}: {package}");
    }
    assert!(id(&package) > 0, "{package}");
    assert_eq!(total(&service), 1);
}

/// Whatever else an answer may have, it has these, and they are of these types.
#[test]
fn no_documented_key_is_missing_and_types_are_as_documented() {
    let service = Service::open();
    let answer = upload(&service, SAMPLE, &sample());
    let package = data(&answer);
    for (key, is_right) in [
        ("architecture", Value::is_string as fn(&Value) -> bool),
        ("buildNumber", Value::is_string),
        ("createTime", Value::is_string),
        ("deletable", Value::is_boolean),
        ("downloadUrl", Value::is_string),
        ("extension", Value::is_string),
        ("fileName", Value::is_string),
        ("id", Value::is_u64),
        ("md5", Value::is_string),
        ("name", Value::is_string),
        ("operatingSystem", Value::is_string),
        ("sha1", Value::is_string),
        ("size", Value::is_u64),
        ("type", Value::is_string),
        ("version", Value::is_string),
    ] {
        assert!(is_right(&package[key]), "{key}: {package}");
    }
    let keys = keys(&package);
    assert!(keys.is_sorted(), "{keys:?}");
    assert_order(&answer.body);
}

#[test]
fn every_answer_has_a_trace_of_its_own() {
    let service = Service::open();
    let mut traces = HashSet::new();
    for i in 0..20 {
        let bytes = rpm("name", &i.to_string(), "1", "noarch");
        let answers = [upload(&service, "x.rpm", &bytes), list(&service, "page=1")];
        for answer in answers {
            let trace = success(&answer)["traceId"].to_string();
            assert!(traces.insert(trace.clone()), "{trace} twice");
        }
    }
}

#[test]
fn times_are_told_in_the_zone_of_the_server() {
    let service = Service::with(|config| {
        config.no_auth = true;
        config.zone = TimeZone::fixed(offset(8));
    });
    let answer = upload(&service, SAMPLE, &sample());
    assert_order(&answer.body);
    let json = answer.json();
    assert_eq!(json["data"]["createTime"], "2020-07-28T00:02:31+08:00");
    let time = text(&json, "timestamp");
    assert_time(time, "0000-00-00T00:00:00.000+00:00");
    assert!(time.ends_with("+08:00"), "{time}");
}

/// Half a second later the same second is told.
#[test]
fn a_create_time_has_no_fraction() {
    let service = Service::open();
    service.pass_ms(600);
    let package = add_rpm(&service, "a", "1", "1", "noarch");
    assert_eq!(text(&package, "createTime"), "2020-07-27T16:02:31+00:00");
    service.pass_ms(6);
    let package = add_rpm(&service, "b", "1", "1", "noarch");
    assert_eq!(text(&package, "createTime"), "2020-07-27T16:02:32+00:00");
}

#[test]
fn ids_rise() {
    let service = Service::open();
    let ids: Vec<u64> = (0..10)
        .map(|i| {
            let package = add_rpm(&service, "name", &format!("{}", 9 - i), "1", "noarch");
            id(&package)
        })
        .collect();
    assert!(ids[0] > 0 && ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

#[test]
fn the_header_decides_and_not_the_name() {
    let service = Service::open();
    for (i, name) in [
        "x.rpm",
        "oceanbase-ce-9.9.9-1.el8.aarch64.rpm",
        "obproxy-1.8.3-1913214.el7.x86_64.rpm",
        "-.rpm",
    ]
    .iter()
    .enumerate()
    {
        let version = format!("3.{i}");
        let package = add(&service, name, &rpm("obproxy", &version, "7.el7", "x86_64"));
        let expected = format!("obproxy-{version}-7.el7.x86_64.rpm");
        assert_eq!(text(&package, "fileName"), expected, "{name}");
        assert_eq!(text(&package, "type"), "OBPROXY_INSTALL_PACKAGE");
        assert_eq!(text(&package, "operatingSystem"), "el7");
        assert_eq!(text(&package, "architecture"), "x86_64");
    }
}

#[test]
fn the_suffix_may_be_in_capitals() {
    let service = Service::open();
    for (i, name) in ["X.RPM", "x.Rpm", "x.rPM"].iter().enumerate() {
        let bytes = rpm("name", &i.to_string(), "1.el7", "noarch");
        let package = add(&service, name, &bytes);
        let expected = format!("name-{i}-1.el7.noarch.rpm");
        assert_eq!(text(&package, "fileName"), expected, "{name}");
        assert_eq!(text(&package, "extension"), "rpm", "{name}");
    }
}

/// What the API writes into its links is what it understands in them.
#[test]
fn a_download_url_is_encoded() {
    let service = Service::open();
    let package = add_rpm(&service, "libstdc++", "4.8~rc1^git", "2.el7", "x86_64");
    assert_eq!(
        text(&package, "fileName"),
        "libstdc++-4.8~rc1^git-2.el7.x86_64.rpm"
    );
    let url = text(&package, "downloadUrl");
    assert!(
        !url.contains('+') && !url.contains('^') && url.contains("%2B%2B-4.8"),
        "{url}"
    );
    assert_eq!(service.send(&download(&package)).status, 200);
}

#[test]
fn digests_and_size_are_those_of_the_file() {
    let service = Service::open();
    for (i, len) in [0, 1, 65_536, 3_000_000].into_iter().enumerate() {
        let payload = crate::noise::noise(i as u64, len);
        let bytes = rpm_with("name", &i.to_string(), "1", "noarch", &payload);
        let package = add(&service, "x.rpm", &bytes);
        assert_eq!(text(&package, "sha1"), sha1(&bytes));
        assert_eq!(text(&package, "md5"), md5(&bytes));
        assert_eq!(package["size"], bytes.len());
    }
}

#[test]
fn digests_inside_are_not_judged_and_more_may_follow() {
    let service = Service::open();
    let mut bytes = rpm_with("name", "1", "1", "noarch", b"the payload");
    let at = bytes
        .windows(11)
        .position(|window| window == b"the payload");
    bytes[at.expect("the payload")] ^= 1;
    let package = add(&service, "x.rpm", &bytes);
    assert_eq!(text(&package, "sha1"), sha1(&bytes));
    let mut bytes = rpm_with("name", "2", "1", "noarch", b"the payload");
    bytes.extend(b"and more");
    let package = add(&service, "x.rpm", &bytes);
    assert_eq!(package["size"], bytes.len());
}

#[test]
fn how_the_signature_tells_the_size() {
    let service = Service::open();
    for (i, size) in [Size::Short, Size::Long, Size::Absent]
        .into_iter()
        .enumerate()
    {
        let mut raw = Raw::new("name", &i.to_string(), "1.el7", "noarch");
        raw.size = size;
        let bytes = raw.bytes(b"payload");
        let package = add(&service, "x.rpm", &bytes);
        assert_eq!(package["size"], bytes.len(), "{size:?}");
        assert_eq!(text(&package, "name"), "name");
    }
}
