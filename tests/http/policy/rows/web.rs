//! The rows of the web page: it is everybody's, and what it asks is what all others ask.

use serde_json::json;

use crate::policy::principals::Need::Anyone;
use crate::policy::row::{Row, row};
use crate::policy::spots::with_json;

pub fn rows() -> Vec<Row> {
    let asset = |route| Row {
        word: |_| "app.js".to_owned(),
        ..row(route, &[])
    };
    vec![
        row("GET /", &[]),
        row("HEAD /", &[]),
        asset("GET /packhold/web/{asset..}"),
        asset("HEAD /packhold/web/{asset..}"),
        Row {
            word: |_| "none.js".to_owned(),
            ok: "404/251010",
            ..row("GET /packhold/web/{asset..}", &[])
        },
        row("GET /packhold/session", &[]),
        Row {
            // Who logs in is who the body says.
            dress: |_, _, call| {
                let body = json!({"userId": "reader", "pwd": "reader"});
                with_json(call.header("X-PACKHOLD-CSRF", "page"), &body)
            },
            ..row("POST /packhold/session", &[])
        },
        Row {
            dress: |_, _, call| call.header("X-PACKHOLD-CSRF", "page"),
            ..row("DELETE /packhold/session", &[Anyone])
        },
    ]
}
