//! Giving space back.

use bincode::{Decode, Encode};

use crate::format::Sha256;

/// Nothing needs these any more: the rows are taken out, and the bytes may be punched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Freed {
    /// Records of which bytes are given back; each at most once.
    pub records: Vec<FreedRecord>,
    /// Contents that no file refers to.
    pub blobs: Vec<Sha256>,
    /// Damaged payloads that are freed themselves: nobody asks any more where a copy lies.
    pub relocated: Vec<u64>,
}

/// What is given back of one record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct FreedRecord {
    /// Offset of its frame in the pack.
    pub offset: u64,
    /// Bytes of payload that are freed.
    pub bytes: u64,
    /// Of a segment: bit `i % 8` of byte `i / 8` says that chunk `i` of its table is freed. Empty for a
    /// leaf or root, whose body is freed as a whole.
    pub chunks: Vec<u8>,
}

impl FreedRecord {
    /// Whether the chunk of this place in the table is freed.
    #[must_use]
    pub fn has(&self, place: usize) -> bool {
        let byte = self.chunks.get(place / 8);
        byte.is_some_and(|byte| byte >> (place % 8) & 1 == 1)
    }

    /// Frees the chunk of this place in the table, of so many bytes of payload.
    pub fn add(&mut self, place: usize, bytes: u64) {
        let at = place / 8;
        if self.chunks.len() <= at {
            self.chunks.resize(at.saturating_add(1), 0);
        }
        if let Some(byte) = self.chunks.get_mut(at) {
            *byte |= 1 << (place % 8);
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Takes in what is freed of the same record later.
    pub fn merge(&mut self, later: &Self) {
        let len = self.chunks.len().max(later.chunks.len());
        self.chunks.resize(len, 0);
        for (ours, theirs) in self.chunks.iter_mut().zip(&later.chunks) {
            *ours |= theirs;
        }
        self.bytes = self.bytes.saturating_add(later.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_gather() {
        let mut record = FreedRecord::default();
        record.add(3, 10);
        record.add(17, 5);
        assert_eq!(record.chunks, [8, 0, 2]);
        let mut first = FreedRecord::default();
        first.add(0, 1);
        first.merge(&record);
        assert_eq!((first.chunks.as_slice(), first.bytes), (&[9, 0, 2][..], 16));
        let set: Vec<usize> = (0..40).filter(|place| first.has(*place)).collect();
        assert_eq!(set, [0, 3, 17]);
    }
}
