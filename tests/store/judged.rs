//! What a verification makes of damage: what it counts, tells once and names, and what is no copy to mend from.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use packhold::digest::sha256;
use packhold::format::meta::{Freed, Mutation};
use packhold::format::record::{FRAME_BYTES, Frame, Kind};
use packhold::format::scan::View;
use packhold::format::segment::ENTRY_BYTES;
use packhold::index::{Index, IndexError, Place};
use packhold::pack::Sink;
use packhold::store::{
    DamageReport, DamagedFile, Options, Rate, Sample, SampleSize, Store, StoreError, VerifyOptions,
    VerifyReport, index_path,
};
use parking_lot::Mutex;

use crate::checkpoints::nothing;
use crate::joined::{cut_into, tiny_sim};
use crate::support::client::{Client, Clock, PACK_ID, fields, new_sim, open, options};
use crate::support::log::{at, frames_of};
use crate::support::noise::noise;
use crate::support::sim::Sim;

/// Bits that may flip without a CRC-32 seeing it: its polynomial.
const UNSEEN: [u8; 5] = [0x41, 0x06, 0x71, 0xDB, 0x01];

/// Flips bits of the pack, whether a store has it open or not.
pub fn rot(sim: &Sim, at: u64, bits: &[u8]) {
    let bytes = View::read(sim, at, bits.len()).expect("these bytes");
    let rotten: Vec<u8> = bytes
        .iter()
        .zip(bits)
        .map(|(byte, bit)| byte ^ bit)
        .collect();
    Sink::write_at(sim, at, &[IoSlice::new(&rotten)]).expect("they are written");
}

/// Puts a file that is new and has some chunks; gives their segment.
pub fn put(sim: &Sim, client: &Client, path: &str, bytes: &[u8]) -> Frame {
    let at = client.store.vitals().pack_bytes;
    client.put(path, bytes);
    let frame = View::read(sim, at, FRAME_BYTES).expect("a frame");
    let frame = Frame::decode(&frame, &PACK_ID, at).expect("a frame");
    assert_eq!(frame.kind, Kind::Segment);
    frame
}

/// The same; its chunks then lie in the pack once more, in a segment that nothing refers to.
pub fn put_twice(sim: &Sim, client: &Client, path: &str, bytes: &[u8]) -> Frame {
    let segment = put(sim, client, path, bytes);
    // Nobody finds what is in a segment of which the frame is damaged.
    rot(sim, segment.offset + 20, &[1]);
    let again = client.put(path, bytes);
    assert_eq!(again.new_bytes, bytes.len() as u64, "stored once more");
    rot(sim, segment.offset + 20, &[1]);
    segment
}

/// A file of the repository that tests use.
pub fn damaged_file(path: &str, reason: &str) -> DamagedFile {
    DamagedFile {
        project: "project".to_owned(),
        repo: "repo".to_owned(),
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn new_store() -> (Sim, Client) {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    (sim, client)
}

fn verify(client: &Client, repair: bool) -> VerifyReport {
    let report = client.store.verify(repair);
    report.expect("it can be verified")
}

/// What was told of long work: what, how much is done, of how much.
type Told = Arc<Mutex<Vec<(&'static str, u64, u64)>>>;

fn open_told(sim: &Sim) -> (Client, Told) {
    let told = Told::default();
    let heard = Arc::clone(&told);
    let options = Options {
        progress: Arc::new(move |what, done, of| heard.lock().push((what, done, of))),
        ..options(&Clock::at(1_000))
    };
    let store = Store::open_on(sim.reopened().medium(), Place::Memory, options);
    let store = store.expect("the pack opens");
    (Client { store }, told)
}

#[test]
fn a_report_counts_what_was_looked_at() {
    let sim = tiny_sim();
    let (client, told) = open_told(&sim);
    // The one is of more pieces than are read at once.
    let (many, few) = (cut_into(1, 1_100), noise(2, 500));
    client.put("/many", &many);
    client.put("/few", &few);
    client.put("/same", &few);
    client.add(fields("package", "1"), &few);
    told.lock().clear();
    let report = verify(&client, false);
    let segments = frames_of(&sim.image(), Kind::Segment);
    let tables = segments.iter().map(|frame| frame.head_bytes as usize);
    let chunks: u64 = tables.map(|bytes| (bytes / ENTRY_BYTES) as u64).sum();
    assert!(chunks > 1_100);
    assert_eq!((report.chunks, report.blobs), (chunks, 2));
    assert_eq!((report.files, report.packages), (3, 1));
    let told = told.lock();
    let read = told.iter().filter(|(what, ..)| *what == "reading files");
    let read: Vec<(u64, u64)> = read.map(|(_, done, of)| (*done, *of)).collect();
    let total = (many.len() + few.len()) as u64;
    assert!(read.len() > 2 && read.is_sorted(), "{read:?}");
    assert!(read.iter().all(|(_, of)| *of == total), "{read:?}");
    assert_eq!(read.last(), Some(&(total, total)));
}

#[test]
fn all_damaged_chunks_are_counted_and_a_thousand_are_told() {
    let sim = tiny_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/f", &cut_into(1, 1_100));
    for segment in frames_of(&sim.image(), Kind::Segment) {
        let payload_bytes = segment.body_bytes - u64::from(segment.head_bytes);
        rot(&sim, segment.payload_offset(), &vec![1; at(payload_bytes)]);
    }
    let report = verify(&client, false);
    let counts = (report.damaged_chunks, report.lacking_chunks.len());
    assert_eq!(counts, (1_100, 1_100));
    assert_eq!(report.unlisted_chunks, 0);
    assert_eq!(
        (report.damages.len(), report.damaged_files.len()),
        (1_000, 1)
    );
}

// The chain breaks there, and what the commit holds fails its checksum: that is one damaged place.
#[test]
fn a_damaged_commit_is_told_once() {
    let (sim, client) = new_store();
    for (seed, path) in (1..).zip(["/a", "/b", "/c"]) {
        client.put(path, &noise(seed, 500));
    }
    let commit = frames_of(&sim.image(), Kind::Commit)[1];
    rot(&sim, commit.body_offset() + 70, &[1]);
    let report = verify(&client, false);
    assert_eq!(report.damages.len(), 1, "{report:?}");
    let place = format!("at offset {}: ", commit.offset);
    assert!(report.damages[0].starts_with(&place), "{report:?}");
    assert!(!report.clean);
    // Both the survey and the look at each record find it.
    assert_eq!(report.damaged_places, 1);
}

// A CRC finds most of what rots. What it cannot see the sha256 of the chunk does, and that of the file.
#[test]
fn rot_that_fits_the_crc_is_found() {
    let (sim, client) = new_store();
    let segment = put(&sim, &client, "/f", &noise(1, 500));
    let sound = sim.image();
    rot(&sim, segment.payload_offset() + 10, &UNSEEN);
    let payload = at(segment.payload_offset())..at(segment.payload_offset()) + 256;
    let crc = |image: &[u8]| crc32fast::hash(&image[payload.clone()]);
    assert_eq!(crc(&sound), crc(&sim.image()));
    let report = verify(&client, false);
    assert_eq!((report.damaged_chunks, report.damages.len()), (1, 1));
    let file = damaged_file("/f", "its bytes do not fit its sha256");
    assert_eq!(report.damaged_files, [file]);
}

// The leaf that says where the chunks of a file lie is damaged; no chunk is.
#[test]
fn files_with_a_damaged_manifest_are_named_by_a_sample_too() {
    let (sim, client) = new_store();
    client.put("/f", &noise(7, 60_000));
    client.put("/other", &noise(8, 500));
    let leaf = frames_of(&sim.image(), Kind::Leaf)[0];
    rot(&sim, leaf.body_offset() + 50, &[1]);
    let all = Sample {
        size: SampleSize::Share(1_000_000),
        seed: 1,
    };
    for sample in [None, Some(all)] {
        let options = VerifyOptions {
            sample,
            ..VerifyOptions::default()
        };
        let report = client.store.verify_with(&options).expect("verified");
        let paths: Vec<&str> = report.damaged_files.iter().map(|f| &*f.path).collect();
        assert_eq!(paths, ["/f"], "{report:?}");
        assert_eq!((report.files, report.damaged_chunks), (2, 0));
    }
}

#[test]
fn a_file_whose_content_is_not_known_is_named() {
    let (_, client) = new_store();
    client.put("/f", &noise(1, 500));
    client.put("/other", &noise(2, 500));
    client.commit(vec![Mutation::Freed(Freed {
        blobs: vec![sha256(&noise(1, 500))],
        ..Freed::default()
    })]);
    let report = verify(&client, false);
    let file = damaged_file("/f", "its content is not known");
    assert_eq!(report.damaged_files, [file]);
    assert!(!report.clean && report.damages.is_empty());
}

// A disk may give back what it could not read before.
#[test]
fn what_is_sound_again_is_no_longer_told_to_be_damaged() {
    let (sim, client) = new_store();
    let segment = put(&sim, &client, "/f", &noise(1, 500));
    rot(&sim, segment.payload_offset(), &[1]);
    assert_eq!(verify(&client, false).damaged_chunks, 1);
    let damage = || client.store.damage().expect("it is told");
    assert_eq!(damage().lacking_chunks.len(), 1);
    rot(&sim, segment.payload_offset(), &[1]);
    assert_eq!(damage(), DamageReport::default());
    assert_eq!(client.store.vitals().lacking_chunks, 0);
}

// A chunk lies in the pack twice. The second copy is given back; its bytes are still there, since they share a
// block of the disk with others. Then the first one rots. Whoever took the second for a copy would lead the
// file to where nothing is kept for it.
#[test]
fn what_was_given_back_is_no_copy_to_mend_from() {
    let (sim, client) = new_store();
    let bytes = noise(1, 500);
    let segment = put_twice(&sim, &client, "/f", &bytes);
    assert_eq!(client.gc().freed_bytes, 500);
    let image = sim.image();
    let places = image.windows(bytes.len()).filter(|part| *part == bytes);
    assert_eq!(places.count(), 2, "nothing is punched");
    rot(&sim, segment.payload_offset(), &[1]);
    let report = verify(&client, true);
    assert_eq!((report.damaged_chunks, report.repaired_chunks), (1, 0));
    assert!(client.try_get("/f").is_err() && !report.clean);
}

/// Takes the row of one chunk out of the index of a pack; gives how many it had.
fn drop_a_row(pack: &Path) -> u64 {
    let index = Index::open(&Place::File(index_path(pack)), 1 << 20).expect("an index");
    let mut rows = Vec::new();
    let reader = index.reader().expect("a snapshot");
    let read = reader.each_chunk::<IndexError>(|key, own| {
        rows.push((key, own));
        Ok(())
    });
    read.expect("it is readable");
    drop(reader);
    let batch = index.begin().expect("it can be changed");
    let dropped = batch.tables().drop_chunks(&rows[..1]);
    dropped.expect("it is changed");
    batch.commit(true).expect("it lasts");
    rows.len() as u64
}

// The row of a chunk is missing. When the verification has seen that, and before it looks for the reason, the
// chunk is given back: it needs no row any more.
#[test]
fn a_chunk_that_was_given_back_meanwhile_needs_no_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = folder.path().join("s.pack");
    let open = |rebuild| {
        let options = Options {
            rebuild,
            ..options(&Clock::at(1_000))
        };
        let store = Store::open(&pack, options).expect("it opens");
        Client { store }
    };
    let client = open(false);
    client.put("/f", &noise(1, 20_000));
    client.store.close();
    drop(client);
    // With an index that has the rows of all chunks.
    open(true).store.close();
    let chunks = drop_a_row(&pack);
    let client = open(false);
    assert_eq!(verify(&client, false).index_errors.len(), 1);
    let (beside, is_gone) = (client.clone(), AtomicBool::new(false));
    let options = VerifyOptions {
        // Asked first behind the slice with all the chunks.
        stop: Arc::new(move || {
            if !is_gone.swap(true, Ordering::Relaxed) {
                beside.delete("/f");
                assert_eq!(beside.gc().freed_bytes, 20_000);
            }
            false
        }),
        ..VerifyOptions::default()
    };
    let report = client.store.verify_with(&options).expect("verified");
    assert!(report.clean && report.chunks == chunks, "{report:?}");
}

/// A store with a hundred records.
fn hundred() -> (Client, Told) {
    let (client, told) = open_told(&new_sim());
    for _ in 0..100 {
        client.commit(vec![nothing()]);
    }
    told.lock().clear();
    (client, told)
}

#[test]
fn whether_to_stop_is_not_asked_at_every_record() {
    let (client, _) = hundred();
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    let options = VerifyOptions {
        stop: Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            false
        }),
        ..VerifyOptions::default()
    };
    let report = client.store.verify_with(&options).expect("verified");
    assert!((64..127).contains(&report.records), "{report:?}");
    let asked = asked.load(Ordering::Relaxed);
    assert!((2..10).contains(&asked), "{asked}");
}

// Frames are stepped over first. At the least rate that takes some seconds for so many, however slow the
// machine is itself; who waits is asked whether to stop, and no record is looked into by then.
#[test]
fn stepping_over_frames_keeps_to_the_rate() {
    let (client, told) = hundred();
    let asked = AtomicU64::new(0);
    let options = VerifyOptions {
        rate: Rate::new(1 << 16),
        stop: Arc::new(move || asked.fetch_add(1, Ordering::Relaxed) == 3),
        ..VerifyOptions::default()
    };
    let stopped = client.store.verify_with(&options);
    assert!(matches!(stopped, Err(StoreError::Closed)), "{stopped:?}");
    let told = told.lock();
    assert!(told.is_empty(), "{told:?}");
}
