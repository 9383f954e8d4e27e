//! What all parts of the store share, and its handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::blobs::{BlobReader, read_now};
use super::budget::Budget;
use super::change::{Ids, Outcome};
use super::chunker::Chunker;
use super::chunks::Checked;
use super::commit::Committer;
use super::copies::Transfers;
use super::gc::{Barrier, Pins, Space};
use super::generation::{Generation, Generations};
use super::ingest::Ingest;
use super::leaves::Join;
use super::manifests::Pieces;
use super::open::Options;
use super::verify::{Damaged, ScrubStats};
use super::{OpenReport, StoreError};
use crate::digest::{Hasher, Wanted};
use crate::format::Sha256;
use crate::format::meta::{Blob, Block, Mutation};
use crate::index::{Index, Place, Reader, Recent, Rows};
use crate::pack::Pack;

pub(super) struct Core {
    pub(super) pack: Pack,
    /// `None` only while a failed index is being replaced, or could not be yet.
    pub(super) index: RwLock<Option<Index>>,
    /// The committer is to replace the index.
    pub(super) index_failed: AtomicBool,
    /// What the index says is doubted: it is to be replaced by one that is built anew.
    pub(super) index_doubted: AtomicBool,
    /// Which state of the index is the present one.
    pub(super) generations: Generations,
    pub(super) place: Place,
    pub(super) recent: RwLock<Recent>,
    /// Held while a segment is appended and its chunks are made known.
    pub(super) segments: Mutex<()>,
    pub(super) checked: Mutex<Checked>,
    /// What is known to be damaged.
    pub(super) damaged: Mutex<Damaged>,
    /// Where scrubbing is.
    pub(super) scrub: Mutex<Option<ScrubStats>>,
    /// What must not be freed, and what is about to be.
    pub(super) space: Arc<Space>,
    /// What commits refer to while reclaiming looks for what nothing refers to.
    pub(super) barrier: Barrier,
    /// Held by whoever reclaims or verifies: a chunk that is freed meanwhile would look damaged.
    pub(super) upkeep: Mutex<()>,
    /// Copies that are being sent.
    pub(super) transfers: Transfers,
    pub(super) budget: Budget,
    pub(super) chunker: Chunker,
    /// Where whole-file digests are computed beside the chunking.
    pub(super) lanes: Arc<rayon::ThreadPool>,
    pub(super) options: Options,
}

impl Core {
    /// A snapshot of the index; until it is dropped nothing is freed that it leads to.
    pub(super) fn reader(&self) -> Result<Reader, StoreError> {
        let index = self.index.read();
        let index = index
            .as_ref()
            .ok_or_else(|| StoreError::Refused("the index is being replaced".to_owned()))?;
        // ORDER: held before the snapshot is taken.
        let hold = self.space.holds.hold();
        let reader = index.reader().inspect_err(|_| {
            // Every upload reads first: if only failed writes replaced the index, none would come.
            self.index_failed.store(true, Ordering::Relaxed);
        })?;
        Ok(reader.keep(Box::new(hold)))
    }

    /// The content of a digest, held by `pins`, if the store has it soundly; and whether it has it at
    /// all.
    pub(super) fn hold_sound(
        &self,
        sha256: &Sha256,
        pins: &Pins,
    ) -> Result<(Option<Blob>, bool), StoreError> {
        // The snapshot holds the content until it is pinned.
        let reader = self.reader()?;
        let Some(blob) = reader.blob(sha256)? else {
            return Ok((None, false));
        };
        pins.hold(&blob.manifest);
        drop(reader);
        let sound = self.is_sound_blob(&blob)?;
        Ok((sound.then_some(blob), true))
    }

    /// Somebody found the index damaged, or it panicked: it is to be built anew.
    pub(super) fn doubt_index(&self) {
        self.index_doubted.store(true, Ordering::Relaxed);
        self.index_failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn now_ms(&self) -> u64 {
        (self.options.clock)()
    }

    /// Whether every chunk of a content is sound, or has an intact copy.
    pub(super) fn is_sound_blob(&self, blob: &Blob) -> Result<bool, StoreError> {
        let reader = self.reader()?;
        let mut pieces = Pieces::new(&blob.manifest);
        let mut at = 0;
        while at < blob.size {
            let Ok((start, piece)) = pieces.at(self, at) else {
                return Ok(false);
            };
            if !self.is_sound(&piece) && self.relocated(&reader, &piece)?.is_none() {
                return Ok(false);
            }
            at = start + u64::from(piece.raw_len);
        }
        Ok(true)
    }
}

/// An open store; clones share it. It closes when the last clone is dropped.
#[derive(Clone)]
pub struct Store {
    pub(super) core: Arc<Core>,
    pub(super) committer: Arc<Committer>,
    pub(super) report: Arc<OpenReport>,
}

impl Store {
    /// What was found and done when the store was opened.
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        &self.report
    }

    /// A snapshot of the metadata. Not to be kept while waiting for a client: nothing is freed as
    /// long as it lives.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn rows(&self) -> Result<impl Rows + use<>, StoreError> {
        self.core.reader()
    }

    /// Takes in the bytes of a new file.
    #[must_use]
    pub fn ingest(&self, wanted: Wanted) -> Ingest {
        Ingest::new(Arc::clone(&self.core), wanted)
    }

    /// Takes in bytes that are said to be those of the content `sha256`, only to prove it; `None`
    /// when the store does not hold it soundly, or not in this `size`, so that the bytes are needed.
    /// Reads what was not read lately.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn prove(&self, sha256: &Sha256, size: Option<u64>) -> Result<Option<Ingest>, StoreError> {
        let pins = self.core.space.guard();
        let known = self.core.reader()?.blob(sha256)?;
        if known.is_none_or(|blob| size.is_some_and(|size| size != blob.size)) {
            return Ok(None);
        }
        let (sound, _) = self.core.hold_sound(sha256, &pins)?;
        Ok(sound.map(|blob| Ingest::proof(Arc::clone(&self.core), blob, pins)))
    }

    /// Reads the bytes `range` of a content. Whoever looked it up keeps the snapshot ([`Store::rows`])
    /// until this returns; from then on the reader holds the content, and so do the bytes that it
    /// gives.
    #[must_use]
    pub fn read(&self, blob: &Blob, range: std::ops::Range<u64>) -> BlobReader {
        let range = range.start.min(blob.size)..range.end.min(blob.size);
        BlobReader::new(Arc::clone(&self.core), &blob.manifest, range)
    }

    /// The present state of the metadata; `None` while it is being changed. Asked before something is
    /// looked up, it says for how long that may be relied on.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.core.generations.now()
    }

    /// The bytes `range` of a content that was looked up in a generation, if that is still the present one
    /// and all of the range is in memory: a copy of them, checked. Nothing is waited for; whatever is in
    /// the way, [`Store::read`] tells what it is.
    #[must_use]
    pub fn read_now(
        &self,
        blob: &Blob,
        range: std::ops::Range<u64>,
        generation: Generation,
    ) -> Option<Bytes> {
        // ORDER: held before it is seen that nothing has changed: what the content leads to was not
        // freed then, and is not while this is held.
        let _hold = self.core.space.holds.hold();
        if self.core.generations.now() != Some(generation) {
            return None;
        }
        read_now(&self.core, &blob.manifest, range)
    }

    /// Takes in a block of a file; `whole` are the digests of the file up to it.
    #[must_use]
    pub fn ingest_block(&self, wanted: Wanted, whole: Option<Hasher>) -> Ingest {
        Ingest::block(Arc::clone(&self.core), wanted, whole)
    }

    /// Reads a block; as for [`Store::read`].
    #[must_use]
    pub fn read_block(&self, block: &Block) -> BlobReader {
        BlobReader::new(Arc::clone(&self.core), &block.manifest, 0..block.size)
    }

    /// Makes one content of blocks.
    #[must_use]
    pub fn join(&self) -> Join {
        Join::new(Arc::clone(&self.core))
    }

    /// A content with this digest that the store holds soundly, held until the pins are dropped.
    /// Reads what was not read lately.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn sound_blob(&self, sha256: &Sha256) -> Result<Option<(Blob, Pins)>, StoreError> {
        let pins = self.core.space.guard();
        let (sound, _) = self.core.hold_sound(sha256, &pins)?;
        Ok(sound.map(|blob| (blob, pins)))
    }

    /// The memory that uploads may buffer.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.core.budget
    }

    /// Length of the largest chunk, the share of the budget that every upload has, in bytes.
    #[must_use]
    pub fn largest_chunk(&self) -> usize {
        self.core.chunker.max()
    }

    /// The time that the store goes by, Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.core.now_ms()
    }

    /// Somebody who asked the rows found them damaged, or panicked while asking. The committer soon builds
    /// the index anew from the pack; meanwhile nothing is answered.
    pub fn doubt_index(&self) {
        self.core.doubt_index();
    }

    /// Whether writes are allowed now.
    ///
    /// # Errors
    /// [`StoreError::Pack`] with the reason why not.
    pub fn writable(&self) -> Result<(), StoreError> {
        Ok(self.core.pack.writable()?)
    }

    /// Whether writes are allowed now, and so many bytes more do not surely lack room on the disk.
    ///
    /// # Errors
    /// [`StoreError::Pack`] with the reason why not, [`StoreError::Full`].
    pub fn accepts(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.writable()?;
        match bytes.is_some_and(|bytes| self.core.pack.lacks_room(bytes)) {
            true => Err(StoreError::Full),
            false => Ok(()),
        }
    }

    /// Makes a change, together with others that wait, in one commit.
    ///
    /// `check` sees all that was changed before, decides, and gives the mutations; it must not do
    /// anything else, and may be asked again when the group that it was in could not be written.
    /// `done` hears what became of it, from the committer's thread: its own
    /// refusal, or that the change is durable and visible, or why it is not.
    pub fn submit<T, E>(
        &self,
        check: impl FnMut(&dyn Rows, &mut Ids) -> Result<(Vec<Mutation>, T), E> + Send + 'static,
        done: impl FnOnce(Outcome<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.committer.submit(check, done);
    }

    /// Like [`Store::submit`], and waits. Not to be called where waiting is not allowed.
    ///
    /// # Errors
    /// What became of it, if it was not made.
    pub fn commit<T, E>(
        &self,
        check: impl FnMut(&dyn Rows, &mut Ids) -> Result<(Vec<Mutation>, T), E> + Send + 'static,
    ) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.submit(check, move |outcome| {
            // The receiver waits below for as long as this closure exists.
            let _waited_for = sender.send(outcome);
        });
        receiver.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Finishes what waits, seals the pack, writes a checkpoint. Later changes are refused.
    pub fn close(&self) {
        self.committer.close();
    }
}
