//! What is to be carried over, and whether there is room for it.

use std::ops::Range;

use crate::format::meta::{ManifestRef, NodeKind};
use crate::index::{Reader, Rows};
use crate::store::StoreError;
use crate::store::core::Core;
use crate::store::gc::files_of;
use crate::store::gc::mark::{Contents, Live};

/// Bytes of the pack looked at at once: memory is in proportion to the chunks in them.
const WINDOW_BYTES: u64 = 64 << 30;
/// Blocks of uploads read at once.
const SLICE_BLOCKS: usize = 256;
/// What the new pack needs for a chunk besides its bytes: in a table, and in a manifest or more.
const CHUNK_ROW_BYTES: u64 = 96;
/// What it needs besides everything else.
const ROOM_BYTES: u64 = 16 << 20;
/// Damaged manifests that are named.
const MAX_NAMED: usize = 10;

/// The contents that nodes and packages refer to.
pub(super) fn referred_to(reader: &Reader) -> Result<Contents, StoreError> {
    let mut contents = Contents::default();
    reader.each_node::<StoreError>(|_, _, node| {
        if let NodeKind::File { sha256, .. } = node.kind {
            contents.insert(&sha256);
        }
        Ok(())
    })?;
    reader.each_package::<StoreError>(|package| {
        contents.insert(&package.sha256);
        Ok(())
    })?;
    Ok(contents.settled())
}

/// What is to be carried over.
pub(super) struct Plan {
    pub(super) windows: Vec<Range<u64>>,
    /// What is alive in the last window.
    last: Option<Live>,
    chunks: u64,
    /// Of all chunks that are alive.
    pub(super) bytes: u64,
}

impl Plan {
    pub(super) fn make(
        core: &Core,
        reader: &Reader,
        alive: &Contents,
        end: u64,
    ) -> Result<Self, StoreError> {
        let mut plan = Self {
            windows: core.windows(end, WINDOW_BYTES)?,
            last: None,
            chunks: 0,
            bytes: 0,
        };
        for window in &plan.windows {
            let live = mark(core, reader, alive, window)?;
            plan.chunks += live.chunks.len();
            plan.bytes += live.bytes;
            plan.last = Some(live);
        }
        Ok(plan)
    }

    /// What is alive in a window. Marked anew, unless there is only this one.
    pub(super) fn live(
        &mut self,
        core: &Core,
        reader: &Reader,
        alive: &Contents,
        window: &Range<u64>,
    ) -> Result<Live, StoreError> {
        match self.last.take().filter(|live| live.is_of(window)) {
            Some(live) => Ok(live),
            None => mark(core, reader, alive, window),
        }
    }

    /// Refuses what surely does not fit on the disk.
    pub(super) fn has_room(&self, core: &Core) -> Result<(), StoreError> {
        // What rows say, in commits; and an index of them.
        let rows = 2 * core.place.size();
        let needed = self.bytes + self.chunks * CHUNK_ROW_BYTES + rows + ROOM_BYTES;
        match core.pack.free() {
            Some(free) if free < needed => Err(StoreError::Refused(format!(
                "compacting needs about {needed} bytes beside the pack, and {free} are free; \
                 `packhold gc` gives space back without"
            ))),
            _ => Ok(()),
        }
    }
}

/// Marks what is alive in a window.
fn mark(
    core: &Core,
    reader: &Reader,
    alive: &Contents,
    window: &Range<u64>,
) -> Result<Live, StoreError> {
    let mut live = Live::new(window.clone());
    let mut lost = Lost::default();
    reader.each_blob::<StoreError>(|blob| {
        if alive.has(&blob.sha256) {
            lost.note(live.manifest(core, &blob.manifest), || {
                files_of(reader, &blob.sha256)
            })?;
        }
        Ok(())
    })?;
    let mut after = None;
    loop {
        let blocks = reader.block_slice(after, SLICE_BLOCKS)?;
        let Some((last, _)) = blocks.last() else {
            break;
        };
        after = Some(*last);
        for ((session, _), block) in &blocks {
            let manifest: &ManifestRef = &block.manifest;
            lost.note(live.manifest(core, manifest), || {
                let session = reader.session(session)?;
                let name =
                    session.map(|s| format!("the upload to /{}/{}{}", s.project, s.repo, s.path));
                Ok(name.into_iter().collect())
            })?;
        }
    }
    lost.end().map(|()| live)
}

/// Manifests that cannot be read: what they refer to, and what of it is alive, is not known.
#[derive(Default)]
struct Lost {
    first: Option<u64>,
    names: Vec<String>,
}

impl Lost {
    fn note(
        &mut self,
        marked: Result<(), StoreError>,
        names: impl FnOnce() -> Result<Vec<String>, StoreError>,
    ) -> Result<(), StoreError> {
        match marked {
            Err(StoreError::Damaged { offset, .. }) => {
                self.first.get_or_insert(offset);
                if self.names.len() < MAX_NAMED {
                    self.names.extend(names()?);
                }
                Ok(())
            }
            other => other,
        }
    }

    fn end(mut self) -> Result<(), StoreError> {
        let Some(offset) = self.first else {
            return Ok(());
        };
        self.names.truncate(MAX_NAMED);
        Err(StoreError::Damaged {
            offset,
            why: format!(
                "a manifest cannot be read; upload these files again, or delete them, before compacting: {}",
                self.names.join(", ")
            ),
        })
    }
}
