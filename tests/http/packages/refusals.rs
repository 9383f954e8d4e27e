//! Uploads that are no good as requests, and everything else that is refused, with which code.

use super::answers::{assert_done, assert_refused, data, refusal};
use super::{FILES, PACKAGES, add_rpm, delete, get, id, list, rows, total, upload};
use crate::multipart::{Form, field, file, part};
use crate::noise::noise;
use crate::rpms::{rpm, rpm_with};
use crate::service::{DIGITS, Service};
use crate::wire::Call;

/// A package that no test keeps.
pub fn small() -> Vec<u8> {
    rpm("name", "1", "1.el7", "noarch")
}

/// What is in a store, as far as anybody can see: packages, files, contents, their bytes.
fn census(service: &Service) -> (u64, u64, u64, u64) {
    let stats = service.store.stats().expect("stats");
    (stats.packages, stats.files, stats.blobs, stats.stored_bytes)
}

/// A service with a file and a package, and what is in it.
pub struct Witness {
    pub service: Service,
    before: (u64, u64, u64, u64),
}

impl Witness {
    pub fn open() -> Self {
        let service = Service::open();
        service.store("/f", DIGITS);
        add_rpm(&service, "obproxy", "1", "1.el7", "noarch");
        let before = census(&service);
        Self { service, before }
    }

    /// Asserts that a request is refused, and leaves nothing behind.
    #[track_caller]
    pub fn assert_refused(&self, call: &Call, status: u16, code: &str) {
        assert_refused(&self.service.send(call), status, code);
        self.assert_untouched();
    }

    /// Asserts that everything is as it was.
    #[track_caller]
    pub fn assert_untouched(&self) {
        assert_eq!(census(&self.service), self.before);
        assert_eq!(total(&self.service), 1);
        self.service.assert_file("/f", DIGITS);
    }
}

#[test]
fn a_form_without_exactly_one_file() {
    let witness = Witness::open();
    let bare = "Content-Disposition: form-data; name=\"file\"";
    let other = "Content-Disposition: form-data; name=\"rpm\"; filename=\"x.rpm\"";
    let parts = [
        vec![],
        vec![field("type", "SCRIPT")],
        vec![part(&[bare], small())],
        vec![part(&[other], small())],
        vec![file("", small())],
        vec![part(&[bare, "Content-Type: application/x-rpm"], small())],
        vec![file("x.rpm", small()), file("x.rpm", small())],
        vec![
            file("x.rpm", small()),
            field("type", "SCRIPT"),
            file("y.rpm", rpm("another", "1", "1", "noarch")),
        ],
        vec![file("x.rpm", small()), file("y.txt", "no package")],
    ];
    for (i, parts) in parts.into_iter().enumerate() {
        let call = Form::new(parts).post(PACKAGES);
        println!("form {i}");
        witness.assert_refused(&call, 400, "COM10001");
    }
}

#[test]
fn what_is_no_form() {
    let witness = Witness::open();
    let body = Form::of("x.rpm", small()).bytes();
    for content_type in [
        "application/json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; charset=utf-8",
        "multipart/form-data; boundary=",
        "nonsense",
        "",
    ] {
        let call = Call::new("POST", PACKAGES).header("Content-Type", content_type);
        println!("`{content_type}`");
        witness.assert_refused(&call.clone().body(&body), 400, "COM10001");
        witness.assert_refused(&call.body(""), 400, "COM10001");
    }
    let untyped = Call::new("POST", PACKAGES);
    witness.assert_refused(&untyped.clone().body(&body), 400, "COM10001");
    witness.assert_refused(&untyped, 400, "COM10001");
    let legacy = Call::new("POST", "/api/v2/files/uploadFile?type=SCRIPT");
    witness.assert_refused(&legacy.body(small()), 400, "COM10001");
}

/// All the bytes that were announced are there, and yet the form has no end.
#[test]
fn a_form_that_ends_early() {
    let witness = Witness::open();
    let form = Form::of("x.rpm", small());
    let whole = form.bytes();
    let behind_file = whole.len() - form.end.len();
    let cuts = [
        0,
        1,
        10,
        40,
        100,
        behind_file / 2,
        behind_file - 2,
        behind_file,
        behind_file + 1,
        whole.len() - 5,
        whole.len() - 4,
    ];
    for cut in cuts {
        let call = form.head(PACKAGES).body(&whole[..cut]);
        println!("{cut} of {}", whole.len());
        witness.assert_refused(&call, 400, "COM10001");
    }
    let mut other = Form::of("x.rpm", small());
    other.end = b"--another--\r\n".to_vec();
    witness.assert_refused(&other.post(PACKAGES), 400, "COM10001");
}

#[test]
fn the_suffix() {
    let witness = Witness::open();
    for name in [
        "x",
        "rpm",
        "xrpm",
        "x.deb",
        "x.rpm.txt",
        "x.rpm.",
        "x.rp",
        "x.rpmm",
        "a.rpm/b",
        r"a.rpm\b",
        "x_rpm",
    ] {
        let call = Form::of(name, small()).post(PACKAGES);
        println!("{name}");
        witness.assert_refused(&call, 400, "PKG10003");
    }
    // What the name says already, the content is not asked for.
    let call = Form::of("x.txt", "no package").post(PACKAGES);
    witness.assert_refused(&call, 400, "PKG10003");
}

#[test]
fn the_uploaded_name() {
    let witness = Witness::open();
    for name in [
        "a b.rpm".to_owned(),
        " a.rpm".to_owned(),
        "a .rpm".to_owned(),
        "a\tb.rpm".to_owned(),
        "/folder/a b.rpm".to_owned(),
        r"C:\folder\a b.rpm".to_owned(),
        format!("{}.rpm", "x".repeat(252)),
        format!("{}.rpm", "x".repeat(5000)),
        format!("{}.rpm", "文".repeat(84)),
    ] {
        let call = Form::of(&name, small()).post(PACKAGES);
        println!("{name:?}");
        witness.assert_refused(&call, 400, "PKG10016");
    }
    // What is no header any more may as well be said to be no form.
    for name in [
        "a\x01b.rpm",
        "a\x7Fb.rpm",
        "a\x1Fb.rpm",
        "\0.rpm",
        "a\0.rpm",
    ] {
        let answer = witness
            .service
            .send(&Form::of(name, small()).post(PACKAGES));
        let (status, code) = refusal(&answer);
        assert_eq!(status, 400, "{name:?}");
        assert!(["PKG10016", "COM10001"].contains(&&*code), "{name:?}");
        witness.assert_untouched();
    }
}

#[test]
fn a_package_that_is_there_already() {
    let service = Service::open();
    let first = add_rpm(&service, "name", "1", "1.el7", "noarch");
    let other = rpm_with("name", "1", "1.el7", "noarch", b"other bytes");
    for (name, bytes) in [
        ("name-1-1.el7.noarch.rpm", small()),
        ("x.rpm", small()),
        ("name-1-1.el8.noarch.rpm", small()),
        ("name-1-1.el7.noarch.rpm", other.clone()),
        ("X.RPM", other),
    ] {
        let answer = upload(&service, name, &bytes);
        assert_refused(&answer, 409, "PKG10012");
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains("name-1-1.el7.noarch.rpm"), "{message}");
        let kept = rows(&service, "");
        assert_eq!((kept.len(), id(&kept[0])), (1, id(&first)));
        super::assert_file(&service, &first, &small());
    }
    let stats = service.store.stats().expect("stats");
    assert_eq!((stats.packages, stats.blobs), (1, 1));
}

#[test]
fn ids_and_files_that_are_not_there() {
    let witness = Witness::open();
    let service = &witness.service;
    let there = rows(service, "").iter().map(id).max().expect("a package");
    for unknown in [there + 1, 123_456_789, u64::from(u32::MAX) + 1] {
        assert_refused(&get(service, unknown), 404, "PKG10014");
        assert_refused(&delete(service, unknown), 404, "PKG10014");
    }
    for word in ["abc", "1a", "0x1", "1.5", "%20", "null", "obproxy"] {
        assert_refused(&get(service, word), 400, "COM10001");
        assert_refused(&delete(service, word), 400, "COM10001");
    }
    for name in [
        "none.rpm",
        "obproxy",
        "obproxy-1-1.el7.noarch",
        "obproxy-1-1.el7.noarch.RPM",
        "obproxy-1-1.el7.noarch.rpm.rpm",
        "%2e%2e%2ff",
        "%E6%96%87.rpm",
        "a%20b.rpm",
    ] {
        let call = Call::new("GET", format!("{FILES}/{name}"));
        assert_refused(&service.send(&call), 404, "PKG10000");
    }
    witness.assert_untouched();
}

#[test]
fn methods_that_are_not_there() {
    let witness = Witness::open();
    for (target, methods, possible) in [
        (
            PACKAGES.to_owned(),
            &["PUT", "DELETE", "PATCH", "BREW"][..],
            &["GET", "POST"][..],
        ),
        (
            format!("{PACKAGES}/1"),
            &["PUT", "POST", "PATCH"],
            &["GET", "DELETE"],
        ),
        (
            format!("{FILES}/obproxy-1-1.el7.noarch.rpm"),
            &["PUT", "POST", "DELETE", "PATCH"],
            &["GET", "HEAD"],
        ),
        (
            "/api/v2/files/uploadFile".to_owned(),
            &["GET", "PUT", "DELETE"],
            &["POST"],
        ),
        (
            "/api/v2/time".to_owned(),
            &["POST", "PUT", "DELETE"],
            &["GET"],
        ),
        ("/api/v2/info".to_owned(), &["POST", "DELETE"], &["GET"]),
        ("/api/status".to_owned(), &["POST", "DELETE"], &["GET"]),
    ] {
        for method in methods {
            let answer = witness.service.send(&Call::new(method, &target).body("x"));
            println!("{method} {target}");
            assert_refused(&answer, 405, "COM10008");
            let allow = answer.header("Allow").expect("what is possible");
            let allowed: Vec<&str> = allow.split(',').map(str::trim).collect();
            assert!(!allowed.contains(method), "{method} {target}: {allow}");
            for other in possible {
                assert!(allowed.contains(other), "{other} {target}: {allow}");
            }
        }
    }
    witness.assert_untouched();
}

#[test]
fn a_field_that_nothing_is_sorted_by() {
    let witness = Witness::open();
    for sort in [
        "nothing",
        "nothing,asc",
        "nothing,desc",
        "installationDataList,asc",
        "asc,name",
        "sha256,asc",
    ] {
        println!("{sort}");
        let answer = list(&witness.service, &format!("sort={sort}"));
        assert_refused(&answer, 400, "COM10011");
    }
}

/// Ordinary clients send all of the body before they read: they hear the refusal all the same, and
/// can go on with their connection.
#[test]
fn a_refused_body_is_read_to_its_end() {
    let service = Service::open();
    let large = noise(7, 24 << 20);
    let package = rpm_with("name", "2", "1", "noarch", &large);
    data(&upload(&service, "x.rpm", &package));
    let broken = [&small()[..200], &large[..]].concat();
    for (call, status, code) in [
        (Form::of("x.txt", &large).post(PACKAGES), 400, "PKG10003"),
        (Form::of("a b.rpm", &large).post(PACKAGES), 400, "PKG10016"),
        (Form::of("x.rpm", &large).post(PACKAGES), 400, "PKG10004"),
        (Form::of("x.rpm", &broken).post(PACKAGES), 400, "PKG10006"),
        (Form::of("x.rpm", &package).post(PACKAGES), 409, "PKG10012"),
        (Call::new("POST", PACKAGES).body(&large), 400, "COM10001"),
        (Call::new("PUT", PACKAGES).body(&large), 405, "COM10008"),
    ] {
        let mut wire = service.connect();
        wire.write(&call.bytes()).expect("no broken pipe");
        assert_refused(&wire.answer("POST").expect("an answer"), status, code);
        let next = Call::new("GET", format!("{PACKAGES}?page=1"));
        wire.write(&next.bytes()).expect("the connection is open");
        let found = data(&wire.answer("GET").expect("an answer"));
        assert_eq!(found["page"]["totalElements"], 1);
    }
    assert_done(&delete(&service, id(&rows(&service, "")[0])));
}
