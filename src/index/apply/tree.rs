//! Mutations of the tree of nodes, and the counts and expiries that go with its rows.

use std::collections::VecDeque;

use super::super::IndexError;
use super::super::row::{seal, seal_bytes};
use super::super::rows::{Rank, Rows, node_row};
use super::super::tables::Tables;
use crate::format::meta::{
    FolderSweep, Node, NodeDelete, NodeId, NodeKind, NodeMove, NodePut, TreeCopy,
};

/// Nodes of a folder copied at once.
const PAGE: usize = 1000;

impl Tables<'_> {
    pub(super) fn put_node(&mut self, put: &NodePut) -> Result<(), IndexError> {
        self.take(put.parent, &put.name)?;
        self.add(put.parent, &put.name, &put.node)?;
        self.used(put.node.id)
    }

    pub(super) fn delete_node(&mut self, delete: &NodeDelete) -> Result<(), IndexError> {
        let gone = self.take(delete.parent, &delete.name)?;
        if let Some(folder) = gone.filter(|node| node.kind == NodeKind::Folder) {
            self.dropped.write()?.insert(folder.id.0, ())?;
        }
        Ok(())
    }

    pub(super) fn move_node(&mut self, moved: &NodeMove) -> Result<(), IndexError> {
        self.take(moved.from_parent, &moved.from_name)?;
        self.put_node(&moved.to)
    }

    pub(super) fn copy_tree(&mut self, copy: &TreeCopy) -> Result<(), IndexError> {
        let mut next = copy.first_id.0;
        let mut folders = VecDeque::from([(copy.from, copy.to)]);
        while let Some((from, to)) = folders.pop_front() {
            let mut after: Option<(Rank, String)> = None;
            loop {
                let behind = after.as_ref().map(|(rank, name)| (*rank, name.as_str()));
                let page = self.children(from, behind, PAGE)?;
                let Some((name, node)) = page.last() else {
                    break;
                };
                after = Some((Rank::of(node), name.clone()));
                for (name, node) in page {
                    if node.expires_ms.is_some_and(|at| at <= copy.at_ms) {
                        continue;
                    }
                    let id = NodeId(next);
                    next = next.saturating_add(1);
                    if node.kind == NodeKind::Folder {
                        folders.push_back((node.id, id));
                    }
                    self.add(to, &name, &node.copied(id, &copy.by, copy.at_ms))?;
                }
            }
        }
        self.used(NodeId(next))
    }

    pub(super) fn sweep_folder(&mut self, sweep: FolderSweep) -> Result<(), IndexError> {
        let count = sweep.count as usize;
        let page = self.children(sweep.folder, None, count)?;
        for (name, _) in &page {
            let (parent, name) = (sweep.folder, name.clone());
            self.delete_node(&NodeDelete { parent, name })?;
        }
        if page.len() < count {
            self.dropped.write()?.remove(sweep.folder.0)?;
        }
        Ok(())
    }

    /// Puts a node where none is.
    fn add(&mut self, parent: NodeId, name: &str, node: &Node) -> Result<(), IndexError> {
        if let NodeKind::File { sha256, .. } = &node.kind {
            self.note(sha256);
        }
        let rank = Rank::of(node);
        let row = seal(&[&parent.0.to_le_bytes(), name.as_bytes()], node);
        self.nodes
            .write()?
            .insert((parent.0, rank as u8, name), row.as_slice())?;
        if let Some(at_ms) = node.expires_ms {
            self.expiries.write()?.insert((at_ms, parent.0, name), ())?;
        }
        self.count(parent, rank, 1)
    }

    /// Takes away the node of a name, if there is one.
    fn take(&mut self, parent: NodeId, name: &str) -> Result<Option<Node>, IndexError> {
        for rank in [Rank::File, Rank::Folder] {
            let row = self.nodes.write()?.remove((parent.0, rank as u8, name))?;
            let Some(node) = row
                .map(|row| node_row(parent.0, name, row.value()))
                .transpose()?
            else {
                continue;
            };
            if let Some(at_ms) = node.expires_ms {
                self.expiries.write()?.remove((at_ms, parent.0, name))?;
            }
            self.count(parent, rank, -1)?;
            return Ok(Some(node));
        }
        Ok(None)
    }

    fn count(&mut self, parent: NodeId, rank: Rank, change: i64) -> Result<(), IndexError> {
        let mut counts = Rows::counts(self, parent)?;
        let count = match rank {
            Rank::Folder => &mut counts.folders,
            Rank::File => &mut counts.files,
        };
        *count = count.saturating_add_signed(change);
        if counts.folders == 0 && counts.files == 0 {
            self.counts.write()?.remove(parent.0)?;
            return Ok(());
        }
        let mut bytes = counts.folders.to_le_bytes().to_vec();
        bytes.extend(counts.files.to_le_bytes());
        let row = seal_bytes(&[&parent.0.to_le_bytes()], bytes);
        self.counts.write()?.insert(parent.0, row.as_slice())?;
        Ok(())
    }
}
