//! The record frame: the 72 bytes in front of every record.
//!
//! A frame carries its own absolute offset, and its checksum is seeded with the pack id. So an
//! uploaded file that happens to be a pack, even a copy of this very pack, is never taken for
//! records when a damaged pack is searched for the next good one.

use bytes::{Buf, BufMut};

use super::{FormatError, PackId, Sha256, seeded_crc};

/// Length of a frame in bytes.
pub const FRAME_BYTES: usize = 72;
/// Records start at multiples of this.
pub const ALIGN: u64 = 8;
/// First four bytes of a frame.
pub const MAGIC: [u8; 4] = *b"phR\xF1";
/// Largest digested part of a record in bytes: a decoder never allocates more than this.
pub const MAX_HEAD_BYTES: u32 = 64 << 20;

const CRITICAL: u8 = 1;
const CRC_AT: usize = FRAME_BYTES - 4;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A table of chunks, then their payloads.
    Segment,
    /// Pages of manifest entries.
    Leaf,
    /// Pages of references to leaves.
    Root,
    /// Mutations, made visible together.
    Commit,
    /// Reserved: a state from which a rebuild may start.
    Snapshot,
    /// A kind that this version does not know.
    Other(u8),
}

impl Kind {
    /// The byte on disk.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Segment => 1,
            Self::Leaf => 2,
            Self::Root => 3,
            Self::Commit => 4,
            Self::Snapshot => 5,
            Self::Other(code) => code,
        }
    }

    /// The kind of a byte on disk.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Segment,
            2 => Self::Leaf,
            3 => Self::Root,
            4 => Self::Commit,
            5 => Self::Snapshot,
            other => Self::Other(other),
        }
    }
}

/// A record frame. The body follows it; the first `head_bytes` of the body are covered by
/// `digest` (a segment: its table; every other kind: the whole body).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// What the record is.
    pub kind: Kind,
    /// A reader that does not know the kind must refuse the pack.
    pub critical: bool,
    /// Absolute offset of this frame in the pack.
    pub offset: u64,
    /// Position in the log, from 0, without gaps.
    pub seq: u64,
    /// Length of the body in bytes.
    pub body_bytes: u64,
    /// Length of the digested front part of the body in bytes.
    pub head_bytes: u32,
    /// sha256 of that part.
    pub digest: Sha256,
}

impl Frame {
    /// Offset of the first byte of the body.
    #[must_use]
    pub fn body_offset(&self) -> u64 {
        self.offset.saturating_add(FRAME_BYTES as u64)
    }

    /// Offset of the first byte behind the head; in a segment, of its first payload.
    #[must_use]
    pub fn payload_offset(&self) -> u64 {
        self.body_offset()
            .saturating_add(u64::from(self.head_bytes))
    }

    /// Offset of the next record: the end of the body, rounded up to [`ALIGN`].
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        align_up(self.body_offset().saturating_add(self.body_bytes))
    }

    /// The 72 bytes of the frame.
    #[must_use]
    pub fn encode(&self, pack_id: &PackId) -> [u8; FRAME_BYTES] {
        let mut out = [0; FRAME_BYTES];
        let mut put = out.as_mut_slice();
        put.put_slice(&MAGIC);
        put.put_u8(self.kind.code());
        put.put_u8(if self.critical { CRITICAL } else { 0 });
        put.put_u16_le(0);
        put.put_u64_le(self.offset);
        put.put_u64_le(self.seq);
        put.put_u64_le(self.body_bytes);
        put.put_u32_le(self.head_bytes);
        put.put_slice(&self.digest);
        let (covered, crc) = out.split_at_mut(CRC_AT);
        crc.copy_from_slice(&seeded_crc(pack_id, covered).to_le_bytes());
        out
    }

    /// Reads the frame that should lie at `offset`.
    ///
    /// # Errors
    /// [`FormatError`] when no intact frame of this pack and offset is there.
    pub fn decode(bytes: &[u8], pack_id: &PackId, offset: u64) -> Result<Self, FormatError> {
        const WHAT: &str = "frame";
        let bytes = bytes
            .get(..FRAME_BYTES)
            .ok_or(FormatError::Truncated { what: WHAT })?;
        let (covered, crc) = bytes.split_at(CRC_AT);
        let mut rest = covered;
        let mut magic = [0; 4];
        rest.try_copy_to_slice(&mut magic)?;
        if magic != MAGIC {
            return Err(FormatError::Magic { what: WHAT });
        }
        if { crc }.try_get_u32_le()? != seeded_crc(pack_id, covered) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let frame = Self::decode_fields(rest)?;
        if frame.offset != offset {
            return Err(invalid("it lies at another offset than it says"));
        }
        if u64::from(frame.head_bytes) > frame.body_bytes || frame.head_bytes > MAX_HEAD_BYTES {
            return Err(invalid("its head is longer than allowed"));
        }
        if frame.kind != Kind::Segment && u64::from(frame.head_bytes) != frame.body_bytes {
            return Err(invalid("only a segment has a payload"));
        }
        if offset
            .checked_add(frame.body_bytes)
            .is_none_or(|end| end > u64::MAX / 2)
        {
            return Err(invalid("its length overflows"));
        }
        Ok(frame)
    }

    fn decode_fields(mut rest: &[u8]) -> Result<Self, FormatError> {
        let kind = Kind::from_code(rest.try_get_u8()?);
        let flags = rest.try_get_u8()?;
        rest.try_get_u16_le()?;
        let mut frame = Self {
            kind,
            critical: flags & CRITICAL != 0,
            offset: rest.try_get_u64_le()?,
            seq: rest.try_get_u64_le()?,
            body_bytes: rest.try_get_u64_le()?,
            head_bytes: rest.try_get_u32_le()?,
            digest: [0; 32],
        };
        rest.try_copy_to_slice(&mut frame.digest)?;
        Ok(frame)
    }
}

/// `offset` rounded up to [`ALIGN`].
#[must_use]
pub fn align_up(offset: u64) -> u64 {
    offset.checked_next_multiple_of(ALIGN).unwrap_or(u64::MAX)
}

fn invalid(why: &'static str) -> FormatError {
    FormatError::Invalid { what: "frame", why }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: PackId = *b"0123456789abcdef";

    fn sample() -> Frame {
        Frame {
            kind: Kind::Segment,
            critical: true,
            offset: 4096,
            seq: 7,
            body_bytes: 101,
            head_bytes: 48,
            digest: [0xAB; 32],
        }
    }

    #[test]
    fn golden_bytes() {
        assert_eq!(
            hex::encode(sample().encode(&ID)),
            "706852f10101000000100000000000000700000000000000650000000000000030000000\
             abababababababababababababababababababababababababababababababab7544c0ec"
        );
    }

    #[test]
    fn round_trip_and_offsets() {
        let frame = sample();
        assert_eq!(Frame::decode(&frame.encode(&ID), &ID, 4096).unwrap(), frame);
        assert_eq!(frame.body_offset(), 4168);
        assert_eq!(frame.payload_offset(), 4216);
        assert_eq!(frame.next_offset(), 4272, "4168 + 101, rounded up to 8");
    }

    #[test]
    fn another_pack_or_offset_is_no_frame() {
        let bytes = sample().encode(&ID);
        assert!(Frame::decode(&bytes, b"fedcba9876543210", 4096).is_err());
        assert!(Frame::decode(&bytes, &ID, 4104).is_err());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = sample().encode(&ID);
        for bit in 0..FRAME_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::decode(&bad, &ID, 4096).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_head_longer_than_its_body_is_refused() {
        let mut frame = sample();
        frame.head_bytes = 102;
        assert!(Frame::decode(&frame.encode(&ID), &ID, 4096).is_err());
        frame.kind = Kind::Commit;
        frame.head_bytes = 48;
        assert!(Frame::decode(&frame.encode(&ID), &ID, 4096).is_err());
    }

    #[test]
    fn the_longest_head_is_read_and_none_beyond_it() {
        let mut frame = sample();
        frame.body_bytes = u64::from(u32::MAX);
        for (head_bytes, allowed) in [
            (MAX_HEAD_BYTES, true),
            (MAX_HEAD_BYTES + 1, false),
            (u32::MAX, false),
        ] {
            frame.head_bytes = head_bytes;
            let read = Frame::decode(&frame.encode(&ID), &ID, 4096);
            assert_eq!(read.is_ok(), allowed, "{head_bytes}");
        }
    }

    #[test]
    fn a_record_ends_where_offsets_have_room() {
        let mut frame = sample();
        for (body_bytes, allowed) in [
            (u64::MAX / 2 - 4096, true),
            (u64::MAX / 2 - 4095, false),
            (u64::MAX - 4096, false),
            (u64::MAX, false),
        ] {
            frame.body_bytes = body_bytes;
            let read = Frame::decode(&frame.encode(&ID), &ID, 4096);
            assert_eq!(read.is_ok(), allowed, "{body_bytes}");
        }
    }

    #[test]
    fn what_may_be_skipped_is_told_from_what_may_not() {
        for critical in [true, false] {
            let frame = Frame {
                critical,
                ..sample()
            };
            assert_eq!(Frame::decode(&frame.encode(&ID), &ID, 4096).unwrap(), frame);
        }
    }
}
