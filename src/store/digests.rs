//! The digest lane: whole-file digests of an upload, computed beside its chunking.
//!
//! They are a serial chain and the slowest part of an upload. So the chain is kept busy: the
//! digests of one batch may still be computed while the next is cut, and only then are waited for.

use std::sync::mpsc::{Receiver, sync_channel};

use bytes::Bytes;

use super::StoreError;
use super::core::Core;
use crate::digest::{Hasher, Wanted};

/// A smaller batch is not worth another thread.
const WORTH_A_THREAD_BYTES: usize = 128 << 10;

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
        self.own.update(batch);
        if let Some(whole) = &mut self.whole {
            whole.update(batch);
        }
    }
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
            hasher.update(&batch);
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
