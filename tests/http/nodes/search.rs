//! Searching by rules.

use serde_json::{Value, json};

use super::{DAY_MS, api, data, fill, names, send, store_for_a_day};
use crate::service::{DIGITS, DIGITS_MD5, DIGITS_SHA256, Service, put};
use crate::wire::{Answer, Call};

/// A rule.
pub fn rule(field: &str, operation: &str, value: &Value) -> Value {
    json!({"field": field, "operation": operation, "value": value})
}

/// All of these in the repository of the tests.
pub fn all(rules: &[Value]) -> Value {
    let mut all = vec![
        rule("projectId", "EQ", &json!("project")),
        rule("repoName", "EQ", &json!("repo")),
    ];
    all.extend(rules.iter().cloned());
    json!({"rules": all, "relation": "AND"})
}

fn search(service: &Service, model: &Value) -> Answer {
    send(service, "POST", "/node/search", model)
}

fn found(service: &Service, rules: &[Value]) -> Vec<String> {
    let model = json!({"page": {"pageSize": 1000}, "rule": all(rules)});
    names(&data(&search(service, &model))["records"], "fullPath")
}

fn filled() -> Service {
    let service = Service::open();
    fill(
        &service,
        &[
            "/a/b/c.txt",
            "/a/b/D.TXT",
            "/a/bc/e.md",
            "/a/f.txt",
            "/g.md",
            "/empty/",
        ],
    );
    let call = put("/digits").header("X-BKREPO-META-Build-Id", "42");
    let call = call.header("X-BKREPO-EXPIRES", "9").body(DIGITS);
    assert_eq!(service.send(&call).status, 200);
    service
}

#[test]
fn every_operation() {
    let service = filled();
    let files = [
        "/a/b/D.TXT",
        "/a/b/c.txt",
        "/a/bc/e.md",
        "/a/f.txt",
        "/digits",
        "/g.md",
    ];
    let folders = ["/a/", "/a/b/", "/a/bc/", "/empty/"];
    for (field, operation, value, expected) in [
        (
            "path",
            "EQ",
            json!("/a/b/"),
            &["/a/b/D.TXT", "/a/b/c.txt"][..],
        ),
        ("path", "eq", json!("/a/b"), &["/a/b/D.TXT", "/a/b/c.txt"]),
        (
            "path",
            "PREFIX",
            json!("/a/b/"),
            &["/a/b/D.TXT", "/a/b/c.txt"],
        ),
        (
            "path",
            "PREFIX",
            json!("/a/b"),
            &["/a/b/D.TXT", "/a/b/c.txt", "/a/bc/e.md"],
        ),
        (
            "fullPath",
            "PREFIX",
            json!("/a/b"),
            &["/a/b/", "/a/b/D.TXT", "/a/b/c.txt", "/a/bc/", "/a/bc/e.md"],
        ),
        ("fullPath", "PREFIX", json!("/a/b/c"), &["/a/b/c.txt"]),
        ("fullPath", "EQ", json!("/a/f.txt"), &["/a/f.txt"]),
        ("fullPath", "EQ", json!("/a/b/"), &["/a/b/"]),
        ("fullPath", "EQ", json!("/none/at/all"), &[]),
        (
            "fullPath",
            "IN",
            json!(["/g.md", "/a", "/", "/x"]),
            &["/a/", "/g.md"],
        ),
        ("name", "EQ", json!("e.md"), &["/a/bc/e.md"]),
        ("name", "MATCH", json!("*.txt"), &["/a/b/c.txt", "/a/f.txt"]),
        (
            "name",
            "MATCH_I",
            json!("*.txt"),
            &["/a/b/D.TXT", "/a/b/c.txt", "/a/f.txt"],
        ),
        (
            "name",
            "MATCH",
            json!("*.*"),
            &[
                "/a/b/D.TXT",
                "/a/b/c.txt",
                "/a/bc/e.md",
                "/a/f.txt",
                "/g.md",
            ],
        ),
        ("name", "MATCH", json!("c.txt"), &["/a/b/c.txt"]),
        ("fullPath", "MATCH", json!("/a/*/e*"), &["/a/bc/e.md"]),
        ("name", "SUFFIX", json!(".md"), &["/a/bc/e.md", "/g.md"]),
        ("name", "NIN", json!(["a", "b", "bc", "empty"]), &files),
        ("folder", "EQ", json!(true), &folders),
        ("folder", "EQ", json!("false"), &files),
        ("folder", "NE", json!("False"), &folders),
        ("size", "EQ", json!(9), &["/digits"]),
        (
            "size",
            "GT",
            json!("9"),
            &["/a/b/D.TXT", "/a/b/c.txt", "/a/bc/e.md"],
        ),
        ("size", "GTE", json!(-1), &["x"]),
        ("size", "LT", json!(-1), &[]),
        ("sha256", "EQ", json!(DIGITS_SHA256), &["/digits"]),
        ("md5", "EQ", json!(DIGITS_MD5), &["/digits"]),
        ("sha256", "NULL", Value::Null, &folders),
        ("md5", "NOT_NULL", Value::Null, &files),
        ("metadata.build-id", "EQ", json!(42), &["/digits"]),
        ("metadata.build-id", "EQ", json!("42"), &["/digits"]),
        ("metadata.build-id", "NOT_NULL", Value::Null, &["/digits"]),
        ("metadata.Build-Id", "NOT_NULL", Value::Null, &[]),
        ("metadata.build-id", "NE", Value::Null, &["/digits"]),
        ("expireDate", "NOT_NULL", Value::Null, &["/digits"]),
        (
            "expireDate",
            "AFTER",
            json!("2020-08-05T16:02:31.393"),
            &["/digits"],
        ),
        ("expireDate", "AFTER", json!("2020-08-05T16:02:31.394"), &[]),
        (
            "expireDate",
            "LTE",
            json!("2020-08-05T16:02:31.394Z"),
            &["/digits"],
        ),
        (
            "createdDate",
            "BEFORE",
            json!("2020-07-27T16:02:31.394"),
            &[],
        ),
        ("createdDate", "EQ", json!(1_595_865_751_394_u64), &["x"]),
        ("createdBy", "EQ", json!("nobody"), &[]),
        ("lastModifiedBy", "NE", json!("admin"), &[]),
        ("deleted", "NULL", Value::Null, &["x"]),
        ("deleted", "EQ", Value::Null, &["x"]),
        ("repoType", "EQ", json!("GENERIC"), &["x"]),
        ("category", "EQ", json!("REMOTE"), &[]),
    ] {
        let mut paths = found(&service, &[rule(field, operation, &value)]);
        paths.sort();
        match expected {
            ["x"] => assert_eq!(paths.len(), 10, "{field} {operation} {value}"),
            expected => assert_eq!(paths, expected, "{field} {operation} {value}"),
        }
    }
}

#[test]
fn rules_within_rules() {
    let service = filled();
    let md = rule("name", "SUFFIX", &json!(".md"));
    let deep = rule("path", "PREFIX", &json!("/a/"));
    let files = rule("folder", "EQ", &json!(false));
    let any = json!({"rules": [md, deep], "relation": "or"});
    let none = json!({"rules": [md, deep], "relation": "NOR"});
    assert_eq!(
        found(&service, &[any, files.clone()]),
        [
            "/a/b/D.TXT",
            "/a/b/c.txt",
            "/a/bc/e.md",
            "/a/f.txt",
            "/g.md"
        ]
    );
    assert_eq!(found(&service, &[none, files]), ["/digits"]);
}

#[test]
fn pages_select_and_sort() {
    let service = filled();
    let model = |page: Value, sort: Value, select: Value| {
        json!({
            "page": page, "sort": sort, "select": select,
            "rule": all(&[rule("folder", "EQ", &json!("false"))]),
        })
    };
    let first = model(
        json!({"pageNumber": 0, "pageSize": 4}),
        Value::Null,
        Value::Null,
    );
    let first = data(&search(&service, &first));
    assert_eq!(
        (&first["totalRecords"], &first["totalPages"]),
        (&json!(6), &json!(2))
    );
    assert_eq!(first["pageNumber"], 1);
    let second = model(
        json!({"pageNumber": 2, "pageSize": "4"}),
        Value::Null,
        json!([]),
    );
    let second = data(&search(&service, &second));
    let mut paths = names(&first["records"], "fullPath");
    paths.extend(names(&second["records"], "fullPath"));
    assert_eq!(
        paths,
        [
            "/a/b/D.TXT",
            "/a/b/c.txt",
            "/a/bc/e.md",
            "/a/f.txt",
            "/digits",
            "/g.md"
        ]
    );
    let digits = &second["records"][0];
    assert_eq!(digits["metadata"], json!({"build-id": "42"}));
    assert_eq!(digits["nodeMetadata"][0]["key"], "build-id");
    assert_eq!(digits["md5"], DIGITS_MD5);

    let sort = json!({"properties": ["size", "name"], "direction": "DESC"});
    let sorted = model(
        Value::Null,
        sort,
        json!(["size", "metadata.build-id", "unknown"]),
    );
    let sorted = data(&search(&service, &sorted));
    assert_eq!(
        names(&sorted["records"], "name"),
        ["e.md", "c.txt", "D.TXT", "digits", "f.txt", "g.md"]
    );
    assert_eq!(
        sorted["records"][3],
        json!({
            "projectId": "project", "repoName": "repo", "path": "/", "name": "digits",
            "fullPath": "/digits", "folder": false, "size": 9,
            "metadata": {"build-id": "42"},
        })
    );
    let sort = json!({"properties": ["metadata.build-id"], "direction": "ASC"});
    let sorted = data(&search(&service, &model(Value::Null, sort, Value::Null)));
    assert_eq!(
        sorted["records"][5]["name"], "digits",
        "those without come first"
    );
}

#[test]
fn several_repositories_and_those_bound_by_the_address() {
    let service = Service::open();
    for path in ["/generic/p/one/a", "/generic/p/two/b", "/generic/q/one/c"] {
        assert_eq!(service.send(&Call::new("PUT", path).body("x")).status, 200);
    }
    let paths = |rules: Value| {
        let model = json!({"rule": {"rules": rules, "relation": "AND"}});
        names(&data(&search(&service, &model))["records"], "fullPath")
    };
    let project = |names: Value| rule("projectId", "IN", &names);
    let repo = |names: Value| rule("repoName", "IN", &names);
    assert_eq!(paths(json!([project(json!(["p"]))])), ["/a", "/b"]);
    assert_eq!(
        paths(json!([project(json!(["q", "p"]))])),
        ["/a", "/b", "/c"]
    );
    assert_eq!(
        paths(json!([
            project(json!(["p", "q"])),
            repo(json!(["one", "none"]))
        ])),
        ["/a", "/c"]
    );
    assert_eq!(paths(json!([project(json!(["none"]))])), [""; 0]);
    let bound = |path: &str, body: &str| {
        let answer = service.send(&Call::new("POST", path).body(body));
        names(&data(&answer)["records"], "fullPath")
    };
    assert_eq!(bound("/generic/p/two/search", "{}"), ["/b"]);
    let name = r#"{"rule": {"field": "name", "operation": "EQ", "value": "a"}}"#;
    assert_eq!(bound("/generic/p/one/search", name), ["/a"]);
    assert_eq!(bound("/generic/p/two/search", name), [""; 0]);
    let other = r#"{"rule": {"field": "repoName", "value": "one"}}"#;
    let answer = service.send(&Call::new("POST", "/generic/p/two/search").body(other));
    assert_eq!(names(&data(&answer)["records"], "fullPath"), [""; 0]);
}

#[test]
fn expired_files_are_not_found() {
    let service = filled();
    store_for_a_day(&service, "/a/soon");
    let soon = [rule("name", "EQ", &json!("soon"))];
    assert_eq!(found(&service, &soon), ["/a/soon"]);
    service.pass_ms(DAY_MS);
    assert_eq!(found(&service, &soon), [""; 0]);
    let by_path = [rule("fullPath", "EQ", &json!("/a/soon"))];
    assert_eq!(found(&service, &by_path), [""; 0]);
}

#[test]
fn bk_ci_asks_so() {
    let service = filled();
    let model = json!({
        "select": null, "page": {"pageNumber": 0, "pageSize": 10000},
        "sort": {"properties": ["folder", "lastModifiedDate"], "direction": "DESC"},
        "rule": {"rules": [
            {"field": "projectId", "value": "project", "operation": "EQ"},
            {"field": "repoName", "value": ["repo", "other"], "operation": "IN"},
            {"field": "folder", "value": "false", "operation": "EQ"},
            {"rules": [
                {"field": "fullPath", "value": "/a/b/*", "operation": "MATCH"},
                {"field": "fullPath", "value": "/g.md", "operation": "EQ"},
            ], "relation": "OR"},
        ], "relation": "AND"},
    });
    let answer = send(&service, "POST", "/node/query", &model);
    assert_eq!(
        names(&data(&answer)["records"], "fullPath"),
        ["/a/b/D.TXT", "/a/b/c.txt", "/g.md"]
    );
}

/// A rule in so many others.
fn nested(depth: usize) -> Value {
    (1..depth).fold(
        rule("name", "EQ", &json!("x")),
        |inner, _| json!({"rules": [inner], "relation": "AND"}),
    )
}

#[test]
fn what_is_no_rule_is_named() {
    let service = filled();
    let refused = |model: &Value, verdict: (u16, u64), word: &str| {
        let answer = search(&service, model);
        assert_eq!(answer.verdict(), verdict, "{model:.200}");
        let message = answer.json()["message"].to_string();
        assert!(message.contains(word), "{word} in {message}");
    };
    let bad = (400, 250_105);
    let in_rules = |rule: Value| json!({"rule": all(&[rule])});
    for (one, word) in [
        (rule("colour", "EQ", &json!("red")), "colour"),
        (rule("metadata.", "EQ", &json!("red")), "metadata"),
        (rule("name", "LIKE", &json!("x")), "operation"),
        (rule("name", "REGEX", &json!("(a+)+")), "operation"),
        (rule("size", "GT", &json!("large")), "size"),
        (rule("size", "EQ", &json!(1.5)), "size"),
        (rule("size", "PREFIX", &json!("1")), "size"),
        (rule("folder", "EQ", &json!("maybe")), "folder"),
        (
            rule("createdDate", "GT", &json!("yesterday")),
            "createdDate",
        ),
        (rule("name", "EQ", &json!({"$ne": 1})), "name"),
        (rule("name", "IN", &json!("x")), "name"),
        (rule("name", "MATCH", &json!("*".repeat(4097))), "name"),
        (json!({"rules": [nested(1)], "relation": "XOR"}), "relation"),
        (json!({"rules": "x"}), "rules"),
        (json!("x"), "rule"),
        (json!({"field": 1, "value": 1}), "field"),
        (nested(16), "deep"),
        (json!({"rules": vec![nested(1); 1000]}), "1000"),
    ] {
        refused(&in_rules(one), bad, word);
    }
    assert_eq!(search(&service, &in_rules(nested(15))).verdict(), (200, 0));
    refused(&in_rules(json!({"value": 1})), (400, 250_103), "field");
    refused(
        &in_rules(json!({"field": "size", "operation": "GT"})),
        (400, 250_103),
        "value",
    );
    refused(&in_rules(json!({"rules": []})), (400, 250_104), "rules");
    refused(&json!({}), (400, 250_103), "rule");
    let lone = json!({"rule": {"rules": [rule("repoName", "EQ", &json!("repo"))]}});
    refused(&lone, (400, 250_103), "projectId");
    let any = json!({"rule": {"relation": "OR", "rules": [rule("projectId", "EQ", &json!("p"))]}});
    refused(&any, (400, 250_103), "projectId");
    for (key, value, word) in [
        ("page", json!({"pageNumber": "x"}), "pageNumber"),
        ("page", json!({"pageSize": []}), "pageSize"),
        ("page", json!(1), "page"),
        ("select", json!("name"), "select"),
        ("select", json!([1]), "select"),
        ("sort", json!({"properties": ["colour"]}), "colour"),
        ("sort", json!({"properties": "name"}), "properties"),
        (
            "sort",
            json!({"properties": ["name"], "direction": "UP"}),
            "direction",
        ),
    ] {
        let mut model = json!({"rule": all(&[])});
        model[key] = value;
        refused(&model, bad, word);
    }
    let far = json!({
        "rule": all(&[]), "sort": {"properties": ["name"]},
        "page": {"pageNumber": 11, "pageSize": 10000},
    });
    refused(&far, bad, "pageNumber");
    let other = json!({"rule": {"rules": [
        rule("projectId", "EQ", &json!("project")), rule("repoName", "EQ", &json!("other")),
    ]}});
    refused(&other, (404, 251_006), "other");
    let stranger = Service::with(|_| {});
    let answer = stranger.send(&api("POST", "/node/search").body(other.to_string()));
    assert_eq!(answer.verdict(), (401, 250_114));
}
