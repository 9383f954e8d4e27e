//! Checking the log: frames and chain as a whole, what the records hold in slices.

use parking_lot::MutexGuard;

use super::damage::BadChunk;
use super::sample::Urn;
use super::{Run, Target};
use crate::digest::sha256;
use crate::format::header::HEADER_BYTES;
use crate::format::record::{Frame, Kind};
use crate::format::scan::{self, Damage, Position, Prefix, ScanError};
use crate::format::segment::{self, Entry};
use crate::index::{Prefix as ChunkKey, Reader, Rows, prefix};
use crate::metrics;
use crate::pack::Source;
use crate::store::StoreError;
use crate::store::core::Core;

/// What stepping over a frame is reckoned as: a page of the disk.
const STEP_BYTES: u64 = 4096;
/// Chunks without a row that are looked into at most.
const MAX_UNKNOWN: usize = 1 << 16;

/// A chunk that no row leads to: its key, and where the entry and the payload lie.
pub(super) type Unknown = (ChunkKey, u64, u64);

/// Why a slice ended.
enum Halt {
    Enough,
    Failed(StoreError),
}

impl From<ScanError> for Halt {
    fn from(error: ScanError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

pub(super) fn upto(core: &Core, end: u64) -> Prefix<'_, dyn Source + '_> {
    Prefix {
        view: core.pack.view(),
        len: end,
    }
}

impl Run<'_> {
    /// Frames, commits and the chain.
    pub(super) fn survey(&mut self) -> Result<(), StoreError> {
        let header = self.core.pack.header().clone();
        let start = Position::start(&header.encode());
        let (throttle, mut seen, mut ended) = (&mut self.throttle, 0_u64, Ok(()));
        let survey = scan::survey(&upto(self.core, self.end), &header.pack_id, start, |_| {
            seen += 1;
            if seen.is_multiple_of(64) && ended.is_ok() {
                ended = throttle.rest(64 * STEP_BYTES);
            }
        })?;
        ended?;
        self.report.records = survey.records;
        self.report.pack_bytes = self.end;
        for damage in survey.corrupt.iter().chain(&survey.torn) {
            self.damaged_log(damage);
        }
        Ok(())
    }

    /// Adds up what there is to be drawn from.
    pub(super) fn fill(&mut self, urn: &mut Urn) -> Result<(), StoreError> {
        let reader = self.core.reader()?;
        let pack_id = &self.core.pack.header().pack_id;
        let start = HEADER_BYTES as u64;
        scan::each_frame::<_, StoreError>(
            &upto(self.core, self.end),
            pack_id,
            start,
            self.end,
            |frame| {
                urn.add(frame.offset, checkable(&reader, frame)?);
                Ok(())
            },
        )?;
        Ok(())
    }

    /// What the records hold, all or those that were drawn, from the start to the end.
    pub(super) fn records(&mut self) -> Result<(), StoreError> {
        let mut at = HEADER_BYTES as u64;
        while at < self.end {
            let (next, bytes) = self.slice(at)?;
            at = next;
            (self.core.options.progress)("checking the pack", at, self.end);
            self.throttle.rest(bytes)?;
        }
        Ok(())
    }

    /// Checks the records from `from` on until a slice is full; gives where the next one begins, and
    /// how much was read.
    pub(super) fn slice(&mut self, from: u64) -> Result<(u64, u64), StoreError> {
        let core = self.core;
        // What is freed meanwhile would look damaged. Only for a slice: reclaiming comes in between.
        let upkeep = core.upkeep.lock();
        let reader = core.reader()?;
        let (goal, mut read, mut next) = (self.throttle.slice_bytes(), 0, from);
        let ended = scan::each_frame(
            &upto(core, self.end),
            &core.pack.header().pack_id,
            from,
            self.end,
            |frame| {
                if read >= goal {
                    return Err(Halt::Enough);
                }
                self.gap(next, frame.offset);
                read += STEP_BYTES + self.record(&reader, frame)?;
                next = frame.next_offset();
                Ok(())
            },
        );
        drop(reader);
        MutexGuard::unlock_fair(upkeep);
        match ended {
            Err(Halt::Failed(error)) => Err(error),
            Err(Halt::Enough) => Ok((next, read)),
            Ok(_) => {
                self.gap(next, self.end);
                Ok((self.end, read))
            }
        }
    }

    /// Where a frame should be there is none up to `found`.
    fn gap(&mut self, offset: u64, found: u64) {
        if offset < found && !self.is_surveyed {
            let reason = "no record begins here".to_owned();
            self.damaged_log(&Damage { offset, reason });
        }
    }

    /// One record; gives how many bytes of it were read.
    fn record(&mut self, reader: &Reader, frame: &Frame) -> Result<u64, StoreError> {
        let bytes = checkable(reader, frame)?;
        self.report.of_bytes += bytes;
        let drawn = match &self.target {
            Target::All => true,
            Target::Drawn(selection) => selection.has(frame.offset),
        };
        if !drawn {
            return Ok(0);
        }
        self.report.checked_bytes += bytes;
        metrics::CHECKED_BYTES.add(bytes);
        let freed = reader.freed(frame.offset)?;
        if freed.is_some() && frame.kind != Kind::Segment {
            return Ok(0);
        }
        let view = upto(self.core, self.end);
        // The payloads follow below, one by one: one that cannot be read is not the end.
        let head = scan::check_record_but(&view, frame, |_| true, |_, _, _, _, _| {});
        let reason = match head {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = reason {
            self.damaged_log(&Damage {
                offset: frame.offset,
                reason,
            });
            return Ok(bytes);
        }
        if frame.kind != Kind::Segment {
            return Ok(bytes);
        }
        let Some(entries) = self.core.table(frame) else {
            self.damaged_log(&Damage {
                offset: frame.offset,
                reason: "the segment table cannot be read".to_owned(),
            });
            return Ok(bytes);
        };
        let freed = freed.unwrap_or_default();
        for (at, own, entry) in segment::layout(frame, entries) {
            if !freed.has(usize::from(entry.index)) {
                let good = self.core.fits_digest(at, &entry);
                self.chunk(reader, at, own, &entry, good)?;
            }
        }
        Ok(bytes)
    }

    /// One chunk of a segment, and that the index knows it.
    fn chunk(
        &mut self,
        reader: &Reader,
        at: u64,
        own: u64,
        entry: &Entry,
        good: bool,
    ) -> Result<(), StoreError> {
        self.report.chunks += 1;
        if !good {
            self.report.damaged_chunks += 1;
            metrics::DAMAGED_CHUNKS.add(1);
            // Whoever shared it lately believes that it is sound.
            self.core.forget_checked(at);
            if self.core.relocated(reader, &entry.piece(at))?.is_some() {
                self.report.repaired_chunks += 1;
            } else {
                self.bad.note(at, BadChunk { own, entry: *entry });
            }
            let reason = "a chunk fails its checksum".to_owned();
            self.damaged(&Damage { offset: at, reason });
        }
        // Behind that the index need not have them.
        if own < self.chunks_upto && self.unknown.len() < MAX_UNKNOWN {
            let key = prefix(&entry.sha256);
            if reader.chunk(&key)?.is_none_or(|row| row > own) {
                self.unknown.push((key, own, at));
            }
        }
        Ok(())
    }

    pub(super) fn damaged(&mut self, damage: &Damage) {
        let line = format!("at offset {}: {}", damage.offset, damage.reason);
        let damages = &mut self.report.damages;
        if damages.len() < super::MAX_LINES && !damages.contains(&line) {
            damages.push(line);
        }
    }

    fn damaged_log(&mut self, damage: &Damage) {
        self.log_damages.insert(damage.offset);
        self.damaged(damage);
    }
}

impl Core {
    /// Whether the payload at `at` is the chunk of its entry.
    pub(in crate::store) fn fits_digest(&self, at: u64, entry: &Entry) -> bool {
        let bytes = self.pack.view().read(at, entry.stored_len as usize);
        bytes.is_ok_and(|bytes| {
            crc32fast::hash(&bytes) == entry.crc32 && sha256(&bytes) == entry.sha256
        })
    }
}

/// Bytes of a record's body that are there to be checked.
fn checkable(reader: &Reader, frame: &Frame) -> Result<u64, StoreError> {
    let freed_bytes = reader.freed(frame.offset)?.map_or(0, |freed| freed.bytes);
    Ok(frame.body_bytes.saturating_sub(freed_bytes))
}
