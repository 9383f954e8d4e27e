//! Signatures that were used: each counts once.
//!
//! A signature is remembered for as long as its date lets it be used. Only right ones get here, so
//! nobody fills the memory but who has keys, and they no more than their share. A restart forgets.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use crate::digest;
use crate::format::Sha256;

/// Signatures remembered for one key.
const MAX_OF_KEY: usize = 1 << 16;
/// Signatures remembered at all; each takes some 60 bytes.
const MAX: usize = 1 << 18;

/// Whether a signature may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It is the first time.
    First,
    /// It was used.
    Again,
    /// It may have been: no more can be remembered at the moment.
    Unknown,
}

/// The signatures of every key, by when they cease to be good.
#[derive(Default)]
pub struct Replays(Mutex<HashMap<String, BTreeSet<(u64, Sha256)>>>);

impl Replays {
    /// Uses a signature that is good until `until_ms`, both Unix milliseconds.
    pub fn admit(&self, key: &str, signature: &[u8], until_ms: u64, now_ms: u64) -> Use {
        self.admit_within(key, signature, until_ms, now_ms, (MAX_OF_KEY, MAX))
    }

    fn admit_within(
        &self,
        key: &str,
        signature: &[u8],
        until_ms: u64,
        now_ms: u64,
        (most_of_key, most): (usize, usize),
    ) -> Use {
        let mut seen = self.0.lock();
        let used = (until_ms, digest::sha256(signature));
        // A clock that went back does not make a used one new: its date is signed.
        if seen.get(key).is_some_and(|of_key| of_key.contains(&used)) {
            return Use::Again;
        }
        let total = |seen: &HashMap<String, BTreeSet<_>>| seen.values().map(BTreeSet::len).sum();
        let mut all: usize = total(&seen);
        if all >= most || seen.get(key).is_some_and(|own| own.len() >= most_of_key) {
            for of_key in seen.values_mut() {
                *of_key = of_key.split_off(&(now_ms, [0; 32]));
            }
            seen.retain(|_, of_key| !of_key.is_empty());
            all = total(&seen);
        }
        let own = seen.entry(key.to_owned()).or_default();
        if all >= most || own.len() >= most_of_key {
            return Use::Unknown;
        }
        while own.first().is_some_and(|(until_ms, _)| *until_ms < now_ms) {
            own.pop_first();
        }
        own.insert(used);
        Use::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_counts_once() {
        let replays = Replays::default();
        assert_eq!(replays.admit("k", b"a", 100, 50), Use::First);
        assert_eq!(replays.admit("k", b"a", 100, 60), Use::Again);
        assert_eq!(replays.admit("k", b"b", 100, 100), Use::First);
        assert_eq!(replays.admit("other", b"a", 100, 60), Use::First);
        // At its last millisecond it is still known.
        assert_eq!(replays.admit("k", b"a", 100, 100), Use::Again);
    }

    #[test]
    fn memory_is_bounded_and_no_used_one_is_forgotten_for_that() {
        let replays = Replays::default();
        let admit = |key: &str, n: u64, now_ms: u64| {
            let bytes = n.to_le_bytes();
            replays.admit_within(key, &bytes, 100 + n, now_ms, (3, 5))
        };
        for n in 0..3 {
            assert_eq!(admit("a", n, 0), Use::First);
        }
        assert_eq!(admit("a", 3, 0), Use::Unknown, "the share of a key");
        assert_eq!(admit("a", 0, 0), Use::Again);
        assert_eq!(admit("b", 0, 0), Use::First);
        assert_eq!(admit("b", 1, 0), Use::First);
        assert_eq!(admit("c", 0, 0), Use::Unknown, "all together");
        assert_eq!(admit("c", 9, 101), Use::First, "the oldest are over");
        assert_eq!(admit("a", 2, 101), Use::Again);
    }
}
