//! Rewriting a pack into a new one that holds only what is alive, and putting that in its place.
//!
//! **Invariants.** The old pack is not changed. The new one gets its name when it is whole, durable and
//! locked, in one rename; so a crash leaves one of the two. A chunk is carried with the digest and the
//! checksum that it had: what was damaged is damaged afterwards, and known to be. DESIGN.md
//! ("Compacting") argues that nothing is lost.

mod chunks;
mod files;
mod rows;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::core::{Core, Store};
use super::gc::files_of;
use super::gc::mark::{Contents, Live};
use super::open::{Access, Options};
use crate::format::header::PackHeader;
use crate::format::meta::{FolderSweep, ManifestRef, Mutation, NodeKind};
use crate::format::record::Kind;
use crate::format::scan;
use crate::index::{Place, Reader, Rows};
use crate::pack::Medium;
use chunks::Copier;
use files::Files;
pub(super) use files::remove_leftovers;
use rows::Changes;

/// Bytes of the pack looked at at once: memory is in proportion to the chunks in them.
const WINDOW_BYTES: u64 = 64 << 30;
/// Blocks of uploads read at once.
const SLICE_BLOCKS: usize = 256;
/// Nodes of a deleted folder forgotten in one commit.
const SWEEP_NODES: u32 = 1000;
/// What the new pack needs for a chunk besides its bytes: in a table, and in a manifest or more.
const CHUNK_ROW_BYTES: u64 = 96;
/// What it needs besides everything else.
const ROOM_BYTES: u64 = 16 << 20;
/// Damaged manifests that are named.
const MAX_NAMED: usize = 10;

/// What a compaction did. Field names are part of the interface (`compact --json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactReport {
    /// Length of the pack before.
    pub before_bytes: u64,
    /// Bytes of disk that it took.
    pub before_allocated_bytes: u64,
    /// Length of the pack now.
    pub after_bytes: u64,
    /// Contents that were carried over.
    pub contents: u64,
    /// Chunks that were carried over.
    pub chunks: u64,
    /// Bytes that these chunks take.
    pub chunk_bytes: u64,
    /// Chunks that were damaged, and are intact now: there was a copy.
    pub healed_chunks: u64,
    /// Chunks that are damaged as they were.
    pub damaged_chunks: u64,
}

impl Store {
    /// Rewrites the pack, which is the file `path`, into a new one of another id, and puts that in its
    /// place. The store is closed then, for all of its handles; who reads goes on reading the old file.
    /// If it fails, the old pack is as it was.
    ///
    /// # Errors
    /// [`StoreError::Refused`] without room for it; [`StoreError::Damaged`] when the log or a manifest is
    /// damaged: then it is not known what is alive. Any other.
    pub fn compact(&self, path: &Path) -> Result<CompactReport, StoreError> {
        self.writable()?;
        let files = Files::of(path)?;
        self.forget_dropped()?;
        // ORDER: nothing is acknowledged any more that the state which is carried over would not have.
        self.close();
        files.clear()?;
        let made = self.compact_to(&files);
        if made.is_err()
            && let Err(error) = files.clear()
        {
            tracing::warn!(%error, "what a compaction has begun is left over");
        }
        made
    }

    fn compact_to(&self, files: &Files) -> Result<CompactReport, StoreError> {
        let header = PackHeader::new(
            super::open::random_id()?,
            self.core.now_ms(),
            self.core.pack.header().chunking,
        );
        let medium = Medium::create_file(&files.pack, &header)?;
        // Locked for as long as it lives: whoever opens it under its new name waits for the rest.
        let (_made, report) = self.rewrite(medium, Place::File(files.index.clone()))?;
        self.progress("putting it in place", 0, 2);
        // ORDER: the pack first. Between the two the index is that of another pack, which its id tells,
        // and is built anew.
        files.swap_pack()?;
        self.progress("putting it in place", 1, 2);
        files.swap_index();
        self.progress("putting it in place", 2, 2);
        Ok(report)
    }

    /// Writes all that is alive into the empty pack on `medium`, and its index at `place`; gives the new
    /// store, closed: everything is durable. Nobody may change this one meanwhile.
    ///
    /// # Errors
    /// As for [`Store::compact`].
    pub fn rewrite(
        &self,
        medium: Medium,
        place: Place,
    ) -> Result<(Self, CompactReport), StoreError> {
        // What is freed meanwhile would be missing.
        let _upkeep = self.core.upkeep.lock();
        let core = &self.core;
        let reader = core.reader()?;
        let end = reader.checkpoint()?.map_or(0, |c| c.position.offset);
        let alive = referred_to(&reader)?;
        let mut plan = Plan::make(core, &reader, &alive, end)?;
        plan.has_room(core)?;
        let made = Self::open_on(medium, place, self.options_of_new())?;
        let mut copier = Copier::new(core, &reader, &made.core);
        for window in plan.windows.clone() {
            let live = plan.live(core, &reader, &alive, &window)?;
            let view = core.pack.view();
            let pack_id = &core.pack.header().pack_id;
            scan::each_frame::<_, StoreError>(view, pack_id, window.start, window.end, |frame| {
                if frame.kind == Kind::Segment {
                    copier.segment(frame, &live)?;
                    self.progress("copying chunks", copier.report.chunk_bytes, plan.bytes);
                }
                Ok(())
            })?;
        }
        copier.flush()?;
        self.progress("writing names and manifests", 0, 1);
        copier.rows(&mut Changes::new(&made), &alive)?;
        let mut report = copier.report;
        made.finish_rewrite(&reader)?;
        report.before_bytes = core.pack.end();
        report.before_allocated_bytes = core.pack.allocated()?;
        report.after_bytes = made.core.pack.end();
        Ok((made, report))
    }

    /// Makes sure that a new pack says what `old` says, and that it is durable.
    fn finish_rewrite(&self, old: &Reader) -> Result<(), StoreError> {
        let differences = old.not_carried(&self.core.reader()?, MAX_NAMED)?;
        if !differences.is_empty() {
            return Err(StoreError::Refused(format!(
                "the compacted pack would not say the same: {}",
                differences.join("; ")
            )));
        }
        self.close();
        let pack = &self.core.pack;
        pack.sync_upto(pack.end())?;
        Ok(pack.writable()?)
    }

    fn options_of_new(&self) -> Options {
        let now_ms = self.core.now_ms();
        Options {
            access: Access::ReadWrite,
            // Half of it must never be seen as the state of some moment: all commits have the same time.
            clock: Arc::new(move || now_ms),
            pack_id: None,
            accept_rollback: false,
            rebuild: false,
            as_of: None,
            progress: Arc::new(|_, _, _| {}),
            ..self.core.options.clone()
        }
    }

    /// Takes out the nodes of deleted folders: nothing leads to them any more.
    fn forget_dropped(&self) -> Result<(), StoreError> {
        let slice = |rows: &dyn Rows, _: &mut _| {
            let Some(folder) = rows.dropped()? else {
                return Ok((Vec::new(), false));
            };
            let count = SWEEP_NODES;
            let sweep = Mutation::FolderSweep(FolderSweep { folder, count });
            Ok::<_, StoreError>((vec![sweep], true))
        };
        while self.commit(slice)?? {}
        Ok(())
    }

    fn progress(&self, what: &'static str, done: u64, total: u64) {
        (self.core.options.progress)(what, done, total);
    }
}

/// The contents that nodes and packages refer to.
fn referred_to(reader: &Reader) -> Result<Contents, StoreError> {
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
struct Plan {
    windows: Vec<Range<u64>>,
    /// What is alive in the last window.
    last: Option<Live>,
    chunks: u64,
    bytes: u64,
}

impl Plan {
    fn make(core: &Core, reader: &Reader, alive: &Contents, end: u64) -> Result<Self, StoreError> {
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
    fn live(
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
    fn has_room(&self, core: &Core) -> Result<(), StoreError> {
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
