//! How much is stored, and how well.

use std::collections::HashMap;

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::core::{Core, Store};
use super::forecast::Shares;
use super::manifests::each_piece;
use super::verify::ScrubStats;
use crate::format::Sha256;
use crate::format::header::HEADER_BYTES;
use crate::format::meta::NodeKind;
use crate::format::record::Kind;
use crate::format::scan;
use crate::index::{Reader, Rows};

/// Blocks read at once.
const SLICE_BLOCKS: usize = 1024;

/// Figures of a store. Field names are part of the interface (`stats --json`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Files that exist now.
    pub files: u64,
    /// Software packages.
    pub packages: u64,
    /// Sum of the sizes of files and software packages.
    pub logical_bytes: u64,
    /// Distinct contents of them.
    pub blobs: u64,
    /// Those of them that are damaged in such a way that it is not known which chunks they have: these chunks
    /// are not counted (but those in front of the damage), and nothing can be reclaimed.
    #[serde(default)]
    pub unlisted_blobs: u64,
    /// Distinct chunks of these contents.
    pub chunks: u64,
    /// Bytes that these chunks take in the pack.
    pub stored_bytes: u64,
    /// Length of the pack file.
    pub pack_bytes: u64,
    /// Bytes of disk that the pack file takes.
    pub pack_allocated_bytes: u64,
    /// Length of the index file.
    pub index_bytes: u64,
    /// `logical_bytes / stored_bytes`, without the contents whose chunks are not known; 1 for an empty store.
    pub dedup_ratio: f64,
    /// Chunk bytes in the pack that nothing needs, and that reclaiming gives back, but for what
    /// uploads and downloads hold.
    pub reclaimable_bytes: u64,
    /// Chunk bytes that were given back.
    #[serde(default)]
    pub freed_bytes: u64,
    /// Damaged chunks that are known and have no intact copy.
    #[serde(default)]
    pub lacking_chunks: u64,
    /// Where scrubbing is; of a store that is not served there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrub: Option<ScrubStats>,
    /// What repositories hold and share, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup: Option<Shares>,
}

impl Store {
    /// Counts. Liveness is computed here and nowhere kept, so this walks all files, packages and manifests;
    /// it takes some 60 bytes of memory for every content and a few for every chunk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let core = &self.core;
        let reader = core.reader()?;
        let now_ms = core.now_ms();
        let mut stats = Stats::default();
        // Contents, and how many bytes of files and packages each stands for.
        let mut live: HashMap<Sha256, u64> = HashMap::new();
        reader.each_node::<StoreError>(|_, _, node| {
            if let NodeKind::File { sha256, size } = node.kind
                && node.expires_ms.is_none_or(|at| at > now_ms)
            {
                stats.files += 1;
                stats.logical_bytes += size;
                *live.entry(sha256).or_default() += size;
            }
            Ok(())
        })?;
        reader.each_package::<StoreError>(|package| {
            stats.packages += 1;
            stats.logical_bytes += package.size;
            *live.entry(package.sha256).or_default() += package.size;
            Ok(())
        })?;
        stats.blobs = live.len() as u64;
        let (mut seen, mut unlisted_bytes) = (RoaringTreemap::new(), 0);
        for (sha256, bytes) in &live {
            let Some(blob) = reader.blob(sha256)? else {
                continue;
            };
            let listed = each_piece(core, &blob.manifest, blob.size, |piece| {
                if seen.insert(piece.pack_offset) {
                    stats.chunks += 1;
                    stats.stored_bytes += u64::from(piece.stored_len);
                }
            });
            if is_damaged(listed)? {
                stats.unlisted_blobs += 1;
                unlisted_bytes += bytes;
            }
        }
        stats.pack_bytes = core.pack.end();
        stats.pack_allocated_bytes = core.pack.allocated()?;
        stats.index_bytes = core.place.size();
        stats.dedup_ratio = ratio(stats.logical_bytes - unlisted_bytes, stats.stored_bytes);
        let (kept_bytes, unlisted_blocks) = kept_bytes(core, &reader, &mut seen)?;
        let (payload_bytes, freed_bytes) = payload_bytes(core, &reader)?;
        stats.freed_bytes = freed_bytes;
        stats.lacking_chunks = core.damaged.lock().all().len() as u64;
        stats.scrub.clone_from(&core.scrub.lock());
        // As long as it is not known what is alive, nothing is given back.
        if stats.unlisted_blobs + unlisted_blocks == 0 {
            stats.reclaimable_bytes = payload_bytes
                .saturating_sub(freed_bytes)
                .saturating_sub(stats.stored_bytes)
                .saturating_sub(kept_bytes);
        }
        Ok(stats)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio(logical: u64, stored: u64) -> f64 {
    if stored == 0 {
        1.0
    } else {
        logical as f64 / stored as f64
    }
}

/// Whether the chunks of a content could not be told because of damage.
fn is_damaged(listed: Result<(), StoreError>) -> Result<bool, StoreError> {
    match listed {
        Err(StoreError::Damaged { .. }) => Ok(true),
        listed => listed.map(|()| false),
    }
}

/// Chunk bytes that no file needs, but a block of an upload, or a damaged chunk in whose place they are; and of
/// how many blocks it is not known which chunks they have.
fn kept_bytes(
    core: &Core,
    reader: &Reader,
    seen: &mut RoaringTreemap,
) -> Result<(u64, u64), StoreError> {
    let (mut sum, mut unlisted, mut after) = (0, 0, None);
    loop {
        let blocks = reader.block_slice(after, SLICE_BLOCKS)?;
        let Some((last, _)) = blocks.last() else {
            break;
        };
        after = Some(*last);
        for (_, block) in &blocks {
            let listed = each_piece(core, &block.manifest, block.size, |piece| {
                if seen.insert(piece.pack_offset) {
                    sum += u64::from(piece.stored_len);
                }
            });
            unlisted += u64::from(is_damaged(listed)?);
        }
    }
    for copy in reader.every_relocated()? {
        if seen.insert(copy.to) {
            sum += u64::from(copy.stored_len);
        }
    }
    Ok((sum, unlisted))
}

/// Sums of the payloads of all segments, and of those that were freed: reads the frames only.
fn payload_bytes(core: &Core, reader: &Reader) -> Result<(u64, u64), StoreError> {
    let mut sum = 0;
    let pack_id = &core.pack.header().pack_id;
    scan::each_frame::<_, StoreError>(
        core.pack.view(),
        pack_id,
        HEADER_BYTES as u64,
        core.pack.end(),
        |frame| {
            if frame.kind == Kind::Segment {
                sum += frame.body_bytes - u64::from(frame.head_bytes);
            }
            Ok(())
        },
    )?;
    let mut freed_bytes = 0;
    reader.each_freed::<StoreError>(|freed| {
        // Of a leaf or root there are no chunks.
        if !freed.chunks.is_empty() {
            freed_bytes += freed.bytes;
        }
        Ok(())
    })?;
    Ok((sum, freed_bytes))
}
