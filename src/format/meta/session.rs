//! Uploads in blocks: sessions, and the blocks that they have so far.

use bincode::{Decode, Encode};

use super::content::ManifestRef;
use crate::format::Sha256;

/// Identity of a session.
pub type SessionId = [u8; 16];

/// How the blocks of a session say where they belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Dialect {
    /// By their first byte's offset in the file.
    Offset,
    /// By their number, from 1 on.
    Sequence,
}

/// An upload in blocks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Session {
    /// Its identity.
    pub id: SessionId,
    /// The rest of the upload id that the client has.
    pub suffix: [u8; 12],
    /// How its blocks say where they belong.
    pub dialect: Dialect,
    /// The project that the file goes to.
    pub project: String,
    /// The repository.
    pub repo: String,
    /// The path, normal.
    pub path: String,
    /// Who began it.
    pub created_by: String,
    /// When, Unix milliseconds.
    pub created_ms: u64,
    /// When it was used last, Unix milliseconds.
    pub active_ms: u64,
    /// How many blocks it has; an empty one at an offset is none.
    pub blocks: u64,
    /// How often a block was replaced by another content.
    pub replaced: u64,
    /// The digests of its first blocks.
    pub prefix: Prefix,
}

/// Whole-file digests so far: of the blocks that follow one another from the start of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Prefix {
    /// How many blocks it covers.
    pub blocks: u64,
    /// How many bytes.
    pub bytes: u64,
    /// State of the digests; empty when nothing is covered.
    pub state: Vec<u8>,
}

/// Some bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    /// Offset of its first byte, or its number.
    pub key: u64,
    /// Length in bytes.
    pub size: u64,
    /// sha256 of its bytes.
    pub sha256: Sha256,
    /// Where the bytes are.
    pub manifest: ManifestRef,
}

/// Puts a block into a session, in the place of the one with its key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BlockPut {
    /// The session.
    pub session: SessionId,
    /// The block.
    pub block: Block,
    /// The digests up to its end, when it lies behind those that were covered.
    pub prefix: Option<Prefix>,
    /// When, Unix milliseconds.
    pub at_ms: u64,
}

/// A session is in use; and perhaps its digests cover more blocks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SessionTouch {
    /// The session.
    pub session: SessionId,
    /// The digests, if they cover more.
    pub prefix: Option<Prefix>,
    /// When it was used, Unix milliseconds; 0 when that does not count as use.
    pub at_ms: u64,
}

/// Ends a session; its blocks are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SessionDelete {
    /// The session.
    pub session: SessionId,
}
