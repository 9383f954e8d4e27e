//! The seam between the pack and its medium. Tests put a simulated medium behind it.

use std::io::{self, IoSlice};

use crate::format::scan::View;

/// A call that is interrupted so often is given up: whoever holds the log's lock must not hang.
const MAX_TRIES: u32 = 100;

/// Where the pack is written. All methods may be called from several threads, but `write_at`,
/// `truncate` and `allocate` only by the one appender, and `sync` only by the one syncer.
pub trait Sink: Send + Sync {
    /// Writes all `parts`, one behind the other, from `offset` on.
    ///
    /// # Errors
    /// Any; some of the bytes may have been written.
    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()>;

    /// Makes all completed writes durable (`fdatasync`).
    ///
    /// # Errors
    /// Any; what was written since the last good sync is then in doubt for ever.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    /// Any.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Makes sure that `len` bytes from `offset` can be written, without growing the file
    /// (`fallocate`, `KEEP_SIZE`). A medium that cannot promise says `Unsupported`.
    ///
    /// # Errors
    /// `StorageFull`, `Unsupported`, or any other.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Gives the blocks of a range back to the file system; it reads as zeros afterwards. May run
    /// beside everything else: it only touches what nobody reads or writes any more.
    ///
    /// # Errors
    /// Any.
    fn punch(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Length of the file in bytes.
    ///
    /// # Errors
    /// Any.
    fn size(&self) -> io::Result<u64>;

    /// Bytes of disk that the file takes; its length where that is not known.
    ///
    /// # Errors
    /// Any.
    fn allocated(&self) -> io::Result<u64>;

    /// Bytes free on the file system, where that is known.
    fn free(&self) -> Option<u64>;
}

/// Where the pack is read. [`View::read`] gives bytes without copying them where it can, and
/// reports an I/O error of the medium instead of dying of it.
pub trait Source: View + Send + Sync {
    /// Publishes that exactly what lies below `end` is written; nothing beyond is handed out.
    fn publish(&self, end: u64);
}

/// Calls again what a signal interrupted, but not for ever.
pub(super) fn retry(mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    for _ in 1..MAX_TRIES {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
    call()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a call is made that fails so, and then well.
    fn calls(failures: &[io::ErrorKind]) -> (io::Result<()>, usize) {
        let mut made = 0;
        let result = retry(|| {
            made += 1;
            failures
                .get(made - 1)
                .map_or(Ok(()), |kind| Err((*kind).into()))
        });
        (result, made)
    }

    #[test]
    fn what_is_interrupted_is_called_again_and_nothing_else_is() {
        use io::ErrorKind::{Interrupted, StorageFull};
        assert!(matches!(calls(&[]), (Ok(()), 1)));
        assert!(matches!(calls(&[Interrupted, Interrupted]), (Ok(()), 3)));
        assert!(matches!(calls(&[StorageFull]), (Err(_), 1)));
        let (result, made) = calls(&[Interrupted; 1000]);
        assert_eq!(result.unwrap_err().kind(), Interrupted);
        assert_eq!(made, MAX_TRIES as usize);
    }
}
