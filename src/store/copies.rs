//! Copies of a pack that follow it: what a copy lacks, and taking that in.
//!
//! A copy is a prefix of its pack that ends behind a commit, so it is a store of its own. The chain
//! value of its last commit stands for all of its history: who has the same commit with the same
//! value has the same bytes up to there, and what lies behind may be appended.
//!
//! **Crash points.** While bytes are appended, a note beside the copy says where its own end is, and
//! whoever opens it cuts there. It is taken away when all bytes are durable and their chain was
//! computed anew. So a copy never ends within a group of commits of which a later one claims that an
//! earlier one is durable, which would look like damage.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::StoreError;
use super::core::Store;
use super::gc::freed_ranges;
use crate::format::Sha256;
use crate::format::header::{HEADER_BYTES, PackHeader};
use crate::format::meta::Mutation;
use crate::format::scan::{self, Position, Record};
use crate::index::Rows;
use crate::pack::{self, Medium, PackError, Sink, Source};

/// Bytes handed over at once.
const PIECE_BYTES: u64 = 1 << 20;
/// Bytes appended to a copy between two syncs.
const UNSYNCED_BYTES: u64 = 64 << 20;

/// Transfers to copies that run. Nothing is punched meanwhile: what is freed behind the last commit that
/// is sent is alive in the copy.
#[derive(Default)]
pub(super) struct Transfers {
    /// Held while a transfer begins, and while holes are punched.
    gate: Mutex<()>,
    running: Arc<AtomicUsize>,
}

/// A transfer; it ends when dropped. That waits for nobody: it may happen on an async thread.
struct Transfer(Arc<AtomicUsize>);

impl Transfers {
    fn begin(&self) -> Transfer {
        let _gate = self.gate.lock();
        self.running.fetch_add(1, Ordering::AcqRel);
        Transfer(Arc::clone(&self.running))
    }

    /// Does what must not be done beside a transfer, of which none begins meanwhile; `None` when one
    /// runs.
    pub(super) fn unless_any<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let _gate = self.gate.lock();
        (self.running.load(Ordering::Acquire) == 0).then(work)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A stretch of a pack, in pieces of a mebibyte. Nothing is punched while it lives.
pub struct Stretch {
    _transfer: Option<Transfer>,
    source: Arc<dyn Source>,
    at: u64,
    end: u64,
}

impl Stretch {
    /// Bytes that are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.end - self.at
    }
}

impl Iterator for Stretch {
    type Item = Result<Bytes, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let len = PIECE_BYTES.min(self.left());
        if len == 0 {
            return None;
        }
        let offset = self.at;
        let piece = usize::try_from(len).map_err(std::io::Error::other);
        let piece = piece.and_then(|len| self.source.read(offset, len));
        self.at = match piece {
            Ok(_) => offset + len,
            Err(_) => self.end,
        };
        let failed = |source| io("reading the pack", offset, source);
        Some(piece.map_err(failed))
    }
}

/// The end of a copy: its last commit, and the chain value there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyEnd {
    /// Offset of the frame of the last commit; 0 when there is none yet.
    pub commit: u64,
    /// Chain value behind it.
    pub chain: Sha256,
}

impl Store {
    /// What a copy that ends so lacks of what is durable now; `None` asks for all. `Ok(None)` when
    /// that is no copy of this pack.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn lacking(&self, copy: Option<&CopyEnd>) -> Result<Option<Stretch>, StoreError> {
        // ORDER: begun before it is seen where the log ends. What the index covers is synced.
        let transfer = self.core.transfers.begin();
        let durable = self.core.reader()?.checkpoint()?;
        let end = durable.map_or(HEADER_BYTES as u64, |durable| durable.position.offset);
        let source = self.core.pack.source();
        let pack_id = self.core.pack.header().pack_id;
        let found = stretch(source, &pack_id, copy, end);
        Ok(found.map(|stretch| Stretch {
            _transfer: Some(transfer),
            ..stretch
        }))
    }
}

fn stretch(
    source: Arc<dyn Source>,
    pack_id: &crate::format::PackId,
    copy: Option<&CopyEnd>,
    end: u64,
) -> Option<Stretch> {
    let at = match copy {
        None => 0,
        Some(copy) => {
            let found = scan::position_behind(source.as_ref(), pack_id, copy.commit)?;
            (found.chain == copy.chain && found.offset <= end).then_some(found.offset)?
        }
    };
    Some(Stretch {
        _transfer: None,
        source,
        at,
        end,
    })
}

/// A pack that is not served: a copy, or what is copied from.
pub struct Copy {
    path: PathBuf,
    medium: Medium,
    header: PackHeader,
    end: Position,
}

impl Copy {
    /// Opens and locks a pack; `None` when there is none. Reads its log from the start, and leaves what
    /// is behind its last commit as it is.
    ///
    /// # Errors
    /// [`StoreError::Pack`]; [`StoreError::Damaged`] when its log is damaged.
    pub fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let medium = Medium::open_file(path)?;
        medium.map(|medium| Self::open_on(path, medium)).transpose()
    }

    /// Opens the pack on a medium; the note of [`Copy::extend`] is made beside `path`.
    ///
    /// # Errors
    /// As for [`Copy::open`].
    pub fn open_on(path: &Path, medium: Medium) -> Result<Self, StoreError> {
        let header = medium.header()?;
        let start = medium.start()?;
        let end = continued(&medium, &header, start)?;
        Ok(Self {
            path: path.to_owned(),
            medium,
            header,
            end,
        })
    }

    /// Makes an empty copy of the pack with these first bytes, where no file is.
    ///
    /// # Errors
    /// [`StoreError::Pack`].
    pub fn create(path: &Path, header: &[u8]) -> Result<Self, StoreError> {
        let header = PackHeader::decode(header).map_err(|e| StoreError::damaged(0, &e))?;
        let medium = Medium::create_file(path, &header)?;
        let end = medium.start()?;
        Ok(Self {
            path: path.to_owned(),
            medium,
            header,
            end,
        })
    }

    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> CopyEnd {
        CopyEnd {
            commit: self.end.commit,
            chain: self.end.chain,
        }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.end.offset
    }

    /// The sequence number of its last record.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.end.seq.saturating_sub(1)
    }

    /// What another copy of the same pack lacks of this one; see [`Store::lacking`].
    #[must_use]
    pub fn lacking(&self, copy: Option<&CopyEnd>) -> Option<Stretch> {
        let source = Arc::clone(&self.medium.source);
        stretch(source, &self.header.pack_id, copy, self.end.offset)
    }

    /// Appends what lies behind its end in the pack that it is a copy of, and gives how many bytes
    /// that were. What came whole before `pieces` broke off, or the disk was full, stays; of what is no
    /// continuation nothing does. After a failed sync nothing that came counts: who opens the copy next
    /// cuts it.
    ///
    /// # Errors
    /// What `pieces` broke off with; [`StoreError::Damaged`] for what is no continuation;
    /// [`StoreError::Pack`], for a full disk too.
    pub fn extend(
        &mut self,
        pieces: impl Iterator<Item = Result<Bytes, StoreError>>,
    ) -> Result<u64, StoreError> {
        let before = self.end.offset;
        pack::incomplete(&self.path, before)?;
        self.cut(before)?;
        let (upto, broken) = self.append(pieces)?;
        // ORDER: durable before the note goes. A failed sync is not tried again: the note stays.
        sync(self.medium.sink.as_ref(), before)?;
        self.medium.source.publish(upto);
        let found = continued(&self.medium, &self.header, self.end);
        let end = found.as_ref().map_or(before, |found| found.offset);
        self.cut(end)?;
        pack::complete(&self.path)?;
        self.end = found?;
        self.punch(before)?;
        match broken {
            Some(error) => Err(error),
            None if upto == end => Ok(end - before),
            None => Err(StoreError::Damaged {
                offset: end,
                why: "what came does not continue the copy".to_owned(),
            }),
        }
    }

    /// Cuts what is behind `end`, if there is anything.
    fn cut(&self, end: u64) -> Result<(), StoreError> {
        let sink = self.medium.sink.as_ref();
        let size = sink.size();
        if size.map_err(|source| io("asking for the size", end, source))? > end {
            let cut = sink.truncate(end);
            cut.map_err(|source| io("cutting the copy", end, source))?;
            sync(sink, end)?;
        }
        self.medium.source.publish(end);
        Ok(())
    }

    /// Gives the space back that commits behind `from` have freed, as far as the file system can.
    fn punch(&self, from: u64) -> Result<(), StoreError> {
        let (view, pack_id) = (self.medium.source.as_ref(), &self.header.pack_id);
        let (sink, end) = (self.medium.sink.as_ref(), self.end.offset);
        let mut punched = Ok(0);
        scan::replay::<_, StoreError>(view, pack_id, from, end, |record| {
            let Record::Commit(_, _, mutations) = record else {
                return Ok(());
            };
            for mutation in mutations {
                let Mutation::Freed(freed) = mutation else {
                    continue;
                };
                for range in freed
                    .records
                    .iter()
                    .flat_map(|one| freed_ranges(view, pack_id, one))
                {
                    if let Ok(sum) = punched {
                        punched = pack::punch(sink, &range).map(|bytes| sum + bytes);
                    }
                }
            }
            Ok(())
        })?;
        match punched {
            Ok(0) => Ok(()),
            Ok(_) => sync(sink, end),
            Err(error) => {
                tracing::warn!(%error, "freed space is not given back to the file system");
                Ok(())
            }
        }
    }

    /// Writes pieces behind the end; gives where they end, and what they broke off with, or the disk did.
    ///
    /// # Errors
    /// A failed sync: nothing that was written counts.
    fn append(
        &self,
        pieces: impl Iterator<Item = Result<Bytes, StoreError>>,
    ) -> Result<(u64, Option<StoreError>), StoreError> {
        let sink = self.medium.sink.as_ref();
        let (mut at, mut synced) = (self.end.offset, self.end.offset);
        for piece in pieces {
            let written = piece.and_then(|piece| {
                let written = sink.write_at(at, &[IoSlice::new(&piece)]);
                written.map_err(|source| io("writing the copy", at, source))?;
                Ok(piece.len() as u64)
            });
            match written {
                Ok(bytes) => at += bytes,
                Err(error) => return Ok((at, Some(error))),
            }
            if at - synced >= UNSYNCED_BYTES {
                sync(sink, at)?;
                synced = at;
            }
        }
        Ok((at, None))
    }
}

/// Behind the last commit that follows on `from`.
fn continued(medium: &Medium, header: &PackHeader, from: Position) -> Result<Position, StoreError> {
    let survey = scan::survey(medium.source.as_ref(), &header.pack_id, from, |_| {})?;
    match survey.corrupt.into_iter().next() {
        None => Ok(survey.end),
        Some(damage) => Err(StoreError::Damaged {
            offset: damage.offset,
            why: damage.reason,
        }),
    }
}

fn sync(sink: &dyn Sink, offset: u64) -> Result<(), StoreError> {
    let synced = sink.sync();
    synced.map_err(|source| io("syncing the copy", offset, source))
}

fn io(action: &'static str, offset: u64, source: std::io::Error) -> StoreError {
    PackError::Io {
        action,
        offset,
        source,
    }
    .into()
}
