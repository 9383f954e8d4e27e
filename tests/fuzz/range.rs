//! `http::range::evaluate` against a slow, obvious oracle.
//!
//! Input: the file's size (u64, little-endian, 8 bytes), then the raw header.

use packhold::http::range::{RangeAnswer, evaluate};

/// What one side of the `-` says.
#[derive(Clone, Copy)]
enum Side {
    Absent,
    Number(u128),
    Unreadable,
}

/// Runs one input.
pub fn check(data: &[u8]) {
    if let Some((size, header)) = data.split_first_chunk() {
        let size = u64::from_le_bytes(*size);
        let answer = evaluate(Some(header), size);
        let expected = oracle(header, size.into());
        assert_eq!(
            answer,
            expected,
            "{:?} of {size}",
            header.escape_ascii().to_string()
        );
        if let RangeAnswer::Partial { first, last } = answer {
            assert!(first <= last && last < size, "{first}..={last} of {size}");
        }
    }
}

/// The generic contract's "Range:" paragraph, said once more in numbers that cannot overflow.
fn oracle(header: &[u8], size: u128) -> RangeAnswer {
    let header: String = header.iter().copied().map(char::from).collect();
    let header = header.trim_matches([' ', '\t', '\n', '\r', '\u{c}']);
    if !header.to_ascii_lowercase().starts_with("bytes=") {
        return RangeAnswer::Whole;
    }
    let Some((from, to)) = header["bytes=".len()..].split_once('-') else {
        return RangeAnswer::Unsatisfiable;
    };
    let (first, behind) = match (side(from), side(to)) {
        (Side::Number(from), Side::Number(to)) => (from, size.min(to + 1)),
        (Side::Number(from), Side::Absent) => (from, size),
        (Side::Absent, Side::Number(suffix)) => (size - size.min(suffix), size),
        _ => return RangeAnswer::Unsatisfiable,
    };
    if first >= behind {
        return RangeAnswer::Unsatisfiable;
    }
    let offset = |value: u128| u64::try_from(value).expect("an offset in the file fits");
    RangeAnswer::Partial {
        first: offset(first),
        last: offset(behind - 1),
    }
}

/// Reads digits by hand; numbers past u64 are unreadable, as the contract has them refused.
fn side(text: &str) -> Side {
    if text.is_empty() {
        return Side::Absent;
    }
    let mut value = 0_u128;
    for c in text.chars() {
        let Some(digit) = "0123456789".find(c) else {
            return Side::Unreadable;
        };
        value = value * 10 + digit as u128;
        if value > u128::from(u64::MAX) {
            return Side::Unreadable;
        }
    }
    Side::Number(value)
}
