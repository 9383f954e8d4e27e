//! Which state of the metadata somebody saw: what was found in one may be used again without looking,
//! for as long as it is the present one.

use std::num::NonZeroU64;
use std::sync::atomic::AtomicU64 as Counter;

use crate::sync::atomic::{AtomicU64, Ordering};

/// A state of the metadata of one open store; no two are the same in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(NonZeroU64);

/// The present state, 0 while it is being changed.
pub struct Generations(AtomicU64);

/// A change is being made, until this is dropped.
pub struct Changing<'g>(&'g Generations);

impl Generations {
    pub fn new() -> Self {
        Self(AtomicU64::new(fresh()))
    }

    /// The present one; `None` while it is being changed.
    pub fn now(&self) -> Option<Generation> {
        NonZeroU64::new(self.0.load(Ordering::SeqCst)).map(Generation)
    }

    /// What was found before is not to be relied on from here on. Changes are made by one thread at
    /// a time.
    pub fn change(&self) -> Changing<'_> {
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
    static LAST: Counter = Counter::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

#[cfg(test)]
mod tests {
    use super::super::gc::Space;
    use super::*;
    use crate::sync::atomic::AtomicBool;
    use crate::sync::{explore, once, thread};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn no_state_is_seen_twice_nor_while_it_changes() {
        once(|| {
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
        });
    }

    /// A file that is deleted and reclaimed.
    struct File {
        generations: Generations,
        space: Arc<Space>,
        is_named: AtomicBool,
        is_gone: AtomicBool,
        is_deleted: AtomicBool,
    }

    impl File {
        /// Looks it up, and some time later reads it without looking.
        fn read(&self) {
            let Some(seen) = self.generations.now() else {
                return;
            };
            if !self.is_named.load(Ordering::SeqCst) {
                return;
            }
            let was_deleted = self.is_deleted.load(Ordering::SeqCst);
            let _hold = self.space.holds.hold();
            if self.generations.now() == Some(seen) {
                assert!(!was_deleted, "read behind an acknowledged delete");
                assert!(!self.is_gone.load(Ordering::SeqCst), "a hole was read");
            }
        }

        fn delete(&self) {
            let changing = self.generations.change();
            self.is_named.store(false, Ordering::SeqCst);
            drop(changing);
            self.is_deleted.store(true, Ordering::SeqCst);
        }

        fn reclaim(&self) {
            assert!(self.space.holds.wait(Duration::from_mins(1)));
            self.is_gone.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn what_was_seen_is_used_again_only_while_it_is_true() {
        explore(|| {
            let file = Arc::new(File {
                generations: Generations::new(),
                space: Arc::default(),
                is_named: AtomicBool::new(true),
                is_gone: AtomicBool::new(false),
                is_deleted: AtomicBool::new(false),
            });
            let readers = [(); 2].map(|()| {
                let file = Arc::clone(&file);
                thread::spawn(move || file.read())
            });
            file.delete();
            file.reclaim();
            readers
                .into_iter()
                .for_each(|reader| reader.join().unwrap());
        });
    }
}
