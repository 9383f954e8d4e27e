//! What the `X-BKREPO-*` headers, query strings and paths of a request say, decoded.
//!
//! Pure functions over the request's headers. Source: seed 003 (upload headers), the generic contract
//! ("Common", "Upload"), observed §2 items 1 to 5. They only decode: whether a digest matches or a
//! key is wanted is for the caller to see.
//!
//! Invariant: nothing here refuses bytes for not being ASCII. Header values may hold raw UTF-8, and
//! what is not UTF-8 is read lossily; only a path must be UTF-8, because it names a file.
//!
//! Of a repeated header the first value counts. Every function is linear in the size of what it
//! reads (sorting the metadata aside); the caller bounds that size.

mod metadata;

pub use self::metadata::{metadata, refuse_reserved};

use percent_encoding::percent_decode_str;
use warp::http::HeaderMap;

/// After how many days the file expires.
pub const EXPIRES: &str = "x-bkrepo-expires";
/// The CRC-64/XZ ("ECMA") of the file, as an unsigned decimal.
pub const CRC64ECMA: &str = "x-bkrepo-crc64ecma";

/// How many characters of a value an error quotes.
const QUOTED_CHARS: usize = 80;

/// Why a request's parameters cannot be used. Header names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// A header is not the unsigned number that it must be.
    #[error("header {header} must be a whole number from 0 on, but is `{value}`")]
    NotANumber {
        /// The header's name.
        header: &'static str,
        /// Its value, lossy and cut short.
        value: String,
    },
    /// A digest header cannot be a digest of its kind, and so matches no content.
    #[error("header {header} must be {hex_len} hex digits, but is `{value}`")]
    DigestMalformed {
        /// The header's name.
        header: &'static str,
        /// How many hex digits it must have.
        hex_len: usize,
        /// Its value, lossy and cut short.
        value: String,
    },
    /// The metadata has a key that only the server may set.
    #[error("metadata key `{key}` is reserved")]
    ReservedMetadata {
        /// The key, one of a fixed few.
        key: String,
    },
    /// A path is not UTF-8 once its escapes are decoded.
    #[error("path `{path}` is not UTF-8")]
    PathNotUtf8 {
        /// The decoded path, lossy and cut short.
        path: String,
    },
}

/// Whether header `name` is `true`, in any case; whatever else it is, or when it is missing, `false`.
#[must_use]
pub fn bool_header(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get(name)
        .is_some_and(|value| is_true(value.as_bytes()))
}

/// The unsigned decimal number in header `name`; `None` when there is no such header.
///
/// # Errors
/// [`ParamError::NotANumber`] when it is blank, signed with a minus, no number, or past `u64`.
pub fn number_header(headers: &HeaderMap, name: &'static str) -> Result<Option<u64>, ParamError> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let number = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let not_a_number = || ParamError::NotANumber {
        header: name,
        value: quoted(value.as_bytes()),
    };
    number.map(Some).ok_or_else(not_a_number)
}

/// After how many days the file is to expire (`X-BKREPO-EXPIRES`); 0, also when missing, is never.
///
/// Any `u64` is possible: the caller must add it to the time without overflow.
///
/// # Errors
/// [`ParamError::NotANumber`], as for [`number_header`].
pub fn expires_days(headers: &HeaderMap) -> Result<u64, ParamError> {
    number_header(headers, EXPIRES).map(Option::unwrap_or_default)
}

/// The CRC-64 that the client expects (`X-BKREPO-CRC64ECMA`).
///
/// # Errors
/// [`ParamError::NotANumber`], as for [`number_header`].
pub fn crc64_header(headers: &HeaderMap) -> Result<Option<u64>, ParamError> {
    number_header(headers, CRC64ECMA)
}

/// The digest that the client expects, of `hex_len` hex digits (sha256: 64, md5: 32), in lower case.
///
/// # Errors
/// [`ParamError::DigestMalformed`] when it is anything else, blank included: the client meant to have
/// its upload checked, and no content can pass.
pub fn digest_header(
    headers: &HeaderMap,
    name: &'static str,
    hex_len: usize,
) -> Result<Option<String>, ParamError> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let digest = value.as_bytes().trim_ascii();
    if digest.len() == hex_len && digest.iter().all(u8::is_ascii_hexdigit) {
        return Ok(Some(String::from_utf8_lossy(digest).to_ascii_lowercase()));
    }
    let value = quoted(value.as_bytes());
    Err(ParamError::DigestMalformed {
        header: name,
        hex_len,
        value,
    })
}

/// Whether parameter `name` of a query string is `true`, in any case. The first of its kind counts.
#[must_use]
pub fn query_flag(query: &str, name: &str) -> bool {
    query_value(query, name).is_some_and(|value| is_true(value.as_bytes()))
}

/// The first value of parameter `name` in a query string, with escapes and `+` (a blank) decoded, and
/// read lossily where it is not UTF-8. A parameter without `=` has the empty value.
#[must_use]
pub fn query_value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (!pair.is_empty() && form_decode(key) == name).then(|| form_decode(value))
    })
}

/// The values of every parameter `name` in a query string, decoded like [`query_value`].
pub fn query_values(query: &str, name: &str) -> Vec<String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let named = pairs.filter(|(key, _)| form_decode(key) == name);
    named.map(|(_, value)| form_decode(value)).collect()
}

fn form_decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// Decodes the percent escapes of a path, once. `%2F` becomes a separator, `%25` a percent sign that
/// is not looked at again; `+` and a `%` that begins no escape stay as they are.
///
/// # Errors
/// [`ParamError::PathNotUtf8`] when the decoded bytes are not UTF-8.
pub fn decode_path(raw: &str) -> Result<String, ParamError> {
    let bytes = percent_decode_str(raw).collect();
    String::from_utf8(bytes).map_err(|error| ParamError::PathNotUtf8 {
        path: quoted(error.as_bytes()),
    })
}

fn is_true(value: &[u8]) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(b"true")
}

/// The beginning of a client's value, fit for an error.
fn quoted(value: &[u8]) -> String {
    String::from_utf8_lossy(value)
        .chars()
        .take(QUOTED_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{
        ParamError, QUOTED_CHARS, bool_header, crc64_header, decode_path, digest_header,
        expires_days, query_flag, query_value,
    };
    use proptest::prelude::*;
    use warp::http::{HeaderMap, HeaderName, HeaderValue};

    const SHA256: &str = "6a7983009447ecc725d2bb73a60b55d0ef5886884df0ffe3199f84b6df919895";

    fn headers<V: AsRef<[u8]>>(lines: &[(&str, V)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a header name"),
                HeaderValue::from_bytes(value.as_ref()).expect("a header value"),
            );
        }
        map
    }

    #[test]
    fn booleans() {
        for (value, expected) in [
            ("true", true),
            ("True", true),
            ("TRUE", true),
            (" true\t", true),
            ("false", false),
            ("1", false),
            ("yes", false),
            ("truer", false),
            ("", false),
        ] {
            let headers = headers(&[("X-BKREPO-OVERWRITE", value)]);
            assert_eq!(
                bool_header(&headers, "x-bkrepo-overwrite"),
                expected,
                "{value:?}"
            );
            assert_eq!(
                bool_header(&headers, "X-BKREPO-OVERWRITE"),
                expected,
                "{value:?}"
            );
        }
        assert!(!bool_header(&HeaderMap::new(), "x-bkrepo-overwrite"));
        let twice = headers(&[("x-flag", "false"), ("x-flag", "true")]);
        assert!(!bool_header(&twice, "x-flag"));
    }

    #[test]
    fn expiry_is_a_number_of_days() {
        assert_eq!(expires_days(&HeaderMap::new()), Ok(0));
        for (value, days) in [
            ("0", 0),
            ("183", 183),
            (" 7 ", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(
                expires_days(&headers(&[("X-BKREPO-EXPIRES", value)])),
                Ok(days),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_not_a_number_is_named() {
        for value in [
            "-1",
            "-0",
            "",
            "x",
            "1.5",
            "1e3",
            "7d",
            "18446744073709551616",
            "٧",
        ] {
            let value = value.to_owned();
            let found = expires_days(&headers(&[("X-BKREPO-EXPIRES", &value)]));
            assert_eq!(
                found,
                Err(ParamError::NotANumber {
                    header: super::EXPIRES,
                    value
                })
            );
        }
        let found = crc64_header(&headers(&[("X-BKREPO-CRC64ECMA", [0xff_u8])]));
        let error = found.expect_err("not a number").to_string();
        assert!(
            error.contains("x-bkrepo-crc64ecma") && error.contains('\u{fffd}'),
            "{error}"
        );
    }

    #[test]
    fn crc64_is_unsigned() {
        assert_eq!(crc64_header(&HeaderMap::new()), Ok(None));
        let headers = headers(&[("X-BKREPO-CRC64ECMA", "11051210869376104954")]);
        assert_eq!(crc64_header(&headers), Ok(Some(11_051_210_869_376_104_954)));
    }

    #[test]
    fn digests_come_in_any_case() {
        let name = "x-bkrepo-sha256";
        assert_eq!(digest_header(&HeaderMap::new(), name, 64), Ok(None));
        for value in [
            SHA256.to_owned(),
            SHA256.to_uppercase(),
            format!(" {SHA256} "),
        ] {
            let found = digest_header(&headers(&[(name, &value)]), name, 64);
            assert_eq!(found, Ok(Some(SHA256.to_owned())), "{value}");
        }
    }

    #[test]
    fn what_can_be_no_digest_is_malformed() {
        let header = "x-bkrepo-md5";
        let long = "a".repeat(5000);
        for value in [
            "",
            "abc",
            SHA256,
            "g2947b3932900d4534175d73964ec22e",
            "\"\"",
            &long,
        ] {
            let found = digest_header(&headers(&[(header, value)]), header, 32);
            let value = value.chars().take(QUOTED_CHARS).collect();
            assert_eq!(
                found,
                Err(ParamError::DigestMalformed {
                    header,
                    hex_len: 32,
                    value
                })
            );
        }
    }

    #[test]
    fn query_parameters() {
        for (query, expected) in [
            ("download=true", true),
            ("a=1&download=True", true),
            ("down%6Coad=%74RUE", true),
            ("download=true&download=false", true),
            ("download=false&download=true", false),
            ("download", false),
            ("download=", false),
            ("Download=true", false),
            ("xdownload=true", false),
            ("download=true;a=1", false),
            ("", false),
            ("&&=&", false),
        ] {
            assert_eq!(query_flag(query, "download"), expected, "{query:?}");
        }
        assert_eq!(query_value("p=%2Fa+b%2B&q", "p").as_deref(), Some("/a b+"));
        assert_eq!(query_value("p=1&q", "q").as_deref(), Some(""));
        assert_eq!(query_value("p=%ff", "p").as_deref(), Some("\u{fffd}"));
        assert_eq!(query_value("&p=1", ""), None);
    }

    #[test]
    fn paths_are_decoded_once() {
        for (raw, decoded) in [
            ("/a/b", "/a/b"),
            ("/%2Fdir%2ffile", "//dir/file"),
            ("/%252F", "/%2F"),
            ("/%E4%B8%AD/文+1", "/中/文+1"),
            ("/100%/%zz/%4", "/100%/%zz/%4"),
            ("/%00", "/\0"),
            ("", ""),
        ] {
            assert_eq!(decode_path(raw).as_deref(), Ok(decoded), "{raw}");
        }
        for raw in ["/caf%E9", "/%ff", "/%ED%A0%80"] {
            let error = decode_path(raw).expect_err("not UTF-8").to_string();
            assert!(error.contains('\u{fffd}'), "{error}");
        }
    }

    proptest! {
        #[test]
        fn hostile_values_never_panic(value in proptest::collection::vec(0x20_u8..0x7f, 0..60)) {
            let text = String::from_utf8_lossy(&value);
            let days = expires_days(&headers(&[("x-bkrepo-expires", &value)]));
            prop_assert_eq!(days.ok(), text.trim().parse().ok());
            prop_assert!(decode_path(&text).is_ok() || text.contains('%'));
        }
    }
}
