//! What the answer with an artifact says of it: its media type, and the name to save it under.
//!
//! Pure functions of the file's name. Source: seed 003 (`Content-Disposition`), the generic contract
//! ("Download"), observed §1.2. The type is guessed from the name and never from the content, so that
//! the same name always gets the same type; that no browser acts on it is the business of the
//! `nosniff` and `sandbox` headers that go with it.
//!
//! Invariant: whatever the name is, both values are plain printable ASCII, safe in a header.

use percent_encoding::utf8_percent_encode;

use super::links::LINK;

/// The type of what has no better one.
const OCTET_STREAM: &str = "application/octet-stream";

/// Types that differ from the MIME crate's: bk-repo's own (observed §1.2), and packages, for which the
/// crate has none or, with `rpm`, a media player's.
const OWN_TYPES: [(&str, &str); 7] = [
    ("yaml", "application/x-yaml"),
    ("yml", "application/x-yaml"),
    ("tgz", "application/x-tar"),
    ("rpm", "application/x-rpm"),
    ("deb", "application/vnd.debian.binary-package"),
    ("whl", "application/zip"),
    ("zst", "application/zstd"),
];

/// The `Content-Type` of a file called `name`.
///
/// It goes by the text behind the last `.`, or the whole name when there is none (`json` is JSON too,
/// as observed), in any case. Text is declared to be UTF-8; no other type has a charset.
#[must_use]
pub fn content_type(name: &str) -> String {
    let extension = name.rsplit('.').next().unwrap_or_default();
    let own = OWN_TYPES
        .iter()
        .find(|(own, _)| own.eq_ignore_ascii_case(extension));
    let media_type = own
        .map(|&(_, media_type)| media_type)
        .or_else(|| mime_guess::from_ext(extension).first_raw())
        .unwrap_or(OCTET_STREAM);
    if media_type.starts_with("text/") {
        return format!("{media_type};charset=UTF-8");
    }
    media_type.to_owned()
}

/// The `Content-Disposition` that has a file saved as `name`: exactly as observed, without blanks and
/// with the same strict UTF-8 percent-encoding in both fields (RFC 8187 §3.2 for the second).
#[must_use]
pub fn content_disposition(name: &str) -> String {
    let encoded = utf8_percent_encode(name, LINK);
    format!("attachment;filename=\"{encoded}\";filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::{content_disposition, content_type};
    use proptest::prelude::*;

    #[test]
    fn types_go_by_extension() {
        for (name, expected) in [
            ("test.json", "application/json"),
            ("json", "application/json"),
            ("a.b.zip", "application/zip"),
            ("x.tar.gz", "application/gzip"),
            ("x.tgz", "application/x-tar"),
            ("x.tar", "application/x-tar"),
            ("values.yaml", "application/x-yaml"),
            ("values.YML", "application/x-yaml"),
            ("bash-5.1-2.x86_64.rpm", "application/x-rpm"),
            (
                "bash_5.1_amd64.deb",
                "application/vnd.debian.binary-package",
            ),
            ("six-1.16.0-py2.py3-none-any.whl", "application/zip"),
            ("x.jar", "application/java-archive"),
            ("x.apk", "application/vnd.android.package-archive"),
            ("x.wasm", "application/wasm"),
            ("logo.PNG", "image/png"),
            ("logo.svg", "image/svg+xml"),
            ("favicon.ico", "image/x-icon"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }

    #[test]
    fn text_is_utf_8() {
        for (name, expected) in [
            ("a.txt", "text/plain;charset=UTF-8"),
            ("index.html", "text/html;charset=UTF-8"),
            ("build.log", "text/plain;charset=UTF-8"),
            ("style.css", "text/css;charset=UTF-8"),
            ("app.js", "text/javascript;charset=UTF-8"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_known_is_bytes() {
        for name in [
            "",
            ".",
            "x.",
            "README",
            "x.unknown-extension",
            "a.文件",
            "x.exe",
            "x/json",
        ] {
            assert_eq!(content_type(name), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn names_are_encoded_strictly_in_both_fields() {
        for (name, encoded) in [
            ("test.json", "test.json"),
            ("a-b_c.d~e", "a-b_c.d~e"),
            ("a b+c.txt", "a%20b%2Bc.txt"),
            ("文.txt", "%E6%96%87.txt"),
            ("\";x=\"%0d\r\n", "%22%3Bx%3D%22%250d%0D%0A"),
            ("!*'()/", "%21%2A%27%28%29%2F"),
            ("", ""),
        ] {
            let expected = format!("attachment;filename=\"{encoded}\";filename*=UTF-8''{encoded}");
            assert_eq!(content_disposition(name), expected, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_gives_values_that_are_safe_in_a_header(name: String) {
            for value in [content_type(&name), content_disposition(&name)] {
                prop_assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{value:?}");
            }
        }
    }
}
