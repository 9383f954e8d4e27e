//! What is known to be damaged and has no intact copy yet: found by a verification or a scrub.

use std::collections::{BTreeMap, BTreeSet};

use crate::format::Sha256;
use crate::format::segment::Entry;

/// Known damaged chunks at most. What is beyond is found again when these are mended.
const MAX_KNOWN: usize = 1 << 18;

/// A damaged payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct BadChunk {
    /// Where the entry of its segment's table lies.
    pub(in crate::store) own: u64,
    /// What it should be.
    pub(in crate::store) entry: Entry,
}

/// Damaged payloads, by where they lie and by digest.
#[derive(Debug, Default)]
pub(in crate::store) struct Damaged {
    chunks: BTreeMap<u64, BadChunk>,
    digests: BTreeSet<(Sha256, u64)>,
}

impl Damaged {
    pub(in crate::store) fn note(&mut self, at: u64, chunk: BadChunk) {
        if self.chunks.len() < MAX_KNOWN {
            self.chunks.insert(at, chunk);
            self.digests.insert((chunk.entry.sha256, at));
        }
    }

    pub(in crate::store) fn forget(&mut self, at: u64) {
        if let Some(chunk) = self.chunks.remove(&at) {
            self.digests.remove(&(chunk.entry.sha256, at));
        }
    }

    pub(in crate::store) fn has(&self, at: u64) -> bool {
        self.chunks.contains_key(&at)
    }

    pub(in crate::store) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(in crate::store) fn all(&self) -> Vec<(u64, BadChunk)> {
        self.chunks
            .iter()
            .map(|(at, chunk)| (*at, *chunk))
            .collect()
    }

    /// Those that should be the chunk of this digest.
    pub(in crate::store) fn of(&self, sha256: &Sha256) -> Vec<(u64, BadChunk)> {
        let range = (*sha256, 0)..=(*sha256, u64::MAX);
        let places = self.digests.range(range).map(|(_, at)| *at);
        places
            .filter_map(|at| Some((at, *self.chunks.get(&at)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(byte: u8, own: u64) -> BadChunk {
        BadChunk {
            own,
            entry: Entry {
                sha256: [byte; 32],
                raw_len: 1,
                stored_len: 1,
                crc32: 0,
                index: 0,
                codec: 0,
            },
        }
    }

    #[test]
    fn what_is_known_is_bounded() {
        let most = MAX_KNOWN as u64;
        let mut damaged = Damaged::default();
        (0..=most).for_each(|at| damaged.note(at, chunk(1, at)));
        assert!(damaged.has(most - 1) && !damaged.has(most));
        // When one is mended there is room for another.
        damaged.forget(0);
        damaged.note(most, chunk(1, most));
        assert!(damaged.has(most));
    }

    #[test]
    fn found_by_digest_until_forgotten() {
        let mut damaged = Damaged::default();
        for (at, byte) in [(10, 1), (20, 2), (30, 1)] {
            damaged.note(at, chunk(byte, at + 1));
            damaged.note(at, chunk(byte, at + 1));
        }
        let places = |damaged: &Damaged, byte| -> Vec<u64> {
            damaged.of(&[byte; 32]).iter().map(|(at, _)| *at).collect()
        };
        assert_eq!(places(&damaged, 1), [10, 30]);
        damaged.forget(10);
        damaged.forget(11);
        assert_eq!(places(&damaged, 1), [30]);
        assert_eq!((places(&damaged, 3).len(), damaged.all().len()), (0, 2));
    }
}
