//! One header of an RPM as its bytes pass: an intro, an index of entries, and their data.
//!
//! Only the index is held, 16 bytes for an entry, and the few values in [`Found`]; the data passes.
//! Invariant: once the index has passed, its entries are in the order of their data and no data can
//! overlap; so every byte of the data is looked at once.

use super::entry::{ENTRY_BYTES, Entry, Shape, check_trailer};
use super::gather::{Gather, u32_at};
use super::wanted::{Found, Wanted, Which};
use crate::domain::packages::PackageError;

/// The most entries a header may have; real ones have less than 400. They are 128 KiB.
pub const MAX_ENTRIES: u32 = 8192;

/// The longest data section in bytes.
pub const MAX_DATA_BYTES: u32 = 64 << 20;

const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];

/// What of the header comes next.
#[derive(Debug)]
enum Stage {
    /// Magic, reserved bytes, how many entries, how much data.
    Intro,
    /// So many entries are yet to come.
    Index(u32),
    /// The data.
    Data,
}

/// A header, as much of it as has passed.
#[derive(Debug)]
pub struct Section {
    which: Which,
    stage: Stage,
    record: Gather<ENTRY_BYTES>,
    /// The entry of the region until the index is whole, as it is first there and its data last.
    region: Option<Entry>,
    entries: Vec<Entry>,
    data_bytes: u32,
    /// How much of the data has passed.
    passed_bytes: u32,
    /// The entry whose data comes next.
    current: usize,
    /// How many strings of it have ended.
    ended: u32,
    found: Found,
}

impl Section {
    /// A header of which nothing has passed.
    pub fn new(which: Which) -> Self {
        Self {
            which,
            stage: Stage::Intro,
            record: Gather::default(),
            region: None,
            entries: Vec::new(),
            data_bytes: 0,
            passed_bytes: 0,
            current: 0,
            ended: 0,
            found: Found::default(),
        }
    }

    /// Takes the next bytes, at least one and as many as are of a kind, and says how many.
    ///
    /// `bytes` must not be empty, and the header not over.
    ///
    /// # Errors
    /// [`PackageError::Unreadable`], or [`PackageError::Name`] for a value that is too long.
    pub fn step(&mut self, bytes: &[u8]) -> Result<usize, PackageError> {
        if let Stage::Data = self.stage {
            return self.pass_data(bytes);
        }
        let taken = self.record.take(bytes);
        if let Some(record) = self.record.whole() {
            let read = match self.stage {
                Stage::Index(left) => self.read_entry(&record, left),
                Stage::Intro | Stage::Data => self.read_intro(&record),
            };
            read.map_err(|why| self.unreadable(&why))?;
        }
        Ok(taken)
    }

    /// Whether it has passed in full.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Data) && self.passed_bytes == self.data_bytes
    }

    /// What was kept, once it is over.
    pub fn into_found(self) -> Found {
        self.found
    }

    /// How many bytes fill up a signature to a multiple of 8.
    pub fn padding_bytes(&self) -> usize {
        (self.data_bytes.wrapping_neg() % 8) as usize
    }

    fn unreadable(&self, why: &str) -> PackageError {
        PackageError::Unreadable(format!("in the {}, {why}", self.which.name()))
    }

    fn read_intro(&mut self, intro: &[u8; ENTRY_BYTES]) -> Result<(), String> {
        let (entries, data_bytes) = (u32_at(intro, 8), u32_at(intro, 12));
        if !intro.starts_with(&HEADER_MAGIC) {
            return Err("the magic is not there".to_owned());
        }
        if !(1..=MAX_ENTRIES).contains(&entries) {
            return Err(format!("there are {entries} entries"));
        }
        if data_bytes > MAX_DATA_BYTES {
            return Err(format!("there are {data_bytes} bytes of data"));
        }
        self.data_bytes = data_bytes;
        self.stage = Stage::Index(entries);
        Ok(())
    }

    fn read_entry(&mut self, record: &[u8; ENTRY_BYTES], left: u32) -> Result<(), String> {
        let entry = Entry::read(record, self.data_bytes)?;
        let is_first = self.entries.is_empty() && self.region.is_none();
        let is_region = is_first && entry.is_region();
        if !is_region && !entry.has_good_tag() {
            return Err(format!("there is a tag {}", entry.tag));
        }
        if let Some(wanted) = Wanted::of(self.which, &entry)?
            && !self.found.announce(wanted)
        {
            return Err(format!("tag {} is there twice", entry.tag));
        }
        if is_region {
            if u32_at(record, 4) != 7 || entry.count != 16 {
                return Err("the region has no trailer".to_owned());
            }
            self.region = Some(entry);
        } else {
            self.entries.push(entry);
        }
        self.stage = Stage::Index(left - 1);
        if left == 1 {
            self.end_index()?;
        }
        Ok(())
    }

    /// Puts the region where its trailer is, and checks that no data overlaps what comes before.
    fn end_index(&mut self) -> Result<(), String> {
        if let Some(region) = self.region.take() {
            let before = |entry: &Entry| entry.offset < region.offset;
            let place = self.entries.partition_point(before);
            self.entries.insert(place, region);
        }
        let mut end = 0;
        for entry in &self.entries {
            if u64::from(entry.offset) < end {
                return Err(overlap(entry.tag));
            }
            end = entry.end();
        }
        self.stage = Stage::Data;
        Ok(())
    }

    fn pass_data(&mut self, bytes: &[u8]) -> Result<usize, PackageError> {
        let Some(entry) = self.entries.get(self.current).copied() else {
            return Ok(self.pass(bytes, self.data_bytes).len());
        };
        if self.passed_bytes < entry.offset {
            return Ok(self.pass(bytes, entry.offset).len());
        }
        let piece = match entry.shape {
            Shape::Items(_) => {
                let end = u32::try_from(entry.end()).unwrap_or(self.data_bytes);
                let piece = self.pass(bytes, end);
                if self.passed_bytes == end {
                    self.current += 1;
                }
                piece
            }
            Shape::Text | Shape::Texts => self.pass_strings(bytes, &entry)?,
        };
        self.keep(&entry, piece)?;
        Ok(piece.len())
    }

    /// Passes strings of `entry`, and to the next entry behind the last of them.
    fn pass_strings<'a>(
        &mut self,
        bytes: &'a [u8],
        entry: &Entry,
    ) -> Result<&'a [u8], PackageError> {
        let next = self.entries.get(self.current + 1);
        let limit = next.map_or(self.data_bytes, |next| next.offset);
        let room = (limit - self.passed_bytes) as usize;
        let mut piece = bytes.get(..room).unwrap_or(bytes);
        for nul in memchr::memchr_iter(0, piece) {
            self.ended += 1;
            if self.ended == entry.count {
                piece = piece.get(..=nul).unwrap_or(piece);
                break;
            }
        }
        let piece = self.pass(piece, limit);
        if self.ended == entry.count {
            self.ended = 0;
            self.current += 1;
        } else if self.passed_bytes == limit {
            return Err(self.unreadable(&overlap(entry.tag)));
        }
        Ok(piece)
    }

    /// Counts bytes as passed, those before `limit`, and gives them.
    fn pass<'a>(&mut self, bytes: &'a [u8], limit: u32) -> &'a [u8] {
        let left = limit - self.passed_bytes;
        let count = u32::try_from(bytes.len()).map_or(left, |len| len.min(left));
        self.passed_bytes += count;
        bytes.get(..count as usize).unwrap_or(bytes)
    }

    fn keep(&mut self, entry: &Entry, piece: &[u8]) -> Result<(), PackageError> {
        let wanted = Wanted::of(self.which, entry).map_err(|why| self.unreadable(&why))?;
        let Some(wanted) = wanted else {
            return Ok(());
        };
        let kept = self.found.keep(wanted, piece);
        kept.map_err(|text| PackageError::name(&text))?;
        match self.found.kept(Wanted::Trailer) {
            Some(trailer) if wanted == Wanted::Trailer && trailer.len() == ENTRY_BYTES => {
                check_trailer(trailer, self.entries.len()).map_err(|why| self.unreadable(&why))
            }
            _ => Ok(()),
        }
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.entries.capacity() * size_of::<Entry>() + self.found.held_bytes()
    }
}

fn overlap(tag: u32) -> String {
    format!("the data of tag {tag} overlaps other data, or has no end")
}
