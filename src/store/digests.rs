//! The digest lane: whole-file digests of an upload, computed beside its chunking.
//!
//! They are a serial chain and the slowest part of an upload. So the chain is kept busy: the
//! digests of one batch may still be computed while the next is cut, and only then are waited for.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::StoreError;
use super::core::Core;
use crate::digest::{Hasher, Wanted, md5};

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

/// The digests so far, here or on their way through a batch.
pub(super) enum DigestLane {
    Here(Box<Hashers>),
    Away(Receiver<Box<Hashers>>),
}

impl DigestLane {
    pub(super) fn new(hashers: Hashers) -> Self {
        Self::Here(Box::new(hashers))
    }

    /// Waits for the batch before, and takes in `batch`; beside the caller, if it is large.
    pub(super) fn update(self, core: &Core, batch: &Bytes) -> Result<Self, StoreError> {
        let mut hasher = self.wait()?;
        if batch.len() < WORTH_A_THREAD_BYTES {
            hasher.update(batch);
            return Ok(Self::Here(hasher));
        }
        let (sender, receiver) = sync_channel(1);
        let batch = batch.clone();
        core.lanes.spawn(move || {
            hasher.update_in_lanes(&batch);
            drop(batch);
            // Nobody waits when the upload was given up.
            let _waits = sender.send(hasher);
        });
        Ok(Self::Away(receiver))
    }

    /// The digests of all that was taken in.
    pub(super) fn finish(self) -> Result<Hashers, StoreError> {
        Ok(*self.wait()?)
    }

    fn wait(self) -> Result<Box<Hashers>, StoreError> {
        match self {
            Self::Here(hasher) => Ok(hasher),
            Self::Away(receiver) => receiver
                .recv()
                .map_err(|_| StoreError::System("a digest thread panicked".to_owned())),
        }
    }
}
