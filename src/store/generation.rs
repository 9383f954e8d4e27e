//! Which state of the metadata somebody saw: what was found in one may be used again without looking,
//! for as long as it is the present one.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// A state of the metadata of one open store; no two are the same in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(NonZeroU64);

/// The present state, 0 while it is being changed.
pub(super) struct Generations(AtomicU64);

/// A change is being made, until this is dropped.
pub(super) struct Changing<'g>(&'g Generations);

impl Generations {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(fresh()))
    }

    /// The present one; `None` while it is being changed.
    pub(super) fn now(&self) -> Option<Generation> {
        NonZeroU64::new(self.0.load(Ordering::SeqCst)).map(Generation)
    }

    /// What was found before is not to be relied on from here on. Changes are made by one thread at
    /// a time.
    pub(super) fn change(&self) -> Changing<'_> {
        // ORDER: before anybody can see the change, and before anything is freed for it.
        self.0.store(0, Ordering::SeqCst);
        Changing(self)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        // ORDER: when everybody sees the change, and before it is acknowledged.
        self.0.0.store(fresh(), Ordering::SeqCst);
    }
}

/// A number that no store of this process has had.
fn fresh() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_is_seen_twice_nor_while_it_changes() {
        let (one, other) = (Generations::new(), Generations::new());
        let before = one.now();
        assert!(before.is_some());
        assert_eq!(one.now(), before);
        assert_ne!(other.now(), before);
        let changing = one.change();
        assert_eq!(one.now(), None);
        drop(changing);
        assert!(one.now().is_some_and(|now| Some(now) != before));
        assert_ne!(one.now(), other.now());
    }
}
