//! Pages of a folder.

use serde_json::{Value, json};

use super::{DAY_MS, ask, fill, names, store_for_a_day, verdict};
use crate::service::{Service, put};

fn page(service: &Service, query: &str) -> Value {
    ask(service, &format!("/node/page/project/repo{query}"))
}

/// Full paths on a page.
fn paths(service: &Service, query: &str) -> Vec<String> {
    names(&page(service, query)["records"], "fullPath")
}

fn filled() -> Service {
    let service = Service::open();
    let tree = ["/d/z/1", "/d/z/2", "/d/a/y/3", "/d/b", "/d/c", "/e/", "/f"];
    fill(&service, &tree);
    service
}

#[test]
fn folders_first_then_by_name() {
    let service = filled();
    let found = page(&service, "/d");
    assert_eq!(
        names(&found["records"], "fullPath"),
        ["/d/a/", "/d/z/", "/d/b", "/d/c"]
    );
    for (field, value) in [
        ("pageNumber", 1),
        ("pageSize", 20),
        ("totalRecords", 4),
        ("totalPages", 1),
    ] {
        assert_eq!(found[field], value, "{field}");
    }
    let record = &found["records"][2];
    assert_eq!(
        (&record["size"], &record["path"]),
        (&json!(4), &json!("/d/"))
    );
    assert!(record["md5"].is_string() && record["sha256"].is_string());
    assert!(record.get("nodeInfo").is_none(), "a list has plain nodes");
    assert_eq!(paths(&service, "/d?sort=true&sortProperty=folder").len(), 4);
    assert_eq!(paths(&service, ""), ["/d/", "/e/", "/f"]);
    assert_eq!(
        paths(&service, "/d/?PageNumber=7&unknown"),
        paths(&service, "/d")
    );
}

#[test]
fn every_page_of_every_size() {
    let service = filled();
    for listing in [
        "",
        "&deep=true",
        "&includeFolder=false",
        "&deep=TRUE&includeFolder=False",
    ] {
        let all = paths(&service, &format!("/d?pageSize=1000{listing}"));
        for size in 1..=all.len() + 1 {
            let mut seen = Vec::new();
            for number in 1..=all.len() + 2 {
                let query = format!("/d?pageSize={size}&pageNumber={number}{listing}");
                let found = page(&service, &query);
                assert_eq!(found["totalRecords"], all.len(), "{query}");
                assert_eq!(found["totalPages"], all.len().div_ceil(size), "{query}");
                seen.extend(names(&found["records"], "fullPath"));
            }
            assert_eq!(seen, all, "{size} {listing}");
        }
    }
}

#[test]
fn deep_pages_have_all_below() {
    let service = filled();
    assert_eq!(
        paths(&service, "/d?deep=true"),
        [
            "/d/a/", "/d/a/y/", "/d/a/y/3", "/d/z/", "/d/z/1", "/d/z/2", "/d/b", "/d/c"
        ]
    );
    assert_eq!(
        paths(&service, "/d?deep=true&includeFolder=false"),
        ["/d/a/y/3", "/d/z/1", "/d/z/2", "/d/b", "/d/c"]
    );
}

#[test]
fn there_is_nothing_in_what_is_no_folder() {
    let service = filled();
    for path in ["/x", "/x/y", "/f", "/f/g", "/e"] {
        let found = page(&service, path);
        assert_eq!(found["records"], json!([]), "{path}");
        assert_eq!(
            (&found["totalRecords"], &found["totalPages"]),
            (&json!(0), &json!(0))
        );
    }
    let other = "/node/page/project/other";
    assert_eq!(verdict(&service, "GET", other), (404, 251_006));
}

#[test]
fn numbers_are_coerced_or_refused() {
    let service = filled();
    for query in [
        "pageNumber=0",
        "pageNumber=-3",
        "pageSize=0",
        "pageSize=-1",
        "pageSize=1000000",
    ] {
        assert_eq!(paths(&service, &format!("/d?{query}")).len(), 4, "{query}");
    }
    for query in ["pageNumber=x", "pageSize=1.5", "pageSize="] {
        let path = format!("/node/page/project/repo/d?{query}");
        let answer = service.send(&super::api("GET", &path));
        assert_eq!(answer.verdict(), (400, 250_105), "{query}");
        let parameter = query.split('=').next().expect("a name");
        assert!(answer.json()["message"].to_string().contains(parameter));
    }
    let far = "/d?pageNumber=9223372036854775807&pageSize=10000";
    assert_eq!(paths(&service, far), [""; 0]);
}

#[test]
fn metadata_only_when_asked_for() {
    let service = Service::open();
    let call = put("/f").header("X-BKREPO-META-k", "v").body("x");
    assert_eq!(service.send(&call).status, 200);
    let plain = page(&service, "");
    assert_eq!(plain["records"][0]["metadata"], json!({}));
    let with = page(&service, "?includeMetadata=True");
    assert_eq!(with["records"][0]["metadata"], json!({"k": "v"}));
    assert_eq!(with["records"][0]["nodeMetadata"][0]["key"], "k");
}

// Expired files have rows until they are swept. They count in the index, and a page that skipped by
// these counts would leave out files, or show one twice.
#[test]
fn expired_files_neither_show_nor_count() {
    let service = Service::open();
    let live = ["/d/b", "/d/d", "/d/f", "/d/h", "/d/sub/x"];
    fill(&service, &live);
    for path in ["/d/a", "/d/c", "/d/c2", "/d/e", "/d/i", "/d/sub/w"] {
        store_for_a_day(&service, path);
    }
    assert_eq!(page(&service, "/d")["totalRecords"], 10);
    service.pass_ms(DAY_MS);
    for (listing, expected) in [
        ("", &["/d/sub/", "/d/b", "/d/d", "/d/f", "/d/h"][..]),
        ("&includeFolder=false", &["/d/b", "/d/d", "/d/f", "/d/h"]),
        (
            "&deep=true",
            &["/d/sub/", "/d/sub/x", "/d/b", "/d/d", "/d/f", "/d/h"],
        ),
        (
            "&sort=true&sortProperty=name",
            &["/d/sub/", "/d/b", "/d/d", "/d/f", "/d/h"],
        ),
    ] {
        for size in 1..=7 {
            let mut seen = Vec::new();
            for number in 1..=7 {
                let query = format!("/d?pageSize={size}&pageNumber={number}{listing}");
                let found = page(&service, &query);
                assert_eq!(found["totalRecords"], expected.len(), "{query}");
                seen.extend(names(&found["records"], "fullPath"));
            }
            assert_eq!(seen, expected, "{size} {listing}");
        }
    }
}

#[test]
fn sorted_by_anything() {
    let service = Service::open();
    for (path, bytes) in [("/d/a", 3), ("/d/b", 1), ("/d/c", 2), ("/d/sub/x", 9)] {
        service.store(path, vec![0; bytes]);
        service.pass_ms(1000);
    }
    for (sort, expected) in [
        ("size", ["/d/sub/", "/d/b", "/d/c", "/d/a"]),
        ("size&direction=DESC", ["/d/sub/", "/d/a", "/d/c", "/d/b"]),
        ("name&direction=desc", ["/d/sub/", "/d/c", "/d/b", "/d/a"]),
        (
            "fullPath&direction=ASC",
            ["/d/sub/", "/d/a", "/d/b", "/d/c"],
        ),
        (
            "createdDate&direction=DESC",
            ["/d/sub/", "/d/c", "/d/b", "/d/a"],
        ),
        ("lastModifiedDate", ["/d/sub/", "/d/a", "/d/b", "/d/c"]),
        (
            "lastModifiedBy,size&direction=ASC,DESC",
            ["/d/sub/", "/d/a", "/d/c", "/d/b"],
        ),
        (
            "folder,name&direction=DESC",
            ["/d/sub/", "/d/c", "/d/b", "/d/a"],
        ),
    ] {
        for size in 1..5 {
            let mut seen = Vec::new();
            for number in 1..5 {
                let query =
                    format!("/d?sort=true&sortProperty={sort}&pageSize={size}&pageNumber={number}");
                let found = page(&service, &query);
                assert_eq!(found["totalRecords"], 4);
                seen.extend(names(&found["records"], "fullPath"));
            }
            assert_eq!(seen, expected, "{sort}");
        }
    }
    let deep = paths(
        &service,
        "/d?deep=true&includeFolder=false&sort=true&sortProperty=size",
    );
    assert_eq!(deep, ["/d/b", "/d/c", "/d/a", "/d/sub/x"]);
    let root = paths(
        &service,
        "?deep=true&includeFolder=false&sort=true&sortProperty=size",
    );
    assert_eq!(root, deep);
    for (query, name) in [
        (
            "sort=true&sortProperty=size&pageNumber=11&pageSize=10000",
            "pageNumber",
        ),
        ("sort=true&sortProperty=colour", "colour"),
        ("sort=true&sortProperty=size&direction=UP", "direction"),
    ] {
        let path = format!("/node/page/project/repo/d?{query}");
        let answer = service.send(&super::api("GET", &path));
        assert_eq!(answer.verdict(), (400, 250_105), "{query}");
        assert!(
            answer.json()["message"].to_string().contains(name),
            "{query}"
        );
    }
}
