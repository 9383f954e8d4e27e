//! Finding nodes.

use std::fmt::{self, Display, Formatter};

use super::DomainError;
use super::path::{NodePath, reserved_project, valid_name};
use crate::format::Sha256;
use crate::format::meta::{Blob, Node, NodeId, NodeKind, Repo};
use crate::index::Rows;
use crate::store::StoreError;

/// A place in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name of the project.
    pub project: String,
    /// Name of the repository.
    pub repo: String,
    /// Path there.
    pub path: NodePath,
}

impl Address {
    /// An address with valid names; whether anything is there is another question.
    ///
    /// # Errors
    /// [`DomainError::Name`], [`DomainError::Path`].
    pub fn new(project: &str, repo: &str, path: &str) -> Result<Self, DomainError> {
        for name in [project, repo] {
            if !valid_name(name) {
                return Err(DomainError::Name(name.to_owned()));
            }
        }
        if reserved_project(project) {
            return Err(DomainError::Name(project.to_owned()));
        }
        Ok(Self {
            project: project.to_owned(),
            repo: repo.to_owned(),
            path: NodePath::parse(path)?,
        })
    }

    /// Another path in the same repository.
    #[must_use]
    pub fn at(&self, path: NodePath) -> Self {
        Self {
            path,
            ..self.clone()
        }
    }

    pub(super) fn no_repository(&self) -> DomainError {
        DomainError::NoRepository {
            project: self.project.clone(),
            repo: self.repo.clone(),
        }
    }
}

/// `project/repo/path`.
impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.project, self.repo, self.path)
    }
}

/// What is at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The root of the repository.
    Root(NodeId),
    /// A node, and the folder that it is in.
    Node(NodeId, Node),
}

/// A file and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it is.
    pub address: Address,
    /// The node.
    pub node: Node,
    /// The content.
    pub blob: Blob,
}

/// Whether a node exists at `now_ms`: an expired one does not, from its very millisecond on.
#[must_use]
pub fn is_live(node: &Node, now_ms: u64) -> bool {
    node.expires_ms.is_none_or(|at| at > now_ms)
}

/// The repository of an address.
///
/// # Errors
/// [`DomainError::NoRepository`].
pub fn repository(rows: &dyn Rows, address: &Address) -> Result<Repo, DomainError> {
    let repo = rows.repo(&address.project, &address.repo)?;
    repo.ok_or_else(|| address.no_repository())
}

/// The live node of a name in a folder.
pub(super) fn child(
    rows: &dyn Rows,
    folder: NodeId,
    name: &str,
    now_ms: u64,
) -> Result<Option<Node>, DomainError> {
    Ok(rows
        .node(folder, name)?
        .filter(|node| is_live(node, now_ms)))
}

/// What is at an address.
///
/// # Errors
/// [`DomainError::NoRepository`], [`DomainError::NotFound`].
pub fn entry(rows: &dyn Rows, address: &Address, now_ms: u64) -> Result<Entry, DomainError> {
    let repo = repository(rows, address)?;
    let mut found = Entry::Root(repo.root);
    for name in address.path.segments() {
        let folder = match &found {
            Entry::Root(id) => *id,
            Entry::Node(_, node) if node.kind == NodeKind::Folder => node.id,
            Entry::Node(..) => return Err(DomainError::NotFound(address.path.to_string())),
        };
        found = match child(rows, folder, name, now_ms)? {
            Some(node) => Entry::Node(folder, node),
            None => return Err(DomainError::NotFound(address.path.to_string())),
        };
    }
    Ok(found)
}

/// The folder at an address.
///
/// # Errors
/// [`DomainError::NoRepository`], [`DomainError::NotFound`], also when a file is there.
pub fn folder(rows: &dyn Rows, address: &Address, now_ms: u64) -> Result<NodeId, DomainError> {
    match entry(rows, address, now_ms)? {
        Entry::Root(id) => Ok(id),
        Entry::Node(_, node) if node.kind == NodeKind::Folder => Ok(node.id),
        Entry::Node(..) => Err(DomainError::NotFound(address.path.to_string())),
    }
}

/// The file at an address; `None` for a folder.
///
/// # Errors
/// [`DomainError::NoRepository`], [`DomainError::NotFound`], or a damaged index.
pub fn file(
    rows: &dyn Rows,
    address: &Address,
    now_ms: u64,
) -> Result<Option<FileEntry>, DomainError> {
    let Entry::Node(_, node) = entry(rows, address, now_ms)? else {
        return Ok(None);
    };
    let NodeKind::File { sha256, .. } = node.kind else {
        return Ok(None);
    };
    Ok(Some(FileEntry {
        address: address.clone(),
        node,
        blob: content(rows, &sha256, &address.path)?,
    }))
}

/// The content of a file that is there.
pub(super) fn content(
    rows: &dyn Rows,
    sha256: &Sha256,
    file: &dyn Display,
) -> Result<Blob, DomainError> {
    let unknown = || StoreError::Damaged {
        offset: 0,
        why: format!("the content of {file} is not known"),
    };
    Ok(rows.blob(sha256)?.ok_or_else(unknown)?)
}
