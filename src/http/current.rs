//! The store of a running service, in whose place another comes when it is compacted.
//!
//! **Invariant.** A request has one store from its beginning to its end. Where it found or wrote chunks in
//! one, it never names them to another, which has other bytes there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::store::Store;

/// Requests that run are waited for so long before changes are held back.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether they have ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The store now.
pub struct Current {
    store: Mutex<Store>,
    /// Held for reading by who asks for the store, for writing while another takes its place.
    gate: RwLock<()>,
    /// Requests that have a store.
    running: AtomicUsize,
}

impl Current {
    pub fn new(store: Store) -> Self {
        Self {
            store: Mutex::new(store),
            gate: RwLock::new(()),
            running: AtomicUsize::new(0),
        }
    }

    /// The store; waits while another takes its place. Whoever has it is waited for until they [`end`].
    ///
    /// [`end`]: Self::end
    pub async fn get(&self) -> Store {
        // ORDER: counted before the gate is let go, or a pause that comes in between waits for nobody.
        let _open = self.gate.read().await;
        self.get_anyway()
    }

    /// The same, unless another is taking its place, or is about to.
    pub fn get_at_once(&self) -> Option<Store> {
        let _open = self.gate.try_read().ok()?;
        Some(self.get_anyway())
    }

    /// The same, even if another is taking its place: to be looked at only.
    pub fn get_anyway(&self) -> Store {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.now()
    }

    /// The store, for whom nobody waits.
    pub fn now(&self) -> Store {
        self.store.lock().clone()
    }

    /// Somebody who got the store has done.
    pub fn end(&self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    /// Lets nobody have the store until what this gives is dropped, and waits a while for those who have
    /// it, all but the one who asks. Not to be called on an async thread.
    pub fn pause(&self) -> RwLockWriteGuard<'_, ()> {
        let closed = self.gate.blocking_write();
        let until = Instant::now() + PATIENCE;
        while self.running.load(Ordering::Acquire) > 1 && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
        }
        closed
    }

    /// Puts another in its place.
    pub fn set(&self, store: Store) {
        *self.store.lock() = store;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    // A request gets the store. Before it is counted, a compaction closes the gate, sees nobody at work, and
    // does not wait: the request is refused though it would have ended in time.
    #[tokio::test]
    async fn who_got_the_store_is_counted_already() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("p"), Options::default()).unwrap();
        let current = Current::new(store);
        let running = || current.running.load(Ordering::Acquire);
        let _store = current.get().await;
        assert_eq!(running(), 1);
        let _store = current.get_at_once().unwrap();
        assert_eq!(running(), 2);
        let closed = current.gate.write().await;
        assert!(current.get_at_once().is_none());
        assert_eq!(running(), 2);
        drop(closed);
        current.end();
        current.end();
        let _store = current.now();
        assert_eq!(running(), 0);
    }
}
