//! How a chunk lies in the pack.
//!
//! Codec 0 is the only one of version 1: the payload is the chunk. Every other codec begins its
//! payload with `{raw_crc32 u32, header_len u32, codec header}`; a reader that meets a codec which
//! it does not know answers an error, never bytes.

use super::FormatError;

/// The payload is the chunk itself.
pub const RAW: u8 = 0;

/// `Ok` for the codecs that this version can read.
///
/// # Errors
/// [`FormatError::Unsupported`] for any other.
pub fn check(codec: u8) -> Result<(), FormatError> {
    match codec {
        RAW => Ok(()),
        other => Err(FormatError::Unsupported {
            what: "chunk",
            why: format!("codec {other}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_but_the_first_is_refused_by_its_number() {
        assert_eq!(check(RAW), Ok(()));
        for codec in 1..=u8::MAX {
            let refused = check(codec).unwrap_err().to_string();
            assert_eq!(
                refused,
                format!("chunk needs a newer packhold: codec {codec}")
            );
        }
    }
}
