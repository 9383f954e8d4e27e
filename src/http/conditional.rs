//! Conditional requests: does a request go ahead, given what the client already knows of the file?
//!
//! Pure over the request's headers and the file's [`Validators`]. Source: RFC 9110 §13 (precedence
//! in §13.2.2), and the generic contract's "Download", which also has entity tags accepted bare,
//! because bk-repo sends its own that way.
//!
//! What is not plain from the RFC is decided so:
//!
//! - An unquoted `*` matches whatever exists, also as a member of a list; `"*"` is an ordinary tag.
//! - A malformed tag (an open quote, a stray character) matches nothing. So does an empty list, which
//!   fails `If-Match` and lets `If-None-Match` pass.
//! - Repeated header lines are one list. A date field that is repeated or is no HTTP date is ignored
//!   (§13.1.3, §13.1.4); for `If-Range` such a field does not hold, and the whole file is the safe answer.
//!
//! Invariant: a condition is never held to be met by guessing. A tag matches only the full digest, and
//! where the file does not exist no tag matches.

use std::time::UNIX_EPOCH;
use warp::http::header::{
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};

/// What tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validators<'a> {
    /// The entity tag without its quotes: the lower-case hex sha256. It is a strong validator.
    pub etag: &'a str,
    /// `Last-Modified`, in whole seconds since the Unix epoch, as it is sent.
    pub modified_s: u64,
}

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Do what the method says.
    Proceed,
    /// The client's copy is current (GET and HEAD only).
    NotModified,
    /// The file is not in the state that the client asked for; change nothing.
    PreconditionFailed,
}

/// How two entity tags are compared (RFC 9110 §8.8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Neither may be weak.
    Strong,
    /// A `W/` prefix does not matter.
    Weak,
}

/// Judges the conditions in `headers` against the file as it is now; `current` is `None` when there
/// is no such file.
///
/// Call it only when the request would succeed without conditions (§13.2.1): a GET of a missing file
/// is "not found" whatever it is conditional on. Files without a date ignore the date conditions.
#[must_use]
pub fn evaluate(
    headers: &HeaderMap,
    current: Option<&Validators<'_>>,
    is_get_or_head: bool,
) -> Outcome {
    if !has_expected_state(headers, current) {
        return Outcome::PreconditionFailed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        let matched = any_tag_matches(headers, IF_NONE_MATCH, current, Comparison::Weak);
        return match (matched, is_get_or_head) {
            (false, _) => Outcome::Proceed,
            (true, true) => Outcome::NotModified,
            (true, false) => Outcome::PreconditionFailed,
        };
    }
    if is_get_or_head && is_older_or_same(headers, IF_MODIFIED_SINCE, current) == Some(true) {
        return Outcome::NotModified;
    }
    Outcome::Proceed
}

/// Whether a `Range` header counts: there is no `If-Range`, or it names this very version of the file
/// by its strong tag or its exact date (§13.1.5).
///
/// A date cannot tell apart two versions made within one second; clients that need to, send the tag.
#[must_use]
pub fn range_applies(headers: &HeaderMap, current: &Validators<'_>) -> bool {
    let mut lines = headers.get_all(IF_RANGE).iter();
    match (lines.next(), lines.next()) {
        (None, _) => true,
        (Some(_), Some(_)) => false,
        (Some(line), None) => match http_date_s(line) {
            Some(date_s) => date_s == current.modified_s,
            None => tag_matches(
                line.as_bytes().trim_ascii(),
                current.etag,
                Comparison::Strong,
            ),
        },
    }
}

/// Steps 1 and 2 of §13.2.2: `If-Match`, or in its absence `If-Unmodified-Since`.
fn has_expected_state(headers: &HeaderMap, current: Option<&Validators<'_>>) -> bool {
    if headers.contains_key(IF_MATCH) {
        return any_tag_matches(headers, IF_MATCH, current, Comparison::Strong);
    }
    is_older_or_same(headers, IF_UNMODIFIED_SINCE, current) != Some(false)
}

/// Whether the file was last modified at or before the date in `field`; `None` when the field is
/// absent or to be ignored.
fn is_older_or_same(
    headers: &HeaderMap,
    field: HeaderName,
    current: Option<&Validators<'_>>,
) -> Option<bool> {
    let mut lines = headers.get_all(field).iter();
    let (line, another) = (lines.next()?, lines.next());
    let date_s = http_date_s(line).filter(|_| another.is_none())?;
    Some(current?.modified_s <= date_s)
}

/// Whether the list in all lines of `field` has a tag of the current file, or `*`.
fn any_tag_matches(
    headers: &HeaderMap,
    field: HeaderName,
    current: Option<&Validators<'_>>,
    comparison: Comparison,
) -> bool {
    let Some(current) = current else {
        return false;
    };
    let mut tags = headers
        .get_all(field)
        .iter()
        .flat_map(|line| list_members(line.as_bytes()));
    tags.any(|tag| tag == b"*" || tag_matches(tag, current.etag, comparison))
}

/// The members of a comma-separated list, trimmed, the empty ones dropped (§5.6.1). Commas within
/// double quotes belong to the tag; tags have no escapes (§8.8.3).
fn list_members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    list.split(move |&byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
    .filter(|member| !member.is_empty())
}

/// Whether `tag`, as the client wrote it, is the strong tag with the opaque value `etag`.
fn tag_matches(tag: &[u8], etag: &str, comparison: Comparison) -> bool {
    let (is_weak, opaque) = match tag.strip_prefix(b"W/") {
        Some(opaque) => (true, opaque),
        None => (false, tag),
    };
    let unquoted = opaque
        .strip_prefix(b"\"")
        .and_then(|inner| inner.strip_suffix(b"\""))
        .unwrap_or(opaque);
    (comparison == Comparison::Weak || !is_weak) && unquoted == etag.as_bytes()
}

/// An HTTP date (any of its three forms, §5.6.7) in seconds since the Unix epoch. Dates before that
/// do not parse, and so are ignored like bad ones.
fn http_date_s(line: &HeaderValue) -> Option<u64> {
    let date = httpdate::parse_http_date(line.to_str().ok()?.trim()).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Validators, evaluate, range_applies};
    use warp::http::{HeaderMap, HeaderName, HeaderValue};

    const FILE: Validators<'static> = Validators {
        etag: "6a7983009447ecc725d2bb73a60b55d0ef5886884df0ffe3199f84b6df919895",
        modified_s: 1_595_839_919,
    };
    const MODIFIED: &str = "Mon, 27 Jul 2020 08:51:59 GMT";
    const EARLIER: &str = "Mon, 27 Jul 2020 08:51:58 GMT";
    const LATER: &str = "Mon, 27 Jul 2020 08:52:00 GMT";
    /// The tag of [`FILE`], quoted.
    const TAG: &str = "\"6a7983009447ecc725d2bb73a60b55d0ef5886884df0ffe3199f84b6df919895\"";

    /// `TAG` in the text stands for the file's quoted tag, `BARE` for it without quotes.
    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            let value = value.replace("TAG", TAG).replace("BARE", FILE.etag);
            map.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a header name"),
                HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
            );
        }
        map
    }

    fn get(lines: &[(&str, &str)]) -> Outcome {
        evaluate(&headers(lines), Some(&FILE), true)
    }

    fn put(lines: &[(&str, &str)]) -> Outcome {
        evaluate(&headers(lines), Some(&FILE), false)
    }

    fn put_new(lines: &[(&str, &str)]) -> Outcome {
        evaluate(&headers(lines), None, false)
    }

    #[test]
    fn without_conditions_a_request_proceeds() {
        assert_eq!(get(&[]), Outcome::Proceed);
        assert_eq!(put(&[]), Outcome::Proceed);
        assert_eq!(put_new(&[]), Outcome::Proceed);
        assert_eq!(
            get(&[("if-range", "TAG"), ("range", "bytes=0-1")]),
            Outcome::Proceed
        );
    }

    #[test]
    fn tags_that_name_the_file() {
        for value in [
            "TAG",
            "BARE",
            "*",
            " TAG\t",
            "\"x\", TAG",
            "TAG,\"x\"",
            ",, TAG ,",
            "x,BARE",
            "\"a,b\", TAG",
            "\"a,b\",BARE",
            "\"x\", *",
        ] {
            assert_eq!(get(&[("if-match", value)]), Outcome::Proceed, "{value}");
            assert_eq!(
                get(&[("if-none-match", value)]),
                Outcome::NotModified,
                "{value}"
            );
            assert_eq!(
                put(&[("if-none-match", value)]),
                Outcome::PreconditionFailed,
                "{value}"
            );
        }
    }

    #[test]
    fn tags_that_do_not_name_the_file() {
        for value in [
            "",
            ",",
            "\"x\"",
            "x",
            "\"*\"",
            "**",
            "\"BARE",
            "BARE\"",
            "TAGx",
            "xTAG",
            "\"\"",
            "\"x,TAG",
            "\"x,BARE,y\"",
            "\"BARE-gzip\"",
            "w/TAG",
            "\u{e9}",
            "TAG TAG",
        ] {
            assert_eq!(
                get(&[("if-match", value)]),
                Outcome::PreconditionFailed,
                "{value}"
            );
            assert_eq!(
                get(&[("if-none-match", value)]),
                Outcome::Proceed,
                "{value}"
            );
            assert_eq!(
                put(&[("if-none-match", value)]),
                Outcome::Proceed,
                "{value}"
            );
        }
    }

    #[test]
    fn tags_are_opaque_and_so_their_case_counts() {
        let upper = FILE.etag.to_uppercase();
        assert_eq!(get(&[("if-none-match", &upper)]), Outcome::Proceed);
    }

    #[test]
    fn weak_tags_count_for_if_none_match_only() {
        for value in ["W/TAG", "W/BARE", "\"x\", W/TAG"] {
            assert_eq!(
                get(&[("if-none-match", value)]),
                Outcome::NotModified,
                "{value}"
            );
            assert_eq!(
                put(&[("if-none-match", value)]),
                Outcome::PreconditionFailed,
                "{value}"
            );
            assert_eq!(
                put(&[("if-match", value)]),
                Outcome::PreconditionFailed,
                "{value}"
            );
        }
    }

    #[test]
    fn repeated_lines_are_one_list() {
        let (first, open) = (("if-match", "\"x\""), ("if-match", "\"open, "));
        assert_eq!(put(&[first, ("if-match", "TAG")]), Outcome::Proceed);
        assert_eq!(put(&[open, ("if-match", "TAG")]), Outcome::Proceed);
        assert_eq!(put(&[first, open]), Outcome::PreconditionFailed);
        let lines = [("if-none-match", "\"x\""), ("if-none-match", "TAG")];
        assert_eq!(get(&lines), Outcome::NotModified);
    }

    #[test]
    fn a_missing_file_matches_no_tag() {
        assert_eq!(put_new(&[("if-none-match", "*")]), Outcome::Proceed);
        assert_eq!(put_new(&[("if-none-match", "TAG")]), Outcome::Proceed);
        assert_eq!(put_new(&[("if-match", "*")]), Outcome::PreconditionFailed);
        assert_eq!(put_new(&[("if-match", "TAG")]), Outcome::PreconditionFailed);
    }

    #[test]
    fn a_missing_file_has_no_date_to_compare() {
        assert_eq!(
            put_new(&[("if-unmodified-since", EARLIER)]),
            Outcome::Proceed
        );
        let since = headers(&[("if-modified-since", LATER)]);
        assert_eq!(evaluate(&since, None, true), Outcome::Proceed);
    }

    #[test]
    fn dates() {
        for (date, since, unmodified_since) in [
            (EARLIER, Outcome::Proceed, Outcome::PreconditionFailed),
            (MODIFIED, Outcome::NotModified, Outcome::Proceed),
            (LATER, Outcome::NotModified, Outcome::Proceed),
            (
                "Monday, 27-Jul-20 08:51:59 GMT",
                Outcome::NotModified,
                Outcome::Proceed,
            ),
            (
                "Mon Jul 27 08:51:58 2020",
                Outcome::Proceed,
                Outcome::PreconditionFailed,
            ),
            ("yesterday", Outcome::Proceed, Outcome::Proceed),
            ("", Outcome::Proceed, Outcome::Proceed),
            ("1595839919", Outcome::Proceed, Outcome::Proceed),
            (
                "Mon, 27 Jul 2020 08:51:59 \u{e9}",
                Outcome::Proceed,
                Outcome::Proceed,
            ),
        ] {
            assert_eq!(get(&[("if-modified-since", date)]), since, "{date}");
            assert_eq!(
                put(&[("if-modified-since", date)]),
                Outcome::Proceed,
                "{date}"
            );
            assert_eq!(
                put(&[("if-unmodified-since", date)]),
                unmodified_since,
                "{date}"
            );
            assert_eq!(
                get(&[("if-unmodified-since", date)]),
                unmodified_since,
                "{date}"
            );
        }
    }

    #[test]
    fn repeated_dates_are_ignored() {
        let since = ("if-modified-since", LATER);
        assert_eq!(get(&[since, since]), Outcome::Proceed);
        let unmodified_since = ("if-unmodified-since", EARLIER);
        assert_eq!(get(&[unmodified_since, unmodified_since]), Outcome::Proceed);
    }

    #[test]
    fn tags_take_precedence_over_dates() {
        let lines = [("if-match", "TAG"), ("if-unmodified-since", EARLIER)];
        assert_eq!(put(&lines), Outcome::Proceed);
        let lines = [("if-match", "\"x\""), ("if-unmodified-since", LATER)];
        assert_eq!(put(&lines), Outcome::PreconditionFailed);
        let lines = [("if-none-match", "\"x\""), ("if-modified-since", LATER)];
        assert_eq!(get(&lines), Outcome::Proceed);
        let lines = [("if-none-match", "TAG"), ("if-modified-since", EARLIER)];
        assert_eq!(get(&lines), Outcome::NotModified);
    }

    #[test]
    fn the_expected_state_is_judged_first_and_the_rest_still_counts() {
        let failed = [("if-match", "\"x\""), ("if-none-match", "TAG")];
        assert_eq!(get(&failed), Outcome::PreconditionFailed);
        let current = [("if-match", "TAG"), ("if-none-match", "TAG")];
        assert_eq!(get(&current), Outcome::NotModified);
        let current = [("if-unmodified-since", LATER), ("if-modified-since", LATER)];
        assert_eq!(get(&current), Outcome::NotModified);
    }

    #[test]
    fn if_range_holds_for_the_strong_tag_or_the_exact_date() {
        assert!(range_applies(&headers(&[]), &FILE));
        for value in [
            "TAG",
            "BARE",
            " TAG ",
            MODIFIED,
            "Monday, 27-Jul-20 08:51:59 GMT",
        ] {
            assert!(
                range_applies(&headers(&[("if-range", value)]), &FILE),
                "{value}"
            );
        }
        for value in [
            "W/TAG",
            "\"x\"",
            "*",
            "\"x\", TAG",
            "TAG,TAG",
            EARLIER,
            LATER,
            "yesterday",
            "",
        ] {
            assert!(
                !range_applies(&headers(&[("if-range", value)]), &FILE),
                "{value}"
            );
        }
        let twice = headers(&[("if-range", "TAG"), ("if-range", "TAG")]);
        assert!(!range_applies(&twice, &FILE));
    }
}
