//! Replaying the log into the index: at opening, and when the index is replaced.

use std::sync::atomic::Ordering;

use super::StoreError;
use super::core::Core;
use super::open::OpenReport;
use crate::format::meta::Mutation;
use crate::format::scan::{self, Position, Record};
use crate::format::segment;
use crate::index::{Batch, Checkpoint, Index, Prefix, Recent, prefix};

/// Mutations replayed in one index transaction.
const REPLAY_MUTATIONS: u64 = 20_000;

impl Core {
    /// Applies the commits between `from` and `end` to the index, and the segments below
    /// `chunks_end`, where the log may already be longer, to the recent chunks.
    pub(super) fn replay(
        &self,
        index: &Index,
        from: &Checkpoint,
        end: Position,
        chunks_end: u64,
        report: &mut OpenReport,
    ) -> Result<Checkpoint, StoreError> {
        let mut replay = Replay {
            core: self,
            index,
            from: *from,
            covered: *from,
            waiting: Vec::new(),
            waiting_mutations: 0,
        };
        let start = from.chunks_upto.min(from.position.offset);
        let view = self.pack.view();
        let damages = scan::replay(
            view,
            &self.pack.header().pack_id,
            start,
            chunks_end,
            |record| replay.record(record, end.offset, report),
        )?;
        for damage in damages {
            if !report
                .corrupt
                .iter()
                .any(|known| known.offset == damage.offset)
            {
                report.corrupt.push(damage);
            }
        }
        replay.covered.position = end;
        replay.write(report.replayed_commits > 0 && index.has_room())?;
        report.chunks_upto = replay.covered.chunks_upto;
        Ok(replay.covered)
    }

    /// Drops the index, opens it anew and replays what it misses of the commits up to `end`, behind
    /// which a commit may lie whose sync failed.
    pub(super) fn reopen_index(&self, end: Position) -> Result<Checkpoint, StoreError> {
        // Nothing may be appended to a segment's place in `recent` while it is filled anew.
        let _order = self.segments.lock();
        // Until it is complete it lacks acknowledged changes: better no answers than old ones.
        *self.index.write() = None;
        *self.recent.write() = Recent::default();
        let cache = self.options.index_cache_bytes;
        let open = match self.index_doubted.load(Ordering::Relaxed) {
            // Its own checksums prove nothing: a damaged page that was written again has a new one.
            true => Index::fresh,
            false => Index::open,
        };
        let mut index = open(&self.place, cache)?;
        if index.checkpoint().is_err() {
            drop(index);
            index = Index::fresh(&self.place, cache)?;
        }
        let header = self.pack.header();
        let start = Checkpoint {
            pack_id: header.pack_id,
            position: Position::start(&header.encode()),
            chunks_upto: crate::format::header::HEADER_BYTES as u64,
        };
        let from = index.checkpoint()?.unwrap_or(start);
        let upto = self.pack.end();
        let covered = self.replay(&index, &from, end, upto, &mut OpenReport::default())?;
        *self.index.write() = Some(index);
        self.index_doubted.store(false, Ordering::Relaxed);
        Ok(covered)
    }
}

/// A replay in progress.
struct Replay<'c> {
    core: &'c Core,
    index: &'c Index,
    from: Checkpoint,
    covered: Checkpoint,
    waiting: Vec<Mutation>,
    waiting_mutations: u64,
}

impl Replay<'_> {
    fn record(
        &mut self,
        record: Record,
        end: u64,
        report: &mut OpenReport,
    ) -> Result<(), StoreError> {
        match record {
            Record::Segment(frame, entries) if frame.offset >= self.from.chunks_upto => {
                let mut recent = self.core.recent.write();
                for (_, own, entry) in segment::layout(&frame, entries) {
                    recent.insert(prefix(&entry.sha256), own);
                }
                recent.freeze(frame.next_offset(), false);
                if recent.frozen().is_some() {
                    drop(recent);
                    self.write(self.index.has_room())?;
                }
            }
            Record::Commit(frame, head, mutations)
                if (self.from.position.offset..end).contains(&frame.offset) =>
            {
                report.replayed_commits += u64::from(!mutations.is_empty());
                self.waiting_mutations += mutations.len() as u64;
                let frees = mutations.iter().any(|m| matches!(m, Mutation::Freed(_)));
                self.waiting.extend(mutations);
                self.covered.position = Position {
                    offset: frame.next_offset(),
                    seq: frame.seq.saturating_add(1),
                    chain: head.chain,
                    commit: frame.offset,
                    sealed: head.mutations == 0,
                };
                if frees {
                    // Rows that it takes out must be in the table by then.
                    self.core.recent.write().freeze(frame.offset, true);
                }
                if frees || self.waiting_mutations >= REPLAY_MUTATIONS {
                    self.write(false)?;
                }
            }
            _ => return Ok(()),
        }
        (self.core.options.progress)("rebuilding the index", self.covered.position.offset, end);
        Ok(())
    }

    /// Writes what waits into the index.
    fn write(&mut self, durable: bool) -> Result<(), StoreError> {
        let frozen = self.core.recent.read().frozen();
        let batch: Batch = self.index.begin()?;
        {
            let mut tables = batch.tables()?;
            if let Some((rows, upto)) = &frozen {
                let mut rows: Vec<(Prefix, u64)> = rows.iter().map(|(k, v)| (*k, *v)).collect();
                rows.sort_unstable();
                tables.put_chunks(&rows)?;
                self.covered.chunks_upto = *upto;
            }
            // Behind the chunk rows: these mutations may take some of them out.
            for mutation in self.waiting.drain(..) {
                self.core.apply(&mut tables, &mutation)?;
            }
            tables.set_checkpoint(&self.covered)?;
        }
        batch.commit(durable)?;
        self.waiting_mutations = 0;
        if frozen.is_some() {
            self.core.recent.write().thawed();
        }
        Ok(())
    }
}
