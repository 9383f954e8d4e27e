//! Short stays: between looking something up and taking hold of it, nothing that was found may go.
//!
//! Every snapshot of the index has a [`Hold`] in it. Reclaiming waits for the holds that began before
//! a moment, never for those that begin later. What lasts as long as a client wants it to takes a
//! guard instead (see `guards`), for which nobody waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex};

#[derive(Default)]
struct State {
    /// Counts the moments.
    now: u64,
    /// Moment → how many holds began in it and have not ended.
    open: BTreeMap<u64, usize>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

/// All holds of a store.
#[derive(Clone, Default)]
pub struct Holds(Arc<Shared>);

/// A short stay; it ends when dropped. Not to be kept while waiting for a client.
pub struct Hold {
    shared: Arc<Shared>,
    at: u64,
}

impl Holds {
    /// Begins a stay.
    pub fn hold(&self) -> Hold {
        let mut state = self.0.state.lock();
        let at = state.now;
        *state.open.entry(at).or_default() += 1;
        drop(state);
        let shared = Arc::clone(&self.0);
        Hold { shared, at }
    }

    /// Waits until all holds have ended that began before this call; `false` when that takes longer
    /// than `patience`.
    pub fn wait(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = self.0.state.lock();
        state.now += 1;
        let moment = state.now;
        while state.open.range(..moment).next().is_some() {
            if self.0.ended.wait_until(&mut state, until).timed_out() {
                return state.open.range(..moment).next().is_none();
            }
        }
        true
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if let Some(count) = state.open.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                state.open.remove(&self.at);
                self.shared.ended.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::atomic::{AtomicBool, Ordering};
    use crate::sync::{explore, thread};

    #[test]
    fn only_older_holds_are_waited_for() {
        explore(|| {
            let holds = Holds::default();
            assert!(holds.wait(Duration::ZERO), "nobody is there");
            let older = holds.hold();
            assert!(!holds.wait(Duration::ZERO));
            let younger = holds.hold();
            let waits = {
                let holds = holds.clone();
                thread::spawn(move || holds.wait(Duration::from_mins(10)))
            };
            drop((older, younger));
            assert!(waits.join().unwrap());
            let younger = holds.hold();
            assert!(!holds.wait(Duration::ZERO));
            drop(younger);
            assert!(holds.wait(Duration::ZERO));
        });
    }

    #[test]
    fn what_an_older_hold_found_is_there_while_it_lasts() {
        explore(|| {
            let holds = Holds::default();
            let (is_named, is_gone) = (
                Arc::new(AtomicBool::new(true)),
                Arc::new(AtomicBool::new(false)),
            );
            let readers = [(); 2].map(|()| {
                let (holds, is_named, is_gone) = (holds.clone(), is_named.clone(), is_gone.clone());
                thread::spawn(move || {
                    let _hold = holds.hold();
                    if is_named.load(Ordering::SeqCst) {
                        assert!(!is_gone.load(Ordering::SeqCst));
                    }
                })
            });
            is_named.store(false, Ordering::SeqCst);
            assert!(holds.wait(Duration::from_mins(10)));
            is_gone.store(true, Ordering::SeqCst);
            readers
                .into_iter()
                .for_each(|reader| reader.join().unwrap());
        });
    }
}
