//! What a compaction carries over of what is changed meanwhile: it means the same in the new pack, where
//! everything lies elsewhere, or there is no new pack.

use std::fs;
use std::path::PathBuf;

use packhold::digest::sha256;
use packhold::format::Sha256;
use packhold::format::header::HEADER_BYTES;
use packhold::format::meta::{
    Blob, Block, BlockPut, Dialect, Freed, FreedRecord, Mutation, Relocated,
};
use packhold::format::record::{FRAME_BYTES, Kind};
use packhold::format::segment::{decode_table, layout};
use packhold::index::{Index, Place, Rows};
use packhold::store::{Options, Store, StoreError, index_path};
use tempfile::TempDir;

use crate::live::Live;
use crate::support::client::{Client, Clock, another_sim, new_sim, open, options, rewritten};
use crate::support::log::{at, frames_of};
use crate::support::noise::noise;

const FILE: &str = "/in/blocks";

/// A store in a folder of its own.
pub struct Real {
    dir: TempDir,
    /// Its time.
    pub clock: Clock,
}

impl Real {
    /// A folder for one.
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            clock: Clock::at(1_000),
        }
    }

    /// A file beside it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The pack.
    pub fn pack(&self) -> PathBuf {
        self.file("s.pack")
    }

    /// How it is opened.
    pub fn options(&self) -> Options {
        options(&self.clock)
    }

    /// Opens it.
    pub fn open(&self) -> Client {
        self.open_as(self.options())
    }

    /// Opens it in another way.
    pub fn open_as(&self, options: Options) -> Client {
        let store = Store::open(&self.pack(), options).expect("it opens");
        Client { store }
    }

    /// The bytes of the pack.
    pub fn image(&self) -> Vec<u8> {
        fs::read(self.pack()).expect("the pack")
    }

    /// The index of the closed store.
    pub fn index(&self) -> Index {
        let place = Place::File(index_path(&self.pack()));
        Index::open(&place, 1 << 20).expect("an index")
    }

    /// Flips a bit where the pack has these bytes.
    fn flip(&self, bytes: &[u8]) {
        let mut image = self.image();
        let at = find(&image, bytes);
        image[at] ^= 1;
        fs::write(self.pack(), image).expect("the pack");
    }
}

fn find(image: &[u8], bytes: &[u8]) -> usize {
    let found = image
        .windows(bytes.len())
        .position(|window| window == bytes);
    found.expect("the pack has these bytes")
}

/// Closes a store.
pub fn close(client: Client) {
    client.store.close();
    drop(client);
}

/// A content that a store knows.
pub fn blob(client: &Client, sha256: &Sha256) -> Option<Blob> {
    let rows = client.store.rows().expect("rows");
    rows.blob(sha256).expect("a row")
}

// Blocks come while the store is compacted, for an upload that was begun before; and another upload is
// completed. In the new pack their bytes lie elsewhere: with the old places other bytes would be read.
#[test]
fn blocks_that_come_meanwhile_are_carried_over() {
    let real = Real::new();
    let client = real.open();
    client.put("/gone", &noise(1, 300_000));
    let parts = [noise(2, 30_000), noise(3, 900), noise(4, 30_000)];
    let id = client.start_blocks(FILE, Dialect::Offset).expect("begun");
    client.put_block(FILE, &id, 0, &parts[0]).expect("a block");
    // As large as it takes for its leaves to be taken over.
    let large = noise(5, 600_000);
    let other = client
        .start_blocks("/large", Dialect::Offset)
        .expect("begun");
    for (n, block) in (0..).zip(large.chunks(300_000)) {
        let put = client.put_block("/large", &other, n * 300_000, block);
        put.expect("a block");
    }
    client.delete("/gone");
    let pause = || {
        for (key, part) in [(30_000, &parts[1]), (30_900, &parts[2])] {
            client.put_block(FILE, &id, key, part).expect("a block");
        }
        let stored = client.complete_blocks("/large", &other, Some(600_000));
        stored.expect("a file");
    };
    let report = client
        .store
        .compact(&real.pack(), pause)
        .expect("compacted");
    assert!(
        report.after_bytes + 250_000 < report.before_bytes,
        "{report:?}"
    );
    drop(client);
    let client = real.open();
    assert!(!client.store.open_report().rebuilt);
    let blocks = client.try_blocks(FILE, &id).expect("rows").expect("begun");
    let keys: Vec<u64> = blocks.iter().map(|block| block.key).collect();
    assert_eq!(keys, [0, 30_000, 30_900]);
    for (block, part) in blocks.iter().zip(&parts) {
        assert_eq!(
            (block.size, block.sha256),
            (part.len() as u64, sha256(part))
        );
        assert!(client.try_block(block).expect("it is readable") == *part);
    }
    assert!(client.get("/large") == Some(large));
    assert_eq!(client.try_blocks("/large", &other).expect("rows"), None);
    let stored = client.complete_blocks(FILE, &id, Some(60_900));
    assert_eq!(stored.expect("a file").file.blob.size, 60_900);
    assert!(client.get(FILE) == Some(parts.concat()));
    client.assert_clean();
}

/// What the index of a closed store knows of damaged payloads.
fn relocated(real: &Real) -> Vec<Relocated> {
    let index = real.index();
    let reader = index.reader().expect("a snapshot");
    reader.every_relocated().expect("rows")
}

// Two damaged chunks are healed while the store is compacted. One is that of a file, and was carried as it
// was; where its copy is must be known in the new pack, too. The other is of a file that is gone: it was left
// behind, and what replaces it must not be taken for the replacement of something else.
#[test]
fn what_is_healed_meanwhile_is_known_as_far_as_it_was_carried() {
    let real = Real::new();
    let client = real.open();
    let (gone, kept) = (noise(1, 60_000), noise(2, 60_000));
    client.put("/gone", &gone);
    client.put("/kept", &kept);
    client.delete("/gone");
    close(client);
    for bytes in [&gone, &kept] {
        real.flip(&bytes[30_000..30_032]);
    }
    let sound = find(&real.image(), &kept[..32]) as u64;
    let client = real.open();
    assert!(client.try_get("/kept").is_err());
    let longer = |bytes: &[u8], seed| [bytes, &noise(seed, 9_000)].concat();
    let (revived, copied) = (longer(&gone, 3), longer(&kept, 4));
    let pause = || {
        for (path, bytes) in [("/revived", &revived), ("/copied", &copied)] {
            let new = client.put(path, bytes).new_bytes;
            assert!((9_001..9_000 + 2 * 4_096).contains(&new), "{new}");
        }
        // Left behind as well: a copy that a newer version has coded in a way of its own.
        client.commit(vec![Mutation::Relocated(Relocated {
            from: sound,
            to: sound,
            stored_len: 32,
            crc32: crc32fast::hash(&kept[..32]),
            codec: 7,
        })]);
    };
    let report = client
        .store
        .compact(&real.pack(), pause)
        .expect("compacted");
    assert_eq!((report.damaged_chunks, report.healed_chunks), (1, 0));
    drop(client);
    let known = relocated(&real);
    assert_eq!(known.len(), 1, "{known:?}");
    let client = real.open();
    let files = [
        ("/kept", &kept),
        ("/copied", &copied),
        ("/revived", &revived),
    ];
    for (path, bytes) in files {
        assert!(client.get(path).as_ref() == Some(bytes), "{path}");
    }
    let report = client.store.verify(false).expect("verified");
    assert!(report.clean, "{report:?}");
    assert_eq!((report.damaged_chunks, report.repaired_chunks), (1, 1));
}

// Something is given back while the store is compacted. Where it lay in the old pack, something else lies in
// the new one: holes there would be the end of files.
#[test]
fn what_is_given_back_meanwhile_is_no_record_of_the_new_pack() {
    let real = Real::new();
    let client = real.open();
    client.put("/gone", &noise(1, 60_000));
    for (path, seed) in [("/stays", 2), ("/kept", 3)] {
        client.put(path, &noise(seed, 60_000));
    }
    client.delete("/gone");
    let image = real.image();
    let first = frames_of(&image, Kind::Segment)[0];
    let table = &image[at(first.body_offset())..at(first.payload_offset())];
    let mut record = FreedRecord {
        offset: first.offset,
        ..FreedRecord::default()
    };
    let entries = decode_table(table, first.body_bytes).expect("a table");
    for (_, _, entry) in layout(&first, entries) {
        record.add(usize::from(entry.index), u64::from(entry.stored_len));
    }
    assert_eq!((record.offset, record.bytes), (HEADER_BYTES as u64, 60_000));
    let [gone, stays, kept] = [1, 2, 3].map(|seed| sha256(&noise(seed, 60_000)));
    let pause = || {
        client.delete("/kept");
        client.commit(vec![Mutation::Freed(Freed {
            records: vec![record],
            blobs: vec![gone, kept],
            relocated: Vec::new(),
        })]);
    };
    client
        .store
        .compact(&real.pack(), pause)
        .expect("compacted");
    drop(client);
    let client = real.open();
    assert!(client.get("/stays") == Some(noise(2, 60_000)));
    let known = [gone, stays, kept].map(|sha256| blob(&client, &sha256).is_some());
    assert_eq!(known, [false, true, false]);
    {
        let rows = client.store.rows().expect("rows");
        assert_eq!(rows.freed(HEADER_BYTES as u64).expect("a row"), None);
        assert!(rows.pending_punches(0, 10).expect("rows").is_empty());
    }
    client.assert_clean();
    // What is carried and needed by nothing is found as ever.
    assert_eq!(client.gc().freed_bytes, 60_000);
}

// The log breaks while it is compacted, in what came since. What commits there said is not known any more:
// a new pack would lack it, and nobody would be told.
#[test]
fn a_log_that_breaks_meanwhile_is_refused() {
    for (inside, what) in [(20, "frame"), (FRAME_BYTES as u64 + 70, "commit")] {
        let live = Live::new();
        live.client.put("/kept", &noise(1, 30_000));
        let mut broken = 0;
        let pause = || {
            live.client.put("/late", &noise(2, 30_000));
            let image = fs::read(live.pack()).expect("the pack");
            let commits = frames_of(&image, Kind::Commit);
            broken = commits.last().expect("a commit").offset;
            live.flip_at(broken + inside);
        };
        let refused = live.client.store.compact(&live.pack(), pause);
        let Err(StoreError::Damaged { offset, why }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(
            (offset, why),
            (broken, format!("{what} fails its checksum"))
        );
        assert!(!live.client.store.is_replaced());
        for name in ["pack.compacting", "pack.compacting.index"] {
            assert!(!live.file(name).exists(), "{name}");
        }
        live.client.put("/more", b"more");
        assert!(live.client.get("/kept") == Some(noise(1, 30_000)));
        assert!(live.client.get("/late") == Some(noise(2, 30_000)));
        assert_eq!(live.client.get("/more").as_deref(), Some(&b"more"[..]));
    }
}

/// A compaction is refused: some content has so many bytes by its manifest.
fn assert_refused(client: &Client, size: u64, told: u64) {
    let made = client.store.rewrite(another_sim().medium(), Place::Memory);
    let error = made.err().expect("it is refused");
    assert!(error.is_damage());
    let why = format!("the manifest of a content of {size} bytes tells of {told}");
    assert!(error.to_string().ends_with(&why), "{error}");
}

// A content is said to have more bytes than its manifest tells of, or fewer. A new manifest would be whole in
// itself, and hide that.
#[test]
fn a_manifest_of_another_length_than_its_content_is_refused() {
    let client = open(&new_sim(), &Clock::at(1_000));
    // Without a manifest, with one in the commit, and with one of its own.
    let lens = [0, 700, 60_000];
    for len in lens {
        client.put(&format!("/{len}"), &noise(1, len));
    }
    let id = client.start_blocks(FILE, Dialect::Offset).expect("begun");
    let block = client.put_block(FILE, &id, 0, &noise(2, 40_000));
    let block = block.expect("a block");
    rewritten(&client, Place::Memory);
    for len in lens {
        let right = blob(&client, &sha256(&noise(1, len))).expect("it is there");
        for size in [right.size + 1, right.size.saturating_sub(1)] {
            if size == right.size {
                continue;
            }
            let wrong = Blob {
                size,
                ..right.clone()
            };
            client.commit(vec![Mutation::BlobPut(wrong)]);
            assert_refused(&client, size, right.size);
        }
        client.commit(vec![Mutation::BlobPut(right)]);
    }
    let put = |size| {
        let block = Block {
            size,
            ..block.clone()
        };
        client.commit(vec![Mutation::BlockPut(BlockPut {
            session: *id.session_id(),
            block,
            prefix: None,
            at_ms: 0,
        })]);
    };
    put(39_999);
    assert_refused(&client, 39_999, 40_000);
    put(40_000);
    rewritten(&client, Place::Memory);
}
