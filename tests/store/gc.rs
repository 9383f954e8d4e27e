//! Reclaiming: what is freed, what crashes leave of it, and that no reader sees a hole.

use std::path::Path;

use packhold::format::record::Kind;
use packhold::index::Rows;
use packhold::store::{GcOptions, Options, Store};

use crate::support::client::{Client, Clock, address, fields, new_sim, open, options, try_open};
use crate::support::crash::{durable, images};
use crate::support::history::{History, assert_survives};
use crate::support::log::frames_of;
use crate::support::noise::{Noise, noise};
use crate::support::sim::{Call, Failure, Op, Sim};

fn open_file(pack: &Path) -> Client {
    let options = Options {
        pack_id: None,
        ..options(&Clock::at(1_000))
    };
    let store = Store::open(pack, options).expect("it opens");
    Client { store }
}

/// How many punches are in the log of a medium.
fn punches(sim: &Sim) -> usize {
    let log = sim.log();
    log.iter().filter(|op| matches!(op, Op::Punch(..))).count()
}

/// Whether something is still to be punched, once the committer has noted what was.
fn is_pending(client: &Client) -> bool {
    client.commit(Vec::new());
    let rows = client.store.rows().expect("there is an index");
    let pending = rows.pending_punches(0, 1).expect("the rows are readable");
    !pending.is_empty()
}

#[test]
fn what_nothing_refers_to_is_given_back_to_the_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("s.pack");
    let client = open_file(&pack);
    let (gone, kept) = (noise(1, 6 << 20), noise(2, 1 << 20));
    client.put("/gone", &gone);
    client.put("/kept", &kept);
    client.add(fields("p", "1"), &gone[..2 << 20]);
    client.delete("/gone");
    let before = client.store.stats().unwrap();
    let would = GcOptions {
        dry_run: true,
        ..GcOptions::default()
    };
    let would = client.store.gc(&would).unwrap();
    assert_eq!(would.freed_bytes, before.reclaimable_bytes);
    assert_eq!(client.store.stats().unwrap().freed_bytes, 0);
    let report = client.gc();
    assert_eq!((report.freed_bytes, report.blobs), (would.freed_bytes, 1));
    assert_eq!(report.live_bytes, before.stored_bytes);
    assert!(report.freed_bytes > 3 << 20 && report.punched_bytes > 3 << 20);
    assert!(report.manifests > 0, "its leaves and root");
    let after = client.store.stats().unwrap();
    assert_eq!(
        (after.reclaimable_bytes, after.freed_bytes),
        (0, report.freed_bytes)
    );
    let given_back = before
        .pack_allocated_bytes
        .saturating_sub(after.pack_allocated_bytes);
    assert!(given_back > 3 << 20, "{given_back}");
    client.assert_clean();
    client.store.close();
    drop(client);

    // A copy without holes takes all the space again, until its index is built.
    let copy = dir.path().join("copy.pack");
    std::fs::write(&copy, std::fs::read(&pack).unwrap()).unwrap();
    let client = open_file(&copy);
    assert!(client.store.open_report().rebuilt);
    let copied = client.store.stats().unwrap();
    assert!(copied.pack_allocated_bytes <= after.pack_allocated_bytes + (1 << 16));
    assert_eq!(
        (copied.freed_bytes, copied.reclaimable_bytes),
        (after.freed_bytes, 0)
    );
    assert_eq!(client.get("/kept").unwrap(), kept);
    let package = client.try_package(&fields("p", "1").file_name).unwrap();
    assert_eq!(package.unwrap().1, gone[..2 << 20]);
    client.put("/again", &gone);
    assert_eq!(client.get("/again").unwrap(), gone);
    assert_eq!(client.gc().chunks, 0);
    client.assert_clean();
}

/// Uploads that share, deletes, and reclaiming between.
fn work(client: &Client, sim: &Sim, history: &History, noise: &mut Noise) {
    let shared = noise.bytes(9_000);
    for i in 0..3 {
        let mut bytes = noise.bytes([500, 9_000, 30_000][i]);
        bytes.extend(&shared);
        assert!(history.put(client, sim, &format!("/f{i}"), bytes));
    }
    let (one, other) = (noise.below(3), noise.below(3));
    history.delete(client, sim, &format!("/f{one}"));
    client.gc();
    assert!(history.put(client, sim, &format!("/f{other}"), shared.clone()));
    assert!(history.add(client, sim, &format!("package{}", noise.next()), shared));
    client.gc();
}

// The plug is pulled anywhere while space is given back: what is punched may be punched, or not, or
// in part, whatever else of the last moments is on the disk. A hole that comes before the commit that
// frees it, or under what a file needs, loses that file.
// Every image holds all that was acknowledged, verifies clean, and is left with nothing to punch.
#[test]
fn every_crash_image_of_reclaiming_holds_what_was_acknowledged() {
    let (sim, history) = (new_sim(), History::default());
    let start = sim.image();
    let clock = Clock::at(1_000);
    let mut noise = Noise::new(17);
    for _ in 0..3 {
        let client = open(&sim, &clock);
        work(&client, &sim, &history, &mut noise);
        client.assert_clean();
    }
    let log = sim.log();
    assert!(punches(&sim) > 5, "{} holes", punches(&sim));
    let mut tried = 0_u32;
    images(&start, &log, 10, |image| {
        let allowed = history.allowed(&log, image.at);
        let what = format!("crash behind operation {}", image.at);
        let client = try_open(&Sim::of_image(image.bytes.clone()), &Clock::at(4_000));
        let client = client.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(!is_pending(&client), "{what}");
        client.gc();
        client.assert_clean();
        drop(client);
        assert_survives(image.bytes, &allowed, &what);
        tried += 1;
    });
    println!("crash images of reclaiming tried: {tried}, losses: 0");
    assert!(tried > 100, "only {tried} images");
}

// The commit that frees is durable, and the process dies before a single hole is punched. If that
// were forgotten, the space would be lost: nothing is freed twice.
// The next opening punches, and an opening without the index does, too.
#[test]
fn a_crash_behind_the_commit_is_finished_at_the_next_opening() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/gone", &noise(1, 300_000));
    client.put("/kept", &noise(2, 100_000));
    client.delete("/gone");
    sim.fail_for_ever(Call::Punch, Failure::Io);
    let report = client.gc();
    assert_eq!((report.freed_bytes, report.punched_bytes), (300_000, 0));
    assert!(is_pending(&client));
    client.assert_clean();
    drop(client);
    assert_eq!(punches(&sim), 0);
    sim.mend();
    let client = open(&sim, &Clock::at(2_000));
    assert!(punches(&sim) > 0 && !is_pending(&client));
    assert_eq!(client.get("/kept").unwrap(), noise(2, 100_000));
    assert_eq!(client.gc().chunks, 0, "nothing is freed twice");
    client.assert_clean();
}

// A punch whose sync fails may be lost, and so may everything else: writing is over until the store
// is opened again, and nothing that was acknowledged is gone then.
#[test]
fn a_failing_disk_loses_nothing_while_space_is_given_back() {
    for after in 0..6 {
        for call in [Call::Sync, Call::Write] {
            let (sim, history) = (new_sim(), History::default());
            let start = sim.image();
            let client = open(&sim, &Clock::at(1_000));
            for i in 0..4 {
                let bytes = noise(i, 40_000);
                assert!(history.put(&client, &sim, &format!("/f{i}"), bytes));
            }
            assert!(history.delete(&client, &sim, "/f1"));
            assert!(history.delete(&client, &sim, "/f3"));
            sim.fail(call, after, Failure::Io);
            let outcome = client.try_gc();
            assert!(
                outcome.is_ok() == client.store.writable().is_ok(),
                "{outcome:?}"
            );
            drop(client);
            let log = sim.log();
            let allowed = history.allowed(&log, log.len());
            assert_survives(
                durable(&start, &log),
                &allowed,
                &format!("{call:?} {after}"),
            );
        }
    }
}

#[test]
fn a_full_disk_has_room_again() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    sim.set_capacity(Some(13 << 20));
    let mut names = Vec::new();
    while client
        .try_put(
            &format!("/{}", names.len()),
            &noise(names.len() as u64, 600_000),
        )
        .is_ok()
    {
        names.push(format!("/{}", names.len()));
        assert!(names.len() < 100, "it never gets full");
    }
    assert!(names.len() > 2);
    client.delete("/0");
    client.delete("/1");
    assert!(
        client.try_put("/new", &noise(77, 600_000)).is_err(),
        "deleted is not yet free"
    );
    let report = client.gc();
    assert_eq!(report.freed_bytes, 1_200_000);
    client.put("/new", &noise(77, 600_000));
    assert_eq!(client.get("/new").unwrap(), noise(77, 600_000));
    assert_eq!(client.get("/2").unwrap(), noise(2, 600_000));
    client.assert_clean();
}

// Somebody reads a file slowly; it is deleted, and space is given back. With a hole under the reader
// zeros would be sent where nobody checks any more.
// The reader goes on to the end, byte for byte, and so do bytes that it gave before it was dropped;
// the space is given back when both are gone.
#[test]
fn readers_of_deleted_files_see_no_hole() {
    let dir = tempfile::tempdir().unwrap();
    let client = open_file(&dir.path().join("s.pack"));
    let bytes = noise(5, 3 << 20);
    client.put("/f", &bytes);
    let mut reader = {
        let rows = client.store.rows().unwrap();
        let file = packhold::domain::file(&rows, &address("/f"), 2_000).unwrap();
        client.store.read(&file.unwrap().blob, 0..u64::MAX)
    };
    let mut read: Vec<bytes::Bytes> = reader.next_window().unwrap();
    client.delete("/f");
    let held = client.gc();
    assert_eq!((held.chunks, held.held_bytes), (0, 3 << 20));
    while reader.remaining() > 0 {
        read.extend(reader.next_window().unwrap());
    }
    drop(reader);
    assert_eq!(client.gc().chunks, 0, "the bytes are not sent yet");
    assert!(read.concat() == bytes);
    drop(read);
    assert_eq!(client.gc().freed_bytes, 3 << 20);
    client.assert_clean();
}

// A leaf of a manifest is damaged: nobody can tell which chunks its file needs. To guess would punch
// them. Nothing is freed until the file is mended or deleted.
#[test]
fn with_an_unreadable_manifest_nothing_is_freed() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/damaged", &noise(1, 100_000));
    client.put("/gone", &noise(2, 100_000));
    client.delete("/gone");
    client.store.close();
    drop(client);
    let mut image = sim.image();
    let leaf = frames_of(&image, Kind::Leaf)[0];
    image[usize::try_from(leaf.body_offset()).unwrap() + 50] ^= 1;
    let sim = Sim::of_image(image);
    let client = open(&sim, &Clock::at(2_000));
    let error = client.try_gc().unwrap_err();
    assert!(error.is_damage(), "{error}");
    let stats = client.store.stats().unwrap();
    let counts = (stats.unlisted_blobs, stats.reclaimable_bytes);
    assert_eq!((punches(&sim), counts), (0, (1, 0)));
    client.delete("/damaged");
    assert_eq!(client.gc().freed_bytes, 200_000);
    client.put("/damaged", &noise(1, 100_000));
    assert_eq!(client.get("/damaged").unwrap(), noise(1, 100_000));
    client.assert_clean();
}

/// A closed store with a file of these bytes, of which a chunk has rotted.
pub fn rotten(path: &str, bytes: &[u8]) -> Sim {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put(path, bytes);
    client.store.close();
    drop(client);
    let mut image = sim.image();
    let part = &bytes[9_000..9_064];
    let at = image.windows(64).position(|window| window == part);
    image[at.expect("it is there")] ^= 1;
    Sim::of_image(image)
}

// A chunk rotted and was mended by an upload: its files read the copy, which no manifest names.
// The copy lives as long as the damaged chunk, and goes with it.
#[test]
fn copies_of_damaged_chunks_live_as_long_as_they_are_needed() {
    let bytes = noise(3, 20_000);
    let client = open(&rotten("/f", &bytes), &Clock::at(2_000));
    assert!(client.try_get("/f").is_err());
    // Another content with the same chunks: that of the file stays as it is.
    client.put("/longer", &[bytes.as_slice(), &noise(4, 9_000)].concat());
    assert_eq!(client.get("/f").unwrap(), bytes);
    client.delete("/longer");
    assert!(client.gc().chunks > 0);
    assert_eq!(client.get("/f").unwrap(), bytes);
    let verified = client.store.verify(false).unwrap();
    assert_eq!((verified.clean, verified.repaired_chunks), (true, 1));
    assert_eq!(client.store.stats().unwrap().reclaimable_bytes, 0);
    client.delete("/f");
    client.gc();
    client.gc();
    let stats = client.store.stats().unwrap();
    assert_eq!((stats.reclaimable_bytes, stats.stored_bytes), (0, 0));
    client.assert_clean();
    client.put("/f", &bytes);
    assert_eq!(client.get("/f").unwrap(), bytes);
    client.assert_clean();
}

#[test]
fn what_a_deletion_would_free_is_what_it_frees() {
    let client = open(&new_sim(), &Clock::at(1_000));
    let part = |seed| noise(seed, 20_000);
    client.put("/a/one", &[part(1), part(2)].concat());
    client.put("/a/deep/two", &[part(2), part(3)].concat());
    client.put("/b/three", &[part(3), part(4)].concat());
    client.put("/b/four", &part(5));
    client.add(fields("p", "1"), &part(5));
    for path in ["/b/four", "/a/one", "/a/deep/two", "/b/three"] {
        let would = packhold::domain::would_free(&client.store, &address(path)).unwrap();
        let explained = client.store.explain(&client.sha256(path).unwrap()).unwrap();
        assert!(
            explained
                .content
                .unwrap()
                .files
                .contains(&format!("/project/repo{path}"))
        );
        let before = client.store.stats().unwrap().reclaimable_bytes;
        client.delete(path);
        let after = client.store.stats().unwrap().reclaimable_bytes;
        assert_eq!(after - before, would.freed_bytes, "{path}");
        assert_eq!(would.files, 1);
    }
    let root = packhold::domain::would_free(&client.store, &address("")).unwrap();
    assert_eq!((root.files, root.freed_bytes), (0, 0));
    assert_eq!(client.gc().live_bytes, 20_000, "the package");
}
