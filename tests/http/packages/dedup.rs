//! Packages and files of repositories are contents of one store.

use super::answers::assert_done;
use super::{add, assert_file, delete, id};
use crate::noise::noise;
use crate::rpms::{rpm, rpm_with};
use crate::service::{Service, call};
use packhold::store::Stats;

const LEN: usize = 3_000_000;
/// What the mutations of a commit may take in the pack, amply.
const COMMIT_BYTES: u64 = 65_536;

fn large(seed: u64) -> Vec<u8> {
    rpm_with("name", "1", "1.el7", "noarch", &noise(seed, LEN))
}

fn stats(service: &Service) -> Stats {
    service.store.stats().expect("stats")
}

/// Asserts that what was stored in between was there already.
#[track_caller]
fn assert_same_space(before: &Stats, after: &Stats) {
    assert_eq!(
        (before.blobs, before.chunks, before.stored_bytes),
        (after.blobs, after.chunks, after.stored_bytes)
    );
    let grown_bytes = after.pack_bytes - before.pack_bytes;
    assert!(grown_bytes < COMMIT_BYTES, "{grown_bytes} bytes more");
}

/// Asserts that a file is where generic uploads go.
#[track_caller]
fn remove(service: &Service, path: &str) {
    assert_eq!(service.send(&call("DELETE", path)).verdict(), (200, 0));
}

#[test]
fn a_file_that_becomes_a_package_costs_no_further_space() {
    let service = Service::open();
    let bytes = large(1);
    service.store("/some.rpm", &bytes);
    let before = stats(&service);
    assert!(before.stored_bytes >= LEN as u64, "{before:?}");
    assert_eq!((before.files, before.packages), (1, 0));
    let package = add(&service, "x.rpm", &bytes);
    let after = stats(&service);
    assert_same_space(&before, &after);
    assert_eq!((after.files, after.packages), (1, 1));
    // The package keeps its content when the file goes.
    remove(&service, "/some.rpm");
    let left = stats(&service);
    assert_eq!((left.files, left.packages), (0, 1));
    assert_eq!(left.stored_bytes, before.stored_bytes);
    assert_file(&service, &package, &bytes);
    service.assert_none("/some.rpm");
    let service = service.restart();
    assert_file(&service, &package, &bytes);
    assert_done(&delete(&service, id(&package)));
    let empty = stats(&service);
    assert_eq!((empty.packages, empty.blobs, empty.stored_bytes), (0, 0, 0));
}

#[test]
fn a_package_that_becomes_a_file_costs_no_further_space() {
    let service = Service::open();
    let bytes = large(2);
    let package = add(&service, "x.rpm", &bytes);
    let before = stats(&service);
    assert!(before.stored_bytes >= LEN as u64, "{before:?}");
    assert_eq!((before.files, before.packages, before.blobs), (0, 1, 1));
    let answer = service.put("/some.rpm", &bytes);
    assert_eq!(answer.verdict(), (200, 0));
    assert_eq!(answer.header("X-Packhold-New-Bytes"), Some("0"));
    let after = stats(&service);
    assert_same_space(&before, &after);
    assert_eq!((after.files, after.packages), (1, 1));
    // The file keeps its content when the package goes.
    assert_done(&delete(&service, id(&package)));
    service.assert_file("/some.rpm", &bytes);
    let left = stats(&service);
    assert_eq!((left.files, left.packages), (1, 0));
    assert_eq!(left.stored_bytes, before.stored_bytes);
    let service = service.restart();
    service.assert_file("/some.rpm", &bytes);
}

/// The header says nothing of a system: by their names these are two packages, of one content.
#[test]
fn two_packages_may_have_one_content() {
    let service = Service::open();
    let bytes = rpm_with("grafana", "7.5.17", "1", "x86_64", &noise(3, LEN));
    let first = add(&service, "grafana-7.5.17-1.el7.x86_64.rpm", &bytes);
    let before = stats(&service);
    let second = add(&service, "grafana-7.5.17-1.el8.x86_64.rpm", &bytes);
    let after = stats(&service);
    assert_same_space(&before, &after);
    assert_eq!((before.packages, after.packages), (1, 2));
    assert_ne!(first["fileName"], second["fileName"]);
    assert_done(&delete(&service, id(&first)));
    assert_file(&service, &second, &bytes);
    assert_eq!(stats(&service).packages, 1);
}

#[test]
fn packages_share_what_they_have_in_common() {
    let service = Service::open();
    let payload = noise(4, LEN);
    add(
        &service,
        "x.rpm",
        &rpm_with("name", "1", "1", "noarch", &payload),
    );
    let before = stats(&service);
    add(
        &service,
        "x.rpm",
        &rpm_with("name", "2", "1", "noarch", &payload),
    );
    let after = stats(&service);
    let grown_bytes = after.stored_bytes - before.stored_bytes;
    assert!(grown_bytes < LEN as u64 / 3, "{grown_bytes} bytes more");
    assert_eq!((after.packages, after.blobs), (2, 2));
}

#[test]
fn stats_count_packages() {
    let service = Service::open();
    let mut ids = Vec::new();
    for i in 0..7 {
        assert_eq!(stats(&service).packages, i);
        let bytes = rpm("name", &i.to_string(), "1", "noarch");
        ids.push(id(&add(&service, "x.rpm", &bytes)));
    }
    for (left, id) in (0..7).rev().zip(ids) {
        assert_done(&delete(&service, id));
        assert_eq!(stats(&service).packages, left);
    }
}
