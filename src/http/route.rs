//! How a request finds its handler: down the table of `api`, to the first pattern that fits its path.
//!
//! Invariant: nothing answers a request but a row of that table. What is in no row is 404; a method
//! that a row does not have is 405 and never falls through to another row, unless the row is
//! [`shared`](Route::shared).

use std::pin::Pin;
use std::sync::Arc;

use warp::http::Method;
use warp::reply::Response;

use super::app::App;
use super::error::ApiError;
use super::request::{Body, Request};

/// An answer that is being made.
pub type Answering<'b> = Pin<Box<dyn Future<Output = Result<Response, ApiError>> + Send + 'b>>;
/// Makes the answer to a request.
pub type Handler = for<'b> fn(Arc<App>, Request, &'b mut Body) -> Answering<'b>;

/// A row of the table: a pattern, and what answers each method.
///
/// A pattern is words; `{name}` is any one word, and `{name..}`, at the end, any number of them.
pub struct Route {
    /// The pattern.
    pub pattern: &'static str,
    /// Methods and what answers them.
    pub methods: &'static [(&'static str, Handler)],
    shared: bool,
}

impl Route {
    /// A row whose paths are its own: it has no other methods. One without any is no route.
    pub const fn path(pattern: &'static str, methods: &'static [(&'static str, Handler)]) -> Self {
        Self {
            pattern,
            methods,
            shared: false,
        }
    }

    /// A row whose paths have the other methods of a row below, too.
    pub const fn shared(
        pattern: &'static str,
        methods: &'static [(&'static str, Handler)],
    ) -> Self {
        Self {
            pattern,
            methods,
            shared: true,
        }
    }

    /// The words of a path that stand where the pattern has names; `None` when it does not fit.
    fn bind(&self, path: &[String]) -> Option<Vec<String>> {
        let (mut rest, mut bound) = (path.iter(), Vec::new());
        let parts = self.pattern.split('/').filter(|part| !part.is_empty());
        for part in parts {
            if part.ends_with("..}") {
                bound.extend(rest.cloned());
                return Some(bound);
            }
            let word = rest.next()?;
            match part.starts_with('{') {
                true => bound.push(word.clone()),
                false if part == word => {}
                false => return None,
            }
        }
        rest.next().is_none().then_some(bound)
    }

    fn handler(&self, method: &Method) -> Option<Handler> {
        let mut methods = self.methods.iter();
        methods
            .find(|(name, _)| *name == method.as_str())
            .map(|(_, handler)| *handler)
    }
}

/// The refusal of a method that none of the rows of a path has.
fn refuse(rows: &[&Route], request: &Request) -> ApiError {
    let mut names = Vec::new();
    for (name, _) in rows.iter().flat_map(|route| route.methods) {
        if !names.contains(name) {
            names.push(*name);
        }
    }
    match names.is_empty() {
        true => request.no_route(),
        false => ApiError::Method {
            method: request.method.to_string(),
            allow: names.join(", "),
        },
    }
}

/// Answers a request by the first row that it fits.
///
/// # Errors
/// [`ApiError::NoRoute`], [`ApiError::Method`], and those of the handler.
pub async fn dispatch(
    table: &[Route],
    app: Arc<App>,
    mut request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let mut fit = Vec::new();
    for route in table {
        let Some(bound) = route.bind(request.service_path()) else {
            continue;
        };
        if let Some(handler) = route.handler(&request.method) {
            request.bound = bound;
            return handler(app, request, body).await;
        }
        fit.push(route);
        if !route.shared {
            break;
        }
    }
    Err(refuse(&fit, &request))
}

/// The pattern of the row that answers a method of a path, as [`dispatch`] finds it.
pub fn pattern_of(table: &[Route], method: &str, path: &[String]) -> Option<&'static str> {
    let has = |route: &Route| route.methods.iter().any(|(name, _)| *name == method);
    let mut fit = table.iter().filter(|route| route.bind(path).is_some());
    let found = fit.find(|route| has(route) || !route.shared);
    found.filter(|route| has(route)).map(|route| route.pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(pattern: &'static str, path: &str) -> Option<String> {
        let words = path.split('/').filter(|word| !word.is_empty());
        let words: Vec<String> = words.map(str::to_owned).collect();
        Some(Route::path(pattern, &[]).bind(&words)?.join(" "))
    }

    #[test]
    fn patterns() {
        for (pattern, path, bound) in [
            ("/", "/", Some("")),
            ("/", "/a", None),
            ("/a/b", "/a/b", Some("")),
            ("/a/b", "/a", None),
            ("/a/b", "/a/b/c", None),
            ("/a/{x}", "/a/b", Some("b")),
            ("/a/{x}", "/a", None),
            ("/a/{x}", "/a/b/c", None),
            ("/a/{x}/c", "/a/b/c", Some("b")),
            ("/a/{x}/c", "/a/b/d", None),
            ("/a/{x}/{y..}", "/a/b", Some("b")),
            ("/a/{x}/{y..}", "/a/b/c/d", Some("b c d")),
            ("/a/{x}/{y..}", "/a", None),
            ("/a/{y..}", "/b/c", None),
        ] {
            assert_eq!(bind(pattern, path).as_deref(), bound, "{pattern} {path}");
        }
    }
}
