//! Finds which modules at the top of the crate a file refers to.

use super::tokens::{Token, word_len};

/// The module that a file below `src/` is: `store/gc.rs` is `[store, gc]`, `pack/mod.rs` is `[pack]`.
pub fn module_path(path: &str) -> Vec<&str> {
    let mut names: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    names.pop_if(|name| *name == "mod");
    names
}

/// The names at the top of the crate that a file refers to by `crate::…`, `super::…` and `self::…`, in
/// groups of a `use` as well.
pub fn references<'a>(path: &'a str, tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let (mut found, mut module) = (Vec::new(), module_path(path));
    let mut open_braces = Vec::new(); // for each: whether it is an inline module's
    for (at, token) in tokens.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).map_or("", |at| tokens[at].text);
        match token.text {
            "{" => {
                let inline_module = before(2) == "mod";
                module.extend(inline_module.then(|| before(1)));
                open_braces.push(inline_module);
            }
            "}" if open_braces.pop() == Some(true) => drop(module.pop()),
            "crate" | "super" | "self" if before(1) != "::" => {
                follow(&tokens[at..], module.clone(), &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Follows one path or use tree that is read in module `base`; returns how many tokens it took.
fn follow<'a>(tree: &[Token<'a>], mut base: Vec<&'a str>, found: &mut Vec<Token<'a>>) -> usize {
    for (at, token) in tree.iter().enumerate() {
        let goes_on = at == 0 || tree[at - 1].text == "::";
        match token.text {
            "::" => {}
            _ if !goes_on => return at,
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            "{" => return at + follow_group(&tree[at..], &base, found),
            name if word_len(name) > 0 || name == "*" => {
                found.extend(base.is_empty().then_some(*token));
                base.push(name);
            }
            _ => return at,
        }
    }
    tree.len()
}

/// Follows every member of `{a, b::c, d as e}`.
fn follow_group<'a>(group: &[Token<'a>], base: &[&'a str], found: &mut Vec<Token<'a>>) -> usize {
    let mut at = 1;
    while at < group.len() {
        at += follow(&group[at..], base.to_vec(), found);
        let ends = group[at..]
            .iter()
            .position(|token| [",", "}"].contains(&token.text));
        at += ends.map_or(group.len(), |skipped| skipped + 1);
        if group.get(at - 1).is_none_or(|token| token.text == "}") {
            break;
        }
    }
    at
}

#[test]
fn files_are_modules() {
    assert_eq!(module_path("store/gc.rs"), ["store", "gc"]);
    assert_eq!(module_path("pack/mod.rs"), ["pack"]);
    assert_eq!(module_path("digest.rs"), ["digest"]);
}

#[test]
fn references_are_followed_to_the_top() {
    for (source, expected) in [
        ("crate::a::b(crate::c)", "a c"),
        ("use crate::{a, b::{c, d}, e as f, g::*, h};", "a b e g h"),
        ("use crate::{a::{b as c, d}, {e}}; crate::f", "a e f"),
        ("use super::super::{a, super::b, self::c::d};", "a b c"),
        ("super::a self::b use super::{c, super::d};", "d"),
        (
            "mod x { super::super::a super::super::super::b } super::super::c",
            "b c",
        ),
        ("mod x { mod y {} } mod z; fn f() { super::super::a }", "a"),
        (
            "pub(crate) fn f(self) { match self { a => other::crate::b } }",
            "",
        ),
        ("use crate::*; use crate::{", "*"),
    ] {
        let tokens = super::tokens::tokens(source);
        let found = references("store/gc.rs", &tokens);
        let names: Vec<&str> = found.iter().map(|token| token.text).collect();
        assert_eq!(names.join(" "), expected, "{source}");
    }
}
