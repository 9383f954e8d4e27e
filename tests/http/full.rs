//! Full and failing disks, as clients see them.

use packhold::format::header::{Chunking, PackHeader};

use crate::noise::noise;
use crate::service::{Service, call, put};
use crate::sim::{Call, Failure, Sim};

fn service() -> (Sim, Service) {
    let header = PackHeader::new([7; 16], 1, Chunking::default());
    let sim = Sim::create(&header);
    let service = Service::on_medium(sim.medium());
    service.store("/old", "old");
    service.store("/older", "older");
    (sim, service)
}

#[test]
fn an_upload_that_does_not_fit_is_refused_before_its_body() {
    let (sim, service) = service();
    sim.set_free(Some(1 << 20));
    let mut wire = service.connect();
    let head = put("/new")
        .header("Expect", "100-continue")
        .header("Content-Length", "5000000")
        .head();
    wire.write(&head).expect("a request");
    let answer = wire.answer("PUT").expect("an answer without a body");
    assert_eq!(answer.verdict(), (507, 251_101));
    service.assert_none("/new");
    service.assert_file("/old", b"old");
    sim.set_free(None);
    service.store("/new", noise(1, 500_000));
}

// The disk fills up in the middle of an upload. The client hears so, and not of a broken server;
// what is there is served, deletes work, and uploads go on once there is room.
#[test]
fn a_disk_that_fills_up_is_an_ordinary_day() {
    for failure in [Failure::Full, Failure::Short(100)] {
        let (sim, service) = service();
        sim.fail_for_ever(Call::Write, failure);
        let answer = service.put("/new", noise(2, 3_000_000));
        assert_eq!(answer.verdict(), (507, 251_101), "{failure:?}");
        service.assert_none("/new");
        service.assert_file("/old", b"old");
        sim.mend();
        assert_eq!(service.send(&call("DELETE", "/older")).verdict(), (200, 0));
        service.store("/new", noise(2, 3_000_000));
        service.assert_file("/new", &noise(2, 3_000_000));
    }
}

// A sync fails. Whether the upload is on the disk, nobody can say, and no later sync would tell.
// The client hears that it is in doubt, the next one that the store takes no changes; reads go on.
#[test]
fn after_a_failed_sync_reads_go_on_and_changes_are_refused() {
    let (sim, service) = service();
    sim.fail(Call::Sync, 0, Failure::Io);
    assert_eq!(service.put("/new", "x").verdict(), (500, 250_102));
    assert_eq!(service.put("/newer", "x").verdict(), (503, 250_102));
    assert_eq!(
        service.send(&call("DELETE", "/old")).verdict(),
        (503, 250_102)
    );
    service.assert_file("/old", b"old");
}
