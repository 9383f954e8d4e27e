//! Compacting what is damaged: nothing damaged becomes good-looking, and nothing more gets lost.

use std::io::IoSlice;

use packhold::domain::DomainError;
use packhold::format::meta::Dialect;
use packhold::format::record::{Frame, Kind};
use packhold::index::Place;
use packhold::pack::PackError;
use packhold::store::{Access, Options, Store, StoreError};

use crate::support::client::{Client, Clock, another_sim, new_sim, open, options, rewritten};
use crate::support::log::{at, frames_of};
use crate::support::noise::noise;
use crate::support::sim::{Call, Failure, Fault, Sim};
use crate::support::telling;

fn victim() -> Vec<u8> {
    noise(2, 200_000)
}

/// A closed store with the file `/dir/victim` between two others.
fn three_files() -> Vec<u8> {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/other", &noise(1, 30_000));
    client.put("/dir/victim", &victim());
    client.put("/third", b"third");
    client.store.close();
    drop(client);
    sim.image()
}

fn nth(image: &[u8], kind: Kind, n: usize) -> Frame {
    frames_of(image, kind)[n]
}

fn flipped(image: &[u8], offset: u64) -> (Sim, Client) {
    let mut bad = image.to_vec();
    bad[at(offset)] ^= 0x10;
    let sim = Sim::of_image(bad);
    let client = open(&sim, &Clock::at(2_000));
    (sim, client)
}

fn assert_others(client: &Client) {
    assert_eq!(client.get("/other").unwrap(), noise(1, 30_000));
    assert_eq!(client.get("/third").unwrap(), b"third");
}

// It is not known what of them is alive: whoever is told so has to know what to mend or to give up.
#[test]
fn files_and_uploads_of_which_the_chunks_are_not_known_are_named() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/dir/victim", &victim());
    let id = client.start_blocks("/dir/later", Dialect::Offset);
    let id = id.expect("a session");
    let put = client.put_block("/dir/later", &id, 0, &noise(7, 100_000));
    put.expect("a block");
    client.store.close();
    drop(client);
    let mut image = sim.image();
    let leaves = frames_of(&image, Kind::Leaf);
    assert_eq!(leaves.len(), 2);
    leaves
        .iter()
        .for_each(|leaf| image[at(leaf.body_offset()) + 50] ^= 1);
    let client = open(&Sim::of_image(image), &Clock::at(2_000));
    let refused = client.store.rewrite(another_sim().medium(), Place::Memory);
    let refused = refused.err().expect("it is not known what is alive");
    let told = refused.to_string();
    for name in [
        "/project/repo/dir/victim",
        "the upload to /project/repo/dir/later",
    ] {
        assert!(told.contains(name), "{told}");
    }
}

fn payload_of(frame: &Frame) -> u64 {
    frame.body_offset() + u64::from(frame.head_bytes)
}

// A chunk of a file is damaged, and the store is compacted. With a checksum of the damaged bytes the
// file would read as if nothing were wrong with it.
// It is damaged in the new pack as it was in the old one: for readers, for a verification, which names
// it, and for an upload of the same bytes, which heals it. What is sound of it can be read.
#[test]
fn a_damaged_chunk_stays_damaged_and_can_be_healed() {
    let image = three_files();
    let payload = payload_of(&nth(&image, Kind::Segment, 1));
    for offset in [payload, payload + 77_777, payload + 199_999] {
        let (_, client) = flipped(&image, offset);
        let before = telling::all(&client);
        let (sim, report) = rewritten(&client, Place::Memory);
        assert_eq!((report.damaged_chunks, report.healed_chunks), (1, 0));
        let made = open(&sim, &Clock::at(3_000));
        assert_eq!(telling::all(&made), before);
        assert!(before.contains(" damaged"), "{before}");
        let read = made.try_get("/dir/victim");
        assert!(
            matches!(read, Err(DomainError::Store(StoreError::Damaged { .. }))),
            "{read:?}"
        );
        assert_others(&made);
        let readable = |start: u64| made.try_range("/dir/victim", start..start + 10).is_ok();
        assert!((0..200_000).step_by(3_000).filter(|s| readable(*s)).count() > 50);
        let verified = made.store.verify(false).unwrap();
        assert!(!verified.clean);
        let names: Vec<&str> = verified
            .damaged_files
            .iter()
            .map(|f| f.path.as_str())
            .collect();
        assert_eq!(names, ["/dir/victim"]);
        // The last chunk ends with the file; the others are in a longer one, too.
        let is_last = offset == payload + 199_999;
        let mut longer = victim();
        if !is_last {
            longer.extend(noise(9, 9_000));
        }
        made.put("/again", &longer);
        assert_eq!(made.get("/dir/victim").unwrap(), victim());
        // What was healed is intact afterwards, and needs no record of that.
        let (sim, report) = rewritten(&made, Place::Memory);
        let healed = (report.damaged_chunks, report.healed_chunks);
        assert_eq!(healed, (0, u64::from(!is_last)));
        let made = open(&sim, &Clock::at(4_000));
        assert_eq!(made.get("/dir/victim").unwrap(), victim());
        made.assert_clean();
    }
}

// The table of a segment is damaged. The manifests know where its payloads are, so the files can be read.
// A compaction that goes by tables alone would leave these chunks behind.
#[test]
fn chunks_of_a_damaged_table_are_carried_over() {
    let image = three_files();
    let segment = nth(&image, Kind::Segment, 1);
    let (_, client) = flipped(&image, segment.body_offset() + 50);
    let before = telling::all(&client);
    assert_eq!(client.get("/dir/victim").unwrap(), victim());
    let (sim, report) = rewritten(&client, Place::Memory);
    assert_eq!(report.damaged_chunks, 0);
    let made = open(&sim, &Clock::at(3_000));
    assert_eq!(telling::all(&made), before);
    made.assert_clean();
    // They are shared again.
    let stored = made.put("/again", &victim());
    assert_eq!(stored.new_bytes, 0);
}

// Both the table and a payload: its digest is not known any more.
#[test]
fn a_damaged_chunk_of_a_damaged_table_stays_damaged() {
    let image = three_files();
    let segment = nth(&image, Kind::Segment, 1);
    let mut bad = image.clone();
    bad[at(segment.body_offset() + 50)] ^= 1;
    bad[at(payload_of(&segment) + 100_000)] ^= 1;
    let client = open(&Sim::of_image(bad), &Clock::at(2_000));
    let before = telling::all(&client);
    let (sim, report) = rewritten(&client, Place::Memory);
    assert_eq!(report.damaged_chunks, 1);
    let made = open(&sim, &Clock::at(3_000));
    assert_eq!(telling::all(&made), before);
    assert_others(&made);
    let verified = made.store.verify(false).unwrap();
    assert_eq!(verified.damaged_files.len(), 1);
    assert_eq!(verified.index_errors, Vec::<String>::new());
    made.put("/again", &victim());
    assert_eq!(made.get("/dir/victim").unwrap(), victim());
}

// The disk does not give some bytes, be it now or for ever. What it may give another time must not be left
// behind.
// A compaction fails, or has everything.
#[test]
fn whatever_cannot_be_read_is_not_left_behind() {
    let image = three_files();
    let (mut told, mut made) = (0, 0);
    for for_ever in [false, true] {
        for after in 0.. {
            let sim = Sim::of_image(image.clone());
            let client = open(&sim, &Clock::at(2_000));
            let before = telling::all(&client);
            sim.fault(Fault {
                call: Call::Read,
                after,
                failure: Failure::Io,
                for_ever,
            });
            let rewrite = another_sim();
            let outcome = client.store.rewrite(rewrite.medium(), Place::Memory);
            match outcome {
                Ok((store, report)) => {
                    drop(store);
                    assert_eq!(report.damaged_chunks, 0);
                    let copy = open(&rewrite, &Clock::at(3_000));
                    assert_eq!(telling::all(&copy), before, "{after}");
                    made += 1;
                }
                Err(_) => told += 1,
            }
            if sim.injected() == 0 {
                break;
            }
        }
    }
    assert!(told > 10 && made > 1, "{told} {made}");
}

// A page of a manifest is damaged: which chunks the file has is not known, nor which of them nothing else
// has. They must not be left behind: the page may be mended from a backup.
#[test]
fn a_damaged_manifest_is_refused_by_the_name_of_its_file() {
    let image = three_files();
    for kind in [Kind::Leaf, Kind::Root] {
        // Of `/other` and the victim.
        let frame = frames_of(&image, kind).pop().unwrap();
        let (_, client) = flipped(&image, frame.body_offset() + 40);
        let refused = client.store.rewrite(another_sim().medium(), Place::Memory);
        let error = refused.err().expect("it is refused");
        assert!(error.is_damage());
        let text = error.to_string();
        assert!(text.contains("/project/repo/dir/victim"), "{text}");
        assert!(!text.contains("other"), "{text}");
        // Uploaded again, or deleted, it stands in the way no longer.
        client.put("/dir/victim", &victim());
        let (sim, _) = rewritten(&client, Place::Memory);
        let made = open(&sim, &Clock::at(3_000));
        assert_eq!(made.get("/dir/victim").unwrap(), victim());
        assert_others(&made);
        made.assert_clean();
    }
}

// A frame of the log is damaged. Commits may be missing that nobody can tell of, and a new pack would
// hide that.
#[test]
fn a_damaged_log_is_refused() {
    let image = three_files();
    let frame = nth(&image, Kind::Segment, 1);
    let (_, client) = flipped(&image, frame.offset + 20);
    let dir = tempfile::tempdir().unwrap();
    let error = client.store.compact(dir.path(), || {}).unwrap_err();
    assert!(
        matches!(error, StoreError::Pack(PackError::ReadOnly(_))),
        "{error}"
    );
    // Where the store does not know it yet.
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/first", &noise(1, 30_000));
    client.put("/second", &noise(2, 30_000));
    let image = sim.image();
    let offset = nth(&image, Kind::Segment, 1).offset + 20;
    let byte = [image[at(offset)] ^ 1];
    let sink = sim.medium().sink;
    sink.write_at(offset, &[IoSlice::new(&byte)]).unwrap();
    let refused = client.store.rewrite(another_sim().medium(), Place::Memory);
    let error = refused.err().expect("it is refused");
    assert!(error.is_damage(), "{error}");
}

#[test]
fn a_store_that_is_open_for_reading_only_is_not_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.pack");
    let clock = Clock::at(1_000);
    let client = Client {
        store: Store::open(&path, options(&clock)).unwrap(),
    };
    client.put("/file", &noise(1, 3_000));
    client.store.close();
    drop(client);
    let read_only = Options {
        access: Access::ReadOnly,
        ..options(&clock)
    };
    let store = Store::open(&path, read_only).unwrap();
    let error = store.compact(&path, || {}).unwrap_err();
    assert!(
        matches!(error, StoreError::Pack(PackError::ReadOnly(_))),
        "{error}"
    );
}

// What is needed besides the pack is not free: that is said before anything is written.
#[test]
fn without_room_it_is_refused_at_once() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/file", &noise(1, 300_000));
    sim.set_free(Some(10 << 20));
    let made = another_sim();
    let refused = client.store.rewrite(made.medium(), Place::Memory);
    let text = refused.err().expect("it is refused").to_string();
    assert!(text.contains("compacting needs about"), "{text}");
    assert_eq!(made.log().len(), 0);
    sim.set_free(Some(100 << 20));
    rewritten(&client, Place::Memory);
}
