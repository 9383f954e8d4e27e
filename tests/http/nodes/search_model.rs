//! Random rules: what a search finds must be what a filter over all nodes lets through, whatever
//! part of the index it walks.

use serde_json::{Value, json};

use super::search::all;
use super::{data, fill, names, send};
use crate::noise::Noise;
use crate::service::{Service, put};

const NAMES: [&str; 5] = ["a", "b", "ab", "ba", "B"];

fn pick<'a>(noise: &mut Noise, from: &[&'a str]) -> &'a str {
    from[noise.below(from.len())]
}

/// A path of names, up to three deep.
fn path(noise: &mut Noise) -> String {
    let depth = 1 + noise.below(3);
    (0..depth).fold(String::new(), |path, _| path + "/" + pick(noise, &NAMES))
}

fn filled(noise: &mut Noise) -> Service {
    let service = Service::open();
    for i in 0..60 {
        let name = format!("{}/{}.{i}", path(noise), pick(noise, &NAMES));
        let mut call = put(&name);
        if noise.below(2) == 0 {
            call = call.header("X-BKREPO-META-k", pick(noise, &NAMES));
        }
        let answer = service.send(&call.body("x".repeat(noise.below(4))));
        assert_eq!(answer.status, 200, "{name}");
    }
    fill(&service, &["/empty/", "/a/empty/"]);
    service
}

fn test(noise: &mut Noise) -> Value {
    let text = [
        "EQ", "NE", "PREFIX", "SUFFIX", "MATCH", "IN", "NIN", "NULL", "NOT_NULL", "LT", "GTE",
    ];
    let field = pick(
        noise,
        &[
            "path",
            "path",
            "fullPath",
            "fullPath",
            "name",
            "metadata.k",
            "size",
        ],
    );
    let (operation, value) = match field {
        "size" => (
            pick(noise, &["EQ", "NE", "LT", "GTE"]),
            json!(noise.below(5)),
        ),
        "name" | "metadata.k" => {
            let value = match noise.below(3) {
                0 => format!("{}*", pick(noise, &NAMES)),
                1 => format!("*{}*", pick(noise, &NAMES)),
                _ => pick(noise, &NAMES).to_owned(),
            };
            (pick(noise, &text), json!(value))
        }
        "path" => (pick(noise, &text), json!(format!("{}/", path(noise)))),
        _ => {
            let star = pick(noise, &["", "", "*", "/*"]);
            (pick(noise, &text), json!(format!("{}{star}", path(noise))))
        }
    };
    let value = match operation {
        "IN" | "NIN" => json!([value, format!("{}/", path(noise)), path(noise)]),
        _ => value,
    };
    json!({"field": field, "operation": operation, "value": value})
}

fn random_rule(noise: &mut Noise, depth: usize) -> Value {
    if depth == 0 || noise.below(3) == 0 {
        return test(noise);
    }
    let count = 1 + noise.below(3);
    let rules: Vec<Value> = (0..count).map(|_| random_rule(noise, depth - 1)).collect();
    json!({"relation": pick(noise, &["AND", "AND", "OR", "NOR"]), "rules": rules})
}

/// The value of a field in a record; what is missing is null.
fn value_of(record: &Value, field: &str) -> Value {
    match field.strip_prefix("metadata.") {
        Some(key) => record["metadata"][key].clone(),
        None => record[field].clone(),
    }
}

/// `*` stands for any characters.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if matches(rest, text) => true,
        (Some((b'*', _)), Some((_, behind))) => matches(pattern, behind),
        (Some((a, pattern)), Some((b, text))) if a == b => matches(pattern, text),
        _ => false,
    }
}

/// As the server reads paths that are compared as a whole.
fn normal(field: &str, value: &Value) -> Value {
    match (field, value.as_str()) {
        ("path", Some(text)) => json!(format!("/{}/", text.trim_matches('/'))),
        ("fullPath", Some(text)) => json!(text.trim_end_matches('/')),
        _ => value.clone(),
    }
}

fn holds(rule: &Value, record: &Value) -> bool {
    if let Some(rules) = rule["rules"].as_array() {
        let mut held = rules.iter().map(|rule| holds(rule, record));
        return match rule["relation"].as_str() {
            Some("AND") => held.all(|held| held),
            Some("OR") => held.any(|held| held),
            _ => !held.any(|held| held),
        };
    }
    let field = rule["field"].as_str().expect("a field");
    let seen = value_of(record, field);
    let wanted = normal(field, &rule["value"]);
    let less = || match (&seen, &wanted) {
        (Value::String(a), Value::String(b)) => a < b,
        (a, b) => a.as_u64() < b.as_u64(),
    };
    let text = || seen.as_str().unwrap_or("\u{0}");
    let raw = rule["value"].as_str().unwrap_or_default();
    let is_in = || {
        let values = rule["value"].as_array().expect("a list");
        values.iter().any(|value| normal(field, value) == seen)
    };
    match rule["operation"].as_str().expect("an operation") {
        "EQ" => seen == wanted,
        "NE" => seen != wanted,
        "PREFIX" => text().starts_with(raw),
        "SUFFIX" => text().ends_with(raw),
        "MATCH" => matches(raw.as_bytes(), text().as_bytes()),
        "IN" => is_in(),
        "NIN" => !is_in(),
        "NULL" => seen.is_null(),
        "NOT_NULL" => !seen.is_null(),
        "LT" => !seen.is_null() && less(),
        "GTE" => !seen.is_null() && !less(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_search_is_a_filter_over_all_nodes() {
    let mut noise = Noise::new(77);
    let service = filled(&mut noise);
    let every = "/node/page/project/repo?deep=true&includeMetadata=true&pageSize=10000";
    let every = super::ask(&service, every);
    let every = every["records"].as_array().expect("records");
    assert!(every.len() > 90, "{}", every.len());
    let mut some = 0;
    for i in 0..400 {
        let rule = random_rule(&mut noise, 3);
        let let_through: Vec<Value> = every
            .iter()
            .filter(|record| holds(&rule, record))
            .cloned()
            .collect();
        let mut expected = names(&json!(let_through), "fullPath");
        some += usize::from(!expected.is_empty() && expected.len() < every.len());
        let sort = ["size", "name", "metadata.k"][i % 3];
        for sort in [
            Value::Null,
            json!({"properties": [sort], "direction": "DESC"}),
        ] {
            let mut found = Vec::new();
            for number in 1..=3 {
                let model = json!({
                    "page": {"pageNumber": number, "pageSize": 50},
                    "sort": sort, "rule": all(std::slice::from_ref(&rule)),
                });
                let page = data(&send(&service, "POST", "/node/search", &model));
                assert_eq!(page["totalRecords"], expected.len(), "{rule}");
                found.extend(names(&page["records"], "fullPath"));
            }
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{rule}");
        }
    }
    assert!(some > 100, "the rules tell nodes apart: {some}");
}
