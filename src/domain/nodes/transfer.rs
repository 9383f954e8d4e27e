//! Renaming, moving and copying: one commit each, whatever is below.

use super::super::DomainError;
use super::super::lookup::{Address, Entry, entry};
use super::super::path::{MAX_SEGMENTS, NodePath, PathError};
use super::super::place::MayCreate;
use super::super::place::{Plan, lies_in, put};
use super::super::quota::Usage;
use super::super::submit::submit;
use super::measure::{Extent, extent};
use super::merge::Merge;
use crate::format::meta::{Mutation, Node, NodeId, NodeKind, NodeMove, NodePut, TreeCopy};
use crate::index::Rows;
use crate::store::{Ids, Store};

/// Whether the source stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It goes.
    Move,
    /// It stays.
    Copy,
}

/// A move or copy. A destination that is a folder is gone into, under the source's own name; any
/// other one is where the source goes. A folder that meets a folder of its name is merged into it,
/// child by child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// What is moved or copied.
    pub from: Address,
    /// Where to.
    pub to: Address,
    /// Files may replace files.
    pub overwrite: bool,
    /// Move or copy.
    pub way: Way,
    /// Who does it.
    pub by: String,
    /// What it may create of what the destination lies in.
    pub may_create: MayCreate,
}

/// What is moved or copied: where it is, and itself.
pub(super) struct Source<'a> {
    pub parent: NodeId,
    pub name: &'a str,
    pub node: &'a Node,
    /// How deep it lies; a child of a root is at 1.
    pub depth: usize,
}

/// Moves or copies. `done` hears when that is durable, or why it was refused:
/// [`DomainError::NotFound`], [`DomainError::Exists`], [`DomainError::Conflict`],
/// [`DomainError::Root`], [`DomainError::Path`] for what would lie too deep,
/// [`DomainError::TooMany`] for a merge that is too large for one commit, [`DomainError::Quota`].
pub fn transfer(
    store: &Store,
    usage: &Usage,
    transfer: Transfer,
    done: impl FnOnce(Result<(), DomainError>) + Send + 'static,
) {
    let (usage, now_ms) = (usage.clone(), store.now_ms());
    let check = move |rows: &dyn Rows, ids: &mut Ids| {
        let mut plan = Plan::new(rows, ids, &transfer.by, now_ms, transfer.may_create);
        transfer.plan(&mut plan)?;
        let Transfer { from, to, .. } = &transfer;
        let from_elsewhere = (&from.project, &from.repo) != (&to.project, &to.repo);
        usage.admit(rows, to, &plan.mutations, from_elsewhere, now_ms)?;
        Ok::<_, DomainError>((plan.mutations, ()))
    };
    submit(store, check, done);
}

/// Gives a node another path in its repository; nothing may be there. `done` hears as with
/// [`transfer`].
pub fn rename(
    store: &Store,
    from: Address,
    to: NodePath,
    by: String,
    done: impl FnOnce(Result<(), DomainError>) + Send + 'static,
) {
    let now_ms = store.now_ms();
    let check = move |rows: &dyn Rows, ids: &mut Ids| {
        let mut plan = Plan::new(rows, ids, &by, now_ms, MayCreate::Nothing);
        plan_rename(&mut plan, &from, &to)?;
        Ok::<_, DomainError>((plan.mutations, ()))
    };
    submit(store, check, done);
}

fn plan_rename(plan: &mut Plan<'_>, from: &Address, to: &NodePath) -> Result<(), DomainError> {
    let Entry::Node(parent, node) = entry(plan.rows, from, plan.now_ms)? else {
        return Err(DomainError::Root("renamed"));
    };
    let target = Address {
        path: to.clone(),
        ..from.clone()
    };
    if *to != from.path && lies_in(to, &from.path) {
        return Err(DomainError::Conflict(to.to_string()));
    }
    if there(plan, &target)?.is_some() {
        return Err(DomainError::Exists(to.to_string()));
    }
    let source = Source {
        parent,
        name: from.path.name().unwrap_or_default(),
        node: &node,
        depth: from.path.segments().len(),
    };
    let folder = plan.parent_of(&target)?;
    plan.place(Way::Move, &source, folder, to)
}

/// What is at an address; `None` for nothing, also when its repository may be created.
fn there(plan: &Plan<'_>, address: &Address) -> Result<Option<Entry>, DomainError> {
    match entry(plan.rows, address, plan.now_ms) {
        Ok(entry) => Ok(Some(entry)),
        Err(DomainError::NotFound(_)) => Ok(None),
        Err(DomainError::NoRepository { .. }) if plan.may_create > MayCreate::Nothing => Ok(None),
        Err(error) => Err(error),
    }
}

impl Transfer {
    fn plan(&self, plan: &mut Plan<'_>) -> Result<(), DomainError> {
        let source = entry(plan.rows, &self.from, plan.now_ms)?;
        if self.way == Way::Move && matches!(source, Entry::Root(_)) {
            return Err(DomainError::Root("moved"));
        }
        let target = self.target(plan)?;
        let same_repo = target.project == self.from.project && target.repo == self.from.repo;
        if same_repo && target.path == self.from.path {
            return Ok(());
        }
        if same_repo && lies_in(&target.path, &self.from.path) {
            return Err(DomainError::Conflict(target.path.to_string()));
        }
        let meets = there(plan, &target)?;
        match source {
            Entry::Root(root) => self.all_of(plan, root, meets, &target),
            Entry::Node(parent, node) => {
                let source = Source {
                    parent,
                    name: self.from.path.name().unwrap_or_default(),
                    node: &node,
                    depth: self.from.path.segments().len(),
                };
                self.one(plan, &source, meets, &target)
            }
        }
    }

    /// Where the source will be.
    fn target(&self, plan: &Plan<'_>) -> Result<Address, DomainError> {
        let goes_into = match there(plan, &self.to)? {
            Some(Entry::Root(_)) => true,
            Some(Entry::Node(_, node)) => node.kind == NodeKind::Folder,
            None => self.to.path.is_root(),
        };
        let path = match self.from.path.name() {
            Some(name) if goes_into => NodePath::parse(&format!("{}/{name}", self.to.path))?,
            _ => self.to.path.clone(),
        };
        Ok(Address {
            path,
            ..self.to.clone()
        })
    }

    /// A file or folder.
    fn one(
        &self,
        plan: &mut Plan<'_>,
        source: &Source<'_>,
        meets: Option<Entry>,
        target: &Address,
    ) -> Result<(), DomainError> {
        let path = || target.path.to_string();
        let is_folder = source.node.kind == NodeKind::Folder;
        match meets {
            None => {}
            Some(Entry::Root(_)) => return Err(DomainError::Conflict(path())),
            Some(Entry::Node(_, node)) => match (is_folder, node.kind) {
                (true, NodeKind::Folder) => {
                    Merge::new(self, source.node.id).run(
                        plan,
                        source.depth,
                        node.id,
                        &target.path,
                    )?;
                    if self.way == Way::Move {
                        plan.delete(source.parent, source.name);
                    }
                    return Ok(());
                }
                (true, NodeKind::File { .. }) | (false, NodeKind::Folder) => {
                    return Err(DomainError::Conflict(path()));
                }
                (false, NodeKind::File { .. }) if !self.overwrite => {
                    return Err(DomainError::Exists(path()));
                }
                (false, NodeKind::File { .. }) => {}
            },
        }
        let folder = plan.parent_of(target)?;
        plan.place(self.way, source, folder, &target.path)
    }

    /// All that is in a repository.
    fn all_of(
        &self,
        plan: &mut Plan<'_>,
        root: NodeId,
        meets: Option<Entry>,
        target: &Address,
    ) -> Result<(), DomainError> {
        let into = match meets {
            Some(Entry::Root(id)) => id,
            Some(Entry::Node(_, node)) if node.kind == NodeKind::Folder => node.id,
            Some(Entry::Node(..)) => return Err(DomainError::Conflict(target.path.to_string())),
            None => {
                let size = extent(plan.rows, root)?;
                fits(&target.path, size)?;
                let to = plan.folder(target)?;
                plan.copy_below(root, to, size);
                return Ok(());
            }
        };
        Merge::new(self, root).run(plan, 0, into, &target.path)
    }
}

/// Refuses what would lie too deep with its top at `path`.
fn fits(path: &NodePath, below: Extent) -> Result<(), DomainError> {
    let segments = path.segments().len() + below.height;
    if segments > MAX_SEGMENTS {
        return Err(PathError::TooDeep { segments }.into());
    }
    Ok(())
}

impl Plan<'_> {
    /// The folder that an address lies in, made where it is missing.
    fn parent_of(&mut self, address: &Address) -> Result<NodeId, DomainError> {
        let path = address.path.parent().unwrap_or_default();
        self.folder(&Address {
            path,
            ..address.clone()
        })
    }

    /// Puts a node where none is, or a file where a file is; what is below goes with it.
    pub(super) fn place(
        &mut self,
        way: Way,
        source: &Source<'_>,
        parent: NodeId,
        target: &NodePath,
    ) -> Result<(), DomainError> {
        let is_folder = source.node.kind == NodeKind::Folder;
        let name = target.name().unwrap_or_default();
        // What goes up, or stays at its level, fits: it did before.
        let sinks = target.segments().len() > source.depth;
        let below = match is_folder && (way == Way::Copy || sinks) {
            true => extent(self.rows, source.node.id)?,
            false => Extent::default(),
        };
        fits(target, below)?;
        if way == Way::Copy {
            let copy = source.node.copied(self.ids.fresh(), self.by, self.now_ms);
            let to = copy.id;
            self.mutations.push(put(parent, name, copy));
            if is_folder {
                self.copy_below(source.node.id, to, below);
            }
            return Ok(());
        }
        let node = Node {
            modified_by: self.by.to_owned(),
            modified_ms: self.now_ms,
            ..source.node.clone()
        };
        self.mutations.push(Mutation::NodeMove(NodeMove {
            from_parent: source.parent,
            from_name: source.name.to_owned(),
            to: NodePut {
                parent,
                name: name.to_owned(),
                node,
            },
        }));
        Ok(())
    }

    /// Copies what is below a folder into an empty one.
    fn copy_below(&mut self, from: NodeId, to: NodeId, size: Extent) {
        if size.rows == 0 {
            return;
        }
        self.mutations.push(Mutation::TreeCopy(TreeCopy {
            from,
            to,
            // Expired files have rows and get no copies: a few ids stay unused.
            first_id: self.ids.reserve(size.rows),
            by: self.by.to_owned(),
            at_ms: self.now_ms,
        }));
    }

    /// Takes a node away, with all that is left below it.
    pub(super) fn delete(&mut self, parent: NodeId, name: &str) {
        self.mutations
            .push(Mutation::NodeDelete(crate::format::meta::NodeDelete {
                parent,
                name: name.to_owned(),
            }));
    }
}
