//! Scrubbing: the whole pack is read and checked once a period, a little at a time.
//!
//! How far it is lies in a small file beside the pack. It is a matter of convenience: without it, or
//! with one that is not of this pack, a pass begins at the start.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::damage::BadChunk;
use super::files;
use super::{DamagedFile, Rate, Stop, VerifyOptions};
use crate::digest::sha256;
use crate::format::header::HEADER_BYTES;
use crate::metrics;
use crate::store::StoreError;
use crate::store::core::Store;

/// A pass is never slower than this: a small pack is done in minutes, and then left alone.
const MIN_RATE: u64 = 4 << 20;
/// Between two looks whether it is time for the next pass.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// Slices with damage after which copies are looked for at once; of others it is left to the end of the
/// pass, since all tables are read for that.
const MAX_SEARCHES: u32 = 16;
/// Files that are named at most.
const MAX_NAMED: usize = 100;
/// Damaged chunks that are remembered over a restart.
const MAX_REMEMBERED: usize = 4096;

/// Where scrubbing is, and what it found. Field names are part of the interface (`stats --json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScrubStats {
    /// Passes through the whole pack that were finished.
    pub passes: u64,
    /// When the last finished pass ended, Unix milliseconds.
    pub finished_ms: Option<u64>,
    /// When the latest pass began, Unix milliseconds.
    pub started_ms: u64,
    /// Up to where the pack is checked, in bytes; 0 between passes.
    pub next_offset: u64,
    /// Bytes of records that the latest pass checked.
    pub checked_bytes: u64,
    /// Damaged chunks that it found.
    pub damaged_chunks: u64,
    /// Those of them for which an intact copy is recorded.
    pub repaired_chunks: u64,
    /// Other damaged places that it found: frames, tables, manifests, commits, rows that lead wrong.
    pub damaged_places: u64,
    /// Some of the files that were hit, as of the end of the last finished pass.
    pub damaged_files: Vec<DamagedFile>,
}

/// What is remembered.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// Tells packs apart; not the pack's id, which is nobody's business.
    pack: String,
    stats: ScrubStats,
    /// Where the entries of damaged chunks lie.
    damaged: Vec<u64>,
}

/// A scrub that goes on for as long as the store is open.
pub struct Scrub {
    store: Store,
    every: Duration,
    file: Option<PathBuf>,
    stop: Stop,
    memory: Memory,
    /// How often copies were looked for in this pass.
    searches: u32,
}

impl Scrub {
    /// Goes on where the scrub that remembered in `file` was, one pass every period. `stop` ends the look at
    /// all manifests behind a pass that found damage.
    ///
    /// # Errors
    /// [`StoreError`] when what was damaged cannot be looked at.
    pub fn new(
        store: &Store,
        every: Duration,
        file: Option<PathBuf>,
        stop: Stop,
    ) -> Result<Self, StoreError> {
        let pack = hex::encode(&sha256(&store.core.pack.header().encode())[..8]);
        let memory = file.as_deref().and_then(read).unwrap_or_default();
        let memory = match memory.pack == pack {
            true => memory,
            false => Memory {
                pack,
                ..Memory::default()
            },
        };
        let scrub = Self {
            store: store.clone(),
            every,
            file,
            stop,
            memory,
            searches: 0,
        };
        scrub.recall()?;
        scrub.tell();
        Ok(scrub)
    }

    /// What is remembered to be damaged, and still is.
    fn recall(&self) -> Result<(), StoreError> {
        let core = &self.store.core;
        let known = self.memory.damaged.iter().filter_map(|own| {
            let (at, entry) = core.locate(*own)?;
            Some((at, BadChunk { own: *own, entry }))
        });
        let known: Vec<(u64, BadChunk)> = known.collect();
        let mut damaged = core.damaged.lock();
        known
            .iter()
            .for_each(|(at, chunk)| damaged.note(*at, *chunk));
        drop(damaged);
        self.store.still_bad(&known)?;
        Ok(())
    }

    /// Whether its pack was compacted: another one has the name now, and is to be scrubbed.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.store.is_replaced()
    }

    /// Checks the next slice, if it is time; gives how long to wait for the one behind it.
    ///
    /// # Errors
    /// [`StoreError`]; the slice is to be tried again.
    pub fn step(&mut self) -> Result<Duration, StoreError> {
        let now_ms = self.store.now_ms();
        let stats = &mut self.memory.stats;
        // A clock that was turned back must not put the next pass off for long.
        stats.started_ms = stats.started_ms.min(now_ms);
        let since = Duration::from_millis(now_ms - stats.started_ms);
        if stats.next_offset == 0 {
            let begun_before = stats.passes > 0;
            let left = self.every.saturating_sub(since);
            if begun_before && !left.is_zero() {
                return Ok(left.min(LONGEST_WAIT));
            }
            *stats = ScrubStats {
                passes: stats.passes,
                finished_ms: stats.finished_ms,
                damaged_files: std::mem::take(&mut stats.damaged_files),
                started_ms: now_ms,
                next_offset: HEADER_BYTES as u64,
                ..ScrubStats::default()
            };
        }
        let wait = self.slice(now_ms)?;
        self.tell();
        self.write();
        Ok(wait)
    }

    fn slice(&mut self, now_ms: u64) -> Result<Duration, StoreError> {
        let mut run = self.store.run(&VerifyOptions {
            rate: Rate::new(MIN_RATE),
            ..VerifyOptions::default()
        })?;
        run.is_surveyed = false;
        let (from, end) = (self.memory.stats.next_offset, run.end);
        if from >= end {
            self.finish(now_ms)?;
            return Ok(Duration::ZERO);
        }
        let (next, bytes) = run.slice(from)?;
        run.unknown_chunks()?;
        for line in run.report.damages.iter().chain(&run.report.index_errors) {
            tracing::error!(damage = line, "scrubbing found damage");
        }
        let places = run.log_damages.len() + run.report.index_errors.len() as u64;
        let repair = self.searches < MAX_SEARCHES && self.store.writable().is_ok();
        self.searches += u32::from(!run.bad.is_empty());
        self.store.settle_damage(&mut run, repair)?;
        let (stats, report) = (&mut self.memory.stats, &run.report);
        stats.next_offset = next;
        stats.checked_bytes += report.checked_bytes;
        stats.damaged_chunks += report.damaged_chunks;
        stats.repaired_chunks += report.repaired_chunks;
        stats.damaged_places += places;
        let took = Duration::from_millis(now_ms - stats.started_ms);
        Ok(pause(
            bytes,
            end.saturating_sub(next),
            self.every.saturating_sub(took),
        ))
    }

    /// The pass is at the end of the pack.
    fn finish(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let (store, stats) = (&self.store, &mut self.memory.stats);
        let mut bad = store.core.damaged.lock().all();
        if self.searches > MAX_SEARCHES && store.writable().is_ok() {
            stats.repaired_chunks += store.repair(&bad)?.len() as u64;
        }
        self.searches = 0;
        bad = store.still_bad(&bad)?;
        let is_hit = !bad.is_empty() || stats.damaged_places > 0;
        stats.damaged_files = match is_hit {
            true => {
                let is_bad = |at| bad.binary_search_by_key(&at, |(at, _)| *at).is_ok();
                let reasons = files::hit(&store.core, &*self.stop, is_bad)?;
                files::Found::find(&store.core, &reasons)?.damaged
            }
            false => Vec::new(),
        };
        for file in stats.damaged_files.iter().take(MAX_NAMED) {
            let DamagedFile {
                project,
                repo,
                path,
                reason,
            } = file;
            tracing::error!(project, repo, path, reason, "a file is damaged");
        }
        stats.damaged_files.truncate(MAX_NAMED);
        stats.passes += 1;
        stats.finished_ms = Some(now_ms);
        stats.next_offset = 0;
        metrics::SCRUBS.add(1);
        tracing::info!(
            checked_bytes = stats.checked_bytes,
            damaged_chunks = stats.damaged_chunks,
            repaired_chunks = stats.repaired_chunks,
            damaged_places = stats.damaged_places,
            "the pack was scrubbed"
        );
        Ok(())
    }

    /// Lets others see where it is.
    fn tell(&self) {
        *self.store.core.scrub.lock() = Some(self.memory.stats.clone());
    }

    /// Remembers where it is. Not durable: after a power failure a part is checked once more.
    fn write(&mut self) {
        let Some(file) = &self.file else { return };
        let damaged = self.store.core.damaged.lock().all();
        let owns = damaged.iter().map(|(_, chunk)| chunk.own);
        self.memory.damaged = owns.take(MAX_REMEMBERED).collect();
        let mut beside = file.clone().into_os_string();
        beside.push(".new");
        let written = serde_json::to_vec(&self.memory)
            .map_err(std::io::Error::from)
            .and_then(|bytes| write_own(Path::new(&beside), &bytes))
            .and_then(|()| std::fs::rename(&beside, file));
        if let Err(error) = written {
            tracing::debug!(%error, "where scrubbing is cannot be remembered");
        }
    }
}

/// For nobody else to read: it has names of files.
fn write_own(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(bytes)
}

fn read(file: &Path) -> Option<Memory> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// How long to wait behind a slice, so that what is left takes as long as there is time; or less.
fn pause(bytes: u64, left_bytes: u64, left: Duration) -> Duration {
    let needed = u128::from(left_bytes) * 1000 / left.as_millis().max(1);
    let rate = needed.max(u128::from(MIN_RATE));
    let ms = u128::from(bytes) * 1000 / rate;
    Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_takes_its_period_or_less() {
        let (mib, day) = (1 << 20, Duration::from_hours(24));
        // A small pack goes at the least rate.
        assert_eq!(pause(4 * mib, 100 * mib, day), Duration::from_secs(1));
        // A terabyte in a day needs some 12 MB/s.
        let wait = pause(4 * mib, 1 << 40, day);
        assert_eq!(wait.as_millis(), 329);
        // Too late: as fast as can be.
        assert_eq!(pause(4 * mib, 1 << 40, Duration::ZERO), Duration::ZERO);
        assert_eq!(pause(u64::MAX, u64::MAX, Duration::MAX), LONGEST_WAIT);
    }
}
