//! `/generic/batch/{project}/{repo}`: several files and folders at once. Source: seed 003.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use warp::reply::Response;

use super::app::{App, blocking};
use super::archive;
use super::auth::{authenticate, authorize};
use super::body::collect;
use super::download::prepare;
use super::error::ApiError;
use super::request::{Body, Request};
use crate::domain::auth::Action;
use crate::domain::{self, Address, DomainError, FileEntry, Leaf, Selection, Tree};
use crate::index::Rows;

/// Bytes of JSON that a request may have: some 100,000 paths.
const MAX_JSON_BYTES: usize = 8 << 20;

/// Paths that a request may name; more are counted and not kept.
const MAX_PATHS: usize = 100_000;

/// What is asked for.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(deserialize_with = "some_paths")]
    paths: Vec<String>,
}

/// The first of the paths, and one more than possible if there are more: an empty path has three bytes
/// in JSON, and ten times as many here.
fn some_paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Paths;

    impl<'de> Visitor<'de> for Paths {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of paths")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut paths = Vec::new();
            while let Some(path) = list.next_element()? {
                paths.push(path);
                if paths.len() > MAX_PATHS {
                    while list.next_element::<IgnoredAny>()?.is_some() {}
                    break;
                }
            }
            Ok(paths)
        }
    }

    deserializer.deserialize_seq(Paths)
}

/// `GET` (with a body: real clients do that) or `POST`: a zip; or, if it comes to exactly one
/// file, that file, with ranges.
///
/// # Errors
/// [`ApiError`]; 404 names all paths where nothing is, and then nothing is sent.
pub async fn download(
    app: Arc<App>,
    request: Request,
    body: &mut Body,
) -> Result<Response, ApiError> {
    let principal = authenticate(&app, &request).await?;
    let repo = request.repo()?;
    let may = {
        let (app, repo) = (Arc::clone(&app), repo.clone());
        blocking(move || authorize(&app.store.rows()?, &principal, Action::Read, &repo))
    };
    may.await?;
    let json = collect(body, MAX_JSON_BYTES).await?;
    let wanted: Wanted =
        serde_json::from_slice(&json).map_err(|error| ApiError::Content(error.to_string()))?;
    if wanted.paths.is_empty() {
        return Err(ApiError::Empty("paths"));
    }
    if wanted.paths.len() > MAX_PATHS {
        return Err(DomainError::TooMany {
            what: "paths",
            limit: MAX_PATHS,
        }
        .into());
    }
    blocking(move || {
        // The memory of the document stands for that of what was read from it.
        let _memory = json;
        let rows = app.store.rows()?;
        let now_ms = app.store.now_ms();
        let selection = domain::select(&rows, &repo, &wanted.paths, now_ms)?;
        let mut tree = Tree::of(&selection);
        let first = tree.next(&rows, now_ms)?;
        let second = tree.next(&rows, now_ms)?;
        let name = match (first, second) {
            (Some(Leaf::File(name, _)), None) => {
                let file = only_file(&rows, &selection, &name, now_ms)?;
                return Ok(prepare(&app, &request, file)?.respond(&request));
            }
            (Some(Leaf::EmptyFolder(name)), None) => {
                let name = name.trim_end_matches('/');
                format!("{}.zip", name.rsplit('/').next().unwrap_or(name))
            }
            _ => format!("{now_ms}.zip"),
        };
        Ok(archive::zip(&app, &request, &name, Tree::of(&selection)))
    })
    .await
}

/// The file of this name below the base of a selection.
fn only_file(
    rows: &dyn Rows,
    selection: &Selection,
    name: &str,
    now_ms: u64,
) -> Result<FileEntry, ApiError> {
    let Address {
        project,
        repo,
        path,
    } = &selection.base;
    let address = Address::new(project, repo, &format!("{path}/{name}"))?;
    let file = domain::file(rows, &address, now_ms)?;
    file.ok_or(ApiError::Internal("a file became a folder"))
}
