//! Where in a repository the nodes can be for which a rule holds: what the index has to walk.
//!
//! **Invariant.** A scope holds at least all nodes for which its rule holds; the rule is asked of
//! every one of them all the same.

use std::collections::BTreeSet;

use super::rule::{Field, Op, Rule, Test};

/// Paths that are looked up one by one at most, when they come from folders and names.
const MAX_PATHS: usize = 10_000;

/// Some nodes of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those at these paths.
    Paths(BTreeSet<String>),
    /// Those in these folders, by their paths with a `/` behind them.
    Folders(BTreeSet<String>),
    /// Those whose full paths begin so.
    Below(String),
}

impl Scope {
    /// All nodes.
    pub fn all() -> Self {
        Self::Below(String::new())
    }

    /// Where a rule can hold.
    pub fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Test(test) => Self::of_test(test),
            Rule::All(rules) => {
                let narrow = rules.iter().map(Self::of).reduce(Self::narrower);
                let scope = narrow.unwrap_or_else(Self::all);
                match (&scope, rule.named(&Field::Name)) {
                    (Self::Folders(folders), Some(names))
                        if folders.len().saturating_mul(names.len()) <= MAX_PATHS =>
                    {
                        let paths = folders.iter().flat_map(|folder| {
                            names.iter().map(move |name| format!("{folder}{name}"))
                        });
                        Self::Paths(paths.collect())
                    }
                    _ => scope,
                }
            }
            Rule::Any(rules) => {
                let wide = rules.iter().map(Self::of).reduce(Self::union);
                wide.unwrap_or_else(Self::all)
            }
            Rule::None(_) => Self::all(),
        }
    }

    fn of_test(test: &Test) -> Self {
        let named = || Rule::Test(test.clone()).named(&test.field);
        match (&test.field, &test.op) {
            (Field::FullPath, Op::In(_)) => named().map_or_else(Self::all, Self::Paths),
            (Field::Path, Op::In(_)) => named().map_or_else(Self::all, Self::Folders),
            // What a folder's path begins with, the paths in it begin with, too.
            (Field::FullPath | Field::Path, Op::Prefix(prefix)) => Self::Below(prefix.clone()),
            (Field::FullPath | Field::Path, Op::Matches(pattern)) => {
                Self::Below(pattern.prefix().to_owned())
            }
            _ => Self::all(),
        }
    }

    /// Of two scopes in both of which the nodes are, the one that is quicker to walk.
    fn narrower(self, other: Self) -> Self {
        match (self, other) {
            (Self::Paths(a), Self::Paths(b)) => Self::Paths(&a & &b),
            (Self::Paths(a), _) | (_, Self::Paths(a)) => Self::Paths(a),
            (Self::Folders(a), Self::Folders(b)) => Self::Folders(&a & &b),
            (Self::Folders(a), _) | (_, Self::Folders(a)) => Self::Folders(a),
            (Self::Below(a), Self::Below(b)) if a.len() < b.len() => Self::Below(b),
            (Self::Below(a), Self::Below(_)) => Self::Below(a),
        }
    }

    /// A scope that holds both.
    fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Paths(a), Self::Paths(b)) => Self::Paths(&a | &b),
            (Self::Folders(a), Self::Folders(b)) => Self::Folders(&a | &b),
            (Self::Below(a), Self::Below(b)) => {
                let same = a.char_indices().zip(b.chars());
                let same = same.take_while(|((_, a), b)| a == b).last();
                let end = same.map_or(0, |((at, c), _)| at + c.len_utf8());
                Self::Below(a[..end].to_owned())
            }
            _ => Self::all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::{Pattern, Value};
    use super::*;

    fn set(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn is_in(field: Field, texts: &[&str]) -> Rule {
        let values = texts.iter().map(|text| Value::Text((*text).to_owned()));
        let op = Op::In(values.collect());
        Rule::Test(Test { field, op })
    }

    fn begins(field: Field, text: &str) -> Rule {
        let op = Op::Prefix(text.to_owned());
        Rule::Test(Test { field, op })
    }

    #[test]
    fn what_is_walked_is_as_little_as_the_rule_allows() {
        let matches = Rule::Test(Test {
            field: Field::FullPath,
            op: Op::Matches(Pattern::new("/a/b*c*", false)),
        });
        let folder = is_in(Field::Path, &["/a/"]);
        for (rule, scope) in [
            (folder.clone(), Scope::Folders(set(&["/a/"]))),
            (
                Rule::All(vec![begins(Field::FullPath, "/a/x"), folder.clone()]),
                Scope::Folders(set(&["/a/"])),
            ),
            (
                Rule::All(vec![folder.clone(), is_in(Field::Name, &["x", "y"])]),
                Scope::Paths(set(&["/a/x", "/a/y"])),
            ),
            (
                Rule::All(vec![folder.clone(), is_in(Field::FullPath, &["/q"])]),
                Scope::Paths(set(&["/q"])),
            ),
            (
                Rule::Any(vec![folder.clone(), is_in(Field::Path, &["/b/"])]),
                Scope::Folders(set(&["/a/", "/b/"])),
            ),
            (
                Rule::Any(vec![
                    begins(Field::Path, "/a/文b"),
                    begins(Field::FullPath, "/a/文c"),
                ]),
                Scope::Below("/a/文".to_owned()),
            ),
            (
                Rule::Any(vec![folder.clone(), matches.clone()]),
                Scope::all(),
            ),
            (Rule::None(vec![folder]), Scope::all()),
            (
                Rule::All(vec![begins(Field::Path, "/"), matches]),
                Scope::Below("/a/b".to_owned()),
            ),
            (Rule::All(Vec::new()), Scope::all()),
        ] {
            assert_eq!(Scope::of(&rule), scope, "{rule:?}");
        }
    }
}
