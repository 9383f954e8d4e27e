//! What an `Authorization` header says. Source: observed page §4, OCP's observed page §6.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::domain::auth::Login;

/// Standard Base64, padded or not: some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// OCP's own scheme.
const OCP: &str = "OCP-ACCESS-KEY-HMACSHA1";

/// Credentials, not checked yet.
pub enum Credentials {
    /// `Basic`: a name with a password or an access token.
    Basic(Login),
    /// `Bearer`: an access token.
    Bearer(Zeroizing<String>),
    /// `Platform`: a pair of access keys.
    Platform {
        /// The key that is told.
        key: String,
        /// The key that is not.
        secret: Zeroizing<String>,
    },
    /// A signature of the request.
    Signature(Signature),
}

/// A signature, and with which key it was made.
#[derive(Clone)]
pub struct Signature {
    /// The key.
    pub key: String,
    /// The signature.
    pub bytes: Vec<u8>,
}

/// Secrets are not shown.
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Signature");
        shown.field("key", &self.key).finish_non_exhaustive()
    }
}

/// The credentials in a header; `None` for what is none. A scheme has any case (RFC 9110, 11.1).
pub fn read(header: &[u8]) -> Option<Credentials> {
    let text = std::str::from_utf8(header).ok()?;
    let (scheme, value) = text.split_once(' ')?;
    let (is, value) = (|name| scheme.eq_ignore_ascii_case(name), value.trim());
    if is("basic") {
        let (name, password) = pair(value)?;
        return Some(Credentials::Basic(Login { name, password }));
    }
    if is("bearer") {
        return (!value.is_empty()).then(|| Credentials::Bearer(Zeroizing::new(value.to_owned())));
    }
    if is("platform") {
        let (key, secret) = pair(value)?;
        return Some(Credentials::Platform { key, secret });
    }
    if is(OCP) {
        let (key, signature) = value.split_once(':')?;
        return Some(Credentials::Signature(Signature {
            key: key.to_owned(),
            bytes: BASE64.decode(signature).ok()?,
        }));
    }
    None
}

/// Two words with a colon between, in Base64; the first has no colon (RFC 7617).
fn pair(value: &str) -> Option<(String, Zeroizing<String>)> {
    let decoded = Zeroizing::new(BASE64.decode(value).ok()?);
    let (first, second) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((first.to_owned(), Zeroizing::new(second.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(header: &str) -> Option<[String; 3]> {
        let words = match read(header.as_bytes())? {
            Credentials::Basic(login) => {
                ["basic".to_owned(), login.name, login.password.to_string()]
            }
            Credentials::Bearer(token) => ["bearer".to_owned(), token.to_string(), String::new()],
            Credentials::Platform { key, secret } => {
                ["platform".to_owned(), key, secret.to_string()]
            }
            Credentials::Signature(found) => {
                ["signature".to_owned(), found.key, hex::encode(found.bytes)]
            }
        };
        Some(words)
    }

    #[test]
    fn every_scheme() {
        for (header, expected) in [
            (
                "Basic YWRtaW46cGFzczp3b3Jk",
                ["basic", "admin", "pass:word"],
            ),
            ("basic YTpiYw==", ["basic", "a", "bc"]),
            ("Basic YTpiYw", ["basic", "a", "bc"]),
            ("Bearer pht_x", ["bearer", "pht_x", ""]),
            ("Platform YTpiYw==", ["platform", "a", "bc"]),
            ("PLATFORM YTpiYw", ["platform", "a", "bc"]),
            ("OCP-ACCESS-KEY-HMACSHA1 a:AQI=", ["signature", "a", "0102"]),
        ] {
            let found = words(header).expect(header);
            assert_eq!(found, expected, "{header}");
        }
    }

    #[test]
    fn what_is_none() {
        for header in [
            "",
            "Basic",
            "Basic ****",
            "Basic YWJj",
            "Bearer ",
            "Platform YWJj",
            "Temporary x",
            "OCP-ACCESS-KEY-HMACSHA1 a",
            "OCP-ACCESS-KEY-HMACSHA1 a:***",
        ] {
            assert_eq!(words(header), None, "{header}");
        }
        assert!(read(b"Basic \xff").is_none());
    }
}
