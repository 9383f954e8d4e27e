//! Making what is missing on the way to a place: project, repository, folders.

use super::DomainError;
use super::lookup::{Address, child};
use super::path::NodePath;
use super::submit::submit;
use crate::format::meta::{Mutation, Node, NodeId, NodeKind, NodePut, Project, Repo};
use crate::index::Rows;
use crate::store::{Ids, Store};

/// What a change may create of what its place lies in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MayCreate {
    /// Folders only.
    #[default]
    Nothing,
    /// A repository in a project that exists.
    Repo,
    /// A project, too.
    Project,
}

impl MayCreate {
    /// Whether the repository of an address has a project; refuses when it may not be created.
    pub(super) fn allows(self, rows: &dyn Rows, address: &Address) -> Result<bool, DomainError> {
        let has_project = rows.project(&address.project)?.is_some();
        let needed = match has_project {
            true => Self::Repo,
            false => Self::Project,
        };
        match self >= needed {
            true => Ok(has_project),
            false => Err(address.no_repository()),
        }
    }
}

/// A change that is being planned: what it sees, and what it does.
pub(super) struct Plan<'a> {
    pub rows: &'a dyn Rows,
    pub ids: &'a mut Ids,
    /// Who changes.
    pub by: &'a str,
    /// When.
    pub now_ms: u64,
    /// What it may create of what a place lies in.
    pub may_create: MayCreate,
    pub mutations: Vec<Mutation>,
}

impl<'a> Plan<'a> {
    /// A change that does nothing yet.
    pub fn new(
        rows: &'a dyn Rows,
        ids: &'a mut Ids,
        by: &'a str,
        now_ms: u64,
        may_create: MayCreate,
    ) -> Self {
        Self {
            rows,
            ids,
            by,
            now_ms,
            may_create,
            mutations: Vec::new(),
        }
    }

    /// The folder at a path; it and those above it are made where they are missing.
    ///
    /// # Errors
    /// [`DomainError::NoRepository`], [`DomainError::Conflict`] naming a file in the way.
    pub fn folder(&mut self, address: &Address) -> Result<NodeId, DomainError> {
        let (mut folder, mut is_new) = self.root(address)?;
        let segments = address.path.segments();
        for (depth, name) in segments.iter().enumerate() {
            let there = match is_new {
                true => None,
                false => child(self.rows, folder, name, self.now_ms)?,
            };
            folder = match there {
                Some(node) if node.kind == NodeKind::Folder => node.id,
                Some(_) => {
                    let file = segments[..=depth].join("/");
                    return Err(DomainError::Conflict(format!("/{file}")));
                }
                None => {
                    is_new = true;
                    self.make(folder, name)
                }
            };
        }
        Ok(folder)
    }

    /// The root of a repository, and whether it had to be made.
    fn root(&mut self, address: &Address) -> Result<(NodeId, bool), DomainError> {
        if let Some(repo) = self.rows.repo(&address.project, &address.repo)? {
            return Ok((repo.root, false));
        }
        if !self.may_create.allows(self.rows, address)? {
            self.mutations.push(Mutation::ProjectPut(Project {
                name: address.project.clone(),
                display_name: address.project.clone(),
                description: String::new(),
                created_by: self.by.to_owned(),
                created_ms: self.now_ms,
            }));
        }
        let root = self.ids.fresh();
        self.mutations.push(Mutation::RepoPut(Repo {
            project: address.project.clone(),
            name: address.repo.clone(),
            root,
            public: false,
            description: String::new(),
            created_by: self.by.to_owned(),
            created_ms: self.now_ms,
        }));
        Ok((root, true))
    }

    /// Makes an empty folder where nothing is.
    pub fn make(&mut self, parent: NodeId, name: &str) -> NodeId {
        let id = self.ids.fresh();
        let node = Node {
            id,
            kind: NodeKind::Folder,
            created_by: self.by.to_owned(),
            created_ms: self.now_ms,
            modified_by: self.by.to_owned(),
            modified_ms: self.now_ms,
            expires_ms: None,
            metadata: Vec::new(),
        };
        self.mutations.push(put(parent, name, node));
        id
    }
}

/// Sets the node of a name.
pub(super) fn put(parent: NodeId, name: &str, node: Node) -> Mutation {
    Mutation::NodePut(NodePut {
        parent,
        name: name.to_owned(),
        node,
    })
}

/// Whether `path` is `folder` or lies below it.
pub(super) fn lies_in(path: &NodePath, folder: &NodePath) -> bool {
    path.segments().starts_with(folder.segments())
}

/// Makes a folder and those above it; one that is there stays as it is. `done` hears when that is
/// durable, or why it was refused: [`DomainError::Exists`] for a file at the path,
/// [`DomainError::Conflict`] for one on the way.
pub fn make_folder(
    store: &Store,
    address: Address,
    by: String,
    may_create: MayCreate,
    done: impl FnOnce(Result<(), DomainError>) + Send + 'static,
) {
    let now_ms = store.now_ms();
    let check = move |rows: &dyn Rows, ids: &mut Ids| {
        let mut plan = Plan::new(rows, ids, &by, now_ms, may_create);
        let path = address.path.to_string();
        match plan.folder(&address) {
            Ok(_) => Ok((plan.mutations, ())),
            Err(DomainError::Conflict(file)) if file == path => Err(DomainError::Exists(path)),
            Err(error) => Err(error),
        }
    };
    submit(store, check, done);
}
