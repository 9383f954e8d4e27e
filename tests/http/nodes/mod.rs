//! The node API: `/repository/api/node` and `/repository/api/metadata`.

mod detail;
mod large;
mod metadata;
mod page;
mod remove;
mod search;
mod search_model;
mod transfer;
mod write;

use serde_json::{Value, json};

use crate::service::{Service, put};
use crate::wire::{Answer, Call};

/// A request below `/repository/api`.
pub fn api(method: &str, path: &str) -> Call {
    Call::new(method, format!("/repository/api{path}"))
}

/// A request with a JSON document.
pub fn send(service: &Service, method: &str, path: &str, document: &Value) -> Answer {
    service.send(&api(method, path).body(document.to_string()))
}

/// The data of an answer that must be a success.
pub fn data(answer: &Answer) -> Value {
    assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
    answer.json()["data"].clone()
}

/// Asks.
pub fn ask(service: &Service, path: &str) -> Value {
    data(&service.send(&api("GET", path)))
}

/// Status and code of a request without a body.
pub fn verdict(service: &Service, method: &str, path: &str) -> (u16, u64) {
    service.send(&api(method, path)).verdict()
}

/// Makes files with their own names as contents, and folders, which end with a slash.
pub fn fill(service: &Service, paths: &[&str]) {
    for path in paths {
        match path.strip_suffix('/') {
            Some(folder) => {
                let made = api("POST", &format!("/node/mkdir/project/repo{folder}"));
                assert_eq!(service.send(&made).verdict(), (200, 0), "{path}");
            }
            None => service.store(path, path.as_bytes()),
        }
    }
}

/// A file that expires after a day.
pub fn store_for_a_day(service: &Service, path: &str) {
    let call = put(path).header("X-BKREPO-EXPIRES", "1").body("soon gone");
    assert_eq!(service.send(&call).status, 200);
}

pub const DAY_MS: u64 = 86_400_000;

/// All that is in a repository, folders with a slash behind them.
pub fn tree_of(service: &Service, repo: &str) -> Vec<String> {
    let path = format!("/node/page/{repo}?deep=true&pageSize=10000");
    let mut paths: Vec<String> = names(&ask(service, &path)["records"], "fullPath");
    paths.sort();
    paths
}

/// All that is in the repository of the tests.
pub fn tree(service: &Service) -> Vec<String> {
    tree_of(service, "project/repo")
}

/// One field of each record; of folders with a slash behind it.
pub fn names(records: &Value, field: &str) -> Vec<String> {
    let records = records.as_array().expect("records");
    let name = |record: &Value| {
        let slash = if record["folder"] == true { "/" } else { "" };
        format!("{}{slash}", record[field].as_str().expect("a text"))
    };
    records.iter().map(name).collect()
}

/// The body of a move or copy within the repository of the tests.
pub fn from_to(from: &str, to: &str, overwrite: bool) -> Value {
    json!({
        "srcProjectId": "project", "srcRepoName": "repo", "srcFullPath": from,
        "destFullPath": to, "overwrite": overwrite,
    })
}
