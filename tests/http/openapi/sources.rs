//! What the façade's sources and the description name.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use serde_json::Value;

const HTTP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http");

/// Functions that read something by the first text that they are given.
const READERS: [&str; 11] = [
    "query_value(",
    "query_values(",
    "query_flag(",
    "number_header(",
    "bool_header(",
    "flag(",
    "number(",
    "number_or(",
    "parsed::<Rate>(",
    "parsed(",
    "filter(raw, ",
];
/// Those that do so as methods.
const METHODS: [&str; 6] = [
    ".text(",
    ".texts(",
    ".required(",
    ".list(",
    ".object(",
    ".get(",
];

/// The sources of the façade without their tests and without the description.
fn sources() -> String {
    let mut all = String::new();
    collect(Path::new(HTTP), &mut all).expect("the sources are there");
    all
}

fn collect(folder: &Path, all: &mut String) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("openapi") {
            collect(&path, all)?;
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            let source = fs::read_to_string(&path)?;
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            lines.for_each(|line| all.extend([line, "\n"]));
        }
    }
    Ok(())
}

/// The texts in a piece of source; there are no escapes in names.
fn literals(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

fn is_name(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.bytes().all(part)
}

/// Names that a request is asked for: what readers are given, and headers of bk-repo's. In lower case.
pub fn names_that_are_read() -> BTreeSet<String> {
    let source = sources();
    let mut names = BTreeSet::new();
    for reader in READERS.iter().chain(&METHODS) {
        for (at, found) in source.match_indices(reader) {
            let before = source[..at].chars().next_back().unwrap_or(' ');
            let given = &source[at + found.len()..];
            let given = given.split([')', ';']).next().unwrap_or_default();
            if reader.starts_with('.') || !(before.is_alphanumeric() || before == '_') {
                let name = literals(given).next().filter(|name| is_name(name));
                names.extend(name.map(str::to_lowercase));
            }
        }
    }
    let own = |name: &&str| name.starts_with("x-bkrepo-") || *name == "upload-type";
    for line in source.lines() {
        names.extend(
            literals(line)
                .filter(own)
                .map(|name| name.trim_end_matches('-').to_owned()),
        );
    }
    names
}

/// Every word of the sources, in lower case; headers that a library names have `_` for `-`.
pub fn words() -> BTreeSet<String> {
    let source = sources();
    let words = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    words
        .flat_map(|word| [word.to_lowercase(), word.to_lowercase().replace('_', "-")])
        .collect()
}

fn each(value: &Value, see: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                see(name, value);
                each(value, see);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| each(value, see)),
        _ => {}
    }
}

/// The members that a schema names, at any depth.
fn members_of(schema: &Value, names: &mut BTreeSet<String>) {
    if !schema.is_object() {
        return;
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        names.insert(name.clone());
        members_of(member, names);
    }
    for inner in ["items", "additionalProperties"] {
        members_of(&schema[inner], names);
    }
    for joined in ["allOf", "oneOf", "anyOf"] {
        let schemas = schema[joined].as_array().into_iter().flatten();
        schemas.for_each(|schema| members_of(schema, names));
    }
}

/// The schemas in a part of the description that are no parameters'.
fn schemas_in(value: &Value, names: &mut BTreeSet<String>) {
    each(value, &mut |name, value| {
        if name == "schema" {
            members_of(value, names);
        }
    });
}

/// Names of parameters and of members of documents in requests.
pub fn request_names(document: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    each(&document["paths"], &mut |name, value| match name {
        "parameters" => {
            let parameters = value.as_array().into_iter().flatten();
            let said = parameters.filter(|parameter| parameter["in"] != "path");
            names.extend(
                said.filter_map(|parameter| parameter["name"].as_str())
                    .map(str::to_owned),
            );
        }
        "requestBody" => schemas_in(value, &mut names),
        _ => {}
    });
    // The one document that has documents of its own kind in it.
    members_of(&document["components"]["schemas"]["Rule"], &mut names);
    names
}

/// Headers that HTTP, authentication, browsers and CORS have.
const PROTOCOL: [&str; 11] = [
    "Access-Control-Request-Headers",
    "Authorization",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Date",
    "Expect",
    "Host",
    "Origin",
    "Sec-Fetch-Site",
    "Transfer-Encoding",
];

/// All names that the description has, in lower case: of requests, and of the headers and members of answers.
pub fn described_names(document: &Value) -> BTreeSet<String> {
    let mut names = request_names(document);
    schemas_in(document, &mut names);
    let schemas = document["components"]["schemas"].as_object();
    let schemas = schemas.into_iter().flatten();
    schemas.for_each(|(_, schema)| members_of(schema, &mut names));
    each(document, &mut |name, value| {
        if let ("headers", Value::Object(headers)) = (name, value) {
            names.extend(headers.keys().cloned());
        }
    });
    names.extend(PROTOCOL.map(str::to_owned));
    names.into_iter().map(|name| name.to_lowercase()).collect()
}

/// Statuses by the names that the sources have for them.
const STATUSES: [(&str, u16); 15] = [
    ("BAD_REQUEST", 400),
    ("UNAUTHORIZED", 401),
    ("FORBIDDEN", 403),
    ("NOT_FOUND", 404),
    ("METHOD_NOT_ALLOWED", 405),
    ("REQUEST_TIMEOUT", 408),
    ("CONFLICT", 409),
    ("PRECONDITION_FAILED", 412),
    ("PAYLOAD_TOO_LARGE", 413),
    ("RANGE_NOT_SATISFIABLE", 416),
    ("TOO_MANY_REQUESTS", 429),
    ("REQUEST_HEADER_FIELDS_TOO_LARGE", 431),
    ("INTERNAL_SERVER_ERROR", 500),
    ("SERVICE_UNAVAILABLE", 503),
    ("INSUFFICIENT_STORAGE", 507),
];

fn status_of(name: &str) -> u16 {
    let known = STATUSES.iter().find(|(known, _)| *known == name);
    known
        .unwrap_or_else(|| panic!("this test does not know the status {name}"))
        .1
}

/// A module of `error`, without its tests.
fn error_source(name: &str) -> String {
    let source = fs::read_to_string(format!("{HTTP}/error/{name}.rs")).expect("it is there");
    source
        .split("#[cfg(test)]")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Statuses and codes that `error` gives in bk-repo's dialect.
pub fn codes_that_are_given() -> BTreeSet<(u16, String)> {
    let mut codes = BTreeSet::new();
    let source = error_source("mod");
    for rest in source.split("StatusCode::").skip(1) {
        let name = rest
            .split(|c: char| !c.is_ascii_uppercase() && c != '_')
            .next()
            .unwrap_or_default();
        let code = rest[name.len()..].strip_prefix(", ").unwrap_or_default();
        let code: String = code
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '_')
            .collect();
        if !code.is_empty() {
            codes.insert((status_of(name), code.replace('_', "")));
        }
    }
    codes
}

/// Statuses and codes that the description has.
pub fn described_codes(document: &Value) -> BTreeSet<(u16, String)> {
    let mut codes = BTreeSet::new();
    for name in document["components"]["responses"]
        .as_object()
        .expect("responses")
        .keys()
    {
        let mut parts = name.trim_start_matches("head-").split('-');
        let status = parts
            .next()
            .and_then(|status| status.parse().ok())
            .expect("a status");
        codes.extend(parts.map(|code| (status, code.to_owned())));
    }
    codes
}

/// OCP's codes in the sources.
pub fn ocp_codes_that_are_given() -> BTreeSet<String> {
    let is_code = |text: &&str| {
        ["COM1", "PKG1", "IAM1"]
            .iter()
            .any(|base| text.starts_with(base))
    };
    literals(&error_source("ocp"))
        .filter(is_code)
        .map(str::to_owned)
        .collect()
}
