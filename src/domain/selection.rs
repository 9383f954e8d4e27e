//! Several paths of one repository, to be downloaded together.

use super::DomainError;
use super::lookup::{Address, Entry, entry, repository};
use super::path::NodePath;
use crate::index::Rows;

/// One of the things that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// What it is called in an archive; empty for the root of the repository.
    pub name: String,
    /// What is there.
    pub entry: Entry,
}

/// Files and folders, none of which lies in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The folder below which all names lie.
    pub base: Address,
    /// What was asked for, by path.
    pub items: Vec<Selected>,
}

/// Finds everything that is asked for.
///
/// Names in an archive: a single path goes by its own name. Several keep the folder that they have
/// in common on top, or, if that is the root, the name of the repository (observed page, 1.4).
///
/// # Errors
/// [`DomainError::NotFound`] naming all paths where nothing is, [`DomainError::Path`],
/// [`DomainError::NoRepository`].
pub fn select(
    rows: &dyn Rows,
    repo: &Address,
    paths: &[String],
    now_ms: u64,
) -> Result<Selection, DomainError> {
    repository(rows, repo)?;
    let mut wanted: Vec<NodePath> = paths
        .iter()
        .map(|path| NodePath::parse(path))
        .collect::<Result<_, _>>()?;
    wanted.sort();
    wanted.dedup();
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for path in wanted {
        let address = Address {
            path,
            ..repo.clone()
        };
        match entry(rows, &address, now_ms) {
            Ok(entry) => found.push((address.path, entry)),
            Err(DomainError::NotFound(path)) => missing.push(path),
            Err(error) => return Err(error),
        }
    }
    if !missing.is_empty() {
        return Err(DomainError::NotFound(missing.join(",")));
    }
    Ok(name_all(repo, outermost(found)))
}

/// Drops what lies in another of the paths, which are sorted: a folder comes before its contents.
fn outermost(found: Vec<(NodePath, Entry)>) -> Vec<(NodePath, Entry)> {
    let mut kept: Vec<(NodePath, Entry)> = Vec::new();
    for (path, entry) in found {
        let inside =
            |(folder, _): &(NodePath, Entry)| path.segments().starts_with(folder.segments());
        if !kept.last().is_some_and(inside) {
            kept.push((path, entry));
        }
    }
    kept
}

fn name_all(repo: &Address, found: Vec<(NodePath, Entry)>) -> Selection {
    let many = found.len() > 1;
    let common = found
        .iter()
        .map(|(path, _)| path.parent().unwrap_or_default())
        .reduce(|a, b| common(&a, &b))
        .unwrap_or_default();
    let (base, prefix) = match common.parent() {
        _ if !many => (common, String::new()),
        Some(above) => (above, String::new()),
        None => (common, format!("{}/", repo.repo)),
    };
    let depth = base.segments().len();
    let name = |path: &NodePath| format!("{prefix}{}", path.segments()[depth..].join("/"));
    Selection {
        items: found
            .into_iter()
            .map(|(path, entry)| Selected {
                name: name(&path),
                entry,
            })
            .collect(),
        base: Address {
            path: base,
            ..repo.clone()
        },
    }
}

/// The deepest folder that both paths lead through.
fn common(a: &NodePath, b: &NodePath) -> NodePath {
    let (long, short) = (a.segments(), b.segments());
    let shared = long.iter().zip(short).take_while(|(a, b)| a == b).count();
    let mut path = a.clone();
    while path.segments().len() > shared {
        path = path.parent().unwrap_or_default();
    }
    path
}
