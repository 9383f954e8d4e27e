//! The pack header: the first 4 KiB of the file, written once.

use bytes::{Buf, BufMut};

use super::{FormatError, PackId};

/// Length of the header in bytes; the first record starts here.
pub const HEADER_BYTES: usize = 4096;
/// The first eight bytes of every pack.
pub const MAGIC: [u8; 8] = *b"PACKHOLD";
/// The format version that this code writes.
pub const VERSION: u32 = 1;
/// Chunker algorithm id: `FastCDC` 2020 with the gear table of the `fastcdc` crate.
pub const CHUNKER_FASTCDC_2020: u32 = 1;

const CRC_AT: usize = HEADER_BYTES - 4;

/// How files of this pack are cut. Kept in the header, so that every later upload is cut in the
/// same way and finds the chunks that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunking {
    /// Algorithm id, see [`CHUNKER_FASTCDC_2020`].
    pub algorithm: u32,
    /// `FastCDC` normalization level, 0 to 3.
    pub normalization: u32,
    /// Gear table seed; 0 is the plain table.
    pub seed: u64,
    /// Smallest chunk in bytes (but for the last of a file).
    pub min_bytes: u32,
    /// Chunk size aimed at, in bytes.
    pub avg_bytes: u32,
    /// Largest chunk in bytes.
    pub max_bytes: u32,
}

impl Default for Chunking {
    fn default() -> Self {
        Self {
            algorithm: CHUNKER_FASTCDC_2020,
            normalization: 1,
            seed: 0,
            min_bytes: 4 << 10,
            avg_bytes: 16 << 10,
            max_bytes: 64 << 10,
        }
    }
}

impl Chunking {
    /// Whether the chunker can work with these: even sizes, `min < avg < max`, within
    /// 64 B / 256 B / 1 KiB and 1 MiB / 4 MiB / 16 MiB.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let even = [self.min_bytes, self.avg_bytes, self.max_bytes]
            .iter()
            .all(|n| n.is_multiple_of(2));
        self.algorithm == CHUNKER_FASTCDC_2020
            && self.normalization <= 3
            && even
            && (64..=1 << 20).contains(&self.min_bytes)
            && (256..=4 << 20).contains(&self.avg_bytes)
            && (1024..=16 << 20).contains(&self.max_bytes)
            && self.min_bytes < self.avg_bytes
            && self.avg_bytes < self.max_bytes
    }
}

/// The pack header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackHeader {
    /// Random identity of this pack.
    pub pack_id: PackId,
    /// Creation time, Unix milliseconds.
    pub created_ms: u64,
    /// How files are cut.
    pub chunking: Chunking,
    /// Feature bits that a reader must know, or refuse the file.
    pub incompat: u64,
    /// Feature bits that a writer must know, or open the file for reading only.
    pub ro_compat: u64,
    /// Feature bits that may be ignored.
    pub compat: u64,
}

impl PackHeader {
    /// A header of the current version without features.
    #[must_use]
    pub fn new(pack_id: PackId, created_ms: u64, chunking: Chunking) -> Self {
        Self {
            pack_id,
            created_ms,
            chunking,
            incompat: 0,
            ro_compat: 0,
            compat: 0,
        }
    }

    /// The 4,096 bytes of the header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.put_slice(&MAGIC);
        out.put_u32_le(VERSION);
        out.put_u32_le(4096);
        out.put_u64_le(self.incompat);
        out.put_u64_le(self.ro_compat);
        out.put_u64_le(self.compat);
        out.put_slice(&self.pack_id);
        out.put_u64_le(self.created_ms);
        out.put_u32_le(self.chunking.algorithm);
        out.put_u32_le(self.chunking.normalization);
        out.put_u64_le(self.chunking.seed);
        out.put_u32_le(self.chunking.min_bytes);
        out.put_u32_le(self.chunking.avg_bytes);
        out.put_u32_le(self.chunking.max_bytes);
        out.resize(CRC_AT, 0);
        let crc = crc32fast::hash(&out);
        out.put_u32_le(crc);
        out
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`FormatError`] when the bytes are not a pack header, are damaged, or are of a newer
    /// version or carry an incompatible feature.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "pack header";
        let bytes = bytes
            .get(..HEADER_BYTES)
            .ok_or(FormatError::Truncated { what: WHAT })?;
        let (covered, crc) = bytes.split_at(CRC_AT);
        let mut rest = covered;
        let mut magic = [0; 8];
        rest.try_copy_to_slice(&mut magic)?;
        if magic != MAGIC {
            return Err(FormatError::Magic { what: WHAT });
        }
        if { crc }.try_get_u32_le()? != crc32fast::hash(covered) {
            return Err(FormatError::Checksum { what: WHAT });
        }
        let version = rest.try_get_u32_le()?;
        if version != VERSION {
            return Err(unsupported(format!("format version {version}")));
        }
        rest.try_get_u32_le()?;
        let header = Self::decode_fields(rest)?;
        if header.incompat != 0 {
            return Err(unsupported(format!("features {:#x}", header.incompat)));
        }
        if !header.chunking.is_valid() {
            return Err(FormatError::Invalid {
                what: WHAT,
                why: "chunking parameters out of bounds",
            });
        }
        Ok(header)
    }

    fn decode_fields(mut rest: &[u8]) -> Result<Self, FormatError> {
        let incompat = rest.try_get_u64_le()?;
        let ro_compat = rest.try_get_u64_le()?;
        let compat = rest.try_get_u64_le()?;
        let mut pack_id = [0; 16];
        rest.try_copy_to_slice(&mut pack_id)?;
        Ok(Self {
            pack_id,
            created_ms: rest.try_get_u64_le()?,
            chunking: Chunking {
                algorithm: rest.try_get_u32_le()?,
                normalization: rest.try_get_u32_le()?,
                seed: rest.try_get_u64_le()?,
                min_bytes: rest.try_get_u32_le()?,
                avg_bytes: rest.try_get_u32_le()?,
                max_bytes: rest.try_get_u32_le()?,
            },
            incompat,
            ro_compat,
            compat,
        })
    }
}

fn unsupported(why: String) -> FormatError {
    FormatError::Unsupported {
        what: "pack header",
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PackHeader {
        PackHeader::new(*b"0123456789abcdef", 1_700_000_000_123, Chunking::default())
    }

    #[test]
    fn round_trip() {
        let bytes = sample().encode();
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(PackHeader::decode(&bytes).unwrap(), sample());
    }

    #[test]
    fn golden_bytes() {
        let bytes = sample().encode();
        assert_eq!(
            hex::encode(&bytes[..100]),
            "5041434b484f4c4401000000001000000000000000000000000000000000000000000000000000003031323334353637383961626364656\
             67b68e5cf8b01000001000000010000000000000000000000001000000040000000000100000000000000000000"
                .replace(' ', "")[..200]
        );
        assert!(bytes[92..4092].iter().all(|b| *b == 0));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = sample().encode();
        for at in (0..HEADER_BYTES).step_by(if cfg!(miri) { 97 } else { 1 }) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(PackHeader::decode(&bad).is_err(), "byte {at}");
        }
        assert!(PackHeader::decode(&good[..4095]).is_err());
    }

    #[test]
    fn newer_versions_and_features_are_refused_by_name() {
        let mut header = sample();
        header.incompat = 2;
        let error = PackHeader::decode(&header.encode()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pack header needs a newer packhold: features 0x2"
        );
        let mut newer = sample().encode();
        newer[8..12].copy_from_slice(&2_u32.to_le_bytes());
        let crc = crc32fast::hash(&newer[..CRC_AT]);
        newer[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        let error = PackHeader::decode(&newer).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pack header needs a newer packhold: format version 2"
        );
    }

    /// Each bound by itself: what is on it is taken, and the next beyond it is not, and says what is wrong.
    #[test]
    fn sizes_of_chunks_out_of_bounds_are_refused() {
        type Change = fn(&mut Chunking);
        let taken: [Change; 5] = [
            |_| {},
            |c| (c.min_bytes, c.avg_bytes, c.max_bytes) = (64, 256, 1024),
            |c| (c.min_bytes, c.avg_bytes, c.max_bytes) = (1 << 20, 4 << 20, 16 << 20),
            |c| (c.normalization, c.seed) = (3, 7),
            |c| (c.avg_bytes, c.max_bytes) = (c.min_bytes + 2, c.min_bytes + 4),
        ];
        let refused: [Change; 14] = [
            |c| c.algorithm = 2,
            |c| c.normalization = 4,
            |c| c.min_bytes += 1,
            |c| c.avg_bytes += 1,
            |c| c.max_bytes += 1,
            |c| c.min_bytes = 62,
            |c| (c.min_bytes, c.avg_bytes) = (64, 254),
            |c| (c.min_bytes, c.avg_bytes, c.max_bytes) = (64, 256, 1022),
            |c| (c.min_bytes, c.avg_bytes, c.max_bytes) = ((1 << 20) + 2, 4 << 20, 16 << 20),
            |c| (c.avg_bytes, c.max_bytes) = ((4 << 20) + 2, 16 << 20),
            |c| c.max_bytes = (16 << 20) + 2,
            |c| c.avg_bytes = c.min_bytes,
            |c| c.max_bytes = c.avg_bytes,
            |c| c.max_bytes = c.avg_bytes - 2,
        ];
        let decoded = |change: Change| {
            let mut header = sample();
            change(&mut header.chunking);
            let read = PackHeader::decode(&header.encode()).map_err(|error| error.to_string());
            assert!(read.as_ref().map_or(true, |read| *read == header));
            read
        };
        for (number, change) in taken.into_iter().enumerate() {
            assert_eq!(decoded(change).err(), None, "taken {number}");
        }
        let why = "pack header is invalid: chunking parameters out of bounds";
        for (number, change) in refused.into_iter().enumerate() {
            assert_eq!(
                decoded(change).err().as_deref(),
                Some(why),
                "refused {number}"
            );
        }
    }
}
