//! Chunks on their way into a segment.

use std::collections::HashMap;

use bytes::Bytes;

use super::StoreError;
use super::core::Core;
use super::gc::Pins;
use crate::format::record::Kind;
use crate::format::segment::{self, Entry, MAX_ENTRIES};
use crate::format::{Sha256, codec};
use crate::index::GENERATION_ROWS;

/// Payload bytes from which on a segment is written.
const SEGMENT_BYTES: usize = 1 << 20;
/// A segment with less than this is kept open over the end of a batch.
const SMALL_BYTES: usize = 256 << 10;

/// A segment that is not written yet.
#[derive(Default)]
pub(super) struct Draft {
    entries: Vec<Entry>,
    payloads: Vec<Bytes>,
    bytes: usize,
    places: HashMap<Sha256, usize>,
}

impl Draft {
    /// Where in the draft a chunk is.
    pub(super) fn find(&self, sha256: &Sha256) -> Option<usize> {
        self.places.get(sha256).copied()
    }

    /// Takes in a chunk; gives its place.
    pub(super) fn push(&mut self, sha256: Sha256, chunk: Bytes) -> usize {
        let place = self.entries.len();
        let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        self.entries.push(Entry {
            sha256,
            raw_len: len,
            stored_len: len,
            crc32: crc32fast::hash(&chunk),
            index: u16::try_from(place).unwrap_or(u16::MAX),
            codec: codec::RAW,
        });
        self.bytes += chunk.len();
        self.payloads.push(chunk);
        self.places.insert(sha256, place);
        place
    }

    /// Takes in a chunk as its table tells of it, which may be damaged: nothing is computed anew, and
    /// nothing else shares it within the draft.
    pub(super) fn carry(&mut self, entry: Entry, payload: Bytes) {
        self.bytes += payload.len();
        self.entries.push(Entry {
            index: u16::try_from(self.entries.len()).unwrap_or(u16::MAX),
            ..entry
        });
        self.payloads.push(payload);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= SEGMENT_BYTES || self.entries.len() >= MAX_ENTRIES
    }

    pub(super) fn is_small(&self) -> bool {
        self.bytes < SMALL_BYTES
    }

    /// Copies the chunks out of the buffers that they are slices of, so that a few small chunks
    /// do not pin a large buffer.
    pub(super) fn unpin(&mut self) {
        for payload in &mut self.payloads {
            *payload = Bytes::copy_from_slice(payload);
        }
    }
}

impl Core {
    /// Writes a draft, empties it, and gives its entries and where their payloads lie. From now on
    /// its chunks are found by other uploads. They are pinned.
    pub(super) fn append_segment(
        &self,
        draft: &mut Draft,
        pins: &Pins,
    ) -> Result<Vec<(u64, Entry)>, StoreError> {
        let draft = std::mem::take(draft);
        let mut table = Vec::with_capacity(draft.entries.len() * segment::ENTRY_BYTES);
        draft.entries.iter().for_each(|e| e.encode_into(&mut table));
        let places = {
            // Written and known under one lock, so that `Recent` is complete below any end of the
            // log that is seen under it.
            let _order = self.segments.lock();
            let frame = self.pack.append(Kind::Segment, &table, &draft.payloads)?;
            // ORDER: pinned before anybody who sees it below the end of the log could free it.
            let mut recent = self.recent.write();
            let mut places = Vec::with_capacity(draft.entries.len());
            for (payload, own, entry) in segment::layout(&frame, draft.entries) {
                recent.insert(crate::index::prefix(&entry.sha256), own);
                pins.pin(payload);
                places.push((payload, entry));
            }
            recent.freeze(frame.next_offset(), GENERATION_ROWS);
            places
        };
        self.pack.throttle()?;
        Ok(places)
    }

    /// Writes the pages of a leaf or root, pinned; gives the offset of its frame.
    pub(super) fn append_pages(
        &self,
        kind: Kind,
        pages: &[u8],
        pins: &Pins,
    ) -> Result<u64, StoreError> {
        // Under the same lock as segments, and for the same reason.
        let _order = self.segments.lock();
        let frame = self.pack.append(kind, pages, &[])?;
        pins.pin(frame.offset);
        Ok(frame.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(fill: u8, len: usize) -> (Sha256, Bytes) {
        let bytes = vec![fill; len];
        (crate::digest::sha256(&bytes), bytes.into())
    }

    #[test]
    fn a_draft_knows_its_chunks_but_not_those_that_it_carries() {
        let mut draft = Draft::default();
        let (first, bytes) = chunk(1, 10);
        assert_eq!(draft.find(&first), None);
        assert_eq!(draft.push(first, bytes.clone()), 0);
        let (second, more) = chunk(2, 10);
        assert_eq!(draft.push(second, more), 1);
        assert_eq!(
            (draft.find(&first), draft.find(&second)),
            (Some(0), Some(1))
        );
        let mut other = Draft::default();
        other.carry(draft.entries[1], bytes);
        assert_eq!(other.find(&second), None);
        assert_eq!((other.entries[0].index, other.bytes), (0, 10));
    }

    #[test]
    fn a_draft_is_full_by_its_bytes_or_its_entries() {
        let (sha256, bytes) = chunk(1, SMALL_BYTES - 1);
        let (_, one) = chunk(2, 1);
        for carried in [false, true] {
            let mut draft = Draft::default();
            let entry = Entry {
                sha256,
                raw_len: 1,
                stored_len: 1,
                crc32: 1,
                index: 0,
                codec: codec::RAW,
            };
            let take = |draft: &mut Draft, bytes: &Bytes| match carried {
                true => draft.carry(entry, bytes.clone()),
                false => drop(draft.push(sha256, bytes.clone())),
            };
            take(&mut draft, &bytes);
            assert!(draft.is_small() && !draft.is_full());
            take(&mut draft, &one);
            assert!(!draft.is_small());
            for _ in 0..3 {
                assert!(!draft.is_full());
                take(&mut draft, &bytes);
                take(&mut draft, &one);
            }
            assert_eq!(draft.bytes, SEGMENT_BYTES);
            assert!(draft.is_full());
            let mut draft = Draft::default();
            for _ in 0..MAX_ENTRIES {
                assert!(!draft.is_full());
                take(&mut draft, &one);
            }
            assert!(draft.is_full());
        }
    }

    #[test]
    fn what_is_kept_does_not_pin_what_it_is_a_slice_of() {
        let mut draft = Draft::default();
        let (sha256, batch) = chunk(1, 1000);
        draft.push(sha256, batch.slice(10..20));
        draft.unpin();
        assert_eq!(draft.payloads[0], batch.slice(10..20));
        assert_ne!(draft.payloads[0].as_ptr(), batch[10..].as_ptr());
    }
}
