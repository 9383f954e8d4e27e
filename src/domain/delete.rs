//! Deleting a file, or a folder without files.

use super::DomainError;
use super::lookup::{Address, Entry, entry};
use super::submit::submit;
use super::tree::Tree;
use crate::format::meta::{Mutation, NodeDelete, NodeId, NodeKind};
use crate::index::Rows;
use crate::store::{Ids, Store};

/// Deletes the file at an address, or a folder below which there are no files. `done` hears when
/// that is durable, or why it was refused.
pub fn delete(
    store: &Store,
    address: Address,
    done: impl FnOnce(Result<(), DomainError>) + Send + 'static,
) {
    let now_ms = store.now_ms();
    let check = move |rows: &dyn Rows, _: &mut Ids| Ok((plan(rows, &address, now_ms)?, ()));
    submit(store, check, done);
}

fn plan(rows: &dyn Rows, address: &Address, now_ms: u64) -> Result<Vec<Mutation>, DomainError> {
    let (parent, node) = match entry(rows, address, now_ms)? {
        Entry::Root(root) => {
            refuse_files(rows, root, address, now_ms)?;
            return Err(DomainError::Root("deleted"));
        }
        Entry::Node(parent, node) => (parent, node),
    };
    if node.kind == NodeKind::Folder {
        refuse_files(rows, node.id, address, now_ms)?;
    }
    Ok(vec![Mutation::NodeDelete(NodeDelete {
        parent,
        name: address.path.name().unwrap_or_default().to_owned(),
    })])
}

/// Refuses when a live file is below a folder.
fn refuse_files(
    rows: &dyn Rows,
    folder: NodeId,
    address: &Address,
    now_ms: u64,
) -> Result<(), DomainError> {
    match Tree::files(folder).next(rows, now_ms)? {
        Some(_) => Err(DomainError::NotEmpty(address.path.to_string())),
        None => Ok(()),
    }
}
