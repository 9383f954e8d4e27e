//! Reads that are counted: a byte is found in few pages of a manifest, however uneven they are.

use std::io::IoSlice;
use std::ops::Range;

use packhold::digest::sha256;
use packhold::format::manifest::{Child, PAGE_ENTRIES, Piece, decode_page, encode};
use packhold::format::meta::{Blob, ManifestRef};
use packhold::format::record::FRAME_BYTES;
use packhold::pack::{Sink, Source};
use packhold::store::StoreError;

use crate::support::client::{Client, Clock, PACK_ID, new_sim, open};
use crate::support::noise::noise;
use crate::support::sim::{Call, Failure, Sim};

/// The piece of a content that has one.
pub fn only_piece(manifest: &ManifestRef) -> Piece {
    let ManifestRef::Inline {
        tag,
        entries,
        pages,
    } = manifest
    else {
        panic!("{manifest:?}");
    };
    let page = decode_page::<Piece>(pages, &PACK_ID, *tag, 0, *entries).expect("a page");
    let [piece] = page.entries[..] else {
        panic!("{page:?}");
    };
    piece
}

/// Writes pages behind the log, where nothing is written any more; gives where the frame of a record would lie
/// that has them.
fn lay(sim: &Sim, pages: &[u8]) -> u64 {
    let end = sim.image().len() as u64;
    sim.write_at(end, &[IoSlice::new(pages)])
        .expect("a simulated medium writes");
    sim.publish(end + pages.len() as u64);
    end - FRAME_BYTES as u64
}

/// A file with a manifest made by hand: one leaf. It and the root each say that there is a byte more than
/// what is below them has.
struct Paged {
    sim: Sim,
    client: Client,
    blob: Blob,
    bytes: Vec<u8>,
    /// Where each page begins; and the end.
    borders: Vec<usize>,
}

impl Paged {
    /// A file of so many pages; the chunks of each have so many times 7 bytes.
    fn of(widths: &[usize]) -> Self {
        let sim = new_sim();
        let client = open(&sim, &Clock::at(1_000));
        let (mut pieces, mut bytes, mut borders) = (Vec::new(), Vec::new(), vec![0]);
        for width in widths {
            let chunk = noise(*width as u64, 7 * width);
            let piece = only_piece(&client.put("/chunk", &chunk).file.blob.manifest);
            for _ in 0..PAGE_ENTRIES {
                bytes.extend_from_slice(&chunk);
                let end = bytes.len() as u64;
                pieces.push(Piece { end, ..piece });
            }
            borders.push(bytes.len());
        }
        let empty = client.put("/empty", b"").file.blob;
        let leaf = encode(&pieces, &PACK_ID, sha256);
        let child = Child {
            end: bytes.len() as u64 + 1,
            leaf_offset: lay(&sim, &leaf.pages),
            leaf_tag: leaf.tag,
            leaf_entries: leaf.entries,
        };
        let root = encode(&[child], &PACK_ID, sha256);
        let blob = Blob {
            size: bytes.len() as u64 + 2,
            manifest: ManifestRef::Root {
                offset: lay(&sim, &root.pages),
                tag: root.tag,
                entries: root.entries,
            },
            ..empty
        };
        Self {
            sim,
            client,
            blob,
            bytes,
            borders,
        }
    }

    fn read(&self, range: &Range<usize>) -> Result<Vec<u8>, StoreError> {
        let range = range.start as u64..range.end as u64;
        let mut reader = self.client.store.read(&self.blob, range);
        let mut bytes = Vec::new();
        while reader.remaining() > 0 {
            for part in reader.next_window()? {
                bytes.extend_from_slice(&part);
            }
        }
        Ok(bytes)
    }

    /// What is read with so many reads of the pack at most.
    fn read_within(&self, reads: u64, range: &Range<usize>) -> Result<Vec<u8>, StoreError> {
        self.sim.fail(Call::Read, reads, Failure::Io);
        let read = self.read(range);
        self.sim.mend();
        assert_eq!(self.sim.injected(), 0, "{range:?}: more reads than {reads}");
        read
    }

    /// Each page is found with so many pages of the leaf at most.
    fn assert_found(&self, pages: u64) {
        for page in self.borders.windows(2) {
            for at in [page[0], page[1] - 1] {
                // The root has one page; and the chunk is read.
                let read = self.read_within(1 + pages + 1, &(at..at + 1));
                assert_eq!(read.expect("it is sound"), self.bytes[at..=at], "{at}");
            }
        }
    }
}

#[test]
fn in_an_even_leaf_the_first_page_read_tells_which_is_the_wanted_one() {
    Paged::of(&[1; 32]).assert_found(2);
}

// Around the middle, where the search begins, each page holds so much that what is wanted seems to be in the next
// one. So it goes on by halves: behind the first page 16 others are left, behind three more 13, behind four more none.
#[test]
fn in_an_uneven_leaf_the_wanted_page_is_found_by_halves() {
    let mut widths = [1; 32];
    widths[7..13].copy_from_slice(&[8, 16, 32, 32, 16, 8]);
    Paged::of(&widths).assert_found(8);
}

#[test]
fn reading_on_takes_one_page_after_the_other() {
    let paged = Paged::of(&[1; 8]);
    // The root; two pages until the first is found, and each of the others; and all chunks, which are one and the same.
    let reads = 1 + 2 + 7 + 8 * PAGE_ENTRIES as u64;
    let read = paged.read_within(reads, &(0..paged.bytes.len()));
    assert!(read.expect("it is sound") == paged.bytes);
}

// A size that the manifest does not come to: it is searched once, and not for ever.
#[test]
fn a_byte_that_no_entry_has_is_damage() {
    let paged = Paged::of(&[1; 32]);
    let end = paged.bytes.len();
    // Behind all that the leaf has, and behind all that the root has.
    for (at, pages) in [(end, 1 + 2), (end + 1, 1)] {
        let refused = paged.read_within(pages, &(at..at + 1));
        let Err(StoreError::Damaged { why, .. }) = &refused else {
            panic!("{refused:?}");
        };
        assert_eq!(*why, format!("the manifest has no entry for byte {at}"));
    }
}
