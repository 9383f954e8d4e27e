//! Random questions to the list, and their answers by looking at every row.

use std::cmp::Ordering;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{id, text};
use crate::noise::Noise;

/// What can be sorted by: every scalar of a row.
pub const FIELDS: [&str; 15] = [
    "architecture",
    "buildNumber",
    "createTime",
    "deletable",
    "downloadUrl",
    "extension",
    "fileName",
    "id",
    "md5",
    "name",
    "operatingSystem",
    "sha1",
    "size",
    "type",
    "version",
];

/// The parameters with several values: the key, and whether a beginning is enough.
const LISTS: [(&str, bool); 4] = [
    ("type", false),
    ("version", false),
    ("operatingSystem", true),
    ("architecture", true),
];

const VALUES: [&[&str]; 4] = [
    &[
        "OB_SERVER_INSTALL_PACKAGE",
        "OCP_AGENT_INSTALL_PACKAGE",
        "OBPROXY_INSTALL_PACKAGE",
        "OB_BACKUP_AGENT_INSTALL_PACKAGE",
        "OB_AGENT_INSTALL_PACKAGE",
        "OTHERS_RPM",
        "OB_SERVER",
        "SCRIPT",
    ],
    &["1.0", "1.0.1", "2.10", "2.9", "4.2.1.0", "1", "9.9"],
    &["el7", "el8", "alios7", "alios", "el", "e", "l7", "ky10"],
    &["x86_64", "aarch64", "noarch", "x86", "x84_64", "arm", "a"],
];

const KEYWORDS: [&str; 16] = [
    "agent",
    "AGENT",
    "ob",
    "OceanBase",
    "-ce",
    "ce-",
    ".el7.",
    "rpm",
    ".RPM",
    "_64",
    "1.0",
    "x",
    "none such",
    "%",
    "utils-",
    "",
];

/// A question.
#[derive(Debug, Default)]
pub struct Query {
    keyword: Option<String>,
    lists: [Option<Vec<String>>; 4],
    page: Option<usize>,
    size: Option<usize>,
    sort: Option<(&'static str, Option<bool>)>,
}

/// One of these.
pub fn pick<T: Copy>(noise: &mut Noise, among: &[T]) -> T {
    among[noise.below(among.len())]
}

/// Once in so many times.
fn once_in(noise: &mut Noise, times: usize) -> bool {
    noise.below(times) == 0
}

impl Query {
    /// Anything.
    pub fn random(noise: &mut Noise) -> Self {
        let mut query = Self::default();
        if once_in(noise, 3) {
            query.keyword = Some(pick(noise, &KEYWORDS).to_owned());
        }
        for (list, values) in query.lists.iter_mut().zip(VALUES) {
            if once_in(noise, 3) {
                let count = 1 + noise.below(3);
                let picked = (0..count).map(|_| pick(noise, values).to_owned());
                *list = Some(picked.collect());
            }
        }
        if once_in(noise, 2) {
            query.page = Some(1 + noise.below(4));
        }
        if once_in(noise, 2) {
            query.size = Some(pick(noise, &[1, 2, 3, 7, 20, 100]));
        }
        if !once_in(noise, 4) {
            let direction = pick(noise, &[None, Some(true), Some(false)]);
            query.sort = Some((pick(noise, &FIELDS), direction));
        }
        query
    }

    /// Everything on one page, sorted.
    pub fn sorted(field: &'static str, ascending: Option<bool>) -> Self {
        Self {
            size: Some(100),
            sort: Some((field, ascending)),
            ..Self::default()
        }
    }

    /// What the client writes behind the question mark, in one of the many ways.
    pub fn target(&self, noise: &mut Noise) -> String {
        let mut pairs = Vec::new();
        if let Some(keyword) = &self.keyword {
            pairs.push(("keyword", keyword.clone()));
        }
        for ((key, _), values) in LISTS.iter().zip(&self.lists) {
            push_list(&mut pairs, key, values.as_deref(), noise);
        }
        pairs.extend(self.page.map(|page| ("page", page.to_string())));
        pairs.extend(self.size.map(|size| ("size", size.to_string())));
        if let Some((field, ascending)) = self.sort {
            let direction = match ascending {
                None => "",
                Some(true) => ",asc",
                Some(false) => ",desc",
            };
            pairs.push(("sort", format!("{field}{direction}")));
        }
        for i in (1..pairs.len()).rev() {
            pairs.swap(i, noise.below(i + 1));
        }
        let encode = once_in(noise, 2);
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(key, value)| format!("{key}={}", encoded(value, encode)))
            .collect();
        pairs.join("&")
    }

    /// The ids that must be on the page, and how many there are on all pages.
    /// `ties_turn`: packages that are equal by a field that is sorted downwards have falling ids.
    pub fn answer(&self, rows: &[Value], ties_turn: bool) -> (Vec<u64>, usize) {
        let mut found: Vec<&Value> = rows.iter().filter(|row| self.wants(row)).collect();
        found.sort_by(|a, b| self.order(a, b, ties_turn));
        let size = self.size();
        let on_page = found.iter().skip((self.page() - 1) * size).take(size);
        (on_page.map(|row| id(row)).collect(), found.len())
    }

    /// The page's number.
    pub fn page(&self) -> usize {
        self.page.unwrap_or(1)
    }

    /// How many rows are on a page.
    pub fn size(&self) -> usize {
        self.size.unwrap_or(10)
    }

    fn wants(&self, row: &Value) -> bool {
        let named = |keyword: &String| {
            let keyword = keyword.to_lowercase();
            let names = ["name", "fileName"].map(|key| text(row, key).to_lowercase());
            names.iter().any(|name| name.contains(&keyword))
        };
        self.keyword.as_ref().is_none_or(named)
            && LISTS.iter().zip(&self.lists).all(|((key, begins), list)| {
                let value = text(row, key);
                let fits = |wanted: &String| match begins {
                    true => value.starts_with(wanted),
                    false => value == wanted,
                };
                list.as_ref().is_none_or(|list| list.iter().any(fits))
            })
    }

    fn order(&self, a: &Value, b: &Value, ties_turn: bool) -> Ordering {
        let Some((field, ascending)) = self.sort else {
            return by_field("createTime", b, a).then(id(b).cmp(&id(a)));
        };
        let (fields, ties) = (by_field(field, a, b), id(a).cmp(&id(b)));
        match ascending != Some(false) {
            true => fields.then(ties),
            false if ties_turn => fields.then(ties).reverse(),
            false => fields.reverse().then(ties),
        }
    }
}

/// A row's values in their own order: numbers as numbers, text by code points.
fn by_field(field: &str, a: &Value, b: &Value) -> Ordering {
    match (&a[field], &b[field]) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.as_u64().cmp(&b.as_u64()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (a, b) => panic!("`{field}` is {a} and {b}"),
    }
}

/// Values behind commas, or each with the key, or some of both.
fn push_list<'k>(
    pairs: &mut Vec<(&'k str, String)>,
    key: &'k str,
    values: Option<&[String]>,
    noise: &mut Noise,
) {
    let mut left = values.unwrap_or_default();
    while !left.is_empty() {
        let (these, others) = left.split_at(1 + noise.below(left.len()));
        pairs.push((key, these.join(",")));
        left = others;
    }
}

/// Percent-encoded where it must be, and with `everything` wherever it may be, commas too.
fn encoded(value: &str, everything: bool) -> String {
    const MUST_BE: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b',');
    let set = if everything {
        NON_ALPHANUMERIC
    } else {
        MUST_BE
    };
    utf8_percent_encode(value, set).to_string()
}
