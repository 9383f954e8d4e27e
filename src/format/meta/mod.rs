//! Mutations: what a commit changes. The crate's only home of bincode.
//!
//! On disk a mutation is `{tag u16, ver u8, flags u8, len u32, bincode}`. A tag or version that a
//! reader does not know is skipped, or, with the `critical` flag, refuses the pack. What bincode
//! emits is frozen by the golden vectors below: a change of a struct needs a new version, never
//! another encoding of an old one.

mod access;
mod account;
mod content;
mod package;
mod session;
mod space;
mod tree;

use bincode::{Decode, Encode, config};
use bytes::{Buf, BufMut};

use super::FormatError;

pub use access::{AccessKey, AccessKeyDelete, AccessToken, AccessTokenDelete, Quota};
pub use account::{Grant, Token, TokenDelete, TokenUse, User, UserDelete};
pub use content::{Blob, ManifestRef, Relocated};
pub use package::{Package, PackageDelete, PackageKind};
pub use session::{
    Block, BlockPut, Dialect, Prefix, Session, SessionDelete, SessionId, SessionTouch,
};
pub use space::{Freed, FreedRecord};
pub use tree::{
    FolderSweep, Node, NodeDelete, NodeId, NodeKind, NodeMove, NodePut, Project, ProjectDelete,
    Repo, RepoDelete, TreeCopy,
};

/// Largest mutation in bytes; decoding never allocates more.
pub const MAX_MUTATION_BYTES: usize = 16 << 20;

const CRITICAL: u8 = 1;
const HEADER_BYTES: usize = 8;

macro_rules! mutations {
    ($($(#[$doc:meta])+ $name:ident = $tag:literal),+ $(,)?) => {
        /// One change.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Mutation {
            $($(#[$doc])+ $name(mutations!(@body $name)),)+
        }

        impl Mutation {
            fn tag(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $tag,)+
                }
            }

            fn body(&self) -> Vec<u8> {
                match self {
                    $(Self::$name(body) => to_bytes(body),)+
                }
            }

            /// The mutation of this tag, in version 1; `None` for an unknown one.
            fn of(tag: u16, body: &[u8]) -> Result<Option<Self>, FormatError> {
                Ok(Some(match tag {
                    $($tag => Self::$name(from_bytes(body)?),)+
                    _ => return Ok(None),
                }))
            }
        }
    };
    (@body ProjectPut) => { Project };
    (@body RepoPut) => { Repo };
    (@body BlobPut) => { Blob };
    (@body UserPut) => { User };
    (@body SessionPut) => { Session };
    (@body TokenPut) => { Token };
    (@body GrantPut) => { Grant };
    (@body PackagePut) => { Package };
    (@body AccessTokenPut) => { AccessToken };
    (@body AccessKeyPut) => { AccessKey };
    (@body QuotaPut) => { Quota };
    (@body $name:ident) => { $name };
}

mutations! {
    /// Creates or replaces a project.
    ProjectPut = 1,
    /// Creates or replaces a repository.
    RepoPut = 2,
    /// Creates or replaces a node.
    NodePut = 3,
    /// Deletes a node; of a folder, all that is below it, too.
    NodeDelete = 4,
    /// Makes a content known.
    BlobPut = 5,
    /// Creates or replaces a user.
    UserPut = 6,
    /// Redirects a damaged payload.
    Relocated = 7,
    /// Moves a node.
    NodeMove = 8,
    /// Copies what is below a folder.
    TreeCopy = 9,
    /// Forgets nodes of a deleted folder.
    FolderSweep = 10,
    /// Deletes a repository.
    RepoDelete = 11,
    /// Deletes a project.
    ProjectDelete = 12,
    /// Begins an upload in blocks.
    SessionPut = 13,
    /// Notes that an upload in blocks goes on.
    SessionTouch = 14,
    /// Ends an upload in blocks.
    SessionDelete = 15,
    /// Takes in a block.
    BlockPut = 16,
    /// Creates or replaces a temporary token.
    TokenPut = 17,
    /// Deletes a temporary token.
    TokenDelete = 18,
    /// Deletes a user.
    UserDelete = 19,
    /// Sets or takes away a grant.
    GrantPut = 20,
    /// Takes in a software package.
    PackagePut = 21,
    /// Deletes a software package.
    PackageDelete = 22,
    /// Makes an access token.
    AccessTokenPut = 23,
    /// Takes an access token away.
    AccessTokenDelete = 24,
    /// Makes a pair of access keys.
    AccessKeyPut = 25,
    /// Takes a pair of access keys away.
    AccessKeyDelete = 26,
    /// Sets how much a repository may hold.
    QuotaPut = 27,
    /// Gives space back.
    Freed = 40,
}

/// What [`to_bytes`] and [`from_bytes`] work on: every struct of this module.
pub trait Row: Encode + Decode<()> {}
impl<T: Encode + Decode<()>> Row for T {}

/// Encodes any of the structs of this module; rows of the index are stored so, too.
#[must_use]
pub fn to_bytes<T: Row>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, config::standard()).unwrap_or_default()
}

/// Decodes what [`to_bytes`] made; all bytes must be used.
///
/// # Errors
/// [`FormatError::Invalid`] for anything else.
pub fn from_bytes<T: Row>(bytes: &[u8]) -> Result<T, FormatError> {
    let config = config::standard().with_limit::<MAX_MUTATION_BYTES>();
    match bincode::decode_from_slice(bytes, config) {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        _ => Err(FormatError::Invalid {
            what: "mutation",
            why: "its body does not decode",
        }),
    }
}

impl Mutation {
    /// Appends the mutation as it lies in a commit.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let body = self.body();
        out.put_u16_le(self.tag());
        out.put_u8(1);
        out.put_u8(CRITICAL);
        out.put_u32_le(u32::try_from(body.len()).unwrap_or(u32::MAX));
        out.put_slice(&body);
    }

    /// Reads the next mutation and moves `bytes` behind it; `None` for one that may be skipped.
    ///
    /// # Errors
    /// [`FormatError`] for what does not decode, and for an unknown critical mutation.
    pub fn decode_next(bytes: &mut &[u8]) -> Result<Option<Self>, FormatError> {
        let tag = bytes.try_get_u16_le()?;
        let version = bytes.try_get_u8()?;
        let critical = bytes.try_get_u8()? & CRITICAL != 0;
        let len = bytes.try_get_u32_le()? as usize;
        let (body, rest) = bytes
            .split_at_checked(len)
            .ok_or(FormatError::Truncated { what: "mutation" })?;
        *bytes = rest;
        let known = match version {
            1 => Self::of(tag, body)?,
            _ => None,
        };
        if known.is_none() && critical {
            return Err(FormatError::Unsupported {
                what: "mutation",
                why: format!("tag {tag} version {version}"),
            });
        }
        Ok(known)
    }

    /// Bytes that the mutation takes in a commit.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.body().len().saturating_add(HEADER_BYTES)
    }
}

#[cfg(test)]
mod samples;

#[cfg(test)]
mod tests {
    use super::samples::samples;
    use super::*;

    #[test]
    fn golden_bytes() {
        let golden = include_str!("../../../tests/fixtures/mutations.hex");
        let lines: Vec<String> = samples()
            .iter()
            .map(|m| {
                let mut out = Vec::new();
                m.encode_into(&mut out);
                hex::encode(out)
            })
            .collect();
        assert_eq!(golden.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn round_trip() {
        let mut bytes = Vec::new();
        for mutation in samples() {
            let before = bytes.len();
            mutation.encode_into(&mut bytes);
            assert_eq!(bytes.len() - before, mutation.encoded_len());
        }
        let mut rest = bytes.as_slice();
        for mutation in samples() {
            assert_eq!(Mutation::decode_next(&mut rest).unwrap(), Some(mutation));
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn cut_and_trailing_bytes_are_refused() {
        for mutation in samples() {
            let mut bytes = Vec::new();
            mutation.encode_into(&mut bytes);
            for cut in 0..bytes.len() {
                assert!(Mutation::decode_next(&mut &bytes[..cut]).is_err());
            }
            bytes.push(0);
            bytes[4] += 1;
            assert!(Mutation::decode_next(&mut bytes.as_slice()).is_err());
        }
    }

    #[test]
    fn unknown_mutations_are_skipped_unless_critical() {
        let mut bytes: &[u8] = &[99, 0, 1, 0, 2, 0, 0, 0, 7, 7];
        assert_eq!(Mutation::decode_next(&mut bytes).unwrap(), None);
        assert!(bytes.is_empty());
        let mut bytes: &[u8] = &[99, 0, 1, 1, 0, 0, 0, 0];
        assert!(matches!(
            Mutation::decode_next(&mut bytes),
            Err(FormatError::Unsupported { .. })
        ));
    }

    #[test]
    fn a_hostile_length_does_not_allocate() {
        let body = [0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        assert!(from_bytes::<NodeDelete>(&body).is_err());
        assert!(from_bytes::<Project>(&body).is_err());
    }
}
