//! A commit: mutations that become visible together, and the chain that authenticates history.

use bytes::{Buf, BufMut};
use sha2::{Digest, Sha256 as Hasher};

use super::record::FRAME_BYTES;
use super::{FormatError, Sha256, meta::Mutation};

/// Length of the fixed front part of a commit body in bytes.
pub const HEAD_BYTES: usize = 64;
const CHAIN_AT: usize = 32;

/// The fixed front part of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitHead {
    /// Everything below this offset was synced before this commit was appended.
    pub durable_upto: u64,
    /// When it was made, Unix milliseconds.
    pub time_ms: u64,
    /// Offset of the frame of the commit before it; 0 for the first.
    pub previous: u64,
    /// How many mutations follow. A commit without any is a seal.
    pub mutations: u32,
    /// sha256(previous chain ‖ frames since ‖ this body without these 32 bytes).
    pub chain: Sha256,
}

/// Runs over the log and computes the chain.
#[derive(Debug, Clone)]
pub struct Chain(Hasher);

impl Chain {
    /// The chain of an empty pack: it starts with the sha256 of the pack header.
    #[must_use]
    pub fn genesis(pack_header: &[u8]) -> Self {
        Self::after(&Hasher::digest(pack_header).into())
    }

    /// The chain behind a commit with this value.
    #[must_use]
    pub fn after(value: &Sha256) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(value);
        Self(hasher)
    }

    /// Takes in the frame of a record that is not a commit.
    pub fn frame(&mut self, frame: &[u8; FRAME_BYTES]) {
        self.0.update(frame);
    }

    /// The value at a commit with this body, whose own chain field is left out.
    #[must_use]
    pub fn value(&self, body: &[u8]) -> Sha256 {
        let mut hasher = self.0.clone();
        hasher.update(body.get(..CHAIN_AT).unwrap_or(body));
        hasher.update(body.get(HEAD_BYTES..).unwrap_or(&[]));
        hasher.finalize().into()
    }
}

/// Encodes a commit body; `head.mutations` and `head.chain` are filled in here. Gives the body
/// and its chain value.
#[must_use]
pub fn encode(head: &CommitHead, mutations: &[Mutation], chain: &Chain) -> (Vec<u8>, Sha256) {
    let mut body = Vec::with_capacity(HEAD_BYTES);
    body.put_u64_le(head.durable_upto);
    body.put_u64_le(head.time_ms);
    body.put_u64_le(head.previous);
    body.put_u32_le(u32::try_from(mutations.len()).unwrap_or(u32::MAX));
    body.put_u32_le(0);
    body.put_slice(&[0; 32]);
    mutations.iter().for_each(|m| m.encode_into(&mut body));
    let value = chain.value(&body);
    if let Some(field) = body.get_mut(CHAIN_AT..HEAD_BYTES) {
        field.copy_from_slice(&value);
    }
    (body, value)
}

/// Reads the front part of a commit body.
///
/// # Errors
/// [`FormatError::Truncated`].
pub fn decode_head(mut body: &[u8]) -> Result<CommitHead, FormatError> {
    let mut head = CommitHead {
        durable_upto: body.try_get_u64_le()?,
        time_ms: body.try_get_u64_le()?,
        previous: body.try_get_u64_le()?,
        mutations: body.try_get_u32_le()?,
        chain: [0; 32],
    };
    body.try_get_u32_le()?;
    body.try_copy_to_slice(&mut head.chain)?;
    Ok(head)
}

/// Reads a whole commit body; mutations that may be skipped are left out.
///
/// # Errors
/// [`FormatError`] for what does not decode, or is unknown and critical.
pub fn decode(body: &[u8]) -> Result<(CommitHead, Vec<Mutation>), FormatError> {
    let head = decode_head(body)?;
    let mut rest = body.get(HEAD_BYTES..).unwrap_or(&[]);
    let mut mutations = Vec::new();
    for _ in 0..head.mutations {
        mutations.extend(Mutation::decode_next(&mut rest)?);
    }
    if !rest.is_empty() {
        return Err(FormatError::Invalid {
            what: "commit",
            why: "bytes behind its last mutation",
        });
    }
    Ok((head, mutations))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::meta::{NodeDelete, NodeId};

    fn head() -> CommitHead {
        CommitHead {
            durable_upto: 4096,
            time_ms: 1_700_000_000_123,
            previous: 0,
            mutations: 0,
            chain: [0; 32],
        }
    }

    fn mutations() -> Vec<Mutation> {
        vec![Mutation::NodeDelete(NodeDelete {
            parent: NodeId(1),
            name: "a".into(),
        })]
    }

    #[test]
    fn golden_bytes() {
        let (body, _) = encode(&head(), &mutations(), &Chain::genesis(b"header"));
        assert_eq!(
            hex::encode(body),
            "00100000000000007b68e5cf8b01000000000000000000000100000000000000\
             66c277c2db21038120292d396d8e7e5ec3bc6c8e6a5c5ca1063714f1bdacb534\
             0400010103000000010161"
        );
    }

    #[test]
    fn round_trip() {
        let chain = Chain::genesis(b"header");
        let (body, value) = encode(&head(), &mutations(), &chain);
        let (back, list) = decode(&body).unwrap();
        assert_eq!(list, mutations());
        assert_eq!((back.chain, back.mutations), (value, 1));
        assert_eq!(chain.value(&body), value);
    }

    #[test]
    fn the_chain_depends_on_all_that_came_before() {
        let value = |chain: &Chain| encode(&head(), &mutations(), chain).1;
        let plain = Chain::genesis(b"header");
        let mut framed = plain.clone();
        framed.frame(&[1; FRAME_BYTES]);
        assert_ne!(value(&plain), value(&framed));
        assert_ne!(value(&plain), value(&Chain::genesis(b"other")));
        assert_ne!(value(&plain), value(&Chain::after(&value(&plain))));
    }

    #[test]
    fn broken_bodies_are_refused() {
        let (mut body, _) = encode(&head(), &mutations(), &Chain::genesis(b"h"));
        for cut in 0..body.len() {
            assert!(decode(&body[..cut]).is_err(), "cut at {cut}");
        }
        body.push(0);
        assert!(decode(&body).is_err());
    }
}
