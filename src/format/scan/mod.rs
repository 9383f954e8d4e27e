//! Reading a log whose end, or middle, may be broken. Pure: it looks at bytes and never writes.
//!
//! The rule (DESIGN.md, "Opening"): a bad record at `p` is **corrupt** iff a valid later commit
//! proves by its `durable_upto > p` that it was once safely on disk; else everything from `p` on
//! is a **torn** tail. "Something valid follows" proves nothing, because write-back may persist
//! later records without earlier ones.

mod commits;
mod survey;

pub use commits::{commit_at, last_commit, position_behind};
pub use survey::{Survey, survey};

use std::io;

use bytes::Bytes;
use sha2::{Digest, Sha256 as Hasher};
use thiserror::Error;

use super::commit::{self, CommitHead};
use super::meta::Mutation;
use super::record::{ALIGN, FRAME_BYTES, Frame, Kind, MAGIC};
use super::segment::{self, Entry};
use super::{FormatError, PackId, Sha256, header};

/// Bytes searched at once for the next good record.
const SEARCH_BYTES: u64 = 1 << 20;
/// [`ALIGN`] as a length.
const WORD: usize = 8;
/// Damages listed at most; a wholly ruined pack must not fill the memory.
const MAX_DAMAGES: usize = 10_000;

/// Random access to the bytes of a pack.
pub trait View {
    /// Length in bytes.
    fn len(&self) -> u64;
    /// Whether there are no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The `len` bytes at `offset`; the caller stays within [`View::len`].
    ///
    /// # Errors
    /// Whatever the medium says.
    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes>;
    /// The same bytes, if they are in memory: nothing is waited for.
    fn read_now(&self, _offset: u64, _len: usize) -> Option<Bytes> {
        None
    }
    /// A copy of the same bytes, if they are in memory: nothing is waited for.
    fn copy_now(&self, _offset: u64, _len: usize) -> Option<Bytes> {
        None
    }
}

/// A place behind a commit (or behind the pack header), and all that is needed to go on there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Offset of the next record.
    pub offset: u64,
    /// Sequence number of the next record.
    pub seq: u64,
    /// Chain value of the commit before it.
    pub chain: Sha256,
    /// Offset of that commit's frame; 0 when there is none.
    pub commit: u64,
    /// Whether that commit is a seal.
    pub sealed: bool,
}

impl Position {
    /// The start of a pack with this header.
    #[must_use]
    pub fn start(pack_header: &[u8]) -> Self {
        Self {
            offset: header::HEADER_BYTES as u64,
            seq: 0,
            chain: Hasher::digest(pack_header).into(),
            commit: 0,
            sealed: true,
        }
    }
}

/// A place where the log is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Offset in the pack.
    pub offset: u64,
    /// What is wrong there.
    pub reason: String,
}

/// The first `len` bytes of another view.
pub struct Prefix<'v, V: ?Sized> {
    /// The whole.
    pub view: &'v V,
    /// How much of it is seen, in bytes.
    pub len: u64,
}

impl<V: View + ?Sized> View for Prefix<'_, V> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.view.read(offset, len)
    }
}

/// Why a pack cannot be scanned.
#[derive(Debug, Error)]
pub enum ScanError {
    /// The medium failed.
    #[error("reading the pack at offset {offset}: {source}")]
    Read {
        /// Where.
        offset: u64,
        /// What the medium said.
        source: io::Error,
    },
    /// The pack needs a newer reader.
    #[error("record at offset {offset}: {source}")]
    Unsupported {
        /// Where.
        offset: u64,
        /// What is not known.
        source: FormatError,
    },
}

/// One good record.
#[derive(Debug)]
pub enum Record {
    /// A segment and its table.
    Segment(Frame, Vec<Entry>),
    /// A leaf; its body was not read.
    Leaf(Frame),
    /// A root; its body was not read.
    Root(Frame),
    /// A commit.
    Commit(Frame, CommitHead, Vec<Mutation>),
    /// A kind that may be skipped.
    Skipped(Frame),
}

/// Reads bytes, and says where when it fails.
fn read<V: View + ?Sized>(view: &V, offset: u64, len: usize) -> Result<Bytes, ScanError> {
    view.read(offset, len)
        .map_err(|source| ScanError::Read { offset, source })
}

/// The frame at `offset` and its bytes, if the whole record lies within the view.
fn frame_at<V: View + ?Sized>(
    view: &V,
    pack_id: &PackId,
    offset: u64,
) -> Result<Result<(Frame, Bytes), FormatError>, ScanError> {
    let left = view.len().saturating_sub(offset);
    if left < FRAME_BYTES as u64 {
        return Ok(Err(FormatError::Truncated { what: "frame" }));
    }
    let bytes = read(view, offset, FRAME_BYTES)?;
    Ok(match Frame::decode(&bytes, pack_id, offset) {
        Ok(frame) if frame.next_offset() > view.len() => {
            Err(FormatError::Truncated { what: "record" })
        }
        Ok(frame) => Ok((frame, bytes)),
        Err(error) => Err(error),
    })
}

/// Offset of the first good frame at or behind `from`.
fn search<V: View + ?Sized>(
    view: &V,
    pack_id: &PackId,
    from: u64,
) -> Result<Option<u64>, ScanError> {
    let mut base = super::record::align_up(from);
    while base.saturating_add(FRAME_BYTES as u64) <= view.len() {
        let window = SEARCH_BYTES.min(view.len().saturating_sub(base));
        let bytes = read(view, base, usize::try_from(window).unwrap_or(0))?;
        for (i, word) in bytes.chunks_exact(WORD).enumerate() {
            if word.starts_with(&MAGIC) {
                let at = base.saturating_add((i as u64).saturating_mul(ALIGN));
                if frame_at(view, pack_id, at)?.is_ok() {
                    return Ok(Some(at));
                }
            }
        }
        base = super::record::align_up(base.saturating_add(window));
    }
    Ok(None)
}

/// The digested front part of a record, if it fits its digest.
fn head_of<V: View + ?Sized>(
    view: &V,
    frame: &Frame,
) -> Result<Result<Bytes, FormatError>, ScanError> {
    let head = read(view, frame.body_offset(), frame.head_bytes as usize)?;
    let digest: Sha256 = Hasher::digest(&head).into();
    if digest == frame.digest {
        Ok(Ok(head))
    } else {
        Ok(Err(FormatError::Checksum {
            what: kind_name(frame.kind),
        }))
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Segment => "segment table",
        Kind::Leaf => "leaf",
        Kind::Root => "root",
        Kind::Commit => "commit",
        Kind::Snapshot => "snapshot",
        Kind::Other(_) => "record",
    }
}

/// Checks every byte of a record that a digest or checksum covers; `chunk` hears of each chunk of
/// a segment (payload offset, entry offset, entry, whether the CRC fits).
///
/// # Errors
/// [`ScanError::Read`]; what is wrong with the bytes is the inner result.
pub fn check_record<V: View + ?Sized>(
    view: &V,
    frame: &Frame,
    chunk: impl FnMut(u64, u64, &Entry, &Bytes, bool),
) -> Result<Result<(), FormatError>, ScanError> {
    check_record_but(view, frame, |_| false, chunk)
}

/// Like [`check_record`], but for the payloads of those places in a segment's table that were freed.
///
/// # Errors
/// [`ScanError::Read`]; what is wrong with the bytes is the inner result.
pub fn check_record_but<V: View + ?Sized>(
    view: &V,
    frame: &Frame,
    freed: impl Fn(usize) -> bool,
    mut chunk: impl FnMut(u64, u64, &Entry, &Bytes, bool),
) -> Result<Result<(), FormatError>, ScanError> {
    let head = match head_of(view, frame)? {
        Ok(head) => head,
        Err(error) => return Ok(Err(error)),
    };
    if frame.kind != Kind::Segment {
        return Ok(Ok(()));
    }
    let entries = match segment::decode_table(&head, frame.body_bytes) {
        Ok(entries) => entries,
        Err(error) => return Ok(Err(error)),
    };
    let mut good = true;
    for (payload, own, entry) in segment::layout(frame, entries) {
        if freed(usize::from(entry.index)) {
            continue;
        }
        let bytes = read(view, payload, entry.stored_len as usize)?;
        let fits = crc32fast::hash(&bytes) == entry.crc32;
        good &= fits;
        chunk(payload, own, &entry, &bytes, fits);
    }
    Ok(if good {
        Ok(())
    } else {
        Err(FormatError::Checksum {
            what: "chunk payload",
        })
    })
}

fn note(list: &mut Vec<Damage>, offset: u64, error: &FormatError) {
    if list.len() < MAX_DAMAGES {
        list.push(Damage {
            offset,
            reason: error.to_string(),
        });
    }
}

/// Hands every good record from `from` up to `end` to `visit`, heads read and payloads skipped,
/// and gives the damages that it stepped over.
///
/// # Errors
/// [`ScanError`], or what `visit` returns.
pub fn replay<V: View + ?Sized, E: From<ScanError>>(
    view: &V,
    pack_id: &PackId,
    from: u64,
    end: u64,
    visit: impl FnMut(Record) -> Result<(), E>,
) -> Result<Vec<Damage>, E> {
    replay_wanted(view, pack_id, from, end, |_| true, visit)
}

/// [`replay`] of the records whose frames `wants` asks for; of all others only the frames are read.
///
/// # Errors
/// [`ScanError`], or what `visit` returns.
pub fn replay_wanted<V: View + ?Sized, E: From<ScanError>>(
    view: &V,
    pack_id: &PackId,
    from: u64,
    end: u64,
    mut wants: impl FnMut(&Frame) -> bool,
    mut visit: impl FnMut(Record) -> Result<(), E>,
) -> Result<Vec<Damage>, E> {
    let mut damages = Vec::new();
    let lost = each_frame::<_, E>(view, pack_id, from, end, |frame| {
        if !wants(frame) {
            return Ok(());
        }
        match record(view, frame)? {
            Ok(record) => visit(record)?,
            Err(source @ FormatError::Unsupported { .. }) => {
                let offset = frame.offset;
                return Err(ScanError::Unsupported { offset, source }.into());
            }
            Err(error) => note(&mut damages, frame.offset, &error),
        }
        Ok(())
    })?;
    damages.extend(lost);
    damages.sort_by_key(|d| d.offset);
    Ok(damages)
}

/// Hands every good frame from `from` up to `end` to `visit`, and gives the places where there was
/// none.
///
/// # Errors
/// [`ScanError::Read`], or what `visit` returns.
pub fn each_frame<V: View + ?Sized, E: From<ScanError>>(
    view: &V,
    pack_id: &PackId,
    from: u64,
    end: u64,
    mut visit: impl FnMut(&Frame) -> Result<(), E>,
) -> Result<Vec<Damage>, E> {
    let mut lost = Vec::new();
    let mut at = from;
    while at < end {
        match frame_at(view, pack_id, at)? {
            Ok((frame, _)) => {
                visit(&frame)?;
                at = frame.next_offset();
            }
            Err(error) => {
                note(&mut lost, at, &error);
                at = search(view, pack_id, at.saturating_add(ALIGN))?.unwrap_or(end);
            }
        }
    }
    Ok(lost)
}

fn record<V: View + ?Sized>(
    view: &V,
    frame: &Frame,
) -> Result<Result<Record, FormatError>, ScanError> {
    Ok(match frame.kind {
        Kind::Segment => head_of(view, frame)?
            .and_then(|table| segment::decode_table(&table, frame.body_bytes))
            .map(|entries| Record::Segment(*frame, entries)),
        Kind::Commit => head_of(view, frame)?
            .and_then(|body| commit::decode(&body))
            .map(|(head, mutations)| Record::Commit(*frame, head, mutations)),
        Kind::Leaf => Ok(Record::Leaf(*frame)),
        Kind::Root => Ok(Record::Root(*frame)),
        kind if frame.critical => Err(FormatError::Unsupported {
            what: "record",
            why: format!("kind {}", kind.code()),
        }),
        _ => Ok(Record::Skipped(*frame)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A view that has no more than it must.
    struct Zeros(u64);

    impl View for Zeros {
        fn len(&self) -> u64 {
            self.0
        }

        fn read(&self, _: u64, len: usize) -> io::Result<Bytes> {
            Ok(vec![0; len].into())
        }
    }

    #[test]
    fn a_view_need_not_know_what_is_in_memory() {
        assert!(Zeros(0).is_empty());
        assert!(!Zeros(3).is_empty());
        assert_eq!(Zeros(3).read_now(0, 3), None);
        assert_eq!(Zeros(3).copy_now(0, 3), None);
    }

    #[test]
    fn a_ruined_pack_does_not_fill_the_memory_with_its_damages() {
        let mut list = Vec::new();
        let error = FormatError::Truncated { what: "frame" };
        for offset in 0..MAX_DAMAGES as u64 + 3 {
            note(&mut list, offset, &error);
        }
        assert_eq!(list.len(), MAX_DAMAGES);
        assert_eq!(list.last().unwrap().offset, MAX_DAMAGES as u64 - 1);
    }
}
