//! Replaying the log into the index: at opening, and when the index is replaced.

use std::sync::atomic::Ordering;

use super::StoreError;
use super::core::Core;
use super::open::OpenReport;
use crate::format::commit::CommitHead;
use crate::format::meta::Mutation;
use crate::format::record::{Frame, Kind};
use crate::format::scan::{self, Position, Record};
use crate::format::segment::{self, Entry};
use crate::index::{
    Batch, Checkpoint, ChunkSorter, GENERATION_ROWS, Index, IndexError, Prefix, Recent, Tables,
    prefix,
};

/// Mutations replayed in one index transaction.
const REPLAY_MUTATIONS: usize = 20_000;
/// Chunk rows after which somebody hears of the progress.
const PROGRESS_ROWS: u64 = 1 << 16;
const CHUNK_ROW_BYTES: u64 = 24;

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
        let mut replay = Replay::new(self, index, from, end)?;
        let start = from.chunks_upto.min(from.position.offset);
        let view = self.pack.view();
        let mut records = 0;
        let damages = scan::replay_wanted(
            view,
            &self.pack.header().pack_id,
            start,
            chunks_end,
            |frame| {
                records += 1;
                match frame.kind {
                    Kind::Commit => (from.position.offset..end.offset).contains(&frame.offset),
                    _ => frame.critical,
                }
            },
            |record| replay.record(record, report),
        )?;
        report.read_again += records;
        for damage in damages {
            if !report
                .corrupt
                .iter()
                .any(|known| known.offset == damage.offset)
            {
                report.corrupt.push(damage);
            }
        }
        let covered = replay.finish(report.replayed_commits > 0)?;
        report.chunks_upto = covered.chunks_upto;
        Ok(covered)
    }

    /// Drops the index, opens it anew and replays what it misses of the commits up to `end`, behind
    /// which a commit may lie whose sync failed.
    pub(super) fn reopen_index(&self, end: Position) -> Result<Checkpoint, StoreError> {
        // Nothing may be appended to a segment's place in `recent` while it is filled anew.
        let _order = self.segments.lock();
        // Until it is complete it lacks acknowledged changes: better no answers than old ones.
        let _changing = self.generations.change();
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
    /// What is to be covered.
    end: Position,
    covered: Checkpoint,
    /// The chunks below `end`, if the table has none: they come into it sorted, at the end. Until then
    /// all is one transaction: no page is written twice because a commit came between, and nobody can
    /// take a part for the whole.
    sorter: Option<ChunkSorter>,
    batch: Option<Batch>,
    waiting: Vec<Mutation>,
    /// Chunk rows gathered in memory before they go to the table.
    generation_rows: usize,
}

impl<'c> Replay<'c> {
    fn new(
        core: &'c Core,
        index: &'c Index,
        from: &Checkpoint,
        end: Position,
    ) -> Result<Self, StoreError> {
        let reader = index.reader()?;
        let sorter = match reader.chunk_count()? {
            0 => {
                let mut sorter = ChunkSorter::new(&core.place);
                // There may be rows of commits that free, and none of chunks.
                reader.each_freed::<StoreError>(|record| {
                    for (key, own) in core.freed_entries(&record) {
                        sorter.forget(&key, own);
                    }
                    Ok(())
                })?;
                Some(sorter)
            }
            _ => None,
        };
        Ok(Self {
            core,
            index,
            end,
            covered: *from,
            batch: sorter.is_some().then(|| index.begin()).transpose()?,
            sorter,
            waiting: Vec::new(),
            generation_rows: GENERATION_ROWS,
        })
    }

    fn record(&mut self, record: Record, report: &mut OpenReport) -> Result<(), StoreError> {
        let upto = match record {
            Record::Segment(frame, entries) => {
                report.read_again += entries.len() as u64;
                self.segment(&frame, entries)?;
                frame.next_offset()
            }
            Record::Commit(frame, head, mutations) => {
                report.replayed_commits += u64::from(!mutations.is_empty());
                self.commit(&frame, &head, mutations)?;
                frame.next_offset()
            }
            _ => return Ok(()),
        };
        (self.core.options.progress)("rebuilding the index", upto, self.end.offset.max(upto));
        Ok(())
    }

    fn segment(&mut self, frame: &Frame, entries: Vec<Entry>) -> Result<(), StoreError> {
        let rows = segment::layout(frame, entries);
        let rows = rows.map(|(_, own, entry)| (prefix(&entry.sha256), own));
        let is_covered = frame.offset < self.end.offset;
        if let Some(sorter) = self.sorter.as_mut().filter(|_| is_covered) {
            rows.for_each(|(key, own)| sorter.insert(&key, own));
            return Ok(());
        }
        let mut recent = self.core.recent.write();
        rows.for_each(|(key, own)| recent.insert(key, own));
        if !is_covered {
            // A crash may cut it: it waits for a commit, and the committer.
            return Ok(());
        }
        recent.freeze(frame.next_offset(), self.generation_rows);
        let is_full = recent.frozen().is_some();
        drop(recent);
        match is_full {
            true => self.write(self.index.has_room()),
            false => Ok(()),
        }
    }

    fn commit(
        &mut self,
        frame: &Frame,
        head: &CommitHead,
        mutations: Vec<Mutation>,
    ) -> Result<(), StoreError> {
        let frees = mutations.iter().any(|m| matches!(m, Mutation::Freed(_)));
        self.waiting.extend(mutations);
        self.covered.position = Position {
            offset: frame.next_offset(),
            seq: frame.seq.saturating_add(1),
            chain: head.chain,
            commit: frame.offset,
            sealed: head.mutations == 0,
        };
        let frees = frees && self.sorter.is_none();
        if frees {
            // Rows that it takes out must be in the table by then.
            self.core.recent.write().freeze(frame.offset, 1);
        }
        match frees || self.waiting.len() >= REPLAY_MUTATIONS {
            true => self.write(false),
            false => Ok(()),
        }
    }

    /// Writes what waits into the index.
    fn write(&mut self, durable: bool) -> Result<(), StoreError> {
        if let Some(batch) = self.batch.take() {
            self.apply(&mut batch.tables())?;
            self.batch = Some(batch);
            return Ok(());
        }
        let frozen = self.core.recent.read().frozen();
        let batch: Batch = self.index.begin()?;
        {
            let mut tables = batch.tables();
            if let Some((rows, upto)) = &frozen {
                let mut rows: Vec<(Prefix, u64)> = rows.iter().map(|(k, v)| (*k, *v)).collect();
                rows.sort_unstable();
                tables.put_chunks(&rows)?;
                self.covered.chunks_upto = *upto;
            }
            // Behind the chunk rows: these mutations may take some of them out.
            self.apply(&mut tables)?;
            tables.set_checkpoint(&self.covered)?;
        }
        batch.commit(durable)?;
        if frozen.is_some() {
            self.core.recent.write().thawed();
        }
        Ok(())
    }

    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), IndexError> {
        for mutation in self.waiting.drain(..) {
            match (&mutation, &mut self.sorter) {
                (Mutation::Freed(freed), Some(sorter)) => {
                    for (key, own) in self.core.freed_rows(freed) {
                        sorter.forget(&key, own);
                    }
                    tables.apply(&mutation)?;
                }
                _ => self.core.apply(tables, &mutation)?,
            }
        }
        Ok(())
    }

    /// All was read. Writes what waits, and the chunks; with `lasting`, for good.
    fn finish(mut self, lasting: bool) -> Result<Checkpoint, StoreError> {
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => self.index.begin()?,
        };
        self.covered.position = self.end;
        {
            let mut tables = batch.tables();
            self.apply(&mut tables)?;
            if let Some(sorter) = self.sorter.take() {
                self.load(&mut tables, sorter)?;
                self.covered.chunks_upto = self.covered.chunks_upto.max(self.end.offset);
            }
            // ORDER: with the last chunk, in one transaction: nobody takes some of them for all.
            tables.set_checkpoint(&self.covered)?;
        }
        // Whether there is room is only known now that it has grown.
        batch.commit(lasting && self.index.has_room())?;
        Ok(self.covered)
    }

    fn load(&self, tables: &mut Tables<'_>, sorter: ChunkSorter) -> Result<(), IndexError> {
        let total = sorter.len();
        let rows = sorter.finish()?.zip(1..).map(|(row, done)| {
            if let Some([done, total]) = written_bytes(done, total) {
                (self.core.options.progress)("writing the index of chunks", done, total);
            }
            row
        });
        tables.load_chunks(rows)
    }
}

/// The bytes of so many rows of so many, if these are to be told of.
fn written_bytes(done: u64, total: u64) -> Option<[u64; 2]> {
    let is_told = done.is_multiple_of(PROGRESS_ROWS);
    is_told.then(|| [done, total].map(|rows| rows * CHUNK_ROW_BYTES))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::index::Place;
    use crate::store::{Options, Store};

    #[test]
    fn rows_are_told_of_in_bytes_and_now_and_then() {
        let told = written_bytes(65_536, 100_000);
        assert_eq!(told, Some([1_572_864, 2_400_000]));
        let told = written_bytes(131_072, 131_072);
        assert_eq!(told, Some([3_145_728; 2]));
        for done in [1, 2, 24, 65_535, 65_537] {
            assert_eq!(written_bytes(done, 100_000), None, "{done}");
        }
    }

    /// A segment of so many chunks, with digests from `first` on.
    fn of_chunks(offset: u64, first: u8, count: u8) -> (Frame, Vec<Entry>) {
        let entry = |index: u8| Entry {
            sha256: [first + index; 32],
            raw_len: 1,
            stored_len: 1,
            crc32: 0,
            index: index.into(),
            codec: 0,
        };
        let frame = Frame {
            kind: Kind::Segment,
            critical: true,
            offset,
            seq: 0,
            body_bytes: u64::from(count) * (segment::ENTRY_BYTES as u64 + 1),
            head_bytes: u32::from(count) * 48,
            digest: [0; 32],
        };
        (frame, (0..count).map(entry).collect())
    }

    // Without that, the memory would have to hold the rows of the whole log; and the table must not know
    // chunks that a crash may cut off it.
    #[test]
    fn full_generations_go_to_the_table_but_no_chunk_behind_the_last_commit() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            idle: Duration::from_hours(1),
            ..Options::default()
        };
        let store = Store::open(&dir.path().join("p"), options).unwrap();
        let core = &store.core;
        let index = Index::open(&Place::Memory, 1 << 20).unwrap();
        let batch = index.begin().unwrap();
        batch.tables().put_chunks(&[([0; 16], 8)]).unwrap();
        batch.commit(false).unwrap();
        let start = Position::start(b"header");
        let from = Checkpoint {
            pack_id: core.pack.header().pack_id,
            position: start,
            chunks_upto: start.offset,
        };
        let end = Position {
            offset: 8_000,
            ..start
        };
        let mut replay = Replay::new(core, &index, &from, end).unwrap();
        replay.generation_rows = 5;
        let mut rows_behind = |(frame, entries): (Frame, Vec<Entry>)| {
            replay.segment(&frame, entries).unwrap();
            let rows = index.reader().unwrap().chunk_count().unwrap();
            (core.recent.read().len(), rows)
        };
        assert_eq!(rows_behind(of_chunks(4_096, 1, 4)), (4, 1), "not full");
        assert_eq!(rows_behind(of_chunks(6_000, 5, 4)), (0, 9), "full");
        assert_eq!(rows_behind(of_chunks(8_000, 9, 6)), (6, 9), "not covered");
        assert_eq!(rows_behind(of_chunks(9_000, 15, 6)), (12, 9), "nor this");
        assert_eq!(index.checkpoint().unwrap().unwrap().chunks_upto, 6_272);
    }
}
