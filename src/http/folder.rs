//! A folder in a browser: an HTML index, made a page of rows at a time.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use percent_encoding::utf8_percent_encode;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::app::App;
use super::error::ApiError;
use super::links::{self, LINK};
use super::params;
use super::request::Request;
use super::stream::{Steps, respond};
use super::view::local_time;
use crate::domain::path::NodePath;
use crate::domain::{self, Address, Cursor};
use crate::format::meta::{Node, NodeId, NodeKind};

/// Rows made at once.
const PAGE: usize = 500;

/// Puts the headers that every answer about a folder has.
pub fn headers(response: &mut Response, request: &Request, content_type: &'static str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(value) = HeaderValue::try_from(request.trace.0.as_str()) {
        headers.insert(super::view::RID, value);
    }
}

/// The HTML index of a folder.
pub fn index(app: &Arc<App>, request: &Request, address: &Address, folder: NodeId) -> Response {
    let mut response = respond(Index {
        app: Arc::clone(app),
        address: address.clone(),
        links: Links::of(request),
        folder,
        next: Cursor::Start,
        begun: false,
    });
    headers(&mut response, request, "text/html; charset=utf-8");
    let policy = HeaderValue::from_static(
        "sandbox allow-top-navigation-by-user-activation; default-src 'none'",
    );
    response
        .headers_mut()
        .insert("content-security-policy", policy);
    response
}

struct Index {
    app: Arc<App>,
    address: Address,
    links: Links,
    folder: NodeId,
    /// Where the next rows are.
    next: Cursor,
    begun: bool,
}

impl Steps for Index {
    fn step(&mut self) -> Result<Option<Bytes>, ApiError> {
        if self.next == Cursor::End {
            return Ok(None);
        }
        let mut html = String::new();
        if !std::mem::replace(&mut self.begun, true) {
            self.head(&mut html);
        }
        let rows = self.app.store.rows()?;
        let now_ms = self.app.store.now_ms();
        let page = domain::list(&rows, self.folder, &self.next, PAGE, now_ms)?;
        for (name, node) in &page.nodes {
            self.row(&mut html, name, node);
        }
        if page.next == Cursor::End {
            html.push_str("</table>\n</body></html>\n");
        }
        self.next = page.next;
        Ok(Some(html.into()))
    }
}

impl Index {
    fn head(&self, html: &mut String) {
        let Address {
            project,
            repo,
            path,
        } = &self.address;
        let slash = if path.is_root() { "" } else { "/" };
        let title = escape(&format!("Index of /{project}/{repo}{path}{slash}"));
        let _written = write!(
            html,
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body><h1>{title}</h1>\n<table>\n<tr><th>Name</th><th>Created by</th>\
             <th>Last modified</th><th>Size</th><th>Sha256</th></tr>\n"
        );
        if let Some(parent) = path.parent() {
            let link = self.links.to(&self.address, &parent);
            let query = &self.links.query;
            let _written = writeln!(html, "<tr><td><a href=\"{link}{query}\">../</a></td></tr>");
        }
    }

    fn row(&self, html: &mut String, name: &str, node: &Node) {
        let (slash, size, digest) = match &node.kind {
            NodeKind::Folder => ("/", String::from("-"), String::new()),
            NodeKind::File { sha256, size } => ("", size.to_string(), hex::encode(sha256)),
        };
        let _written = writeln!(
            html,
            "<tr><td><a href=\"{}{}{slash}{}\">{}{slash}</a></td><td>{}</td><td>{}</td>\
             <td>{size}</td><td>{digest}</td></tr>",
            self.links.to(&self.address, &self.address.path),
            utf8_percent_encode(name, LINK),
            self.links.query,
            escape(name),
            escape(&node.created_by),
            local_time(node.modified_ms, &self.app.config.zone),
        );
    }
}

/// How rows link to what they name: who came with a temporary token goes on with it.
struct Links {
    /// What stands before the project.
    root: &'static str,
    /// The query, with its question mark; empty without a token.
    query: String,
}

impl Links {
    fn of(request: &Request) -> Self {
        let words: Vec<&str> = request.service_path().iter().map(String::as_str).collect();
        let with_token = matches!(
            words.as_slice(),
            ["generic", "temporary", ..] | ["repository", ..]
        );
        match params::query_value(&request.query, "token") {
            Some(token) if with_token => Self {
                root: "/generic/temporary/download",
                query: format!("?token={}", utf8_percent_encode(&token, LINK)),
            },
            _ => Self {
                root: "/generic",
                query: String::new(),
            },
        }
    }

    /// Path of a folder of the repository, with a `/` behind it.
    fn to(&self, address: &Address, folder: &NodePath) -> String {
        format!("{}{}/", self.root, links::path(&address.at(folder.clone())))
    }
}

/// Text in HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_is_text() {
        assert_eq!(
            escape("<script>'a'&\"b\""),
            "&lt;script&gt;&#39;a&#39;&amp;&quot;b&quot;"
        );
    }
}
