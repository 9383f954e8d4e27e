//! What paths, queries and headers say: decoded like the slow oracles here do, and what is encoded
//! again decodes to the same.
//!
//! Input: lines. The first is a raw path, the second a query string; of each other one the first byte
//! says which header it is, and the rest is its value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use packhold::domain::path::NodePath;
use packhold::http::conditional::{Outcome, Validators, evaluate, range_applies};
use packhold::http::{artifact, params};
use warp::http::{HeaderMap, HeaderName, HeaderValue};

const NAMES: [&str; 12] = [
    "x-bkrepo-expires",
    "x-bkrepo-crc64ecma",
    "x-bkrepo-sha256",
    "x-bkrepo-overwrite",
    "x-bkrepo-meta",
    "x-bkrepo-meta-a",
    "x-bkrepo-meta-scanstatus",
    "if-match",
    "if-none-match",
    "if-range",
    "if-modified-since",
    "if-unmodified-since",
];
const ETAG: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Runs one input.
pub fn check(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    path(&String::from_utf8_lossy(lines.next().unwrap_or_default()));
    query(&String::from_utf8_lossy(lines.next().unwrap_or_default()));
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some((name, value)) = line.split_first() else {
            continue;
        };
        let name = HeaderName::from_static(NAMES[usize::from(*name) % NAMES.len()]);
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    numbers(&headers);
    digests(&headers);
    metadata(&headers);
    conditions(&headers);
}

fn path(raw: &str) {
    let by_hand = String::from_utf8(unescaped(raw.as_bytes()));
    let decoded = params::decode_path(raw);
    assert_eq!(decoded.as_ref().ok(), by_hand.as_ref().ok(), "{raw:?}");
    let Ok(decoded) = decoded else {
        return;
    };
    let again = params::decode_path(&escaped(&decoded));
    assert_eq!(again.as_ref(), Ok(&decoded));
    let Ok(path) = NodePath::parse(&decoded) else {
        return;
    };
    let shown = path.to_string();
    assert_eq!(NodePath::parse(&shown).as_ref(), Ok(&path), "{shown:?}");
    for name in path.segments() {
        assert!(name != "." && name != ".." && !name.contains(['/', '\\', '\0']));
        let disposition = artifact::content_disposition(name);
        HeaderValue::from_str(&disposition).expect("a header can have it");
        let (_, encoded) = disposition.split_once("UTF-8''").expect("the second form");
        assert_eq!(unescaped(encoded.as_bytes()), name.as_bytes());
        HeaderValue::from_str(&artifact::content_type(name)).expect("a header can have it");
    }
}

fn query(raw: &str) {
    let first = raw.split('&').find(|pair| !pair.is_empty());
    let Some(key) = first.map(|pair| pair.split('=').next().unwrap_or_default()) else {
        assert_eq!(params::query_value(raw, ""), None);
        return;
    };
    let key = unescaped(key.replace('+', " ").as_bytes());
    let key = String::from_utf8_lossy(&key);
    let value = params::query_value(raw, &key);
    let values = params::query_values(raw, &key);
    assert_eq!(value.as_ref(), values.first(), "{raw:?}");
    let value = value.expect("its own key is there");
    let again = format!("{}={}", escaped(&key), escaped(&value));
    assert_eq!(params::query_value(&again, &key), Some(value.clone()));
    let flag = value.trim_ascii().eq_ignore_ascii_case("true");
    assert_eq!(params::query_flag(raw, &key), flag);
}

fn numbers(headers: &HeaderMap) {
    for name in ["x-bkrepo-expires", "x-bkrepo-crc64ecma"] {
        let by_hand = headers.get(name).map(|value| number(value.as_bytes()));
        match params::number_header(headers, name) {
            Ok(found) => assert_eq!(by_hand, found.map(Some), "{headers:?}"),
            Err(_) => assert_eq!(by_hand, Some(None), "{headers:?}"),
        }
    }
}

/// Decimal digits with blanks around and a plus before, as far as `u64` goes.
fn number(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii();
    let digits = value.strip_prefix(b"+").unwrap_or(value);
    let mut number = (!digits.is_empty()).then_some(0_u64)?;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    Some(number)
}

fn digests(headers: &HeaderMap) {
    let name = "x-bkrepo-sha256";
    let found = params::digest_header(headers, name, 64);
    let Some(value) = headers.get(name) else {
        assert_eq!(found, Ok(None));
        return;
    };
    let mut bytes = [0; 32];
    let decoded = hex::decode_to_slice(value.as_bytes().trim_ascii(), &mut bytes);
    let by_hand = decoded.ok().map(|()| hex::encode(bytes));
    assert_eq!(found.ok().flatten(), by_hand, "{value:?}");
}

fn metadata(headers: &HeaderMap) {
    let Ok(mut found) = params::metadata(headers) else {
        return;
    };
    let keys: Vec<_> = found.iter().map(|(key, _)| key).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    assert!(keys.iter().all(|key| !key.trim().is_empty()), "{keys:?}");
    // The one header of all drops them.
    found.retain(|(_, value)| !value.trim().is_empty());
    let written: Vec<_> = found
        .iter()
        .map(|(key, value)| format!("{}={}", escaped(key), escaped(value)))
        .collect();
    let value = STANDARD.encode(written.join("&"));
    let value = HeaderValue::try_from(value).expect("base64 is fit for a header");
    let again = HeaderMap::from_iter([(HeaderName::from_static("x-bkrepo-meta"), value)]);
    assert_eq!(params::metadata(&again), Ok(found));
}

/// No condition is met by guessing.
fn conditions(headers: &HeaderMap) {
    let current = Validators {
        etag: ETAG,
        modified_s: 1_700_000_000,
    };
    let says = |name: &str, word: &str| {
        let mut values = headers.get_all(name).into_iter();
        values.any(|value| String::from_utf8_lossy(value.as_bytes()).contains(word))
    };
    let named = |name: &str| says(name, ETAG) || says(name, "*");
    for is_get in [true, false] {
        let outcome = evaluate(headers, Some(&current), is_get);
        let has = |name: &str| headers.contains_key(name);
        if has("if-match") && !named("if-match") {
            assert_eq!(outcome, Outcome::PreconditionFailed, "{headers:?}");
        }
        if outcome == Outcome::NotModified {
            assert!(is_get);
            assert!(named("if-none-match") || !has("if-none-match") && has("if-modified-since"));
        }
        if has("if-match") {
            let outcome = evaluate(headers, None, is_get);
            assert_eq!(outcome, Outcome::PreconditionFailed, "{headers:?}");
        }
    }
    if headers.contains_key("if-range") && range_applies(headers, &current) {
        // The one date in which the file was made, in any of the forms that dates have.
        assert!(
            says("if-range", ETAG) || says("if-range", "22:13:20"),
            "{headers:?}"
        );
    }
}

fn escaped(text: &str) -> String {
    let digits = hex::encode(text);
    let pairs = digits.as_bytes().chunks(2).map(String::from_utf8_lossy);
    pairs.flat_map(|pair| ["%".into(), pair]).collect()
}

/// Escapes are two hex digits behind a percent sign; what is none stays.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let escape = digit(at + 1).zip(digit(at + 2));
        match escape.filter(|_| *byte == b'%') {
            Some((high, low)) => {
                bytes.push(u8::try_from(high * 16 + low).expect("two digits"));
                at += 3;
            }
            None => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}
