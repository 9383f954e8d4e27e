//! Which packages a query asks for.

use std::ops::Range;

use memchr::memmem::Finder;
use redb::ReadableTable;

use super::super::IndexError;
use super::super::row::unseal_bytes;
use super::super::tables::Source;
use super::names::Names;
use super::{Field, Filter, Ids, Match, PackageQuery, block_of, union, unset_row};

/// The ids that a query asks for.
pub fn select<S: Source>(source: &S, query: &PackageQuery) -> Result<Ids, IndexError> {
    let mut found: Option<Ids> = None;
    for filter in &query.filters {
        let any = any_of(source, filter)?;
        found = Some(match found {
            Some(found) => found & any,
            None => any,
        });
    }
    let found = match found {
        Some(found) => found,
        // Every package is of some kind.
        None => every(source)?,
    };
    match &query.keyword {
        Some(keyword) => named(source, &found, &keyword.to_ascii_lowercase()),
        None => Ok(found),
    }
}

fn every<S: Source>(source: &S) -> Result<Ids, IndexError> {
    let field = Field::Kind as u8;
    sets(source, (field, "", 0)..(field + 1, "", 0), |_| true)
}

/// The ids with any of the values of a filter.
fn any_of<S: Source>(source: &S, filter: &Filter) -> Result<Ids, IndexError> {
    let field = filter.field as u8;
    let mut found = Ids::new();
    for wanted in &filter.any {
        found |= match wanted {
            Match::Is(value) => {
                let value = value.as_str();
                sets(source, (field, value, 0)..(field, value, u64::MAX), |_| {
                    true
                })?
            }
            Match::Begins(prefix) => {
                let prefix = prefix.as_str();
                let range = (field, prefix, 0)..(field + 1, "", 0);
                sets(source, range, |value| value.starts_with(prefix))?
            }
        };
    }
    Ok(found)
}

/// The union of the sets in a range, up to the first value that does not fit.
fn sets<S: Source>(
    source: &S,
    range: Range<(u8, &str, u64)>,
    fits: impl Fn(&str) -> bool,
) -> Result<Ids, IndexError> {
    let mut found = Vec::new();
    for row in source.package_sets()?.range(range)? {
        let (key, row) = row?;
        let (_, value, _) = key.value();
        if !fits(value) {
            break;
        }
        found.push(unset_row(key.value(), row.value())?);
    }
    Ok(union(found))
}

/// Those of some ids whose file names have a keyword.
fn named<S: Source>(source: &S, among: &Ids, keyword: &str) -> Result<Ids, IndexError> {
    let (Some(first), Some(last)) = (among.min(), among.max()) else {
        return Ok(Ids::new());
    };
    // A line feed ends a name, and so is in none.
    if keyword.contains('\n') {
        return Ok(Ids::new());
    }
    let finder = Finder::new(keyword);
    let mut found = Ids::new();
    let blocks = block_of(first.into())..=block_of(last.into());
    for row in source.package_names()?.range(blocks)? {
        let (key, row) = row?;
        let block = key.value();
        let base = u32::try_from(block << 8).unwrap_or(u32::MAX << 8);
        if among.range(base..=base | 0xff).next().is_none() {
            continue;
        }
        let bytes = unseal_bytes("package_names", &[&block.to_le_bytes()], row.value())?;
        let mut hits = [0; 32];
        Names::parse(bytes)?.find(&finder, |low| {
            hits[usize::from(low / 8)] |= 1 << (low % 8);
        });
        if hits != [0; 32] {
            found |= Ids::from_lsb0_bytes(base, &hits);
        }
    }
    Ok(found & among)
}
