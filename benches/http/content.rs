//! Content that any part of can be made at any time: gigabytes of it need no memory.

use std::sync::Arc;

use super::support::noise;

/// What tells one piece of a content from another stands at the beginning of each so many bytes: in
/// every chunk, so that nothing is stored once for two.
const STAMPED_BYTES: usize = 4 << 10;
/// The noise behind the stamps is repeated after so many bytes.
const NOISE_BYTES: usize = 1 << 20;

/// Bytes that do not compress, and of which no chunk is like another's.
pub struct Content {
    noise: Arc<[u8]>,
    seed: u64,
}

impl Content {
    pub fn new(seed: u64) -> Self {
        Self {
            noise: noise(NOISE_BYTES, 7).into(),
            seed,
        }
    }

    /// The same noise, with other stamps.
    pub fn with_seed(&self, seed: u64) -> Self {
        Self {
            noise: Arc::clone(&self.noise),
            seed,
        }
    }

    /// The bytes from an offset on, which is a multiple of 4 KiB.
    pub fn fill(&self, offset: u64, out: &mut [u8]) {
        let stamped = STAMPED_BYTES as u64;
        assert_eq!(offset % stamped, 0, "content begins with a stamp");
        for (page, out) in (offset / stamped..).zip(out.chunks_mut(STAMPED_BYTES)) {
            let at = usize::try_from(page).expect("few pages") * STAMPED_BYTES % NOISE_BYTES;
            out.copy_from_slice(&self.noise[at..at + out.len()]);
            let seed = self
                .seed
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(29);
            let stamp = (seed ^ page).wrapping_mul(0x94D0_49BB_1331_11EB);
            let stamp = stamp.to_le_bytes();
            let len = stamp.len().min(out.len());
            out[..len].copy_from_slice(&stamp[..len]);
        }
    }

    pub fn bytes(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.fill(offset, &mut out);
        out
    }
}
