//! Reading a log whose end, or middle, may be broken. Pure: it looks at bytes and never writes.
//!
//! The rule (DESIGN.md, "Opening"): a bad record at `p` is **corrupt** iff a valid later commit
//! proves by its `durable_upto > p` that it was once safely on disk; else everything from `p` on
//! is a **torn** tail. "Something valid follows" proves nothing, because write-back may persist
//! later records without earlier ones.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use sha2::{Digest, Sha256 as Hasher};
use thiserror::Error;

use super::commit::{self, Chain, CommitHead};
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

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Behind the last good commit; what follows is to be cut.
    pub end: Position,
    /// Everything below was synced, as a commit (or the caller's checkpoint) proves.
    pub proven: u64,
    /// Why the log ends before the file does.
    pub torn: Option<Damage>,
    /// Places below `proven` that are damaged, in rising order.
    pub corrupt: Vec<Damage>,
    /// Good records seen.
    pub records: u64,
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

/// Walks frames in order; knows the chain while it is unbroken.
struct Walk<'v, V: ?Sized> {
    view: &'v V,
    pack_id: &'v PackId,
    at: u64,
    /// Expected sequence number; unknown behind a damaged frame.
    seq: Option<u64>,
    /// Unknown behind damage, until the next commit.
    chain: Option<Chain>,
}

enum Step {
    End,
    Bad(u64, FormatError),
    Frame(Frame),
    Commit(Position, CommitHead),
}

impl<'v, V: View + ?Sized> Walk<'v, V> {
    fn new(view: &'v V, pack_id: &'v PackId, from: &Position) -> Self {
        Self {
            view,
            pack_id,
            at: from.offset,
            seq: Some(from.seq),
            chain: Some(Chain::after(&from.chain)),
        }
    }

    fn step(&mut self) -> Result<Step, ScanError> {
        if self.at >= self.view.len() {
            return Ok(Step::End);
        }
        let at = self.at;
        let (frame, bytes) = match frame_at(self.view, self.pack_id, at)? {
            Ok(found) => found,
            Err(error) => return self.lost(at, error),
        };
        if self.seq.is_some_and(|seq| seq != frame.seq) {
            let error = FormatError::Invalid {
                what: "frame",
                why: "its sequence number does not follow",
            };
            return self.lost(at, error);
        }
        self.seq = Some(frame.seq.saturating_add(1));
        self.at = frame.next_offset();
        if frame.kind == Kind::Commit {
            return self.commit(&frame);
        }
        if let (Some(chain), Ok(bytes)) = (&mut self.chain, bytes.as_ref().try_into()) {
            chain.frame(bytes);
        }
        Ok(Step::Frame(frame))
    }

    /// No frame at `at`: goes on at the next good one.
    fn lost(&mut self, at: u64, error: FormatError) -> Result<Step, ScanError> {
        self.chain = None;
        self.seq = None;
        self.at = search(self.view, self.pack_id, at.saturating_add(ALIGN))?
            .unwrap_or_else(|| self.view.len());
        Ok(Step::Bad(at, error))
    }

    fn commit(&mut self, frame: &Frame) -> Result<Step, ScanError> {
        let checked = head_of(self.view, frame)?.and_then(|body| {
            let head = commit::decode_head(&body)?;
            let invalid = |why| {
                Err(FormatError::Invalid {
                    what: "commit",
                    why,
                })
            };
            if head.durable_upto > frame.offset {
                return invalid("it claims to be durable itself");
            }
            match &self.chain {
                Some(chain) if chain.value(&body) != head.chain => {
                    invalid("the chain of history breaks here")
                }
                _ => Ok(head),
            }
        });
        let head = match checked {
            Ok(head) => head,
            Err(error) => {
                self.chain = None;
                return Ok(Step::Bad(frame.offset, error));
            }
        };
        self.chain = Some(Chain::after(&head.chain));
        let behind = Position {
            offset: frame.next_offset(),
            seq: frame.seq.saturating_add(1),
            chain: head.chain,
            commit: frame.offset,
            sealed: head.mutations == 0,
        };
        Ok(Step::Commit(behind, head))
    }
}

/// Finds where the good log ends, reading frames and commits from `from` on, and every byte of
/// what no commit proves to be durable.
///
/// `progress` hears the offset now and then.
///
/// # Errors
/// [`ScanError::Read`].
pub fn survey<V: View + ?Sized>(
    view: &V,
    pack_id: &PackId,
    from: Position,
    mut progress: impl FnMut(u64),
) -> Result<Survey, ScanError> {
    let mut walk = Walk::new(view, pack_id, &from);
    let mut proven = from.offset;
    let mut bad = Vec::new();
    let mut commits = VecDeque::from([from]);
    let mut records = 0_u64;
    loop {
        progress(walk.at);
        match walk.step()? {
            Step::End => break,
            Step::Bad(offset, error) => note(&mut bad, offset, &error),
            Step::Frame(_) => records = records.saturating_add(1),
            Step::Commit(behind, head) => {
                records = records.saturating_add(1);
                proven = proven.max(head.durable_upto);
                commits.push_back(behind);
                while commits.get(1).is_some_and(|next| next.offset <= proven) {
                    commits.pop_front();
                }
            }
        }
    }
    let first_bad = bad.iter().position(|d: &Damage| d.offset >= proven);
    let torn_by_frame = first_bad.and_then(|i| bad.get(i).cloned());
    bad.truncate(first_bad.unwrap_or(bad.len()));
    let start = commits.front().copied().unwrap_or(from);
    let limit = torn_by_frame.as_ref().map_or(view.len(), |d| d.offset);
    let torn_by_body = check_tail(view, pack_id, &start, proven, limit)?;
    let torn = torn_by_body.or(torn_by_frame);
    let limit = torn.as_ref().map_or(view.len(), |d| d.offset);
    let good = |p: &&Position| p.offset <= limit;
    let end = commits.iter().rfind(good).copied().unwrap_or(start);
    Ok(Survey {
        end,
        proven,
        torn: torn.or_else(|| uncommitted(view.len(), end.offset)),
        corrupt: bad,
        records,
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

fn uncommitted(len: u64, end: u64) -> Option<Damage> {
    (len > end).then(|| Damage {
        offset: end,
        reason: "records behind the last commit".to_owned(),
    })
}

/// Checks every byte between `proven`, which lies behind `start`, and `limit`; gives the first
/// record that is bad. What is proven is not looked into: where a payload lies in the log must not
/// decide whether a flipped bit in it closes the store for writing.
fn check_tail<V: View + ?Sized>(
    view: &V,
    pack_id: &PackId,
    start: &Position,
    proven: u64,
    limit: u64,
) -> Result<Option<Damage>, ScanError> {
    let mut walk = Walk::new(view, pack_id, start);
    while walk.at < limit {
        let at = walk.at;
        match walk.step()? {
            Step::End => break,
            Step::Bad(..) | Step::Commit(..) => {}
            Step::Frame(_) if at < proven => {}
            Step::Frame(frame) => {
                if let Err(error) = check_record(view, &frame, |_, _, _, _, _| {})? {
                    let reason = error.to_string();
                    return Ok(Some(Damage { offset: at, reason }));
                }
            }
        }
    }
    Ok(None)
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
    mut visit: impl FnMut(Record) -> Result<(), E>,
) -> Result<Vec<Damage>, E> {
    let mut damages = Vec::new();
    let lost = each_frame::<_, E>(view, pack_id, from, end, |frame| {
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
