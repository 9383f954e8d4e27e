//! The one thread that syncs the pack.
//!
//! A write-back error is reported to only one of several threads that sync, and after it the pages
//! count as clean: so every sync is made here, the first failure poisons the pack before anybody
//! who waits is told anything good, and no sync is ever tried again.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

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
    poison: Option<String>,
    stop: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the syncer.
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
            .spawn(move || run(&theirs, sink.as_ref()))?;
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
            if state.wanted < upto {
                state.wanted = upto;
            }
            self.shared.work.notify_one();
            self.shared.done.wait(&mut state);
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
            self.shared.work.notify_one();
            self.shared.done.wait(&mut state);
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

fn run(shared: &Shared, sink: &dyn Sink) {
    let mut state = shared.state.lock();
    loop {
        if state.stop || state.poison.is_some() {
            return;
        }
        if state.wanted <= state.synced && state.asked <= state.served {
            shared.work.wait(&mut state);
            continue;
        }
        // ORDER: the goal is read before the sync begins; what is written during it may be missed.
        let (goal, asked) = (state.written, state.asked);
        let began = Instant::now();
        let result = parking_lot::MutexGuard::unlocked(&mut state, || sink.sync());
        metrics::SYNCS.add(1);
        metrics::SYNC_DURATION.observe(began.elapsed());
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
        shared.done.notify_all();
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
