//! Deleting nodes with all that is below them.

use super::super::DomainError;
use super::super::lookup::{Address, Entry, entry, repository};
use super::super::path::NodePath;
use super::super::place::lies_in;
use super::super::submit::submit;
use super::measure::measure;
use crate::format::meta::{Mutation, NodeDelete};
use crate::index::Rows;
use crate::store::Store;

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files, as of the moment before.
    pub files: u64,
    /// Sum of their sizes.
    pub bytes: u64,
    /// When, Unix milliseconds.
    pub at_ms: u64,
}

/// The paths that are not below others of them.
#[must_use]
pub fn tops(mut paths: Vec<NodePath>) -> Vec<NodePath> {
    // A folder sorts right before what is below it.
    paths.sort();
    let mut tops: Vec<NodePath> = Vec::new();
    for path in paths {
        if tops.last().is_none_or(|top| !lies_in(&path, top)) {
            tops.push(path);
        }
    }
    tops
}

/// Deletes files and folders of one repository, folders with all that is in them, in one commit;
/// where nothing is, nothing happens. Counts first, on a snapshot and on this thread: nobody waits
/// for it. `done` hears when it is durable, or why it was refused: [`DomainError::Root`],
/// [`DomainError::NoRepository`].
pub fn remove(
    store: &Store,
    repo: &Address,
    paths: Vec<NodePath>,
    done: impl FnOnce(Result<Removed, DomainError>) + Send + 'static,
) {
    let now_ms = store.now_ms();
    let counted = match count(store, repo, paths, now_ms) {
        Ok(counted) => counted,
        Err(error) => return done(Err(error)),
    };
    let check = move |rows: &dyn Rows, _: &mut crate::store::Ids| {
        let mut mutations = Vec::new();
        let mut sum = Removed {
            at_ms: now_ms,
            ..Removed::default()
        };
        for (address, removed) in &counted {
            let parent = match entry(rows, address, now_ms) {
                Ok(Entry::Node(parent, _)) => parent,
                Ok(Entry::Root(_)) => return Err(DomainError::Root("deleted")),
                Err(DomainError::NotFound(_)) => continue,
                Err(error) => return Err(error),
            };
            sum.files += removed.files;
            sum.bytes = sum.bytes.saturating_add(removed.bytes);
            mutations.push(Mutation::NodeDelete(NodeDelete {
                parent,
                name: address.path.name().unwrap_or_default().to_owned(),
            }));
        }
        Ok((mutations, sum))
    };
    submit(store, check, done);
}

/// What is at each place now.
fn count(
    store: &Store,
    repo: &Address,
    paths: Vec<NodePath>,
    now_ms: u64,
) -> Result<Vec<(Address, Removed)>, DomainError> {
    let rows = store.rows()?;
    repository(&rows, repo)?;
    if paths.iter().any(NodePath::is_root) {
        return Err(DomainError::Root("deleted"));
    }
    let mut counted = Vec::new();
    for path in tops(paths) {
        let address = Address {
            path,
            ..repo.clone()
        };
        let found = match measure(&rows, &address, now_ms) {
            Ok(found) => found,
            // It may come until the commit; then it goes uncounted.
            Err(DomainError::NotFound(_)) => super::Measure::default(),
            Err(error) => return Err(error),
        };
        let removed = Removed {
            files: found.files,
            bytes: found.bytes,
            at_ms: now_ms,
        };
        counted.push((address, removed));
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_topmost_paths_are_deleted() {
        let parse = |text: &&str| NodePath::parse(text).expect("a path");
        let paths = ["/a/b/c", "/b", "/a/b", "/ab", "/a/b/d", "/a/bc", "/b"];
        let tops: Vec<String> = super::tops(paths.iter().map(parse).collect())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(tops, ["/a/b", "/a/bc", "/ab", "/b"]);
    }
}
