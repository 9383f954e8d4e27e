//! Rewriting a pack into a new one that holds only what is alive, and putting that in its place, beside
//! uploads and downloads.
//!
//! **Invariants.** Nothing is taken out of the old pack. The new one gets its name when it is whole,
//! durable and locked, in one rename; so a crash leaves one of the two. No change is acknowledged in the
//! old one that the new one does not have. A chunk is carried with the digest and the checksum that it
//! had: what was damaged is damaged afterwards, and known to be. DESIGN.md ("Compacting") argues that
//! nothing is lost.

mod chunks;
mod files;
mod later;
mod plan;
mod rows;

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::core::Store;
use super::gc::mark::Contents;
use super::open::{Access, Options};
use crate::format::header::PackHeader;
use crate::format::meta::{FolderSweep, Mutation};
use crate::format::record::Kind;
use crate::format::scan::{self, Position};
use crate::index::{Place, Reader, Rows};
use crate::pack::Medium;
use chunks::Copier;
use files::Files;
pub(super) use files::remove_leftovers;
use plan::{Plan, referred_to};
use rows::Changes;

/// Nodes of a deleted folder forgotten in one commit.
const SWEEP_NODES: u32 = 1000;
/// With so few mutations to catch up with, changes can wait for the rest.
const FEW_MUTATIONS: u64 = 1000;
/// Rounds in which that is tried.
const MAX_ROUNDS: usize = 16;
/// Differences that are told.
const MAX_LINES: usize = 10;

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
    /// place. Uploads and downloads go on meanwhile; `pause` is called when only the last changes are left
    /// to be carried over. From then on changes wait, and when the new pack has the name they are refused
    /// ([`StoreError::Replaced`]): the path is to be opened anew. Who reads goes on reading the old file.
    ///
    /// # Errors
    /// [`StoreError::Refused`] without room for it; [`StoreError::Damaged`] when the log or a manifest is
    /// damaged: then it is not known what is alive. Any other. Unless [`Store::is_replaced`] the store is as
    /// it was, and goes on.
    pub fn compact(&self, path: &Path, pause: impl FnOnce()) -> Result<CompactReport, StoreError> {
        // What is freed meanwhile would be missing; and there is one compaction at a time.
        let _upkeep = self.core.upkeep.lock();
        self.writable()?;
        let files = Files::of(path)?;
        files.clear()?;
        let made = self.compact_to(&files, pause);
        if made.is_err()
            && let Err(error) = files.clear()
        {
            tracing::warn!(%error, "what a compaction has begun is left over");
        }
        made
    }

    /// Whether it was compacted: it takes no more changes, and the pack of its name is another.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.core.pack.is_replaced()
    }

    /// Opens the pack `path` as this store was opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reopened(&self, path: &Path) -> Result<Self, StoreError> {
        let options = Options {
            access: Access::ReadWrite,
            rebuild: false,
            accept_rollback: false,
            ..self.core.options.clone()
        };
        Self::open(path, options)
    }

    fn compact_to(&self, files: &Files, pause: impl FnOnce()) -> Result<CompactReport, StoreError> {
        self.forget_dropped()?;
        let header = PackHeader::new(
            super::open::random_id()?,
            self.core.now_ms(),
            self.core.pack.header().chunking,
        );
        let mut rewrite = Rewrite::begin(self, Place::File(files.index.clone()), || {
            // Locked for as long as it lives: whoever opens it under its new name waits for the rest.
            Ok(Medium::create_file(&files.pack, &header)?)
        })?;
        for _ in 0..MAX_ROUNDS {
            if rewrite.catch_up()? < FEW_MUTATIONS {
                break;
            }
        }
        pause();
        // ORDER: from here on nothing is acknowledged that the last round does not see.
        let held = self.committer.hold()?;
        rewrite.catch_up()?;
        let (made, report) = rewrite.finish()?;
        self.progress("putting it in place", 0, 2);
        // ORDER: the pack first. Between the two the index is that of another pack, which its id tells,
        // and is built anew.
        files.swap_pack()?;
        // ORDER: before changes are let go on, lest they are made in a file that has no name.
        self.core.pack.retire();
        drop(held);
        self.progress("putting it in place", 1, 2);
        files.swap_index();
        files.sync()?;
        self.progress("putting it in place", 2, 2);
        drop(made);
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
        let _upkeep = self.core.upkeep.lock();
        Rewrite::begin(self, place, || Ok(medium))?.finish()
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

/// A new pack in the making. The old store's `upkeep` is locked meanwhile.
struct Rewrite<'s> {
    store: &'s Store,
    made: Store,
    copier: Copier,
    /// Contents that were carried with the first state.
    alive: Contents,
    /// The old log up to here was carried over.
    upto: Position,
}

impl<'s> Rewrite<'s> {
    /// Carries everything over that the store says now.
    fn begin(
        store: &'s Store,
        place: Place,
        medium: impl FnOnce() -> Result<Medium, StoreError>,
    ) -> Result<Self, StoreError> {
        let core = &store.core;
        let reader = Arc::new(core.reader()?);
        let upto = position(store, &reader)?;
        let alive = referred_to(&reader)?;
        let mut plan = Plan::make(core, &reader, &alive, upto.offset)?;
        plan.has_room(core)?;
        let made = Store::open_on(medium()?, place, store.options_of_new())?;
        let (from, to) = (Arc::clone(core), Arc::clone(&made.core));
        let mut copier = Copier::new(from, Arc::clone(&reader), to);
        for window in plan.windows.clone() {
            let live = plan.live(core, &reader, &alive, &window)?;
            let view = core.pack.view();
            let pack_id = &core.pack.header().pack_id;
            scan::each_frame::<_, StoreError>(view, pack_id, window.start, window.end, |frame| {
                if frame.kind == Kind::Segment {
                    copier.segment(frame, &live)?;
                    store.progress("copying chunks", copier.report.chunk_bytes, plan.bytes);
                }
                Ok(())
            })?;
        }
        copier.flush()?;
        store.progress("writing names and manifests", 0, 1);
        copier.rows(&mut Changes::new(&made), &alive)?;
        Ok(Self {
            store,
            made,
            copier,
            alive,
            upto,
        })
    }

    /// Carries over what was changed since; gives how many mutations that were.
    fn catch_up(&mut self) -> Result<u64, StoreError> {
        let reader = Arc::new(self.store.core.reader()?);
        let end = position(self.store, &reader)?;
        self.copier.reader = reader;
        let mut changes = Changes::new(&self.made);
        let from = self.upto.offset;
        let count = self
            .copier
            .later(&mut changes, &self.alive, from, end.offset)?;
        self.upto = end;
        Ok(count)
    }

    /// Makes sure that the new pack says what the old one says, and that it is durable.
    fn finish(self) -> Result<(Store, CompactReport), StoreError> {
        let old = self.store.core.reader()?;
        let new = self.made.core.reader()?;
        let differences = old.not_carried(&new, MAX_LINES)?;
        if !differences.is_empty() {
            return Err(StoreError::Refused(format!(
                "the compacted pack would not say the same: {}",
                differences.join("; ")
            )));
        }
        drop(new);
        self.made.close();
        let (before, after) = (&self.store.core.pack, &self.made.core.pack);
        after.sync_upto(after.end())?;
        after.writable()?;
        let report = CompactReport {
            before_bytes: before.end(),
            before_allocated_bytes: before.allocated()?,
            after_bytes: after.end(),
            ..self.copier.report
        };
        Ok((self.made, report))
    }
}

/// The last commit that a snapshot covers.
fn position(store: &Store, reader: &Reader) -> Result<Position, StoreError> {
    let covered = reader.checkpoint()?.map(|covered| covered.position);
    let start = || Position::start(&store.core.pack.header().encode());
    Ok(covered.unwrap_or_else(start))
}
