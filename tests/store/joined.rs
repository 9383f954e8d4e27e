//! Files that are made of blocks: of large ones the manifests are taken over as they lie in the pack, those
//! of small ones are merged.

use bytes::Bytes;
use packhold::digest::{Digests, Hasher, Wanted};
use packhold::domain::Declared;
use packhold::domain::blocks::{self, BlockUpload, UploadId};
use packhold::format::header::{Chunking, PackHeader};
use packhold::format::manifest::{Child, decode_page, page_count, page_range};
use packhold::format::meta::{Block, Dialect, ManifestRef};
use packhold::format::record::{FRAME_BYTES, Kind};
use packhold::store::Chunker;

use crate::support::client::{Client, Clock, PACK_ID, SMALL, address, open, wait};
use crate::support::log::{at, frames};
use crate::support::noise::noise;
use crate::support::sim::Sim;

const FILE: &str = "/dir/file";
/// From so many pieces on the leaf of a block stays as it is.
const KEPT: usize = 127;
/// So many pieces fill a leaf.
const FULL: usize = 32 * 127;

/// Cuts so small that a leaf is full with little more than a mebibyte.
pub const TINY: Chunking = Chunking {
    min_bytes: 64,
    avg_bytes: 256,
    max_bytes: 1024,
    ..SMALL
};

/// A new simulated pack with tiny chunks.
pub fn tiny_sim() -> Sim {
    Sim::create(&PackHeader::new(PACK_ID, 1_700_000_000_000, TINY))
}

/// Bytes of a seed that are cut into so many pieces, tiny ones.
pub fn cut_into(seed: u64, pieces: usize) -> Vec<u8> {
    let mut bytes = noise(seed, pieces * TINY.max_bytes as usize);
    let chunker = Chunker::new(&TINY);
    let end = (0..pieces).fold(0, |end, _| end + chunker.cut(&bytes[end..]));
    bytes.truncate(end);
    bytes
}

/// The leaves that a manifest names; none when its pieces are in itself.
pub fn leaves(image: &[u8], manifest: &ManifestRef) -> Vec<Child> {
    let ManifestRef::Root {
        offset,
        tag,
        entries,
    } = *manifest
    else {
        return Vec::new();
    };
    let pack_id = PackHeader::decode(image).expect("a header").pack_id;
    let body = &image[at(offset) + FRAME_BYTES..];
    let page = |page| {
        let bytes = &body[page_range(page, entries)];
        let page = decode_page::<Child>(bytes, &pack_id, tag, page, entries);
        page.expect("a page").entries
    };
    (0..page_count(entries)).flat_map(page).collect()
}

fn pieces(image: &[u8], manifest: &ManifestRef) -> usize {
    let pieces: u32 = match manifest {
        ManifestRef::Empty => 0,
        ManifestRef::Inline { entries, .. } => *entries,
        ManifestRef::Root { .. } => {
            let leaves = leaves(image, manifest);
            leaves.iter().map(|leaf| leaf.leaf_entries).sum()
        }
    };
    pieces as usize
}

/// An upload in blocks.
struct Blocks {
    sim: Sim,
    client: Client,
    id: UploadId,
    bytes: Vec<u8>,
    /// Where each block begins, and the block.
    put: Vec<(u64, Block)>,
}

impl Blocks {
    fn start() -> Self {
        let sim = tiny_sim();
        let client = open(&sim, &Clock::at(1_000));
        let id = client.start_blocks(FILE, Dialect::Offset);
        Self {
            sim,
            client,
            id: id.expect("a session"),
            bytes: Vec::new(),
            put: Vec::new(),
        }
    }

    /// Blocks of so many pieces each.
    fn of(counts: &[usize]) -> Self {
        let mut blocks = Self::start();
        counts.iter().for_each(|count| blocks.put(0, *count));
        blocks
    }

    /// Puts a block of `count` pieces, of which the `first` come before the others.
    fn put(&mut self, first: usize, count: usize) {
        let (seed, start) = (1 + self.put.len() as u64, self.bytes.len() as u64);
        let bytes = cut_into(seed, count);
        let upload = BlockUpload {
            address: address(FILE),
            id: self.id.clone(),
            key: start,
            declared: Declared::default(),
        };
        let begun = blocks::begin_block(&self.client.store, upload, None);
        let (begun, mut ingest) = begun.expect("it begins");
        let (one, other) = bytes.split_at(cut_into(seed, first).len());
        for part in [one, other] {
            let taken = ingest.push(&Bytes::copy_from_slice(part));
            taken.expect("there is room");
        }
        let ingested = ingest.finish_block().expect("there is room");
        let block = wait(|done| blocks::finish_block(&self.client.store, begun, ingested, done));
        let block = block.expect("a block");
        assert_eq!(pieces(&self.sim.image(), &block.manifest), count);
        self.bytes.extend(bytes);
        self.put.push((start, block));
    }

    /// The leaves of a block.
    fn leaves(&self, block: usize) -> Vec<Child> {
        leaves(&self.sim.image(), &self.put[block].1.manifest)
    }
}

/// What a leaf of a file is.
#[derive(Clone, Copy)]
enum Leaf {
    /// This block's leaf of this number, where it lies.
    Own(usize, usize),
    /// A new one with so many pieces, up to the end of this block.
    New(usize, usize),
}
use Leaf::{New, Own};

/// The file as a whole, and around where blocks meet.
fn assert_reads(client: &Client, bytes: &[u8], borders: &[u64]) {
    assert!(client.get(FILE).as_deref() == Some(bytes));
    for border in borders {
        for (before, behind) in [(1, 0), (0, 1), (1, 1), (700, 900), (70_000, 5)] {
            let start = border.saturating_sub(before);
            let end = (border + behind).min(bytes.len() as u64);
            let read = client.try_range(FILE, start..end).expect("it is readable");
            let wanted = &bytes[at(start)..at(end)];
            assert!(read.as_deref() == Some(wanted), "{start}..{end}");
        }
    }
}

/// Makes the file of the blocks, and asserts that it has these leaves, that nothing else was written for it,
/// and that it lasts.
fn assert_joined(blocks: Blocks, wanted: &[Leaf]) {
    let before = blocks.sim.image();
    let all: Vec<Vec<Child>> = (0..blocks.put.len()).map(|n| blocks.leaves(n)).collect();
    let Blocks {
        sim,
        client,
        id,
        bytes,
        put,
    } = blocks;
    let end = |block: usize| put[block].0 + put[block].1.size;
    let stored = client.complete_blocks(FILE, &id, Some(bytes.len() as u64));
    let blob = stored.expect("a file").file.blob;
    let image = sim.image();
    let found = leaves(&image, &blob.manifest);
    assert_eq!(found.len(), wanted.len(), "{found:?}");
    for (found, wanted) in found.iter().zip(wanted) {
        match *wanted {
            Own(block, leaf) => {
                let own = all[block][leaf];
                let end = put[block].0 + own.end;
                assert_eq!(*found, Child { end, ..own });
            }
            New(count, block) => {
                assert_eq!(
                    (found.leaf_entries as usize, found.end),
                    (count, end(block))
                );
                assert!(found.leaf_offset >= before.len() as u64, "{found:?}");
            }
        }
    }
    let kept = wanted.iter().filter(|leaf| matches!(leaf, Own(..))).count();
    let new = wanted.len() - kept;
    let written: Vec<Kind> = frames(&image).0[frames(&before).0.len()..]
        .iter()
        .map(|frame| frame.kind)
        .collect();
    let expected = [vec![Kind::Leaf; new], vec![Kind::Root, Kind::Commit]].concat();
    assert_eq!(written, expected);
    let borders: Vec<u64> = (0..put.len()).map(end).collect();
    assert_reads(&client, &bytes, &borders);
    client.assert_clean();
    // What only the blocks needed is given back: their roots, and the leaves that were merged.
    let roots = all.iter().filter(|leaves| !leaves.is_empty()).count();
    let leaves = all.concat().len();
    let freed = client.gc();
    assert_eq!((freed.chunks, freed.blobs), (0, 0));
    assert_eq!(freed.manifests, (roots + leaves - kept) as u64);
    client.store.close();
    drop(client);
    let client = open(&sim, &Clock::at(9_000));
    assert_reads(&client, &bytes, &borders);
    client.assert_clean();
}

#[test]
fn large_blocks_give_their_leaves_to_the_file() {
    let wanted = [Own(0, 0), Own(1, 0), Own(2, 0)];
    assert_joined(Blocks::of(&[KEPT, 300, KEPT + 1]), &wanted);
    assert_joined(Blocks::of(&[KEPT]), &wanted[..1]);
}

#[test]
fn small_blocks_are_merged_into_one_leaf() {
    let counts = [KEPT - 1, KEPT - 1, 17, 3];
    assert_joined(Blocks::of(&counts), &[New(2 * (KEPT - 1) + 20, 3)]);
    assert_joined(Blocks::of(&[KEPT - 1]), &[New(KEPT - 1, 0)]);
}

#[test]
fn small_blocks_beside_large_ones_make_leaves_of_their_own() {
    let small_first = [KEPT - 1, KEPT, 20, 5, 300, 1];
    let wanted = [
        New(KEPT - 1, 0),
        Own(1, 0),
        New(25, 3),
        Own(4, 0),
        New(1, 5),
    ];
    assert_joined(Blocks::of(&small_first), &wanted);
    let large_first = [KEPT, KEPT - 1, 30, 200, KEPT, 40];
    let wanted = [
        Own(0, 0),
        New(KEPT - 1 + 30, 2),
        Own(3, 0),
        Own(4, 0),
        New(40, 5),
    ];
    assert_joined(Blocks::of(&large_first), &wanted);
}

#[test]
fn small_blocks_fill_one_leaf_after_the_other() {
    let mut counts = vec![KEPT - 1; 32];
    let rest = FULL - 32 * (KEPT - 1);
    counts.extend([rest, 20]);
    assert_joined(Blocks::of(&counts), &[New(FULL, 32), New(20, 33)]);
    // Not quite full: what comes next is still in it.
    counts[32] = rest - 1;
    assert_joined(Blocks::of(&counts), &[New(FULL + 19, 33)]);
}

// A block may be so large that it has several leaves. Each ends where it did in the block, which is
// elsewhere in the file.
#[test]
fn a_block_of_several_leaves_gives_the_large_ones_of_them() {
    // What is not cut yet when the first part ends is in the second leaf.
    for (more, is_kept) in [(200, true), (20, false)] {
        let mut blocks = Blocks::of(&[50]);
        blocks.put(FULL + 36, FULL + 36 + more);
        blocks.put(0, 60);
        let own = blocks.leaves(1);
        let counts: Vec<usize> = own.iter().map(|leaf| leaf.leaf_entries as usize).collect();
        let [first, second] = counts[..] else {
            panic!("{own:?}");
        };
        assert!(first >= FULL && (second >= KEPT) == is_kept, "{own:?}");
        match is_kept {
            true => assert_joined(blocks, &[New(50, 0), Own(1, 0), Own(1, 1), New(60, 2)]),
            false => assert_joined(blocks, &[New(50, 0), Own(1, 0), New(second + 60, 2)]),
        }
    }
}

#[test]
fn a_few_pieces_need_no_leaf() {
    let blocks = Blocks::of(&[5, 1, 10]);
    let (before, size) = (blocks.sim.image(), blocks.bytes.len() as u64);
    let stored = blocks.client.complete_blocks(FILE, &blocks.id, Some(size));
    let manifest = stored.expect("a file").file.blob.manifest;
    let is_inline = matches!(manifest, ManifestRef::Inline { entries: 16, .. });
    assert!(is_inline, "{manifest:?}");
    let image = blocks.sim.image();
    assert_eq!(frames(&image).0.len(), frames(&before).0.len() + 1);
    assert!(blocks.client.get(FILE) == Some(blocks.bytes));
    blocks.client.assert_clean();
}

// A file must not get digests that are not those of its bytes, whoever asks for that.
#[test]
fn blocks_of_another_length_than_the_digests_are_refused() {
    let blocks = Blocks::of(&[20, 5, KEPT - 1]);
    let mut hasher = Hasher::new(Wanted::Md5);
    hasher.update(&blocks.bytes);
    let right = hasher.finish();
    let joined = |digests: &Digests| {
        let mut join = blocks.client.store.join();
        for (_, block) in &blocks.put {
            join.push(block).expect("it is readable");
        }
        join.finish(digests)
    };
    let (before, bytes) = (blocks.sim.image(), right.size);
    for size in [0, bytes - 1, bytes + 1, u64::MAX] {
        let error = joined(&Digests { size, ..right }).unwrap_err();
        assert!(error.is_damage());
        let told = format!("the blocks of a file have {bytes} bytes, its digests {size}");
        assert!(error.to_string().ends_with(&told), "{error}");
    }
    assert!(blocks.sim.image() == before, "something was written");
    let (blob, _pins) = joined(&right).expect("they fit");
    assert_eq!((blob.sha256, blob.size), (right.sha256, bytes));
    assert_eq!(
        (blob.md5, blob.crc64, blob.sha1),
        (right.md5, right.crc64, None)
    );
    let [leaf] = leaves(&blocks.sim.image(), &blob.manifest)[..] else {
        panic!("{blob:?}");
    };
    assert_eq!((leaf.end, leaf.leaf_entries), (bytes, 151));
}
