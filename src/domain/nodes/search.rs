//! Searching repositories: what can match is walked page by page and asked one by one.

use super::super::DomainError;
use super::super::lookup::{Address, Entry, entry, folder};
use super::gather::Gather;
use super::rule::{Candidate, Field, Rule};
use super::scope::Scope;
use super::top::{Key, MAX_SORTED, Spot, Top};
use super::walk::{Found, Walk};
use super::{listing, plain};
use crate::format::meta::Repo;
use crate::index::Rows;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What must hold.
    pub rule: Rule,
    /// Sorted by these, each with whether it counts backwards; else in the order of the tree.
    pub sort: Vec<(Field, bool)>,
    /// Metadata of the nodes too.
    pub metadata: bool,
    /// Nodes before the page.
    pub skip: u64,
    /// Nodes of the page at most.
    pub limit: usize,
}

/// A node that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Which of the repositories that were searched.
    pub repo: usize,
    /// The node.
    pub found: Found,
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hits {
    /// How many there are on all pages.
    pub total: u64,
    /// Those of this page.
    pub hits: Vec<Hit>,
}

/// Searches some repositories, one behind the other.
///
/// # Errors
/// [`DomainError::Invalid`] for a page of a sorted search that is too far behind, or that would
/// take too much memory; [`DomainError::Store`].
pub fn search(
    rows: &dyn Rows,
    repos: &[Repo],
    search: &Search,
    now_ms: u64,
) -> Result<Hits, DomainError> {
    let end = search.skip.saturating_add(search.limit as u64);
    let is_sorted = !search.sort.is_empty();
    if is_sorted && end > MAX_SORTED {
        return Err(DomainError::Invalid {
            what: "pageNumber",
            why: format!(
                "a sorted answer ends at record {MAX_SORTED}; without sort there is no end"
            ),
        });
    }
    if let [repo] = repos
        && let Some((address, listing)) = plain::listing(repo, search)
    {
        let (total, found) = listing::page(rows, &address, listing, now_ms)?;
        let hits = found.into_iter().map(|found| Hit { repo: 0, found });
        return Ok(Hits {
            total,
            hits: hits.collect(),
        });
    }
    let mut finder = Finder {
        rows,
        search,
        now_ms,
        total: 0,
        page: Gather::new(search.limit, search.metadata),
        top: Top::new(usize::try_from(end).unwrap_or(usize::MAX)),
    };
    let scope = Scope::of(&search.rule);
    for (at, repo) in repos.iter().enumerate() {
        finder.repository(at, repo, &scope)?;
    }
    if is_sorted {
        return finder.sorted();
    }
    Ok(Hits {
        total: finder.total,
        hits: finder.page.finish(),
    })
}

struct Finder<'a> {
    rows: &'a dyn Rows,
    search: &'a Search,
    now_ms: u64,
    total: u64,
    /// Of an answer that is not sorted.
    page: Gather<Hit>,
    /// Of one that is.
    top: Top,
}

impl Finder<'_> {
    fn repository(&mut self, at: usize, repo: &Repo, scope: &Scope) -> Result<(), DomainError> {
        match scope {
            Scope::Paths(paths) => {
                for path in paths {
                    self.path(at, repo, path)?;
                }
                Ok(())
            }
            Scope::Folders(folders) => {
                for path in folders {
                    self.walk(at, repo, path, |_| false)?;
                }
                Ok(())
            }
            Scope::Below(prefix) => {
                let top = prefix.rfind('/').map_or("/", |slash| &prefix[..=slash]);
                self.walk(at, repo, top, |folder| {
                    folder.starts_with(prefix.as_str()) || prefix.starts_with(folder)
                })
            }
        }
    }

    fn path(&mut self, at: usize, repo: &Repo, path: &str) -> Result<(), DomainError> {
        // What is no address is nowhere.
        let Ok(address) = Address::new(&repo.project, &repo.name, path) else {
            return Ok(());
        };
        match entry(self.rows, &address, self.now_ms) {
            Ok(Entry::Node(parent, node)) => {
                let path = address.path.to_string();
                self.ask(at, repo, Found { parent, path, node })
            }
            Ok(Entry::Root(_)) | Err(DomainError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn walk(
        &mut self,
        at: usize,
        repo: &Repo,
        top: &str,
        enters: impl Fn(&str) -> bool,
    ) -> Result<(), DomainError> {
        let Ok(address) = Address::new(&repo.project, &repo.name, top) else {
            return Ok(());
        };
        let id = match folder(self.rows, &address, self.now_ms) {
            Ok(id) => id,
            Err(DomainError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let path = match address.path.is_root() {
            true => "/".to_owned(),
            false => format!("{}/", address.path),
        };
        let mut walk = Walk::below(id, &path);
        while let Some(found) = walk.next(self.rows, self.now_ms, &enters)? {
            self.ask(at, repo, found)?;
        }
        Ok(())
    }

    /// Asks a node, and keeps it if it is wanted.
    fn ask(&mut self, repo: usize, of: &Repo, found: Found) -> Result<(), DomainError> {
        let candidate = Candidate {
            rows: self.rows,
            project: &of.project,
            repo: &of.name,
            path: &found.path,
            node: &found.node,
        };
        if !self.search.rule.holds(&candidate)? {
            return Ok(());
        }
        let place = self.total;
        self.total += 1;
        if self.search.sort.is_empty() {
            if place >= self.search.skip && self.page.wanted() > 0 {
                self.page.push(found, |found| Hit { repo, found })?;
            }
            return Ok(());
        }
        let mut parts = Vec::with_capacity(self.search.sort.len());
        for (field, backwards) in &self.search.sort {
            parts.push((candidate.value(field)?, *backwards));
        }
        let spot = Spot {
            repo,
            parent: found.parent,
            path: found.path,
        };
        self.top.push(Key { parts, place }, spot)
    }

    /// Looks the nodes of the page up again.
    fn sorted(self) -> Result<Hits, DomainError> {
        let mut page = self.page;
        let skip = usize::try_from(self.search.skip).unwrap_or(usize::MAX);
        for spot in self.top.finish().into_iter().skip(skip) {
            let Spot { repo, parent, path } = spot;
            let name = path.rsplit('/').next().unwrap_or_default();
            if let Some(node) = self.rows.node(parent, name)? {
                page.push(Found { parent, path, node }, |found| Hit { repo, found })?;
            }
        }
        Ok(Hits {
            total: self.total,
            hits: page.finish(),
        })
    }
}

/// The rule that a listing of a folder is, so that it can be sorted like a search.
#[must_use]
pub fn listing_rule(path: &str, deep: bool, folders: bool) -> Rule {
    use super::rule::{Op, Test, Value};
    let place = match deep {
        true => Test {
            field: Field::FullPath,
            op: Op::Prefix(path.to_owned()),
        },
        false => Test {
            field: Field::Path,
            op: Op::In([Value::Text(path.to_owned())].into()),
        },
    };
    let mut rules = vec![Rule::Test(place)];
    if !folders {
        rules.push(Rule::Test(Test {
            field: Field::Folder,
            op: Op::In([Value::Flag(false)].into()),
        }));
    }
    Rule::All(rules)
}
