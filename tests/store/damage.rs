//! Flipped bytes: never served, reported by name, and mended where a copy exists.

use bytes::Bytes;
use packhold::digest::Wanted;
use packhold::domain::quota::Usage;
use packhold::domain::{self, DomainError};
use packhold::format::manifest::PAGE_BYTES;
use packhold::format::record::{Frame, Kind};
use packhold::format::segment::ENTRY_BYTES;
use packhold::pack::PackError;
use packhold::store::StoreError;

use crate::support::client::{Client, Clock, new_sim, open, upload};
use crate::support::log::{at, frames_of};
use crate::support::noise::noise;
use crate::support::sim::Sim;

fn other() -> Vec<u8> {
    noise(1, 30_000)
}

fn victim() -> Vec<u8> {
    noise(2, 200_000)
}

/// A closed store with the file `/victim` between two others.
fn three_files() -> Vec<u8> {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/other", &other());
    client.put("/dir/victim", &victim());
    client.put("/third", b"third");
    client.store.close();
    drop(client);
    sim.image()
}

/// The last record of a kind: the victim's, or for commits the seal.
fn last(image: &[u8], kind: Kind) -> Frame {
    *frames_of(image, kind).last().unwrap()
}

/// The victim's segment: the last one but for `/third`'s.
fn victims_segment(image: &[u8]) -> Frame {
    let list = frames_of(image, Kind::Segment);
    list[list.len() - 2]
}

fn open_flipped(image: &[u8], offset: u64) -> (Sim, Client) {
    let mut bad = image.to_vec();
    bad[at(offset)] ^= 0x10;
    let sim = Sim::of_image(bad);
    let client = open(&sim, &Clock::at(2_000));
    (sim, client)
}

fn assert_others(client: &Client) {
    assert_eq!(client.get("/other").unwrap(), other());
    assert_eq!(client.get("/third").unwrap(), b"third");
}

/// The victim is unreadable, the others are not, and a verification says so.
fn assert_reported(client: &Client) {
    let read = client.try_get("/dir/victim");
    assert!(
        matches!(read, Err(DomainError::Store(StoreError::Damaged { .. }))),
        "{:?}",
        read.map(|bytes| bytes.map(|b| b.len()))
    );
    assert_others(client);
    let report = client.store.verify(false).unwrap();
    assert!(!report.clean && !report.damages.is_empty(), "{report:?}");
    let names: Vec<&str> = report
        .damaged_files
        .iter()
        .map(|f| f.path.as_str())
        .collect();
    assert_eq!(names, ["/dir/victim"], "{report:?}");
}

/// An upload of the same bytes, under whatever name, mends every file that has them.
fn assert_heals(sim: &Sim, client: Client) {
    client.put("/again", &victim());
    let check = |client: &Client| {
        assert_eq!(client.get("/again").unwrap(), victim());
        assert_eq!(client.get("/dir/victim").unwrap(), victim());
        assert_others(client);
        let report = client.store.verify(false).unwrap();
        assert_eq!(report.damaged_files, []);
        assert_eq!(report.index_errors, Vec::<String>::new());
    };
    check(&client);
    client.store.close();
    drop(client);
    check(&open(sim, &Clock::at(3_000)));
}

// A bit of a stored chunk flips on the disk. A reader that trusts the disk hands out wrong bytes.
// Reading must fail there, and nowhere else; verify names the file; the bytes sent again mend it.
#[test]
fn a_flipped_payload_byte_is_never_served() {
    let image = three_files();
    let segment = victims_segment(&image);
    let table_end = segment.body_offset() + u64::from(segment.head_bytes);
    let last = segment.body_offset() + segment.body_bytes - 1;
    for offset in [table_end, table_end + 77_777, last] {
        let (sim, client) = open_flipped(&image, offset);
        assert!(client.store.open_report().corrupt.is_empty());
        assert_reported(&client);
        let whole = victim();
        for start in (0..200_000_u64).step_by(3_000) {
            let end = start + 10;
            if let Ok(bytes) = client.try_range("/dir/victim", start..end) {
                assert_eq!(bytes.unwrap(), whole[at(start)..at(end)]);
            }
        }
        assert_heals(&sim, client);
    }
}

// A bit flips in a manifest page: an offset there would name another, intact chunk, and its CRC
// would fit. Every page has a checksum; and the same bytes sent again bring a new manifest, where
// an upload that only finds all its chunks present would leave the file broken for ever.
#[test]
fn a_flipped_byte_in_any_manifest_page_is_found_and_healed() {
    let image = three_files();
    let (leaf, root) = (last(&image, Kind::Leaf), last(&image, Kind::Root));
    assert!(leaf.body_bytes > PAGE_BYTES as u64, "some pages");
    let pages = (0..leaf.body_bytes).step_by(PAGE_BYTES);
    let offsets =
        pages.flat_map(|page| [leaf.body_offset() + page, leaf.body_offset() + page + 50]);
    for offset in offsets.chain([root.body_offset() + 1, root.body_offset() + 40]) {
        let (sim, client) = open_flipped(&image, offset);
        assert_reported(&client);
        assert_heals(&sim, client);
    }
}

#[test]
fn an_inline_manifest_is_covered_by_its_commit() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/small", b"a small file");
    client.put("/third", b"third");
    client.store.close();
    drop(client);
    let image = sim.image();
    let commit = frames_of(&image, Kind::Commit)[0];
    for offset in commit.body_offset()..commit.body_offset() + commit.body_bytes {
        let (_, client) = open_flipped(&image, offset);
        assert_eq!(client.store.open_report().corrupt.len(), 1, "byte {offset}");
        assert_eq!(client.get("/small"), None, "byte {offset}");
    }
}

// A bit flips in a segment's table. The manifests know where the payloads are, so every file stays
// readable; but the table leads uploads to chunks. None may be led astray by it, and verify says so.
#[test]
fn a_flipped_byte_in_a_segment_table_misleads_nobody() {
    let image = three_files();
    let segment = victims_segment(&image);
    // Digest, lengths, CRC, index, codec of the first, the second and the last entry.
    let entries = u64::from(segment.head_bytes) / ENTRY_BYTES as u64;
    for entry in [0, 1, entries - 1] {
        for field in [0, 31, 32, 34, 36, 38, 40, 44, 46] {
            let offset = segment.body_offset() + entry * ENTRY_BYTES as u64 + field;
            let (sim, client) = open_flipped(&image, offset);
            assert_eq!(client.get("/dir/victim").unwrap(), victim());
            assert_others(&client);
            let report = client.store.verify(false).unwrap();
            assert!(!report.clean, "entry {entry}, field {field}: {report:?}");
            let mut longer = victim();
            longer.extend(b"and more");
            client.put("/longer", &longer);
            assert_eq!(client.get("/longer").unwrap(), longer);
            assert_heals(&sim, client);
        }
    }
}

// A commit in the middle of the log is damaged, and the index is gone. Its changes are lost, which
// must be said; and to go on writing could bury them: new nodes would take the ids of lost ones.
// The store opens for reading, this time and every time after.
#[test]
fn a_damaged_commit_opens_for_reading_only_every_time() {
    let image = three_files();
    let commits = frames_of(&image, Kind::Commit);
    assert_eq!(commits.len(), 4);
    let files = [("/other", other()), ("/dir/victim", victim())];
    for (commit, (lost, _)) in commits.iter().zip(&files) {
        for offset in [commit.offset + 20, commit.body_offset() + 70] {
            let (sim, client) = open_flipped(&image, offset);
            let before = sim.image();
            for client in [client, open(&sim, &Clock::at(3_000))] {
                let report = client.store.open_report();
                assert_eq!(report.corrupt.len(), 1, "{report:?}");
                assert_eq!(report.corrupt[0].offset, commit.offset);
                let refused = client.try_put("/new", b"x");
                assert!(
                    matches!(
                        refused,
                        Err(DomainError::Store(StoreError::Pack(PackError::ReadOnly(_))))
                    ),
                    "{refused:?}"
                );
                assert!(client.try_delete("/third").is_err());
                if *lost != "/other" {
                    // The first commit made the repository.
                    assert_eq!(client.get("/other").unwrap(), other());
                    assert_eq!(client.get("/third").unwrap(), b"third");
                }
                assert_eq!(client.get(lost), None);
                assert!(!client.store.verify(false).unwrap().clean);
                client.store.close();
            }
            assert_eq!(sim.image(), before, "nothing was written");
        }
    }
}

#[test]
fn where_in_the_log_a_payload_lies_does_not_matter() {
    let image = three_files();
    let (sim, client) = open_flipped(&image, last(&image, Kind::Segment).body_offset() + 50);
    assert!(client.store.open_report().corrupt.is_empty());
    assert!(client.try_get("/third").is_err());
    client.put("/third again", b"third");
    assert_heals(&sim, client);
}

/// A store whose file has all its chunks twice: two uploads at once did not see each other's.
fn stored_twice() -> (Vec<u8>, Vec<u8>) {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let bytes = noise(5, 9_000);
    let pushed = |bytes: &[u8]| {
        let mut ingest = client.store.ingest(Wanted::Md5);
        ingest.push(&Bytes::copy_from_slice(bytes)).unwrap();
        ingest
    };
    let (first, second) = (pushed(&bytes), pushed(&bytes));
    let (first, second) = (first.finish().unwrap(), second.finish().unwrap());
    // What the second one had not cut before the first one wrote is found.
    assert!(first.new_bytes == 9_000 && second.new_bytes > 4_000);
    for (path, ingested) in [("/one", first), ("/two", second)] {
        let (sender, receiver) = std::sync::mpsc::channel();
        domain::finish(
            &client.store,
            &Usage::default(),
            upload(path),
            ingested,
            move |stored| {
                sender.send(stored.map(|_| ())).unwrap();
            },
        );
        receiver.recv().unwrap().unwrap();
    }
    client.assert_clean();
    client.store.close();
    drop(client);
    (sim.image(), bytes)
}

// A chunk lies twice, and the copy that a manifest names is damaged. `verify --repair` finds the
// other copy and records it; manifests stay as they are. Afterwards the file is whole, for good.
#[test]
fn verify_repairs_from_another_copy() {
    let (image, bytes) = stored_twice();
    let segment = frames_of(&image, Kind::Segment)[0];
    let payload = segment.body_offset() + u64::from(segment.head_bytes);
    let (sim, client) = open_flipped(&image, payload + 10);
    assert!(client.try_get("/one").is_err());
    let report = client.store.verify(false).unwrap();
    assert_eq!((report.clean, report.damaged_files.len()), (false, 2));
    let report = client.store.verify(true).unwrap();
    assert_eq!((report.clean, report.repaired_chunks), (true, 1));
    assert_eq!((report.damages.len(), report.damaged_files.len()), (1, 0));
    let check = |client: &Client| {
        assert_eq!(client.get("/one").unwrap(), bytes);
        assert_eq!(client.get("/two").unwrap(), bytes);
        let report = client.store.verify(false).unwrap();
        assert_eq!((report.clean, report.repaired_chunks), (true, 1));
    };
    check(&client);
    client.store.close();
    drop(client);
    check(&open(&sim, &Clock::at(3_000)));
}
