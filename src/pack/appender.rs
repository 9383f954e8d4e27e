//! The one place where records are appended.

use std::io::{self, IoSlice};

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256 as Hasher};

use super::PackError;
use super::open::Pack;
use super::sink::{Sink, retry};
use super::syncer::Syncer;
use crate::format::commit::{self, Chain, CommitHead};
use crate::format::meta::Mutation;
use crate::format::record::{FRAME_BYTES, Frame, Kind, MAX_HEAD_BYTES};
use crate::format::scan::Position;
use crate::metrics;

/// Written and not yet durable bytes beyond which appenders wait, so that a small commit never
/// waits for gigabytes of somebody else's dirty pages.
const MAX_UNSYNCED_BYTES: u64 = 64 << 20;
/// Unsynced bytes from which on a sync runs beside the appending.
const SYNC_AHEAD_BYTES: u64 = 16 << 20;
/// Room that only deletes and reclaiming may use up.
const RESERVE_BYTES: u64 = 8 << 20;
const MAX_STEP_BYTES: u64 = 64 << 20;
const MIN_STEP_BYTES: u64 = 1 << 20;

/// The end of the log.
pub(super) struct Log {
    pub(super) position: Position,
    /// Runs ahead of `position.chain` over the records behind the last commit.
    chain: Chain,
    /// Where the next record goes.
    end: u64,
    /// Blocks are promised up to here; `None` when the medium cannot promise.
    allocated: Option<u64>,
}

/// A commit that was appended and is not yet durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The place behind it.
    pub position: Position,
}

impl Log {
    pub(super) fn new(position: Position) -> Mutex<Self> {
        Mutex::new(Self {
            position,
            chain: Chain::after(&position.chain),
            end: position.offset,
            allocated: Some(position.offset),
        })
    }

    fn next_frame(&self, kind: Kind, head: &[u8], payload_bytes: u64) -> Result<Frame, PackError> {
        let head_bytes = u32::try_from(head.len())
            .ok()
            .filter(|n| *n <= MAX_HEAD_BYTES)
            .ok_or_else(|| PackError::Io {
                action: "appending a record",
                offset: self.end,
                source: io::Error::new(io::ErrorKind::InvalidInput, "its head is too long"),
            })?;
        Ok(Frame {
            kind,
            critical: true,
            offset: self.end,
            seq: self.position.seq,
            body_bytes: u64::from(head_bytes).saturating_add(payload_bytes),
            head_bytes,
            digest: Hasher::digest(head).into(),
        })
    }

    /// Gets blocks promised for everything up to `end` and the reserve.
    fn make_room(
        &mut self,
        sink: &dyn Sink,
        end: u64,
        may_use_reserve: bool,
    ) -> Result<(), PackError> {
        let Some(allocated) = self.allocated else {
            return Ok(());
        };
        let goal = end.saturating_add(RESERVE_BYTES);
        if goal <= allocated {
            return Ok(());
        }
        let step = (end / 8).clamp(MIN_STEP_BYTES, MAX_STEP_BYTES);
        for goal in [goal.saturating_add(step), goal] {
            let from = allocated.max(self.end);
            match retry(|| sink.allocate(from, goal.saturating_sub(from))) {
                Ok(()) => {
                    self.allocated = Some(goal);
                    return Ok(());
                }
                Err(error) if is_full(&error) => {}
                Err(error) => {
                    tracing::info!(%error, "the file system cannot promise space; going on without");
                    self.allocated = None;
                    return Ok(());
                }
            }
        }
        if may_use_reserve {
            return Ok(());
        }
        Err(PackError::Full {
            offset: self.end,
            bytes: end.saturating_sub(self.end),
        })
    }

    /// Writes one record at the end, in full or not at all.
    fn write(
        &mut self,
        sink: &dyn Sink,
        syncer: &Syncer,
        encoded: &[u8; FRAME_BYTES],
        frame: &Frame,
        body: &[&[u8]],
    ) -> Result<(), PackError> {
        let padding = frame
            .next_offset()
            .saturating_sub(frame.body_offset().saturating_add(frame.body_bytes));
        let zeros = [0_u8; 8];
        let padding = zeros
            .get(..usize::try_from(padding).unwrap_or(0))
            .unwrap_or(&[]);
        let mut parts = Vec::with_capacity(body.len().saturating_add(2));
        parts.push(IoSlice::new(encoded));
        parts.extend(body.iter().map(|part| IoSlice::new(part)));
        parts.push(IoSlice::new(padding));
        if let Err(error) = sink.write_at(frame.offset, &parts) {
            return Err(self.undo(sink, syncer, frame, error));
        }
        self.end = frame.next_offset();
        self.position.seq = frame.seq.saturating_add(1);
        metrics::APPENDED_BYTES.add(self.end.saturating_sub(frame.offset));
        Ok(())
    }

    /// After a failed write: takes back what was written of the record, or poisons the pack.
    fn undo(
        &mut self,
        sink: &dyn Sink,
        syncer: &Syncer,
        frame: &Frame,
        error: io::Error,
    ) -> PackError {
        let offset = frame.offset;
        if let Err(cut) = sink.truncate(offset) {
            syncer.poison(format!(
                "a failed write at offset {offset} could not be cut: {cut}"
            ));
        } else if is_full(&error) {
            // A truncate drops what was promised behind the end.
            self.allocated = self.allocated.map(|_| offset);
            return PackError::Full {
                offset,
                bytes: frame.next_offset().saturating_sub(offset),
            };
        } else {
            syncer.poison(format!("a write at offset {offset} failed: {error}"));
        }
        PackError::Io {
            action: "appending a record",
            offset,
            source: error,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::WriteZero
            | io::ErrorKind::FileTooLarge
    )
}

impl Pack {
    /// Appends a record that is not a commit. Returns once it is written (not durable).
    ///
    /// # Errors
    /// [`PackError::Full`] leaves the pack as it was; [`PackError::Io`] forbids further writes;
    /// [`PackError::Poisoned`] and [`PackError::ReadOnly`] say that they are forbidden.
    pub fn append(&self, kind: Kind, head: &[u8], payload: &[Bytes]) -> Result<Frame, PackError> {
        self.writable()?;
        let payload_bytes = payload.iter().map(|p| p.len() as u64).sum();
        let mut log = self.log.lock();
        let frame = log.next_frame(kind, head, payload_bytes)?;
        log.make_room(self.sink.as_ref(), frame.next_offset(), false)?;
        let encoded = frame.encode(&self.header.pack_id);
        let mut body = Vec::with_capacity(payload.len().saturating_add(1));
        body.push(head);
        body.extend(payload.iter().map(AsRef::as_ref));
        log.write(self.sink.as_ref(), &self.syncer, &encoded, &frame, &body)?;
        log.chain.frame(&encoded);
        self.publish(log.end);
        Ok(frame)
    }

    /// To be called after appending, without any lock: waits while too much is written and not
    /// durable.
    ///
    /// # Errors
    /// [`PackError::Poisoned`].
    pub fn throttle(&self) -> Result<(), PackError> {
        let end = self.end();
        let unsynced = end.saturating_sub(self.syncer.synced());
        if unsynced > SYNC_AHEAD_BYTES {
            self.syncer.kick();
        }
        if unsynced > MAX_UNSYNCED_BYTES {
            self.syncer.wait(end.saturating_sub(MAX_UNSYNCED_BYTES))?;
        }
        Ok(())
    }

    /// Appends a commit; [`Pack::sync`] makes it durable. No mutations make a seal.
    ///
    /// # Errors
    /// As for [`Pack::append`]. With `may_use_reserve` the last space of a full disk may be used:
    /// for commits that free space.
    pub fn append_commit(
        &self,
        mutations: &[Mutation],
        time_ms: u64,
        may_use_reserve: bool,
    ) -> Result<Tail, PackError> {
        self.writable()?;
        let mut log = self.log.lock();
        let head = CommitHead {
            durable_upto: self.syncer.synced(),
            time_ms,
            previous: log.position.commit,
            mutations: 0,
            chain: [0; 32],
        };
        let (body, value) = commit::encode(&head, mutations, &log.chain);
        let frame = log.next_frame(Kind::Commit, &body, 0)?;
        log.make_room(self.sink.as_ref(), frame.next_offset(), may_use_reserve)?;
        let encoded = frame.encode(&self.header.pack_id);
        log.write(self.sink.as_ref(), &self.syncer, &encoded, &frame, &[&body])?;
        log.position = Position {
            offset: log.end,
            seq: frame.seq.saturating_add(1),
            chain: value,
            commit: frame.offset,
            sealed: mutations.is_empty(),
        };
        log.chain = Chain::after(&value);
        self.publish(log.end);
        Ok(Tail {
            position: log.position,
        })
    }

    /// Waits until a commit is durable.
    ///
    /// # Errors
    /// [`PackError::Poisoned`]: it is in doubt whether the commit is.
    pub fn sync(&self, tail: &Tail) -> Result<(), PackError> {
        self.syncer.wait(tail.position.offset)
    }

    /// Waits until everything below `upto`, which must be written, is durable.
    ///
    /// # Errors
    /// [`PackError::Poisoned`].
    pub fn sync_upto(&self, upto: u64) -> Result<(), PackError> {
        self.syncer.wait(upto)
    }

    /// The place behind the last commit that was appended.
    pub fn position(&self) -> Position {
        self.log.lock().position
    }

    /// Whether the last record is a seal: nothing was appended since.
    pub fn is_sealed(&self) -> bool {
        let log = self.log.lock();
        log.position.sealed && log.end == log.position.offset
    }

    /// Length of the log in bytes.
    pub fn end(&self) -> u64 {
        self.log.lock().end
    }

    fn publish(&self, end: u64) {
        // ORDER: readable before the syncer may count it, and both under the log's lock, so that
        // neither ever sees the middle of a record.
        self.source.publish(end);
        self.syncer.written(end);
    }

    /// Whether writes are allowed now.
    ///
    /// # Errors
    /// [`PackError::ReadOnly`], [`PackError::Poisoned`], [`PackError::Replaced`].
    pub fn writable(&self) -> Result<(), PackError> {
        if self.is_replaced() {
            return Err(PackError::Replaced);
        }
        if let Some(why) = self.read_only {
            return Err(PackError::ReadOnly(why));
        }
        match self.syncer.poisoned() {
            Some(reason) => Err(PackError::Poisoned(reason)),
            None => Ok(()),
        }
    }

    /// Bytes free on the file system, where that is known.
    pub fn free(&self) -> Option<u64> {
        self.sink.free()
    }

    /// Whether `bytes` more would surely not fit, as far as the file system tells.
    pub fn lacks_room(&self, bytes: u64) -> bool {
        let needed = bytes.saturating_add(RESERVE_BYTES);
        self.sink.free().is_some_and(|free| free < needed)
    }
}
