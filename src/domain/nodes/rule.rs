//! What a search asks of each node.
//!
//! Semantics are those of upstream's database: a value that a node does not have equals nothing, is
//! neither greater nor less than anything, and is what `NE` and `NIN` let through.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::super::DomainError;
use crate::format::meta::{Node, NodeKind};
use crate::index::Rows;

/// Something that a node is or has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Name of its project.
    Project,
    /// Name of its repository.
    Repo,
    /// Path of its folder, with a `/` behind it.
    Path,
    /// Its path.
    FullPath,
    /// Its name.
    Name,
    /// Whether it is a folder.
    Folder,
    /// Size in bytes; 0 for a folder.
    Size,
    /// sha256 in lower-case hex; folders have none.
    Sha256,
    /// md5 in lower-case hex; folders have none.
    Md5,
    /// Who created it.
    CreatedBy,
    /// When, Unix milliseconds.
    CreatedDate,
    /// Who changed it last.
    LastModifiedBy,
    /// When, Unix milliseconds.
    LastModifiedDate,
    /// When it expires, Unix milliseconds, if ever.
    ExpireDate,
    /// The metadata value of a key.
    Metadata(String),
    /// Something that all nodes have.
    Always(Value),
    /// Something that no node has.
    Never,
}

/// A value, comparable with its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// True or false.
    Flag(bool),
    /// A number.
    Number(i128),
    /// A text.
    Text(String),
}

/// A value that a node has.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen<'a> {
    Flag(bool),
    Number(i128),
    Text(Cow<'a, str>),
}

impl Seen<'_> {
    fn into_value(self) -> Value {
        match self {
            Self::Flag(flag) => Value::Flag(flag),
            Self::Number(number) => Value::Number(number),
            Self::Text(text) => Value::Text(text.into_owned()),
        }
    }

    /// How it compares; `None` with another kind.
    fn compare(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Flag(a), Value::Flag(b)) => Some(a.cmp(b)),
            (Self::Number(a), Value::Number(b)) => Some(a.cmp(b)),
            (Self::Text(a), Value::Text(b)) => Some(a.as_ref().cmp(b.as_str())),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Flag(_) | Self::Number(_) => None,
        }
    }
}

/// A text with `*` for any characters, anchored at both ends. Matching takes no backtracking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<String>,
    any_case: bool,
}

impl Pattern {
    /// Reads a pattern.
    #[must_use]
    pub fn new(text: &str, any_case: bool) -> Self {
        let text = match any_case {
            true => Cow::Owned(text.to_lowercase()),
            false => Cow::Borrowed(text),
        };
        Self {
            parts: text.split('*').map(str::to_owned).collect(),
            any_case,
        }
    }

    /// What every matching text begins with.
    pub(super) fn prefix(&self) -> &str {
        match self.any_case {
            true => "",
            false => self.parts.first().map_or("", String::as_str),
        }
    }

    /// Whether a text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text = match self.any_case {
            true => Cow::Owned(text.to_lowercase()),
            false => Cow::Borrowed(text),
        };
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|whole| *whole == text);
        };
        let inner = text.strip_prefix(first.as_str());
        let Some(mut rest) = inner.and_then(|rest| rest.strip_suffix(last.as_str())) else {
            return false;
        };
        // The leftmost place of each part leaves the most for those behind it.
        for part in middle {
            match rest.split_once(part.as_str()) {
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
        true
    }
}

/// What is asked of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// It is one of these.
    In(BTreeSet<Value>),
    /// It is none of these.
    NotIn(BTreeSet<Value>),
    /// It is less.
    Less(Value),
    /// It is less or the same.
    AtMost(Value),
    /// It is greater.
    Greater(Value),
    /// It is greater or the same.
    AtLeast(Value),
    /// It begins so.
    Prefix(String),
    /// It ends so.
    Suffix(String),
    /// It matches.
    Matches(Pattern),
    /// It is not there.
    Null,
    /// It is there.
    NotNull,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// About what.
    pub field: Field,
    /// Which.
    pub op: Op,
}

/// Questions, combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// One.
    Test(Test),
    /// All of them hold.
    All(Vec<Rule>),
    /// One of them holds.
    Any(Vec<Rule>),
    /// None of them holds.
    None(Vec<Rule>),
}

/// A node that is asked.
pub struct Candidate<'a> {
    /// Where contents are looked up.
    pub rows: &'a dyn Rows,
    /// Its project.
    pub project: &'a str,
    /// Its repository.
    pub repo: &'a str,
    /// Its full path.
    pub path: &'a str,
    /// Itself.
    pub node: &'a Node,
}

impl Candidate<'_> {
    fn seen(&self, field: &Field) -> Result<Option<Seen<'_>>, DomainError> {
        let node = self.node;
        let text = |text| Some(Seen::Text(Cow::Borrowed(text)));
        let number = |ms: u64| Some(Seen::Number(i128::from(ms)));
        let hex = |digest: &[u8]| Some(Seen::Text(Cow::Owned(hex::encode(digest))));
        let name_at = self.path.rfind('/').map_or(0, |slash| slash + 1);
        Ok(match (field, &node.kind) {
            (Field::Project, _) => text(self.project),
            (Field::Repo, _) => text(self.repo),
            (Field::Path, _) => text(&self.path[..name_at]),
            (Field::FullPath, _) => text(self.path),
            (Field::Name, _) => text(&self.path[name_at..]),
            (Field::Folder, kind) => Some(Seen::Flag(*kind == NodeKind::Folder)),
            (Field::Size, NodeKind::Folder) => number(0),
            (Field::Size, NodeKind::File { size, .. }) => number(*size),
            (Field::Sha256 | Field::Md5, NodeKind::Folder) | (Field::Never, _) => None,
            (Field::Sha256, NodeKind::File { sha256, .. }) => hex(sha256),
            (Field::Md5, NodeKind::File { sha256, .. }) => {
                self.rows.blob(sha256)?.and_then(|blob| hex(&blob.md5))
            }
            (Field::CreatedBy, _) => text(&node.created_by),
            (Field::CreatedDate, _) => number(node.created_ms),
            (Field::LastModifiedBy, _) => text(&node.modified_by),
            (Field::LastModifiedDate, _) => number(node.modified_ms),
            (Field::ExpireDate, _) => node.expires_ms.and_then(number),
            (Field::Metadata(key), _) => {
                let pairs = &node.metadata;
                let found = pairs.binary_search_by(|(k, _)| k.as_str().cmp(key));
                found.ok().and_then(|at| text(&pairs[at].1))
            }
            (Field::Always(Value::Text(value)), _) => Some(Seen::Text(Cow::Owned(value.clone()))),
            (Field::Always(Value::Flag(value)), _) => Some(Seen::Flag(*value)),
            (Field::Always(Value::Number(value)), _) => Some(Seen::Number(*value)),
        })
    }

    /// The value of a field; `None` when the node has none.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn value(&self, field: &Field) -> Result<Option<Value>, DomainError> {
        Ok(self.seen(field)?.map(Seen::into_value))
    }
}

impl Test {
    fn holds(&self, candidate: &Candidate<'_>) -> Result<bool, DomainError> {
        let seen = candidate.seen(&self.field)?;
        let order = |value| seen.as_ref().and_then(|seen| seen.compare(value));
        let text = || seen.as_ref().and_then(Seen::text);
        Ok(match &self.op {
            Op::In(values) => seen.is_some_and(|seen| values.contains(&seen.into_value())),
            Op::NotIn(values) => seen.is_none_or(|seen| !values.contains(&seen.into_value())),
            Op::Less(value) => order(value).is_some_and(Ordering::is_lt),
            Op::AtMost(value) => order(value).is_some_and(Ordering::is_le),
            Op::Greater(value) => order(value).is_some_and(Ordering::is_gt),
            Op::AtLeast(value) => order(value).is_some_and(Ordering::is_ge),
            Op::Prefix(prefix) => text().is_some_and(|text| text.starts_with(prefix)),
            Op::Suffix(suffix) => text().is_some_and(|text| text.ends_with(suffix)),
            Op::Matches(pattern) => text().is_some_and(|text| pattern.matches(text)),
            Op::Null => seen.is_none(),
            Op::NotNull => seen.is_some(),
        })
    }
}

impl Rule {
    /// Whether a node answers as is asked.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn holds(&self, candidate: &Candidate<'_>) -> Result<bool, DomainError> {
        match self {
            Self::Test(test) => test.holds(candidate),
            Self::All(rules) => {
                for rule in rules {
                    if !rule.holds(candidate)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(rules) => {
                for rule in rules {
                    if rule.holds(candidate)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::None(rules) => {
                for rule in rules {
                    if rule.holds(candidate)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// The texts that a field has in every node for which the rule holds, if the rule names them
    /// where all must hold.
    #[must_use]
    pub fn named(&self, field: &Field) -> Option<BTreeSet<String>> {
        match self {
            Self::Test(Test {
                field: own,
                op: Op::In(values),
            }) if own == field => {
                let texts = values.iter().filter_map(|value| match value {
                    Value::Text(text) => Some(text.clone()),
                    Value::Flag(_) | Value::Number(_) => None,
                });
                Some(texts.collect())
            }
            Self::All(rules) => rules
                .iter()
                .filter_map(|rule| rule.named(field))
                .reduce(|a, b| a.intersection(&b).cloned().collect()),
            Self::Test(_) | Self::Any(_) | Self::None(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
