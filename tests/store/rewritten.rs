//! What a new pack is made of: all that is alive and all that is still to be forgotten, and no more commits and
//! ids than that takes. And what is told of it, and of what stands in its way.

use std::sync::Arc;
use std::{fs, thread};

use packhold::digest::sha256;
use packhold::domain::{Address, Upload};
use packhold::format::header::{HEADER_BYTES, PackHeader};
use packhold::format::manifest::{self, Piece};
use packhold::format::meta::{
    Blob, ManifestRef, Mutation, Node, NodeId, NodeKind, NodePut, Project, RepoDelete,
};
use packhold::format::scan::{self, Record, ScanError};
use packhold::format::segment::{self, Entry};
use packhold::index::{Place, Rows};
use packhold::pack::PackError;
use packhold::store::{Options, Store, StoreError};
use parking_lot::Mutex;

use crate::carried::Real;
use crate::support::client::{
    Client, Clock, PACK_ID, another_sim, fields, new_sim, open, options, rewritten, upload,
};
use crate::support::log::at;
use crate::support::noise::noise;
use crate::support::sim::Sim;
use crate::support::telling;
use crate::support::work::Scene;

/// The records of a pack, whatever its id.
fn records(pack: &Sim) -> Vec<Record> {
    let image = pack.image();
    let header = PackHeader::decode(&image[..HEADER_BYTES]).expect("a header");
    let (from, end) = (HEADER_BYTES as u64, image.len() as u64);
    let view = Sim::of_image(image);
    let mut records = Vec::new();
    let lost = scan::replay::<_, ScanError>(&view, &header.pack_id, from, end, |record| {
        records.push(record);
        Ok(())
    });
    let lost = lost.expect("a simulated medium reads");
    assert!(lost.is_empty(), "{lost:?}");
    records
}

/// The commits of a pack that change something: their mutations.
fn commits(pack: &Sim) -> Vec<Vec<Mutation>> {
    let mut commits = Vec::new();
    for record in records(pack) {
        if let Record::Commit(_, _, mutations) = record
            && !mutations.is_empty()
        {
            commits.push(mutations);
        }
    }
    commits
}

/// The chunks of a pack, by its tables: where each lies.
fn chunks(pack: &Sim) -> Vec<(u64, Entry)> {
    let mut chunks = Vec::new();
    for record in records(pack) {
        if let Record::Segment(frame, entries) = record {
            let places = segment::layout(&frame, entries);
            chunks.extend(places.map(|(payload, _, entry)| (payload, entry)));
        }
    }
    chunks
}

// Contents come while a store is compacted: new ones, one that a file had before, and one that nothing needed
// any more and that was left behind.
// Each is counted once, whenever it came and however many names it has.
#[test]
fn a_content_is_counted_once_whenever_it_came() {
    let real = Real::new();
    let client = real.open();
    let contents = [1, 2, 3].map(|seed| noise(seed, 60_000));
    let [kept, gone, late] = &contents;
    client.put("/kept", kept);
    client.put("/small", b"small");
    client.put("/gone", gone);
    client.delete("/gone");
    let pause = || {
        for (path, bytes) in [("/a", late), ("/b", kept), ("/c", late), ("/d", gone)] {
            client.put(path, bytes);
        }
    };
    let report = client.store.compact(&real.pack(), pause);
    let report = report.expect("compacted");
    drop(client);
    let client = real.open();
    let stats = client.store.stats().expect("stats");
    assert_eq!((report.contents, stats.blobs), (4, 4));
    assert_eq!(
        (report.chunks, report.chunk_bytes),
        (stats.chunks, stats.stored_bytes)
    );
    assert_eq!(stats.stored_bytes, 180_005);
    client.assert_clean();
}

// All that rows say in one commit would be held in memory at once, and might be larger than a commit may be;
// a commit for each row would take a sync for each.
#[test]
fn rows_go_into_commits_that_are_bounded_and_few() {
    let client = open(&new_sim(), &Clock::at(1_000));
    for number in 0..6 {
        client.commit(vec![Mutation::ProjectPut(Project {
            name: format!("project{number}"),
            display_name: String::new(),
            description: "x".repeat(1 << 20),
            created_by: String::new(),
            created_ms: 0,
        })]);
    }
    let (pack, _) = rewritten(&client, Place::Memory);
    let counts: Vec<usize> = commits(&pack).iter().map(Vec::len).collect();
    assert_eq!(counts, [4, 2]);
}

/// The next ids of nodes and packages.
fn next_ids(client: &Client) -> (u64, u64) {
    let rows = client.store.rows().expect("rows");
    let node = rows.next_node().expect("a row");
    (node, rows.next_package().expect("a row"))
}

#[test]
fn ids_are_used_up_only_if_what_had_them_is_gone() {
    let client = open(&new_sim(), &Clock::at(1_000));
    client.put("/first", b"first");
    client.put("/last", b"last");
    client.add(fields("first", "1"), b"first package");
    let last = client.add(fields("last", "1"), b"last package");
    let used_up = || {
        let (pack, _) = rewritten(&client, Place::Memory);
        let made = commits(&pack).concat();
        let only_for_ids = |mutation: &&Mutation| {
            matches!(mutation, Mutation::TreeCopy(_) | Mutation::PackageDelete(_))
        };
        let count = made.iter().filter(only_for_ids).count();
        assert_eq!(
            next_ids(&open(&pack, &Clock::at(2_000))),
            next_ids(&client),
            "{count}"
        );
        count
    };
    assert_eq!(used_up(), 0);
    client.delete("/last");
    assert_eq!(used_up(), 1);
    client.try_remove(last.id).expect("it is removed");
    assert_eq!(used_up(), 2);
}

// Folders and a repository were deleted, and what was in them is not forgotten yet. A pack that does not say
// so would keep these nodes, and their contents, for ever.
// The new pack has as much to forget, in the same order, and then gives the space back.
#[test]
fn what_is_still_to_be_forgotten_is_forgotten_in_the_new_pack() {
    let client = open(&new_sim(), &Clock::at(1_000));
    let paths = [
        "/kept",
        "/gone/a",
        "/gone/b",
        "/gone/c",
        "/gone/deep/file",
        "/other/file",
    ];
    for (seed, path) in (1..).zip(paths) {
        client.put(path, &noise(seed, 5_000));
    }
    let address = Address::new("project", "another", "/dir/file").expect("a valid address");
    let elsewhere = Upload {
        address,
        ..upload("/file")
    };
    let stored = client.send(elsewhere, &noise(9, 5_000), 5_000);
    stored.expect("it is taken");
    for path in ["/gone", "/other"] {
        client.try_remove_all(path).expect("it is removed");
    }
    client.commit(vec![Mutation::RepoDelete(RepoDelete {
        project: "project".to_owned(),
        name: "another".to_owned(),
    })]);
    let (pack, report) = rewritten(&client, Place::Memory);
    assert_eq!(report.contents, 7);
    let made = open(&pack, &Clock::at(2_000));
    let mut sweeps = 0;
    loop {
        assert_eq!(telling::all(&made), telling::all(&client));
        let goes_on = client.sweep(2);
        assert_eq!(made.sweep(2), goes_on);
        if !goes_on {
            break;
        }
        sweeps += 1;
    }
    // Two full ones and an empty one of `/gone`; one of its folder, of `/other`, of the root, and of its folder.
    assert_eq!(sweeps, 7);
    assert_eq!(made.gc().freed_bytes, 6 * 5_000);
    assert!(made.get("/kept") == Some(noise(1, 5_000)));
    made.assert_clean();
}

// The same while a file is compacted: a folder is deleted when all deleted ones were just swept, and it is not
// yet looked what there is to carry.
#[test]
fn a_folder_that_is_deleted_when_a_compaction_begins_is_forgotten_in_the_new_pack() {
    let real = Real::new();
    let soon: Arc<Mutex<Option<Client>>> = Arc::default();
    let (theirs, clock) = (Arc::clone(&soon), real.clock.clone());
    let here = thread::current().id();
    let client = real.open_as(Options {
        // In between it is asked what time it is.
        clock: Arc::new(move || {
            let is_here = thread::current().id() == here;
            let client = theirs.lock().take_if(|_| is_here);
            if let Some(client) = client {
                client.try_remove_all("/dir").expect("it is removed");
            }
            clock.now_ms()
        }),
        ..real.options()
    });
    client.put("/dir/deep/file", &noise(1, 30_000));
    client.put("/kept", &noise(2, 30_000));
    *soon.lock() = Some(client.clone());
    let made = client.store.compact(&real.pack(), || {});
    made.expect("compacted");
    let before = telling::all(&client);
    drop(client);
    let client = real.open();
    assert_eq!(telling::all(&client), before);
    assert_eq!(client.get("/dir/deep/file"), None);
    assert!(client.sweep(100), "it is still to be forgotten");
    while client.sweep(100) {}
    assert_eq!(client.gc().freed_bytes, 30_000);
    assert!(client.get("/kept") == Some(noise(2, 30_000)));
    client.assert_clean();
}

// A newer version has coded a chunk in a way of its own, and no table tells of it any more. Its digest is that
// of the chunk, and cannot be known: with the digest of what lies there, an upload of these very bytes would
// share it, and the newer version would read others.
// It is carried as it is, counted as damaged, and found by nobody.
#[test]
fn a_coded_chunk_that_no_table_tells_of_is_shared_by_nobody() {
    let pack = new_sim();
    let client = open(&pack, &Clock::at(1_000));
    let gone = noise(1, 200);
    client.put("/gone", &gone);
    client.put("/kept", b"kept");
    client.delete("/gone");
    let image = pack.image();
    let found = image.windows(gone.len()).position(|window| window == gone);
    let (start, coded) = (found.expect("one chunk") as u64, &gone[50..150]);
    let piece = Piece {
        end: 300,
        pack_offset: start + 50,
        stored_len: 100,
        raw_len: 300,
        crc32: crc32fast::hash(coded),
        codec: 7,
        kind: 0,
    };
    let list = manifest::encode(&[piece], &PACK_ID, sha256);
    let blob = Blob {
        sha256: [5; 32],
        size: 300,
        md5: [0; 16],
        crc64: 0,
        sha1: None,
        manifest: ManifestRef::Inline {
            tag: list.tag,
            entries: list.entries,
            pages: list.pages,
        },
    };
    let kind = NodeKind::File {
        sha256: blob.sha256,
        size: blob.size,
    };
    let put = {
        let rows = client.store.rows().expect("rows");
        let repo = rows.repo("project", "repo").expect("a row");
        NodePut {
            parent: repo.expect("a repository").root,
            name: "coded".to_owned(),
            node: Node::bare(NodeId(rows.next_node().expect("a row")), kind),
        }
    };
    client.commit(vec![Mutation::BlobPut(blob), Mutation::NodePut(put)]);
    let (pack, report) = rewritten(&client, Place::Memory);
    assert_eq!((report.chunks, report.damaged_chunks), (2, 1));
    let mut chunks = chunks(&pack);
    chunks.retain(|(_, entry)| entry.codec == 7);
    let [(payload, entry)] = chunks.as_slice() else {
        panic!("{chunks:?}");
    };
    assert_eq!(entry.sha256, [0; 32]);
    let payload = at(*payload);
    assert!(pack.image()[payload..payload + 100] == *coded);
    let made = open(&pack, &Clock::at(2_000));
    assert!(made.try_get("/coded").is_err());
    assert_eq!(made.put("/same", coded).new_bytes, 100);
    assert!(made.get("/same").as_deref() == Some(coded));
    assert_eq!(made.get("/kept").as_deref(), Some(&b"kept"[..]));
}

// Whoever lacks room must know how much. That is what is alive, what tables and manifests say of it, twice the
// index for commits and an index, and some more; not what is gone.
#[test]
fn what_a_compaction_needs_is_told_to_the_byte() {
    let scene = Scene::new();
    let client = scene.open().expect("it opens");
    client.put("/file", &noise(1, 300_000));
    client.put("/other", &noise(2, 50_000));
    client.put("/gone", &noise(3, 90_000));
    client.delete("/gone");
    let stats = client.store.stats().expect("stats");
    assert_eq!(stats.stored_bytes, 350_000);
    assert!(
        stats.chunks > 100 && stats.index_bytes > 10_000,
        "{stats:?}"
    );
    let needed = stats.stored_bytes + 96 * stats.chunks + 2 * stats.index_bytes + (16 << 20);
    let free = needed - 1;
    scene.pack.set_free(Some(free));
    let refused = client.store.rewrite(another_sim().medium(), Place::Memory);
    let text = refused.err().expect("it is refused").to_string();
    let told =
        format!("compacting needs about {needed} bytes beside the pack, and {free} are free; ");
    assert!(text.starts_with(&told), "{text}");
    scene.pack.set_free(Some(needed));
    rewritten(&client, Place::Memory);
}

// Something that is no file has the name of one that a compaction makes. Whoever is to take it away must hear
// what it is; and it is said before anything is carried.
#[test]
fn what_is_in_the_way_of_a_new_pack_is_named() {
    let real = Real::new();
    let client = real.open();
    client.put("/kept", b"kept");
    for suffix in ["", ".index", ".new"] {
        let blocked = real.file(&format!("s.pack.compacting{suffix}"));
        fs::create_dir(&blocked).expect("a folder");
        let refused = client.store.compact(&real.pack(), || panic!("it goes on"));
        let Err(StoreError::Pack(PackError::File { action, path, .. })) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(
            (action, path.file_name()),
            ("removing", blocked.file_name())
        );
        fs::remove_dir(&blocked).expect("it is empty");
    }
    let made = client.store.compact(&real.pack(), || {});
    made.expect("compacted");
    drop(client);
    assert_eq!(real.open().get("/kept").as_deref(), Some(&b"kept"[..]));
}

// The new pack has the name, and the folder cannot be synced: a power cut may give the name back to the old
// one. Who asked for it must hear that it is not done.
// The store is closed to changes, so that nothing comes to be in one of the two alone.
#[test]
fn a_name_that_may_not_last_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = fs::canonicalize(dir.path()).expect("a path");
    let (here, away) = (root.join("here"), root.join("away"));
    fs::create_dir(&here).expect("a folder");
    let clock = Clock::at(1_000);
    let (from, to) = (here.clone(), away.clone());
    let moving = Options {
        progress: Arc::new(move |what, done, _| {
            // The pack was renamed just now.
            if (what, done) == ("putting it in place", 1) {
                fs::rename(&from, &to).expect("it is moved");
            }
        }),
        ..options(&clock)
    };
    let pack = here.join("s.pack");
    let store = Store::open(&pack, moving).expect("it opens");
    let client = Client { store };
    client.put("/kept", &noise(1, 30_000));
    let refused = client.store.compact(&pack, || {});
    let Err(StoreError::Pack(PackError::File { action, path, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((action, path), ("syncing", here));
    assert!(client.store.is_replaced());
    drop(client);
    let pack = away.join("s.pack");
    let store = Store::open(&pack, options(&clock)).expect("it opens");
    let client = Client { store };
    assert!(client.store.open_report().rebuilt);
    assert!(!away.join("s.pack.compacting.index").exists());
    assert!(client.get("/kept") == Some(noise(1, 30_000)));
    client.assert_clean();
}
