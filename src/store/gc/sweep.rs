//! Freeing what is not alive in a window of the pack.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use roaring::RoaringTreemap;

use super::Run;
use super::barrier::Raised;
use super::guards::{Collected, Space};
use super::mark::{Contents, Live};
use crate::format::meta::{Freed, FreedRecord, Mutation};
use crate::format::record::{Frame, Kind};
use crate::format::scan;
use crate::format::segment::{self, Entry};
use crate::index::Rows;
use crate::metrics;
use crate::store::StoreError;
use crate::store::core::Core;

/// Records in one commit at most.
const BATCH_RECORDS: usize = 1024;
/// Rows of freed records read at once.
const AHEAD_RECORDS: usize = 1024;
/// Snapshots from before the last commit are waited for this long, in which case they are forgotten.
const LAST_PATIENCE: Duration = Duration::from_mins(10);

/// Victims are published as long as this lives.
struct Published<'s>(&'s Space);

impl Drop for Published<'_> {
    fn drop(&mut self) {
        // A snapshot from before the commit still has the rows of what it freed.
        self.0.holds.wait(LAST_PATIENCE);
        self.0.publish(None);
    }
}

/// What goes into one commit.
#[derive(Default)]
struct Batch {
    freed: Freed,
    chunks: usize,
}

impl Run<'_> {
    /// Adds up what is not alive in a window, and what of it somebody holds.
    pub(super) fn look_at(
        &mut self,
        window: Range<u64>,
        contents: &Contents,
    ) -> Result<(), StoreError> {
        let mut live = Live::new(window.clone());
        live.mark(self.core, Some(contents), &mut self.pace)?;
        let held = self.core.space.held();
        let mut kept = Live::new(window.clone());
        for manifest in &held.manifests {
            kept.manifest(self.core, manifest)?;
        }
        let is_kept = |offset| kept.chunks.contains(offset) || held.pins(offset);
        self.each_record(window, |run, frame, freed| {
            if frame.kind != Kind::Segment {
                let alive = live.records.contains(frame.offset) || freed.is_some();
                if !alive && !kept.records.contains(frame.offset) && !held.pins(frame.offset) {
                    run.report.manifests += 1;
                    run.report.manifest_bytes += frame.body_bytes;
                }
                return Ok(());
            }
            for (payload, entry) in run.dead(frame, freed, &live) {
                let bytes = u64::from(entry.stored_len);
                if is_kept(payload) {
                    run.report.held_bytes += bytes;
                } else {
                    run.report.chunks += 1;
                    run.report.freed_bytes += bytes;
                }
            }
            Ok(())
        })
    }

    /// Frees what is not alive in a window.
    pub(super) fn sweep(
        &mut self,
        window: Range<u64>,
        raised: &Raised<'_>,
    ) -> Result<(), StoreError> {
        let space = Arc::clone(&self.core.space);
        let mut live = Live::new(window.clone());
        live.mark(self.core, None, &mut self.pace)?;
        let mut victims = RoaringTreemap::new();
        self.each_record(window.clone(), |run, frame, freed| {
            let dead = run.dead(frame, freed, &live);
            victims.extend(dead.into_iter().map(|(payload, _)| payload));
            Ok(())
        })?;
        // ORDER: published, then older snapshots are waited for, then it is collected what is held.
        let published = Published(&space);
        space.publish(Some(Arc::new(victims.clone())));
        if !space.holds.wait(self.options.patience) {
            self.report.complete = false;
            return Ok(());
        }
        let held = space.held();
        let kept = self.kept(window.clone(), &held, raised)?;
        let mut batch = Batch::default();
        self.each_record(window, |run, frame, freed| {
            if frame.kind == Kind::Segment {
                let record = run.victims_of(frame, freed, &victims, &kept, &held);
                batch.take(record);
            } else {
                let known = live.records.contains(frame.offset) || freed.is_some();
                let kept = kept.records.contains(frame.offset) || held.pins(frame.offset);
                if !known && !kept {
                    run.report.manifests += 1;
                    run.report.manifest_bytes += frame.body_bytes;
                    batch.take(FreedRecord {
                        offset: frame.offset,
                        bytes: frame.body_bytes,
                        chunks: Vec::new(),
                    });
                }
            }
            if batch.is_full(run.options.batch_chunks) {
                run.commit(std::mem::take(&mut batch))?;
            }
            Ok(())
        })?;
        self.commit(batch)?;
        drop(published);
        Ok(())
    }

    /// What is alive though it was not marked: what guards hold, and what changes came to refer to.
    fn kept(
        &self,
        window: Range<u64>,
        held: &Collected,
        raised: &Raised<'_>,
    ) -> Result<Live, StoreError> {
        let mut kept = Live::new(window);
        for manifest in &held.manifests {
            kept.manifest(self.core, manifest)?;
        }
        let noted = raised.noted();
        let reader = self.core.reader()?;
        for sha256 in &noted.contents {
            if let Some(blob) = reader.blob(sha256)? {
                kept.manifest(self.core, &blob.manifest)?;
            }
        }
        for (session, key) in &noted.blocks {
            if let Some(block) = reader.block(session, *key)? {
                kept.manifest(self.core, &block.manifest)?;
            }
        }
        for relocated in reader.every_relocated()? {
            kept.chunk(relocated.to, relocated.stored_len);
        }
        Ok(kept)
    }

    /// Payload offset and entry of the chunks of a segment that are neither alive nor freed.
    fn dead(
        &mut self,
        frame: &Frame,
        freed: Option<FreedRecord>,
        live: &Live,
    ) -> Vec<(u64, Entry)> {
        let entries = match frame.kind {
            // What an unreadable table tells of is left alone.
            Kind::Segment => self.core.table(frame).unwrap_or_default(),
            _ => Vec::new(),
        };
        let freed = freed.unwrap_or_default();
        let mut dead = Vec::new();
        for (payload, _, entry) in segment::layout(frame, entries) {
            if live.chunks.contains(payload) {
                self.report.live_bytes += u64::from(entry.stored_len);
            } else if !freed.has(usize::from(entry.index)) {
                dead.push((payload, entry));
            }
        }
        dead
    }

    /// What is to be freed of a segment.
    fn victims_of(
        &mut self,
        frame: &Frame,
        freed: Option<FreedRecord>,
        victims: &RoaringTreemap,
        kept: &Live,
        held: &Collected,
    ) -> FreedRecord {
        let mut record = FreedRecord {
            offset: frame.offset,
            ..FreedRecord::default()
        };
        let freed = freed.unwrap_or_default();
        let entries = self.core.table(frame).unwrap_or_default();
        for (payload, _, entry) in segment::layout(frame, entries) {
            let place = usize::from(entry.index);
            if !victims.contains(payload) || freed.has(place) {
                continue;
            }
            let bytes = u64::from(entry.stored_len);
            if kept.chunks.contains(payload) || held.pins(payload) {
                self.report.held_bytes += bytes;
            } else {
                record.add(place, bytes);
                self.report.chunks += 1;
                self.report.freed_bytes += bytes;
            }
        }
        record
    }

    /// Commits what is to be freed, and punches it.
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        if batch.freed.records.is_empty() {
            return Ok(());
        }
        let records: Vec<u64> = batch.freed.records.iter().map(|r| r.offset).collect();
        let bytes: u64 = batch.freed.records.iter().map(|r| r.bytes).sum();
        let freed = self.with_relocated(batch.freed)?;
        self.store.commit(move |_, _| {
            let mutation = Mutation::Freed(freed.clone());
            Ok::<_, StoreError>((vec![mutation], ()))
        })??;
        metrics::FREED_BYTES.add(bytes);
        self.report.punched_bytes += self.store.punch(&records)?;
        self.pace.rest();
        Ok(())
    }

    /// Adds the records of damaged chunks that are freed themselves.
    fn with_relocated(&self, mut freed: Freed) -> Result<Freed, StoreError> {
        let relocated = self.core.reader()?.every_relocated()?;
        if relocated.is_empty() {
            return Ok(freed);
        }
        let ranges: Vec<_> = freed
            .records
            .iter()
            .flat_map(|record| self.core.freed_ranges(record))
            .collect();
        let gone = |from: u64| ranges.iter().any(|range| range.contains(&from));
        let froms = relocated.iter().map(|one| one.from);
        freed.relocated = froms.filter(|from| gone(*from)).collect();
        Ok(freed)
    }

    /// Hands segments, leaves and roots of a window to `visit`, with what was freed of them before.
    fn each_record(
        &mut self,
        window: Range<u64>,
        mut visit: impl FnMut(&mut Self, &Frame, Option<FreedRecord>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (view, pack_id) = (self.core.pack.view(), self.core.pack.header().pack_id);
        let mut ahead = FreedAhead::default();
        scan::each_frame::<_, StoreError>(view, &pack_id, window.start, window.end, |frame| {
            if matches!(frame.kind, Kind::Segment | Kind::Leaf | Kind::Root) {
                let freed = ahead.at(self.core, frame.offset)?;
                visit(self, frame, freed)?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// What was freed before, read some records ahead: a snapshot for each would take longer than the rest.
#[derive(Default)]
struct FreedAhead {
    rows: VecDeque<FreedRecord>,
    /// There are none behind these.
    is_rest: bool,
}

impl FreedAhead {
    /// What was freed of the record at `offset`; offsets rise from call to call.
    fn at(&mut self, core: &Core, offset: u64) -> Result<Option<FreedRecord>, StoreError> {
        while self.rows.front().is_some_and(|row| row.offset < offset) {
            self.rows.pop_front();
        }
        if self.rows.is_empty() && !self.is_rest {
            self.rows = core.reader()?.freed_slice(offset, AHEAD_RECORDS)?.into();
            self.is_rest = self.rows.len() < AHEAD_RECORDS;
        }
        let is_next = self.rows.front().is_some_and(|row| row.offset == offset);
        Ok(if is_next { self.rows.pop_front() } else { None })
    }
}

impl Batch {
    fn take(&mut self, record: FreedRecord) {
        if record.bytes > 0 {
            self.chunks += record
                .chunks
                .iter()
                .map(|b| b.count_ones() as usize)
                .sum::<usize>();
            self.freed.records.push(record);
        }
    }

    fn is_full(&self, chunks: usize) -> bool {
        self.chunks >= chunks || self.freed.records.len() >= BATCH_RECORDS
    }
}
