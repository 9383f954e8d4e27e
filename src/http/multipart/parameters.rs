//! Header values with parameters, like `form-data; name="file"; filename="a b.rpm"`.
//!
//! Strict where two readers could disagree about what is said (an open quote, something behind a
//! closed one, a parameter without a value), and lenient about what clients really send: raw UTF-8,
//! and characters that would have to be quoted.

use percent_encoding::percent_decode;

/// The word at the beginning of a header value, and the parameters behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    word: Vec<u8>,
    /// Names as they were sent, values without their quotes.
    all: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Parameters {
    /// Reads a header value; `None` when it is malformed.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (word, mut rest) = split(value, b';');
        let mut all = Vec::new();
        while let Some(parameters) = rest {
            let text = parameters.trim_ascii_start();
            if matches!(text.first(), None | Some(b';')) {
                rest = split(text, b';').1;
                continue;
            }
            let (name, text) = split(text, b'=');
            let (name, text) = (name.trim_ascii(), text?.trim_ascii_start());
            if name.is_empty() || !name.iter().all(|&byte| byte == b'*' || is_attr(byte)) {
                return None;
            }
            let (value, behind) = match text.strip_prefix(b"\"") {
                Some(quoted) => {
                    let (value, behind) = unquote(quoted)?;
                    let (nothing, behind) = split(behind, b';');
                    if !nothing.trim_ascii().is_empty() {
                        return None;
                    }
                    (value, behind)
                }
                None => {
                    let (value, behind) = split(text, b';');
                    (value.trim_ascii().to_vec(), behind)
                }
            };
            all.push((name.to_vec(), value));
            rest = behind;
        }
        let word = word.trim_ascii().to_vec();
        Some(Self { word, all })
    }

    /// Whether it begins with this word, in any case.
    pub fn is(&self, word: &str) -> bool {
        self.word.eq_ignore_ascii_case(word.as_bytes())
    }

    /// The first parameter of this name, in any case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut all = self.all.iter();
        let found = all.find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.as_slice())
    }
}

/// What stands before and, if there is one, behind the first `at`.
fn split(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, text) {
        Some(place) => (&text[..place], Some(&text[place + 1..])),
        None => (text, None),
    }
}

/// What stands before the closing quote, and what behind it. Only a quote and a backslash can be
/// escaped: browsers have sent whole Windows paths, with backslashes that mean themselves.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [b'"', behind @ ..] => return Some((value, behind)),
            [b'\\', escaped @ (b'"' | b'\\'), behind @ ..] => {
                value.push(*escaped);
                behind
            }
            [byte, behind @ ..] => {
                value.push(*byte);
                behind
            }
            [] => return None,
        };
    }
}

/// Decodes `UTF-8'language'%41b` (RFC 5987 §3.2.1), strictly; the bytes may yet not be UTF-8.
pub fn extended(value: &[u8]) -> Option<Vec<u8>> {
    let (charset, rest) = split(value, b'\'');
    let (language, encoded) = split(rest?, b'\'');
    let known = charset.eq_ignore_ascii_case(b"utf-8");
    let plain = language
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let encoded = encoded.filter(|_| known && plain)?;
    let mut rest = encoded;
    while let Some((&first, behind)) = rest.split_first() {
        rest = match (first, behind) {
            (b'%', [high, low, behind @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                behind
            }
            _ if is_attr(first) => behind,
            _ => return None,
        };
    }
    Some(percent_decode(encoded).collect())
}

/// `attr-char` of RFC 5987.
fn is_attr(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(value: &[u8], name: &str) -> Option<Vec<u8>> {
        Parameters::parse(value)?.get(name).map(<[u8]>::to_vec)
    }

    fn file_name(value: &str) -> Option<String> {
        one(value.as_bytes(), "filename").map(|name| String::from_utf8(name).unwrap())
    }

    #[test]
    fn what_clients_send_is_read() {
        for (value, expected) in [
            (r#"form-data; name="file"; filename="a.rpm""#, "a.rpm"),
            (r#"form-data; filename="a.rpm"; name="file""#, "a.rpm"),
            (r#"form-data;name="file";filename="a;b.rpm";"#, "a;b.rpm"),
            (r#"form-data; ; FileName = "a b" ; name=file"#, "a b"),
            ("form-data; name=file; filename=a.rpm", "a.rpm"),
            ("form-data; filename=a b ", "a b"),
            (r#"form-data; filename="""#, ""),
            (r#"form-data; filename="x; name=y""#, "x; name=y"),
            (r#"form-data; filename="a\"b\\c""#, r#"a"b\c"#),
            (r#"form-data; filename="C:\tmp\a.rpm""#, r"C:\tmp\a.rpm"),
            (r#"form-data; filename="a\\""#, r"a\"),
            (r#"form-data; filename="%22.rpm""#, "%22.rpm"),
            ("form-data; filename=\"包.rpm\"", "包.rpm"),
            (r#"form-data; filename="first"; filename="second""#, "first"),
        ] {
            assert_eq!(file_name(value).as_deref(), Some(expected), "{value}");
        }
        let text = br#"form-data; filename="x; name=y"; name="file""#;
        assert_eq!(one(text, "name").unwrap(), b"file");
    }

    #[test]
    fn what_can_be_understood_in_two_ways_is_malformed() {
        for value in [
            r#"form-data; filename="a.rpm"#,
            r#"form-data; filename="a.rpm\""#,
            r#"form-data; filename="a" b"#,
            "form-data; filename",
            "form-data; =a",
            "form-data; file name=a",
            r#"form-data; "name"=a"#,
        ] {
            assert_eq!(Parameters::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn extended_values_are_utf_8() {
        for (value, expected) in [
            ("UTF-8''a.rpm", "a.rpm"),
            ("utf-8'en-GB'%e5%8C%85.rpm", "包.rpm"),
            ("UTF-8''", ""),
            ("UTF-8''a%2Fb%00", "a/b\0"),
        ] {
            let decoded = extended(value.as_bytes());
            assert_eq!(decoded.as_deref(), Some(expected.as_bytes()), "{value}");
        }
        for value in [
            "a.rpm",
            "UTF-8'a.rpm",
            "ISO-8859-1''a",
            "''a",
            "UTF-8''a%2",
            "UTF-8''a%zz",
            "UTF-8''a b",
            "UTF-8''a'b",
            "UTF-8'\"'a",
        ] {
            assert_eq!(extended(value.as_bytes()), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_quoted_value_is_read_back(name in "\\PC{0,30}", key in "[a-z]{1,8}") {
            let quoted = name.replace('\\', r"\\").replace('"', "\\\"");
            let value = format!("form-data; {key}=\"{quoted}\"; z1=2");
            prop_assert_eq!(one(value.as_bytes(), &key).unwrap(), name.as_bytes());
            prop_assert_eq!(one(value.as_bytes(), "z1").unwrap(), b"2");
        }

        #[test]
        fn hostile_values_never_panic(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _either = (Parameters::parse(&value), extended(&value));
        }
    }
}
