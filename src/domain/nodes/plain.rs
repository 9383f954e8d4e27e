//! Searches that are nothing but the listing of a folder: browsers list folders so. The index
//! answers them without walking: it counts, and skips what lies before the page.

use super::super::lookup::Address;
use super::listing::Listing;
use super::rule::{Field, Op, Rule, Test, Value};
use super::search::Search;
use crate::format::meta::Repo;

/// The listing that a search of one repository is, if it is one.
pub(super) fn listing(repo: &Repo, search: &Search) -> Option<(Address, Listing)> {
    let mut plain = Plain::default();
    plain.add(repo, &search.rule)?;
    let folder = plain.folder.as_ref()?;
    let address = Address::new(&repo.project, &repo.name, folder).ok()?;
    // A path that is written in another way is nobody's.
    let normal = match address.path.is_root() {
        true => "/".to_owned(),
        false => format!("{}/", address.path),
    };
    let is_order = plain.is_order(&search.sort);
    (*folder == normal && is_order).then_some((
        address,
        Listing {
            deep: plain.deep,
            folders: !plain.files_only,
            metadata: search.metadata,
            skip: search.skip,
            limit: search.limit,
        },
    ))
}

/// What the rules say so far.
#[derive(Default)]
struct Plain {
    folder: Option<String>,
    deep: bool,
    files_only: bool,
}

impl Plain {
    /// Takes in a rule; `None` for one that no listing can be.
    fn add(&mut self, repo: &Repo, rule: &Rule) -> Option<()> {
        match rule {
            Rule::All(rules) => rules.iter().try_for_each(|rule| self.add(repo, rule)),
            Rule::Test(Test { field, op }) => match (field, op) {
                (Field::Project, Op::In(names)) => holds(names.contains(&text(&repo.project))),
                (Field::Repo, Op::In(names)) => holds(names.contains(&text(&repo.name))),
                (Field::Folder, Op::In(flags)) => {
                    self.files_only = true;
                    holds(*flags == [Value::Flag(false)].into())
                }
                (Field::Path, Op::In(paths)) => match paths.first() {
                    Some(Value::Text(path)) if paths.len() == 1 => self.at(path, false),
                    _ => None,
                },
                (Field::Path | Field::FullPath, Op::Prefix(path)) => self.at(path, true),
                _ => None,
            },
            Rule::Any(_) | Rule::None(_) => None,
        }
    }

    /// Notes the folder; there can be one.
    fn at(&mut self, path: &str, deep: bool) -> Option<()> {
        let is_first = self.folder.replace(path.to_owned()).is_none();
        self.deep = deep;
        holds(is_first)
    }

    /// Whether a listing comes in this order by itself.
    fn is_order(&self, sort: &[(Field, bool)]) -> bool {
        match sort {
            [] | [(Field::Folder, true)] => sort.is_empty() || !self.deep,
            [(Field::Folder, true), (Field::Name, false)] => !self.deep,
            [(Field::Name | Field::FullPath, false)] => !self.deep && self.files_only,
            _ => false,
        }
    }
}

fn text(name: &str) -> Value {
    Value::Text(name.to_owned())
}

fn holds(condition: bool) -> Option<()> {
    condition.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::meta::NodeId;

    fn repo() -> Repo {
        Repo {
            project: "p".into(),
            name: "r".into(),
            root: NodeId(1),
            public: false,
            description: String::new(),
            created_by: String::new(),
            created_ms: 0,
        }
    }

    fn is_in(field: Field, value: Value) -> Rule {
        let op = Op::In([value].into());
        Rule::Test(Test { field, op })
    }

    fn below(path: &str) -> Rule {
        let op = Op::Prefix(path.to_owned());
        Rule::Test(Test {
            field: Field::FullPath,
            op,
        })
    }

    /// `deep` and `folders` of the listing that a rule is in an order.
    fn of(rules: Vec<Rule>, sort: &[(Field, bool)]) -> Option<(bool, bool)> {
        let search = Search {
            rule: Rule::All(rules),
            sort: sort.to_vec(),
            metadata: false,
            skip: 0,
            limit: 1,
        };
        listing(&repo(), &search).map(|(_, listing)| (listing.deep, listing.folders))
    }

    #[test]
    fn what_is_a_listing_and_what_is_not() {
        let folder = |path| is_in(Field::Path, text(path));
        let files = || is_in(Field::Folder, Value::Flag(false));
        let nested = Rule::All(vec![is_in(Field::Repo, text("r")), folder("/a/")]);
        for (rules, sort, expected) in [
            (vec![folder("/a/")], &[][..], Some((false, true))),
            (vec![folder("/")], &[], Some((false, true))),
            (vec![nested, files()], &[], Some((false, false))),
            (vec![below("/a/")], &[], Some((true, true))),
            (vec![below("/a")], &[], None),
            (vec![folder("/a")], &[], None),
            (vec![folder("//a/")], &[], None),
            (vec![folder("/a/"), folder("/b/")], &[], None),
            (vec![files()], &[], None),
            (
                vec![folder("/a/"), is_in(Field::Name, text("x"))],
                &[],
                None,
            ),
            (
                vec![folder("/a/"), is_in(Field::Repo, text("q"))],
                &[],
                None,
            ),
            (
                vec![folder("/a/"), is_in(Field::Folder, Value::Flag(true))],
                &[],
                None,
            ),
            (
                vec![folder("/a/")],
                &[(Field::Folder, true), (Field::Name, false)],
                Some((false, true)),
            ),
            (vec![folder("/a/")], &[(Field::Name, false)], None),
            (vec![folder("/a/")], &[(Field::Folder, false)], None),
            (
                vec![folder("/a/"), files()],
                &[(Field::Name, false)],
                Some((false, false)),
            ),
            (vec![below("/a/")], &[(Field::Folder, true)], None),
            (vec![Rule::Any(vec![folder("/a/")])], &[], None),
        ] {
            assert_eq!(of(rules.clone(), sort), expected, "{rules:?} {sort:?}");
        }
    }
}
