//! Projects, repositories, users, grants, credentials, and temporary links.

mod access_tokens;
mod cors;
mod failures;
mod grants;
mod keys;
mod links;
mod permits;
mod projects;
mod repos;
mod signatures;
mod tokens;
mod users;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::auth::{admin, login};
use crate::service::Service;
use crate::wire::{Answer, Call};

/// A request with a JSON body.
pub fn with_json(method: &str, target: &str, body: &Value) -> Call {
    let call = Call::new(method, target).header("Content-Type", "application/json");
    call.body(body.to_string())
}

/// A request with a JSON body.
pub fn post(target: &str, body: &Value) -> Call {
    with_json("POST", target, body)
}

/// The data of a successful answer.
pub fn data(answer: &Answer) -> Value {
    assert_eq!(answer.verdict(), (200, 0), "{answer:?}");
    answer.json()["data"].clone()
}

/// The request, as a user whose password is their name says it.
fn user(call: Call, name: &str) -> Call {
    login(call, name, name)
}

/// The request with an access token.
fn bearer(call: Call, token: &str) -> Call {
    call.header("Authorization", format!("Bearer {token}"))
}

/// A pair of access keys.
struct Pair {
    key: String,
    secret: String,
}

impl Pair {
    /// The pair in an answer.
    fn of(made: &Value) -> Self {
        let text = |name: &str| made[name].as_str().expect("a key").to_owned();
        Self {
            key: text("accessKey"),
            secret: text("secretKey"),
        }
    }
}

/// The request with a pair of access keys.
fn platform(call: Call, pair: &Pair) -> Call {
    let encoded = STANDARD.encode(format!("{}:{}", pair.key, pair.secret));
    call.header("Authorization", format!("Platform {encoded}"))
}

/// Makes an access token, as the administrator.
fn make_token(service: &Service, user: &str, name: &str) -> String {
    let call = Call::new("POST", format!("/auth/api/user/token/{user}/{name}"));
    let made = data(&service.send(&admin(call)));
    made["id"].as_str().expect("a token").to_owned()
}

/// Makes a pair of access keys, as the administrator.
fn make_key(service: &Service, user: &str) -> Pair {
    let call = post("/packhold/keys", &json!({"userId": user}));
    Pair::of(&data(&service.send(&admin(call))))
}

/// Makes a project with a repository, as the administrator.
fn make_repo(service: &Service, project: &str, repo: &str) {
    let body = json!({"name": project});
    service.send(&admin(post("/repository/api/project/create", &body)));
    let body = json!({"projectId": project, "name": repo, "type": "GENERIC"});
    data(&service.send(&admin(post("/repository/api/repo/create", &body))));
}

/// Makes a user whose password is their name.
fn make_user(service: &Service, name: &str) {
    let body = json!({"userId": name, "name": name, "pwd": name});
    let made = service.send(&admin(post("/auth/api/user/create", &body)));
    assert_eq!(data(&made), true);
}

/// Sets a grant, as the administrator.
fn grant(service: &Service, name: &str, project: &str, repo: &str, actions: &[&str]) {
    let body = json!({
        "userId": name, "projectId": project, "repoName": repo, "actions": actions,
    });
    data(&service.send(&admin(with_json("PUT", "/packhold/grants", &body))));
}

/// The body that asks for tokens for one path of the repository that tests use.
fn wish(path: &str, kind: &str) -> Value {
    json!({
        "projectId": "project", "repoName": "repo", "fullPathSet": [path], "type": kind,
    })
}

/// A token for a path, where everybody is the administrator.
pub fn token(service: &Service, path: &str, kind: &str, more: &Value) -> String {
    let mut body = wish(path, kind);
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    let made = data(&service.send(&post("/generic/temporary/token/create", &body)));
    made[0]["token"].as_str().expect("a token").to_owned()
}

/// A use of a token; `path` begins with a slash.
pub fn using(token: &str, method: &str, path: &str) -> Call {
    let way = if method == "PUT" {
        "upload"
    } else {
        "download"
    };
    let target = format!("/generic/temporary/{way}/project/repo{path}?token={token}");
    Call::new(method, target)
}
