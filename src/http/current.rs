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

    /// The store; waits while another takes its place.
    pub async fn get(&self) -> Store {
        let _open = self.gate.read().await;
        self.now()
    }

    /// The store, unless another is taking its place, or is about to.
    pub fn get_at_once(&self) -> Option<Store> {
        let _open = self.gate.try_read().ok()?;
        Some(self.now())
    }

    /// The store, at once.
    pub fn now(&self) -> Store {
        self.store.lock().clone()
    }

    /// Somebody works with a store.
    pub fn begin(&self) {
        self.running.fetch_add(1, Ordering::AcqRel);
    }

    /// Somebody has done.
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
