//! The one place where the pack is synced.
//!
//! A write-back error is reported to only one of several that sync, and after it the pages count as
//! clean: so every sync is made here, one at a time, the first failure poisons the pack before anybody
//! who waits is told anything good, and no sync is ever tried again. Who waits for a sync while none
//! runs makes it: handing it to a thread costs two wake-ups, which take as long as a fast disk. A thread
//! of its own makes those that nobody waits for.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::PackError;
use super::sink::Sink;
use crate::metrics;

/// What is written and what is durable.
#[derive(Debug, Default)]
struct State {
    /// Everything below is written in full, and ends at a record.
    written: u64,
    /// Everything below is durable.
    synced: u64,
    /// Somebody wants everything below to be durable.
    wanted: u64,
    /// Syncs that were asked for whatever is written: those of punched holes.
    asked: u64,
    /// Those of them that were made.
    served: u64,
    /// A sync is running.
    syncing: bool,
    poison: Option<String>,
    stop: bool,
}

struct Shared {
    sink: Arc<dyn Sink>,
    state: Mutex<State>,
    /// Wakes the thread.
    work: Condvar,
    /// Wakes those who wait for it.
    done: Condvar,
}

/// Handle of the syncer thread; dropping it ends the thread.
pub struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread; everything below `durable` is durable already.
    pub fn start(sink: Arc<dyn Sink>, durable: u64) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            sink,
            state: Mutex::new(State {
                written: durable,
                synced: durable,
                wanted: durable,
                ..State::default()
            }),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("packhold-sync".to_owned())
            .spawn(move || theirs.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Tells that everything below `end` is written.
    pub fn written(&self, end: u64) {
        let mut state = self.shared.state.lock();
        state.written = state.written.max(end);
    }

    /// Everything below is durable.
    pub fn synced(&self) -> u64 {
        self.shared.state.lock().synced
    }

    /// Asks for a sync of everything written so far, without waiting.
    pub fn kick(&self) {
        let mut state = self.shared.state.lock();
        state.wanted = state.wanted.max(state.written);
        self.shared.work.notify_one();
    }

    /// Waits until everything below `upto` is durable.
    ///
    /// # Errors
    /// [`PackError::Poisoned`] when a sync failed, now or earlier.
    pub fn wait(&self, upto: u64) -> Result<(), PackError> {
        let mut state = self.shared.state.lock();
        loop {
            if let Some(reason) = &state.poison {
                return Err(PackError::Poisoned(reason.clone()));
            }
            if state.synced >= upto {
                return Ok(());
            }
            state.wanted = state.wanted.max(upto);
            self.shared.sync_or_wait(&mut state);
        }
    }

    /// Makes durable whatever was done to the file before, though nothing was appended.
    ///
    /// # Errors
    /// [`PackError::Poisoned`] when a sync failed, now or earlier.
    pub fn sync_now(&self) -> Result<(), PackError> {
        let mut state = self.shared.state.lock();
        state.asked = state.asked.saturating_add(1);
        let ticket = state.asked;
        loop {
            if let Some(reason) = &state.poison {
                return Err(PackError::Poisoned(reason.clone()));
            }
            if state.served >= ticket {
                return Ok(());
            }
            self.shared.sync_or_wait(&mut state);
        }
    }

    /// Refuses all writes from now on.
    pub fn poison(&self, reason: String) {
        let mut state = self.shared.state.lock();
        state.poison.get_or_insert(reason);
        self.shared.done.notify_all();
    }

    /// Why writes are refused, if they are.
    pub fn poisoned(&self) -> Option<String> {
        self.shared.state.lock().poison.clone()
    }
}

impl Shared {
    /// What the thread does.
    fn run(&self) {
        let mut state = self.state.lock();
        while !state.stop && state.poison.is_none() {
            if state.syncing || state.wanted <= state.synced {
                self.work.wait(&mut state);
            } else {
                self.sync(&mut state);
            }
        }
    }

    /// Makes a sync, or waits for the end of the one that is running.
    fn sync_or_wait(&self, state: &mut MutexGuard<'_, State>) {
        match state.syncing {
            true => self.done.wait(state),
            false => self.sync(state),
        }
    }

    fn sync(&self, state: &mut MutexGuard<'_, State>) {
        state.syncing = true;
        // ORDER: the goal is read before the sync begins; what is written during it may be missed.
        let (goal, asked) = (state.written, state.asked);
        let began = Instant::now();
        let result = MutexGuard::unlocked(state, || self.sink.sync());
        metrics::SYNCS.add(1);
        metrics::SYNC_DURATION.observe(began.elapsed());
        state.syncing = false;
        match result {
            Ok(()) => {
                state.synced = state.synced.max(goal);
                state.served = state.served.max(asked);
            }
            Err(error) => {
                let reason = format!("a sync of the pack failed: {error}");
                tracing::error!(%error, "sync of the pack failed; writes are refused from now on");
                state.poison.get_or_insert(reason);
            }
        }
        self.done.notify_all();
        if state.wanted > state.synced {
            // Who asked meanwhile may not wait for it.
            self.work.notify_one();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed by its own hook.
            let _ended = thread.join();
        }
    }
}
