//! Merging a folder into another, child by child.

use super::super::DomainError;
use super::super::lookup::child;
use super::super::path::NodePath;
use super::super::place::Plan;
use super::super::tree::{Cursor, list};
use super::transfer::{Source, Transfer};
use crate::format::meta::{Node, NodeId, NodeKind};

/// Children read at once.
const PAGE: usize = 500;
/// Nodes that one merge may look at: it is decided while other changes wait.
const MAX_NODES: usize = 20_000;
/// Bytes of mutations that one merge may take; some less than one change may have.
const MAX_BYTES: usize = 24 << 20;

/// Two folders that become one.
struct Pair {
    from: NodeId,
    /// How deep `from` lies.
    depth: usize,
    into: NodeId,
    path: NodePath,
}

/// A merge that is being planned.
pub(super) struct Merge<'a> {
    transfer: &'a Transfer,
    /// The folder that is merged into another.
    source: NodeId,
    nodes: usize,
    bytes: usize,
    measured: usize,
}

impl<'a> Merge<'a> {
    /// A merge of the folder `source`.
    pub fn new(transfer: &'a Transfer, source: NodeId) -> Self {
        Self {
            transfer,
            source,
            nodes: 0,
            bytes: 0,
            measured: 0,
        }
    }

    /// Plans to merge the source, which lies at `depth`, into the folder `into` at `path`.
    pub fn run(
        &mut self,
        plan: &mut Plan<'_>,
        depth: usize,
        into: NodeId,
        path: &NodePath,
    ) -> Result<(), DomainError> {
        let mut waiting = vec![Pair {
            from: self.source,
            depth,
            into,
            path: path.clone(),
        }];
        self.measured = plan.mutations.len();
        while let Some(pair) = waiting.pop() {
            let mut next = Cursor::Start;
            while next != Cursor::End {
                let page = list(plan.rows, pair.from, &next, PAGE, plan.now_ms)?;
                for (name, node) in page.nodes {
                    waiting.extend(self.child(plan, &pair, &name, &node)?);
                    self.bound(plan)?;
                }
                next = page.next;
            }
        }
        Ok(())
    }

    /// Plans for one child; gives the pair that it makes with a folder of its name.
    fn child(
        &self,
        plan: &mut Plan<'_>,
        pair: &Pair,
        name: &str,
        node: &Node,
    ) -> Result<Option<Pair>, DomainError> {
        let path = NodePath::parse(&format!("{}/{name}", pair.path))?;
        let depth = pair.depth + 1;
        let meets = child(plan.rows, pair.into, name, plan.now_ms)?;
        match meets.map(|there| (node.kind, there.kind, there.id)) {
            None => {}
            Some((NodeKind::Folder, NodeKind::Folder, into)) => {
                // The destination is above the source, and the source is in its own way: what is
                // merged would be merged into what goes.
                if into == self.source {
                    return Err(DomainError::Conflict(path.to_string()));
                }
                return Ok(Some(Pair {
                    from: node.id,
                    depth,
                    into,
                    path,
                }));
            }
            Some((NodeKind::File { .. }, NodeKind::File { .. }, _)) if self.transfer.overwrite => {}
            Some((NodeKind::File { .. }, NodeKind::File { .. }, _)) => {
                return Err(DomainError::Exists(path.to_string()));
            }
            Some(_) => return Err(DomainError::Conflict(path.to_string())),
        }
        let source = Source {
            parent: pair.from,
            name,
            node,
            depth,
        };
        plan.place(self.transfer.way, &source, pair.into, &path)?;
        Ok(None)
    }

    /// Refuses a merge that makes everybody else wait, or that no commit can hold.
    fn bound(&mut self, plan: &Plan<'_>) -> Result<(), DomainError> {
        self.nodes += 1;
        for mutation in plan.mutations.iter().skip(self.measured) {
            self.bytes += mutation.encoded_len();
        }
        self.measured = plan.mutations.len();
        if self.nodes > MAX_NODES || self.bytes > MAX_BYTES {
            return Err(DomainError::TooMany {
                what: "nodes to merge into another folder",
                limit: MAX_NODES,
            });
        }
        Ok(())
    }
}
