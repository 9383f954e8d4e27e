//! Putting a file in its place.

use std::sync::Arc;

use super::DomainError;
use super::lookup::{Address, FileEntry, child};
use crate::digest::Wanted;
use crate::format::Sha256;
use crate::format::meta::{Blob, Mutation, Node, NodeId, NodeKind, NodePut, Project, Repo};
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
    /// May create the repository and its project, if they are missing.
    pub may_create: bool,
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
            if !self.may_create {
                return Err(self.address.no_repository());
            }
            self.refuse_root()?;
            self.require(None)?;
            return Ok(Plan {
                project: rows.project(&self.address.project)?.is_none(),
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

    /// The mutations that carry out a plan; gives the new node, too.
    fn carry_out(
        &self,
        plan: &Plan,
        ids: &mut Ids,
        blob: &Blob,
        now_ms: u64,
    ) -> (Vec<Mutation>, Node) {
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
        let mut folder = plan.folder.unwrap_or_else(|| ids.fresh());
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
    let blob = match accept(&upload.declared, &ingested) {
        Ok(blob) => blob,
        Err(error) => return done(Err(error)),
    };
    let now_ms = store.now_ms();
    let check = move |rows: &dyn Rows, ids: &mut Ids| {
        let plan = upload.plan(rows, now_ms)?;
        // A proven content is there since before the upload began; another upload may have brought
        // this one's in the meantime.
        let known = rows.blob(&blob.sha256)?;
        let (places, node) = upload.carry_out(&plan, ids, &blob, now_ms);
        let mut mutations = Vec::new();
        let is_new = known.is_none() || ingested.replaces;
        if is_new {
            mutations.push(Mutation::BlobPut(blob.clone()));
        }
        let relocated = ingested.relocated.iter().copied();
        mutations.extend(relocated.map(Mutation::Relocated));
        mutations.extend(places);
        let stored = Stored {
            file: FileEntry {
                address: upload.address.clone(),
                node,
                blob: known.filter(|_| !is_new).unwrap_or_else(|| blob.clone()),
            },
            new_bytes: ingested.new_bytes,
        };
        Ok::<_, DomainError>((mutations, stored))
    };
    store.submit(check, move |outcome| {
        done(outcome.map_err(DomainError::from).and_then(|inner| inner));
    });
}

/// Holds the bytes that came against what was declared.
fn accept(declared: &Declared, ingested: &Ingested) -> Result<Blob, DomainError> {
    let digests = &ingested.digests;
    let differs = |which, declared: &Option<String>, actual: String| match declared {
        Some(declared) if *declared != actual => Err(DomainError::Digest {
            which,
            declared: declared.clone(),
            actual,
        }),
        _ => Ok(()),
    };
    differs("sha256", &declared.sha256, hex::encode(digests.sha256))?;
    let blob = ingested.blob.clone().ok_or(StoreError::Closed)?;
    differs("md5", &declared.md5, hex::encode(blob.md5))?;
    let crc64 = declared.crc64.map(|crc| crc.to_string());
    differs("crc64ecma", &crc64, blob.crc64.to_string())?;
    Ok(blob)
}
