//! The locks and threads of the protocols of which every order of steps counts.
//!
//! Who makes such a protocol takes them from here, and nothing else that waits. `tests/schedules` compiles
//! the same files with locks and threads of the same form behind a scheduler that chooses the order of
//! all steps, so that the tests beside the code run there in orders that real threads seldom take.

pub use std::sync::{atomic, mpsc};
pub use std::thread;

pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

/// Runs a test of one thread; `tests/schedules` has another of this name.
#[cfg(test)]
pub fn once(test: impl Fn() + Send + Sync + 'static) {
    test();
}

/// Runs a test of several threads some times, with real ones; `tests/schedules` has another of this name.
#[cfg(test)]
pub fn explore(test: impl Fn() + Send + Sync + 'static) {
    for _ in 0..100 {
        test();
    }
}
