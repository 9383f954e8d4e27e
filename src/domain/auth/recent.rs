//! A map that forgets what was not used lately, and never grows beyond a bound.

use std::collections::HashMap;
use std::hash::Hash;

/// What was used lately, in two generations: when the younger one is full, the older one is dropped
/// whole. So forgetting costs next to nothing, however fast somebody fills it.
pub(super) struct Recent<K, V> {
    /// How large a generation may be.
    most: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Remembers `2 * most` entries at most, and the `most` that were used last for certain.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// What is known under a key, without using it.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Puts an entry, in place of one of the same key.
    pub fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        // An older value of the same key is hidden by this one, and dropped with its generation.
        self.young.insert(key, value);
    }

    /// Forgets an entry.
    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known_and_the_bound_holds() {
        let mut recent = Recent::new(10);
        for n in 0..1000 {
            recent.put(n, n);
            recent.put(0, n);
            assert!(recent.young.len() <= 10 && recent.old.len() <= 10);
            assert_eq!(recent.peek(&0), Some(&n), "what is used stays");
            assert_eq!(recent.peek(&n), Some(&n));
        }
        assert_eq!((recent.peek(&500), recent.peek(&995)), (None, Some(&995)));
        recent.remove(&995);
        assert_eq!(recent.peek(&995), None);
    }
}
