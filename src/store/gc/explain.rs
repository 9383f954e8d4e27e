//! What keeps a content or a chunk alive, and what a deletion would free.

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::mark::{Contents, Live};
use super::pace::Pace;
use crate::format::Sha256;
use crate::format::header::HEADER_BYTES;
use crate::format::meta::{ManifestRef, NodeId, NodeKind};
use crate::index::{Rank, Reader, Rows, prefix};
use crate::store::StoreError;
use crate::store::core::{Core, Store};
use crate::store::manifests::each_piece;

/// Names in a list at most; the count beside it is of all.
const MAX_NAMES: usize = 100;
/// Rows read at once.
const SLICE_ROWS: usize = 1000;

/// What refers to a digest. Field names are part of the interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// What is known of it as a content.
    pub content: Option<ContentUse>,
    /// What is known of it as a chunk.
    pub chunk: Option<ChunkUse>,
}

/// What refers to a content. Nothing does: it is forgotten when space is given back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentUse {
    /// Its length in bytes.
    pub size: u64,
    /// Files that have it, `/project/repo/path`, and software packages, `/sys-package/name`: the first
    /// hundred.
    pub files: Vec<String>,
    /// How many there are.
    pub file_count: u64,
}

/// What refers to a chunk, in the copy that uploads would share. Nothing does: it is freed when space is
/// given back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkUse {
    /// Where its payload lies in the pack.
    pub offset: u64,
    /// Bytes that it takes there.
    pub stored_bytes: u64,
    /// sha256 of contents that it is a part of: the first hundred. To be explained in their turn.
    pub contents: Vec<String>,
    /// How many there are.
    pub content_count: u64,
    /// Blocks of unfinished uploads that it is a part of.
    pub block_count: u64,
}

/// What a deletion would free. Field names are part of the interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WouldFree {
    /// Files that would be deleted, expired ones too.
    pub files: u64,
    /// Contents that no other file has.
    pub blobs: u64,
    /// Chunks that no other content has.
    pub chunks: u64,
    /// Bytes that these chunks take in the pack.
    pub freed_bytes: u64,
}

impl Store {
    /// What refers to a digest. Walks all nodes, and all manifests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn explain(&self, sha256: &Sha256) -> Result<Explained, StoreError> {
        // ORDER: before the snapshot, since rows go from there into the index.
        let recent = self.core.recent.read().get(&prefix(sha256));
        let reader = self.core.reader()?;
        let content = match reader.blob(sha256)? {
            Some(blob) => Some(content_use(&reader, sha256, blob.size)?),
            None => None,
        };
        let chunk = chunk_use(&self.core, &reader, recent, sha256)?;
        Ok(Explained { content, chunk })
    }

    /// What would be freed if the files were deleted that `goes` says (of folder and name), and space
    /// given back. What is reclaimable already does not count. Walks all nodes and manifests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn would_free(&self, goes: impl Fn(NodeId, &str) -> bool) -> Result<WouldFree, StoreError> {
        let core = &self.core;
        let mut would = WouldFree::default();
        let reader = core.reader()?;
        let (mut gone, mut kept) = (Contents::default(), Contents::default());
        reader.each_node::<StoreError>(|parent, name, node| {
            if let NodeKind::File { sha256, .. } = node.kind {
                if goes(parent, name) {
                    would.files += 1;
                    gone.insert(&sha256);
                } else {
                    kept.insert(&sha256);
                }
            }
            Ok(())
        })?;
        reader.each_package::<StoreError>(|package| {
            kept.insert(&package.sha256);
            Ok(())
        })?;
        let (gone, kept) = (gone.settled(), kept.settled());
        let mut live = Live::new(HEADER_BYTES as u64..u64::MAX);
        live.mark(core, Some(&kept), &mut Pace::new(100))?;
        let mut seen = RoaringTreemap::new();
        reader.each_blob::<StoreError>(|blob| {
            if !gone.has(&blob.sha256) || kept.has(&blob.sha256) {
                return Ok(());
            }
            would.blobs += 1;
            each_piece(core, &blob.manifest, blob.size, |piece| {
                if !live.chunks.contains(piece.pack_offset) && seen.insert(piece.pack_offset) {
                    would.chunks += 1;
                    would.freed_bytes += u64::from(piece.stored_len);
                }
            })
        })?;
        Ok(would)
    }
}

/// Names of files and software packages that have a content: the first hundred.
///
/// # Errors
/// [`StoreError::Index`].
pub(in crate::store) fn files_of(
    reader: &Reader,
    sha256: &Sha256,
) -> Result<Vec<String>, StoreError> {
    Ok(content_use(reader, sha256, 0)?.files)
}

fn content_use(reader: &Reader, sha256: &Sha256, size: u64) -> Result<ContentUse, StoreError> {
    let mut found = ContentUse {
        size,
        ..ContentUse::default()
    };
    for repo in reader.every_repo()? {
        let path = format!("/{}/{}", repo.project, repo.name);
        below(reader, repo.root, &path, sha256, &mut found)?;
    }
    reader.each_package::<StoreError>(|package| {
        if package.sha256 == *sha256 {
            found.add(format!("/sys-package/{}", package.file_name));
        }
        Ok(())
    })?;
    Ok(found)
}

/// Looks at the files below a folder; folders nest at most 64 deep.
fn below(
    reader: &Reader,
    folder: NodeId,
    path: &str,
    sha256: &Sha256,
    found: &mut ContentUse,
) -> Result<(), StoreError> {
    let mut after: Option<(Rank, String)> = None;
    loop {
        let behind = after.as_ref().map(|(rank, name)| (*rank, name.as_str()));
        let children = reader.children(folder, behind, SLICE_ROWS)?;
        let Some((last, node)) = children.last() else {
            return Ok(());
        };
        after = Some((Rank::of(node), last.clone()));
        for (name, node) in children {
            let path = format!("{path}/{name}");
            match node.kind {
                NodeKind::Folder => below(reader, node.id, &path, sha256, found)?,
                NodeKind::File { sha256: its, .. } if its == *sha256 => found.add(path),
                NodeKind::File { .. } => {}
            }
        }
    }
}

impl ContentUse {
    fn add(&mut self, name: String) {
        self.file_count += 1;
        if self.files.len() < MAX_NAMES {
            self.files.push(name);
        }
    }
}

fn chunk_use(
    core: &Core,
    reader: &Reader,
    recent: Option<u64>,
    sha256: &Sha256,
) -> Result<Option<ChunkUse>, StoreError> {
    let in_index = || reader.chunk(&prefix(sha256));
    let Some(own) = recent.map_or_else(in_index, |own| Ok(Some(own)))? else {
        return Ok(None);
    };
    let found = core.locate(own);
    let Some((offset, entry)) = found.filter(|(_, entry)| entry.sha256 == *sha256) else {
        return Ok(None);
    };
    let mut found = ChunkUse {
        offset,
        stored_bytes: u64::from(entry.stored_len),
        ..ChunkUse::default()
    };
    let has = |manifest: &ManifestRef, size| {
        let mut has = false;
        each_piece(core, manifest, size, |piece| {
            has |= piece.pack_offset == offset;
        })?;
        Ok::<_, StoreError>(has)
    };
    reader.each_blob::<StoreError>(|blob| {
        if has(&blob.manifest, blob.size)? {
            found.content_count += 1;
            if found.contents.len() < MAX_NAMES {
                found.contents.push(hex::encode(blob.sha256));
            }
        }
        Ok(())
    })?;
    let mut after = None;
    loop {
        let blocks = reader.block_slice(after, SLICE_ROWS)?;
        let Some((last, _)) = blocks.last() else {
            return Ok(Some(found));
        };
        after = Some(*last);
        for (_, block) in &blocks {
            found.block_count += u64::from(has(&block.manifest, block.size)?);
        }
    }
}
