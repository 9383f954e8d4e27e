//! Carrying chunks over: where each of them came to lie, and what becomes of damaged ones.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::CompactReport;
use crate::digest::sha256;
use crate::format::manifest::Piece;
use crate::format::record::Frame;
use crate::format::segment::{self, Entry};
use crate::format::{Sha256, codec};
use crate::index::Reader;
use crate::store::StoreError;
use crate::store::core::Core;
use crate::store::gc::mark::Live;
use crate::store::segments::Draft;

/// Payloads read at once, in bytes, unless a single one has more.
const RUN_BYTES: u64 = 4 << 20;

/// Payloads that lie one behind the other in both packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    from: u64,
    to: u64,
    bytes: u64,
}

impl Stretch {
    /// Where the payload of `bytes` at `from` lies, if it is in here.
    fn place(&self, from: u64, bytes: u64) -> Option<u64> {
        let inside = from.checked_sub(self.from)?;
        (inside + bytes <= self.bytes).then_some(self.to + inside)
    }
}

/// Where payloads of the old pack lie in the new one.
#[derive(Default)]
pub(super) struct Moved {
    /// By offset in the old pack. Those that follow one another in both are one: memory is in proportion
    /// to how often a chunk that is not carried lies between two that are.
    stretches: Vec<Stretch>,
    /// Those that came out of this order.
    late: BTreeMap<u64, Stretch>,
}

impl Moved {
    fn add(&mut self, from: u64, to: u64, bytes: u64) {
        let stretch = Stretch { from, to, bytes };
        match self.stretches.last_mut() {
            Some(last) if last.from + last.bytes == from && last.to + last.bytes == to => {
                last.bytes += bytes;
            }
            Some(last) if last.from >= from => {
                self.late.insert(from, stretch);
            }
            _ => self.stretches.push(stretch),
        }
    }

    fn place(&self, from: u64, bytes: u64) -> Option<u64> {
        let behind = self.stretches.partition_point(|s| s.from <= from);
        let early = behind.checked_sub(1).map(|at| self.stretches[at]);
        let late = self.late.range(..=from).next_back().map(|(_, s)| *s);
        let places = [early, late].into_iter().flatten();
        places.into_iter().find_map(|s| s.place(from, bytes))
    }
}

/// Carries from one pack to another.
pub(super) struct Copier {
    pub(super) from: Arc<Core>,
    /// The state that is carried over.
    pub(super) reader: Arc<Reader>,
    pub(super) to: Arc<Core>,
    pub(super) report: CompactReport,
    /// Contents that something came to refer to since, and that nothing referred to before.
    pub(super) revived: HashSet<Sha256>,
    moved: Moved,
    draft: Draft,
    /// Offset and length, in the old pack, of what is in the draft.
    drafted: Vec<(u64, u64)>,
}

impl Copier {
    pub(super) fn new(from: Arc<Core>, reader: Arc<Reader>, to: Arc<Core>) -> Self {
        Self {
            from,
            reader,
            to,
            report: CompactReport::default(),
            revived: HashSet::new(),
            moved: Moved::default(),
            draft: Draft::default(),
            drafted: Vec::new(),
        }
    }

    /// Carries the chunks of a segment that are alive. Those of a table that cannot be read are found
    /// later, by the manifests that name them.
    pub(super) fn segment(&mut self, frame: &Frame, live: &Live) -> Result<(), StoreError> {
        let entries = self.from.table(frame).unwrap_or_default();
        let layout = segment::layout(frame, entries);
        let wanted: Vec<(u64, Entry)> = layout
            .filter(|(at, _, _)| live.chunks.contains(*at))
            .map(|(at, _, entry)| (at, entry))
            .collect();
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let (run, behind) = rest.split_at(run_len(rest));
            self.run(run)?;
            rest = behind;
        }
        Ok(())
    }

    /// Carries chunks that lie one behind the other.
    fn run(&mut self, run: &[(u64, Entry)]) -> Result<(), StoreError> {
        let Some((start, _)) = run.first() else {
            return Ok(());
        };
        let bytes: u64 = run.iter().map(|(_, e)| u64::from(e.stored_len)).sum();
        let whole = self.from.pack.view().read(*start, to_usize(bytes)).ok();
        for (at, entry) in run {
            let inside = to_usize(at - start);
            let len = entry.stored_len as usize;
            let found = match &whole {
                Some(whole) => Some(whole.slice(inside..inside + len)),
                None => self.from.pack.view().read(*at, len).ok(),
            };
            let payload = self.judge(*at, entry, found)?;
            self.put(*at, *entry, payload)?;
        }
        Ok(())
    }

    /// The bytes to carry for a chunk: as they are if they are sound; of a damaged one those of its
    /// intact copy; else what there is. It keeps its digest and checksum, so it stays damaged for
    /// everybody: who reads it, `verify`, and uploads, which heal it.
    fn judge(&mut self, at: u64, entry: &Entry, found: Option<Bytes>) -> Result<Bytes, StoreError> {
        if let Some(bytes) = found.as_ref().filter(|bytes| fits(entry, bytes)) {
            return Ok(bytes.clone());
        }
        let copy = self
            .from
            .relocated(self.reader.as_ref(), &entry.piece(at))?;
        if let Some(bytes) = copy.filter(|bytes| fits(entry, bytes)) {
            self.report.healed_chunks += 1;
            return Ok(bytes);
        }
        self.damaged(at, found)
    }

    /// What is carried of damaged bytes: all of them. Those that the disk does not give now it may give
    /// another time, so without them there is no new pack.
    fn damaged(&mut self, at: u64, found: Option<Bytes>) -> Result<Bytes, StoreError> {
        let bytes = found.ok_or_else(|| StoreError::Damaged {
            offset: at,
            why: "a chunk is unreadable; upload the files that `packhold verify` names again, or \
                  delete them, before compacting"
                .to_owned(),
        })?;
        tracing::error!(offset = at, "a damaged chunk is carried over as it is");
        self.report.damaged_chunks += 1;
        Ok(bytes)
    }

    fn put(&mut self, at: u64, entry: Entry, payload: Bytes) -> Result<(), StoreError> {
        self.report.chunks += 1;
        self.report.chunk_bytes += payload.len() as u64;
        self.drafted.push((at, payload.len() as u64));
        self.draft.carry(entry, payload);
        match self.draft.is_full() {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes what is in the draft; from now on it is known where it lies.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.draft.is_empty() {
            return Ok(());
        }
        // Nobody frees anything in a pack that has no name yet.
        let pins = self.to.space.guard();
        let places = self.to.append_segment(&mut self.draft, &pins)?;
        for ((from, bytes), (to, _)) in self.drafted.drain(..).zip(places) {
            self.moved.add(from, to, bytes);
        }
        Ok(())
    }

    /// Where a payload of the old pack lies in the new one, if it was carried.
    pub(super) fn place(&self, from: u64, bytes: u64) -> Option<u64> {
        self.moved.place(from, bytes)
    }

    /// The same pieces, where they lie in the new pack. Those that no table told of are carried now.
    pub(super) fn pieces(&mut self, pieces: Vec<Piece>) -> Result<Vec<Piece>, StoreError> {
        let place = |moved: &Moved, piece: &Piece| {
            moved.place(piece.pack_offset, u64::from(piece.stored_len))
        };
        for piece in &pieces {
            let at = piece.pack_offset;
            if place(&self.moved, piece).is_some() {
                continue;
            }
            if !self.drafted.iter().any(|(from, _)| *from == at) {
                self.stray(piece)?;
            }
        }
        self.flush()?;
        let moved = |piece: Piece| {
            let to = place(&self.moved, &piece).ok_or_else(|| StoreError::Damaged {
                offset: piece.pack_offset,
                why: "two manifests tell of a chunk differently".to_owned(),
            })?;
            Ok(Piece {
                pack_offset: to,
                ..piece
            })
        };
        pieces.into_iter().map(moved).collect()
    }

    /// Carries a chunk of which only a manifest tells.
    fn stray(&mut self, piece: &Piece) -> Result<(), StoreError> {
        let entry = Entry {
            // Of damaged bytes the digest cannot be known; none has this one.
            sha256: [0; 32],
            raw_len: piece.raw_len,
            stored_len: piece.stored_len,
            crc32: piece.crc32,
            index: 0,
            codec: piece.codec,
        };
        let (at, len) = (piece.pack_offset, piece.stored_len as usize);
        let sound = match self.from.read_piece(piece) {
            Some(bytes) => Some(bytes),
            None => self.from.relocated(self.reader.as_ref(), piece)?,
        };
        let sound = sound.filter(|bytes| bytes.len() == len && codec::check(piece.codec).is_ok());
        if let Some(bytes) = sound {
            let digest = sha256(&bytes);
            return self.put(
                at,
                Entry {
                    sha256: digest,
                    ..entry
                },
                bytes,
            );
        }
        let found = self.from.pack.view().read(at, len).ok();
        let bytes = self.damaged(at, found)?;
        self.put(at, entry, bytes)
    }
}

/// How many of these lie one behind the other, as far as they are read at once.
fn run_len(chunks: &[(u64, Entry)]) -> usize {
    let Some((start, first)) = chunks.first() else {
        return 0;
    };
    let mut end = start + u64::from(first.stored_len);
    let follows = chunks.iter().skip(1).take_while(|(at, entry)| {
        let follows = *at == end && end - start < RUN_BYTES;
        end += u64::from(entry.stored_len);
        follows
    });
    1 + follows.count()
}

/// Whether these are the bytes that the table tells of.
fn fits(entry: &Entry, bytes: &Bytes) -> bool {
    // What another codec has coded is carried as it is; its digest is that of the raw chunk.
    let is_raw = codec::check(entry.codec).is_ok();
    bytes.len() == entry.stored_len as usize
        && crc32fast::hash(bytes) == entry.crc32
        && (!is_raw || sha256(bytes) == entry.sha256)
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_stretch() {
        let mut moved = Moved::default();
        moved.add(100, 10, 5);
        moved.add(105, 15, 7);
        moved.add(120, 22, 3);
        moved.add(123, 40, 2);
        assert_eq!(moved.stretches.len(), 3);
        // What comes late lies between and before the others.
        moved.add(112, 50, 4);
        moved.add(90, 60, 4);
        let places = [
            (100, 5, Some(10)),
            (105, 7, Some(15)),
            (120, 3, Some(22)),
            (123, 2, Some(40)),
            (112, 4, Some(50)),
            (90, 4, Some(60)),
            (105, 8, None),
            (116, 1, None),
            (89, 1, None),
            (125, 1, None),
        ];
        for (from, bytes, place) in places {
            assert_eq!(moved.place(from, bytes), place, "{from}");
        }
    }

    fn at(offset: u64, stored_len: u32) -> (u64, Entry) {
        let entry = Entry {
            sha256: [0; 32],
            raw_len: stored_len,
            stored_len,
            crc32: 0,
            index: 0,
            codec: codec::RAW,
        };
        (offset, entry)
    }

    #[test]
    fn what_lies_together_is_read_at_once_but_not_without_end() {
        assert_eq!(run_len(&[]), 0);
        assert_eq!(run_len(&[at(100, 10)]), 1);
        assert_eq!(run_len(&[at(100, 10), at(110, 5), at(115, 5)]), 3);
        assert_eq!(run_len(&[at(100, 10), at(111, 5), at(116, 5)]), 1);
        assert_eq!(
            run_len(&[at(100, 10), at(110, 5), at(200, 5), at(205, 5)]),
            2
        );
        let half = u32::try_from(RUN_BYTES / 2).unwrap();
        // Wherever in the pack they lie.
        for start in [0, 100, 9 * RUN_BYTES] {
            let chunks: Vec<_> = (0..9)
                .map(|i| at(start + i * RUN_BYTES / 2, half))
                .collect();
            assert_eq!(run_len(&chunks), 2, "as much as is read at once");
            let less: Vec<_> = (0..9)
                .map(|i| at(start + i * (RUN_BYTES / 2 - 1), half - 1))
                .collect();
            assert_eq!(run_len(&less), 3);
        }
    }

    #[test]
    fn only_the_bytes_that_a_table_tells_of_fit() {
        let bytes = Bytes::from_static(b"payload");
        let own = Entry {
            sha256: sha256(&bytes),
            raw_len: 7,
            stored_len: 7,
            crc32: crc32fast::hash(&bytes),
            index: 0,
            codec: codec::RAW,
        };
        // Its digest is that of what it was coded from.
        let coded = Entry {
            sha256: [7; 32],
            codec: 1,
            ..own
        };
        for entry in [own, coded] {
            assert!(fits(&entry, &bytes));
            let longer = Entry {
                stored_len: 8,
                ..entry
            };
            let other = Entry {
                crc32: !entry.crc32,
                ..entry
            };
            assert!(!fits(&longer, &bytes) && !fits(&other, &bytes));
        }
        let other = Entry {
            sha256: [7; 32],
            ..own
        };
        assert!(!fits(&other, &bytes));
    }
}
