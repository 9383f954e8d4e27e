//! The digest lane: whole-file digests of an upload, computed beside its chunking.
//!
//! They are a serial chain and the slowest part of an upload. So the chain is kept busy: batches that
//! are cut already wait for it in a short queue, and it for none of them.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use super::core::Core;
use crate::digest::{Hasher, Wanted, md5};

/// So many batches may wait behind the one that is at work. With none, what is the slower of the two now and
/// then, the chain or the cutting, holds the other up each time.
const AHEAD: usize = 2;
/// A smaller batch is not worth another thread.
const WORTH_A_THREAD_BYTES: usize = 128 << 10;
/// Digests that take so many times as long as md5 alone are worth another lane.
const WORTH_A_LANE: f64 = 1.15;
/// What is digested to find that out, in bytes, and how often.
const SAMPLE_BYTES: usize = 64 << 10;
const TRIES: usize = 5;

/// The digests of an upload, and, for a block, of the file that it belongs to.
pub(super) struct Hashers {
    pub(super) own: Hasher,
    pub(super) whole: Option<Hasher>,
}

impl Hashers {
    pub(super) fn new(wanted: Wanted, whole: Option<Hasher>) -> Self {
        Self {
            own: Hasher::new(wanted),
            whole,
        }
    }

    fn update(&mut self, batch: &[u8]) {
        self.each(|hasher| hasher.update(batch));
    }

    /// The same, in the threads of the lanes.
    fn update_in_lanes(&mut self, batch: &[u8]) {
        match goes_apart() {
            true => self.each(|hasher| {
                hasher.update_apart(batch, |chain, rest| {
                    rayon::join(chain, rest);
                });
            }),
            false => self.update(batch),
        }
    }

    fn each(&mut self, mut update: impl FnMut(&mut Hasher)) {
        update(&mut self.own);
        if let Some(whole) = &mut self.whole {
            update(whole);
        }
    }
}

/// Whether md5 gets a lane of its own: on a processor where sha256 beside it, interleaved, takes markedly
/// longer than md5 alone. Measured once.
fn goes_apart() -> bool {
    static APART: OnceLock<bool> = OnceLock::new();
    *APART.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let sample = vec![7; SAMPLE_BYTES];
        let together = quickest(|| {
            let mut hasher = Hasher::new(Wanted::Md5);
            hasher.update(&sample);
            hasher.finish().md5
        });
        let alone = quickest(|| md5(&sample));
        cores > 1 && together > alone.mul_f64(WORTH_A_LANE)
    })
}

/// The shortest time of a few: others are at work, too.
fn quickest<T>(work: impl Fn() -> T) -> Duration {
    let time = || {
        let begun = Instant::now();
        std::hint::black_box(work());
        begun.elapsed()
    };
    (0..TRIES).map(|_| time()).min().unwrap_or_default()
}

/// The digests of an upload, and its batches on their way to them.
pub(super) struct DigestLane(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    went_on: Condvar,
}

struct State {
    /// `None` while they are at work on a batch. What panics there ends the process, so they come back.
    hashers: Option<Box<Hashers>>,
    /// Some only while they are at work.
    waiting: VecDeque<Bytes>,
}

impl DigestLane {
    pub(super) fn new(hashers: Hashers) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                hashers: Some(Box::new(hashers)),
                waiting: VecDeque::new(),
            }),
            went_on: Condvar::new(),
        }))
    }

    /// Takes in `batch`; beside the caller, if it is large. Waits while too many do.
    pub(super) fn update(&self, core: &Core, batch: &Bytes) {
        if batch.len() < WORTH_A_THREAD_BYTES {
            let mut hashers = self.idle();
            hashers.update(batch);
            self.0.state.lock().hashers = Some(hashers);
            return;
        }
        let mut state = self.0.state.lock();
        if let Some(hashers) = state.hashers.take() {
            let (shared, batch) = (self.0.clone(), batch.clone());
            core.lanes.spawn_fifo(move || shared.work(hashers, batch));
            return;
        }
        state.waiting.push_back(batch.clone());
        let ahead = if core.budget.is_tight() { 0 } else { AHEAD };
        let crowded = |state: &mut State| state.waiting.len() > ahead;
        self.0.went_on.wait_while(&mut state, crowded);
    }

    /// The digests of all that was taken in.
    pub(super) fn finish(self) -> Hashers {
        *self.idle()
    }

    /// Waits until nothing is at work, and takes the digests.
    fn idle(&self) -> Box<Hashers> {
        let mut state = self.0.state.lock();
        loop {
            match state.hashers.take() {
                Some(hashers) => return hashers,
                None => self.0.went_on.wait(&mut state),
            }
        }
    }
}

impl Drop for DigestLane {
    fn drop(&mut self) {
        // Nobody wants them when the upload was given up.
        self.0.state.lock().waiting.clear();
    }
}

impl Shared {
    /// Works on one batch in a thread of the lanes. The next waits for its turn behind other uploads'.
    fn work(self: Arc<Self>, mut hashers: Box<Hashers>, batch: Bytes) {
        hashers.update_in_lanes(&batch);
        drop(batch);
        let mut state = self.state.lock();
        match state.waiting.pop_front() {
            None => state.hashers = Some(hashers),
            Some(next) => {
                let shared = self.clone();
                rayon::spawn_fifo(move || shared.work(hashers, next));
            }
        }
        drop(state);
        self.went_on.notify_all();
    }
}
