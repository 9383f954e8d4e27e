//! Whole-file digests, computed in one pass over the bytes.
//!
//! MD5 is a serial chain: each step waits for the one before it, and most of a core stands idle.
//! Feeding the digests block by block (64 bytes each) lets the processor overlap them: sha256
//! beside md5 costs nearly nothing more than md5 alone, where one after the other costs the sum.

use md5::block_api::Md5Core;
use sha1::block_api::Sha1Core;
use sha2::block_api::Sha256VarCore;
use sha2::digest::array::Array;
use sha2::digest::block_api::{Block, Buffer, FixedOutputCore, UpdateCore, VariableOutputCore};
use sha2::digest::typenum::U32;

/// Block size that md5, sha1 and sha256 share, in bytes.
const BLOCK: usize = 64;

/// Which digests to compute besides sha256 (and CRC-64, which is free).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Only sha256: the bytes are known, and have to be proven.
    Sha256Only,
    /// md5 too.
    Md5,
    /// md5 and sha1: software packages.
    Md5Sha1,
}

/// The digests of a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// sha256.
    pub sha256: [u8; 32],
    /// md5; zeros when it was not wanted.
    pub md5: [u8; 16],
    /// sha1, when it was wanted.
    pub sha1: Option<[u8; 20]>,
    /// CRC-64/XZ, which bk-repo calls `crc64ecma`; 0 when md5 was not wanted.
    pub crc64: u64,
    /// Length in bytes.
    pub size: u64,
}

/// The digests of a file whose bytes arrive in pieces.
#[derive(Clone)]
pub struct Hasher {
    wanted: Wanted,
    sha256: Sha256VarCore,
    md5: Md5Core,
    sha1: Sha1Core,
    crc64: crc64fast::Digest,
    /// Bytes that do not yet fill a block.
    tail: [u8; BLOCK],
    tail_len: usize,
    size: u64,
}

impl Hasher {
    /// An empty file.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        let sha256 = Sha256VarCore::new(32).unwrap_or_else(|_| unreachable!("sha256 has 32 bytes"));
        Self {
            wanted,
            sha256,
            md5: Md5Core::default(),
            sha1: Sha1Core::default(),
            crc64: crc64fast::Digest::new(),
            tail: [0; BLOCK],
            tail_len: 0,
            size: 0,
        }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        if self.wanted != Wanted::Sha256Only {
            self.crc64.write(bytes);
        }
        if self.tail_len > 0 {
            let take = bytes.len().min(BLOCK - self.tail_len);
            self.tail[self.tail_len..self.tail_len + take].copy_from_slice(&bytes[..take]);
            self.tail_len += take;
            bytes = &bytes[take..];
            if self.tail_len < BLOCK {
                return;
            }
            let full = self.tail;
            self.blocks(&full);
            self.tail_len = 0;
        }
        let whole = bytes.len() - bytes.len() % BLOCK;
        self.blocks(&bytes[..whole]);
        let rest = &bytes[whole..];
        self.tail[..rest.len()].copy_from_slice(rest);
        self.tail_len = rest.len();
    }

    /// Takes in whole blocks, interleaved.
    fn blocks(&mut self, bytes: &[u8]) {
        let (blocks, _) = Block::<Md5Core>::slice_as_chunks(bytes);
        match self.wanted {
            Wanted::Sha256Only => self.sha256.update_blocks(blocks),
            Wanted::Md5 => {
                for block in blocks.chunks_exact(1) {
                    self.md5.update_blocks(block);
                    self.sha256.update_blocks(block);
                }
            }
            Wanted::Md5Sha1 => {
                for block in blocks.chunks_exact(1) {
                    self.md5.update_blocks(block);
                    self.sha1.update_blocks(block);
                    self.sha256.update_blocks(block);
                }
            }
        }
    }

    /// The digests of all that was taken in.
    #[must_use]
    pub fn finish(mut self) -> Digests {
        let tail = &self.tail[..self.tail_len];
        let mut sha256 = Array::default();
        self.sha256
            .finalize_variable_core(&mut Buffer::<Sha256VarCore>::new(tail), &mut sha256);
        let mut md5 = Array::default();
        let mut sha1 = Array::default();
        if self.wanted != Wanted::Sha256Only {
            self.md5
                .finalize_fixed_core(&mut Buffer::<Md5Core>::new(tail), &mut md5);
        }
        if self.wanted == Wanted::Md5Sha1 {
            self.sha1
                .finalize_fixed_core(&mut Buffer::<Sha1Core>::new(tail), &mut sha1);
        }
        let sha256: Array<u8, U32> = sha256;
        Digests {
            sha256: sha256.into(),
            md5: md5.into(),
            sha1: (self.wanted == Wanted::Md5Sha1).then(|| sha1.into()),
            crc64: if self.wanted == Wanted::Sha256Only {
                0
            } else {
                self.crc64.sum64()
            },
            size: self.size,
        }
    }
}

/// sha256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    <sha2::Sha256 as sha2::Digest>::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    fn plain(bytes: &[u8]) -> Digests {
        let mut crc64 = crc64fast::Digest::new();
        crc64.write(bytes);
        Digests {
            sha256: sha2::Sha256::digest(bytes).into(),
            md5: md5::Md5::digest(bytes).into(),
            sha1: Some(sha1::Sha1::digest(bytes).into()),
            crc64: crc64.sum64(),
            size: bytes.len() as u64,
        }
    }

    #[test]
    fn known_answers() {
        let mut hasher = Hasher::new(Wanted::Md5Sha1);
        hasher.update(b"123456789");
        let digests = hasher.finish();
        assert_eq!(hex::encode(digests.md5), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(
            hex::encode(digests.sha1.unwrap()),
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441"
        );
        assert_eq!(
            hex::encode(digests.sha256),
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
        assert_eq!(
            digests.crc64, 0x995d_c9bb_df19_39fa,
            "CRC-64/XZ check value"
        );
    }

    #[test]
    fn every_length_and_split_agrees_with_the_plain_digests() {
        let bytes: Vec<u8> = (0..400_u32).map(|i| (i * 7).to_le_bytes()[0]).collect();
        for len in 0..bytes.len() {
            for split in [0, 1, 63, 64, 65, len / 2] {
                let split = split.min(len);
                let mut hasher = Hasher::new(Wanted::Md5Sha1);
                hasher.update(&bytes[..split]);
                hasher.update(&bytes[split..len]);
                assert_eq!(hasher.finish(), plain(&bytes[..len]), "{len} at {split}");
            }
        }
    }

    #[test]
    fn only_what_is_wanted_is_there() {
        let mut hasher = Hasher::new(Wanted::Sha256Only);
        hasher.update(b"abc");
        let only = hasher.finish();
        assert_eq!(only.sha256, sha256(b"abc"));
        assert_eq!((only.md5, only.sha1, only.crc64), ([0; 16], None, 0));
    }
}
