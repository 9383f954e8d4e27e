//! What is freed of a record: its chunk rows, its bytes.

use std::ops::Range;

use crate::digest::sha256;
use crate::format::PackId;
use crate::format::meta::{Freed, FreedRecord, Mutation};
use crate::format::record::{FRAME_BYTES, Frame, Kind};
use crate::format::segment::{self, Entry};
use crate::index::{IndexError, Prefix, Tables, prefix};
use crate::pack::Source;
use crate::store::core::Core;

impl Core {
    /// Applies a mutation to the index, chunk rows included.
    pub(in crate::store) fn apply(
        &self,
        tables: &mut Tables<'_>,
        mutation: &Mutation,
    ) -> Result<(), IndexError> {
        if let Mutation::Freed(freed) = mutation {
            let rows = self.freed_rows(freed);
            tables.drop_chunks(&rows)?;
            // They were in the table, unless the index failed and was replayed since.
            self.recent.write().forget(&rows);
        }
        tables.apply(mutation)
    }

    /// The chunk rows of what is freed, sorted.
    fn freed_rows(&self, freed: &Freed) -> Vec<(Prefix, u64)> {
        let mut rows = Vec::new();
        for record in &freed.records {
            rows.extend(self.freed_entries(record));
        }
        rows.sort_unstable();
        rows
    }

    /// Prefix and entry offset of the chunks that are freed of a record.
    pub(in crate::store) fn freed_entries(&self, record: &FreedRecord) -> Vec<(Prefix, u64)> {
        if record.chunks.is_empty() {
            return Vec::new();
        }
        let frame = self.frame(record.offset);
        let Some((frame, entries)) = frame.and_then(|f| Some((f, self.table(&f)?))) else {
            // Its rows stay: they lead to chunks of which the table `freed` tells.
            tracing::error!(
                offset = record.offset,
                "a segment with freed chunks is unreadable"
            );
            return Vec::new();
        };
        let layout = segment::layout(&frame, entries);
        let freed = layout.filter(|(_, _, entry)| record.has(usize::from(entry.index)));
        freed
            .map(|(_, own, entry)| (prefix(&entry.sha256), own))
            .collect()
    }

    /// The frame at an offset.
    pub(super) fn frame(&self, offset: u64) -> Option<Frame> {
        frame(self.pack.view(), &self.pack.header().pack_id, offset)
    }

    /// The table of a segment, if it is sound.
    pub(in crate::store) fn table(&self, frame: &Frame) -> Option<Vec<Entry>> {
        table(self.pack.view(), frame)
    }

    /// The stretches of the pack that are freed of a record.
    pub(super) fn freed_ranges(&self, record: &FreedRecord) -> Vec<Range<u64>> {
        freed_ranges(self.pack.view(), &self.pack.header().pack_id, record)
    }
}

fn frame(view: &dyn Source, pack_id: &PackId, offset: u64) -> Option<Frame> {
    let bytes = view.read(offset, FRAME_BYTES).ok()?;
    Frame::decode(&bytes, pack_id, offset).ok()
}

fn table(view: &dyn Source, frame: &Frame) -> Option<Vec<Entry>> {
    let head = view.read(frame.body_offset(), frame.head_bytes as usize);
    let head = head.ok().filter(|head| sha256(head) == frame.digest)?;
    segment::decode_table(&head, frame.body_bytes).ok()
}

/// The stretches of a pack that are freed of a record.
pub(in crate::store) fn freed_ranges(
    view: &dyn Source,
    pack_id: &PackId,
    record: &FreedRecord,
) -> Vec<Range<u64>> {
    let Some(frame) = frame(view, pack_id, record.offset) else {
        return Vec::new();
    };
    let body = frame.body_offset()..frame.body_offset() + frame.body_bytes;
    match frame.kind {
        Kind::Leaf | Kind::Root if record.chunks.is_empty() => vec![body],
        Kind::Segment => {
            let entries = table(view, &frame).unwrap_or_default();
            runs(segment::layout(&frame, entries), record)
        }
        _ => Vec::new(),
    }
}

/// Freed payloads, those that lie one behind the other as one.
fn runs(layout: impl Iterator<Item = (u64, u64, Entry)>, record: &FreedRecord) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for (payload, _, entry) in layout {
        if !record.has(usize::from(entry.index)) {
            continue;
        }
        let end = payload + u64::from(entry.stored_len);
        match runs.last_mut() {
            Some(run) if run.end == payload => run.end = end,
            _ => runs.push(payload..end),
        }
    }
    runs
}
