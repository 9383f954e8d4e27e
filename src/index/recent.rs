//! Chunks of the newest segments, in memory, on their way to the `chunks` table.
//!
//! One by one, rows in the order of digests cost a page write each. So they gather here and reach
//! the table sorted, in large batches. Losing them costs nothing: replaying is reading the segment
//! tables behind [`super::Checkpoint::chunks_upto`].

use std::collections::HashMap;
use std::sync::Arc;

use super::row::Prefix;

/// Rows gathered before they go to the table; two such generations may exist at once.
pub const GENERATION_ROWS: usize = 1 << 19;

type Generation = HashMap<Prefix, u64>;

/// The in-memory part of the chunk index.
#[derive(Debug, Default)]
pub struct Recent {
    active: Generation,
    /// Full, and being written to the table; and the offset below which all chunks are then there.
    frozen: Option<(Arc<Generation>, u64)>,
}

impl Recent {
    /// Takes in a chunk; of two places the lower stays.
    pub fn insert(&mut self, key: Prefix, offset: u64) {
        let place = self.active.entry(key).or_insert(offset);
        *place = offset.min(*place);
    }

    /// Where a chunk lies, if it is one of these.
    pub fn get(&self, key: &Prefix) -> Option<u64> {
        let frozen = || self.frozen.as_ref().and_then(|(rows, _)| rows.get(key));
        self.active.get(key).or_else(frozen).copied()
    }

    /// Forgets chunks that were freed, each only if it is known to lie at this very place.
    pub fn forget(&mut self, rows: &[(Prefix, u64)]) {
        let frozen = self.frozen.as_ref().map(|(frozen, _)| frozen);
        let in_frozen = frozen.is_some_and(|all| rows.iter().any(|(k, v)| all.get(k) == Some(v)));
        for (key, offset) in rows {
            if self.active.get(key) == Some(offset) {
                self.active.remove(key);
            }
        }
        if let Some((frozen, _)) = self.frozen.as_mut().filter(|_| in_frozen) {
            let frozen = Arc::make_mut(frozen);
            for (key, offset) in rows {
                if frozen.get(key) == Some(offset) {
                    frozen.remove(key);
                }
            }
        }
    }

    /// Whether a row of the frozen generation was forgotten since it was frozen.
    pub fn is_forgotten(&self, key: &Prefix) -> bool {
        let frozen = self.frozen.as_ref();
        frozen.is_some_and(|(frozen, _)| !frozen.contains_key(key))
    }

    /// Freezes the active generation, if it has `least` rows and the one before it is written.
    /// `upto`: the chunks of all segments below it are in here or in the table.
    pub fn freeze(&mut self, upto: u64, least: usize) {
        if self.active.len() >= least && self.frozen.is_none() {
            self.frozen = Some((Arc::new(std::mem::take(&mut self.active)), upto));
        }
    }

    /// The frozen generation, and the offset below which the table is complete with it.
    pub fn frozen(&self) -> Option<(Arc<Generation>, u64)> {
        self.frozen.clone()
    }

    /// The frozen generation is in the table, and readers see it there.
    pub fn thawed(&mut self) {
        self.frozen = None;
    }

    /// How many chunks have not been frozen.
    pub fn gathered(&self) -> usize {
        self.active.len()
    }

    /// How many chunks are in here.
    pub fn len(&self) -> usize {
        self.active.len() + self.frozen.as_ref().map_or(0, |(rows, _)| rows.len())
    }

    /// Whether no chunk is in here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations() {
        let mut recent = Recent::default();
        recent.insert([1; 16], 20);
        recent.insert([1; 16], 10);
        recent.insert([1; 16], 30);
        assert_eq!(recent.get(&[1; 16]), Some(10));
        recent.freeze(100, 2);
        assert!(recent.frozen().is_none(), "not full");
        recent.freeze(100, 1);
        recent.insert([2; 16], 40);
        recent.freeze(200, 1);
        let (rows, upto) = recent.frozen().unwrap();
        assert_eq!((rows.len(), upto), (1, 100), "one at a time");
        assert_eq!(recent.get(&[1; 16]), Some(10), "still found");
        recent.forget(&[([2; 16], 41), ([9; 16], 1)]);
        assert_eq!(recent.get(&[2; 16]), Some(40), "that is elsewhere");
        assert!(!recent.is_forgotten(&[1; 16]));
        recent.forget(&[([1; 16], 10)]);
        assert!(recent.is_forgotten(&[1; 16]) && recent.get(&[1; 16]).is_none());
        recent.thawed();
        assert_eq!(recent.get(&[1; 16]), None);
        assert_eq!((recent.len(), recent.get(&[2; 16])), (1, Some(40)));
    }
}
