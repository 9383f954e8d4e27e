//! The digest lane: whole-file digests of an upload, computed beside its chunking.
//!
//! They are a serial chain and the slowest part of an upload. So the chain is kept busy: batches that
//! are cut already wait for it in a short queue, and it for none of them.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::core::Core;
use super::line::{Line, Stage, Threads};
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
pub(super) struct DigestLane {
    core: Arc<Core>,
    line: Line<Box<Hashers>, Bytes, Arc<rayon::ThreadPool>>,
}

impl Stage<Bytes> for Box<Hashers> {
    fn take(&mut self, batch: Bytes) {
        self.update_in_lanes(&batch);
    }
}

impl Threads for Arc<rayon::ThreadPool> {
    fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.spawn_fifo(job);
    }
}

impl DigestLane {
    pub(super) fn new(core: Arc<Core>, hashers: Hashers) -> Self {
        let line = Line::new(Box::new(hashers), core.lanes.clone());
        Self { core, line }
    }

    /// Takes in `batch`; beside the caller, if it is large. Waits while too many do.
    pub(super) fn update(&self, batch: &Bytes) {
        if batch.len() < WORTH_A_THREAD_BYTES {
            return self.line.here(|hashers| hashers.update(batch));
        }
        let is_tight = self.core.budget.is_tight();
        self.line
            .push(batch.clone(), if is_tight { 0 } else { AHEAD });
    }

    /// The digests of all that was taken in.
    pub(super) fn finish(self) -> Hashers {
        *self.line.finish()
    }
}
