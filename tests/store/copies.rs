//! An uploaded copy of the pack's own file is only a file.

use std::collections::BTreeMap;

use packhold::format::record::{Frame, Kind};

use crate::support::client::{Client, Clock, new_sim, open};
use crate::support::log::{at, frames, survey};
use crate::support::noise::noise;
use crate::support::sim::Sim;

/// A closed store that holds copies of its own file, and what files it has.
fn with_copies() -> (Vec<u8>, BTreeMap<String, Vec<u8>>) {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let mut files = BTreeMap::new();
    let mut put = |client: &Client, path: &str, bytes: Vec<u8>| {
        client.put(path, &bytes);
        files.insert(path.to_owned(), bytes);
    };
    put(&client, "/first", noise(1, 9_000));
    put(&client, "/second", noise(2, 3_000));
    for (i, shift) in [0_usize, 8, 64, 4088].into_iter().enumerate() {
        let mut copy = noise(9, shift);
        copy.extend(sim.image());
        put(&client, &format!("/copy{i}"), copy);
        put(&client, &format!("/between{i}"), noise(20 + i as u64, 700));
    }
    client.store.close();
    drop(client);
    (sim.image(), files)
}

/// The frames at which something is to break: of every kind, before the last copy.
fn victims(image: &[u8]) -> Vec<Frame> {
    let (list, lost) = frames(image);
    assert_eq!(lost, 0);
    let until = list.len() * 3 / 4;
    list.into_iter().take(until).collect()
}

// A user uploads the pack's own file, and later a frame before it breaks. A scan that looks for the
// next good record then comes upon thousands of perfect ones: deleted files come back, lost ones
// seem found. A frame knows its own offset, so none of the copies is taken for a record.
#[test]
fn a_copy_of_the_pack_is_never_taken_for_records() {
    let (image, files) = with_copies();
    let (good, _) = frames(&image);
    for victim in victims(&image) {
        for byte in [0, 5, 10, 28, 40, 70] {
            let mut bad = image.clone();
            bad[at(victim.offset) + byte] ^= 0x04;
            let (found, _) = frames(&bad);
            let rest: Vec<Frame> = good.iter().copied().filter(|f| *f != victim).collect();
            assert_eq!(found, rest, "frame at {}, byte {byte}", victim.offset);
            let found = survey(&bad);
            let corrupt: Vec<u64> = found.corrupt.iter().map(|d| d.offset).collect();
            assert_eq!(corrupt, [victim.offset]);
            assert_eq!(found.end.offset, image.len() as u64);
        }
        let mut bad = image.clone();
        bad[at(victim.offset) + 30] ^= 0x04;
        assert_reads_on(&Sim::of_image(bad), &victim, &files);
    }
}

fn assert_reads_on(sim: &Sim, victim: &Frame, files: &BTreeMap<String, Vec<u8>>) {
    let client = open(sim, &Clock::at(2_000));
    let report = client.store.open_report();
    assert_eq!(report.corrupt.len(), 1, "{report:?}");
    assert_eq!(report.corrupt[0].offset, victim.offset);
    assert!(client.store.writable().is_err());
    assert!(client.try_put("/new", b"x").is_err());
    let mut missing = 0;
    for (path, bytes) in files {
        match client.get(path) {
            Some(found) => assert!(found == *bytes, "{path}"),
            None => missing += 1,
        }
    }
    let verified = client.store.verify(false).unwrap();
    assert!(!verified.clean && verified.damaged_files.is_empty());
    match victim.kind {
        // The first commit made the repository; any other one put a single file.
        Kind::Commit if missing == files.len() => {}
        Kind::Commit => assert_eq!(missing, 1),
        _ => assert_eq!(missing, 0, "manifests know where the bytes are"),
    }
}
