//! What can be wrong with bytes.

use thiserror::Error;

/// Why bytes are not the value they should be. Decoders return it; they never panic.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Fewer bytes than the value needs.
    #[error("{what} is truncated")]
    Truncated {
        /// The thing that was being decoded.
        what: &'static str,
    },
    /// The bytes are not such a thing at all.
    #[error("{what} has a wrong magic")]
    Magic {
        /// The thing that was being decoded.
        what: &'static str,
    },
    /// A checksum or digest does not fit.
    #[error("{what} fails its checksum")]
    Checksum {
        /// The thing that was being decoded.
        what: &'static str,
    },
    /// Well-formed, but against a rule of the format.
    #[error("{what} is invalid: {why}")]
    Invalid {
        /// The thing that was being decoded.
        what: &'static str,
        /// The rule that is broken.
        why: &'static str,
    },
    /// Made by a newer packhold, and not to be ignored.
    #[error("{what} needs a newer packhold: {why}")]
    Unsupported {
        /// The thing that was being decoded.
        what: &'static str,
        /// What this version does not know.
        why: String,
    },
}

impl From<bytes::TryGetError> for FormatError {
    fn from(_: bytes::TryGetError) -> Self {
        Self::Truncated { what: "record" }
    }
}
