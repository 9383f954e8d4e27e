//! Comparing secrets: the only home of subtle and hmac.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use crate::digest;

/// Whether two secrets are the same, in a time that tells nothing of where they differ or how long
/// they are: their digests are compared.
pub(super) fn same(a: &str, b: &str) -> bool {
    let digests = [a, b].map(|text| digest::sha256(text.as_bytes()));
    digests[0].ct_eq(&digests[1]).into()
}

/// Whether `signature` is the HMAC-SHA1 (RFC 2104) of a message under a secret, in a time that tells
/// nothing of where it differs.
pub(super) fn signed(secret: &str, message: &[u8], signature: &[u8]) -> bool {
    match Hmac::<Sha1>::new_from_slice(secret.as_bytes()) {
        Ok(mut mac) => {
            mac.update(message);
            mac.finalize()
                .into_bytes()
                .as_slice()
                .ct_eq(signature)
                .into()
        }
        // An HMAC takes keys of any length.
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_is_the_same() {
        for (a, b, expected) in [("x", "x", true), ("x", "y", false), ("x", "xx", false)] {
            assert_eq!(same(a, b), expected, "{a} {b}");
        }
    }

    /// RFC 2202, test case 2.
    #[test]
    fn a_known_signature() {
        let message = b"what do ya want for nothing?";
        let right = hex::decode("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79").expect("hex");
        assert!(signed("Jefe", message, &right));
        assert!(!signed("Jefe", message, &right[..19]));
        assert!(!signed("jefe", message, &right));
    }

    /// The two that OCP documents; what is signed is as the façade puts it together.
    #[test]
    fn the_documented_signatures() {
        let secret = "2fc0c299cc94c6be266f2ceece765d4d";
        for (message, signature) in [
            (
                "POST\n186974DB33A090A16D3E2CA35F547B56\napplication/json\n\
                 Tue, 17 Jan 2023 09:13:57 GMT\nocp.alibaba.net:8080\nx-ocp-data:A,1\n\
                 /api/v2/compute/idcs",
                "5cdf0ff8efafdef51a6c1d7a642a28ab9c0c2686",
            ),
            (
                "GET\n\napplication/json;charset=utf-8\nTue, 17 Jan 2023 04:14:02 GMT\n\
                 ocp.alibaba.net:8080\n\n/api/v2/compute/idcs?size=100",
                "4ec403e870ceb99b89e34f66d3076764f9a28e57",
            ),
        ] {
            let signature = hex::decode(signature).expect("hex");
            assert!(signed(secret, message.as_bytes(), &signature), "{message}");
        }
    }
}
