//! Finding what is alive: which contents files refer to, and which bytes of the pack contents refer to.

use std::ops::Range;

use roaring::RoaringTreemap;

use super::pace::Pace;
use crate::format::Sha256;
use crate::format::manifest::{Child, Piece};
use crate::format::meta::{ManifestRef, NodeKind, Relocated};
use crate::store::StoreError;
use crate::store::core::Core;
use crate::store::manifests::{List, Top};

/// Rows read in one snapshot: some milliseconds.
const SLICE_ROWS: usize = 4096;
/// Contents whose manifests are walked in one snapshot.
const SLICE_BLOBS: usize = 256;

/// Contents that files and packages refer to, by the first eight bytes of their sha256. Two contents
/// that begin alike are taken for one: the dead one then lives on.
#[derive(Default)]
pub struct Contents {
    sorted: Vec<u64>,
    fresh: Vec<u64>,
}

impl Contents {
    /// Takes one in.
    pub fn insert(&mut self, sha256: &Sha256) {
        self.fresh.push(start(sha256));
        if self.fresh.len() > 1024 + self.sorted.len() / 2 {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.sorted.append(&mut self.fresh);
        self.sorted.sort_unstable();
        self.sorted.dedup();
    }

    /// Whether it is one of these; all must be [settled](Self::settled).
    pub fn has(&self, sha256: &Sha256) -> bool {
        self.sorted.binary_search(&start(sha256)).is_ok()
    }

    /// All of them, ready to be asked.
    pub fn settled(mut self) -> Self {
        self.settle();
        self
    }

    /// All contents that nodes and packages refer to. Those of expired files and deleted folders are
    /// among them until their rows are swept.
    pub fn referred_to(core: &Core, pace: &mut Pace) -> Result<Self, StoreError> {
        let mut contents = Self::default();
        let mut after = None;
        loop {
            let reader = core.reader()?;
            after = reader.node_slice(after.as_ref(), SLICE_ROWS, |_, _, node| {
                if let NodeKind::File { sha256, .. } = node.kind {
                    contents.insert(&sha256);
                }
            })?;
            drop(reader);
            pace.rest();
            if after.is_none() {
                break;
            }
        }
        let mut after = 0;
        loop {
            let packages = core.reader()?.package_slice(after, SLICE_ROWS)?;
            let Some(last) = packages.last() else {
                return Ok(contents.settled());
            };
            after = last.id;
            packages.iter().for_each(|p| contents.insert(&p.sha256));
            pace.rest();
        }
    }
}

fn start(sha256: &Sha256) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&sha256[..8]);
    u64::from_be_bytes(bytes)
}

/// What is alive in a window of the pack.
pub struct Live {
    window: Range<u64>,
    /// Payload offsets of chunks in the window.
    pub chunks: RoaringTreemap,
    /// Bytes that these chunks take.
    pub bytes: u64,
    /// Offsets of leaves and roots, wherever they are.
    pub records: RoaringTreemap,
}

impl Live {
    /// Nothing, yet.
    pub fn new(window: Range<u64>) -> Self {
        Self {
            window,
            chunks: RoaringTreemap::new(),
            bytes: 0,
            records: RoaringTreemap::new(),
        }
    }

    /// Whether these are the marks of this window.
    pub fn is_of(&self, window: &Range<u64>) -> bool {
        self.window == *window
    }

    /// All that rows refer to; with `only`, contents that are not in there are left out.
    pub fn mark(
        &mut self,
        core: &Core,
        only: Option<&Contents>,
        pace: &mut Pace,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            // The snapshot holds what it leads to while that is read.
            let reader = core.reader()?;
            let blobs = reader.blob_slice(after.as_ref(), SLICE_BLOBS)?;
            let Some(last) = blobs.last() else {
                break;
            };
            after = Some(last.sha256);
            for blob in &blobs {
                if only.is_none_or(|only| only.has(&blob.sha256)) {
                    self.manifest(core, &blob.manifest)?;
                }
            }
            drop(reader);
            pace.rest();
        }
        let mut after = None;
        loop {
            let reader = core.reader()?;
            let blocks = reader.block_slice(after, SLICE_BLOBS)?;
            let Some((last, _)) = blocks.last() else {
                break;
            };
            after = Some(*last);
            for (_, block) in &blocks {
                self.manifest(core, &block.manifest)?;
            }
            drop(reader);
            pace.rest();
        }
        let relocated = core.reader()?.every_relocated()?;
        self.relocated(&relocated);
        Ok(())
    }

    /// All that a manifest refers to.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: it is not known what is alive.
    pub fn manifest(&mut self, core: &Core, manifest: &ManifestRef) -> Result<(), StoreError> {
        match Top::new(manifest) {
            Top::Empty => Ok(()),
            Top::Leaf(list) => self.leaf(core, &list),
            Top::Root(root) => {
                if !self.records.insert(root.offset()) {
                    return Ok(());
                }
                for page in 0..root.pages() {
                    for child in root.page::<Child>(core, page)?.entries {
                        if self.records.insert(child.leaf_offset) {
                            self.leaf(core, &List::of_child(&child))?;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn leaf(&mut self, core: &Core, list: &List) -> Result<(), StoreError> {
        for page in 0..list.pages() {
            for piece in list.page::<Piece>(core, page)?.entries {
                self.chunk(piece.pack_offset, piece.stored_len);
            }
        }
        Ok(())
    }

    pub(super) fn chunk(&mut self, offset: u64, stored_len: u32) {
        if self.window.contains(&offset) && self.chunks.insert(offset) {
            self.bytes += u64::from(stored_len);
        }
    }

    /// Copies of damaged chunks live as long as they are recorded; the record goes with the damaged
    /// chunk, so the copy is freed another time.
    fn relocated(&mut self, all: &[Relocated]) {
        for one in all {
            self.chunk(one.to, one.stored_len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    #[test]
    fn contents_are_found_again() {
        let mut contents = Contents::default();
        let name = |i: u32| sha256(&(i % 3000).to_le_bytes());
        let mut sorted = 0;
        for i in 0..9000 {
            contents.insert(&name(i));
            // What comes again and again takes half as much room more, and is not sorted each time.
            assert!(contents.fresh.len() <= 1024 + contents.sorted.len() / 2);
            sorted += u32::from(contents.fresh.is_empty());
        }
        assert!(sorted <= 5, "sorted {sorted} times");
        let contents = contents.settled();
        assert_eq!(contents.sorted.len(), 3000);
        assert!((0..3000).all(|i| contents.has(&name(i))));
        assert!(!contents.has(&sha256(b"another")));
    }

    #[test]
    fn chunks_in_the_window_are_counted_once() {
        let mut live = Live::new(100..200);
        for (offset, stored_len) in [(99, 1), (100, 20), (199, 300), (100, 20), (200, 4_000)] {
            live.chunk(offset, stored_len);
        }
        assert_eq!(live.chunks.iter().collect::<Vec<u64>>(), [100, 199]);
        assert_eq!(live.bytes, 320);
        assert!(live.is_of(&(100..200)));
        assert!(!live.is_of(&(100..300)) && !live.is_of(&(0..200)));
    }
}
