//! Whole-file digests, computed in one pass over the bytes.
//!
//! MD5 is a serial chain: each step waits for the one before it, and most of a core stands idle.
//! Feeding the digests block by block (64 bytes each) lets the processor overlap them: sha256
//! beside md5 costs nearly nothing more than md5 alone, where one after the other costs the sum.

use crc_fast::{CrcAlgorithm, Digest as Crc};
use md5::block_api::Md5Core;
use sha1::block_api::Sha1Core;
use sha2::block_api::Sha256VarCore;
use sha2::digest::array::Array;
use sha2::digest::block_api::{Block, Buffer, FixedOutputCore, UpdateCore, VariableOutputCore};
use sha2::digest::common::hazmat::SerializableState;
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
    crc64: Crc,
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
            crc64: Crc::new(CrcAlgorithm::Crc64Xz),
            tail: [0; BLOCK],
            tail_len: 0,
            size: 0,
        }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if self.wanted != Wanted::Sha256Only {
            self.crc64.update(bytes);
        }
        let whole = self.begin(bytes);
        self.blocks(whole);
    }

    /// The same as two pieces of work, which `join` does side by side: md5 (and sha1), and the rest. Where
    /// md5 leaves little of a core idle that is quicker, if there is another core.
    pub fn update_apart(
        &mut self,
        bytes: &[u8],
        join: impl FnOnce(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)),
    ) {
        let whole = self.begin(bytes);
        let (blocks, _) = Block::<Md5Core>::slice_as_chunks(whole);
        let Self {
            wanted,
            sha256,
            md5,
            sha1,
            crc64,
            ..
        } = self;
        let wanted = *wanted;
        let mut chain = || match wanted {
            Wanted::Sha256Only => {}
            Wanted::Md5 => md5.update_blocks(blocks),
            Wanted::Md5Sha1 => {
                for block in blocks.chunks_exact(1) {
                    md5.update_blocks(block);
                    sha1.update_blocks(block);
                }
            }
        };
        let mut rest = || {
            sha256.update_blocks(blocks);
            if wanted != Wanted::Sha256Only {
                crc64.update(bytes);
            }
        };
        join(&mut chain, &mut rest);
    }

    /// Takes in what fills the block that was begun, keeps what begins another, and gives the whole blocks
    /// between them.
    fn begin<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        self.size += bytes.len() as u64;
        if self.tail_len > 0 {
            let take = bytes.len().min(BLOCK - self.tail_len);
            self.tail[self.tail_len..self.tail_len + take].copy_from_slice(&bytes[..take]);
            self.tail_len += take;
            bytes = &bytes[take..];
            if self.tail_len < BLOCK {
                return &[];
            }
            let full = self.tail;
            self.blocks(&full);
            self.tail_len = 0;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % BLOCK);
        self.tail[..rest.len()].copy_from_slice(rest);
        self.tail_len = rest.len();
        whole
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
                self.crc64.finalize()
            },
            size: self.size,
        }
    }
}

/// Version of what [`Hasher::save`] gives; another one is not restored.
const SAVED_VERSION: u8 = 1;

impl Hasher {
    /// The state as bytes, to go on later: `{1 u8, size u64, sha256 state 40, md5 state 24,
    /// crc64 state u64, tail}`; the tail is `size % 64` bytes. `None` for a hasher of sha1, which
    /// nobody interrupts, or without md5.
    #[must_use]
    pub fn save(&self) -> Option<Vec<u8>> {
        if self.wanted != Wanted::Md5 {
            return None;
        }
        let mut state = vec![SAVED_VERSION];
        state.extend(self.size.to_le_bytes());
        state.extend(self.sha256.serialize());
        state.extend(self.md5.serialize());
        state.extend(self.crc64.get_state().to_le_bytes());
        state.extend(&self.tail[..self.tail_len]);
        Some(state)
    }

    /// What [`Hasher::save`] gave; `None` for anything else.
    #[must_use]
    pub fn restore(state: &[u8]) -> Option<Self> {
        let (version, rest) = state.split_first()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let (sha256, rest) = rest.split_first_chunk::<40>()?;
        let (md5, rest) = rest.split_first_chunk::<24>()?;
        let (crc64, tail) = rest.split_first_chunk::<8>()?;
        let size = u64::from_le_bytes(*size);
        if *version != SAVED_VERSION || tail.len() as u64 != size % BLOCK as u64 {
            return None;
        }
        let mut hasher = Self::new(Wanted::Md5);
        hasher.size = size;
        hasher.sha256 = Sha256VarCore::deserialize(&Array::from(*sha256)).ok()?;
        hasher.md5 = Md5Core::deserialize(&Array::from(*md5)).ok()?;
        let crc64 = u64::from_le_bytes(*crc64);
        hasher.crc64 = Crc::new_with_init_state(CrcAlgorithm::Crc64Xz, crc64);
        hasher.tail[..tail.len()].copy_from_slice(tail);
        hasher.tail_len = tail.len();
        Some(hasher)
    }

    /// How many bytes were taken in.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// sha256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    <sha2::Sha256 as sha2::Digest>::digest(bytes).into()
}

/// md5 of some bytes.
#[must_use]
pub fn md5(bytes: &[u8]) -> [u8; 16] {
    <md5::Md5 as sha2::Digest>::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    fn plain(bytes: &[u8]) -> Digests {
        Digests {
            sha256: sha2::Sha256::digest(bytes).into(),
            md5: md5::Md5::digest(bytes).into(),
            sha1: Some(sha1::Sha1::digest(bytes).into()),
            crc64: crc_fast::checksum(CrcAlgorithm::Crc64Xz, bytes),
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
        // Miri takes seconds for what takes the processor a millisecond.
        for len in (0..bytes.len()).step_by(if cfg!(miri) { 67 } else { 1 }) {
            for split in [0, 1, 63, 64, 65, len / 2] {
                let split = split.min(len);
                let mut apart = Hasher::new(Wanted::Md5Sha1);
                let mut hasher = apart.clone();
                for part in [&bytes[..split], &bytes[split..len]] {
                    hasher.update(part);
                    apart.update_apart(part, |chain, rest| {
                        rest();
                        chain();
                    });
                }
                assert_eq!(apart.finish(), plain(&bytes[..len]), "{len} at {split}");
                assert_eq!(hasher.finish(), plain(&bytes[..len]), "{len} at {split}");
            }
        }
    }

    #[test]
    fn a_saved_state_goes_on_as_if_nothing_had_been() {
        let bytes: Vec<u8> = (0..400_u32).map(|i| (i * 7).to_le_bytes()[0]).collect();
        for split in [0, 1, 63, 64, 65, 128, 399, 400] {
            let mut hasher = Hasher::new(Wanted::Md5);
            hasher.update(&bytes[..split]);
            let saved = hasher.save().expect("it has no sha1");
            let mut hasher = Hasher::restore(&saved).expect("it was just saved");
            hasher.update(&bytes[split..]);
            let expected = Digests {
                sha1: None,
                ..plain(&bytes)
            };
            assert_eq!(hasher.finish(), expected, "at {split}");
            assert!(Hasher::restore(&saved[..saved.len() - 1]).is_none());
            assert!(Hasher::restore(&[&saved[..], &[0]].concat()).is_none());
        }
        assert!(Hasher::new(Wanted::Md5Sha1).save().is_none());
    }

    /// Saved states lie in packs: what an older version saved must go on in every newer one.
    #[test]
    fn saved_states_are_frozen() {
        let mut hasher = Hasher::new(Wanted::Md5);
        hasher.update(&[b'a'; 70]);
        let saved = hasher.save().expect("it has no sha1");
        assert_eq!(hex::encode(&saved), SAVED_70_A);
        let mut hasher = Hasher::restore(&hex::decode(SAVED_70_A).unwrap()).unwrap();
        hasher.update(&[b'b'; 70]);
        let whole = [[b'a'; 70], [b'b'; 70]].concat();
        let expected = Digests {
            sha1: None,
            ..plain(&whole)
        };
        assert_eq!(hasher.finish(), expected);
    }

    const SAVED_70_A: &str = "0146000000000000001cb85bdf26061ee894a845fb310fd44f16685eb2c199d4d6\
        294990ab665e6300010000000000000056ffd48962d95c1233deca6925e333000100000000000000bc3c9dde83\
        24406a616161616161";

    #[test]
    fn only_what_is_wanted_is_there() {
        let mut hasher = Hasher::new(Wanted::Sha256Only);
        hasher.update(b"abc");
        let only = hasher.finish();
        assert_eq!(only.sha256, sha256(b"abc"));
        assert_eq!((only.md5, only.sha1, only.crc64), ([0; 16], None, 0));
    }
}
