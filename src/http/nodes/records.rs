//! Pages of records (observed page, 0.2).

use serde::Serialize;

use super::super::error::ApiError;
use super::super::json::{Fields, wrong};
use super::super::params::query_value;

/// Records that a page may have; clients send up to this.
pub const MAX_PAGE: usize = 10_000;
/// Records of a page when nobody says how many.
const DEFAULT_PAGE: i64 = 20;

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// From 1 on.
    pub number: u64,
    /// Records of a page.
    pub size: usize,
}

impl Paging {
    /// The page of these numbers: what is not positive is the first page, and a page of the usual
    /// size; a page that is too large is cut.
    fn new(number: Option<i64>, size: Option<i64>) -> Self {
        let size = size.filter(|size| *size > 0).unwrap_or(DEFAULT_PAGE);
        Self {
            number: number.map_or(1, |number| u64::try_from(number).unwrap_or(1).max(1)),
            size: usize::try_from(size).map_or(MAX_PAGE, |size| size.min(MAX_PAGE)),
        }
    }

    /// What a query string says.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for what is no number.
    pub fn of_query(query: &str) -> Result<Self, ApiError> {
        let number = |name| match query_value(query, name) {
            None => Ok(None),
            Some(text) => match text.trim().parse::<i64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(wrong(name, "a whole number")),
            },
        };
        Ok(Self::new(number("pageNumber")?, number("pageSize")?))
    }

    /// What the object `page` says.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for what is no number.
    pub fn of_fields(page: &Fields) -> Result<Self, ApiError> {
        Ok(Self::new(
            page.number("pageNumber")?,
            page.number("pageSize")?,
        ))
    }

    /// Records before the page.
    pub fn skip(self) -> u64 {
        (self.number - 1).saturating_mul(self.size as u64)
    }
}

/// A page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer<T> {
    page_number: u64,
    page_size: usize,
    total_records: u64,
    total_pages: u64,
    records: Vec<T>,
}

impl<T> Answer<T> {
    /// The page of these records.
    pub fn new(paging: Paging, total_records: u64, records: Vec<T>) -> Self {
        Self {
            page_number: paging.number,
            page_size: paging.size,
            total_records,
            total_pages: total_records.div_ceil(paging.size as u64),
            records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_what_they_say_or_the_first_of_the_usual_size() {
        for (query, number, size) in [
            ("", 1, 20),
            ("pageNumber=0&pageSize=0", 1, 20),
            ("pageNumber=-5&pageSize=-1", 1, 20),
            ("pageNumber=3&pageSize=1000", 3, 1000),
            ("pageSize=10001", 1, 10_000),
            ("PageNumber=7", 1, 20),
        ] {
            let paging = Paging::of_query(query).expect("numbers");
            assert_eq!(paging, Paging { number, size }, "{query}");
        }
        for query in ["pageNumber=x", "pageSize=", "pageSize=1.5"] {
            assert!(Paging::of_query(query).is_err(), "{query}");
        }
        let far = Paging::of_query("pageNumber=9223372036854775807").expect("a number");
        assert!(far.skip() > 1 << 62);
    }
}
