//! Holds an answer against the description: status, type of content, and members, all of them.
//!
//! It knows those words of JSON Schema that the description uses. It is stricter than they are in one thing:
//! a member that is not described is a fault, unless it says that there may be others.

use std::sync::OnceLock;

use serde_json::Value;

use crate::wire::{Answer, Call};

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(packhold::http::openapi)
}

fn resolve(mut value: &'static Value) -> &'static Value {
    while let Some(reference) = value["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        value = document()
            .pointer(pointer)
            .expect("a reference leads somewhere");
    }
    value
}

/// Fails the test when the description does not say what was answered.
pub fn judge(call: &Call, answer: &Answer) {
    let faults = faults(call, answer);
    let head = call.head();
    let line = String::from_utf8_lossy(&head);
    let line = line.lines().next().unwrap_or_default();
    assert!(
        faults.is_empty(),
        "not as described: {line}: {} {}\n{}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
            .chars()
            .take(1000)
            .collect::<String>(),
        faults.join("\n")
    );
}

/// What an answer has that the description does not.
pub fn faults(call: &Call, answer: &Answer) -> Vec<String> {
    let head = call.head();
    let line = String::from_utf8_lossy(&head);
    let mut words = line.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let path = target.split('?').next().unwrap_or_default();
    // What no route answers, and what is no HTTP or too long for it, is described in general.
    let Some(pattern) = packhold::http::endpoint(method, path) else {
        return Vec::new();
    };
    let is_of_no_handler =
        answer.body.is_empty() && answer.header("X-Content-Type-Options").is_none();
    if is_of_no_handler && [400, 414, 431].contains(&answer.status) {
        return Vec::new();
    }
    let operation = &document()["paths"][super::template(pattern)][method.to_lowercase()];
    let response = resolve(&operation["responses"][answer.status.to_string()]);
    if response.is_null() {
        return vec![format!("status {} of {method} {pattern}", answer.status)];
    }
    let Some(content) = response["content"].as_object() else {
        return match answer.body.is_empty() {
            true => Vec::new(),
            false => vec!["a body where none is described".to_owned()],
        };
    };
    let kind = answer.header("Content-Type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let Some(media) = content.get(kind).or_else(|| content.get("*/*")) else {
        return vec![format!("content of type `{kind}`")];
    };
    let mut faults = Vec::new();
    if kind == "application/json" && !media["schema"].is_null() {
        check(&[&media["schema"]], &answer.json(), "", &mut faults);
    }
    faults
}

/// The schemas that all hold, without the words that join them.
fn flatten(schemas: &[&'static Value]) -> Vec<&'static Value> {
    let mut flat = Vec::new();
    for schema in schemas {
        let schema = resolve(schema);
        flat.push(schema);
        if let Some(all) = schema["allOf"].as_array() {
            flat.extend(flatten(&all.iter().collect::<Vec<_>>()));
        }
    }
    flat
}

fn check(schemas: &[&'static Value], value: &Value, at: &str, faults: &mut Vec<String>) {
    let flat = flatten(schemas);
    for schema in &flat {
        if !has_type(schema["type"].as_str(), value) {
            faults.push(format!("{at}: {value} is no {}", schema["type"]));
        }
        let one_of = schema["enum"].as_array();
        if one_of.is_some_and(|words| !words.contains(value)) {
            faults.push(format!("{at}: {value} is none of {}", schema["enum"]));
        }
        if schema.get("const").is_some_and(|only| only != value) {
            faults.push(format!("{at}: {value} is not {}", schema["const"]));
        }
        if schema["minimum"]
            .as_i64()
            .zip(value.as_i64())
            .is_some_and(|(least, is)| is < least)
        {
            faults.push(format!("{at}: {value} is too small"));
        }
        for alternatives in [&schema["oneOf"], &schema["anyOf"]] {
            if let Some(alternatives) = alternatives.as_array() {
                check_any(alternatives, value, at, faults);
            }
        }
    }
    match value {
        Value::Object(members) => check_members(&flat, members, at, faults),
        Value::Array(values) => {
            let items: Vec<&Value> = flat
                .iter()
                .filter_map(|schema| schema.get("items"))
                .collect();
            for (number, value) in values.iter().enumerate() {
                check(&items, value, &format!("{at}/{number}"), faults);
            }
        }
        _ => {}
    }
}

/// One of the alternatives must fit.
fn check_any(alternatives: &'static [Value], value: &Value, at: &str, faults: &mut Vec<String>) {
    let mut all = Vec::new();
    for alternative in alternatives {
        let mut found = Vec::new();
        check(&[alternative], value, at, &mut found);
        if found.is_empty() {
            return;
        }
        all.extend(found);
    }
    faults.extend(all);
}

fn check_members(
    flat: &[&'static Value],
    members: &serde_json::Map<String, Value>,
    at: &str,
    faults: &mut Vec<String>,
) {
    let required = flat
        .iter()
        .filter_map(|schema| schema["required"].as_array())
        .flatten();
    for name in required.filter_map(Value::as_str) {
        if !members.contains_key(name) {
            faults.push(format!("{at}: {name} is missing"));
        }
    }
    let names_some = flat.iter().any(|schema| schema.get("properties").is_some());
    for (name, value) in members {
        let own = flat
            .iter()
            .filter_map(|schema| schema["properties"].get(name));
        let any = flat
            .iter()
            .filter_map(|schema| schema.get("additionalProperties"));
        let schemas: Vec<&Value> = own.chain(any).collect();
        match schemas.is_empty() && names_some {
            true => faults.push(format!("{at}/{name} is not described")),
            false => check(&schemas, value, &format!("{at}/{name}"), faults),
        }
    }
}

fn has_type(name: Option<&str>, value: &Value) -> bool {
    match name {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some(other) => panic!("the judge does not know the type {other}"),
    }
}
