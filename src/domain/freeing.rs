//! What deleting something would free.

use std::collections::HashSet;

use super::DomainError;
use super::lookup::{Address, Entry, entry};
use crate::format::meta::{NodeId, NodeKind};
use crate::index::{Rank, Rows};
use crate::store::{Store, WouldFree};

/// Nodes read at once.
const PAGE: usize = 1000;

/// What would be freed if the file at an address was deleted, or the folder with all that is below it,
/// or, at `/`, the repository; exactly, if nothing changes until then. Nothing is deleted.
///
/// # Errors
/// [`DomainError::NoRepository`], [`DomainError::NotFound`], [`DomainError::Store`].
pub fn would_free(store: &Store, address: &Address) -> Result<WouldFree, DomainError> {
    let rows = store.rows()?;
    let (mut folders, mut file) = (HashSet::new(), None);
    match entry(&rows, address, store.now_ms())? {
        Entry::Root(root) => below(&rows, root, &mut folders)?,
        Entry::Node(_, node) if node.kind == NodeKind::Folder => {
            below(&rows, node.id, &mut folders)?;
        }
        Entry::Node(parent, _) => file = Some((parent, address.path.name().unwrap_or_default())),
    }
    drop(rows);
    let goes = |parent: NodeId, name: &str| {
        folders.contains(&parent.0) || file.is_some_and(|file| file == (parent, name))
    };
    Ok(store.would_free(goes)?)
}

/// A folder and all folders below it.
fn below(rows: &dyn Rows, top: NodeId, found: &mut HashSet<u64>) -> Result<(), DomainError> {
    let mut waiting = vec![top];
    while let Some(folder) = waiting.pop() {
        found.insert(folder.0);
        let mut after: Option<String> = None;
        loop {
            let behind = after.as_deref().map(|name| (Rank::Folder, name));
            let page = rows.children(folder, behind, PAGE)?;
            let is_last = page.len() < PAGE;
            // Folders come before files.
            let folders = page
                .iter()
                .take_while(|(_, node)| Rank::of(node) == Rank::Folder);
            let before = waiting.len();
            waiting.extend(folders.map(|(_, node)| node.id));
            if is_last || waiting.len() - before < page.len() {
                break;
            }
            after = page.last().map(|(name, _)| name.clone());
        }
    }
    Ok(())
}
