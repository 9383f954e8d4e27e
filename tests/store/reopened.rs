//! Packs that a compaction has made: what is not in them, what their history shows, and how the store is
//! opened anew.

use std::fs;

use packhold::digest::sha256;
use packhold::format::commit::CommitHead;
use packhold::format::header::{HEADER_BYTES, PackHeader};
use packhold::format::meta::{Mutation, NodePut};
use packhold::format::scan::{self, Record, ScanError};
use packhold::index::{IndexError, Place, Rows};
use packhold::store::{AsOf, Ids, Options, Store, StoreError, index_path};

use crate::carried::{Real, blob, close};
use crate::joined::{cut_into, leaves, tiny_sim};
use crate::support::client::{Client, Clock, open, rewritten};
use crate::support::noise::noise;
use crate::support::sim::Sim;

#[test]
fn leaves_of_large_files_are_full_again() {
    let client = open(&tiny_sim(), &Clock::at(1_000));
    let bytes = cut_into(1, 4_064 + 40);
    client.put("/large", &bytes);
    let (sim, _) = rewritten(&client, Place::Memory);
    let made = open(&sim, &Clock::at(9_000));
    let manifest = blob(&made, &sha256(&bytes)).expect("it is there").manifest;
    let leaves = leaves(&sim.image(), &manifest);
    let counts: Vec<u32> = leaves.iter().map(|leaf| leaf.leaf_entries).collect();
    assert_eq!(counts, [4_064, 40]);
    assert!(made.get("/large") == Some(bytes));
    made.assert_clean();
}

#[test]
fn a_store_that_was_built_anew_is_not_built_anew_once_more() {
    let real = Real::new();
    close(real.open());
    let client = real.open_as(Options {
        rebuild: true,
        ..real.options()
    });
    assert!(client.store.open_report().rebuilt);
    client.put("/kept", &noise(1, 30_000));
    client
        .store
        .compact(&real.pack(), || {})
        .expect("compacted");
    let made = client.store.reopened(&real.pack()).expect("it opens");
    let report = made.open_report();
    assert_eq!((report.rebuilt, report.replayed_commits), (false, 0));
    assert!(!made.is_replaced());
    let made = Client { store: made };
    made.put("/more", b"more");
    assert!(made.get("/kept") == Some(noise(1, 30_000)));
    made.assert_clean();
}

// Somebody once accepted that acknowledged commits are missing, or that a store is made where none is. That
// was not said of the pack that is there when the store is opened anew.
#[test]
fn what_was_accepted_once_is_not_accepted_when_opening_anew() {
    let real = Real::new();
    let client = real.open();
    client.put("/first", &noise(1, 30_000));
    close(client);
    let early = real.image();
    let client = real.open_as(Options {
        accept_rollback: true,
        ..real.options()
    });
    client.put("/second", &noise(2, 30_000));
    client.store.close();
    let late = client.pack_bytes();
    // New files under the old names: the old ones are still locked.
    let files = [real.pack(), index_path(&real.pack())];
    let index = fs::read(&files[1]).expect("the index");
    for (file, bytes) in files.iter().zip([&early, &index]) {
        fs::remove_file(file).expect("it is there");
        fs::write(file, bytes).expect("it is written");
    }
    let refused = client.store.reopened(&real.pack()).err();
    let Some(StoreError::Rollback { indexed, end }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((indexed, end), (late, early.len() as u64));
    assert!(real.image() == early);
    let nowhere = real.file("nowhere");
    let missing = client.store.reopened(&nowhere).err();
    assert!(
        matches!(&missing, Some(StoreError::Missing(path)) if *path == nowhere),
        "{missing:?}"
    );
    assert!(!nowhere.exists());
}

/// The heads of all commits of a pack.
fn commits(image: &[u8]) -> Vec<CommitHead> {
    let header = PackHeader::decode(image).expect("a header");
    let view = Sim::of_image(image.to_vec());
    let mut heads = Vec::new();
    let (start, end) = (HEADER_BYTES as u64, image.len() as u64);
    let lost = scan::replay::<_, ScanError>(&view, &header.pack_id, start, end, |record| {
        if let Record::Commit(_, head, _) = record {
            heads.push(head);
        }
        Ok(())
    });
    assert_eq!(lost.expect("a simulated medium reads"), []);
    heads
}

// A new pack is written in several commits, and half of it was never the state of the store. Whoever looks
// at an earlier moment must not see it: there is one moment, and the clock goes on meanwhile.
#[test]
fn half_of_a_new_pack_is_no_moment_of_its_history() {
    let real = Real::new();
    let client = real.open();
    client.put("/first", &noise(1, 30_000));
    client.put("/second", &noise(2, 30_000));
    let begin = real.clock.now_ms();
    let pause = || drop(client.put("/late", &noise(3, 30_000)));
    client
        .store
        .compact(&real.pack(), pause)
        .expect("compacted");
    let end = real.clock.now_ms();
    drop(client);
    let times: Vec<u64> = commits(&real.image())
        .iter()
        .map(|head| head.time_ms)
        .collect();
    assert!(times.len() >= 3, "rows, what came late, a seal: {times:?}");
    let time = times[0];
    assert!((begin..end).contains(&time), "{begin} {time} {end}");
    assert!(times.iter().all(|other| *other == time), "{times:?}");
    let as_of = |ms| {
        let options = Options {
            as_of: Some(AsOf::Time(ms)),
            ..real.options()
        };
        Store::open(&real.pack(), options)
    };
    assert!(matches!(as_of(time - 1), Err(StoreError::BeforeHistory)));
    let then = Client {
        store: as_of(time).expect("it opens"),
    };
    for (path, seed) in [("/first", 1), ("/second", 2), ("/late", 3)] {
        assert!(then.get(path) == Some(noise(seed, 30_000)), "{path}");
    }
}

/// Puts many more names of a file into its folder.
fn put_many(client: &Client, folder: &str, name: &str, count: usize) {
    let (folder, name) = (folder.to_owned(), name.to_owned());
    let many = move |rows: &dyn Rows, ids: &mut Ids| {
        let repo = rows.repo("project", "repo")?.expect("a repository");
        let parent = rows.node(repo.root, &folder)?.expect("a folder").id;
        let file = rows.node(parent, &name)?.expect("a file");
        let put = |n: usize| {
            Mutation::NodePut(NodePut {
                parent,
                name: format!("{name}{n}"),
                node: file.copied(ids.fresh(), "tester", 7),
            })
        };
        let puts: Vec<Mutation> = (0..count).map(put).collect();
        Ok::<_, IndexError>((puts, ()))
    };
    let made = client.store.commit(many);
    made.expect("the store takes it").expect("nobody objects");
}

// A folder is deleted with all that is in it. Its nodes have rows until they are swept, and nobody sees them:
// neither they nor the contents that only they refer to are to be written once more.
#[test]
fn what_is_in_deleted_folders_is_not_carried_over() {
    let real = Real::new();
    let client = real.open();
    client.put("/kept", &noise(1, 30_000));
    client.put("/dir/file", &noise(2, 90_000));
    client.put("/dir/deep/file", &noise(3, 90_000));
    // More than are swept at once.
    put_many(&client, "dir", "file", 2_100);
    let removed = client.try_remove_all("/dir").expect("it is removed");
    assert_eq!(removed.files, 2_102);
    let dropped = || {
        let rows = client.store.rows().expect("rows");
        rows.dropped().expect("a row")
    };
    assert!(dropped().is_some());
    let report = client
        .store
        .compact(&real.pack(), || {})
        .expect("compacted");
    assert_eq!((report.contents, report.chunk_bytes), (1, 30_000));
    assert_eq!(dropped(), None);
    drop(client);
    let mut names = Vec::new();
    {
        let index = real.index();
        let reader = index.reader().expect("a snapshot");
        let read = reader.each_node::<IndexError>(|_, name, _| {
            names.push(name.to_owned());
            Ok(())
        });
        read.expect("rows");
        assert!(reader.every_dropped().expect("rows").is_empty());
    }
    assert_eq!(names, ["kept"]);
    let client = real.open();
    assert!(client.get("/kept") == Some(noise(1, 30_000)));
    client.assert_clean();
}
