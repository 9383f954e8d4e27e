//! Walking the nodes below a folder, folders too, a page at a time.

use std::collections::VecDeque;

use super::super::DomainError;
use super::super::tree::{Cursor, list};
use crate::format::meta::{Node, NodeId, NodeKind};
use crate::index::Rows;

/// Nodes read at once.
const PAGE: usize = 200;

/// A live node, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The folder that it is in.
    pub parent: NodeId,
    /// Its full path: `/a/b`.
    pub path: String,
    /// The node.
    pub node: Node,
}

/// A folder on the way down.
struct Level {
    folder: NodeId,
    /// Full path of the folder, with a `/` behind it.
    path: String,
    nodes: VecDeque<(String, Node)>,
    next: Cursor,
}

/// Gives the live nodes below a folder, depth first: a folder before what is in it, and in each
/// folder first the folders, each by name. Holds one page of nodes for each level.
pub struct Walk {
    levels: Vec<Level>,
}

impl Walk {
    /// The nodes below `folder`; `path` is its full path with a `/` behind it.
    #[must_use]
    pub fn below(folder: NodeId, path: &str) -> Self {
        let mut walk = Self { levels: Vec::new() };
        walk.enter(folder, path.to_owned());
        walk
    }

    fn enter(&mut self, folder: NodeId, path: String) {
        self.levels.push(Level {
            folder,
            path,
            nodes: VecDeque::new(),
            next: Cursor::Start,
        });
    }

    /// The next node. `enters` decides whether what is in a folder is walked, too, by the folder's
    /// full path with a `/` behind it.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn next(
        &mut self,
        rows: &dyn Rows,
        now_ms: u64,
        enters: impl Fn(&str) -> bool,
    ) -> Result<Option<Found>, DomainError> {
        loop {
            let Some(level) = self.levels.last_mut() else {
                return Ok(None);
            };
            if let Some((name, node)) = level.nodes.pop_front() {
                let parent = level.folder;
                let path = format!("{}{name}", level.path);
                if node.kind == NodeKind::Folder {
                    let below = format!("{path}/");
                    if enters(&below) {
                        self.enter(node.id, below);
                    }
                }
                return Ok(Some(Found { parent, path, node }));
            }
            if level.next == Cursor::End {
                self.levels.pop();
                continue;
            }
            let page = list(rows, level.folder, &level.next, PAGE, now_ms)?;
            level.nodes = page.nodes.into();
            level.next = page.next;
        }
    }
}
