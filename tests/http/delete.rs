//! `DELETE`.

use serde_json::Value;

use crate::service::{Service, call, put};

fn delete(service: &Service, path: &str) -> (u16, u64) {
    service.send(&call("DELETE", path)).verdict()
}

#[test]
fn a_deleted_file_is_gone_and_can_come_again() {
    let service = Service::open();
    service.store("/dir/f", "x");
    service.store("/dir/g", "y");
    let answer = service.send(&call("DELETE", "/dir/f"));
    assert_eq!(answer.verdict(), (200, 0));
    assert_eq!(answer.json()["data"], Value::Null);
    assert_eq!(answer.json()["message"], Value::Null);
    assert_eq!(
        answer.json()["traceId"].as_str(),
        answer.header("X-Bkrepo-Rid")
    );
    service.assert_none("/dir/f");
    service.assert_file("/dir/g", b"y");
    assert_eq!(delete(&service, "/dir/f"), (404, 251_010));
    service.store("/dir/f", "z");
    service.assert_file("/dir/f", b"z");
}

#[test]
fn what_is_not_there() {
    let service = Service::open();
    service.store("/dir/f", "x");
    for path in ["/missing", "/missing/f", "/dir/f/below", "/dir/missing"] {
        assert_eq!(delete(&service, path), (404, 251_010), "{path}");
    }
}

#[test]
fn folders_go_only_when_no_file_is_below() {
    let service = Service::open();
    service.store("/a/b/c/f", "x");
    service.store("/a/g", "y");
    for path in ["/a", "/a/b", "/a/b/c", "/a/b/c/", "/", ""] {
        assert_eq!(delete(&service, path), (400, 251_009), "{path}");
    }
    assert_eq!(delete(&service, "/a/b/c/f"), (200, 0));
    assert_eq!(delete(&service, "/a"), (400, 251_009));
    assert_eq!(delete(&service, "/a/b"), (200, 0), "a tree without files");
    assert_eq!(delete(&service, "/a/b/c"), (404, 251_010));
    assert_eq!(delete(&service, "/a/b"), (404, 251_010));
    service.assert_file("/a/g", b"y");
    service.store("/a/b", "now a file");
    service.assert_file("/a/b", b"now a file");
}

#[test]
fn the_root_stays() {
    let service = Service::open();
    service.store("/f", "x");
    assert_eq!(delete(&service, "/f"), (200, 0));
    assert_eq!(delete(&service, "/"), (400, 250_112));
    assert_eq!(delete(&service, "/x/.."), (400, 250_112));
    service.store("/f", "x");
}

#[test]
fn expired_files_do_not_keep_a_folder() {
    let service = Service::open();
    let call = put("/dir/f").header("X-BKREPO-EXPIRES", "1").body("x");
    assert_eq!(service.send(&call).status, 200);
    assert_eq!(delete(&service, "/dir"), (400, 251_009));
    service.pass_ms(86_400_000);
    assert_eq!(delete(&service, "/dir"), (200, 0));
}

#[test]
fn a_folder_of_many_empty_folders() {
    let service = Service::open();
    for i in 0..40 {
        let path = format!("/top/{i}/{i}/f");
        service.store(&path, "x");
        assert_eq!(delete(&service, &path), (200, 0));
    }
    assert_eq!(delete(&service, "/top"), (200, 0));
    service.assert_none("/top/3/3");
    service.store("/top", "x");
}
