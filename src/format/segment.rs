//! A segment: a table of chunks, then their payloads, contiguous.
//!
//! Offsets are derived: the payload of entry `i` starts behind the table and the payloads before
//! it. An entry knows its index, so that the whole segment can be found from the offset of one
//! entry, which is what the index keeps of a chunk.

use bytes::{Buf, BufMut};

use super::manifest::Piece;
use super::{FormatError, Sha256, record};

/// Length of a table entry in bytes.
pub const ENTRY_BYTES: usize = 48;
/// Most entries that a segment may have.
pub const MAX_ENTRIES: usize = 1 << 14;

/// One chunk of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// sha256 of the raw chunk.
    pub sha256: Sha256,
    /// Length of the raw chunk in bytes.
    pub raw_len: u32,
    /// Length of its payload in bytes.
    pub stored_len: u32,
    /// CRC-32 of the payload.
    pub crc32: u32,
    /// Its place in the table, from 0.
    pub index: u16,
    /// See [`super::codec`].
    pub codec: u8,
}

impl Entry {
    /// Appends the 48 bytes of the entry.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.put_slice(&self.sha256);
        out.put_u32_le(self.raw_len);
        out.put_u32_le(self.stored_len);
        out.put_u32_le(self.crc32);
        out.put_u16_le(self.index);
        out.put_u8(self.codec);
        out.put_u8(0);
    }

    /// Reads one entry.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] when fewer than 48 bytes are there.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, FormatError> {
        let mut sha256 = [0; 32];
        bytes.try_copy_to_slice(&mut sha256)?;
        let entry = Self {
            sha256,
            raw_len: bytes.try_get_u32_le()?,
            stored_len: bytes.try_get_u32_le()?,
            crc32: bytes.try_get_u32_le()?,
            index: bytes.try_get_u16_le()?,
            codec: bytes.try_get_u8()?,
        };
        bytes.try_get_u8()?;
        Ok(entry)
    }

    /// The chunk as a piece of a file, with its payload at `pack_offset`; `end` is not set.
    #[must_use]
    pub fn piece(&self, pack_offset: u64) -> Piece {
        Piece {
            end: 0,
            pack_offset,
            stored_len: self.stored_len,
            raw_len: self.raw_len,
            crc32: self.crc32,
            codec: self.codec,
            kind: 0,
        }
    }

    /// Offset of the first entry of the table that this one, which lies at `own_offset`, is in.
    #[must_use]
    pub fn table_offset(&self, own_offset: u64) -> Option<u64> {
        own_offset.checked_sub(u64::from(self.index).checked_mul(ENTRY_BYTES as u64)?)
    }
}

/// Reads a table, and checks that its entries are numbered and fill a body of `body_bytes`.
///
/// # Errors
/// [`FormatError`] naming the rule that is broken.
pub fn decode_table(table: &[u8], body_bytes: u64) -> Result<Vec<Entry>, FormatError> {
    let invalid = |why| FormatError::Invalid {
        what: "segment table",
        why,
    };
    if !table.len().is_multiple_of(ENTRY_BYTES) {
        return Err(invalid("its length is not a multiple of 48"));
    }
    if table.is_empty() || table.len() / ENTRY_BYTES > MAX_ENTRIES {
        return Err(invalid("it has no entries, or too many"));
    }
    let mut end = table.len() as u64;
    let mut entries = Vec::with_capacity(table.len() / ENTRY_BYTES);
    for (i, bytes) in table.chunks_exact(ENTRY_BYTES).enumerate() {
        let entry = Entry::decode(bytes)?;
        if usize::from(entry.index) != i {
            return Err(invalid("an entry is out of place"));
        }
        end = end.saturating_add(u64::from(entry.stored_len));
        entries.push(entry);
    }
    if end != body_bytes {
        return Err(invalid("the payloads do not fill the body"));
    }
    Ok(entries)
}

/// Length in bytes of the payloads of entries of a table, `entries`, which are not decoded: a segment may have
/// thousands of them before the one that is looked for.
#[must_use]
pub fn stored_bytes(entries: &[u8]) -> u64 {
    let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
    // Behind the digest and the raw length, as in `Entry::decode`.
    let stored_len = |e: &[u8; ENTRY_BYTES]| u32::from_le_bytes([e[36], e[37], e[38], e[39]]);
    entries.iter().map(|e| u64::from(stored_len(e))).sum()
}

/// Whether an entry at `own`, behind the start of the table, is one of the segment `frame`.
#[must_use]
pub fn has_entry(frame: &record::Frame, own: u64) -> bool {
    let end = own.saturating_add(ENTRY_BYTES as u64);
    frame.kind == record::Kind::Segment && end <= frame.payload_offset()
}

/// The payload ranges `(offset, entry offset, entry)` of a segment whose frame lies at `frame`.
pub fn layout(
    frame: &record::Frame,
    entries: Vec<Entry>,
) -> impl Iterator<Item = (u64, u64, Entry)> {
    let table = frame.body_offset();
    let mut payload = frame.payload_offset();
    let mut own = table;
    entries.into_iter().map(move |entry| {
        let place = (payload, own, entry);
        payload = payload.saturating_add(u64::from(entry.stored_len));
        own = own.saturating_add(ENTRY_BYTES as u64);
        place
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u16, stored_len: u32) -> Entry {
        Entry {
            sha256: [0x11; 32],
            raw_len: stored_len,
            stored_len,
            crc32: 0x0403_0201,
            index,
            codec: 0,
        }
    }

    fn table(entries: &[Entry]) -> Vec<u8> {
        let mut out = Vec::new();
        entries.iter().for_each(|e| e.encode_into(&mut out));
        out
    }

    #[test]
    fn golden_bytes() {
        assert_eq!(
            hex::encode(table(&[entry(3, 258)])),
            "1111111111111111111111111111111111111111111111111111111111111111\
             02010000020100000102030403000000"
        );
    }

    #[test]
    fn round_trip() {
        let entries = [entry(0, 5), entry(1, 7)];
        let bytes = table(&entries);
        assert_eq!(decode_table(&bytes, 96 + 12).unwrap(), entries);
    }

    #[test]
    fn payloads_are_added_up() {
        let bytes = table(&[entry(0, 5), entry(1, 1 << 30), entry(2, u32::MAX)]);
        let sum = |count: usize| stored_bytes(&bytes[..count * ENTRY_BYTES]);
        let large = (1 << 30) + 5;
        assert_eq!(
            [0, 1, 2, 3].map(sum),
            [0, 5, large, large + u64::from(u32::MAX)]
        );
    }

    #[test]
    fn broken_tables_are_refused() {
        let bytes = table(&[entry(0, 5), entry(1, 7)]);
        assert!(decode_table(&bytes, 96 + 11).is_err(), "does not fill");
        assert!(decode_table(&bytes[..95], 100).is_err(), "cut");
        assert!(decode_table(&[], 0).is_err(), "empty");
        let swapped = table(&[entry(1, 5), entry(0, 7)]);
        assert!(decode_table(&swapped, 96 + 12).is_err(), "out of place");
    }

    #[test]
    fn a_table_has_so_many_entries_and_no_more() {
        for (count, allowed) in [(MAX_ENTRIES, true), (MAX_ENTRIES + 1, false)] {
            let entries: Vec<_> = (0..count)
                .map(|i| entry(u16::try_from(i).unwrap(), 1))
                .collect();
            let body_bytes = (count * (ENTRY_BYTES + 1)) as u64;
            let read = decode_table(&table(&entries), body_bytes);
            assert_eq!(read.is_ok(), allowed, "{count}");
        }
    }

    #[test]
    fn an_entry_leads_to_its_table() {
        assert_eq!(entry(2, 5).table_offset(1096), Some(1000));
        assert_eq!(entry(9, 5).table_offset(100), None);
    }

    #[test]
    fn an_entry_is_in_the_table_of_a_segment() {
        let mut frame = record::Frame {
            kind: record::Kind::Segment,
            critical: true,
            offset: 4096,
            seq: 0,
            body_bytes: 200,
            head_bytes: 96,
            digest: [0; 32],
        };
        let table = frame.body_offset();
        assert!(has_entry(&frame, table));
        assert!(has_entry(&frame, table + 48));
        assert!(!has_entry(&frame, table + 49));
        assert!(!has_entry(&frame, table + 96), "a payload");
        assert!(!has_entry(&frame, u64::MAX));
        frame.kind = record::Kind::Commit;
        assert!(!has_entry(&frame, table));
    }
}
