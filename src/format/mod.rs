#![doc = include_str!("../../DESIGN.md")]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

pub mod codec;
pub mod commit;
mod error;
pub mod header;
pub mod manifest;
pub mod meta;
pub mod record;
pub mod scan;
pub mod segment;

pub use error::FormatError;

/// A sha256 digest, 32 bytes.
pub type Sha256 = [u8; 32];

/// The random identity of a pack file, 16 bytes. It seeds every frame and page checksum, and it
/// is never shown to clients: whoever does not know it cannot forge a record inside an upload.
pub type PackId = [u8; 16];

/// CRC-32 (IEEE) of `bytes`, seeded with the pack id (that is, over `pack_id ‖ bytes`).
#[must_use]
pub fn seeded_crc(pack_id: &PackId, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(pack_id);
    hasher.update(bytes);
    hasher.finalize()
}
