//! Walking the files below a folder, a page at a time: memory does not grow with the folder.

use std::collections::VecDeque;

use super::DomainError;
use super::lookup::{Entry, is_live};
use super::selection::{Selected, Selection};
use crate::format::meta::{Node, NodeId, NodeKind};
use crate::index::{Rank, Rows};

/// Nodes read at once.
const PAGE: usize = 500;

/// Where in a folder a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cursor {
    /// At the first node.
    #[default]
    Start,
    /// Behind the node of this rank and name.
    After(Rank, String),
    /// Nowhere: all was listed.
    End,
}

/// Some nodes of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Name and node, folders first, then by name.
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
        Cursor::After(rank, name) => Some((*rank, name.as_str())),
        Cursor::End => {
            return Ok(Page {
                nodes: Vec::new(),
                next: Cursor::End,
            });
        }
    };
    let mut nodes = rows.children(folder, after, limit)?;
    let next = match nodes.last() {
        Some((name, node)) if nodes.len() == limit => Cursor::After(Rank::of(node), name.clone()),
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
    /// Nothing was found in it yet.
    is_empty: bool,
}

/// What is at the end of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    /// A file, by its name in the tree.
    File(String, Node),
    /// A folder in which there is nothing, by its name with a `/` behind it.
    EmptyFolder(String),
}

/// Gives the files below some folders, depth first; in a folder first the folders, each by name.
pub struct Tree {
    /// What is still to be walked.
    items: VecDeque<Selected>,
    levels: Vec<Level>,
    empty_folders: bool,
}

impl Tree {
    /// The files below `folder`, by their paths there.
    #[must_use]
    pub fn files(folder: NodeId) -> Self {
        Self {
            items: VecDeque::new(),
            levels: vec![Level::new(folder, String::new())],
            empty_folders: false,
        }
    }

    /// All of a selection, empty folders too.
    #[must_use]
    pub fn of(selection: &Selection) -> Self {
        Self {
            items: selection.items.clone().into(),
            levels: Vec::new(),
            empty_folders: true,
        }
    }

    /// The next leaf.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn next(&mut self, rows: &dyn Rows, now_ms: u64) -> Result<Option<Leaf>, DomainError> {
        loop {
            let Some(level) = self.levels.last_mut() else {
                let Some(item) = self.items.pop_front() else {
                    return Ok(None);
                };
                match item.entry {
                    Entry::Root(id) => self.levels.push(Level::new(id, item.name)),
                    Entry::Node(_, node) => {
                        if let Some(file) = self.enter(item.name, node) {
                            return Ok(Some(file));
                        }
                    }
                }
                continue;
            };
            if let Some((name, node)) = level.next(rows, now_ms)? {
                let path = format!("{}{name}", level.prefix);
                if let Some(file) = self.enter(path, node) {
                    return Ok(Some(file));
                }
            } else if let Some(done) = self.levels.pop()
                && done.is_empty
                && self.empty_folders
                && !done.prefix.is_empty()
            {
                return Ok(Some(Leaf::EmptyFolder(done.prefix)));
            }
        }
    }

    /// Gives a file, or goes down into a folder.
    fn enter(&mut self, path: String, node: Node) -> Option<Leaf> {
        if node.kind == NodeKind::Folder {
            self.levels.push(Level::new(node.id, format!("{path}/")));
            return None;
        }
        Some(Leaf::File(path, node))
    }
}

impl Level {
    fn new(folder: NodeId, prefix: String) -> Self {
        Self {
            folder,
            prefix,
            nodes: VecDeque::new(),
            next: Cursor::Start,
            is_empty: true,
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
            self.is_empty &= page.nodes.is_empty();
            self.nodes = page.nodes.into();
            self.next = page.next;
        }
    }
}
