//! How rows are encoded. Every row carries a CRC-32 over its key and value, checked when it is
//! read: a flipped bit in the index must not become a wrong answer.

use bytes::{Buf, BufMut};

use super::IndexError;
use crate::format::meta::{Row, from_bytes, to_bytes};
use crate::format::scan::Position;
use crate::format::{PackId, Sha256};

/// The first 16 bytes of a chunk's sha256: the key of its row.
pub type Prefix = [u8; 16];

/// The key of a chunk's row.
#[must_use]
pub fn prefix(sha256: &Sha256) -> Prefix {
    let mut key = [0; 16];
    key.copy_from_slice(&sha256[..16]);
    key
}

/// What commit the index covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The pack.
    pub pack_id: PackId,
    /// The place behind the last commit that was applied.
    pub position: Position,
    /// The chunks of all segments below this offset have rows.
    pub chunks_upto: u64,
}

impl Checkpoint {
    /// The bytes of the row.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.put_slice(&self.pack_id);
        out.put_u64_le(self.position.offset);
        out.put_u64_le(self.position.seq);
        out.put_slice(&self.position.chain);
        out.put_u64_le(self.position.commit);
        out.put_u8(u8::from(self.position.sealed));
        out.put_u64_le(self.chunks_upto);
        out
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, IndexError> {
        let mut pack_id = [0; 16];
        bytes.try_copy_to_slice(&mut pack_id).map_err(damaged)?;
        let offset = bytes.try_get_u64_le().map_err(damaged)?;
        let seq = bytes.try_get_u64_le().map_err(damaged)?;
        let mut chain = [0; 32];
        bytes.try_copy_to_slice(&mut chain).map_err(damaged)?;
        Ok(Self {
            pack_id,
            position: Position {
                offset,
                seq,
                chain,
                commit: bytes.try_get_u64_le().map_err(damaged)?,
                sealed: bytes.try_get_u8().map_err(damaged)? == 1,
            },
            chunks_upto: bytes.try_get_u64_le().map_err(damaged)?,
        })
    }
}

fn damaged(_: bytes::TryGetError) -> IndexError {
    IndexError::Damaged { table: "meta" }
}

fn crc(key: &[&[u8]], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in key {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.update(value);
    hasher.finalize()
}

/// Encodes a row.
pub(super) fn seal<T: Row>(key: &[&[u8]], value: &T) -> Vec<u8> {
    seal_bytes(key, to_bytes(value))
}

/// Puts the checksum behind the bytes of a row.
pub(super) fn seal_bytes(key: &[&[u8]], mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc(key, &bytes);
    bytes.put_u32_le(crc);
    bytes
}

/// Checks and decodes a row.
pub(super) fn unseal<T: Row>(
    table: &'static str,
    key: &[&[u8]],
    row: &[u8],
) -> Result<T, IndexError> {
    Ok(from_bytes(unseal_bytes(table, key, row)?)?)
}

/// Checks a row and gives its bytes without the checksum.
pub(super) fn unseal_bytes<'r>(
    table: &'static str,
    key: &[&[u8]],
    row: &'r [u8],
) -> Result<&'r [u8], IndexError> {
    let (value, mut sum) = row
        .split_last_chunk::<4>()
        .map(|(value, sum)| (value, sum.as_slice()))
        .ok_or(IndexError::Damaged { table })?;
    if sum.try_get_u32_le().map_err(damaged)? != crc(key, value) {
        return Err(IndexError::Damaged { table });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::meta::{NodeDelete, NodeId};

    #[test]
    fn a_flipped_bit_or_another_key_is_found() {
        let value = NodeDelete {
            parent: NodeId(7),
            name: "x".into(),
        };
        let row = seal(&[b"k", b"ey"], &value);
        assert_eq!(
            unseal::<NodeDelete>("t", &[b"k", b"ey"], &row).unwrap(),
            value
        );
        assert!(unseal::<NodeDelete>("t", &[b"ke", b"y"], &row).is_err());
        for bit in 0..row.len() * 8 {
            let mut bad = row.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal::<NodeDelete>("t", &[b"k", b"ey"], &bad).is_err());
        }
    }

    #[test]
    fn checkpoints_round_trip() {
        let checkpoint = Checkpoint {
            pack_id: [1; 16],
            position: Position {
                offset: 2,
                seq: 3,
                chain: [4; 32],
                commit: 5,
                sealed: true,
            },
            chunks_upto: 6,
        };
        assert_eq!(
            Checkpoint::decode(&checkpoint.encode()).unwrap(),
            checkpoint
        );
        assert!(Checkpoint::decode(&checkpoint.encode()[..80]).is_err());
    }
}
