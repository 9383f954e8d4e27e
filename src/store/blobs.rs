//! Reading contents: windows of the map, checked before they are handed out.

use std::sync::Arc;

use bytes::Bytes;

use super::StoreError;
use super::core::Core;
use super::gc::Pins;
use super::manifests::Pieces;
use crate::format::codec;
use crate::format::manifest::Piece;
use crate::format::meta::ManifestRef;
use crate::metrics;

/// Bytes handed out at once, about.
const WINDOW_BYTES: u64 = 1 << 20;
/// So much is handed out at once where it is checked: half of what a processor has for itself.
const NEAR_BYTES: u64 = 256 << 10;
/// So much is copied out of the page cache at once, rather than mapped and held until it is sent.
const COPIED_BYTES: u64 = 16 << 10;
/// Pieces in a window at most.
const WINDOW_PIECES: usize = 1024;

/// Reads a range of a content from front to back. Every chunk it hands out a part of was checked
/// against its CRC as a whole.
pub struct BlobReader {
    core: Arc<Core>,
    /// Holds the content, for as long as the reader or bytes of it live.
    pins: Pins,
    pieces: Pieces,
    at: u64,
    end: u64,
}

/// The bytes `range` of a content, if they and the way to them are in memory, and sound. The caller
/// holds what the content leads to.
pub(super) fn read_now(
    core: &Arc<Core>,
    manifest: &ManifestRef,
    range: std::ops::Range<u64>,
) -> Option<Bytes> {
    let mut pieces = Pieces::new(manifest);
    let mut at = range.start;
    let runs = runs(&mut at, range.end..range.end, |at| pieces.at_now(core, at)).ok()?;
    if at < range.end {
        return None;
    }
    let view = core.pack.view();
    let len: u64 = runs.iter().map(|run| run.len).sum();
    if len <= COPIED_BYTES || runs.len() > 1 {
        let mut whole = Vec::new();
        for run in &runs {
            let bytes = view.copy_now(run.offset, to_usize(run.len))?;
            let wanted = run.fits(&bytes).then(|| run.wanted(&bytes))?;
            if runs.len() == 1 {
                return Some(wanted);
            }
            whole.extend_from_slice(&wanted);
        }
        return Some(whole.into());
    }
    let run = runs.first()?;
    let bytes = view.read_now(run.offset, to_usize(run.len))?;
    run.fits(&bytes).then(|| {
        let pins = core.space.guard();
        pins.hold(manifest);
        let bytes = run.wanted(&bytes);
        Bytes::from_owner(Kept { bytes, _pins: pins })
    })
}

/// The pieces from `at` on that begin before the start of `end`, cut at the end of it; those that lie one
/// behind the other are together. `at` is moved behind them.
fn runs(
    at: &mut u64,
    end: std::ops::Range<u64>,
    mut piece_at: impl FnMut(u64) -> Result<(u64, Piece), StoreError>,
) -> Result<Vec<Run>, StoreError> {
    let mut runs: Vec<Run> = Vec::new();
    let mut count = 0;
    while *at < end.start && count < WINDOW_PIECES {
        let (start, piece) = piece_at(*at)?;
        codec::check(piece.codec).map_err(|e| StoreError::damaged(piece.pack_offset, &e))?;
        let upto = (start + u64::from(piece.raw_len)).min(end.end);
        let part = to_usize(*at - start)..to_usize(upto - start);
        match runs.last_mut() {
            Some(run) if run.offset + run.len == piece.pack_offset => run.push(piece, part),
            _ => {
                let mut run = Run::at(piece.pack_offset);
                run.push(piece, part);
                runs.push(run);
            }
        }
        *at = upto;
        count += 1;
    }
    Ok(runs)
}

/// Bytes of the map that hold the content which they are a part of: they are sent when the reader may
/// be gone.
struct Kept {
    bytes: Bytes,
    _pins: Pins,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Pieces that lie one behind the other in the pack.
struct Run {
    offset: u64,
    len: u64,
    /// Each piece, and the part of it that is wanted.
    pieces: Vec<(Piece, std::ops::Range<usize>)>,
}

impl BlobReader {
    pub(super) fn new(
        core: Arc<Core>,
        manifest: &ManifestRef,
        range: std::ops::Range<u64>,
    ) -> Self {
        let pins = core.space.guard();
        pins.hold(manifest);
        Self {
            core,
            pins,
            pieces: Pieces::new(manifest),
            at: range.start,
            end: range.end,
        }
    }

    /// Bytes that are still to come.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// The next stretch, about a mebibyte, as few slices; empty at the end. May wait for the disk.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: nothing of the stretch may be used.
    pub fn next_window(&mut self) -> Result<Vec<Bytes>, StoreError> {
        // Beyond it to the end of a piece, whose CRC would else be computed again for its rest.
        let goal = self.end.min(self.at.saturating_add(WINDOW_BYTES));
        let (core, pieces) = (&self.core, &mut self.pieces);
        let runs = runs(&mut self.at, goal..self.end, |at| pieces.at(core, at))?;
        let mut window = Vec::with_capacity(runs.len());
        for run in runs {
            self.read_run(&run, &mut window)?;
        }
        Ok(window.into_iter().map(|bytes| self.keep(bytes)).collect())
    }

    /// The next stretch, a quarter of a mebibyte, if nothing has to be waited for: what is checked is then
    /// still near the processor that sends it. `None` says nothing of the reason: [`Self::next_window`] does.
    pub fn next_window_now(&mut self) -> Option<Vec<Bytes>> {
        let mut at = self.at;
        let goal = self.end.min(at.saturating_add(NEAR_BYTES));
        let (core, pieces) = (&self.core, &mut self.pieces);
        let runs = runs(&mut at, goal..self.end, |at| pieces.at_now(core, at)).ok()?;
        let view = core.pack.view();
        let window = runs.iter().map(|run| {
            let bytes = view.read_now(run.offset, to_usize(run.len))?;
            run.fits(&bytes).then(|| self.keep(run.wanted(&bytes)))
        });
        let window: Option<Vec<Bytes>> = window.collect();
        self.at = window.as_ref().map_or(self.at, |_| at);
        window
    }

    fn keep(&self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Kept {
            bytes,
            _pins: self.pins.clone(),
        })
    }

    /// Reads and checks a run; as one slice, unless something in it is damaged.
    fn read_run(&self, run: &Run, window: &mut Vec<Bytes>) -> Result<(), StoreError> {
        let whole = self.core.pack.view().read(run.offset, to_usize(run.len));
        if let Ok(bytes) = whole
            && run.fits(&bytes)
        {
            window.push(run.wanted(&bytes));
            return Ok(());
        }
        for (piece, part) in &run.pieces {
            let bytes = match self.core.read_piece(piece) {
                Some(bytes) => bytes,
                None => self.heal(piece)?,
            };
            window.push(bytes.slice(part.clone()));
        }
        Ok(())
    }

    /// The bytes of a damaged piece from another copy.
    fn heal(&self, piece: &Piece) -> Result<Bytes, StoreError> {
        let reader = self.core.reader()?;
        let copy = self.core.relocated(&reader, piece)?;
        let bytes = copy.filter(|bytes| bytes.len() == piece.raw_len as usize);
        if bytes.is_some() {
            metrics::HEALED_READS.add(1);
        }
        bytes.ok_or_else(|| StoreError::Damaged {
            offset: piece.pack_offset,
            why: "a chunk fails its checksum".to_owned(),
        })
    }
}

impl Run {
    fn at(offset: u64) -> Self {
        Self {
            offset,
            len: 0,
            pieces: Vec::new(),
        }
    }

    fn push(&mut self, piece: Piece, part: std::ops::Range<usize>) {
        self.len += u64::from(piece.stored_len);
        self.pieces.push((piece, part));
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        self.pieces.iter().all(|(piece, part)| {
            let Some((payload, behind)) = rest.split_at_checked(piece.stored_len as usize) else {
                return false;
            };
            rest = behind;
            part.end <= payload.len() && crc32fast::hash(payload) == piece.crc32
        })
    }

    /// The wanted bytes: only the first and the last piece may be cut.
    fn wanted(&self, bytes: &Bytes) -> Bytes {
        let front = self.pieces.first().map_or(0, |(_, part)| part.start);
        let back = self
            .pieces
            .last()
            .map_or(0, |(piece, part)| piece.stored_len as usize - part.end);
        bytes.slice(front..bytes.len() - back)
    }
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
