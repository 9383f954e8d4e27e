//! Finding chunks that the store has, and making sure that they are sound.

use std::time::{Duration, Instant};

use bytes::Bytes;
use roaring::RoaringTreemap;

use super::StoreError;
use super::core::Core;
use super::gc::Pins;
use crate::format::manifest::Piece;
use crate::format::record::{FRAME_BYTES, Frame};
use crate::format::segment::{self, ENTRY_BYTES, Entry};
use crate::format::{Sha256, codec};
use crate::index::{Reader, Rows, prefix};
use crate::metrics;

/// A stored copy counts as sound for this long after its CRC was checked.
const SCRUB_PERIOD: Duration = Duration::from_hours(7 * 24);
/// Remembered checks at most; beyond that all are forgotten.
const MAX_CHECKED: u64 = 1 << 24;

/// Pack offsets of payloads whose CRC was checked within the scrub period.
pub(super) struct Checked {
    offsets: RoaringTreemap,
    /// How many checks were noted; the map itself would count them anew each time.
    noted: u64,
    since: Instant,
}

impl Checked {
    pub(super) fn new() -> Self {
        Self {
            offsets: RoaringTreemap::new(),
            noted: 0,
            since: Instant::now(),
        }
    }

    /// Whether the payload at `offset` was found sound, not too long before `now`.
    fn has(&mut self, offset: u64, now: Instant) -> bool {
        if now.duration_since(self.since) > SCRUB_PERIOD || self.noted > MAX_CHECKED {
            *self = Self::new();
        }
        self.offsets.contains(offset)
    }

    fn note(&mut self, offset: u64) {
        self.noted += u64::from(self.offsets.insert(offset));
    }
}

/// A chunk that the store has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// Sound, here. `end` is not set.
    Sound(Piece),
    /// The copy at this pack offset is damaged, and so is what it was relocated to, if it was.
    Damaged(u64),
}

impl Core {
    /// Looks for a chunk, and pins it.
    pub(super) fn find_chunk(
        &self,
        reader: &Reader,
        sha256: &Sha256,
        pins: &Pins,
    ) -> Result<Option<Found>, StoreError> {
        let key = prefix(sha256);
        let recent = self.recent.read().get(&key);
        let own = match recent {
            Some(own) => own,
            None => match reader.chunk(&key)? {
                Some(own) => own,
                None => return Ok(None),
            },
        };
        let Some((payload, entry)) = self.locate(own).filter(|(_, e)| e.sha256 == *sha256) else {
            return Ok(None);
        };
        if codec::check(entry.codec).is_err() {
            return Ok(None);
        }
        // No row leads to a freed chunk; but that takes one more look-up to be sure of.
        if !pins.claim(payload) || is_freed(reader, own, &entry)? {
            return Ok(None);
        }
        let piece = entry.piece(payload);
        if self.is_sound(&piece) {
            return Ok(Some(Found::Sound(piece)));
        }
        if let Some(to) = reader.relocated(payload)?
            && pins.claim(to.to)
            && self.relocated(reader, &piece)?.is_some()
        {
            return Ok(Some(Found::Sound(piece)));
        }
        Ok(Some(Found::Damaged(payload)))
    }

    /// The entry at `own` and the offset of its payload; `None` when no sound segment is there.
    pub(super) fn locate(&self, own: u64) -> Option<(u64, Entry)> {
        let view = self.pack.view();
        let entry = Entry::decode(&view.read(own, ENTRY_BYTES).ok()?).ok()?;
        let table = entry.table_offset(own)?;
        let start = table.checked_sub(FRAME_BYTES as u64)?;
        let before = FRAME_BYTES + usize::from(entry.index) * ENTRY_BYTES;
        let bytes = view.read(start, before).ok()?;
        let frame = Frame::decode(&bytes, &self.pack.header().pack_id, start).ok()?;
        if !segment::has_entry(&frame, own) {
            return None;
        }
        let skipped = segment::stored_bytes(&bytes[FRAME_BYTES..]);
        Some((frame.payload_offset() + skipped, entry))
    }

    /// Whether the payload of `piece` fits its CRC, as checked now or within the scrub period.
    pub(super) fn is_sound(&self, piece: &Piece) -> bool {
        if self.checked.lock().has(piece.pack_offset, Instant::now()) {
            return true;
        }
        let is_sound = self.read_piece(piece).is_some();
        if is_sound {
            self.checked.lock().note(piece.pack_offset);
        }
        is_sound
    }

    /// The payload of `piece`, if it can be read and fits its CRC.
    pub(super) fn read_piece(&self, piece: &Piece) -> Option<Bytes> {
        let view = self.pack.view();
        match view.read(piece.pack_offset, piece.stored_len as usize) {
            Ok(bytes) if crc32fast::hash(&bytes) == piece.crc32 => return Some(bytes),
            Ok(_) => {
                tracing::error!(offset = piece.pack_offset, "a stored payload fails its CRC");
            }
            Err(error) => {
                tracing::error!(offset = piece.pack_offset, %error, "a stored payload is unreadable");
            }
        }
        metrics::DAMAGED_READS.add(1);
        self.forget_checked(piece.pack_offset);
        None
    }

    /// The payload there is damaged, however lately it was found sound.
    pub(super) fn forget_checked(&self, at: u64) {
        self.checked.lock().offsets.remove(at);
    }

    /// The intact copy that a damaged payload was relocated to, if there is one.
    pub(super) fn relocated(
        &self,
        rows: &dyn Rows,
        piece: &Piece,
    ) -> Result<Option<Bytes>, StoreError> {
        let Some(to) = rows.relocated(piece.pack_offset)? else {
            return Ok(None);
        };
        if to.codec == piece.codec && to.crc32 != piece.crc32 {
            // Found over a damaged segment table: a copy of something else.
            return Ok(None);
        }
        let copy = Piece {
            pack_offset: to.to,
            stored_len: to.stored_len,
            crc32: to.crc32,
            codec: to.codec,
            ..*piece
        };
        Ok(self.read_piece(&copy))
    }
}

/// Whether the chunk of the entry at `own` was freed.
pub(super) fn is_freed(reader: &Reader, own: u64, entry: &Entry) -> Result<bool, StoreError> {
    let table = entry.table_offset(own).unwrap_or(own);
    let freed = reader.freed(table.saturating_sub(FRAME_BYTES as u64))?;
    Ok(freed.is_some_and(|freed| freed.has(usize::from(entry.index))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_counts_as_sound_for_a_while() {
        let mut checked = Checked::new();
        let begun = checked.since;
        assert!(!checked.has(5, begun));
        checked.note(5);
        assert!(checked.has(5, begun) && !checked.has(6, begun));
        assert!(checked.has(5, begun + SCRUB_PERIOD));
        let later = begun + SCRUB_PERIOD + Duration::from_nanos(1);
        assert!(!checked.has(5, later), "it is to be checked again");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut checked = Checked::new();
        let now = checked.since;
        for offset in [5, 6, 6, 7] {
            checked.note(offset);
        }
        assert_eq!(checked.noted, 3);
        checked.noted = MAX_CHECKED;
        assert!(checked.has(5, now));
        checked.note(8);
        assert!(!checked.has(5, now));
        assert_eq!(checked.noted, 0);
    }
}
