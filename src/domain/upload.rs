//! Putting a file in its place.

use std::sync::Arc;

use super::DomainError;
use super::lookup::{Address, FileEntry, child};
use super::token;
use crate::digest::Wanted;
use crate::format::Sha256;
use crate::format::meta::{
    Blob, Mutation, Node, NodeId, NodeKind, NodePut, Project, Relocated, Repo,
};
use crate::index::Rows;
use crate::store::{Ids, Ingest, Ingested, Store, StoreError};

pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What of a file a request may be conditional on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// sha256 of its content.
    pub sha256: Sha256,
    /// When it was changed last, Unix milliseconds.
    pub modified_ms: u64,
}

/// Decides whether a request may go on with the file as it is (`None`: there is no file).
pub type Precondition = Arc<dyn Fn(Option<State>) -> bool + Send + Sync>;

/// Digests that the client says its bytes have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// sha256, lower-case hex.
    pub sha256: Option<String>,
    /// md5, lower-case hex.
    pub md5: Option<String>,
    /// CRC-64/XZ.
    pub crc64: Option<u64>,
}

/// A file to be put in its place.
#[derive(Clone)]
pub struct Upload {
    /// Where it goes.
    pub address: Address,
    /// May replace a file.
    pub overwrite: bool,
    /// Days until it ceases to exist; 0 = never.
    pub expires_days: u64,
    /// Metadata, sorted by key.
    pub metadata: Vec<(String, String)>,
    /// Digests that the bytes must have.
    pub declared: Declared,
    /// Must hold when the upload begins and when it becomes visible.
    pub precondition: Precondition,
    /// Who uploads.
    pub by: String,
    /// What it may create of what it lies in.
    pub may_create: MayCreate,
    /// sha256 of the secret of the temporary token whose permit it takes.
    pub permit: Option<Sha256>,
}

/// What a write may create of what it lies in; each includes those before it.
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

/// A file that is in its place, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The file.
    pub file: FileEntry,
    /// Bytes that were not in the store before.
    pub new_bytes: u64,
}

/// What has to be made on the way to the file.
struct Plan {
    project: bool,
    repo: bool,
    /// The deepest folder that exists; `None` when the repository is missing.
    folder: Option<NodeId>,
    /// How many segments of the path lead to it.
    depth: usize,
}

impl Upload {
    /// Decides whether the upload may take place, and what is missing on its way.
    fn plan(&self, rows: &dyn Rows, now_ms: u64) -> Result<Plan, DomainError> {
        let path = &self.address.path;
        let Some(repo) = rows.repo(&self.address.project, &self.address.repo)? else {
            let no_project = rows.project(&self.address.project)?.is_none();
            let needed = match no_project {
                true => MayCreate::Project,
                false => MayCreate::Repo,
            };
            if self.may_create < needed {
                return Err(self.address.no_repository());
            }
            self.refuse_root()?;
            self.require(None)?;
            return Ok(Plan {
                project: no_project,
                repo: true,
                folder: None,
                depth: 0,
            });
        };
        self.refuse_root()?;
        let (mut folder, mut depth) = (repo.root, 0);
        let segments = path.segments();
        let (name, folders) = segments.split_last().ok_or(DomainError::Root("replaced"))?;
        let mut missing = false;
        for segment in folders {
            match child(rows, folder, segment, now_ms)? {
                None => {
                    missing = true;
                    break;
                }
                Some(node) if node.kind == NodeKind::Folder => folder = node.id,
                Some(_) => {
                    let file = segments[..=depth].join("/");
                    return Err(DomainError::Conflict(format!("/{file}")));
                }
            }
            depth += 1;
        }
        let there = match missing {
            true => None,
            false => child(rows, folder, name, now_ms)?,
        };
        self.judge(there.as_ref())?;
        Ok(Plan {
            project: false,
            repo: false,
            folder: Some(folder),
            depth,
        })
    }

    fn refuse_root(&self) -> Result<(), DomainError> {
        match (self.address.path.is_root(), self.overwrite) {
            (false, _) => Ok(()),
            (true, false) => Err(DomainError::Exists("/".to_owned())),
            (true, true) => Err(DomainError::Root("replaced")),
        }
    }

    /// Whether the file may replace what is there.
    fn judge(&self, there: Option<&Node>) -> Result<(), DomainError> {
        let path = || self.address.path.to_string();
        let state = there.and_then(|node| match node.kind {
            NodeKind::File { sha256, .. } => Some(State {
                sha256,
                modified_ms: node.modified_ms,
            }),
            NodeKind::Folder => None,
        });
        self.require(state)?;
        match there.map(|node| node.kind) {
            None => Ok(()),
            Some(_) if !self.overwrite => Err(DomainError::Exists(path())),
            Some(NodeKind::Folder) => Err(DomainError::Conflict(path())),
            Some(NodeKind::File { .. }) => Ok(()),
        }
    }

    fn require(&self, state: Option<State>) -> Result<(), DomainError> {
        if (self.precondition)(state) {
            Ok(())
        } else {
            Err(DomainError::Precondition(self.address.path.to_string()))
        }
    }

    /// The mutations that make the project and the repository of a plan; and its deepest folder.
    fn make_repo(&self, plan: &Plan, ids: &mut Ids, now_ms: u64) -> (Vec<Mutation>, NodeId) {
        let mut mutations = Vec::new();
        let Address { project, repo, .. } = &self.address;
        if plan.project {
            mutations.push(Mutation::ProjectPut(Project {
                name: project.clone(),
                display_name: project.clone(),
                description: String::new(),
                created_by: self.by.clone(),
                created_ms: now_ms,
            }));
        }
        let folder = plan.folder.unwrap_or_else(|| ids.fresh());
        if plan.repo {
            mutations.push(Mutation::RepoPut(Repo {
                project: project.clone(),
                name: repo.clone(),
                root: folder,
                public: false,
                description: String::new(),
                created_by: self.by.clone(),
                created_ms: now_ms,
            }));
        }
        (mutations, folder)
    }

    /// The mutations that make the repository, where the file is to go later.
    pub(super) fn prepare(
        &self,
        rows: &dyn Rows,
        ids: &mut Ids,
        now_ms: u64,
    ) -> Result<Vec<Mutation>, DomainError> {
        let plan = self.plan(rows, now_ms)?;
        Ok(self.make_repo(&plan, ids, now_ms).0)
    }

    /// The mutations that carry out a plan; gives the new node, too.
    fn carry_out(
        &self,
        plan: &Plan,
        ids: &mut Ids,
        blob: &Blob,
        now_ms: u64,
    ) -> (Vec<Mutation>, Node) {
        let (mut mutations, mut folder) = self.make_repo(plan, ids, now_ms);
        let segments = self.address.path.segments();
        let (name, folders) = segments.split_last().map_or(("", &[][..]), |(n, f)| (n, f));
        for segment in folders.iter().skip(plan.depth) {
            let node = self.node(ids.fresh(), NodeKind::Folder, now_ms);
            let id = node.id;
            mutations.push(put(folder, segment, node));
            folder = id;
        }
        let kind = NodeKind::File {
            sha256: blob.sha256,
            size: blob.size,
        };
        let mut node = self.node(ids.fresh(), kind, now_ms);
        node.metadata.clone_from(&self.metadata);
        node.expires_ms = match self.expires_days {
            0 => None,
            days => Some(now_ms.saturating_add(days.saturating_mul(DAY_MS))),
        };
        mutations.push(put(folder, name, node.clone()));
        (mutations, node)
    }

    fn node(&self, id: NodeId, kind: NodeKind, now_ms: u64) -> Node {
        Node {
            id,
            kind,
            created_by: self.by.clone(),
            created_ms: now_ms,
            modified_by: self.by.clone(),
            modified_ms: now_ms,
            expires_ms: None,
            metadata: Vec::new(),
        }
    }
}

fn put(parent: NodeId, name: &str, node: Node) -> Mutation {
    Mutation::NodePut(NodePut {
        parent,
        name: name.to_owned(),
        node,
    })
}

/// Decides whether an upload may take place, as far as that can be said before its bytes come.
///
/// # Errors
/// [`DomainError`], the same as at the end.
pub fn check(rows: &dyn Rows, upload: &Upload, now_ms: u64) -> Result<(), DomainError> {
    upload.plan(rows, now_ms).map(|_| ())
}

/// Begins to take in the bytes. Where they are said to be a content that the store holds soundly,
/// they are only hashed. May wait for the disk.
///
/// # Errors
/// [`DomainError::Store`].
pub fn begin(store: &Store, upload: &Upload, size: Option<u64>) -> Result<Ingest, DomainError> {
    let known = upload.declared.sha256.as_deref().and_then(from_hex);
    if let Some(sha256) = known
        && let Some(blob) = store.rows()?.blob(&sha256)?
        && size.is_none_or(|size| size == blob.size)
        && let Some(proof) = store.prove(blob)?
    {
        return Ok(proof);
    }
    store.writable()?;
    if size.is_some_and(|size| store.lacks_room(size)) {
        return Err(StoreError::Full.into());
    }
    Ok(store.ingest(Wanted::Md5))
}

fn from_hex(hex_digest: &str) -> Option<Sha256> {
    hex::decode(hex_digest).ok()?.try_into().ok()
}

/// Puts the file in its place, once its bytes are in. `done` hears when that is durable and
/// visible, or why it is not; nothing is visible in between.
pub fn finish(
    store: &Store,
    upload: Upload,
    ingested: Ingested,
    done: impl FnOnce(Result<Stored, DomainError>) + Send + 'static,
) {
    let content = match accept(&upload.declared, ingested) {
        Ok(content) => content,
        Err(error) => return done(Err(error)),
    };
    let now_ms = store.now_ms();
    let check = move |rows: &dyn Rows, ids: &mut Ids| content.place(&upload, rows, ids, now_ms);
    store.submit(check, move |outcome| {
        done(outcome.map_err(DomainError::from).and_then(|inner| inner));
    });
}

/// A content that is in the store, and is to be put in its place.
pub(super) struct Content {
    pub(super) blob: Blob,
    /// Bytes that were not in the store before.
    pub(super) new_bytes: u64,
    /// Damaged payloads that fresh bytes replace.
    pub(super) relocated: Vec<Relocated>,
    /// The store knows the content, but cannot read what it has of it.
    pub(super) replaces: bool,
}

impl Content {
    /// The mutations that put it in its place, if the upload may take place.
    pub(super) fn place(
        &self,
        upload: &Upload,
        rows: &dyn Rows,
        ids: &mut Ids,
        now_ms: u64,
    ) -> Result<(Vec<Mutation>, Stored), DomainError> {
        let plan = upload.plan(rows, now_ms)?;
        // A proven content is there since before the upload began; another upload may have brought
        // this one's in the meantime.
        let known = rows.blob(&self.blob.sha256)?;
        let (places, node) = upload.carry_out(&plan, ids, &self.blob, now_ms);
        let mut mutations = Vec::new();
        let is_new = known.is_none() || self.replaces;
        if is_new {
            mutations.push(Mutation::BlobPut(self.blob.clone()));
        }
        let relocated = self.relocated.iter().copied();
        mutations.extend(relocated.map(Mutation::Relocated));
        mutations.extend(places);
        if let Some(token) = &upload.permit {
            mutations.push(token::take_permit(rows, token)?);
        }
        let stored = Stored {
            file: FileEntry {
                address: upload.address.clone(),
                node,
                blob: known
                    .filter(|_| !is_new)
                    .unwrap_or_else(|| self.blob.clone()),
            },
            new_bytes: self.new_bytes,
        };
        Ok((mutations, stored))
    }
}

/// Holds the bytes that came against what was declared.
fn accept(declared: &Declared, ingested: Ingested) -> Result<Content, DomainError> {
    declared.fits_sha256(&ingested.digests.sha256)?;
    let blob = ingested.blob.ok_or(StoreError::Closed)?;
    declared.fits(&blob)?;
    Ok(Content {
        blob,
        new_bytes: ingested.new_bytes,
        relocated: ingested.relocated,
        replaces: ingested.replaces,
    })
}

impl Declared {
    /// Whether a content is the declared one.
    pub(super) fn fits(&self, blob: &Blob) -> Result<(), DomainError> {
        self.fits_sha256(&blob.sha256)?;
        self.fits_others(&blob.md5, blob.crc64)
    }

    pub(super) fn fits_sha256(&self, sha256: &Sha256) -> Result<(), DomainError> {
        differs("sha256", self.sha256.as_ref(), hex::encode(sha256))
    }

    pub(super) fn fits_others(&self, md5: &[u8; 16], crc64: u64) -> Result<(), DomainError> {
        differs("md5", self.md5.as_ref(), hex::encode(md5))?;
        let declared = self.crc64.map(|crc| crc.to_string());
        differs("crc64ecma", declared.as_ref(), crc64.to_string())
    }

    /// The digests that are needed to judge it.
    pub(super) fn wanted(&self) -> Wanted {
        match (&self.md5, self.crc64) {
            (None, None) => Wanted::Sha256Only,
            _ => Wanted::Md5,
        }
    }
}

fn differs(
    which: &'static str,
    declared: Option<&String>,
    actual: String,
) -> Result<(), DomainError> {
    match declared {
        Some(declared) if *declared != actual => Err(DomainError::Digest {
            which,
            declared: declared.clone(),
            actual,
        }),
        _ => Ok(()),
    }
}
