//! Projects, repositories, and the tree of nodes in each.

use bincode::{Decode, Encode};

use crate::format::Sha256;

/// Identity of a node (file or folder) in a store; 0 is no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct NodeId(pub u64);

/// A project: a name that holds repositories.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Project {
    /// Unique name.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Free text.
    pub description: String,
    /// Who created it.
    pub created_by: String,
    /// When, Unix milliseconds.
    pub created_ms: u64,
}

/// A repository: a tree of nodes in a project.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Repo {
    /// The project it is in.
    pub project: String,
    /// Name, unique in the project.
    pub name: String,
    /// Its root folder.
    pub root: NodeId,
    /// Anybody may read it.
    pub public: bool,
    /// Free text.
    pub description: String,
    /// Who created it.
    pub created_by: String,
    /// When, Unix milliseconds.
    pub created_ms: u64,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum NodeKind {
    /// A folder.
    Folder,
    /// A file, and the content it points at.
    File {
        /// sha256 of the content.
        sha256: Sha256,
        /// Length of the content in bytes.
        size: u64,
    },
}

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Node {
    /// Its identity; the key of its children.
    pub id: NodeId,
    /// File or folder.
    pub kind: NodeKind,
    /// Who created it.
    pub created_by: String,
    /// When, Unix milliseconds.
    pub created_ms: u64,
    /// Who changed it last.
    pub modified_by: String,
    /// When, Unix milliseconds.
    pub modified_ms: u64,
    /// When it ceases to exist, Unix milliseconds.
    pub expires_ms: Option<u64>,
    /// Metadata, sorted by key.
    pub metadata: Vec<(String, String)>,
}

impl Node {
    /// One that nobody made, at no time, and that has nothing but its kind.
    #[must_use]
    pub fn bare(id: NodeId, kind: NodeKind) -> Self {
        Self {
            id,
            kind,
            created_by: String::new(),
            created_ms: 0,
            modified_by: String::new(),
            modified_ms: 0,
            expires_ms: None,
            metadata: Vec::new(),
        }
    }

    /// A copy of it, made by somebody at some time: content, metadata and expiry stay.
    #[must_use]
    pub fn copied(&self, id: NodeId, by: &str, at_ms: u64) -> Self {
        Self {
            id,
            created_by: by.to_owned(),
            created_ms: at_ms,
            modified_by: by.to_owned(),
            modified_ms: at_ms,
            ..self.clone()
        }
    }
}

/// Sets the node of a name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NodePut {
    /// The folder.
    pub parent: NodeId,
    /// The name there.
    pub name: String,
    /// The node, replacing whatever was there.
    pub node: Node,
}

/// Takes a name out of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NodeDelete {
    /// The folder.
    pub parent: NodeId,
    /// The name there.
    pub name: String,
}

/// Moves a node: another name, another folder, or both. What is below a folder goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NodeMove {
    /// The folder it was in.
    pub from_parent: NodeId,
    /// Its name there.
    pub from_name: String,
    /// The folder it is in now, its name there, and the node as it is now; the id stays.
    pub to: NodePut,
}

/// Copies all nodes below a folder that exist at `at_ms`. The copies get ids from `first_id` on:
/// breadth first, the nodes of a folder in the order of the index (folders first, then by name).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TreeCopy {
    /// The folder whose nodes are copied.
    pub from: NodeId,
    /// The empty folder that they are copied into.
    pub to: NodeId,
    /// Id of the first copy.
    pub first_id: NodeId,
    /// Who copies.
    pub by: String,
    /// When, Unix milliseconds.
    pub at_ms: u64,
}

/// Forgets the first `count` nodes of a deleted folder; with fewer left, the folder is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct FolderSweep {
    /// The deleted folder.
    pub folder: NodeId,
    /// How many nodes at most.
    pub count: u32,
}

/// Deletes a repository and, with its root folder, all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RepoDelete {
    /// The project it is in.
    pub project: String,
    /// Its name.
    pub name: String,
}

/// Deletes a project, which has no repositories any more.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ProjectDelete {
    /// Its name.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_by_whom_and_when_it_was_made() {
        let node = Node {
            id: NodeId(1),
            kind: NodeKind::File {
                sha256: [7; 32],
                size: 8,
            },
            created_by: "first".to_owned(),
            created_ms: 10,
            modified_by: "second".to_owned(),
            modified_ms: 20,
            expires_ms: Some(30),
            metadata: vec![("key".to_owned(), "value".to_owned())],
        };
        let copy = node.copied(NodeId(2), "third", 40);
        let expected = Node {
            id: NodeId(2),
            kind: node.kind,
            created_by: "third".to_owned(),
            created_ms: 40,
            modified_by: "third".to_owned(),
            modified_ms: 40,
            expires_ms: Some(30),
            metadata: vec![("key".to_owned(), "value".to_owned())],
        };
        assert_eq!(copy, expected);
    }
}
