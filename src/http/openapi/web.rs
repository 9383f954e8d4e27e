//! The web page, and who is logged in there.

use serde_json::{Value, json};

use super::operation::Operation;
use super::parameters::{CSRF, CSRF_TO_LOG_IN, REVALIDATE};
use super::refusals as refused;
use super::shape::{flag, named, object, text};

/// Every operation.
pub fn operations() -> Vec<Operation> {
    let mut all = files();
    all.extend(sessions());
    all
}

fn new(route: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("web", route, id, summary).by_everybody()
}

/// A file with a strong tag.
fn file(operation: Operation, kinds: &[&str]) -> Operation {
    let content: serde_json::Map<String, Value> = kinds
        .iter()
        .map(|kind| ((*kind).to_owned(), json!({"schema": text()})))
        .collect();
    operation
        .takes(REVALIDATE)
        .answer("200", json!({"description": "Done", "content": content}))
        .answer("304", json!({"description": "It is still the same"}))
        .refuses(refused::PUBLIC)
        .refuses(refused::REVALIDATED)
        .and_head()
}

fn files() -> Vec<Operation> {
    let kinds = ["text/html", "text/css", "text/javascript", "image/svg+xml"];
    vec![
        file(new("GET /", "getWebPage", "The web page"), &["text/html"]),
        file(
            new(
                "GET /packhold/web/{asset..}",
                "getWebAsset",
                "What the web page is made of",
            ),
            &kinds,
        )
        .refuses(refused::THERE),
    ]
}

fn sessions() -> Vec<Operation> {
    let login = object([("userId", text()), ("pwd", text())], []);
    let session = |route, id, summary| {
        Operation::new("web", route, id, summary)
            .data(named("Session"))
            .refuses(refused::LOGIN)
    };
    vec![
        session(
            "GET /packhold/session",
            "getSession",
            "Who is logged in on the web page",
        )
        .by_everybody(),
        session("POST /packhold/session", "logIn", "Log in on the web page")
            .says("Sets a cookie. An access token may stand for the password.")
            .by_everybody()
            .takes(CSRF_TO_LOG_IN)
            .json(login)
            .refuses(refused::JSON),
        Operation::new(
            "web",
            "DELETE /packhold/session",
            "logOut",
            "Log out on the web page",
        )
        .or_public()
        .takes(CSRF)
        .data(flag()),
    ]
}
