//! The one place where the pack is synced.
//!
//! A write-back error is reported to only one of several that sync, and after it the pages count as
//! clean: so every sync is made here, one at a time, the first failure poisons the pack before anybody
//! who waits is told anything good, and no sync is ever tried again. Who waits for a sync while none
//! runs makes it: handing it to a thread costs two wake-ups, which take as long as a fast disk. A thread
//! of its own makes those that nobody waits for.

use std::sync::Arc;
use std::time::Instant;

use super::PackError;
use super::sink::Sink;
use crate::metrics;
use crate::sync::thread::{Builder, JoinHandle};
use crate::sync::{Condvar, Mutex, MutexGuard};

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
                synced: durable,
                ..State::default()
            }),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = Builder::new()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::atomic::{AtomicU64, Ordering};
    use crate::sync::{explore, thread};
    use std::io::{self, IoSlice};

    /// A disk that knows what it was given and what of that is durable.
    #[derive(Default)]
    struct Disk {
        written: AtomicU64,
        holes: AtomicU64,
        durable: AtomicU64,
        durable_holes: AtomicU64,
        syncs: AtomicU64,
        /// Which sync fails, from 1 on.
        failing: u64,
    }

    impl Sink for Disk {
        fn sync(&self) -> io::Result<()> {
            let number = self.syncs.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(
                self.failing == 0 || number <= self.failing,
                "tried again behind a failure"
            );
            let written = self.written.load(Ordering::SeqCst);
            let holes = self.holes.load(Ordering::SeqCst);
            if number == self.failing {
                return Err(io::Error::other("failed"));
            }
            self.durable.fetch_max(written, Ordering::SeqCst);
            self.durable_holes.fetch_max(holes, Ordering::SeqCst);
            Ok(())
        }

        fn write_at(&self, _: u64, _: &[IoSlice<'_>]) -> io::Result<()> {
            unreachable!("a syncer only syncs")
        }

        fn truncate(&self, _: u64) -> io::Result<()> {
            unreachable!("a syncer only syncs")
        }

        fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
            unreachable!("a syncer only syncs")
        }

        fn punch(&self, _: u64, _: u64) -> io::Result<()> {
            unreachable!("a syncer only syncs")
        }

        fn size(&self) -> io::Result<u64> {
            unreachable!("a syncer only syncs")
        }

        fn allocated(&self) -> io::Result<u64> {
            unreachable!("a syncer only syncs")
        }

        fn free(&self) -> Option<u64> {
            unreachable!("a syncer only syncs")
        }
    }

    /// Two append and wait, one punches and waits, on a disk one of whose syncs may fail.
    fn work(failing: u64) {
        let disk = Arc::new(Disk {
            failing,
            ..Disk::default()
        });
        let sink: Arc<dyn Sink> = Arc::<Disk>::clone(&disk);
        let syncer = Arc::new(Syncer::start(sink, 0).unwrap());
        let log = Arc::new(Mutex::new(0));
        let appenders = [(); 2].map(|()| {
            let (disk, syncer, log) = (Arc::clone(&disk), Arc::clone(&syncer), Arc::clone(&log));
            thread::spawn(move || {
                let mut all_good = true;
                for _ in 0..2 {
                    let mut end = log.lock();
                    *end += 1;
                    let mine = *end;
                    disk.written.store(mine, Ordering::SeqCst);
                    syncer.written(mine);
                    drop(end);
                    let synced = syncer.wait(mine);
                    if synced.is_ok() {
                        assert!(disk.durable.load(Ordering::SeqCst) >= mine);
                        assert!(syncer.synced() >= mine);
                    } else {
                        assert!(syncer.poisoned().is_some());
                    }
                    all_good &= synced.is_ok();
                }
                all_good
            })
        });
        let puncher = {
            let (disk, syncer) = (Arc::clone(&disk), Arc::clone(&syncer));
            thread::spawn(move || {
                disk.holes.store(1, Ordering::SeqCst);
                let synced = syncer.sync_now();
                assert!(synced.is_err() || disk.durable_holes.load(Ordering::SeqCst) == 1);
                synced.is_ok()
            })
        };
        let mut good = puncher.join().unwrap();
        for appender in appenders {
            good &= appender.join().unwrap();
        }
        let has_failed = failing > 0 && disk.syncs.load(Ordering::SeqCst) >= failing;
        // The one that failed was needed by somebody, but not by all.
        assert!(good != has_failed, "{good} {has_failed}");
        assert_eq!(syncer.poisoned().is_some(), has_failed);
    }

    #[test]
    fn who_is_told_that_it_is_durable_can_rely_on_it() {
        explore(|| work(0));
    }

    /// One waits for a sync, another asks for one and goes away: before it, during it, or behind it.
    #[test]
    fn what_was_asked_for_is_synced_though_nobody_waits() {
        explore(|| {
            let disk = Arc::new(Disk::default());
            let sink: Arc<dyn Sink> = Arc::<Disk>::clone(&disk);
            let syncer = Arc::new(Syncer::start(sink, 0).unwrap());
            disk.written.store(1, Ordering::SeqCst);
            syncer.written(1);
            let waits = {
                let syncer = Arc::clone(&syncer);
                thread::spawn(move || syncer.wait(1).unwrap())
            };
            disk.written.store(2, Ordering::SeqCst);
            syncer.written(2);
            syncer.kick();
            waits.join().unwrap();
            while syncer.synced() < 2 {
                thread::yield_now();
            }
            assert_eq!(disk.durable.load(Ordering::SeqCst), 2);
        });
    }

    #[test]
    fn behind_a_failed_sync_nothing_good_is_told() {
        explore(|| work(1));
        explore(|| work(2));
    }
}
