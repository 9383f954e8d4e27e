//! A random part of the pack, the same for the same seed.

use std::str::FromStr;

use crate::store::StoreError;

/// Records are drawn by the bucket that their hash falls into.
const BUCKETS: usize = 1 << 16;
/// Millionths.
const MILLION: u64 = 1_000_000;

/// How much is looked at. Read from `5%` or a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleSize {
    /// So many millionths of the bytes; more than none.
    Share(u32),
    /// So many bytes, or all there are.
    Bytes(u64),
}

/// A sample to be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// How much.
    pub size: SampleSize,
    /// Draws the same again; of the same pack a larger sample holds all of a smaller one.
    pub seed: u64,
}

impl Sample {
    /// A sample drawn with a seed, or with a random one.
    ///
    /// # Errors
    /// [`StoreError::System`] without randomness.
    pub fn new(size: SampleSize, seed: Option<u64>) -> Result<Self, StoreError> {
        let random = || {
            // 53 bits: what any reader of JSON gets right.
            let drawn = getrandom::u64().map(|seed| seed >> 11);
            drawn.map_err(|e| StoreError::System(format!("no randomness: {e}")))
        };
        let seed = seed.map_or_else(random, Ok)?;
        Ok(Self { size, seed })
    }
}

impl FromStr for SampleSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why| format!("`{text}` {why}");
        let Some(percent) = text.strip_suffix('%') else {
            let bytes = text
                .parse()
                .map_err(|_| bad("is neither like `5%` nor a number of bytes"))?;
            return match bytes {
                0 => Err(bad("is nothing")),
                bytes => Ok(Self::Bytes(bytes)),
            };
        };
        let percent: f64 = percent.parse().map_err(|_| bad("is no percentage"))?;
        // Not a number is in no range.
        if !(percent > 0.0 && percent <= 100.0) {
            return Err(bad("is not more than 0% and at most 100%"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is more than 0 and at most a million"
        )]
        let millionths = (percent * 10_000.0).ceil() as u32;
        Ok(Self::Share(millionths))
    }
}

impl SampleSize {
    /// Bytes of `all`.
    fn of(self, all: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.min(all),
            Self::Share(millionths) => {
                let part = u128::from(all) * u128::from(millionths);
                let part = part.div_ceil(u128::from(MILLION));
                u64::try_from(part).unwrap_or(u64::MAX).min(all)
            }
        }
    }
}

/// What there is to draw from: bytes by bucket.
pub(super) struct Urn {
    seed: u64,
    buckets: Vec<u64>,
    pub(super) bytes: u64,
}

/// What was drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selection {
    seed: u64,
    /// The buckets below this one.
    buckets: usize,
}

impl Urn {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            buckets: vec![0; BUCKETS],
            bytes: 0,
        }
    }

    /// Puts a record in.
    pub(super) fn add(&mut self, offset: u64, bytes: u64) {
        self.buckets[bucket(self.seed, offset)] += bytes;
        self.bytes += bytes;
    }

    /// Draws records, each as likely as any other, until they have as many bytes as `size` says.
    pub(super) fn draw(&self, size: SampleSize) -> Selection {
        let goal = size.of(self.bytes);
        let (mut drawn, mut buckets) = (0, 0);
        // All together have as much.
        while drawn < goal {
            drawn += self.buckets[buckets];
            buckets += 1;
        }
        Selection {
            seed: self.seed,
            buckets,
        }
    }
}

impl Selection {
    /// Whether the record at this offset was drawn.
    pub(super) fn has(&self, offset: u64) -> bool {
        bucket(self.seed, offset) < self.buckets
    }
}

/// The finisher of `SplitMix64`, but for its last step, which changes none of the bits that are taken: every
/// bit of seed and offset decides over every bit of the bucket.
fn bucket(seed: u64, offset: u64) -> usize {
    let mut x = seed.wrapping_add(offset.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    usize::try_from(x >> 48).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, size) in [
            ("5%", SampleSize::Share(50_000)),
            ("100%", SampleSize::Share(1_000_000)),
            ("0.00001%", SampleSize::Share(1)),
            ("12.5%", SampleSize::Share(125_000)),
            ("1", SampleSize::Bytes(1)),
            ("18446744073709551615", SampleSize::Bytes(u64::MAX)),
        ] {
            assert_eq!(text.parse(), Ok(size), "{text}");
        }
        for bad in [
            "",
            "%",
            "0",
            "0%",
            "-1%",
            "100.1%",
            "1e9%",
            "NaN%",
            "inf%",
            "-0%",
            "1.5",
            "-1",
            "18446744073709551616",
            "5 %",
            "x%",
        ] {
            assert!(bad.parse::<SampleSize>().is_err(), "{bad}");
        }
        assert_eq!(SampleSize::Share(1).of(10), 1);
        assert_eq!(SampleSize::Share(1_000_000).of(u64::MAX), u64::MAX);
        assert_eq!(SampleSize::Bytes(u64::MAX).of(10), 10);
    }

    fn urn(seed: u64) -> Urn {
        let mut urn = Urn::new(seed);
        (0..5_000).for_each(|i| urn.add(4096 + i * 1000, 900));
        urn
    }

    fn drawn(seed: u64, size: SampleSize) -> Vec<u64> {
        let selection = urn(seed).draw(size);
        let all = (0..5_000).map(|i| 4096 + i * 1000);
        all.filter(|offset| selection.has(*offset)).collect()
    }

    #[test]
    fn samples_are_as_large_as_was_asked_and_hardly_larger() {
        for (size, least) in [
            (SampleSize::Share(50_000), 250),
            (SampleSize::Bytes(900_000), 1000),
            (SampleSize::Bytes(1), 1),
            (SampleSize::Share(1), 1),
        ] {
            let count = drawn(7, size).len();
            assert!((least..=least + 3).contains(&count), "{size:?}: {count}");
        }
        assert_eq!(drawn(7, SampleSize::Share(1_000_000)).len(), 5_000);
        assert_eq!(drawn(7, SampleSize::Bytes(u64::MAX)).len(), 5_000);
        assert!(!Urn::new(7).draw(SampleSize::Share(1_000_000)).has(4096));
    }

    #[test]
    fn what_is_drawn_lies_in_the_buckets_below_a_bound() {
        let bucket = bucket(7, 4096);
        let has = |buckets| Selection { seed: 7, buckets }.has(4096);
        assert!(!has(bucket) && has(bucket + 1));
    }

    // Whoever noted a seed draws the same records with it, whatever the version.
    #[test]
    fn a_seed_draws_the_same_for_ever() {
        for (seed, offset, expected) in [
            (0, 4096, 46_690),
            (7, 4096, 48_650),
            (7, 4104, 16_916),
            (8, 4096, 57_550),
            (u64::MAX, 1 << 40, 58_206),
        ] {
            assert_eq!(bucket(seed, offset), expected, "{seed}, {offset}");
        }
    }

    #[test]
    fn a_seed_draws_the_same_again_and_another_one_others() {
        let five = drawn(7, SampleSize::Share(50_000));
        assert_eq!(five, drawn(7, SampleSize::Share(50_000)));
        let ten = drawn(7, SampleSize::Share(100_000));
        assert!(five.iter().all(|offset| ten.contains(offset)));
        let other = drawn(8, SampleSize::Share(50_000));
        let common = other.iter().filter(|offset| five.contains(offset)).count();
        assert!(common < five.len() / 5, "{common} in common");
    }
}
