//! Finding single commits in a log.

use bytes::Bytes;

use super::{Position, ScanError, View, each_frame, frame_at, head_of};
use crate::format::PackId;
use crate::format::commit::{self, CommitHead};
use crate::format::header::HEADER_BYTES;
use crate::format::record::{Frame, Kind};

/// The commit whose frame is at `offset`, if there is one.
pub fn commit_at<V: View + ?Sized>(
    view: &V,
    pack_id: &PackId,
    offset: u64,
) -> Option<(Frame, CommitHead)> {
    let (frame, _) = frame_at(view, pack_id, offset).ok()?.ok()?;
    let body = head_of(view, &frame).ok()?.ok()?;
    let head = commit::decode_head(&body).ok()?;
    (frame.kind == Kind::Commit).then_some((frame, head))
}

/// The place behind the commit whose frame is at `commit`; behind the pack header for 0.
pub fn position_behind<V: View + ?Sized>(
    view: &V,
    pack_id: &PackId,
    commit: u64,
) -> Option<Position> {
    if commit == 0 {
        return Some(Position::start(&header_of(view)?));
    }
    let (frame, head) = commit_at(view, pack_id, commit)?;
    Some(behind(&frame, &head))
}

/// The place behind the last commit from the start of the log on for which, and for all before,
/// `wanted` holds; `None` when it does not hold for the first.
///
/// # Errors
/// [`ScanError`].
pub fn last_commit<V: View + ?Sized>(
    view: &V,
    pack_id: &PackId,
    wanted: impl Fn(&Frame, &CommitHead) -> bool,
) -> Result<Option<Position>, ScanError> {
    let (mut last, mut over) = (None, false);
    let from = HEADER_BYTES as u64;
    each_frame::<_, ScanError>(view, pack_id, from, view.len(), |frame| {
        if frame.kind == Kind::Commit
            && !over
            && let Some((frame, head)) = commit_at(view, pack_id, frame.offset)
        {
            match wanted(&frame, &head) {
                true => last = Some(behind(&frame, &head)),
                false => over = true,
            }
        }
        Ok(())
    })?;
    Ok(last)
}

fn header_of<V: View + ?Sized>(view: &V) -> Option<Bytes> {
    match view.len() < HEADER_BYTES as u64 {
        true => None,
        false => view.read(0, HEADER_BYTES).ok(),
    }
}

fn behind(frame: &Frame, head: &CommitHead) -> Position {
    Position {
        offset: frame.next_offset(),
        seq: frame.seq.saturating_add(1),
        chain: head.chain,
        commit: frame.offset,
        sealed: head.mutations == 0,
    }
}
