//! Distinct chunks: all of them, or a fair share once they are too many.

use std::collections::HashMap;

use crate::format::Sha256;
use crate::index::prefix;

/// Chunks of a table at most: some 36 MB.
const MAX_CHUNKS: usize = 1 << 19;
/// Releases that are compared with each other: one bit each.
pub(super) const MAX_PAIRED: usize = 64;

/// A bounded set of chunks, and the releases that have each.
///
/// A full table forgets the chunks whose digest begins with a bit that is not zero, from then on looks at
/// such chunks no more, and counts each of the others twice; full again, it takes the next bit. The digest
/// decides, so a chunk is either counted wherever it occurs or nowhere: what is shared stays
/// in proportion. With at least 2^18 chunks counted, sums are right to some tenths of a per cent.
pub(super) struct Table {
    chunks: HashMap<[u8; 16], Chunk>,
    most: usize,
    /// Bits that must be zero.
    bits: u32,
}

struct Chunk {
    /// Bit `n` for release `n`; those behind the last bit have none.
    releases: u64,
    len: u32,
}

impl Default for Table {
    fn default() -> Self {
        Self::with_room(MAX_CHUNKS)
    }
}

impl Table {
    pub(super) fn with_room(most: usize) -> Self {
        Self {
            chunks: HashMap::new(),
            most,
            bits: 0,
        }
    }

    /// How many chunks each one in the table stands for.
    pub(super) fn weight(&self) -> u64 {
        1 << self.bits
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Notes that a release has this chunk. If it is the first of its kind, and counts: how many it
    /// stands for.
    pub(super) fn is_new(&mut self, digest: &Sha256, len: u32, release: usize) -> Option<u64> {
        if !counts(digest, self.bits) {
            return None;
        }
        let bit = match release < MAX_PAIRED {
            true => 1 << release,
            false => 0,
        };
        if let Some(chunk) = self.chunks.get_mut(&prefix(digest)) {
            chunk.releases |= bit;
            return None;
        }
        // That many, however many bits are looked at from now on.
        let weight = self.weight();
        while self.chunks.len() >= self.most && self.bits < 63 {
            self.bits += 1;
            let bits = self.bits;
            self.chunks.retain(|key, _| counts(key, bits));
        }
        if counts(digest, self.bits) {
            let chunk = Chunk { releases: bit, len };
            self.chunks.insert(prefix(digest), chunk);
        }
        Some(weight)
    }

    /// For each pair of the first `releases`: bytes of the chunks that both have.
    pub(super) fn shared(&self, releases: usize) -> Vec<Vec<u64>> {
        // Many chunks are in the same releases.
        let mut by_releases: HashMap<u64, u64> = HashMap::new();
        for chunk in self.chunks.values() {
            *by_releases.entry(chunk.releases).or_default() += u64::from(chunk.len);
        }
        let mut shared = vec![vec![0; releases]; releases];
        for (set, bytes) in by_releases {
            let members = || (0..releases).filter(|n| set >> n & 1 == 1);
            for a in members() {
                for b in members() {
                    shared[a][b] += bytes * self.weight();
                }
            }
        }
        shared
    }

    /// For each of the first `releases`: bytes of the chunks that no other one has.
    pub(super) fn own(&self, releases: usize) -> Vec<u64> {
        let mut own = vec![0; releases];
        for chunk in self.chunks.values() {
            let one = chunk.releases.is_power_of_two();
            let at = chunk.releases.trailing_zeros() as usize;
            if let Some(bytes) = own.get_mut(at).filter(|_| one) {
                *bytes += u64::from(chunk.len) * self.weight();
            }
        }
        own
    }
}

/// Whether the digest begins with so many bits that are zero.
fn counts(digest: &[u8], bits: u32) -> bool {
    let head = digest.first_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(head).leading_zeros() >= bits
}
