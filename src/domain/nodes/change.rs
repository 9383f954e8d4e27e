//! Changing a node where it is: metadata and expiry.

use std::collections::{BTreeMap, BTreeSet};

use super::super::DomainError;
use super::super::lookup::{Address, Entry, entry};
use super::super::place::put;
use super::super::submit::submit;
use super::super::upload::DAY_MS;
use crate::format::meta::{Mutation, Node, NodeKind};
use crate::index::Rows;
use crate::store::Store;

/// Bytes that the keys and values of a node's metadata may have together. Every listing of a folder
/// reads them.
pub const MAX_METADATA_BYTES: usize = 64 << 10;

/// A change of metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataChange {
    /// Sets these, and leaves all others as they are.
    Merge(BTreeMap<String, String>),
    /// Takes these keys away, where they are.
    Remove(BTreeSet<String>),
}

/// Changes the metadata of a file or folder. `done` hears when that is durable, or why it was
/// refused: [`DomainError::NotFound`], or [`DomainError::Invalid`] for the root or too much.
pub fn change_metadata(
    store: &Store,
    address: Address,
    change: MetadataChange,
    done: impl FnOnce(Result<(), DomainError>) + Send + 'static,
) {
    update(store, address, done, move |node, _| {
        let mut pairs: BTreeMap<String, String> =
            std::mem::take(&mut node.metadata).into_iter().collect();
        match &change {
            MetadataChange::Merge(new) => {
                pairs.extend(new.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
            MetadataChange::Remove(keys) => pairs.retain(|key, _| !keys.contains(key)),
        }
        if matches!(change, MetadataChange::Merge(_)) {
            refuse_large_metadata(&pairs)?;
        }
        node.metadata = pairs.into_iter().collect();
        Ok(())
    });
}

/// Refuses more metadata than a node may have.
///
/// # Errors
/// [`DomainError::Invalid`].
pub fn refuse_large_metadata<'a>(
    pairs: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<(), DomainError> {
    let lengths = pairs.into_iter().map(|(k, v)| k.len() + v.len());
    let bytes: usize = lengths.sum();
    if bytes <= MAX_METADATA_BYTES {
        return Ok(());
    }
    Err(DomainError::Invalid {
        what: "metadata",
        why: format!("it would have {bytes} bytes, at most {MAX_METADATA_BYTES} are kept"),
    })
}

/// Sets after how many days a file ceases to exist; 0 = never. `done` hears when that is durable, or
/// why it was refused: [`DomainError::NotFound`], or [`DomainError::Invalid`] for a folder.
pub fn set_expiry(
    store: &Store,
    address: Address,
    days: u64,
    by: String,
    done: impl FnOnce(Result<(), DomainError>) + Send + 'static,
) {
    let path = address.path.to_string();
    update(store, address, done, move |node, now_ms| {
        if node.kind == NodeKind::Folder {
            return Err(DomainError::Invalid {
                what: "expires",
                why: format!("{path} is a folder, and folders do not expire"),
            });
        }
        node.expires_ms = match days {
            0 => None,
            days => Some(now_ms.saturating_add(days.saturating_mul(DAY_MS))),
        };
        node.modified_by.clone_from(&by);
        node.modified_ms = now_ms;
        Ok(())
    });
}

/// Changes the node at an address.
fn update(
    store: &Store,
    address: Address,
    done: impl FnOnce(Result<(), DomainError>) + Send + 'static,
    change: impl Fn(&mut Node, u64) -> Result<(), DomainError> + Send + 'static,
) {
    let now_ms = store.now_ms();
    let check = move |rows: &dyn Rows, _: &mut crate::store::Ids| {
        let Entry::Node(parent, mut node) = entry(rows, &address, now_ms)? else {
            return Err(DomainError::Invalid {
                what: "fullPath",
                why: "the root of a repository is not changed".to_owned(),
            });
        };
        let before = node.clone();
        change(&mut node, now_ms)?;
        if node == before {
            return Ok((Vec::new(), ()));
        }
        let name = address.path.name().unwrap_or_default();
        let mutation: Mutation = put(parent, name, node);
        Ok((vec![mutation], ()))
    };
    submit(store, check, done);
}
