//! Deleting a file, or a folder without files.

use super::DomainError;
use super::lookup::{Address, Entry, entry, is_live};
use crate::format::meta::{Mutation, NodeDelete, NodeId, NodeKind};
use crate::index::Rows;
use crate::store::Store;

/// Children looked at at once.
const PAGE: usize = 1000;

/// Deletes the file at an address, or a folder below which there are no files. `done` hears when
/// that is durable, or why it was refused.
pub fn delete(
    store: &Store,
    address: Address,
    done: impl FnOnce(Result<(), DomainError>) + Send + 'static,
) {
    let now_ms = store.now_ms();
    store.submit(
        move |rows, _| Ok::<_, DomainError>((plan(rows, &address, now_ms)?, ())),
        move |outcome| done(outcome.map_err(DomainError::from).and_then(|inner| inner)),
    );
}

fn plan(rows: &dyn Rows, address: &Address, now_ms: u64) -> Result<Vec<Mutation>, DomainError> {
    let (parent, node) = match entry(rows, address, now_ms)? {
        Entry::Root(root) => {
            let mut mutations = Vec::new();
            empty_tree(rows, root, address, now_ms, &mut mutations)?;
            return Err(DomainError::Root("deleted"));
        }
        Entry::Node(parent, node) => (parent, node),
    };
    let mut mutations = Vec::new();
    if node.kind == NodeKind::Folder {
        empty_tree(rows, node.id, address, now_ms, &mut mutations)?;
    }
    let name = address.path.name().unwrap_or_default();
    mutations.push(taken(parent, name));
    Ok(mutations)
}

/// Collects all nodes below a folder; refuses when a live file is among them.
fn empty_tree(
    rows: &dyn Rows,
    folder: NodeId,
    address: &Address,
    now_ms: u64,
    mutations: &mut Vec<Mutation>,
) -> Result<(), DomainError> {
    let mut after: Option<String> = None;
    loop {
        let children = rows.children(folder, after.as_deref(), PAGE)?;
        let Some((last, _)) = children.last() else {
            return Ok(());
        };
        after = Some(last.clone());
        for (name, node) in children {
            if node.kind == NodeKind::Folder {
                empty_tree(rows, node.id, address, now_ms, mutations)?;
            } else if is_live(&node, now_ms) {
                return Err(DomainError::NotEmpty(address.path.to_string()));
            }
            mutations.push(taken(folder, &name));
        }
    }
}

fn taken(parent: NodeId, name: &str) -> Mutation {
    Mutation::NodeDelete(NodeDelete {
        parent,
        name: name.to_owned(),
    })
}
