//! A full disk, as those hear of it who upload packages.

use packhold::format::header::{Chunking, PackHeader};
use serde_json::Value;

use super::answers::{assert_done, assert_refused};
use super::{PACKAGES, add, assert_file, delete, download, id, total, upload};
use crate::multipart::Form;
use crate::noise::noise;
use crate::rpms::{rpm, rpm_with};
use crate::service::Service;
use crate::sim::{Call, Failure, Sim};

/// A service with a package, whose bytes are there too.
fn service() -> (Sim, Service, Value, Vec<u8>) {
    let header = PackHeader::new([7; 16], 1, Chunking::default());
    let sim = Sim::create(&header);
    let service = Service::on_medium(sim.medium());
    let bytes = rpm("old", "1", "1", "noarch");
    let old = add(&service, "x.rpm", &bytes);
    (sim, service, old, bytes)
}

fn large() -> Vec<u8> {
    rpm_with("new", "1", "1", "noarch", &noise(2, 3_000_000))
}

/// Asserts that nothing of the large package is there.
#[track_caller]
fn assert_nothing_new(service: &Service) {
    assert_eq!(total(service), 1);
    let new = serde_json::json!({
        "downloadUrl": format!("http://test{}/new-1-1.noarch.rpm", super::FILES),
    });
    assert_refused(&service.send(&download(&new)), 404, "PKG10000");
    let stats = service.store.stats().expect("stats");
    assert_eq!((stats.packages, stats.blobs, stats.files), (1, 1, 0));
}

#[test]
fn a_package_that_does_not_fit_is_refused_at_its_beginning() {
    let (sim, service, old, bytes) = service();
    sim.set_free(Some(1 << 20));
    let form = Form::of("x.rpm", large());
    let body = form.bytes();
    let len = body.len().to_string();
    let head = form.head(PACKAGES).header("Content-Length", len).head();
    let mut wire = service.connect();
    wire.write(&head).expect("a request");
    // Only its first bytes, which tell that a package comes.
    wire.write(&body[..400]).expect("the server reads");
    let answer = wire.answer("POST").expect("an answer without the rest");
    assert_refused(&answer, 507, "COM10999");
    assert_nothing_new(&service);
    assert_file(&service, &old, &bytes);
    sim.set_free(None);
    let added = add(&service, "x.rpm", &large());
    assert_file(&service, &added, &large());
}

// The disk fills up in the middle of a package. The client hears so in the words of its API, nothing
// of the package is there, others are served and can be deleted, and there is room for it afterwards.
#[test]
fn a_disk_that_fills_up_takes_no_part_of_a_package() {
    for failure in [Failure::Full, Failure::Short(100)] {
        let (sim, service, old, bytes) = service();
        sim.fail_for_ever(Call::Write, failure);
        assert_refused(&upload(&service, "x.rpm", &large()), 507, "COM10999");
        assert_nothing_new(&service);
        assert_file(&service, &old, &bytes);
        sim.mend();
        let added = add(&service, "x.rpm", &large());
        assert_file(&service, &added, &large());
        assert_done(&delete(&service, id(&old)));
        let report = service.store.verify(false).expect("it runs");
        assert!(report.clean, "{report:?}");
    }
}

// A store that was just opened has no room of its own yet, and gets none. Deletes must work all the
// same: they are what makes room.
#[test]
fn packages_can_be_deleted_when_only_the_reserve_is_left() {
    let (sim, service, old, bytes) = service();
    drop(service);
    let service = Service::on_medium(sim.reopened().medium());
    sim.fail_for_ever(Call::Allocate, Failure::Full);
    let small = rpm("new", "1", "1", "noarch");
    assert_refused(&upload(&service, "x.rpm", &small), 507, "COM10999");
    assert_nothing_new(&service);
    assert_file(&service, &old, &bytes);
    assert_done(&delete(&service, id(&old)));
    assert_eq!(total(&service), 0);
}
