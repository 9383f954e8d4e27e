//! Packs of every format version are kept for ever, and what this version writes does not change.
//!
//! `PACKHOLD_BLESS=1 cargo test --test store golden` writes the fixture of the current version
//! where there is none that fits.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use packhold::digest::Wanted;
use packhold::domain;
use packhold::domain::quota::Usage;
use packhold::format::meta::{ManifestRef, Mutation, Relocated, User};
use packhold::format::record::Kind;
use packhold::index::Rows;

use crate::support::client::{Client, Clock, new_sim, open, upload};
use crate::support::log::{at, frames_of};
use crate::support::noise::noise;
use crate::support::sim::Sim;

/// What each fixture holds: name of the fixture, and its files with their sha256.
const FIXTURES: &[(&str, &[(&str, &str)])] = &[
    ("v1.pack", V1),
    ("v1-trees.pack", TREES),
    ("v1-packages.pack", PACKAGES),
];

/// What is reachable in the repository of these tests; see `golden_packages` for the rest.
const PACKAGES: &[(&str, &str)] = &[
    (
        "/first",
        "d082dadf1c16bd41edb436e1dc7ef14695f9ad8820344b9f739904a1e0e48e93",
    ),
    (
        "/later",
        "5ff135f1a0a863cf7ab38b451209d1fd5b9024ae9f4cbf12aa49bd457a1dddca",
    ),
];

/// The same; see `golden_trees` for the rest.
const TREES: &[(&str, &str)] = &[("/empty", EMPTY)];
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const V1: &[(&str, &str)] = &[
    ("/empty", EMPTY),
    (
        "/inline",
        "283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5",
    ),
    (
        "/folder/deep/root",
        "7f398175d106d4e55761769ddadc3499e87d349525078bb3d2d3ca43fdebf8d8",
    ),
    (
        "/overwritten",
        "68e039c7bb40943e153199a9e1644e1ec5b8a42e39034c41d59fc8a0c8f6f197",
    ),
    (
        "/twice/a",
        "e86682298a907a3808f7830f85d97139eb1a24344e720efaad0ec111087263e7",
    ),
    (
        "/twice/b",
        "e86682298a907a3808f7830f85d97139eb1a24344e720efaad0ec111087263e7",
    ),
    (
        "/with metadata",
        "a8a723f1875a801ce3cbd1992a09d6b289df44e02c47d1c5ca01c3120285a744",
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The bytes of a fixture.
pub fn image(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

/// A fixture, opened long after.
pub fn fixture(name: &str) -> Client {
    open(&Sim::of_image(image(name)), &Clock::at(1_800_000_000_000))
}

/// Asserts that what `build` writes is the fixture; with `PACKHOLD_BLESS` it becomes so.
pub fn assert_written_as_ever(name: &str, build: impl Fn() -> Vec<u8>) {
    if std::env::var_os("PACKHOLD_BLESS").is_some() {
        fs::write(folder().join(name), build()).unwrap();
    }
    let fixture = image(name);
    assert!(fixture.len() <= 64 << 10, "{} bytes", fixture.len());
    // A machine that stands still for a quarter of a second makes an upload flush its chunks early.
    let built = (0..5).map(|_| build()).find(|built| *built == fixture);
    assert!(built.is_some(), "what is written has changed");
}

/// A small store with one of everything, the same on every run.
fn build() -> Vec<u8> {
    let sim = new_sim();
    let clock = Clock::at(1_700_000_000_000);
    let client = open(&sim, &clock);
    client.put("/empty", b"");
    client.put("/inline", b"a small file\n");
    client.put("/folder/deep/root", &noise(1, 24_000));
    client.put("/overwritten", &noise(2, 1_500));
    client.put("/deleted", b"not for long");
    client.put("/overwritten", &noise(3, 1_600));
    client.delete("/deleted");
    let mut rich = upload("/with metadata");
    rich.metadata = vec![("key".to_owned(), "value".to_owned())];
    client.send(rich, b"and a name with a blank", 100).unwrap();
    client.commit(vec![Mutation::UserPut(User {
        name: "admin".to_owned(),
        password_phc: "$argon2id$not a hash".to_owned(),
        admin: true,
        created_ms: 1_700_000_000_000,
    })]);
    client.store.close();
    drop(client);
    let client = open(&sim, &clock);
    put_twice(&client);
    relocate(&client, &sim);
    client.store.close();
    drop(client);
    sim.image()
}

/// Two uploads at once, so that their chunks lie twice.
fn put_twice(client: &Client) {
    let bytes = Bytes::from(noise(4, 6_000));
    let mut ingests = [0, 1].map(|_| client.store.ingest(Wanted::Md5));
    for ingest in &mut ingests {
        ingest.push(&bytes).unwrap();
    }
    let ingested = ingests.map(|ingest| ingest.finish().unwrap());
    for (path, ingested) in ["/twice/a", "/twice/b"].into_iter().zip(ingested) {
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
}

/// Records that the first chunk of `/twice/a` has a copy.
fn relocate(client: &Client, sim: &Sim) {
    let image = sim.image();
    let segments = frames_of(&image, Kind::Segment);
    let place = |from_last: usize| {
        let frame = segments[segments.len() - from_last];
        frame.body_offset() + u64::from(frame.head_bytes)
    };
    let table = at(segments[segments.len() - 2].body_offset());
    let word = |offset: usize| {
        let bytes = image[table + offset..].first_chunk::<4>();
        u32::from_le_bytes(*bytes.expect("an entry"))
    };
    let relocated = Relocated {
        from: place(2),
        to: place(1),
        stored_len: word(36),
        crc32: word(40),
        codec: 0,
    };
    client.commit(vec![Mutation::Relocated(relocated)]);
}

#[test]
fn the_bytes_on_disk_do_not_change() {
    assert_written_as_ever("v1.pack", build);
}

#[test]
fn every_fixture_opens_with_its_files() {
    for (name, files) in FIXTURES {
        let client = fixture(name);
        let report = client.store.open_report();
        assert_eq!((report.torn_bytes, report.corrupt.len()), (0, 0), "{name}");
        for (path, sha256) in *files {
            let found = client.sha256(path).map(hex::encode);
            assert_eq!(found.as_deref(), Some(*sha256), "{name} {path}");
        }
        if *name == "v1.pack" {
            assert_eq!(client.store.stats().unwrap().files, files.len() as u64);
        }
        client.assert_clean();
    }
}

#[test]
fn the_fixture_has_one_of_everything() {
    let image = image("v1.pack");
    for kind in [Kind::Segment, Kind::Leaf, Kind::Root, Kind::Commit] {
        assert!(!frames_of(&image, kind).is_empty(), "{kind:?}");
    }
    let client = fixture("v1.pack");
    assert_eq!(client.get("/deleted"), None);
    let rows = client.store.rows().unwrap();
    assert!(rows.user("admin").unwrap().unwrap().admin);
    let blob = |path: &str| {
        let address = crate::support::client::address(path);
        let found = domain::file(&rows, &address, client.store.now_ms()).unwrap();
        found.unwrap().blob
    };
    assert_eq!(blob("/empty").manifest, ManifestRef::Empty);
    assert!(matches!(
        blob("/inline").manifest,
        ManifestRef::Inline { .. }
    ));
    let root = blob("/folder/deep/root").manifest;
    assert!(matches!(root, ManifestRef::Root { .. }));
}

#[test]
fn every_fixture_is_listed() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "pack")
        {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(FIXTURES.iter().any(|(listed, _)| *listed == name), "{name}");
        }
    }
}
