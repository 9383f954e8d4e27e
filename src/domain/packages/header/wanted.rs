//! Which tags are kept of a header, and what has been kept.

use super::entry::{Entry, Shape};

/// The longest string that is kept, in bytes. A longer one fits into no file name.
pub const MAX_TEXT_BYTES: usize = 255;

/// Which of the two headers of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The signature, about the file.
    Signature,
    /// The header proper, about the package.
    Header,
}

impl Which {
    /// How messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Header => "header",
        }
    }
}

/// What is kept of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The trailer of the region.
    Trailer,
    /// Length of header and payload in bytes, 32 bits.
    Size,
    /// The same for large files, 64 bits.
    LongSize,
    /// The package's name.
    Name,
    /// Its version.
    Version,
    /// Its release.
    Release,
    /// The architecture it is for.
    Arch,
    /// The name of the source package it was built from: only its presence counts.
    SourceRpm,
    /// The mark of a source package: only its presence counts.
    SourcePackage,
    /// The name of the only folder, if there is but one: only whether it is empty counts, as old
    /// source packages have it so.
    DirName,
}

impl Wanted {
    /// What an entry is wanted for, if it is.
    ///
    /// # Errors
    /// Says that it is of a type which its tag cannot have.
    pub fn of(which: Which, entry: &Entry) -> Result<Option<Self>, String> {
        let (wanted, shape) = match (which, entry.tag) {
            (Which::Signature, 270) => (Self::LongSize, Shape::Items(8)),
            (Which::Signature, 1000) => (Self::Size, Shape::Items(4)),
            (Which::Header, 1000) => (Self::Name, Shape::Text),
            (Which::Header, 1001) => (Self::Version, Shape::Text),
            (Which::Header, 1002) => (Self::Release, Shape::Text),
            (Which::Header, 1022) => (Self::Arch, Shape::Text),
            (Which::Header, 1044) => (Self::SourceRpm, entry.shape),
            (Which::Header, 1106) => (Self::SourcePackage, entry.shape),
            (Which::Header, 1118) if entry.count == 1 => (Self::DirName, Shape::Texts),
            _ => return Ok(entry.is_region().then_some(Self::Trailer)),
        };
        match entry.shape == shape {
            true => Ok(Some(wanted)),
            false => Err(format!("tag {} has a type that is not its own", entry.tag)),
        }
    }

    /// How many bytes of its data are kept at most.
    fn kept_bytes(self) -> usize {
        match self {
            Self::Trailer => 16,
            Self::LongSize => 8,
            Self::Size => 4,
            // With the NUL.
            Self::Name | Self::Version | Self::Release | Self::Arch => MAX_TEXT_BYTES + 1,
            Self::DirName => 1,
            Self::SourceRpm | Self::SourcePackage => 0,
        }
    }
}

/// What has been kept of one header.
#[derive(Debug, Default)]
pub struct Found {
    kept: Vec<(Wanted, Vec<u8>)>,
}

impl Found {
    /// Makes room for a value; false when there is one already.
    pub fn announce(&mut self, wanted: Wanted) -> bool {
        let first = self.kept(wanted).is_none();
        if first {
            self.kept.push((wanted, Vec::new()));
        }
        first
    }

    /// Keeps what is to be kept of the next piece of a value.
    ///
    /// # Errors
    /// With what is there of a string that is too long.
    pub fn keep(&mut self, wanted: Wanted, piece: &[u8]) -> Result<(), String> {
        let Some((_, kept)) = self.kept.iter_mut().find(|(of, _)| *of == wanted) else {
            return Ok(());
        };
        let room = wanted.kept_bytes() - kept.len();
        kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
        match kept.len() > MAX_TEXT_BYTES && kept.last() != Some(&0) {
            true => Err(String::from_utf8_lossy(kept).into_owned()),
            false => Ok(()),
        }
    }

    /// What was kept, if such an entry was there. A string is without its NUL.
    pub fn kept(&self, wanted: Wanted) -> Option<&[u8]> {
        let (_, kept) = self.kept.iter().find(|(of, _)| *of == wanted)?;
        match wanted {
            Wanted::Name | Wanted::Version | Wanted::Release | Wanted::Arch => {
                Some(kept.strip_suffix(&[0]).unwrap_or(kept))
            }
            _ => Some(kept),
        }
    }

    /// Whether there is one folder, and it has an empty name.
    pub fn has_one_empty_folder(&self) -> bool {
        self.kept(Wanted::DirName) == Some(&[0])
    }

    /// The length of header and payload that a signature tells, in bytes: the larger, if two.
    pub fn size(&self) -> Option<u64> {
        let number = |bytes: &[u8]| {
            let digits = bytes.iter();
            digits.fold(0_u64, |number, &byte| number << 8 | u64::from(byte))
        };
        let size = self.kept(Wanted::Size).map(number);
        size.max(self.kept(Wanted::LongSize).map(number))
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        let texts = self.kept.iter().map(|(_, kept)| kept.capacity());
        texts.sum::<usize>() + self.kept.capacity() * size_of::<(Wanted, Vec<u8>)>()
    }
}
