//! Walking the files below a folder, a page at a time: memory does not grow with the folder.

use std::collections::VecDeque;

use super::DomainError;
use super::lookup::is_live;
use crate::format::meta::{Node, NodeId, NodeKind};
use crate::index::Rows;

/// Nodes read at once.
const PAGE: usize = 500;

/// Where in a folder a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cursor {
    /// At the first name.
    #[default]
    Start,
    /// Behind this name.
    After(String),
    /// Nowhere: all was listed.
    End,
}

/// Some nodes of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Name and node, by name.
    pub nodes: Vec<(String, Node)>,
    /// Where it goes on.
    pub next: Cursor,
}

/// The live nodes among the next `limit` of a folder.
///
/// # Errors
/// [`DomainError::Store`].
pub fn list(
    rows: &dyn Rows,
    folder: NodeId,
    at: &Cursor,
    limit: usize,
    now_ms: u64,
) -> Result<Page, DomainError> {
    let after = match at {
        Cursor::Start => None,
        Cursor::After(name) => Some(name.as_str()),
        Cursor::End => {
            return Ok(Page {
                nodes: Vec::new(),
                next: Cursor::End,
            });
        }
    };
    let mut nodes = rows.children(folder, after, limit)?;
    let next = match nodes.last() {
        Some((name, _)) if nodes.len() == limit => Cursor::After(name.clone()),
        _ => Cursor::End,
    };
    nodes.retain(|(_, node)| is_live(node, now_ms));
    Ok(Page { nodes, next })
}

/// A folder on the way down.
struct Level {
    folder: NodeId,
    /// Path of the folder below the top, with a `/` behind it; empty for the top.
    prefix: String,
    /// Nodes that were read and not yet given.
    nodes: VecDeque<(String, Node)>,
    /// Where the next ones are.
    next: Cursor,
}

/// Gives the files below a folder, depth first, by name.
pub struct Tree {
    levels: Vec<Level>,
}

impl Tree {
    /// The files below `folder`.
    #[must_use]
    pub fn new(folder: NodeId) -> Self {
        Self {
            levels: vec![Level::new(folder, String::new())],
        }
    }

    /// The next file, and its path below the folder.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn next(
        &mut self,
        rows: &dyn Rows,
        now_ms: u64,
    ) -> Result<Option<(String, Node)>, DomainError> {
        while let Some(level) = self.levels.last_mut() {
            let Some((name, node)) = level.next(rows, now_ms)? else {
                self.levels.pop();
                continue;
            };
            let path = format!("{}{name}", level.prefix);
            match node.kind {
                NodeKind::File { .. } => return Ok(Some((path, node))),
                NodeKind::Folder => self.levels.push(Level::new(node.id, format!("{path}/"))),
            }
        }
        Ok(None)
    }
}

impl Level {
    fn new(folder: NodeId, prefix: String) -> Self {
        Self {
            folder,
            prefix,
            nodes: VecDeque::new(),
            next: Cursor::Start,
        }
    }

    fn next(
        &mut self,
        rows: &dyn Rows,
        now_ms: u64,
    ) -> Result<Option<(String, Node)>, DomainError> {
        loop {
            if let Some(found) = self.nodes.pop_front() {
                return Ok(Some(found));
            }
            if self.next == Cursor::End {
                return Ok(None);
            }
            let page = list(rows, self.folder, &self.next, PAGE, now_ms)?;
            self.nodes = page.nodes.into();
            self.next = page.next;
        }
    }
}
