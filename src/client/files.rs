//! Files here, as bytes to send.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{ClientError, Observer};
use crate::digest::{Digests, Hasher, Wanted};

/// Bytes read at once.
pub(super) const PIECE_BYTES: usize = 256 << 10;

/// Opens a file for reading; nothing but a regular file. Gives its length too.
///
/// # Errors
/// [`ClientError::Io`], [`ClientError::Invalid`].
pub fn open(path: &Path) -> Result<(File, u64), ClientError> {
    let shown = path.display();
    // Opening a pipe would wait for whoever writes into it.
    let about = std::fs::metadata(path).map_err(ClientError::io(format!("reading {shown}")))?;
    if !about.is_file() {
        return Err(ClientError::Invalid(format!("{shown} is no file")));
    }
    let file = File::open(path).map_err(ClientError::io(format!("opening {shown}")))?;
    let about = file.metadata();
    let about = about.map_err(ClientError::io(format!("reading {shown}")))?;
    Ok((file, about.len()))
}

/// The digests of a file of this length.
///
/// # Errors
/// [`ClientError::Io`]; [`ClientError::Invalid`] when its length changes.
pub fn digest(path: &Path, file: &File, len: u64, wanted: Wanted) -> Result<Digests, ClientError> {
    let mut stretch = Stretch::new(file, 0, len);
    let mut hasher = Hasher::new(wanted);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = stretch.read(&mut piece);
        match read.map_err(ClientError::io(format!("reading {}", path.display())))? {
            0 => break,
            read => hasher.update(&piece[..read]),
        }
    }
    match hasher.size() == len {
        true => Ok(hasher.finish()),
        false => Err(changed(path)),
    }
}

/// The failure of a file that does not stay as it is.
pub fn changed(path: &Path) -> ClientError {
    ClientError::Invalid(format!("{} changes while it is read", path.display()))
}

/// Some bytes of a file, to be read wherever else it is read, too.
pub(super) struct Stretch<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl<'f> Stretch<'f> {
    pub(super) fn new(file: &'f File, at: u64, len: u64) -> Self {
        let end = at.saturating_add(len);
        Self { file, at, end }
    }
}

impl Read for Stretch<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let len = out.len().min(left);
        let read = self.file.read_at(&mut out[..len], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Bytes that tell how many of them went.
pub(super) struct Watched<'a, R> {
    pub bytes: R,
    pub observer: &'a dyn Observer,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(out)?;
        self.observer.moved(read as u64);
        Ok(read)
    }
}
