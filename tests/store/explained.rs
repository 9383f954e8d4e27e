//! What refers to a content and to a chunk, and what a deletion would free: all that is told of it.

use packhold::digest::sha256;
use packhold::domain;
use packhold::format::meta::{Blob, Dialect, Mutation, Node, NodeId, NodeKind, NodePut};
use packhold::index::Rows;
use packhold::store::{ChunkUse, ContentUse, Explained, WouldFree};

use crate::support::client::{Client, Clock, address, fields, new_sim, open};
use crate::support::noise::noise;

/// So many names are in a list at most.
const MAX_NAMES: usize = 100;
/// Shorter than any chunk that is cut: a file or block of it is one chunk.
const CHUNK_BYTES: usize = 200;

fn explain(client: &Client, bytes: &[u8]) -> Explained {
    let told = client.store.explain(&sha256(bytes));
    told.expect("it can be asked for")
}

#[test]
fn all_that_refers_to_a_content_and_to_its_chunk_is_told() {
    let sim = new_sim();
    let client = open(&sim, &Clock::at(1_000));
    let [one, other] = [1, 2].map(|seed| noise(seed, CHUNK_BYTES));
    let joined = [one.as_slice(), &other].concat();
    for (path, bytes) in [("/b", &one), ("/a/deep/one", &one), ("/other", &other)] {
        client.put(path, bytes);
    }
    let package = client.add(fields("p", "1"), &one);
    client.add(fields("p", "2"), &other);
    let put = client.put_in_blocks("/joined", &joined, CHUNK_BYTES);
    put.expect("it is stored");
    // Of an upload in blocks that goes on.
    let id = client.start_blocks("/later", Dialect::Offset);
    let id = id.expect("a session");
    for (key, bytes) in [(0, &one), (200, &other), (400, &one)] {
        let put = client.put_block("/later", &id, key, bytes);
        put.expect("a block");
    }

    let image = sim.image();
    let place = image.windows(CHUNK_BYTES).position(|part| part == one);
    let mut contents = [&one, &joined].map(|bytes| hex::encode(sha256(bytes)));
    contents.sort_unstable();
    let content = ContentUse {
        size: 200,
        files: vec![
            "/project/repo/a/deep/one".to_owned(),
            "/project/repo/b".to_owned(),
            format!("/sys-package/{}", package.file_name),
        ],
        file_count: 3,
    };
    let chunk = ChunkUse {
        offset: place.expect("it is there") as u64,
        stored_bytes: 200,
        contents: contents.to_vec(),
        content_count: 2,
        block_count: 2,
    };
    let told = Explained {
        content: Some(content),
        chunk: Some(chunk),
    };
    assert_eq!(explain(&client, &one), told);
    // No chunk has these bytes, and no content those.
    let content = ContentUse {
        size: 400,
        files: vec!["/project/repo/joined".to_owned()],
        file_count: 1,
    };
    let told = Explained {
        content: Some(content),
        chunk: None,
    };
    assert_eq!(explain(&client, &joined), told);
    assert_eq!(explain(&client, b"another"), Explained::default());
}

#[test]
fn of_many_names_a_hundred_are_told_and_all_are_counted() {
    let client = open(&new_sim(), &Clock::at(1_000));
    let bytes = noise(1, CHUNK_BYTES);
    client.put("/000", &bytes);
    let rows = client.store.rows().expect("rows");
    let own = rows.blob(&sha256(&bytes)).expect("rows").expect("a blob");
    let root = domain::folder(&rows, &address("/"), 1_000).expect("a folder");
    drop(rows);
    let kind = NodeKind::File {
        sha256: own.sha256,
        size: own.size,
    };
    let files = (1..=100).map(|number: u64| {
        Mutation::NodePut(NodePut {
            parent: root,
            name: format!("{number:03}"),
            node: Node::bare(NodeId(1_000_000 + number), kind),
        })
    });
    // Made up: they have the bytes of the first, and other names.
    let contents = (1..=100).map(|number: u8| {
        Mutation::BlobPut(Blob {
            sha256: [number; 32],
            ..own.clone()
        })
    });
    client.commit(files.chain(contents).collect());

    let told = explain(&client, &bytes);
    let content = told.content.expect("it is known");
    let paths: Vec<String> = (0..100).map(|n| format!("/project/repo/{n:03}")).collect();
    assert_eq!(content.files, paths);
    assert_eq!((content.files.len(), content.file_count), (MAX_NAMES, 101));
    let chunk = told.chunk.expect("it is known");
    let mut all: Vec<String> = (1..=100_u8).map(|n| hex::encode([n; 32])).collect();
    all.push(hex::encode(own.sha256));
    all.sort_unstable();
    assert_eq!(chunk.contents, all[..MAX_NAMES]);
    assert_eq!(chunk.content_count, 101);
}

#[test]
fn of_a_folder_with_any_number_of_folders_all_files_count() {
    let client = open(&new_sim(), &Clock::at(1_000));
    let number = 1_002;
    for folder in 0..number {
        let made = client.try_make_folder(&format!("/all/{folder:04}"));
        made.expect("a folder");
    }
    for folder in [0, 999, 1_000, 1_001] {
        client.put(&format!("/all/{folder:04}/f"), &noise(folder, 100));
    }
    let would = domain::would_free(&client.store, &address("/all")).expect("it is told");
    assert_eq!((would.files, would.freed_bytes), (4, 400));
}

#[test]
fn what_a_deletion_would_free_is_counted_exactly() {
    let client = open(&new_sim(), &Clock::at(1_000));
    for (path, seed) in [("one", 1), ("two", 2), ("again", 1), ("kept", 3), ("p", 4)] {
        client.put(&format!("/dir/{path}"), &noise(seed, CHUNK_BYTES));
    }
    client.put("/kept", &noise(3, CHUNK_BYTES));
    client.add(fields("p", "1"), &noise(4, CHUNK_BYTES));
    // Of its two chunks one is that of another file.
    let joined = [noise(2, CHUNK_BYTES), noise(5, CHUNK_BYTES)].concat();
    let put = client.put_in_blocks("/dir/joined", &joined, CHUNK_BYTES);
    put.expect("it is stored");
    let would = |path| domain::would_free(&client.store, &address(path)).expect("it is told");
    for (path, files, blobs, chunks) in [
        ("/dir", 6, 3, 3),
        ("/dir/joined", 1, 1, 1),
        ("/dir/two", 1, 1, 0),
        ("/dir/one", 1, 0, 0),
        ("/kept", 1, 0, 0),
    ] {
        let told = WouldFree {
            files,
            blobs,
            chunks,
            freed_bytes: chunks * CHUNK_BYTES as u64,
        };
        assert_eq!(would(path), told, "{path}");
    }
    for name in ["one", "two", "again", "kept", "p", "joined"] {
        client.delete(&format!("/dir/{name}"));
    }
    let freed = client.gc();
    assert_eq!((freed.blobs, freed.chunks, freed.freed_bytes), (3, 3, 600));
}
