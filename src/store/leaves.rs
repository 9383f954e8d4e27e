//! Writing manifests: pieces gather into leaves, leaves into a root.

use super::StoreError;
use super::core::Core;
use super::gc::Pins;
use super::manifests::{List, Top};
use crate::digest::{Digests, sha256};
use crate::format::manifest::{self, Child, PAGE_ENTRIES, Piece};
use crate::format::meta::{Blob, Block, ManifestRef};
use crate::format::record::Kind;

/// Pieces from which on a leaf is written: 32 pages, 64 MiB of a typical file.
pub(super) const LEAF_PIECES: usize = 32 * PAGE_ENTRIES;
/// A manifest of up to so many pieces sits in the commit.
const INLINE_PIECES: usize = 16;
/// A leaf of a block with fewer pieces is merged with its neighbours: one page.
const SMALL_PIECES: u32 = 127;

/// The manifest of a content, as far as it is known.
pub(super) struct ManifestWriter {
    /// Holds what it refers to.
    pins: Pins,
    /// Pieces of the leaf in hand; ends count from its start.
    pub(super) pieces: Vec<Piece>,
    leaf_bytes: u64,
    leaves: Vec<Child>,
    size: u64,
}

impl ManifestWriter {
    pub(super) fn new(pins: Pins) -> Self {
        Self {
            pins,
            pieces: Vec::new(),
            leaf_bytes: 0,
            leaves: Vec::new(),
            size: 0,
        }
    }

    /// Takes in the next piece; its end is set here.
    pub(super) fn push(&mut self, piece: Piece) {
        self.size += u64::from(piece.raw_len);
        self.leaf_bytes += u64::from(piece.raw_len);
        self.pieces.push(Piece {
            end: self.leaf_bytes,
            ..piece
        });
    }

    /// Writes the pieces in hand as a leaf record.
    pub(super) fn write_leaf(&mut self, core: &Core) -> Result<(), StoreError> {
        if self.pieces.is_empty() {
            return Ok(());
        }
        let leaf = manifest::encode(&self.pieces, &core.pack.header().pack_id, sha256);
        let leaf_offset = core.append_pages(Kind::Leaf, &leaf.pages, &self.pins)?;
        self.leaves.push(Child {
            end: self.size,
            leaf_offset,
            leaf_tag: leaf.tag,
            leaf_entries: leaf.entries,
        });
        self.pieces = Vec::new();
        self.leaf_bytes = 0;
        Ok(())
    }

    /// Writes what is left of the manifest and gives the reference to it.
    pub(super) fn finish(&mut self, core: &Core) -> Result<ManifestRef, StoreError> {
        let pack_id = core.pack.header().pack_id;
        if self.size == 0 {
            return Ok(ManifestRef::Empty);
        }
        if self.leaves.is_empty() && self.pieces.len() <= INLINE_PIECES {
            let leaf = manifest::encode(&self.pieces, &pack_id, sha256);
            return Ok(ManifestRef::Inline {
                tag: leaf.tag,
                entries: leaf.entries,
                pages: leaf.pages,
            });
        }
        self.write_leaf(core)?;
        let root = manifest::encode(&self.leaves, &pack_id, sha256);
        let offset = core.append_pages(Kind::Root, &root.pages, &self.pins)?;
        Ok(ManifestRef::Root {
            offset,
            tag: root.tag,
            entries: root.entries,
        })
    }

    /// Goes on with the bytes of a block: its leaves are taken over as they lie in the pack, small
    /// ones are merged.
    fn append(&mut self, core: &Core, block: &Block) -> Result<(), StoreError> {
        self.pins.hold(&block.manifest);
        match Top::new(&block.manifest) {
            Top::Empty => Ok(()),
            Top::Leaf(list) => self.merge(core, &list),
            Top::Root(root) => {
                let mut start = 0;
                for page in 0..root.pages() {
                    for child in root.page::<Child>(core, page)?.entries {
                        self.adopt(core, child, child.end.saturating_sub(start))?;
                        start = child.end;
                    }
                }
                Ok(())
            }
        }
    }

    /// Bytes of all pieces so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn adopt(&mut self, core: &Core, child: Child, bytes: u64) -> Result<(), StoreError> {
        if child.leaf_entries < SMALL_PIECES {
            return self.merge(core, &List::of_child(&child));
        }
        self.write_leaf(core)?;
        self.size += bytes;
        self.leaves.push(Child {
            end: self.size,
            ..child
        });
        Ok(())
    }

    fn merge(&mut self, core: &Core, list: &List) -> Result<(), StoreError> {
        for page in 0..list.pages() {
            list.page::<Piece>(core, page)?
                .entries
                .into_iter()
                .for_each(|piece| self.push(piece));
        }
        if self.pieces.len() >= LEAF_PIECES {
            self.write_leaf(core)?;
        }
        Ok(())
    }
}

impl Digests {
    /// The content that has these digests.
    pub(super) fn blob(&self, manifest: ManifestRef) -> Blob {
        Blob {
            sha256: self.sha256,
            size: self.size,
            md5: self.md5,
            crc64: self.crc64,
            sha1: self.sha1,
            manifest,
        }
    }
}

/// Makes one content of blocks that are in the store. No byte of them is read or written again.
pub struct Join {
    core: std::sync::Arc<Core>,
    manifest: ManifestWriter,
}

impl Join {
    pub(super) fn new(core: std::sync::Arc<Core>) -> Self {
        let manifest = ManifestWriter::new(core.space.guard());
        Self { core, manifest }
    }

    /// Takes in the next block; the snapshot that it was found in is still there.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its manifest cannot be read.
    pub fn push(&mut self, block: &Block) -> Result<(), StoreError> {
        self.manifest.append(&self.core, block)
    }

    /// The content, to be put into a commit, and what holds it until then. `digests` are those of all
    /// bytes.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the blocks do not come to as many bytes as the digests.
    pub fn finish(mut self, digests: &Digests) -> Result<(Blob, Pins), StoreError> {
        if self.manifest.size != digests.size {
            return Err(StoreError::Damaged {
                offset: 0,
                why: format!(
                    "the blocks of a file have {} bytes, its digests {}",
                    self.manifest.size, digests.size
                ),
            });
        }
        let manifest = self.manifest.finish(&self.core)?;
        Ok((digests.blob(manifest), self.manifest.pins))
    }
}
