//! Reclaiming: finding what nothing refers to, and giving its space back, beside uploads and downloads.
//!
//! **Invariants.** No upload comes to share a chunk that is freed, or about to be. No hole is punched
//! under a reader, nor under bytes that it gave. What a crash leaves undone is done at the next opening.
//! DESIGN.md ("Reclaiming") argues each.
//!
//! Two stages. First contents that no file refers to lose their rows. Then, window by window of the
//! pack, chunks, leaves and roots that no content refers to are freed: a commit says so, and behind
//! its sync holes are punched. Nothing waits for a client: what a slow one holds is freed another time.

mod barrier;
mod explain;
mod guards;
mod holds;
pub(super) mod mark;
mod pace;
mod punch;
mod records;
mod sweep;
mod threshold;

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use barrier::Barrier;
pub(super) use explain::files_of;
pub use explain::{ChunkUse, ContentUse, Explained, WouldFree};
pub use guards::Pins;
pub(super) use guards::Space;
pub(super) use records::freed_ranges;
pub use threshold::GcAt;

use super::StoreError;
use super::core::{Core, Store};
use crate::format::Sha256;
use crate::format::header::HEADER_BYTES;
use crate::format::meta::{Freed, Mutation};
use crate::format::scan;
use crate::metrics;
use mark::Contents;
use pace::Pace;

/// Contents looked at in one snapshot.
const SLICE_BLOBS: usize = 1024;
/// Groups of commits in which the newest chunk rows must have reached the index.
const MAX_NUDGES: usize = 10_000;

/// How to reclaim.
#[derive(Debug, Clone)]
pub struct GcOptions {
    /// Only tell what would be freed.
    pub dry_run: bool,
    /// How much of the time may be worked, in percent; the rest is left to clients.
    pub share_percent: u32,
    /// Bytes of the pack looked at at once: memory is in proportion to the chunks in them.
    pub window_bytes: u64,
    /// A commit that frees so many chunks is full, once the record is done that they are of; other changes
    /// wait that long.
    pub batch_chunks: usize,
    /// How long to wait for snapshots that are in use, before freeing is put off.
    pub patience: Duration,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            share_percent: 100,
            window_bytes: 64 << 30,
            batch_chunks: 4096,
            patience: Duration::from_secs(30),
        }
    }
}

/// What was freed, or would be. Field names are part of the interface (`gc --json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcReport {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Contents that were forgotten.
    pub blobs: u64,
    /// Chunks that were freed.
    pub chunks: u64,
    /// Bytes that these chunks take in the pack.
    pub freed_bytes: u64,
    /// Leaves and roots of manifests that were freed.
    pub manifests: u64,
    /// Bytes that these take in the pack.
    pub manifest_bytes: u64,
    /// Bytes given back to the file system: whole blocks only.
    pub punched_bytes: u64,
    /// Bytes of chunks that something refers to.
    pub live_bytes: u64,
    /// Bytes of chunks that nothing refers to, but that uploads or downloads hold: freed another time.
    pub held_bytes: u64,
    /// All was looked at. Else something was in use for too long, and the rest is put off.
    pub complete: bool,
}

/// A run.
struct Run<'s> {
    store: &'s Store,
    core: &'s Core,
    options: &'s GcOptions,
    pace: Pace,
    report: GcReport,
}

impl Store {
    /// Gives back the space of what nothing refers to. May take long, and runs beside everything but
    /// another run and [`Store::verify`], which it waits for.
    ///
    /// # Errors
    /// [`StoreError`]; what was freed until then stays freed. [`StoreError::Damaged`] when a manifest
    /// cannot be read: then it is not known what is alive, and nothing is freed.
    pub fn gc(&self, options: &GcOptions) -> Result<GcReport, StoreError> {
        let _upkeep = self.core.upkeep.lock();
        let mut run = Run {
            store: self,
            core: &self.core,
            options,
            pace: Pace::new(options.share_percent),
            report: GcReport {
                dry_run: options.dry_run,
                complete: true,
                ..GcReport::default()
            },
        };
        if options.dry_run {
            run.look()?;
        } else {
            self.writable()?;
            run.free()?;
            metrics::GC_RUNS.add(1);
        }
        Ok(run.report)
    }

    /// Has the rows of all chunks below the end of the log in the index, and all of that durable;
    /// gives the end. All changes that were begun before are then made and visible.
    fn settle(&self) -> Result<u64, StoreError> {
        let mut end = None;
        for _ in 0..MAX_NUDGES {
            if end.is_none() {
                // Segments are appended and pinned under this lock: whatever lies below the end that
                // is seen here is known, or pinned by who wrote it.
                let _order = self.core.segments.lock();
                let now = self.core.pack.end();
                let mut recent = self.core.recent.write();
                if recent.frozen().is_none() {
                    recent.freeze(now, 1);
                    end = Some(now);
                }
            }
            // Chunk rows reach the index beside changes, be they empty.
            self.commit(|_, _| Ok::<_, StoreError>((Vec::new(), ())))??;
            if let Some(end) = end.filter(|_| self.core.recent.read().frozen().is_none()) {
                self.core.pack.sync_upto(end)?;
                return Ok(end);
            }
        }
        self.writable()?;
        Err(StoreError::Refused(
            "chunk rows do not reach the index".to_owned(),
        ))
    }
}

impl Run<'_> {
    /// Only looks.
    fn look(&mut self) -> Result<(), StoreError> {
        let contents = Contents::referred_to(self.core, &mut self.pace)?;
        self.report.blobs = self.dead_blobs(&contents, |_, dead| Ok(dead.len() as u64))?;
        for window in self.windows(self.core.pack.end())? {
            self.look_at(window, &contents)?;
        }
        Ok(())
    }

    fn free(&mut self) -> Result<(), StoreError> {
        self.store.punch_pending();
        // ORDER: raised before what is there is made visible, and that before anything is looked at.
        let raised = self.core.barrier.raise();
        let end = self.store.settle()?;
        let contents = Contents::referred_to(self.core, &mut self.pace)?;
        self.report.blobs = self.dead_blobs(&contents, Self::forget)?;
        drop(contents);
        for window in self.windows(end)? {
            self.sweep(window, &raised)?;
        }
        Ok(())
    }

    /// Hands contents that are not among the `alive` to `visit`, some at a time, and adds up what that
    /// gives.
    fn dead_blobs(
        &mut self,
        alive: &Contents,
        visit: impl Fn(&Self, Vec<Sha256>) -> Result<u64, StoreError>,
    ) -> Result<u64, StoreError> {
        let (mut after, mut sum) = (None, 0);
        loop {
            let blobs = self
                .core
                .reader()?
                .blob_slice(after.as_ref(), SLICE_BLOBS)?;
            let Some(last) = blobs.last() else {
                return Ok(sum);
            };
            after = Some(last.sha256);
            let names = blobs.iter().map(|blob| blob.sha256);
            let dead: Vec<Sha256> = names.filter(|name| !alive.has(name)).collect();
            if !dead.is_empty() {
                sum += visit(self, dead)?;
            }
            self.pace.rest();
        }
    }

    /// Takes the rows of contents out that nothing refers to; gives how many.
    fn forget(&self, dead: Vec<Sha256>) -> Result<u64, StoreError> {
        let core = std::sync::Arc::clone(&self.store.core);
        self.store.commit(move |rows, _| {
            let mut blobs = Vec::new();
            for sha256 in &dead {
                // A change that refers to it may have come since it was looked at.
                if !core.barrier.refers(sha256) && rows.blob(sha256)?.is_some() {
                    blobs.push(*sha256);
                }
            }
            let count = blobs.len() as u64;
            let freed = Freed {
                blobs,
                ..Freed::default()
            };
            let mutations = match count {
                0 => Vec::new(),
                _ => vec![Mutation::Freed(freed)],
            };
            Ok::<_, StoreError>((mutations, count))
        })?
    }

    fn windows(&self, end: u64) -> Result<Vec<Range<u64>>, StoreError> {
        self.core.windows(end, self.options.window_bytes)
    }
}

impl Core {
    /// Stretches of the pack up to `end`, each of whole records.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the log is.
    pub(super) fn windows(
        &self,
        end: u64,
        window_bytes: u64,
    ) -> Result<Vec<Range<u64>>, StoreError> {
        let pack_id = &self.pack.header().pack_id;
        let mut windows = Vec::new();
        let mut start = HEADER_BYTES as u64;
        let lost =
            scan::each_frame::<_, StoreError>(self.pack.view(), pack_id, start, end, |frame| {
                if frame.offset - start >= window_bytes {
                    windows.push(start..frame.offset);
                    start = frame.offset;
                }
                Ok(())
            })?;
        if let Some(damage) = lost.first() {
            return Err(StoreError::Damaged {
                offset: damage.offset,
                why: damage.reason.clone(),
            });
        }
        windows.push(start..end);
        Ok(windows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::meta::UserDelete;
    use crate::store::Options;

    #[test]
    fn windows_are_of_whole_records_and_hardly_longer_than_asked_for() {
        const WINDOW_BYTES: u64 = 5_000;
        /// A commit is somewhat shorter.
        const RECORD_BYTES: u64 = 2_500;
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            idle: Duration::from_hours(1),
            ..Options::default()
        };
        let store = Store::open(&dir.path().join("s.pack"), options).unwrap();
        for _ in 0..8 {
            let nobody = Mutation::UserDelete(UserDelete {
                name: "x".repeat(2_000),
            });
            let made = store.commit(move |_, _| Ok::<_, StoreError>((vec![nobody.clone()], ())));
            made.unwrap().unwrap();
        }
        let end = store.core.pack.end();
        let windows = store.core.windows(end, WINDOW_BYTES).unwrap();
        let mut at = HEADER_BYTES as u64;
        for window in &windows {
            assert_eq!(window.start, at, "{windows:?}");
            at = window.end;
        }
        assert_eq!((windows.len(), at), (3, end), "{windows:?}");
        for window in &windows[..2] {
            let bytes = window.end - window.start;
            let allowed = WINDOW_BYTES..WINDOW_BYTES + RECORD_BYTES;
            assert!(allowed.contains(&bytes), "{windows:?}");
        }
    }
}
