//! Contents for uploads: fresh ones, duplicates, and changed versions of earlier ones.

use std::sync::Arc;

use crate::noise::{Noise, noise};

/// The largest content is 2^21 bytes long.
const MAX_BITS: usize = 21;
/// So many earlier contents come again.
const KEPT: usize = 48;

/// Makes contents.
pub struct Contents {
    choice: Noise,
    earlier: Vec<Arc<Vec<u8>>>,
}

impl Contents {
    /// The same seed gives the same sequence.
    pub fn new(seed: u64) -> Self {
        Self {
            choice: Noise::new(seed),
            earlier: Vec::new(),
        }
    }

    /// The next content, of 1 byte to 2 MiB.
    pub fn next(&mut self) -> Arc<Vec<u8>> {
        let content = match (self.choice.below(10), self.earlier.len()) {
            (0..5, _) | (_, 0) => Arc::new(self.fresh()),
            (5..7, kept) => Arc::clone(&self.earlier[self.choice.below(kept)]),
            (_, kept) => {
                let old = Arc::clone(&self.earlier[self.choice.below(kept)]);
                Arc::new(self.changed(&old))
            }
        };
        if self.earlier.len() == KEPT {
            let place = self.choice.below(KEPT);
            self.earlier.swap_remove(place);
        }
        self.earlier.push(Arc::clone(&content));
        content
    }

    fn fresh(&mut self) -> Vec<u8> {
        let bits = self.choice.below(MAX_BITS + 1);
        let len = 1 + self.choice.below(1 << bits);
        noise(self.choice.next(), len)
    }

    /// Some bytes put in, some left out.
    fn changed(&mut self, old: &[u8]) -> Vec<u8> {
        let at = self.choice.below(old.len());
        let without = self.choice.below(100).min(old.len() - at);
        let len = 1 + self.choice.below(100);
        let inserted = self.choice.bytes(len);
        let mut new = [&old[..at], &inserted, &old[at + without..]].concat();
        new.truncate(1 << MAX_BITS);
        new
    }
}
