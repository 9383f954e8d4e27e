//! One package: asking for it, deleting it, and what stays over a restart.

use serde_json::Value;

use super::answers::{assert_done, assert_refused, data};
use super::{
    PACKAGES, add, add_rpm, assert_file, delete, download, get, id, list, rows, text, total, upload,
};
use crate::rpms::{rpm, rpm_with};
use crate::service::Service;
use crate::wire::Call;

#[test]
fn one_package_is_told_as_it_is_listed() {
    let service = Service::open();
    let first = add_rpm(&service, "name", "1", "1.el7", "noarch");
    let second = add_rpm(&service, "name", "2", "1.el7", "noarch");
    for package in [&first, &second] {
        let told = data(&get(&service, id(package)));
        for (key, value) in package.as_object().expect("an object") {
            assert_eq!(told[key], *value, "{key}");
        }
    }
    assert_eq!(total(&service), 2);
}

/// Six keys, no data, and it is as if it had never been there.
#[test]
fn a_deleted_package_is_gone() {
    let service = Service::open();
    let kept = add_rpm(&service, "kept", "1", "1.el7", "noarch");
    let gone = add_rpm(&service, "gone", "1", "1.el7", "noarch");
    assert_done(&delete(&service, id(&gone)));
    assert_refused(&get(&service, id(&gone)), 404, "PKG10014");
    assert_refused(&delete(&service, id(&gone)), 404, "PKG10014");
    assert_refused(&service.send(&download(&gone)), 404, "PKG10000");
    let left: Vec<u64> = rows(&service, "").iter().map(id).collect();
    assert_eq!(left, [id(&kept)]);
    assert_eq!(rows(&service, "keyword=gone").len(), 0);
    assert_file(&service, &kept, &rpm("kept", "1", "1.el7", "noarch"));
    let stats = service.store.stats().expect("stats");
    assert_eq!((stats.packages, stats.blobs), (1, 1));
}

/// Some clients send a body, or say of what type the none is that they send.
#[test]
fn what_comes_with_a_delete_does_not_matter() {
    let service = Service::open();
    for (i, body) in ["", "{}", "some text"].iter().enumerate() {
        let package = add_rpm(&service, "name", &i.to_string(), "1", "noarch");
        let call = Call::new("DELETE", format!("{PACKAGES}/{}", id(&package)));
        let call = call.header("Content-Type", "application/json").body(body);
        assert_done(&service.send(&call));
    }
    assert_eq!(total(&service), 0);
}

#[test]
fn what_was_deleted_can_be_uploaded_again() {
    let service = Service::open();
    let bytes = rpm_with("name", "1", "1.el7", "noarch", b"first");
    let first = add(&service, "x.rpm", &bytes);
    assert_refused(&upload(&service, "x.rpm", &bytes), 409, "PKG10012");
    assert_done(&delete(&service, id(&first)));
    let second = add(&service, "x.rpm", &bytes);
    assert!(id(&second) > id(&first), "an id is never given again");
    assert_file(&service, &second, &bytes);
    assert_done(&delete(&service, id(&second)));
    let other = rpm_with("name", "1", "1.el7", "noarch", b"second");
    let third = add(&service, "x.rpm", &other);
    assert!(id(&third) > id(&second), "an id is never given again");
    assert_file(&service, &third, &other);
    assert_refused(&get(&service, id(&first)), 404, "PKG10014");
    assert_eq!(total(&service), 1);
}

#[test]
fn ids_are_not_given_again_after_a_restart() {
    let service = Service::open();
    let first = add_rpm(&service, "name", "1", "1", "noarch");
    let last = add_rpm(&service, "name", "2", "1", "noarch");
    assert_done(&delete(&service, id(&last)));
    let service = service.restart();
    let next = add_rpm(&service, "name", "3", "1", "noarch");
    assert!(id(&next) > id(&last), "{next}");
    for package in [&first, &next] {
        assert_done(&delete(&service, id(package)));
    }
    let service = service.restart();
    assert_eq!(total(&service), 0);
    let again = add_rpm(&service, "name", "3", "1", "noarch");
    assert!(id(&again) > id(&next), "{again}");
}

#[test]
fn packages_survive_a_restart() {
    let service = Service::open();
    let contents: Vec<Vec<u8>> = (0..5)
        .map(|i| rpm_with("name", &i.to_string(), "1.el7", "noarch", b"payload"))
        .collect();
    for bytes in &contents {
        service.pass_ms(1500);
        add(&service, "x.rpm", bytes);
    }
    let gone = rows(&service, "version=2");
    assert_done(&delete(&service, id(&gone[0])));
    let before = data(&list(&service, "size=100"));
    let service = service.restart();
    let after = data(&list(&service, "size=100"));
    assert_eq!(before, after);
    let left = after["contents"].as_array().expect("an array");
    let versions: Vec<&str> = left.iter().map(|row| text(row, "version")).collect();
    assert_eq!(versions, ["4", "3", "1", "0"]);
    for row in left {
        let version: usize = text(row, "version").parse().expect("a number");
        assert_file(&service, row, &contents[version]);
    }
    assert_refused(&upload(&service, "x.rpm", &contents[0]), 409, "PKG10012");
    let again: Value = add(&service, "x.rpm", &contents[2]);
    assert!(id(&again) > id(&left[0]));
}
