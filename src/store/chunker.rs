//! Content-defined chunking: `FastCDC` 2020. The only home of the fastcdc crate.

use std::borrow::Cow;

use fastcdc::v2020::{Normalization, cut_gear, get_gear_with_seed, select_masks};

use crate::format::header::Chunking;

/// Finds the ends of chunks.
pub struct Chunker {
    min: usize,
    avg: usize,
    max: usize,
    mask_s: u64,
    mask_l: u64,
    gear: Cow<'static, [u64]>,
    gear_ls: Cow<'static, [u64]>,
}

impl Chunker {
    /// A chunker with the parameters of a pack.
    #[must_use]
    pub fn new(chunking: &Chunking) -> Self {
        let level = match chunking.normalization {
            0 => Normalization::Level0,
            1 => Normalization::Level1,
            2 => Normalization::Level2,
            _ => Normalization::Level3,
        };
        let avg = chunking.avg_bytes as usize;
        let (mask_s, mask_l) = select_masks(avg, level);
        let (gear, gear_ls) = get_gear_with_seed(chunking.seed);
        Self {
            min: chunking.min_bytes as usize,
            avg,
            max: chunking.max_bytes as usize,
            mask_s,
            mask_l,
            gear,
            gear_ls,
        }
    }

    /// Length of the largest chunk in bytes.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Length of the next chunk at the start of `bytes`, which must hold at least [`Self::max`]
    /// bytes or all that is left of the file: fastcdc cannot tell the end of its buffer from a
    /// boundary.
    #[must_use]
    pub fn cut(&self, bytes: &[u8]) -> usize {
        let (_, end) = cut_gear(
            bytes,
            self.min,
            self.avg,
            self.max,
            self.mask_s,
            self.mask_l,
            self.mask_s << 1,
            self.mask_l << 1,
            &self.gear,
            &self.gear_ls,
        );
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that look random and are the same everywhere: xorshift64*.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut out = Vec::with_capacity(len + 8);
        while out.len() < len {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            out.extend(state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
        }
        out.truncate(len);
        out
    }

    fn cuts(mut bytes: &[u8]) -> Vec<usize> {
        let chunker = Chunker::new(&Chunking::default());
        let mut list = Vec::new();
        while !bytes.is_empty() {
            let len = chunker.cut(bytes);
            list.push(len);
            bytes = &bytes[len..];
        }
        list
    }

    /// Stored packs find their chunks again only as long as the crate cuts as it does today.
    #[test]
    fn golden_cuts() {
        let cuts = cuts(&noise(300_000));
        assert_eq!(cuts, GOLDEN);
        assert!(
            cuts.iter()
                .rev()
                .skip(1)
                .all(|n| (4096..=65536).contains(n))
        );
    }

    const GOLDEN: &[usize] = &[
        34833, 21506, 11483, 18451, 23851, 24628, 21005, 17172, 17305, 16484, 18327, 5026, 35954,
        31433, 2542,
    ];

    #[test]
    fn zeros_are_cut_at_the_largest_chunk() {
        assert_eq!(cuts(&vec![0; 140_000]), [65536, 65536, 8928]);
        assert_eq!(cuts(&[1, 2, 3]), [3]);
    }
}
