//! Contents: digests, and where the bytes are.

use bincode::{Decode, Encode};

use crate::format::Sha256;

/// Where the manifest of a content lies.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ManifestRef {
    /// No bytes, no manifest.
    Empty,
    /// The leaf pages, in the mutation itself.
    Inline {
        /// Tag of the list.
        tag: u64,
        /// Entries in it.
        entries: u32,
        /// Its pages.
        pages: Vec<u8>,
    },
    /// A root record.
    Root {
        /// Offset of its frame in the pack.
        offset: u64,
        /// Tag of the list.
        tag: u64,
        /// Entries in it.
        entries: u32,
    },
}

/// A content: whole-file digests, and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Blob {
    /// sha256 of the content: its name.
    pub sha256: Sha256,
    /// Length in bytes.
    pub size: u64,
    /// md5 of the content.
    pub md5: [u8; 16],
    /// CRC-64/XZ (bk-repo's `crc64ecma`) of the content.
    pub crc64: u64,
    /// sha1 of the content, where somebody asked for it.
    pub sha1: Option<[u8; 20]>,
    /// Where the bytes are.
    pub manifest: ManifestRef,
}

/// The payload at `from` is damaged; an intact copy is at `to`. Manifests stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Relocated {
    /// Pack offset of the damaged payload.
    pub from: u64,
    /// Pack offset of the intact copy.
    pub to: u64,
    /// Length of the copy in bytes.
    pub stored_len: u32,
    /// CRC-32 of the copy.
    pub crc32: u32,
    /// Codec of the copy.
    pub codec: u8,
}
