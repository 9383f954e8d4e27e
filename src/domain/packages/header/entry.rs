//! One entry of a header's index: `{tag u32, type u32, offset i32, count u32}`, big-endian.
//!
//! The rules are librpm's `hdrblobVerifyInfo` (lib/header.c), as far as an entry can be judged
//! before its data is there.

use super::gather::u32_at;

/// Length of an entry in bytes.
pub const ENTRY_BYTES: usize = 16;

/// Tags below this one are those of regions, and no entry but the first may have one.
const FIRST_TAG: u32 = 100;

const FIRST_REGION_TAG: u32 = 61;
const LAST_REGION_TAG: u32 = 63;

/// How the data of an entry is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Items of so many bytes.
    Items(u8),
    /// One string up to its NUL.
    Text,
    /// As many strings as the entry has items, each up to its NUL.
    Texts,
}

/// An entry whose data may lie where it says.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What it is.
    pub tag: u32,
    /// Where its data begins, in bytes from the beginning of the data.
    pub offset: u32,
    /// How many items it has; at least 1.
    pub count: u32,
    /// How its data is measured.
    pub shape: Shape,
}

impl Entry {
    /// Reads an entry and checks it against a data section of `data_bytes`.
    ///
    /// # Errors
    /// Says what is wrong with it. A tag is not looked at here.
    pub fn read(record: &[u8; ENTRY_BYTES], data_bytes: u32) -> Result<Self, String> {
        let tag = u32_at(record, 0);
        let (kind, offset, count) = (u32_at(record, 4), u32_at(record, 8), u32_at(record, 12));
        let shape = match kind {
            1 | 2 | 7 => Shape::Items(1),
            3 => Shape::Items(2),
            4 => Shape::Items(4),
            5 => Shape::Items(8),
            6 => Shape::Text,
            8 | 9 => Shape::Texts,
            // 0 is a type without data, which librpm takes for no data that fits.
            other => return Err(format!("tag {tag} has type {other}")),
        };
        let entry = Self {
            tag,
            offset,
            count,
            shape,
        };
        let at_most = if shape == Shape::Text { 1 } else { data_bytes };
        if !(1..=at_most).contains(&count) {
            return Err(format!("tag {tag} has {count} items"));
        }
        if let Shape::Items(bytes) = shape
            && !offset.is_multiple_of(bytes.into())
        {
            return Err(format!("tag {tag} has its data unaligned at {offset}"));
        }
        // A negative offset is a large one here.
        if entry.end() > data_bytes.into() {
            return Err(format!("tag {tag} has its data past the end, at {offset}"));
        }
        Ok(entry)
    }

    /// Where its data ends. Strings may be longer than this: each is at least its NUL.
    pub fn end(&self) -> u64 {
        let item_bytes = match self.shape {
            Shape::Items(bytes) => bytes,
            Shape::Text | Shape::Texts => 1,
        };
        u64::from(self.offset) + u64::from(self.count) * u64::from(item_bytes)
    }

    /// Whether this is the entry of a region. Its data is a record like itself, the trailer.
    pub fn is_region(&self) -> bool {
        (FIRST_REGION_TAG..=LAST_REGION_TAG).contains(&self.tag)
    }

    /// Whether an entry that is no region's may have this tag. librpm has signed tags.
    pub fn has_good_tag(&self) -> bool {
        self.tag >= FIRST_TAG && i32::try_from(self.tag).is_ok()
    }
}

/// Checks the trailer of a region in a header of `entries` entries: as the region's entry, but with
/// an offset that leads back over the entries of the region.
///
/// # Errors
/// Says that it is no trailer.
pub fn check_trailer(trailer: &[u8], entries: usize) -> Result<(), String> {
    // A signature may have the tag of another region there: old writers did so.
    let tag = u32_at(trailer, 0);
    let back = u32_at(trailer, 8).wrapping_neg();
    let covered = usize::try_from(back).map(|back| back / ENTRY_BYTES);
    let good = (FIRST_REGION_TAG..=LAST_REGION_TAG).contains(&tag)
        && u32_at(trailer, 4) == 7
        && u32_at(trailer, 12) == 16
        && back.is_multiple_of(16)
        && covered.is_ok_and(|covered| covered <= entries);
    good.then_some(())
        .ok_or_else(|| "the trailer of the region is none".to_owned())
}
