//! Putting, getting, deleting, sharing: on real files.

use std::path::Path;

use bytes::Bytes;
use packhold::digest::{Hasher, Wanted};
use packhold::domain::{Declared, DomainError, Upload};
use packhold::format::header::Chunking;
use packhold::format::meta::Dialect;
use packhold::store::{Access, Options, Store, StoreError};

use crate::support::client::{Client, Clock, fields, new_sim, open, options, upload};
use crate::support::noise::{Noise, noise};

fn open_with(path: &Path, options: Options) -> Client {
    let store = Store::open(path, options).expect("it opens");
    Client { store }
}

fn open_small(path: &Path) -> Client {
    open_with(path, options(&Clock::at(1)))
}

fn open_default(path: &Path) -> Client {
    let chunking = Chunking::default();
    open_with(
        path,
        Options {
            chunking,
            ..options(&Clock::at(1))
        },
    )
}

#[test]
fn put_get_overwrite_delete_and_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.pack");
    let client = open_small(&path);
    assert!(client.store.open_report().created);
    let (first, second) = (noise(1, 10_000), noise(2, 300_000));
    assert_eq!(client.get("/a/b"), None);
    let stored = client.put("/a/b", &first);
    assert_eq!((stored.new_bytes, stored.file.blob.size), (10_000, 10_000));
    assert_eq!(client.get("/a/b").unwrap(), first);
    client.put("/a/b", &second);
    client.put("/c", &first);
    client.put("/d", b"");
    client.delete("/c");
    assert!(matches!(
        client.try_delete("/c"),
        Err(DomainError::NotFound(_))
    ));
    let check = |client: &Client| {
        assert_eq!(client.get("/a/b").unwrap(), second);
        assert_eq!(client.get("/c"), None);
        assert_eq!(client.get("/d").unwrap(), b"");
        client.assert_clean();
    };
    check(&client);
    client.store.close();
    assert!(matches!(
        client.try_delete("/d"),
        Err(DomainError::Store(StoreError::Closed))
    ));
    drop(client);
    let client = open_small(&path);
    let report = client.store.open_report();
    assert_eq!(
        (report.rebuilt, report.replayed_commits, report.torn_bytes),
        (false, 0, 0)
    );
    check(&client);
}

#[test]
fn a_store_that_is_not_there_or_in_use_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.pack");
    let read_write = Options {
        access: Access::ReadWrite,
        ..options(&Clock::at(1))
    };
    assert!(matches!(
        Store::open(&path, read_write),
        Err(StoreError::Missing(_))
    ));
    let _client = open_small(&path);
    assert!(Store::open(&path, options(&Clock::at(1))).is_err());
}

#[test]
fn any_range_reads_back_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let mut noise = Noise::new(3);
    for (name, client) in [
        ("small", open_small(&dir.path().join("small"))),
        ("default", open_default(&dir.path().join("default"))),
    ] {
        let file = noise.bytes(5 << 20);
        client.put("/f", &file);
        for round in 0..200 {
            let start = noise.below(file.len());
            let longest = if round % 4 == 0 { file.len() } else { 9000 };
            let end = (start + noise.below(longest)).min(file.len());
            let got = client.try_range("/f", start as u64..end as u64).unwrap();
            assert_eq!(got.unwrap(), file[start..end], "{name} {start}..{end}");
        }
        let past = client.try_range("/f", (5 << 20) - 3..u64::MAX).unwrap();
        assert_eq!(past.unwrap(), file[file.len() - 3..]);
    }
}

/// More than 4,064 pieces make a second leaf; a page holds 127, and 16 lie inline.
#[test]
fn sizes_around_chunks_pages_and_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let client = open_small(&dir.path().join("s"));
    let sizes = [
        0,
        1,
        255,
        256,
        257,
        4095,
        4096,
        4097,
        17_000,
        20_000,
        127 << 10,
        300_000,
        1_000_000,
        10 << 20,
    ];
    for (i, size) in sizes.into_iter().enumerate() {
        let file = noise(40 + i as u64, size);
        let path = format!("/sizes/{size}");
        client.put(&path, &file);
        assert!(client.get(&path).unwrap() == file, "size {size}");
    }
    // A batch of more than a leaf's pieces, and zeros: largest chunks, one and the same.
    let file = vec![0; 20 << 20];
    client.send(upload("/zeros"), &file, 20 << 20).unwrap();
    assert!(client.get("/zeros").unwrap() == file);
    for (i, size) in sizes.into_iter().enumerate() {
        let file = noise(40 + i as u64, size);
        assert!(client.get(&format!("/sizes/{size}")).unwrap() == file);
    }
    client.assert_clean();
}

#[test]
fn every_odd_split_gives_the_same_content() {
    let dir = tempfile::tempdir().unwrap();
    let client = open_small(&dir.path().join("s"));
    let file = noise(5, 150_001);
    let first = client.put("/whole", &file);
    let steps = [
        1, 7, 255, 256, 1023, 4095, 4096, 4097, 8191, 65_537, 131_071, 131_073, 150_000,
    ];
    for step in steps {
        let path = format!("/by/{step}");
        let stored = client.send(upload(&path), &file, step).unwrap();
        assert_eq!(stored.new_bytes, 0, "cut elsewhere in steps of {step}");
        assert_eq!(stored.file.blob, first.file.blob);
        assert_eq!(client.get(&path).unwrap(), file);
    }
}

// A file is so large that its manifest no longer fits into a few pages. Leaves are written while an
// upload runs, so each repetition wrote them all again, before it was known to be one.
// What is wholly known costs no more than a name.
#[test]
fn a_large_file_under_ten_names_writes_its_manifest_once() {
    let dir = tempfile::tempdir().unwrap();
    let client = open_small(&dir.path().join("pack"));
    let bytes = noise(77, 9 << 20);
    client.put("/0", &bytes);
    let before = client.pack_bytes();
    for i in 1..10 {
        client.put(&format!("/{i}"), &bytes);
    }
    let grown = client.pack_bytes() - before;
    assert!(grown * 1000 < before, "{grown} of {before} bytes");
    assert!(client.get("/9").unwrap() == bytes);
    client.assert_clean();
}

#[test]
fn the_same_bytes_under_ten_names_are_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    for (name, client) in [
        ("small", open_small(&dir.path().join("small"))),
        ("default", open_default(&dir.path().join("default"))),
    ] {
        let file = noise(6, 3 << 20);
        let first = client.put("/n/0", &file);
        let before = client.pack_bytes();
        for i in 1..10 {
            let stored = client.put(&format!("/n/{i}"), &file);
            assert_eq!((stored.new_bytes, &stored.file.blob), (0, &first.file.blob));
        }
        let grown = client.pack_bytes() - before;
        assert!(grown < (3 << 20) / 100, "{name}: grown by {grown} bytes");
        assert_eq!(client.store.stats().unwrap().blobs, 1, "{name}");
        assert_eq!(client.get("/n/9").unwrap(), file);
        client.assert_clean();
    }
}

#[test]
fn a_shifted_copy_shares_most_chunks() {
    let dir = tempfile::tempdir().unwrap();
    let client = open_default(&dir.path().join("s"));
    let file = noise(7, 5 << 20);
    client.put("/one", &file);
    let mut shifted = noise(8, 13);
    shifted.extend(&file);
    shifted.insert(2 << 20, 1);
    let stored = client.put("/two", &shifted);
    assert!(stored.new_bytes < (1 << 20), "{} new", stored.new_bytes);
    assert!(client.get("/two").unwrap() == shifted);
    assert!(client.store.stats().unwrap().dedup_ratio > 1.6);
}

#[test]
fn two_uploads_at_once_of_the_same_content() {
    let dir = tempfile::tempdir().unwrap();
    let client = open_small(&dir.path().join("s"));
    for round in 0..5 {
        let file = noise(100 + round, 400_000);
        std::thread::scope(|scope| {
            for name in ["x", "y", "z"] {
                let (client, file) = (&client, &file);
                scope.spawn(move || {
                    let path = format!("/{round}/{name}");
                    client.send(upload(&path), file, 100_000).unwrap();
                });
            }
        });
        for name in ["x", "y", "z"] {
            assert_eq!(client.get(&format!("/{round}/{name}")).unwrap(), file);
        }
    }
    assert_eq!(client.store.stats().unwrap().blobs, 5);
    client.assert_clean();
}

/// Large batches wait for their digests in a queue, small ones are digested at once: not before those that wait. In
/// their midst uploads are given up.
#[test]
fn batches_of_all_sizes_are_digested_in_their_order() {
    for ingest_memory_bytes in [0, 256 << 20] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            ingest_memory_bytes,
            ..options(&Clock::at(1))
        };
        let client = open_with(&dir.path().join("s"), options);
        let batches: Vec<_> = [
            1 << 20,
            1 << 20,
            700_000,
            1 << 20,
            100,
            131_072,
            131_071,
            300_000,
        ]
        .into_iter()
        .zip(200..)
        .map(|(len, seed)| Bytes::from(noise(seed, len)))
        .collect();
        let mut whole = Hasher::new(Wanted::Md5);
        batches.iter().for_each(|batch| whole.update(batch));
        let whole = whole.finish();
        std::thread::scope(|scope| {
            for given_up_at in [batches.len(), 4, batches.len(), 3] {
                let (client, batches) = (&client, &batches);
                scope.spawn(move || {
                    let mut ingest = client.store.ingest(Wanted::Md5);
                    for batch in &batches[..given_up_at] {
                        ingest.push(batch).unwrap();
                    }
                    if given_up_at == batches.len() {
                        assert_eq!(ingest.finish().unwrap().digests, whole);
                    }
                });
            }
        });
    }
}

#[test]
fn a_declared_digest_is_proven_and_never_believed() {
    let dir = tempfile::tempdir().unwrap();
    let client = open_small(&dir.path().join("s"));
    let file = noise(9, 500_000);
    let first = client.put("/one", &file);
    let declared = Declared {
        sha256: Some(hex::encode(first.file.blob.sha256)),
        md5: Some(hex::encode(first.file.blob.md5)),
        crc64: Some(first.file.blob.crc64),
    };
    let declaring = |path: &str| {
        let mut upload = upload(path);
        upload.declared = declared.clone();
        upload
    };
    let before = client.pack_bytes();
    let stored = client.send(declaring("/two"), &file, 99_999).unwrap();
    assert_eq!((stored.new_bytes, &stored.file.blob), (0, &first.file.blob));
    assert!(client.pack_bytes() - before < 1000, "only a commit");
    let mut wrong = file.clone();
    wrong[400_000] ^= 1;
    for bytes in [&wrong[..], &file[..499_999], b""] {
        let refused = client.send(declaring("/three"), bytes, 99_999);
        assert!(
            matches!(
                refused,
                Err(DomainError::Digest {
                    which: "sha256",
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    assert_eq!(client.get("/three"), None);
    assert_eq!(client.get("/two").unwrap(), file);
    client.assert_clean();
}

#[test]
fn folders_and_files_do_not_get_in_each_others_way() {
    let dir = tempfile::tempdir().unwrap();
    let client = open_small(&dir.path().join("s"));
    client.put("/a/b/c", b"1");
    let conflict = client.try_put("/a/b", b"2");
    assert!(matches!(conflict, Err(DomainError::Conflict(_))));
    let conflict = client.try_put("/a/b/c/d", b"2");
    assert!(matches!(conflict, Err(DomainError::Conflict(_))));
    assert!(matches!(
        client.try_delete("/a"),
        Err(DomainError::NotEmpty(_))
    ));
    let mut once = upload("/a/b/c");
    once.overwrite = false;
    let exists = client.send(once, b"2", 10);
    assert!(matches!(exists, Err(DomainError::Exists(_))));
    client.delete("/a/b/c");
    client.delete("/a");
    assert_eq!(client.get("/a/b/c"), None);
    client.put("/a", b"a file now");
    assert_eq!(client.get("/a").unwrap(), b"a file now");
    client.assert_clean();
}

#[test]
fn expired_files_are_gone_and_can_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::at(1_000_000);
    let client = open_with(&dir.path().join("s"), options(&clock));
    let mut upload = upload("/f");
    upload.expires_days = 1;
    upload.overwrite = false;
    client.send(upload.clone(), b"short-lived", 100).unwrap();
    assert_eq!(client.get("/f").unwrap(), b"short-lived");
    clock.advance(24 * 60 * 60 * 1000);
    assert_eq!(client.get("/f"), None);
    client.send(upload, b"again", 100).unwrap();
    assert_eq!(client.get("/f").unwrap(), b"again");
    client.assert_clean();
}

#[test]
fn stats_are_of_what_is_there() {
    let (sim, clock) = (new_sim(), Clock::at(1_000));
    let client = open(&sim, &clock);
    let stats = |client: &Client| client.store.stats().unwrap();
    let nothing = stats(&client);
    assert_eq!((nothing.files, nothing.packages, nothing.blobs), (0, 0, 0));
    // Each of one chunk, but for what is in the block.
    client.put("/one", &noise(1, 200));
    client.put("/two", &noise(2, 210));
    client.put("/same", &noise(2, 210));
    client.add(fields("three", "1"), &noise(3, 220));
    client.add(fields("three", "2"), &noise(2, 210));
    let expiring = Upload {
        expires_days: 1,
        ..upload("/expiring")
    };
    client.send(expiring, &noise(4, 230), 230).unwrap();
    let found = stats(&client);
    assert_eq!((found.files, found.packages, found.blobs), (4, 2, 4));
    assert_eq!(found.logical_bytes, 200 + 2 * 210 + 220 + 210 + 230);
    assert_eq!(
        (found.chunks, found.stored_bytes),
        (4, 200 + 210 + 220 + 230)
    );
    assert_eq!(found.reclaimable_bytes, 0);
    clock.advance(25 * 3_600_000);
    let found = stats(&client);
    assert_eq!((found.files, found.packages, found.blobs), (3, 2, 3));
    assert_eq!(found.reclaimable_bytes, 230);
    let id = client.start_blocks("/blocks", Dialect::Offset).unwrap();
    client.put_block("/blocks", &id, 0, &noise(5, 240)).unwrap();
    let found = stats(&client);
    assert_eq!(found.reclaimable_bytes, 230, "blocks are needed");
    client.delete("/one");
    let found = stats(&client);
    assert_eq!(found.reclaimable_bytes, 230 + 200);
    // Without the chunk of what is deleted, and that of the block.
    let (logical, stored): (u32, u32) = (2 * 210 + 220 + 210, 210 + 220);
    assert_eq!(found.logical_bytes, u64::from(logical));
    assert_eq!(found.stored_bytes, u64::from(stored));
    let ratio = f64::from(logical) / f64::from(stored);
    assert!((found.dedup_ratio - ratio).abs() < 1e-9);
}

#[test]
fn whoever_opened_a_store_for_reading_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let client = open_small(&path);
    assert!(!client.store.is_for_reading());
    client.put("/f", b"one");
    client.store.close();
    drop(client);
    let reading = Options {
        access: Access::ReadOnly,
        ..options(&Clock::at(1))
    };
    assert!(open_with(&path, reading).store.is_for_reading());
}
