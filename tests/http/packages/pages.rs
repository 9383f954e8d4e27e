//! Pages of the list.

use serde_json::{Value, json};

use super::answers::data;
use super::{add_rpm, ids, list};
use crate::service::Service;

fn page(service: &Service, query: &str) -> (usize, Value) {
    let found = data(&list(service, query));
    let contents = found["contents"].as_array().expect("an array");
    (contents.len(), found["page"].clone())
}

fn of(number: u64, size: u64, elements: u64, pages: u64) -> Value {
    json!({
        "number": number, "size": size, "totalElements": elements, "totalPages": pages,
    })
}

fn filled(count: u64) -> Service {
    let service = Service::open();
    for i in 0..count {
        add_rpm(&service, "name", &i.to_string(), "1", "noarch");
    }
    service
}

#[test]
fn an_empty_list_has_no_pages() {
    let service = Service::open();
    assert_eq!(page(&service, ""), (0, of(1, 10, 0, 0)));
    assert_eq!(page(&service, "page=3&size=5"), (0, of(3, 5, 0, 0)));
    let service = filled(3);
    assert_eq!(page(&service, "keyword=none"), (0, of(1, 10, 0, 0)));
}

#[test]
fn numbers_and_sizes() {
    let service = filled(23);
    for (query, expected) in [
        ("", (10, of(1, 10, 23, 3))),
        ("page=1", (10, of(1, 10, 23, 3))),
        ("page=2", (10, of(2, 10, 23, 3))),
        ("page=3", (3, of(3, 10, 23, 3))),
        ("page=4", (0, of(4, 10, 23, 3))),
        ("page=1000000", (0, of(1_000_000, 10, 23, 3))),
        ("size=23", (23, of(1, 23, 23, 1))),
        ("size=22", (22, of(1, 22, 23, 2))),
        ("size=22&page=2", (1, of(2, 22, 23, 2))),
        ("size=1&page=23", (1, of(23, 1, 23, 23))),
        ("size=1&page=24", (0, of(24, 1, 23, 23))),
        ("size=2000", (23, of(1, 2000, 23, 1))),
        ("page=2&size=2000", (0, of(2, 2000, 23, 1))),
    ] {
        assert_eq!(page(&service, query), expected, "{query}");
    }
}

#[test]
fn what_is_too_large_is_capped() {
    let service = filled(12);
    for size in ["2001", "10000", "1000000000"] {
        let query = format!("size={size}");
        assert_eq!(page(&service, &query), (12, of(1, 2000, 12, 1)), "{size}");
    }
}

#[test]
fn what_is_below_one_or_no_number_is_the_default() {
    let service = filled(12);
    for value in [
        "0", "-1", "-10", "abc", "1.5", "", "%20", "0x10", "NaN", "1e3",
    ] {
        let query = format!("page={value}");
        assert_eq!(page(&service, &query), (10, of(1, 10, 12, 2)), "{query}");
        let query = format!("size={value}");
        assert_eq!(page(&service, &query), (10, of(1, 10, 12, 2)), "{query}");
        let query = format!("size={value}&page=2");
        assert_eq!(page(&service, &query), (2, of(2, 10, 12, 2)), "{query}");
    }
}

/// Page after page, everything comes once, in the order of the whole.
#[test]
fn pages_are_pieces_of_the_whole() {
    let service = filled(23);
    for sort in ["", "&sort=version,desc", "&sort=size", "&sort=type,desc"] {
        let whole = ids(&service, &format!("size=100{sort}"));
        assert_eq!(whole.len(), 23);
        for size in [1, 4, 10, 23] {
            let mut pieces = Vec::new();
            for number in 1..=23_u32.div_ceil(size) {
                let query = format!("page={number}&size={size}{sort}");
                pieces.extend(ids(&service, &query));
            }
            assert_eq!(pieces, whole, "{size}{sort}");
        }
    }
}

/// More packages than a page may have.
#[test]
fn the_largest_page() {
    let service = Service::open();
    std::thread::scope(|scope| {
        for part in 0..5 {
            let service = &service;
            scope.spawn(move || {
                for i in 0..401 {
                    let release = format!("{part}.{i}");
                    add_rpm(service, "name", "1", &release, "noarch");
                }
            });
        }
    });
    assert_eq!(page(&service, "size=5000"), (2000, of(1, 2000, 2005, 2)));
    let second = page(&service, "size=5000&page=2");
    assert_eq!(second, (5, of(2, 2000, 2005, 2)));
    assert_eq!(page(&service, "page=201"), (5, of(201, 10, 2005, 201)));
}
