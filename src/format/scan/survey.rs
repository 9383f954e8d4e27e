//! Where the good log ends.

use std::collections::VecDeque;

use super::{Damage, Position, ScanError, View, check_record, frame_at, head_of, note, search};
use crate::format::commit::{self, Chain, CommitHead};
use crate::format::record::{ALIGN, Frame, Kind};
use crate::format::{FormatError, PackId};

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
