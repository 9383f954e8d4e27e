//! The description of the API against the API.
//!
//! What this file holds against each other are lists: routes, names and codes. `judge` is asked by
//! [`Service::send`](crate::service::Service::send): whatever any test here is answered, the description says.

mod judge;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::service::Service;
use crate::wire::Call;

pub use judge::judge;

/// What an operation of the description is called in the table of routes.
fn described() -> BTreeSet<String> {
    let document = packhold::http::openapi();
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods").keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

/// A path of the description for a pattern of the table.
fn template(pattern: &str) -> String {
    pattern.replace("/{more..}", "").replace("..}", "}")
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let routes = packhold::http::endpoints();
    let routes: BTreeSet<String> = routes
        .map(|(method, pattern)| format!("{method} {}", template(pattern)))
        .collect();
    let described = described();
    let missing: Vec<_> = routes.difference(&described).collect();
    assert!(
        missing.is_empty(),
        "routes that are not described: {missing:#?}"
    );
    let strange: Vec<_> = described.difference(&routes).collect();
    assert!(strange.is_empty(), "described, but no routes: {strange:#?}");
}

#[test]
fn operations_have_names_of_their_own() {
    let document = packhold::http::openapi();
    let mut ids = BTreeMap::<&str, usize>::new();
    for item in document["paths"].as_object().expect("paths").values() {
        for operation in item.as_object().expect("methods").values() {
            let id = operation["operationId"].as_str().expect("a name");
            *ids.entry(id).or_default() += 1;
        }
    }
    let twice: Vec<_> = ids.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// Every `$ref` of the document.
fn references<'d>(value: &'d Value, found: &mut BTreeSet<&'d str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn references_lead_somewhere_and_nothing_is_left_over() {
    let document = packhold::http::openapi();
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    for reference in &used {
        let pointer = reference.strip_prefix('#').expect("it is in the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for kind in ["schemas", "responses"] {
        for name in document["components"][kind]
            .as_object()
            .expect("they are there")
            .keys()
        {
            let reference = format!("#/components/{kind}/{name}");
            assert!(
                used.contains(reference.as_str()),
                "nothing uses {reference}"
            );
        }
    }
}

#[test]
fn everybody_is_served_the_description() {
    let service = Service::with(|_| {});
    let answer = service.get_target("/packhold/openapi.json");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json(), packhold::http::openapi());
    let kind = answer.header("Content-Type");
    assert_eq!(kind, Some("application/json; charset=utf-8"));
    let head = service.send(&Call::new("HEAD", "/packhold/openapi.json"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(
        head.header("Content-Length"),
        answer.header("Content-Length")
    );
}

/// What handlers ask a request for is described, as a parameter or as a member of its document.
#[test]
fn what_handlers_read_is_described() {
    let document = packhold::http::openapi();
    let known = sources::described_names(&document);
    let read = sources::names_that_are_read();
    let missing: Vec<_> = read.difference(&known).collect();
    assert!(missing.is_empty(), "read, but not described: {missing:#?}");
    // The scan finds something at all, by each of the ways to read.
    for name in [
        "x-bkrepo-overwrite",
        "newFullPath",
        "pageNumber",
        "destFullPath",
        "keyList",
        "withInstallationData",
    ] {
        assert!(
            read.contains(&name.to_lowercase()),
            "{name} was not found in the sources"
        );
    }
}

/// What is described as something that a request can say, the sources name.
#[test]
fn what_is_described_is_read() {
    let document = packhold::http::openapi();
    let words = sources::words();
    let asked = sources::request_names(&document);
    assert!(asked.len() > 80, "{asked:?}");
    let idle: Vec<_> = asked
        .iter()
        .filter(|name| !words.contains(&name.to_lowercase()))
        .collect();
    assert!(
        idle.is_empty(),
        "described, but nothing reads it: {idle:#?}"
    );
}

/// Codes of answers to what no operation is.
const OF_NO_ROUTE: [(u16, &str); 3] = [(404, "250130"), (405, "250112"), (405, "COM10008")];

#[test]
fn every_code_is_described_and_no_other_is() {
    let document = packhold::http::openapi();
    let about = document["info"]["description"].as_str().expect("a text");
    for (status, code) in OF_NO_ROUTE {
        let is_told = about.contains(&format!("{status}/{code}"));
        assert!(is_told, "{status}/{code}");
    }
    let described = sources::described_codes(&document);
    let is_generic = |code: &str| code.bytes().all(|byte| byte.is_ascii_digit());
    let (described, of_ocp): (BTreeSet<_>, BTreeSet<_>) = described
        .into_iter()
        .partition(|(_, code)| is_generic(code));
    let mut given = sources::codes_that_are_given();
    assert!(given.len() > 40, "{given:?}");
    given.retain(|(status, code)| !OF_NO_ROUTE.contains(&(*status, code)));
    let missing: Vec<_> = given.difference(&described).collect();
    assert!(missing.is_empty(), "given, but not described: {missing:?}");
    let strange: Vec<_> = described.difference(&given).collect();
    assert!(
        strange.is_empty(),
        "described, but never given: {strange:?}"
    );
    // The statuses of OCP's dialect are those of the other one.
    let of_ocp: BTreeSet<String> = of_ocp.into_iter().map(|(_, code)| code).collect();
    let mut given = sources::ocp_codes_that_are_given();
    assert!(given.len() > 12, "{given:?}");
    given.retain(|code| OF_NO_ROUTE.iter().all(|(_, other)| other != code));
    assert_eq!(given, of_ocp, "given, and described");
}

/// A judge that would let everything pass is none.
#[test]
fn the_judge_finds_fault() {
    let call = Call::new("GET", "/packhold/stats");
    let service = Service::open();
    let good = service.send(&call);
    assert_eq!(judge::faults(&call, &good), Vec::<String>::new());
    let altered = |change: &dyn Fn(&mut Value)| {
        let mut answer = good.clone();
        let mut json = answer.json();
        change(&mut json);
        answer.body = json.to_string().into_bytes();
        judge::faults(&call, &answer)
    };
    assert_eq!(altered(&|json| json["files"] = json!("1")).len(), 1);
    assert_eq!(altered(&|json| json["files"] = json!(-1)).len(), 1);
    assert_eq!(altered(&|json| json["more"] = json!(1)).len(), 1);
    let taken = altered(&|json| drop(json.as_object_mut().and_then(|all| all.remove("files"))));
    assert_eq!(taken.len(), 1);
    let mut other = good.clone();
    other.status = 201;
    assert_eq!(judge::faults(&call, &other).len(), 1);
    let refusal = |code: u32| {
        let mut answer = good.clone();
        answer.status = 403;
        let envelope =
            json!({"code": code, "message": "no", "data": null, "traceId": "0".repeat(32)});
        answer.body = envelope.to_string().into_bytes();
        judge::faults(&call, &answer).len()
    };
    assert_eq!((refusal(250_113), refusal(250_114)), (0, 1));
}
