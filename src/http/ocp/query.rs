//! What a query string asks for. Pure. Source: seed 002, observed §3.

use crate::http::error::ApiError;
use crate::http::params::{query_value, query_values};
use crate::index::{Field, Filter, Match, PackageQuery};

/// Packages of a page, unless the client says otherwise.
const SIZE: u64 = 10;
/// Packages of a page at most.
const MAX_SIZE: u64 = 2000;

/// What packages are sorted by, as clients call it. What all packages share leaves the order of ids;
/// `downloadUrl` is that of `fileName`, which it ends with.
const ORDERS: [(&str, Field); 15] = [
    ("architecture", Field::Architecture),
    ("buildNumber", Field::BuildNumber),
    ("createTime", Field::Created),
    ("deletable", Field::Id),
    ("downloadUrl", Field::FileName),
    ("extension", Field::Id),
    ("fileName", Field::FileName),
    ("id", Field::Id),
    ("md5", Field::Md5),
    ("name", Field::Name),
    ("operatingSystem", Field::OperatingSystem),
    ("sha1", Field::Sha1),
    ("size", Field::Size),
    ("type", Field::Kind),
    ("version", Field::Version),
];

/// The query, and which page of which size that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What the index is asked.
    pub query: PackageQuery,
    /// Number of the page, from 1 on.
    pub number: u64,
    /// Packages of a page.
    pub size: u64,
}

/// Reads a query string.
///
/// # Errors
/// [`ApiError::SortField`], [`ApiError::Parameter`] for a direction that is none.
pub fn read(raw: &str) -> Result<Asked, ApiError> {
    let (order, descending) = order(query_value(raw, "sort").as_deref())?;
    let number = number(raw, "page").unwrap_or(1);
    let size = number_or(raw, "size", SIZE).min(MAX_SIZE);
    let filters = [
        filter(raw, "type", Field::Kind, Match::Is),
        filter(raw, "version", Field::Version, Match::Is),
        filter(
            raw,
            "operatingSystem",
            Field::OperatingSystem,
            Match::Begins,
        ),
        filter(raw, "architecture", Field::Architecture, Match::Begins),
    ];
    let query = PackageQuery {
        keyword: query_value(raw, "keyword").filter(|keyword| !keyword.is_empty()),
        filters: filters.into_iter().flatten().collect(),
        order,
        descending,
        skip: (number - 1).saturating_mul(size),
        limit: usize::try_from(size).unwrap_or_default(),
    };
    Ok(Asked {
        query,
        number,
        size,
    })
}

/// The values of a filter: separated by commas, or each in a parameter of its own, or both.
fn filter(raw: &str, name: &str, field: Field, wanted: impl Fn(String) -> Match) -> Option<Filter> {
    let values = query_values(raw, name);
    let values = values.iter().flat_map(|value| value.split(','));
    let values = values.filter(|value| !value.is_empty());
    let any: Vec<Match> = values.map(|value| wanted(value.to_owned())).collect();
    (!any.is_empty()).then_some(Filter { field, any })
}

/// A number from 1 on.
fn number(raw: &str, name: &str) -> Option<u64> {
    let value = query_value(raw, name)?;
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // One that is too long is a number all the same.
    let number = digits.then(|| value.parse().unwrap_or(u64::MAX))?;
    (number > 0).then_some(number)
}

fn number_or(raw: &str, name: &str, default: u64) -> u64 {
    number(raw, name).unwrap_or(default)
}

/// The order; without a word, the newest first.
fn order(sort: Option<&str>) -> Result<(Field, bool), ApiError> {
    let Some(sort) = sort.filter(|sort| !sort.is_empty()) else {
        return Ok((Field::Id, true));
    };
    let (name, direction) = sort.split_once(',').unwrap_or((sort, ""));
    let found = ORDERS.iter().find(|(known, _)| *known == name);
    let (_, field) = *found.ok_or_else(|| ApiError::SortField(name.to_owned()))?;
    let descending = match direction.to_ascii_lowercase().as_str() {
        "" | "asc" => false,
        "desc" => true,
        _ => return Err(ApiError::Parameter("sort")),
    };
    // What all share does not sort; ties go by ascending id.
    let shared = field == Field::Id && name != "id";
    Ok((field, descending && !shared))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(values: &[&str]) -> Vec<Match> {
        values.iter().map(|v| Match::Is((*v).to_owned())).collect()
    }

    #[test]
    fn nothing_said_is_the_newest_ten() {
        for raw in [
            "",
            "keyword=&type=&sort=&page=&size=",
            "type=,,&page=0&size=0",
        ] {
            let asked = read(raw).unwrap();
            assert_eq!((asked.number, asked.size), (1, 10), "{raw}");
            assert_eq!((asked.query.skip, asked.query.limit), (0, 10), "{raw}");
            assert!(asked.query.keyword.is_none() && asked.query.filters.is_empty());
            assert!(asked.query.order == Field::Id && asked.query.descending);
        }
    }

    #[test]
    fn lists_are_commas_repetitions_or_both() {
        let expected = is(&["A", "B", "C"]);
        for raw in [
            "type=A,B,C",
            "type=A&x=y&type=B&type=C",
            "type=A%2CB&type=C",
        ] {
            let filters = read(raw).unwrap().query.filters;
            assert_eq!(filters.len(), 1);
            assert_eq!(filters[0].field, Field::Kind);
            assert_eq!(filters[0].any, expected, "{raw}");
        }
    }

    #[test]
    fn pages_are_what_can_be_made_of_them() {
        for (raw, number, size) in [
            ("page=3&size=7", 3, 7),
            ("page=-1&size=x", 1, 10),
            ("page=1.5&size=+5", 1, 10),
            ("size=2000", 1, 2000),
            ("size=2001", 1, 2000),
            ("size=99999999999999999999999", 1, 2000),
            ("page=99999999999999999999999&size=2000", u64::MAX, 2000),
        ] {
            let asked = read(raw).unwrap();
            assert_eq!((asked.number, asked.size), (number, size), "{raw}");
            assert_eq!(asked.query.skip, (number - 1).saturating_mul(size), "{raw}");
        }
    }

    #[test]
    fn every_scalar_field_sorts() {
        for (name, field) in ORDERS {
            let query = read(&format!("sort={name}")).unwrap().query;
            assert_eq!((query.order, query.descending), (field, false));
        }
        for raw in ["sort=name,DESC", "sort=name%2Cdesc"] {
            assert!(read(raw).unwrap().query.descending, "{raw}");
        }
        assert!(!read("sort=extension,desc").unwrap().query.descending);
        assert!(matches!(
            read("sort=installationDataList"),
            Err(ApiError::SortField(_))
        ));
        assert!(matches!(read("sort=Name,asc"), Err(ApiError::SortField(_))));
        assert!(matches!(
            read("sort=name,up"),
            Err(ApiError::Parameter("sort"))
        ));
    }
}
