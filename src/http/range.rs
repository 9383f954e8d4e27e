//! Which bytes of a file one `Range` header asks for.
//!
//! Only one `bytes` range is honoured (seed 003, "Range"); the rules are those of the generic
//! contract's "Range:" paragraph, and of RFC 9110 §14 where it leaves a corner open:
//!
//! - A field that is blank, or that does not begin with `bytes=` (in any case), names no unit known
//!   here and is ignored, as §14.2 demands of unknown units. That takes in `bytes 0-4` and
//!   `bytes =0-4`, in which no `bytes=` can be read.
//! - Behind `bytes=` only `a-b`, `a-` and `-k` of ASCII digits are read (§14.1.2). Leading zeros are
//!   digits; a sign, an inner blank, a comma (several ranges, or one with an empty list element)
//!   and any other byte make the range unsatisfiable.
//! - A number past `u64`, be it `a`, `b` or `k`, is unsatisfiable too; it is not clamped.
//!
//! Invariant: a [`RangeAnswer::Partial`] always has `first <= last < size`. Nothing here looks at
//! `If-Range`: see `conditional::range_applies`, which decides whether the header counts at all.

/// The unit with its `=`; compared in any case, as all range units are (RFC 9110 §14.1).
const BYTES_UNIT: &[u8] = b"bytes=";

/// What a `Range` header asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeAnswer {
    /// No range that counts: the whole file, without a `Content-Range`.
    Whole,
    /// The bytes `first..=last` of the file, 0-based; `first <= last < size`.
    Partial {
        /// Offset of the first byte to send.
        first: u64,
        /// Offset of the last byte to send (inclusive).
        last: u64,
    },
    /// The range selects nothing, or cannot be read: refuse and name the file's size.
    Unsatisfiable,
}

/// Judges the raw value of a `Range` header (`None`: no such header) for a file of `size` bytes.
///
/// Total over all inputs, linear in the length of the header.
#[must_use]
pub fn evaluate(header: Option<&[u8]>, size: u64) -> RangeAnswer {
    match header.and_then(bytes_range_set) {
        None => RangeAnswer::Whole,
        Some(range_set) => select(range_set, size).unwrap_or(RangeAnswer::Unsatisfiable),
    }
}

/// What follows `bytes=`, or `None` when the field is to be ignored.
fn bytes_range_set(value: &[u8]) -> Option<&[u8]> {
    let (unit, range_set) = value.trim_ascii().split_at_checked(BYTES_UNIT.len())?;
    unit.eq_ignore_ascii_case(BYTES_UNIT).then_some(range_set)
}

/// The one range in `range_set`, clamped to the file; `None` when there is none to be had.
fn select(range_set: &[u8], size: u64) -> Option<RangeAnswer> {
    let mut parts = range_set.splitn(2, |&byte| byte == b'-');
    let (from, to) = (parts.next()?, parts.next()?);
    let end = size.checked_sub(1)?;
    let (first, last) = match (from, to) {
        // A suffix of 0 bytes begins at `size`, past the end, and so selects nothing.
        ([], suffix) => (size.saturating_sub(number(suffix)?), end),
        (from, []) => (number(from)?, end),
        (from, to) => (number(from)?, number(to)?),
    };
    (first <= last && first <= end).then(|| RangeAnswer::Partial {
        first,
        last: last.min(end),
    })
}

/// The value of a non-empty run of ASCII digits, unless it exceeds `u64`.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::{RangeAnswer, evaluate};
    use proptest::prelude::*;

    const MAX: u64 = u64::MAX;

    fn partial(first: u64, last: u64) -> RangeAnswer {
        RangeAnswer::Partial { first, last }
    }

    #[test]
    fn a_file_without_a_range_that_counts_is_sent_whole() {
        assert_eq!(evaluate(None, 10), RangeAnswer::Whole);
        for header in [
            "",
            " ",
            "\t ",
            "lines=0-4",
            "bytes",
            "bytes 0-4",
            "bytes =0-4",
            "byte=0-4",
            "=0-4",
            "xbytes=0-4",
            "0-4",
            "octets=",
        ] {
            assert_eq!(
                evaluate(Some(header.as_bytes()), 10),
                RangeAnswer::Whole,
                "{header:?}"
            );
            assert_eq!(
                evaluate(Some(header.as_bytes()), 0),
                RangeAnswer::Whole,
                "{header:?}"
            );
        }
    }

    #[test]
    fn one_range_selects_its_bytes() {
        let cases: &[(&str, u64, RangeAnswer)] = &[
            ("bytes=0-9", 34, partial(0, 9)),
            ("bytes=5-9", 34, partial(5, 9)),
            ("bytes=0-0", 1, partial(0, 0)),
            ("bytes=5-", 10, partial(5, 9)),
            ("bytes=-3", 10, partial(7, 9)),
            ("bytes=9-9", 10, partial(9, 9)),
            ("bytes=0-10", 10, partial(0, 9)),
            ("bytes=0-18446744073709551615", 10, partial(0, 9)),
            ("bytes=-11", 10, partial(0, 9)),
            ("bytes=-18446744073709551615", 10, partial(0, 9)),
            ("  BYTES=0-1\t", 10, partial(0, 1)),
            (
                "ByTeS=00000000000000000000000000000000000001-2",
                10,
                partial(1, 2),
            ),
            (
                "bytes=18446744073709551614-",
                MAX,
                partial(MAX - 1, MAX - 1),
            ),
            ("bytes=-1", MAX, partial(MAX - 1, MAX - 1)),
        ];
        for (header, size, expected) in cases {
            assert_eq!(
                evaluate(Some(header.as_bytes()), *size),
                *expected,
                "{header:?} of {size}"
            );
        }
    }

    #[test]
    fn what_selects_nothing_or_cannot_be_read_is_unsatisfiable() {
        for header in [
            "bytes=10-",
            "bytes=10-12",
            "bytes=-0",
            "bytes=5-4",
            "bytes=0-1,3-4",
            "bytes=0-1,",
            "bytes=,0-1",
            "bytes=",
            "bytes=-",
            "bytes=--1",
            "bytes=1",
            "bytes=a-b",
            "bytes= 0-1",
            "bytes=0 -1",
            "bytes=0- 1",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=1.0-2",
            "bytes=0x1-2",
            "bytes==0-1",
            "bytes=0-1-2",
            "bytes=18446744073709551616-",
            "bytes=-18446744073709551616",
            "bytes=0-18446744073709551616",
            "bytes=0-99999999999999999999999999999999999999999999",
            "bytes=\u{661}-2",
            "bytes=0-1;q=1",
        ] {
            let answer = evaluate(Some(header.as_bytes()), 10);
            assert_eq!(answer, RangeAnswer::Unsatisfiable, "{header:?}");
        }
        assert_eq!(
            evaluate(Some(b"bytes=0-\xff"), 10),
            RangeAnswer::Unsatisfiable
        );
    }

    #[test]
    fn an_empty_file_has_no_range() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"] {
            let answer = evaluate(Some(header.as_bytes()), 0);
            assert_eq!(answer, RangeAnswer::Unsatisfiable, "{header:?}");
        }
    }

    /// Whether `range_set` asks for the byte at `offset`; `None` when it cannot be read at all.
    fn asks_for(range_set: &str, offset: u128, size: u128) -> Option<bool> {
        let (from, to) = range_set.split_once('-')?;
        let readable = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !readable(from) || !readable(to) {
            return None;
        }
        match (from.parse::<u128>().ok(), to.parse::<u128>().ok()) {
            (Some(from), Some(to)) => Some(from <= offset && offset <= to),
            (Some(from), None) => Some(from <= offset),
            (None, Some(suffix)) => Some(offset.saturating_add(suffix) >= size),
            (None, None) => None,
        }
    }

    /// The slow and obvious answer: try every byte of the file.
    fn oracle(range_set: &str, size: u64) -> RangeAnswer {
        let wanted =
            |&offset: &u64| asks_for(range_set, offset.into(), size.into()).unwrap_or(false);
        let selected: Vec<u64> = (0..size).filter(wanted).collect();
        match (selected.first(), selected.last()) {
            (Some(&first), Some(&last)) => partial(first, last),
            _ => RangeAnswer::Unsatisfiable,
        }
    }

    /// All strings of at most `longest` characters over `alphabet`.
    fn all_strings(alphabet: &[char], longest: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut of_this_length = all.clone();
        for _ in 0..longest {
            of_this_length = of_this_length
                .iter()
                .flat_map(|text| alphabet.iter().map(move |letter| format!("{text}{letter}")))
                .collect();
            all.extend_from_slice(&of_this_length);
        }
        all
    }

    #[test]
    fn agrees_with_trying_every_byte() {
        // A trailing blank would be an outer one and trimmed; blanks have their own test above.
        for range_set in all_strings(&['0', '1', '2', '5', '-', ',', 'x'], 5) {
            let header = format!("bytes={range_set}");
            for size in [0, 1, 2, 3, 6, 11, 13] {
                let answer = evaluate(Some(header.as_bytes()), size);
                assert_eq!(answer, oracle(&range_set, size), "{header:?} of {size}");
            }
        }
    }

    fn assert_in_file(header: &[u8], size: u64) -> Result<(), TestCaseError> {
        if let RangeAnswer::Partial { first, last } = evaluate(Some(header), size) {
            prop_assert!(first <= last && last < size, "{first}..={last} of {size}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer_inside_the_file(header: Vec<u8>, size: u64) {
            assert_in_file(&header, size)?;
            assert_in_file(&[b"bytes=", header.as_slice()].concat(), size)?;
        }

        #[test]
        fn any_numbers_give_an_answer_inside_the_file(first: u64, last: u64, size: u64) {
            assert_in_file(format!("bytes={first}-{last}").as_bytes(), size)?;
            assert_in_file(format!("bytes={first}-").as_bytes(), size)?;
            assert_in_file(format!("bytes=-{last}").as_bytes(), size)?;
        }
    }
}
