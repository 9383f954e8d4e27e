//! Mending with bytes from elsewhere: only what is damaged, only with the right bytes.

use bytes::Bytes;
use packhold::digest::sha256;
use packhold::domain::DomainError;
use packhold::format::Sha256;
use packhold::format::meta::{Mutation, Relocated};
use packhold::format::record::Kind;
use packhold::store::StoreError;

use crate::live::Live;
use crate::support::client::fields;
use crate::support::log::frames_of;
use crate::support::noise::noise;

fn digest(name: &str) -> Sha256 {
    let bytes = hex::decode(name).expect("hex");
    bytes.try_into().expect("a sha256")
}

/// A store with a damaged file, and one that has the same file intact.
fn pair() -> (Live, Live, Vec<u8>) {
    let (bad, good) = (Live::new(), Live::new());
    let bytes = noise(7, 60_000);
    for live in [&bad, &good] {
        live.client.put("/f", &bytes);
        live.client.put("/other", &noise(8, 10_000));
    }
    bad.flip(&bytes[20_000..20_032]);
    bad.flip(&bytes[50_000..50_032]);
    (bad, good, bytes)
}

#[test]
fn chunks_come_from_another_store() {
    let (bad, good, bytes) = pair();
    let report = bad.client.store.verify(true).expect("verified");
    assert_eq!((report.damaged_chunks, report.lacking_chunks.len()), (2, 2));
    for name in &report.lacking_chunks {
        let name = digest(name);
        assert_eq!(bad.client.store.chunk(&name).expect("asked"), None);
        let chunk = good
            .client
            .store
            .chunk(&name)
            .expect("asked")
            .expect("there");
        assert_eq!(sha256(&chunk), name);
        assert_eq!(
            bad.client.store.mend_chunk(&name, &chunk).expect("taken"),
            1
        );
        // Once is enough.
        assert_eq!(
            bad.client.store.mend_chunk(&name, &chunk).expect("asked"),
            0
        );
        assert_eq!(bad.client.store.chunk(&name).expect("asked"), Some(chunk));
    }
    assert!(bad.client.get("/f").as_ref() == Some(&bytes));
    let damage = bad.client.store.damage().expect("told");
    assert_eq!(damage, packhold::store::DamageReport::default());
    let bad = bad.reopened();
    assert!(bad.client.get("/f") == Some(bytes));
    bad.client.assert_clean();
}

#[test]
fn nothing_is_taken_that_is_not_asked_for() {
    let (bad, good, _) = pair();
    let store = &bad.client.store;
    let report = store.verify(false).expect("verified");
    let end = bad.client.pack_bytes();
    let name = digest(&report.lacking_chunks[0]);
    let chunk = good
        .client
        .store
        .chunk(&name)
        .expect("asked")
        .expect("there");
    let mut wrong = chunk.to_vec();
    wrong[0] ^= 1;
    for bytes in [wrong, Vec::new(), chunk[1..].to_vec()] {
        let refused = store.mend_chunk(&name, &Bytes::from(bytes));
        assert!(
            matches!(refused, Err(StoreError::WrongBytes(_))),
            "{refused:?}"
        );
    }
    // Of one that is sound, or not known.
    let other = Bytes::from(noise(9, 500));
    assert_eq!(store.mend_chunk(&sha256(&other), &other).expect("asked"), 0);
    assert_eq!(store.chunk(&sha256(&other)).expect("asked"), None);
    let content = sha256(&noise(8, 10_000));
    assert!(store.begin_mending(&content).expect("asked").is_none());
    assert!(
        store
            .begin_mending(&sha256(&other))
            .expect("asked")
            .is_none()
    );
    assert_eq!(bad.client.pack_bytes(), end, "nothing was stored");
}

// A leaf or root is damaged: what chunks the file has is not known any more. The content is fetched as a
// whole; of that nothing is stored again but the manifest.
#[test]
fn manifests_are_mended_by_the_content() {
    for kind in [Kind::Leaf, Kind::Root] {
        let live = Live::new();
        let bytes = noise(7, 60_000);
        live.client.put("/f", &bytes);
        live.client.add(fields("package", "1"), &bytes);
        let image = std::fs::read(live.pack()).expect("the pack");
        let frame = frames_of(&image, kind)[0];
        live.flip_at(frame.body_offset() + 50);
        assert!(live.client.try_get("/f").is_err());
        let store = &live.client.store;
        let damage = store.damage().expect("told");
        let content = sha256(&bytes);
        assert_eq!(damage.damaged_contents, [hex::encode(content)]);
        assert_eq!(damage.damaged_files.len(), 2, "the package too");
        // Other bytes are refused at the end, and change nothing.
        let (mut ingest, size) = store
            .begin_mending(&content)
            .expect("asked")
            .expect("damaged");
        assert_eq!(size, 60_000);
        ingest
            .push(&Bytes::from(noise(1, 60_000)))
            .expect("taken in");
        let refused = store.finish_mending(&content, ingest);
        assert!(
            matches!(refused, Err(StoreError::WrongBytes(_))),
            "{refused:?}"
        );
        assert!(live.client.try_get("/f").is_err());
        let (mut ingest, size) = store
            .begin_mending(&content)
            .expect("asked")
            .expect("damaged");
        assert_eq!(size, 60_000);
        ingest.push(&Bytes::from(bytes.clone())).expect("taken in");
        store.finish_mending(&content, ingest).expect("mended");
        assert!(live.client.get("/f").as_ref() == Some(&bytes));
        assert!(store.begin_mending(&content).expect("asked").is_none());
        // The damaged record is needed by nothing, and is given back.
        assert!(!store.verify(false).expect("verified").clean);
        live.client.gc();
        let live = live.reopened();
        live.client.assert_clean();
        let (package, read) = live
            .client
            .try_package("package-1-1.el7.x86_64.rpm")
            .expect("readable")
            .unwrap_or_else(|| panic!("the package"));
        assert!(read == bytes && package.sha256 == content);
    }
}

// The damaged chunk, and the fetched one in its place, live as long as the file, and no longer.
#[test]
fn what_was_fetched_is_reclaimed_with_the_file() {
    let (bad, good, bytes) = pair();
    let report = bad.client.store.verify(false).expect("verified");
    for name in &report.lacking_chunks {
        let name = digest(name);
        let chunk = good
            .client
            .store
            .chunk(&name)
            .expect("asked")
            .expect("there");
        bad.client.store.mend_chunk(&name, &chunk).expect("taken");
    }
    bad.client.gc();
    assert!(bad.client.get("/f") == Some(bytes));
    bad.client.delete("/f");
    bad.client.gc();
    assert_eq!(bad.client.gc().freed_bytes, 0);
    bad.client.assert_clean();
    let stats = bad.client.store.stats().expect("stats");
    assert_eq!(stats.reclaimable_bytes, 0);
}

// What was found over a damaged segment table may be a copy of something else. That is told by its
// checksum: it is as long as what it would stand for, and sound.
#[test]
fn another_chunk_is_no_copy_of_a_damaged_one() {
    let live = Live::new();
    let (own, other) = (noise(11, 200), noise(12, 200));
    live.client.put("/own", &own);
    live.client.put("/other", &other);
    let pack = std::fs::read(live.pack()).expect("the pack");
    let at = |bytes: &[u8]| {
        let found = pack.windows(bytes.len()).position(|window| window == bytes);
        found.expect("one chunk of a segment") as u64
    };
    live.flip_at(at(&own) + 100);
    let relocated = |crc32| Relocated {
        from: at(&own),
        to: at(&other),
        stored_len: 200,
        crc32,
        codec: 0,
    };
    let client = &live.client;
    for crc32 in [crc32fast::hash(&other), crc32fast::hash(&own)] {
        client.commit(vec![Mutation::Relocated(relocated(crc32))]);
        let refused = client.try_get("/own");
        assert!(
            matches!(refused, Err(DomainError::Store(StoreError::Damaged { .. }))),
            "{refused:?}"
        );
    }
    assert_eq!(client.get("/other"), Some(other));
}
