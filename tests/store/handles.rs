//! What the handles of a store and of its copies promise: ends of copies and what they lack, contents that
//! are held, and the end of all changes.

use std::path::Path;
use std::sync::mpsc::channel;

use packhold::digest::sha256;
use packhold::domain::DomainError;
use packhold::format::commit::decode_head;
use packhold::format::header::{HEADER_BYTES, PackHeader};
use packhold::format::meta::{Blob, Mutation, User};
use packhold::format::record::Kind;
use packhold::format::scan;
use packhold::index::Rows;
use packhold::store::{Copy, CopyEnd, StoreError, Stretch};

use crate::joined::tiny_sim;
use crate::support::client::{Client, Clock, PACK_ID, SMALL, new_sim, open};
use crate::support::log::{at, frames, frames_of};
use crate::support::noise::noise;
use crate::support::sim::Sim;
use crate::support::work::Scene;

/// A closed pack of several commits.
fn story() -> Vec<u8> {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    for (n, len) in [(1, 0), (2, 700), (3, 30_000), (4, 90_000)] {
        client.put(&format!("/f{n}"), &noise(n, len));
    }
    client.store.close();
    drop(client);
    sim.image()
}

fn copy_of(image: &[u8]) -> Copy {
    let medium = Sim::of_image(image.to_vec()).medium();
    Copy::open_on(Path::new("nowhere"), medium).expect("it opens")
}

/// Where copies of a pack may end: behind each commit, and how long such a copy is.
fn ends(image: &[u8]) -> Vec<(CopyEnd, u64)> {
    let commits = frames_of(image, Kind::Commit);
    let end = commits.iter().map(|frame| {
        let head = decode_head(&image[at(frame.body_offset())..]).expect("a head");
        let (commit, chain) = (frame.offset, head.chain);
        (CopyEnd { commit, chain }, frame.next_offset())
    });
    end.collect()
}

fn bytes_of(stretch: Stretch) -> Vec<u8> {
    let left = stretch.left();
    let pieces = stretch.map(|piece| piece.expect("it is readable"));
    let bytes: Vec<u8> = pieces.flatten().collect();
    assert_eq!(bytes.len() as u64, left);
    bytes
}

/// Asserts what somebody lacks who ends so, by the copy and by the store that have this image; `None` is
/// somebody else's pack.
fn assert_lacks(image: &[u8], end: Option<&CopyEnd>, lacks: Option<&[u8]>) {
    let lacking = copy_of(image).lacking(end);
    assert!(lacking.map(bytes_of).as_deref() == lacks, "{end:?}");
    let client = open(&Sim::of_image(image.to_vec()), &Clock::at(2_000));
    let lacking = client.store.lacking(end).expect("it can be asked");
    assert!(lacking.map(bytes_of).as_deref() == lacks, "{end:?}");
}

#[test]
fn a_copy_knows_its_end_and_what_others_lack_of_it() {
    let image = story();
    let (all, ends) = (frames(&image).0, ends(&image));
    assert_eq!(ends.len(), 5, "four files and a seal");
    for (end, len) in &ends {
        let copy = copy_of(&image[..at(*len)]);
        assert_eq!((copy.end(), copy.bytes()), (*end, *len));
        let last = all.iter().find(|frame| frame.offset == end.commit);
        assert_eq!(copy.last_seq(), last.expect("a commit").seq);
        assert_lacks(&image, Some(end), Some(&image[at(*len)..]));
    }
    let whole = copy_of(&image);
    assert_eq!(whole.last_seq() + 1, all.len() as u64);
    assert_eq!(whole.bytes(), image.len() as u64);
    // One that was just made, and one that is still to be made.
    let empty = copy_of(&image[..HEADER_BYTES]);
    assert_eq!((empty.last_seq(), empty.bytes()), (0, HEADER_BYTES as u64));
    assert_eq!(empty.end().commit, 0);
    assert_lacks(&image, Some(&empty.end()), Some(&image[HEADER_BYTES..]));
    assert_lacks(&image, None, Some(&image));
}

#[test]
fn who_ends_otherwise_is_no_copy() {
    let image = story();
    let ends = ends(&image);
    let (end, len) = ends[2];
    let mut other = end;
    other.chain[31] ^= 1;
    let segment = frames_of(&image, Kind::Segment)[1].offset;
    let stranger = PackHeader::new(*b"another-testing!", 7, SMALL).encode();
    let none = [
        // Another history up to the same commit, and another commit's.
        other,
        CopyEnd {
            commit: ends[1].0.commit,
            ..end
        },
        // Not behind a commit.
        CopyEnd {
            commit: segment,
            ..end
        },
        CopyEnd {
            commit: end.commit + 8,
            ..end
        },
        CopyEnd {
            commit: image.len() as u64,
            ..end
        },
        CopyEnd {
            commit: u64::MAX,
            ..end
        },
        // Nothing of another pack, and nothing at all with something of a history.
        copy_of(&stranger).end(),
        CopyEnd { commit: 0, ..end },
    ];
    for end in &none {
        assert_lacks(&image, Some(end), None);
    }
    // Nor is who has more.
    let early = &image[..at(len)];
    assert_lacks(early, Some(&end), Some(&[]));
    for (end, _) in &ends[3..] {
        assert_lacks(early, Some(end), None);
    }
}

// The power fails, and of the last upload only the commit reaches the disk. It is whole, and its place is
// behind the end of the pack: what was torn before it is not there.
#[test]
fn a_commit_behind_the_end_of_a_pack_is_the_end_of_no_copy() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    client.put("/first", &noise(1, 9_000));
    client.put("/second", &noise(2, 9_000));
    let mut image = sim.image();
    let ends = ends(&image);
    let [(first, len), (second, _)] = ends[..] else {
        panic!("{ends:?}");
    };
    let segment = frames_of(&image, Kind::Segment)[1];
    image[at(segment.payload_offset())] ^= 1;
    let view = Sim::of_image(image.clone());
    let behind = scan::position_behind(&view, &PACK_ID, second.commit);
    let behind = behind.expect("else this tests nothing");
    assert_eq!(behind.chain, second.chain);
    let copy = copy_of(&image);
    assert_eq!((copy.end(), copy.bytes()), (first, len));
    assert!(copy.lacking(Some(&second)).is_none());
    let same = copy.lacking(Some(&first)).expect("its own end");
    assert_eq!(same.left(), 0);
}

#[test]
fn the_largest_chunk_is_as_the_pack_was_made() {
    let largest = |sim: &Sim| open(sim, &Clock::at(1_000)).store.largest_chunk();
    assert_eq!(largest(&new_sim()), 4_096);
    assert_eq!(largest(&tiny_sim()), 1_024);
}

fn known(client: &Client, bytes: &[u8]) -> Option<Blob> {
    let rows = client.store.rows().expect("rows");
    rows.blob(&sha256(bytes)).expect("a row")
}

/// A content that is there and sound; asserts that it is the one that is known.
fn sound(client: &Client, bytes: &[u8]) -> Option<Blob> {
    let found = client.store.sound_blob(&sha256(bytes)).expect("asked");
    let found = found.map(|(blob, _)| blob);
    assert!(found.is_none() || found == known(client, bytes));
    found
}

fn read(client: &Client, blob: &Blob) -> Vec<u8> {
    let mut reader = client.store.read(blob, 0..blob.size);
    let mut bytes = Vec::new();
    while reader.remaining() > 0 {
        let window = reader.next_window().expect("it is readable");
        window.iter().for_each(|part| bytes.extend_from_slice(part));
    }
    bytes
}

// Somebody found a content, and is about to refer to it when its last file is deleted and reclaimed.
#[test]
fn a_sound_content_is_held_until_its_pins_are_dropped() {
    let client = open(&new_sim(), &Clock::at(1_000));
    let bytes = noise(1, 60_000);
    client.put("/f", &bytes);
    let found = client.store.sound_blob(&sha256(&bytes)).expect("asked");
    let (blob, pins) = found.expect("it is there");
    assert_eq!(known(&client, &bytes).as_ref(), Some(&blob));
    client.delete("/f");
    for blobs in [1, 0] {
        let held = client.gc();
        assert_eq!((held.blobs, held.held_bytes), (blobs, 60_000));
        assert_eq!((held.chunks, held.manifests), (0, 0));
        assert!(read(&client, &blob) == bytes);
    }
    assert_eq!(
        sound(&client, &bytes),
        None,
        "nobody else finds it any more"
    );
    drop(pins);
    let freed = client.gc();
    assert_eq!((freed.freed_bytes, freed.held_bytes), (60_000, 0));
    assert_eq!(freed.manifests, 2, "a leaf and a root");
    client.assert_clean();
}

#[test]
fn only_contents_that_can_be_read_are_sound() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let (bytes, other) = (noise(1, 60_000), noise(2, 30_000));
    client.put("/f", &bytes);
    client.put("/other", &other);
    client.put("/empty", b"");
    client.store.close();
    for bytes in [bytes.as_slice(), other.as_slice(), b"".as_slice()] {
        let blob = sound(&client, bytes).expect("it is there");
        assert_eq!(blob.size, bytes.len() as u64);
    }
    assert_eq!(sound(&client, b"another"), None);
    drop(client);
    let image = sim.image();
    let payload = frames_of(&image, Kind::Segment)[0].payload_offset();
    let [leaf, root] = [Kind::Leaf, Kind::Root].map(|kind| frames_of(&image, kind)[0]);
    // A chunk at the start and one in the middle, and both parts of the manifest.
    let places = [
        payload,
        payload + 30_000,
        leaf.body_offset() + 50,
        root.body_offset() + 40,
    ];
    for place in places {
        let mut bad = image.clone();
        bad[at(place)] ^= 1;
        let client = open(&Sim::of_image(bad), &Clock::at(2_000));
        assert_eq!(sound(&client, &bytes), None, "{place}");
        assert!(sound(&client, &other).is_some(), "{place}");
        // Chunks are mended by any upload that has them, a manifest by one of the same content.
        client.put("/longer", &[bytes.as_slice(), &noise(3, 9_000)].concat());
        let is_chunk = place < leaf.offset;
        assert_eq!(sound(&client, &bytes).is_some(), is_chunk, "{place}");
        client.put("/again", &bytes);
        let blob = sound(&client, &bytes).expect("it is mended");
        assert!(read(&client, &blob) == bytes, "{place}");
    }
}

fn is_closed<T>(made: &Result<T, DomainError>) -> bool {
    matches!(made, Err(DomainError::Store(StoreError::Closed)))
}

#[test]
fn a_closed_store_refuses_changes_and_is_read_on() {
    let scene = Scene::new();
    let client = scene.open().expect("it opens");
    let bytes = noise(1, 30_000);
    client.put("/f", &bytes);
    let other = client.clone();
    client.store.close();
    client.assert_clean();
    // Whoever has it, and however often.
    for client in [&client, &other] {
        assert!(is_closed(&client.try_put("/late", b"late")));
        assert!(is_closed(&client.try_put("/f", b"another")));
        assert!(is_closed(&client.try_delete("/f")));
        assert!(matches!(client.try_gc(), Err(StoreError::Closed)));
        assert!(client.get("/f").as_ref() == Some(&bytes));
        assert_eq!(client.get("/late"), None);
        client.store.close();
    }
    drop((client, other));
    let client = scene.open().expect("it opens");
    let report = client.store.open_report();
    assert_eq!((report.rebuilt, report.replayed_commits), (false, 0));
    assert!(client.get("/f") == Some(bytes));
    assert_eq!(client.get("/late"), None);
    client.assert_clean();
}

fn user(name: String) -> Mutation {
    Mutation::UserPut(User {
        name,
        password_phc: String::new(),
        admin: false,
        created_ms: 7,
    })
}

// Closing waits for what others have asked for: it is made, and they hear of it before closing is over.
#[test]
fn what_was_submitted_before_closing_is_made_and_nothing_behind_it() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let (sender, outcomes) = channel();
    let submit = |n: usize| {
        let (sender, user) = (sender.clone(), user(format!("user{n:02}")));
        client.store.submit::<(), DomainError>(
            move |_, _| Ok((vec![user.clone()], ())),
            move |outcome| sender.send((n, outcome)).expect("somebody waits"),
        );
    };
    (0..20).for_each(submit);
    client.store.close();
    let made: Vec<_> = outcomes.try_iter().collect();
    let numbers: Vec<usize> = made.iter().map(|(n, _)| *n).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<usize>>());
    let is_made = made.iter().all(|(_, made)| matches!(made, Ok(Ok(()))));
    assert!(is_made, "{made:?}");
    submit(20);
    let late: Vec<_> = outcomes.try_iter().collect();
    assert!(
        matches!(&late[..], [(20, Err(StoreError::Closed))]),
        "{late:?}"
    );
    let last = frames(&sim.image()).0.pop().expect("a record");
    let head = decode_head(&sim.image()[at(last.body_offset())..]).expect("a head");
    assert_eq!((last.kind, head.mutations), (Kind::Commit, 0), "a seal");
    drop(client);
    let client = open(&sim, &Clock::at(2_000));
    let rows = client.store.rows().expect("rows");
    let users = rows.users(None, 100).expect("rows");
    assert_eq!(users.len(), 20);
}
