//! The pack alone, on a simulated medium: when it syncs, whom it lets wait, and what it says of itself.

use std::time::{Duration, Instant};

use packhold::format::header::PackHeader;
use packhold::format::meta::{Mutation, UserDelete};
use packhold::format::record::Kind;
use packhold::format::scan;
use packhold::pack::{Medium, Pack, PackError};

use crate::support::client::{PACK_ID, SMALL};
use crate::support::sim::{Call, Failure, Sim};

const MIB: usize = 1 << 20;
/// What every pack keeps free for those who delete.
const RESERVE_BYTES: u64 = 8 << 20;

fn new() -> Sim {
    Sim::create(&PackHeader::new(PACK_ID, 1, SMALL))
}

fn opened(sim: &Sim) -> Pack {
    let medium = sim.reopened().medium();
    let header = medium.header().unwrap();
    let survey = scan::survey(sim, &PACK_ID, medium.start().unwrap(), |_| {}).unwrap();
    Pack::open(medium, header, &survey, false).unwrap().pack
}

/// Appends a record that takes so many bytes, a multiple of 8.
fn append(pack: &Pack, bytes: usize) {
    let begin = pack.end();
    pack.append(Kind::Leaf, &vec![1; bytes - 72], &[]).unwrap();
    assert_eq!(pack.end(), begin + bytes as u64);
}

#[test]
fn it_is_sealed_until_something_is_appended() {
    let sim = new();
    let pack = opened(&sim);
    assert!(pack.is_sealed(), "of a new one nothing is to be proven");
    pack.append_commit(&[], 1, false).unwrap();
    assert!(pack.is_sealed());
    append(&pack, 800);
    assert!(!pack.is_sealed());
    let mutation = Mutation::UserDelete(UserDelete {
        name: "somebody".to_owned(),
    });
    pack.append_commit(&[mutation], 2, false).unwrap();
    assert!(!pack.is_sealed());
    let tail = pack.append_commit(&[], 3, false).unwrap();
    assert!(pack.is_sealed());
    pack.sync(&tail).unwrap();
    drop(pack);
    let again = opened(&sim);
    assert!(again.is_sealed());
    assert_eq!(again.end(), tail.position.offset);
}

#[test]
fn who_waits_until_a_place_is_durable_hears_that_it_cannot_be() {
    let sim = new();
    let pack = opened(&sim);
    let begin = pack.end();
    append(&pack, 800);
    let before = sim.syncs();
    pack.sync_upto(begin).unwrap();
    assert_eq!(sim.syncs(), before, "it was durable when it was opened");
    pack.sync_upto(pack.end()).unwrap();
    assert_eq!(sim.syncs(), before + 1);
    pack.sync_upto(pack.end()).unwrap();
    assert_eq!(sim.syncs(), before + 1, "it is durable");
    append(&pack, 800);
    sim.fail(Call::Sync, 0, Failure::Io);
    let refused = pack.sync_upto(pack.end());
    assert!(matches!(refused, Err(PackError::Poisoned(_))));
}

#[test]
fn a_sync_runs_beside_who_appends_much() {
    let sim = new();
    let pack = opened(&sim);
    let before = sim.syncs();
    for _ in 0..17 {
        append(&pack, MIB);
    }
    pack.throttle().unwrap();
    let begun = Instant::now();
    while sim.syncs() == before {
        assert!(begun.elapsed() < Duration::from_mins(1), "nobody syncs");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn who_appends_waits_when_too_much_is_not_durable() {
    let sim = new();
    let pack = opened(&sim);
    sim.fail(Call::Sync, 0, Failure::Io);
    // In one go: nobody asks for a sync meanwhile.
    for _ in 0..65 {
        append(&pack, MIB);
    }
    let refused = pack.throttle();
    assert!(
        matches!(refused, Err(PackError::Poisoned(_))),
        "it did not wait"
    );
}

#[test]
fn holes_are_made_again_when_interrupted_and_synced_though_nothing_was_appended() {
    let sim = new();
    let pack = opened(&sim);
    append(&pack, 8 * MIB);
    pack.sync_upto(pack.end()).unwrap();
    let before = sim.syncs();
    sim.fail(Call::Punch, 0, Failure::Interrupted);
    assert_eq!(pack.punch(&(5000..20_000)).unwrap(), 8192);
    assert_eq!(sim.injected(), 1);
    pack.sync_punches().unwrap();
    assert_eq!(sim.syncs(), before + 1);
    sim.fail(Call::Sync, 0, Failure::Io);
    let refused = pack.sync_punches();
    assert!(matches!(refused, Err(PackError::Poisoned(_))));
}

#[test]
fn what_is_read_until_a_place_ends_there() {
    let sim = new();
    let pack = opened(&sim);
    append(&pack, 800);
    let end = pack.end();
    let source = sim.medium().until(end - 8).source;
    for published in [0, end] {
        source.publish(published);
        assert_eq!(source.len(), end - 8);
        assert_eq!(source.read(end - 16, 8).unwrap().len(), 8);
        assert!(source.read(end - 16, 9).is_err());
        assert!(source.read(u64::MAX, 9).is_err());
    }
}

#[test]
fn room_for_deleting_is_not_room_for_more() {
    let sim = new();
    let pack = opened(&sim);
    assert!(!pack.lacks_room(u64::MAX / 2), "it is not known");
    sim.set_free(Some(RESERVE_BYTES + 100));
    assert_eq!(pack.free(), Some(RESERVE_BYTES + 100));
    assert!(!pack.lacks_room(100));
    assert!(pack.lacks_room(101));
}

#[test]
fn a_torn_tail_is_cut_from_the_file() {
    let sim = new();
    let pack = opened(&sim);
    let tail = pack.append_commit(&[], 1, false).unwrap();
    pack.sync(&tail).unwrap();
    append(&pack, 800);
    drop(pack);
    assert_eq!(sim.image().len() as u64, tail.position.offset + 800);
    let pack = opened(&sim);
    assert_eq!(pack.end(), tail.position.offset);
    assert_eq!(sim.image().len() as u64, tail.position.offset);
}

#[test]
fn blocks_are_promised_an_eighth_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let header = PackHeader::new(PACK_ID, 1, SMALL);
    let medium = Medium::create_file(&dir.path().join("p"), &header).unwrap();
    let survey = scan::survey(&*medium.source, &PACK_ID, medium.start().unwrap(), |_| {}).unwrap();
    let pack = Pack::open(medium, header, &survey, false).unwrap().pack;
    let mib = MIB as u64;
    for i in 0..48 {
        append(&pack, MIB);
        let ahead = pack.allocated().unwrap() - pack.end();
        assert!(ahead >= RESERVE_BYTES, "{i}: {ahead}");
        assert!(
            ahead <= RESERVE_BYTES + (pack.end() / 8).max(mib) + mib,
            "{i}: {ahead}"
        );
        if pack.end() > 32 * mib && ahead > RESERVE_BYTES + 3 * mib {
            return;
        }
    }
    panic!("it never was an eighth");
}
