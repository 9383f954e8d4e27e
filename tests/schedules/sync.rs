//! What `src/sync.rs` has, behind shuttle's scheduler: it chooses who takes the next step, at every step
//! that others can see.

pub use shuttle::sync::{atomic, mpsc};
pub use shuttle::thread;

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use shuttle::Config;
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync as scheduled;

/// Orders of each kind that a test is run in.
const ORDERS: usize = 2_000;
/// Changes of the running thread that matter, which the second kind is to hit.
const DEPTH: usize = 3;
/// What a thread of a test may have on its stack, in bytes.
const STACK_BYTES: usize = 256 << 10;

/// Runs a test of one thread.
pub fn once(test: impl Fn() + Send + Sync + 'static) {
    run(RandomScheduler::new_from_seed(1, 1), test);
}

/// Runs a test in many orders, the same every time: at random, by priorities, and in the order of a search
/// through all. A fault, or threads that all wait, end it with the order that led there.
pub fn explore(test: impl Fn() + Send + Sync + 'static) {
    let test = std::sync::Arc::new(test);
    let again = || {
        let test = std::sync::Arc::clone(&test);
        move || test()
    };
    run(RandomScheduler::new_from_seed(1, ORDERS), again());
    run(PctScheduler::new_from_seed(2, DEPTH, ORDERS), again());
    run(DfsScheduler::new(Some(ORDERS), false), again());
}

fn run(scheduler: impl Scheduler + 'static, test: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    shuttle::Runner::new(scheduler, config).run(test);
}

/// Locks as `parking_lot` has them: nobody who panics leaves one poisoned.
#[derive(Debug, Default)]
pub struct Mutex<T>(scheduled::Mutex<T>);

/// The lock is held as long as this lives.
pub struct MutexGuard<'a, T> {
    lock: &'a Mutex<T>,
    /// `None` only while it is let go.
    held: Option<scheduled::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(scheduled::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            lock: self,
            held: Some(self.0.lock().expect("no test goes on behind a panic")),
        }
    }
}

impl<T> MutexGuard<'_, T> {
    pub fn unlocked<R>(guard: &mut Self, work: impl FnOnce() -> R) -> R {
        guard.held = None;
        let done = work();
        guard.held = guard.lock.lock().held;
        done
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect("it is held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("it is held")
    }
}

#[derive(Debug, Default)]
pub struct Condvar(scheduled::Condvar);

/// Whether waiting ended because time did.
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.held.take().expect("it is held");
        let held = self.0.wait(held);
        guard.held = Some(held.expect("no test goes on behind a panic"));
    }

    /// There is no time here: it has passed, or never does.
    pub fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        until: Instant,
    ) -> WaitTimeoutResult {
        let has_passed = until <= Instant::now();
        if !has_passed {
            self.wait(guard);
        }
        WaitTimeoutResult(has_passed)
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

#[derive(Debug, Default)]
pub struct RwLock<T>(scheduled::RwLock<T>);

impl<T> RwLock<T> {
    pub fn read(&self) -> scheduled::RwLockReadGuard<'_, T> {
        self.0.read().expect("no test goes on behind a panic")
    }

    pub fn write(&self) -> scheduled::RwLockWriteGuard<'_, T> {
        self.0.write().expect("no test goes on behind a panic")
    }
}
