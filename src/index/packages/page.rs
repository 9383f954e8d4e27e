//! The packages of a page, in order.

use std::iter;

use redb::ReadableTable;

use super::super::IndexError;
use super::super::rows::Rows;
use super::super::tables::Source;
use super::select::select;
use super::{Field, Ids, PackagePage, PackageQuery, order_key, unset_row};
use crate::format::meta::Package;

/// So many rows are sooner fetched and sorted than found in their order.
const FEW: u64 = 1024;
/// So many rows can be fetched and sorted, where looking for them in their order takes longer.
const MANY: u64 = 16 * FEW;
/// As long as that takes, so many times as many rows can be walked.
const WALK: u64 = 4;
/// So many ids are sooner looked up in another set than that is gone through for them.
const SMALL: u64 = 16;

/// What a query asks for.
pub fn page<S: Source>(source: &S, query: &PackageQuery) -> Result<PackagePage, IndexError> {
    let ids = select(source, query)?;
    let total = ids.len();
    let mut page = Page {
        skip: query.skip,
        limit: query.limit,
        ids: Vec::new(),
    };
    if total <= query.skip || query.limit == 0 {
    } else if query.order == Field::Id {
        match query.descending {
            false => page.take(ids.iter()),
            true => page.take(ids.iter().rev()),
        };
    } else if total <= FEW || !in_order(source, query, &ids, &mut page)? {
        return few(source, query, &ids);
    }
    Ok(PackagePage {
        total,
        packages: fetch(source, &page.ids)?,
    })
}

/// The ids of a page, as far as they were found.
struct Page {
    skip: u64,
    limit: usize,
    ids: Vec<u32>,
}

impl Page {
    /// Takes the next ids in order; whether the page is full.
    fn take(&mut self, ids: impl Iterator<Item = u32>) -> bool {
        for id in ids {
            if self.skip > 0 {
                self.skip -= 1;
            } else {
                self.ids.push(id);
            }
            if self.ids.len() == self.limit {
                return true;
            }
        }
        false
    }

    /// The same, where all of a set are skipped at once.
    fn take_set(&mut self, ids: &Ids) -> bool {
        if self.skip >= ids.len() {
            self.skip -= ids.len();
            return false;
        }
        self.take(ids.iter())
    }
}

/// Sorts a few rows.
fn few<S: Source>(source: &S, query: &PackageQuery, ids: &Ids) -> Result<PackagePage, IndexError> {
    let ids: Vec<u32> = ids.iter().collect();
    let mut packages = fetch(source, &ids)?;
    // The sort is stable, and they come by ascending id.
    packages.sort_by_cached_key(|package| Key::of(query, package));
    let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
    Ok(PackagePage {
        total: ids.len() as u64,
        packages: packages.into_iter().skip(skip).take(query.limit).collect(),
    })
}

/// What a package is sorted by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Ascending(Vec<u8>),
    Descending(std::cmp::Reverse<Vec<u8>>),
}

impl Key {
    fn of(query: &PackageQuery, package: &Package) -> Self {
        let key = order_key(query.order, package);
        match query.descending {
            false => Self::Ascending(key),
            true => Self::Descending(std::cmp::Reverse(key)),
        }
    }
}

/// Looks for the ids in their order; false when that took too long. What is asked for may be at the far
/// end of an order.
fn in_order<S: Source>(
    source: &S,
    query: &PackageQuery,
    ids: &Ids,
    page: &mut Page,
) -> Result<bool, IndexError> {
    let most = match ids.len() <= MANY {
        true => usize::try_from(ids.len() * WALK).unwrap_or(usize::MAX),
        false => usize::MAX,
    };
    match Field::SHARED.contains(&query.order) {
        true => by_sets(source, query, ids, most, page),
        false => by_order(source, query, ids, most, page),
    }
}

/// Goes through at most `most` sets of the values of a shared field, and takes those ids of each that
/// are asked for. Whether all were found that the page needs.
fn by_sets<S: Source>(
    source: &S,
    query: &PackageQuery,
    ids: &Ids,
    most: usize,
    page: &mut Page,
) -> Result<bool, IndexError> {
    let field = query.order as u8;
    let rows = source
        .package_sets()?
        .range((field, "", 0)..(field + 1, "", 0))?;
    let mut left = ids.len();
    let mut value = String::new();
    let mut set = Ids::new();
    for row in either_way(rows, query.descending).take(most) {
        let (key, row) = row?;
        let (_, next, _) = key.value();
        if next != value {
            if page.take_set(&set) {
                return Ok(true);
            }
            set.clear();
            next.clone_into(&mut value);
        }
        let part = both(unset_row(key.value(), row.value())?, ids);
        // No id is in the sets of two values: whatever else comes has none of these.
        left = left.saturating_sub(part.len());
        set |= part;
        if left == 0 {
            break;
        }
    }
    Ok(take_last(left, &set, page))
}

/// What is in a set and in another one, which may be much larger.
fn both(set: Ids, other: &Ids) -> Ids {
    match set.len() <= SMALL {
        true => set.iter().filter(|id| other.contains(*id)).collect(),
        false => set & other,
    }
}

/// Walks at most `most` rows of the order of a field that packages do not share. Whether all were found
/// that the page needs.
fn by_order<S: Source>(
    source: &S,
    query: &PackageQuery,
    ids: &Ids,
    most: usize,
    page: &mut Page,
) -> Result<bool, IndexError> {
    let field = query.order as u8;
    let none: &[u8] = &[];
    let rows = source
        .package_orders()?
        .range((field, none, 0)..(field + 1, none, 0))?;
    let wanted = |id: u64| u32::try_from(id).ok().filter(|id| ids.contains(*id));
    let mut left = ids.len();
    if !query.descending {
        for row in rows.take(most) {
            let (key, _) = row?;
            let Some(id) = wanted(key.value().2) else {
                continue;
            };
            left = left.saturating_sub(1);
            if page.take(iter::once(id)) || left == 0 {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    // Backwards, equal values come by descending id.
    let mut value = Vec::new();
    let mut equal = Ids::new();
    for row in rows.rev().take(most) {
        let (key, _) = row?;
        let (_, next, id) = key.value();
        if !equal.is_empty() && next != value {
            if page.take_set(&equal) || left == 0 {
                return Ok(true);
            }
            equal.clear();
        }
        let Some(id) = wanted(id) else {
            continue;
        };
        if equal.is_empty() {
            next.clone_into(&mut value);
        }
        equal.insert(id);
        left = left.saturating_sub(1);
    }
    Ok(take_last(left, &equal, page))
}

/// Takes the ids of the last value that was come to, if no other packages can have it.
fn take_last(left: u64, ids: &Ids, page: &mut Page) -> bool {
    if left == 0 {
        page.take_set(ids);
    }
    left == 0
}

/// Items from the front or from the back.
fn either_way<T>(
    mut items: impl DoubleEndedIterator<Item = T>,
    backwards: bool,
) -> impl Iterator<Item = T> {
    iter::from_fn(move || match backwards {
        false => items.next(),
        true => items.next_back(),
    })
}

/// The packages of some ids.
fn fetch<S: Source>(source: &S, ids: &[u32]) -> Result<Vec<Package>, IndexError> {
    let mut packages = Vec::with_capacity(ids.len());
    for id in ids {
        let found = source.package(u64::from(*id))?;
        packages.push(found.ok_or(IndexError::Damaged { table: "packages" })?);
    }
    Ok(packages)
}
