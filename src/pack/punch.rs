//! Giving blocks back to the file system.

use std::ops::Range;

use super::PackError;
use super::open::Pack;
use super::sink::{Sink, retry};

/// Only whole blocks of this many bytes are punched: a part of one would be read, changed and
/// written, next to live data. (Of a file system with larger blocks, the kernel gives back those
/// that are covered, and clears the rest.)
const BLOCK_BYTES: u64 = 4096;

/// The whole blocks in a range of the file.
fn inwards(range: &Range<u64>) -> Option<Range<u64>> {
    let start = range.start.checked_next_multiple_of(BLOCK_BYTES)?;
    let end = range
        .end
        .saturating_sub(range.end.checked_rem(BLOCK_BYTES)?);
    (start < end).then_some(start..end)
}

/// Punches the whole blocks of a range; see [`Pack::punch`].
///
/// # Errors
/// [`PackError::Io`], also where the file system cannot do it.
pub fn punch(sink: &dyn Sink, range: &Range<u64>) -> Result<u64, PackError> {
    let Some(blocks) = inwards(range) else {
        return Ok(0);
    };
    let len = blocks.end.saturating_sub(blocks.start);
    retry(|| sink.punch(blocks.start, len)).map_err(|source| PackError::Io {
        action: "punching a hole",
        offset: blocks.start,
        source,
    })?;
    Ok(len)
}

impl Pack {
    /// Punches the whole blocks of a range, which must not hold anything that is needed, nor be read
    /// by anybody. Gives how many bytes that were; they are gone for sure only behind
    /// [`Pack::sync_punches`].
    ///
    /// # Errors
    /// [`PackError::Io`], also where the file system cannot do it; [`PackError::ReadOnly`],
    /// [`PackError::Poisoned`].
    pub fn punch(&self, range: &Range<u64>) -> Result<u64, PackError> {
        self.writable()?;
        punch(self.sink.as_ref(), range)
    }

    /// Waits until all holes that were punched so far are durable.
    ///
    /// # Errors
    /// [`PackError::Poisoned`].
    pub fn sync_punches(&self) -> Result<(), PackError> {
        self.syncer.sync_now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_rounded_inwards() {
        assert_eq!(inwards(&(4096..8192)), Some(4096..8192));
        assert_eq!(inwards(&(4097..8192)), None);
        assert_eq!(inwards(&(4097..12_289)), Some(8192..12_288));
        assert_eq!(inwards(&(100..4000)), None);
        assert_eq!(inwards(&(u64::MAX - 10..u64::MAX)), None);
        assert_eq!(inwards(&(9000..9000)), None);
    }
}
