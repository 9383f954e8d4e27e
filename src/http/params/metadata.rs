//! The metadata that an upload brings along in its headers.
//!
//! Source: seed 003 (`X-BKREPO-META-{key}`, `X-BKREPO-META`), the generic contract ("Upload"),
//! observed §2 items 1 to 3. Values are always strings.
//!
//! Invariant: keys are unique, sorted and not blank, and none is the server's own. Values may hold any
//! character, line breaks too: whoever copies one into a header must check it.

use super::ParamError;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::collections::BTreeMap;
use warp::http::{HeaderMap, HeaderValue};

/// Metadata as one base64 text.
const META: &str = "x-bkrepo-meta";
/// Begins the name of a header with one metadata value; the key follows.
const META_PREFIX: &str = "x-bkrepo-meta-";

/// Metadata keys that only the server may set (observed §2 item 3). Case counts.
const RESERVED: [&str; 7] = [
    "scanStatus",
    "forbidStatus",
    "forbidUser",
    "forbidType",
    "targetProjectId",
    "targetRepoName",
    "targetFullPath",
];

/// Base64 as Java's basic decoder reads it: the standard alphabet, padding optional, left-over bits
/// ignored.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The metadata of an upload, as (key, value), sorted by key, every key once.
///
/// From `X-BKREPO-META-{key}`, whose keys are in lower case, and `X-BKREPO-META`, whose keys keep their
/// case and win over the others. Both decode percent escapes, and leave `+` alone. A value with a
/// malformed escape is taken as it stands; an `X-BKREPO-META` that is not base64 is ignored.
///
/// # Errors
/// [`ParamError::ReservedMetadata`] when a key is the server's own.
pub fn metadata(headers: &HeaderMap) -> Result<Vec<(String, String)>, ParamError> {
    let mut entries = BTreeMap::new();
    for name in headers.keys() {
        let key = name
            .as_str()
            .strip_prefix(META_PREFIX)
            .unwrap_or_default()
            .trim();
        if let (false, Some(value)) = (key.is_empty(), headers.get(name)) {
            entries.insert(key.to_owned(), decode_value(value.as_bytes()));
        }
    }
    entries.extend(headers.get(META).map(base64_pairs).unwrap_or_default());
    match RESERVED.into_iter().find(|key| entries.contains_key(*key)) {
        Some(key) => Err(ParamError::ReservedMetadata {
            key: key.to_owned(),
        }),
        None => Ok(entries.into_iter().collect()),
    }
}

/// Refuses a metadata key that only the server may set.
///
/// # Errors
/// [`ParamError::ReservedMetadata`].
pub fn refuse_reserved(key: &str) -> Result<(), ParamError> {
    match RESERVED.contains(&key) {
        true => Err(ParamError::ReservedMetadata {
            key: key.to_owned(),
        }),
        false => Ok(()),
    }
}

/// The pairs in base64 of `k=v&k2=v2`; none when it is not base64. Pairs without `=`, or with a key or
/// value that decodes to nothing but blanks, are dropped.
fn base64_pairs(value: &HeaderValue) -> Vec<(String, String)> {
    let text = LENIENT_BASE64
        .decode(value.as_bytes().trim_ascii())
        .unwrap_or_default();
    text.split(|&byte| byte == b'&')
        .filter_map(|pair| split_pair(pair.trim_ascii()))
        .map(|(key, value)| (decode_value(key), decode_value(value)))
        .filter(|(key, value)| !key.trim().is_empty() && !value.trim().is_empty())
        .collect()
}

/// Splits at the first `=`.
fn split_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = pair.splitn(2, |&byte| byte == b'=');
    Some((parts.next()?, parts.next()?))
}

/// Percent-decodes, unless an escape is malformed: then the value stands as it is.
fn decode_value(raw: &[u8]) -> String {
    let decoded: Cow<'_, [u8]> = if escapes_are_well_formed(raw) {
        percent_decode(raw).into()
    } else {
        raw.into()
    };
    String::from_utf8_lossy(&decoded).into_owned()
}

fn escapes_are_well_formed(raw: &[u8]) -> bool {
    let begins_with_hex = |rest: &[u8]| {
        rest.first_chunk::<2>()
            .is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    };
    raw.split(|&byte| byte == b'%').skip(1).all(begins_with_hex)
}

#[cfg(test)]
mod tests {
    use super::{RESERVED, metadata};
    use crate::http::params::ParamError;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use proptest::prelude::*;
    use warp::http::{HeaderMap, HeaderName, HeaderValue};

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

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// What `X-BKREPO-META` says when it is the base64 of `text`.
    fn from_base64_of(text: impl AsRef<[u8]>) -> Result<Vec<(String, String)>, ParamError> {
        let padded = metadata(&headers(&[("X-BKREPO-META", STANDARD.encode(&text))]));
        let unpadded = metadata(&headers(&[(
            "x-bkrepo-meta",
            STANDARD_NO_PAD.encode(&text),
        )]));
        assert_eq!(padded, unpadded);
        padded
    }

    #[test]
    fn metadata_from_headers_of_their_own() {
        let lines: &[(&str, &[u8])] = &[
            ("X-BKREPO-META-Version", b"1.0"),
            ("X-BKREPO-META-zh", b"%E4%B8%AD%e6%96%87"),
            ("x-bkrepo-meta-raw", "中文".as_bytes()),
            ("x-bkrepo-meta-plus", b"a+b%2Bc d"),
            ("x-bkrepo-meta-broken", b"%41 100% sure%4"),
            ("x-bkrepo-meta-broken-first", b"%zz%41"),
            ("x-bkrepo-meta-latin", b"caf\xe9"),
            ("x-bkrepo-meta-escaped-latin", b"caf%E9"),
            ("x-bkrepo-meta-empty", b""),
            ("x-bkrepo-meta-", b"no key"),
            ("x-bkrepo-metadata", b"another header"),
        ];
        let expected = pairs(&[
            ("broken", "%41 100% sure%4"),
            ("broken-first", "%zz%41"),
            ("empty", ""),
            ("escaped-latin", "caf\u{fffd}"),
            ("latin", "caf\u{fffd}"),
            ("plus", "a+b+c d"),
            ("raw", "中文"),
            ("version", "1.0"),
            ("zh", "中文"),
        ]);
        assert_eq!(metadata(&headers(lines)), Ok(expected));
        assert_eq!(metadata(&HeaderMap::new()), Ok(vec![]));
    }

    #[test]
    fn the_first_value_of_a_repeated_header_counts() {
        let lines = [("x-bkrepo-meta-a", "1"), ("X-BKREPO-META-A", "2")];
        assert_eq!(metadata(&headers(&lines)), Ok(pairs(&[("a", "1")])));
        let lines = [("x-bkrepo-meta", "YT0x"), ("x-bkrepo-meta", "Yj0y")];
        assert_eq!(metadata(&headers(&lines)), Ok(pairs(&[("a", "1")])));
    }

    #[test]
    fn metadata_from_base64() {
        for (text, expected) in [
            (
                "key1=value1&key2=value2",
                &[("key1", "value1"), ("key2", "value2")][..],
            ),
            ("Key=1&key=2", &[("Key", "1"), ("key", "2")]),
            ("b=2&a=1&b=3", &[("a", "1"), ("b", "3")]),
            (" a=1 &\tb=2\n", &[("a", "1"), ("b", "2")]),
            (
                "a=b=c&url=http://x/?y%3D1%26z",
                &[("a", "b=c"), ("url", "http://x/?y=1&z")],
            ),
            ("%E4%B8%AD=%E6%96%87&中=文+1", &[("中", "文+1")]),
            ("a=100%&%zz=1", &[("%zz", "1"), ("a", "100%")]),
            ("=1&a=&b&&c= &%20=x&d=%20&e=1", &[("e", "1")]),
            ("", &[]),
        ] {
            assert_eq!(from_base64_of(text), Ok(pairs(expected)), "{text:?}");
        }
        assert_eq!(from_base64_of(b"a=\xff"), Ok(pairs(&[("a", "\u{fffd}")])));
    }

    #[test]
    fn base64_wins_over_headers_of_their_own() {
        let lines = [
            ("x-bkrepo-meta-a", "header".to_owned()),
            ("x-bkrepo-meta-b", "header".to_owned()),
            ("x-bkrepo-meta", STANDARD.encode("a=base64&B=base64")),
        ];
        let expected = pairs(&[("B", "base64"), ("a", "base64"), ("b", "header")]);
        assert_eq!(metadata(&headers(&lines)), Ok(expected));
    }

    #[test]
    fn left_over_bits_of_base64_are_ignored() {
        for value in ["YT0xMg==", "YT0xMh==", "YT0xMh"] {
            let lines = [("x-bkrepo-meta", value)];
            assert_eq!(
                metadata(&headers(&lines)),
                Ok(pairs(&[("a", "12")])),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_not_base64_is_ignored() {
        // The third would be `a=~` and a DEL in the URL-safe alphabet.
        for value in ["!", "a=1", "YT1-fw", "YT0x\tYQ", "Y", "é"] {
            let lines = [("x-bkrepo-meta", value), ("x-bkrepo-meta-k", "v")];
            assert_eq!(
                metadata(&headers(&lines)),
                Ok(pairs(&[("k", "v")])),
                "{value}"
            );
        }
    }

    #[test]
    fn the_servers_own_keys_are_refused() {
        for key in RESERVED {
            let error = ParamError::ReservedMetadata {
                key: key.to_owned(),
            };
            assert_eq!(from_base64_of(format!("a=1&{key}=x")), Err(error));
            let lower = headers(&[(format!("x-bkrepo-meta-{key}").as_str(), "x")]);
            assert_eq!(metadata(&lower), Ok(pairs(&[(&key.to_lowercase(), "x")])));
        }
        assert!(from_base64_of("scan%53tatus=x").is_err());
        assert!(from_base64_of("scanStatus=").is_ok());
    }

    proptest! {
        #[test]
        fn encoded_metadata_comes_back(value in "\\PC{1,20}", key in "[a-z][a-z0-9-]{0,9}") {
            let escape = |text: &str| {
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                    .to_string()
            };
            let expected = vec![(key.clone(), value.clone())];
            let lines = headers(&[(&*format!("x-bkrepo-meta-{key}"), escape(&value))]);
            prop_assert_eq!(metadata(&lines), Ok(expected.clone()));
            if !value.trim().is_empty() {
                let text = format!("{}={}", escape(&key), escape(&value));
                prop_assert_eq!(from_base64_of(text), Ok(expected));
            }
        }

        #[test]
        fn any_header_gives_sorted_unique_keys(value in proptest::collection::vec(0x20_u8..0x7f, 0..60)) {
            let text = STANDARD.encode(&value);
            let lines = [("x-bkrepo-meta", text.as_bytes()), ("x-bkrepo-meta-k", &value)];
            for lines in [lines, [("x-bkrepo-meta", &value), lines[1]]] {
                let found = metadata(&headers(&lines)).unwrap_or_default();
                prop_assert!(found.is_sorted_by(|(one, _), (next, _)| one < next));
                prop_assert!(found.iter().all(|(key, _)| !key.trim().is_empty()));
            }
        }
    }
}
