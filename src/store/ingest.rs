//! Taking in a file: a state machine that is fed with bytes.
//!
//! A large batch is worked on in two lanes side by side: whole-file digests, which are a serial
//! chain, on one; cutting, chunk digests, lookups and appending on the other. The caller collects
//! the next batch meanwhile. Memory does not grow with the file: manifest leaves are written while
//! the upload runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::StoreError;
use super::budget::Grant;
use super::chunks::Found;
use super::core::Core;
use super::digests::{DigestLane, Hashers};
use super::gc::Pins;
use super::leaves::{LEAF_PIECES, ManifestWriter};
use super::segments::Draft;
use crate::digest::{Digests, Hasher, Wanted, sha256};
use crate::format::codec;
use crate::format::manifest::Piece;
use crate::format::meta::{Blob, ManifestRef, Relocated};
use crate::index::Reader;
use crate::metrics;

/// A file of which nothing was new so far is probably known as a whole, and then needs no manifest.
/// So up to this many of its pieces are held back, if the budget grants the memory.
/// A batch may overshoot it, and the list still must not double once more.
const HELD_PIECES: usize = (1 << 18) - (1 << 14);
const HELD_BYTES: u64 = (size_of::<Piece>() as u64) << 18;
/// Chunks wait no longer than this for their segment to fill.
const MAX_WAIT: Duration = Duration::from_millis(250);

/// An upload in progress. Dropping it leaves nothing visible.
pub struct Ingest {
    digests: DigestLane,
    lane: Lane,
    /// The content that the bytes are said to be; then they are only hashed.
    proof: Option<Blob>,
}

/// What an upload became.
#[derive(Debug, Clone)]
pub struct Ingested {
    /// Digests of the bytes that came. For a proof only sha256 and size are computed.
    pub digests: Digests,
    /// The content, to be put into a commit; `None` when a proof failed.
    pub blob: Option<Blob>,
    /// Bytes that were not in the store before.
    pub new_bytes: u64,
    /// Damaged payloads that fresh bytes of this upload replace; part of the commit.
    pub relocated: Vec<Relocated>,
    /// The store knows the content, but cannot read what it has of it: `blob` is to take its place.
    pub replaces: bool,
    /// Hold the content; to be kept until the commit is made.
    pub pins: Pins,
}

/// What a block of a file became.
pub struct IngestedBlock {
    /// Digests of the bytes that came, as far as they were wanted.
    pub digests: Digests,
    /// Where the bytes are.
    pub manifest: ManifestRef,
    /// Bytes that were not in the store before.
    pub new_bytes: u64,
    /// See [`Ingested::relocated`].
    pub relocated: Vec<Relocated>,
    /// The digests of the file up to the end of the block, if those up to its start were given.
    pub whole: Option<Hasher>,
    /// See [`Ingested::pins`].
    pub pins: Pins,
}

struct Lane {
    core: Arc<Core>,
    /// Hold what the upload found and wrote.
    pins: Pins,
    /// Bytes that do not yet make a chunk; fewer than the largest one has.
    carry: Vec<u8>,
    draft: Draft,
    /// Since when the draft holds chunks.
    draft_since: Option<Instant>,
    manifest: ManifestWriter,
    /// The memory of pieces that are held back.
    held: Option<Grant>,
    /// Which pieces lie at which place of the draft.
    unplaced: Vec<(usize, usize)>,
    /// Damaged payloads, and the place of their fresh bytes in the draft.
    healing: Vec<(u64, usize)>,
    new_bytes: u64,
    relocated: Vec<Relocated>,
}

impl Ingest {
    pub(super) fn new(core: Arc<Core>, wanted: Wanted) -> Self {
        Self::block(core, wanted, None)
    }

    /// Takes in a block of a file; `whole` are the digests of the file up to it.
    pub(super) fn block(core: Arc<Core>, wanted: Wanted, whole: Option<Hasher>) -> Self {
        let pins = core.space.guard();
        Self {
            digests: DigestLane::new(core.clone(), Hashers::new(wanted, whole)),
            lane: Lane::new(core, pins),
            proof: None,
        }
    }

    /// Takes in bytes that are said to be `blob`, which `pins` hold.
    pub(super) fn proof(core: Arc<Core>, blob: Blob, pins: Pins) -> Self {
        Self {
            digests: DigestLane::new(core.clone(), Hashers::new(Wanted::Sha256Only, None)),
            lane: Lane::new(core, pins),
            proof: Some(blob),
        }
    }

    /// Takes in the next bytes of the file. Works, writes, and may wait for the disk.
    ///
    /// # Errors
    /// [`StoreError`]; the upload cannot go on.
    pub fn push(&mut self, batch: &Bytes) -> Result<(), StoreError> {
        metrics::RECEIVED_BYTES.add(batch.len() as u64);
        self.digests.update(batch);
        match self.proof {
            Some(_) => Ok(()),
            None => self.lane.push(batch, false),
        }
    }

    /// The file is complete. Its chunks are written (not yet durable) when this returns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn finish(mut self) -> Result<Ingested, StoreError> {
        if let Some(blob) = self.proof {
            let digests = self.digests.finish().own.finish();
            let blob = Some(blob).filter(|blob| blob.sha256 == digests.sha256);
            metrics::SHARED_BYTES.add(digests.size);
            return Ok(Ingested {
                digests,
                blob,
                new_bytes: 0,
                relocated: Vec::new(),
                replaces: false,
                pins: self.lane.pins,
            });
        }
        self.lane.push(&Bytes::new(), true)?;
        let digests = self.digests.finish().own.finish();
        // Without a look at the old manifest and the chunks that it names (which may lie twice), an
        // upload of the same bytes would not mend a file whose manifest is damaged.
        let Lane { core, pins, .. } = &self.lane;
        let (sound, known) = core.hold_sound(&digests.sha256, pins)?;
        let (blob, replaces) = match sound {
            Some(blob) => (blob, false),
            None => {
                let manifest = self.lane.manifest.finish(&self.lane.core)?;
                (digests.blob(manifest), known)
            }
        };
        metrics::SHARED_BYTES.add(digests.size.saturating_sub(self.lane.new_bytes));
        Ok(Ingested {
            digests,
            blob: Some(blob),
            new_bytes: self.lane.new_bytes,
            relocated: self.lane.relocated,
            replaces,
            pins: self.lane.pins,
        })
    }
}

impl Ingest {
    /// Like [`Ingest::finish`], for a block.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn finish_block(mut self) -> Result<IngestedBlock, StoreError> {
        self.lane.push(&Bytes::new(), true)?;
        let Hashers { own, whole } = self.digests.finish();
        let digests = own.finish();
        metrics::SHARED_BYTES.add(digests.size.saturating_sub(self.lane.new_bytes));
        Ok(IngestedBlock {
            digests,
            manifest: self.lane.manifest.finish(&self.lane.core)?,
            new_bytes: self.lane.new_bytes,
            relocated: self.lane.relocated,
            whole,
            pins: self.lane.pins,
        })
    }
}

impl Lane {
    fn new(core: Arc<Core>, pins: Pins) -> Self {
        Self {
            core,
            manifest: ManifestWriter::new(pins.clone()),
            pins,
            carry: Vec::new(),
            draft: Draft::default(),
            draft_since: None,
            held: None,
            unplaced: Vec::new(),
            healing: Vec::new(),
            new_bytes: 0,
            relocated: Vec::new(),
        }
    }

    /// Cuts and takes in what is complete of `carry ‖ batch`; all of it, if it is the `last`.
    fn push(&mut self, batch: &Bytes, last: bool) -> Result<(), StoreError> {
        let max = self.core.chunker.max();
        if self.carry.len() + batch.len() < max && !last {
            self.carry.extend_from_slice(batch);
            return Ok(());
        }
        let reader = self.core.reader()?;
        let mut rest = self.junction(&reader, batch, last)?;
        while rest.len() >= max || (last && !rest.is_empty()) {
            let len = self.core.chunker.cut(&rest);
            let chunk = rest.split_to(len);
            self.take(&reader, chunk)?;
        }
        self.carry.extend_from_slice(&rest);
        self.settle(last)
    }

    /// Cuts the chunks that begin in `carry`, and gives what is left of the batch.
    fn junction(
        &mut self,
        reader: &Reader,
        batch: &Bytes,
        last: bool,
    ) -> Result<Bytes, StoreError> {
        let carried = self.carry.len();
        if carried == 0 {
            return Ok(batch.clone());
        }
        let max = self.core.chunker.max();
        let mut joined = std::mem::take(&mut self.carry);
        joined.extend_from_slice(&batch[..batch.len().min(max)]);
        let joined = Bytes::from(joined);
        let mut at = 0;
        while at < carried && (joined.len() - at >= max || last) {
            let len = self.core.chunker.cut(&joined[at..]);
            self.take(reader, joined.slice(at..at + len))?;
            at += len;
        }
        if at < carried {
            // Only with a batch shorter than the largest chunk: all of it is in `joined`.
            self.carry.extend_from_slice(&joined[at..]);
            return Ok(Bytes::new());
        }
        Ok(batch.slice(at - carried..))
    }

    /// Takes in one chunk: refers to the copy that is there, or puts it into the draft.
    fn take(&mut self, reader: &Reader, chunk: Bytes) -> Result<(), StoreError> {
        let digest = sha256(&chunk);
        let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let place = match self.draft.find(&digest) {
            Some(place) => place,
            None => match self.core.find_chunk(reader, &digest, &self.pins)? {
                Some(Found::Sound(piece)) if piece.raw_len == len => {
                    self.manifest.push(piece);
                    return Ok(());
                }
                found => {
                    self.new_bytes += u64::from(len);
                    let place = self.draft.push(digest, chunk);
                    if let Some(Found::Damaged(from)) = found {
                        self.healing.push((from, place));
                    }
                    self.draft_since.get_or_insert_with(Instant::now);
                    place
                }
            },
        };
        self.unplaced.push((self.manifest.pieces.len(), place));
        self.manifest.push(Piece {
            end: 0,
            pack_offset: 0,
            stored_len: len,
            raw_len: len,
            crc32: 0,
            codec: codec::RAW,
            kind: 0,
        });
        if self.draft.is_full() {
            self.flush()?;
        }
        Ok(())
    }

    /// At the end of a batch: writes what is worth it, and lets go of the batch.
    fn settle(&mut self, last: bool) -> Result<(), StoreError> {
        let waited = self.draft_since.is_some_and(|at| at.elapsed() >= MAX_WAIT);
        let leaf_full = self.leaf_is_due();
        if last || leaf_full || waited || !self.draft.is_small() || self.core.budget.is_tight() {
            self.flush()?;
        } else {
            self.draft.unpin();
        }
        if leaf_full {
            self.write_leaf()?;
        }
        Ok(())
    }

    /// Whether the pieces in hand are to be written now.
    fn leaf_is_due(&mut self) -> bool {
        if self.manifest.pieces.len() < LEAF_PIECES {
            return false;
        }
        if self.new_bytes == 0 && self.held.is_none() {
            self.held = self.core.budget.grant(HELD_BYTES);
        }
        self.new_bytes > 0 || self.held.is_none() || self.manifest.pieces.len() >= HELD_PIECES
    }

    /// Writes the draft, and tells the pieces where they lie.
    fn flush(&mut self) -> Result<(), StoreError> {
        self.draft_since = None;
        if self.draft.is_empty() {
            return Ok(());
        }
        let places = self.core.append_segment(&mut self.draft, &self.pins)?;
        for (piece, place) in self.unplaced.drain(..) {
            let (offset, entry) = places[place];
            let piece = &mut self.manifest.pieces[piece];
            piece.pack_offset = offset;
            piece.crc32 = entry.crc32;
        }
        for (from, place) in self.healing.drain(..) {
            let (to, entry) = places[place];
            self.relocated.push(Relocated {
                from,
                to,
                stored_len: entry.stored_len,
                crc32: entry.crc32,
                codec: entry.codec,
            });
        }
        Ok(())
    }

    /// Writes the pieces in hand as a leaf record.
    fn write_leaf(&mut self) -> Result<(), StoreError> {
        self.held = None;
        self.manifest.write_leaf(&self.core)
    }
}
