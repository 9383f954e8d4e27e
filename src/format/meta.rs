//! Mutations: what a commit changes. The crate's only home of bincode.
//!
//! On disk a mutation is `{tag u16, ver u8, flags u8, len u32, bincode}`. A tag or version that a
//! reader does not know is skipped, or, with the `critical` flag, refuses the pack. What bincode
//! emits is frozen by the golden vectors below: a change of a struct needs a new version, never
//! another encoding of an old one.

use bincode::{Decode, Encode, config};
use bytes::{Buf, BufMut};

use super::{FormatError, Sha256};

/// Largest mutation in bytes; decoding never allocates more.
pub const MAX_MUTATION_BYTES: usize = 16 << 20;

const CRITICAL: u8 = 1;
const HEADER_BYTES: usize = 8;

/// Identity of a node (file or folder) in a store; 0 is no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct NodeId(pub u64);

/// A project: a name that holds repositories.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Project {
    /// Unique name.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Free text.
    pub description: String,
    /// Who created it.
    pub created_by: String,
    /// When, Unix milliseconds.
    pub created_ms: u64,
}

/// A repository: a tree of nodes in a project.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Repo {
    /// The project it is in.
    pub project: String,
    /// Name, unique in the project.
    pub name: String,
    /// Its root folder.
    pub root: NodeId,
    /// Anybody may read it.
    pub public: bool,
    /// Free text.
    pub description: String,
    /// Who created it.
    pub created_by: String,
    /// When, Unix milliseconds.
    pub created_ms: u64,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum NodeKind {
    /// A folder.
    Folder,
    /// A file, and the content it points at.
    File {
        /// sha256 of the content.
        sha256: Sha256,
        /// Length of the content in bytes.
        size: u64,
    },
}

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Node {
    /// Its identity; the key of its children.
    pub id: NodeId,
    /// File or folder.
    pub kind: NodeKind,
    /// Who created it.
    pub created_by: String,
    /// When, Unix milliseconds.
    pub created_ms: u64,
    /// Who changed it last.
    pub modified_by: String,
    /// When, Unix milliseconds.
    pub modified_ms: u64,
    /// When it ceases to exist, Unix milliseconds.
    pub expires_ms: Option<u64>,
    /// Metadata, sorted by key.
    pub metadata: Vec<(String, String)>,
}

/// Sets the node of a name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NodePut {
    /// The folder.
    pub parent: NodeId,
    /// The name there.
    pub name: String,
    /// The node, replacing whatever was there.
    pub node: Node,
}

/// Takes a name out of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NodeDelete {
    /// The folder.
    pub parent: NodeId,
    /// The name there.
    pub name: String,
}

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

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct User {
    /// Unique name.
    pub name: String,
    /// Argon2 hash of the password, PHC string.
    pub password_phc: String,
    /// May do everything.
    pub admin: bool,
    /// When it was created, Unix milliseconds.
    pub created_ms: u64,
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

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mutation {
    /// Creates or replaces a project.
    ProjectPut(Project),
    /// Creates or replaces a repository.
    RepoPut(Repo),
    /// Creates or replaces a node.
    NodePut(NodePut),
    /// Deletes a node.
    NodeDelete(NodeDelete),
    /// Makes a content known.
    BlobPut(Blob),
    /// Creates or replaces a user.
    UserPut(User),
    /// Redirects a damaged payload.
    Relocated(Relocated),
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
    fn tag(&self) -> u16 {
        match self {
            Self::ProjectPut(_) => 1,
            Self::RepoPut(_) => 2,
            Self::NodePut(_) => 3,
            Self::NodeDelete(_) => 4,
            Self::BlobPut(_) => 5,
            Self::UserPut(_) => 6,
            Self::Relocated(_) => 7,
        }
    }

    fn body(&self) -> Vec<u8> {
        match self {
            Self::ProjectPut(v) => to_bytes(v),
            Self::RepoPut(v) => to_bytes(v),
            Self::NodePut(v) => to_bytes(v),
            Self::NodeDelete(v) => to_bytes(v),
            Self::BlobPut(v) => to_bytes(v),
            Self::UserPut(v) => to_bytes(v),
            Self::Relocated(v) => to_bytes(v),
        }
    }

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
        Ok(Some(match (tag, version) {
            (1, 1) => Self::ProjectPut(from_bytes(body)?),
            (2, 1) => Self::RepoPut(from_bytes(body)?),
            (3, 1) => Self::NodePut(from_bytes(body)?),
            (4, 1) => Self::NodeDelete(from_bytes(body)?),
            (5, 1) => Self::BlobPut(from_bytes(body)?),
            (6, 1) => Self::UserPut(from_bytes(body)?),
            (7, 1) => Self::Relocated(from_bytes(body)?),
            _ if critical => {
                return Err(FormatError::Unsupported {
                    what: "mutation",
                    why: format!("tag {tag} version {version}"),
                });
            }
            _ => return Ok(None),
        }))
    }

    /// Bytes that the mutation takes in a commit.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.body().len().saturating_add(HEADER_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Mutation> {
        let node = Node {
            id: NodeId(300),
            kind: NodeKind::File {
                sha256: [0xAA; 32],
                size: 70_000,
            },
            created_by: "admin".into(),
            created_ms: 1_700_000_000_123,
            modified_by: "ci".into(),
            modified_ms: 1_700_000_000_124,
            expires_ms: Some(1_700_086_400_123),
            metadata: vec![("k".into(), "v".into())],
        };
        vec![
            Mutation::ProjectPut(Project {
                name: "p".into(),
                display_name: "P".into(),
                description: "d".into(),
                created_by: "admin".into(),
                created_ms: 1,
            }),
            Mutation::RepoPut(Repo {
                project: "p".into(),
                name: "r".into(),
                root: NodeId(1),
                public: true,
                description: String::new(),
                created_by: "admin".into(),
                created_ms: 2,
            }),
            Mutation::NodePut(NodePut {
                parent: NodeId(1),
                name: "f".into(),
                node,
            }),
            Mutation::NodeDelete(NodeDelete {
                parent: NodeId(1),
                name: "é".into(),
            }),
            Mutation::BlobPut(Blob {
                sha256: [0xAA; 32],
                size: 70_000,
                md5: [0xBB; 16],
                crc64: u64::MAX,
                sha1: Some([0xCC; 20]),
                manifest: ManifestRef::Root {
                    offset: 4096,
                    tag: 9,
                    entries: 1,
                },
            }),
            Mutation::UserPut(User {
                name: "u".into(),
                password_phc: "$argon2id$x".into(),
                admin: true,
                created_ms: 3,
            }),
            Mutation::Relocated(Relocated {
                from: 4096,
                to: 8192,
                stored_len: 10,
                crc32: 0x0102_0304,
                codec: 0,
            }),
        ]
    }

    #[test]
    fn golden_bytes() {
        let golden = include_str!("../../tests/fixtures/mutations.hex");
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
