//! The API described for machines: an OpenAPI 3.1 document, served at `/packhold/openapi.json`.
//!
//! Every route of `api` has its [`Operation`] in a table of one of the modules here. What they say is
//! held against the service by `tests/http/openapi`: the routes, the names that handlers read, the codes
//! of `error`, and each answer that any test there gets from a server. Nothing here decides anything.
//!
//! Everybody may read it, as they may ask for the service's health: it is the same for every store.

mod accounts;
mod blocks;
mod files;
mod nodes;
mod operation;
mod operations;
mod packages;
mod parameters;
mod refusals;
mod schemas;
mod shape;
mod web;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use warp::reply::Response;

use self::operation::Operation;
use super::request::Request;
use super::view::json_headers;

/// What the document says of the whole API.
const ABOUT: &str = "\
Builds and packages, each distinct chunk of them stored once. Two dialects: bk-repo's (`/generic`, \
`/repository`, `/auth`, and what is packhold's own), and OCP's software packages (`/api/v2`, `/api/status`).\n\n\
**Paths.** `/generic`, `/repository` and `/auth` are also answered below `/api`, `/web` and \
`/bkrepo/api/{service,build,user}`. Where a path ends with `{path}` it may have any number of segments: `/` \
and `%2F` are the same; without any it is the root of the repository. Slashes at its end and repeated ones are \
ignored.\n\n\
**Answers** in bk-repo's dialect are `{code, message, data, traceId}`, `code` 0 for success; what is not \
described here is 404/250130, or 405/250112 with `Allow`. OCP's have an envelope of their own (404/COM10003, \
405/COM10008). A request that \
is no HTTP, or whose target is longer than 64 KiB (414), is answered without either. Every answer has `X-BKREPO-RID` \
or names its trace in its body.\n\n\
**Leniency.** Booleans in headers and queries are true when they are `true` in any case, and else false. JSON \
bodies are read whatever their `Content-Type`; members that are unknown are ignored, those that are null are \
missing, and numbers and truth values may be texts.\n\n\
**The web page** at `/` uses these routes with a session in a cookie. What changes something then needs the \
session's `X-PACKHOLD-CSRF`, too, and must not come from a page of another origin (403/250113). To a request with \
that header a 401 asks for `Session`, not for `Basic`.\n\n\
**Browsers.** Pages of other origins may use `/generic/temporary/**`; preflight requests are answered there.";

/// `GET /packhold/openapi.json`.
pub fn serve(request: &Request) -> Response {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string().into());
    let mut response = Response::new(text.clone().into());
    json_headers(&mut response, &request.trace);
    response
}

/// Every operation, in the order of the table in `api`.
fn operations() -> Vec<Operation> {
    let mut all = files::operations();
    all.extend(blocks::operations());
    all.extend(nodes::operations());
    all.extend(accounts::operations());
    all.extend(packages::operations());
    all.extend(operations::operations());
    all.extend(web::operations());
    all
}

/// The document.
pub fn document() -> Value {
    let (mut paths, mut responses) = (Map::new(), BTreeMap::new());
    for operation in operations() {
        for (method, described) in operation.describe(&mut responses) {
            let path = operation.template();
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[method] = described;
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/"}],
        "tags": operation::TAGS.map(|(name, description)| json!({"name": name, "description": description})),
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "responses": responses,
            "securitySchemes": operation::security_schemes(),
        },
    })
}
