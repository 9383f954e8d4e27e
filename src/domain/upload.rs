//! Putting a file in its place.

use std::sync::Arc;

use super::DomainError;
use super::lookup::{Address, FileEntry, child};
use super::path::NodePath;
use super::place::{MayCreate, Plan, put};
use super::quota::Usage;
use super::submit::submit;
use super::token;
use crate::digest::Wanted;
use crate::format::Sha256;
use crate::format::meta::{Blob, Mutation, Node, NodeKind, Relocated};
use crate::index::Rows;
use crate::store::{Ids, Ingest, Ingested, Pins, Store, StoreError};

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
    /// Bytes that the file may have; `None` for any number.
    pub max_bytes: Option<u64>,
}

/// A file that is in its place, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The file.
    pub file: FileEntry,
    /// Bytes that were not in the store before.
    pub new_bytes: u64,
}

impl Upload {
    /// Decides whether the upload may take place.
    fn judge(&self, rows: &dyn Rows, now_ms: u64) -> Result<(), DomainError> {
        let path = &self.address.path;
        let Some(repo) = rows.repo(&self.address.project, &self.address.repo)? else {
            self.may_create.allows(rows, &self.address)?;
            self.refuse_root()?;
            return self.require(None);
        };
        self.refuse_root()?;
        let segments = path.segments();
        let (name, folders) = segments.split_last().ok_or(DomainError::Root("replaced"))?;
        let mut folder = repo.root;
        for (depth, segment) in folders.iter().enumerate() {
            folder = match child(rows, folder, segment, now_ms)? {
                None => return self.meets(None),
                Some(node) if node.kind == NodeKind::Folder => node.id,
                Some(_) => {
                    let file = segments[..=depth].join("/");
                    return Err(DomainError::Conflict(format!("/{file}")));
                }
            };
        }
        self.meets(child(rows, folder, name, now_ms)?.as_ref())
    }

    fn refuse_root(&self) -> Result<(), DomainError> {
        match (self.address.path.is_root(), self.overwrite) {
            (false, _) => Ok(()),
            (true, false) => Err(DomainError::Exists("/".to_owned())),
            (true, true) => Err(DomainError::Root("replaced")),
        }
    }

    /// Whether the file may replace what is there.
    fn meets(&self, there: Option<&Node>) -> Result<(), DomainError> {
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

    /// A change that puts something where the file goes.
    fn change<'a>(&'a self, rows: &'a dyn Rows, ids: &'a mut Ids, now_ms: u64) -> Plan<'a> {
        Plan::new(rows, ids, &self.by, now_ms, self.may_create)
    }

    /// The mutations that make the repository, where the file is to go later.
    pub(super) fn prepare(
        &self,
        rows: &dyn Rows,
        ids: &mut Ids,
        now_ms: u64,
    ) -> Result<Vec<Mutation>, DomainError> {
        self.judge(rows, now_ms)?;
        let mut change = self.change(rows, ids, now_ms);
        change.folder(&self.address.at(NodePath::default()))?;
        Ok(change.mutations)
    }

    /// Refuses a file of more bytes than it may have.
    pub(super) fn refuse_large(&self, bytes: u64) -> Result<(), DomainError> {
        match self.max_bytes.filter(|max| bytes > *max) {
            Some(limit_bytes) => Err(DomainError::TooLarge { limit_bytes }),
            None => Ok(()),
        }
    }

    /// The mutations that put the file where it goes; and its node.
    fn carry_out(
        &self,
        rows: &dyn Rows,
        ids: &mut Ids,
        blob: &Blob,
        now_ms: u64,
    ) -> Result<(Vec<Mutation>, Node), DomainError> {
        self.judge(rows, now_ms)?;
        self.refuse_large(blob.size)?;
        let path = &self.address.path;
        let mut change = self.change(rows, ids, now_ms);
        let folder = change.folder(&self.address.at(path.parent().unwrap_or_default()))?;
        let node = Node {
            id: change.ids.fresh(),
            kind: NodeKind::File {
                sha256: blob.sha256,
                size: blob.size,
            },
            created_by: self.by.clone(),
            created_ms: now_ms,
            modified_by: self.by.clone(),
            modified_ms: now_ms,
            expires_ms: match self.expires_days {
                0 => None,
                days => Some(now_ms.saturating_add(days.saturating_mul(DAY_MS))),
            },
            metadata: self.metadata.clone(),
        };
        let name = path.name().unwrap_or_default();
        change.mutations.push(put(folder, name, node.clone()));
        Ok((change.mutations, node))
    }
}

/// Decides whether an upload may take place, as far as that can be said before its bytes come.
///
/// # Errors
/// [`DomainError`], the same as at the end.
pub fn check(rows: &dyn Rows, upload: &Upload, now_ms: u64) -> Result<(), DomainError> {
    upload.judge(rows, now_ms)
}

/// Begins to take in the bytes. Where they are said to be a content that the store holds soundly,
/// they are only hashed. May wait for the disk.
///
/// # Errors
/// [`DomainError::Store`].
pub fn begin(store: &Store, upload: &Upload, size: Option<u64>) -> Result<Ingest, DomainError> {
    let known = upload.declared.sha256.as_deref().and_then(from_hex);
    if let Some(sha256) = known
        && let Some(proof) = store.prove(&sha256, size)?
    {
        return Ok(proof);
    }
    store.accepts(size)?;
    Ok(store.ingest(Wanted::Md5))
}

fn from_hex(hex_digest: &str) -> Option<Sha256> {
    hex::decode(hex_digest).ok()?.try_into().ok()
}

/// Puts the file in its place, once its bytes are in. `done` hears when that is durable and
/// visible, or why it is not; nothing is visible in between.
pub fn finish(
    store: &Store,
    usage: &Usage,
    upload: Upload,
    ingested: Ingested,
    done: impl FnOnce(Result<Stored, DomainError>) + Send + 'static,
) {
    let content = match accept(&upload.declared, ingested) {
        Ok(content) => content,
        Err(error) => return done(Err(error)),
    };
    let (usage, now_ms) = (usage.clone(), store.now_ms());
    let check =
        move |rows: &dyn Rows, ids: &mut Ids| content.place(&upload, &usage, rows, ids, now_ms);
    submit(store, check, done);
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
    /// Hold the content until it is in its place.
    #[expect(
        dead_code,
        reason = "it is there to be dropped with the rest, and not before"
    )]
    pub(super) pins: Pins,
}

impl Content {
    /// A content whose bytes are in; an error when they are not those that were to be proven.
    pub(super) fn of(ingested: Ingested) -> Result<Self, StoreError> {
        Ok(Self {
            blob: ingested.blob.ok_or(StoreError::Closed)?,
            new_bytes: ingested.new_bytes,
            relocated: ingested.relocated,
            replaces: ingested.replaces,
            pins: ingested.pins,
        })
    }

    /// The mutations after which the store knows the content; and the content as it then is.
    pub(super) fn made_known(&self, rows: &dyn Rows) -> Result<(Vec<Mutation>, Blob), DomainError> {
        let mut mutations = Vec::new();
        // A proven content is there since before the upload began; another upload may have brought
        // this one's in the meantime.
        let blob = match rows.blob(&self.blob.sha256)? {
            Some(known) if !self.replaces => known,
            _ => {
                mutations.push(Mutation::BlobPut(self.blob.clone()));
                self.blob.clone()
            }
        };
        let relocated = self.relocated.iter().copied();
        mutations.extend(relocated.map(Mutation::Relocated));
        Ok((mutations, blob))
    }

    /// The mutations that put it in its place, if the upload may take place.
    pub(super) fn place(
        &self,
        upload: &Upload,
        usage: &Usage,
        rows: &dyn Rows,
        ids: &mut Ids,
        now_ms: u64,
    ) -> Result<(Vec<Mutation>, Stored), DomainError> {
        let (places, node) = upload.carry_out(rows, ids, &self.blob, now_ms)?;
        let (mut mutations, blob) = self.made_known(rows)?;
        mutations.extend(places);
        if let Some(token) = &upload.permit {
            mutations.push(token::take_permit(rows, token)?);
        }
        // ORDER: last, so that nothing is counted for what is refused for another reason.
        usage.admit(rows, &upload.address, &mutations, false, now_ms)?;
        let stored = Stored {
            file: FileEntry {
                address: upload.address.clone(),
                node,
                blob,
            },
            new_bytes: self.new_bytes,
        };
        Ok((mutations, stored))
    }
}

/// Holds the bytes that came against what was declared.
fn accept(declared: &Declared, ingested: Ingested) -> Result<Content, DomainError> {
    declared.fits_sha256(&ingested.digests.sha256)?;
    let content = Content::of(ingested)?;
    declared.fits(&content.blob)?;
    Ok(content)
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
