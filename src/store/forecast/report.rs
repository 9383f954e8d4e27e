//! What a forecast tells. Field names are part of the interface (`packhold dedup --json`).

use serde::{Deserialize, Serialize};

/// How files would be stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ForecastReport {
    /// Files that were read to their end.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// The releases, in the order in which they would be stored.
    pub releases: Vec<ReleaseForecast>,
    /// What each way to cut comes to.
    pub settings: Vec<SettingForecast>,
}

/// What a release has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseForecast {
    /// Its name.
    pub name: String,
    /// Further releases that are counted as part of this, the last that is told of.
    pub others: u64,
    /// Files that were read to their end.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

/// What one way to cut comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettingForecast {
    /// Smallest chunk.
    pub min_bytes: u32,
    /// Size aimed at.
    pub avg_bytes: u32,
    /// Largest chunk.
    pub max_bytes: u32,
    /// `FastCDC` normalization level.
    pub normalization: u32,
    /// 1 if all chunks were counted; else the share that was counted at the end, chosen by digest, from which
    /// the rest is concluded.
    pub counted_share: f64,
    /// Distinct chunks that would be stored.
    pub chunks: u64,
    /// Chunks of all files, repeated ones too.
    pub pieces: u64,
    /// Bytes of the chunks that would be stored.
    pub stored_bytes: u64,
    /// Bytes of distinct chunks that the store has already.
    pub known_bytes: u64,
    /// Bytes of segment tables and manifests, at most: of a content that comes twice they are stored once.
    pub metadata_bytes: u64,
    /// Bytes of the index, about.
    pub index_bytes: u64,
    /// Bytes of the files for each byte of chunks that would be stored; nothing if none would be.
    pub ratio: Option<f64>,
    /// Bytes of chunks that each release adds.
    pub new_bytes: Vec<u64>,
    /// For each two of the first 64 releases: bytes of the distinct chunks that both have.
    pub shared_bytes: Vec<Vec<u64>>,
    /// How many of the distinct chunks are how large.
    pub sizes: Vec<Bin>,
}

/// Chunks of some sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bin {
    /// They are this large at most, and larger than those of the one before.
    pub upto_bytes: u64,
    /// How many there are.
    pub chunks: u64,
}

/// `before / after`.
pub(super) fn ratio(before: u64, after: u64) -> Option<f64> {
    (after > 0).then(|| figure(before) / figure(after))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn figure(number: u64) -> f64 {
    number as f64
}
