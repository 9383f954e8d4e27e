//! The write barrier: what commits refer to while reclaiming looks for what nothing refers to.
//!
//! It looks slice by slice, so a change may move a reference from where it has not looked yet to where
//! it has. Whatever a commit refers to since the barrier was raised is therefore alive.

use std::collections::HashSet;

use parking_lot::Mutex;

use crate::format::Sha256;
use crate::format::meta::Mutation;
use crate::index::{BlockKey, Tables};

/// See the module.
#[derive(Default)]
pub struct Barrier(Mutex<Option<Noted>>);

/// What was referred to.
#[derive(Default, Clone)]
pub struct Noted {
    /// Contents of files and packages, and those that became known.
    pub contents: HashSet<Sha256>,
    /// Blocks of uploads.
    pub blocks: HashSet<BlockKey>,
}

/// The barrier is up as long as this lives.
pub struct Raised<'b>(&'b Barrier);

impl Barrier {
    /// Raises it. Commits whose check began before are not noted: to be waited for.
    pub fn raise(&self) -> Raised<'_> {
        *self.0.lock() = Some(Noted::default());
        Raised(self)
    }

    /// To be called before a group of changes is applied.
    pub fn watch(&self, tables: &mut Tables<'_>) {
        if self.0.lock().is_some() {
            tables.note_contents();
        }
    }

    /// To be called behind every mutation that was applied.
    pub fn note(&self, tables: &mut Tables<'_>, mutation: &Mutation) {
        let contents = tables.take_noted();
        if let Some(noted) = &mut *self.0.lock() {
            noted.contents.extend(contents);
            if let Mutation::BlockPut(put) = mutation {
                noted.blocks.insert((put.session, put.block.key));
            }
        }
    }

    /// Whether a commit referred to a content since the barrier was raised.
    pub fn refers(&self, sha256: &Sha256) -> bool {
        let noted = self.0.lock();
        noted
            .as_ref()
            .is_some_and(|all| all.contents.contains(sha256))
    }
}

impl Raised<'_> {
    /// What was noted so far.
    pub fn noted(&self) -> Noted {
        self.0.0.lock().clone().unwrap_or_default()
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        *self.0.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::meta::{Node, NodeId, NodeKind, NodePut};
    use crate::index::{Index, Place};

    #[test]
    fn what_changes_refer_to_is_known_as_long_as_the_barrier_is_up() {
        let index = Index::open(&Place::Memory, 1 << 20).unwrap();
        let barrier = Barrier::default();
        let change = |sha256: Sha256| {
            let kind = NodeKind::File { sha256, size: 1 };
            let put = Mutation::NodePut(NodePut {
                parent: NodeId(1),
                name: "f".to_owned(),
                node: Node::bare(NodeId(2), kind),
            });
            let batch = index.begin().unwrap();
            let mut tables = batch.tables();
            barrier.watch(&mut tables);
            tables.apply(&put).unwrap();
            barrier.note(&mut tables, &put);
        };
        change([1; 32]);
        let raised = barrier.raise();
        change([2; 32]);
        assert!(!barrier.refers(&[1; 32]) && barrier.refers(&[2; 32]));
        assert_eq!(raised.noted().contents, HashSet::from([[2; 32]]));
        drop(raised);
        // Else all that is ever changed would be gathered until the next run.
        assert!(!barrier.refers(&[2; 32]));
    }
}
