//! Cuts Rust source into tokens, as coarsely as `floors.rs` needs them.

/// A word, `::`, or any other single character, and the line that it stands on (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// The tokens of `source`, without blanks, comments and literals in quotes.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let (mut found, mut rest, mut line) = (Vec::new(), source, 1);
    while let Some(first) = rest.chars().next() {
        let skipped = skipped_len(rest);
        let len = match word_len(rest) {
            _ if skipped > 0 => skipped,
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            word => word,
        };
        let (text, behind) = rest.split_at(len);
        if skipped == 0 {
            found.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = behind;
    }
    found
}

/// The length of the word at the beginning of `rest`, or 0.
pub fn word_len(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len())
}

/// The length of the blank, comment or quoted literal at the beginning of `rest`, or 0.
fn skipped_len(rest: &str) -> usize {
    match rest.chars().next() {
        Some(blank) if blank.is_whitespace() => blank.len_utf8(),
        Some('/') if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
        Some('/') if rest.starts_with("/*") => block_comment_len(rest),
        Some('"') => quoted_len(rest, '"'),
        Some('\'') if is_char_literal(rest) => quoted_len(rest, '\''),
        Some('r' | 'b' | 'c') => raw_string_len(rest),
        _ => 0,
    }
}

/// Block comments nest.
fn block_comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let (deeper, len) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (1, 2),
            [b'*', b'/', ..] => (-1, 2),
            _ => (0, 1),
        };
        depth = depth.saturating_add_signed(deeper);
        at += len;
        if depth == 0 {
            break;
        }
    }
    at
}

/// A single quote begins a character literal, and no lifetime, when one character further it ends.
fn is_char_literal(rest: &str) -> bool {
    rest.starts_with("'\\") || rest.chars().nth(2) == Some('\'')
}

fn quoted_len(rest: &str, quote: char) -> usize {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// The length of `r"…"`, `br#"…"#` and their like; 0 for all else, raw identifiers included.
fn raw_string_len(rest: &str) -> usize {
    let after_prefix = ["r", "br", "cr"]
        .iter()
        .find_map(|prefix| rest.strip_prefix(prefix));
    let after_hashes = after_prefix.map(|text| text.trim_start_matches('#'));
    let Some(body) = after_hashes.and_then(|text| text.strip_prefix('"')) else {
        return 0;
    };
    let hashes = rest[..rest.len() - body.len()].matches('#').count();
    let end = format!("\"{}", "#".repeat(hashes));
    let body_len = body.find(&end).map_or(body.len(), |at| at + end.len());
    rest.len() - body.len() + body_len
}

#[test]
fn literals_and_comments_are_left_out() {
    let source = r###"
        //! use crate::http;
        a /* crate::b /* nested */ unsafe */ b
        "text \" // text" c b"bytes\\" d 'x' '\'' '"' b'\n' e
        r"\" f r#"quote " inside"# g br##"x"# "## h 'life i 'é'
        r#type::j"###;
    let found: Vec<&str> = tokens(source).iter().map(|token| token.text).collect();
    let expected = "a b c b d b e f g h ' life i r # type :: j";
    assert_eq!(found.join(" "), expected);
}

#[test]
fn tokens_know_their_lines() {
    let found = tokens("a\n/* \n */ b \"\n\n\" c // x\nd");
    let lines: Vec<(&str, usize)> = found.iter().map(|token| (token.text, token.line)).collect();
    assert_eq!(lines, [("a", 1), ("b", 3), ("c", 5), ("d", 6)]);
}

#[test]
fn what_never_ends_ends_with_the_file() {
    for source in ["a \"b", "a /* b", "a r#\"b\"", "a '\\", "a // b", "a /*/"] {
        assert_eq!(tokens(source), [Token { text: "a", line: 1 }], "{source}");
    }
}
