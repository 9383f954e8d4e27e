//! Bodies of commits, and whatever else of the format is decoded: no panic, memory in proportion to
//! what is there (and the longest mutation), and what decodes is encoded to what decodes to the same.
//!
//! Input: the first byte says what the rest is.

use packhold::format::commit::{self, Chain, HEAD_BYTES};
use packhold::format::header::{HEADER_BYTES, PackHeader};
use packhold::format::manifest::{self, Child, Piece};
use packhold::format::meta::{MAX_MUTATION_BYTES, Mutation};
use packhold::format::record::{FRAME_BYTES, Frame};
use packhold::format::segment::{self, ENTRY_BYTES};
use packhold::format::{PackId, seeded_crc};

use crate::held::held;

const PACK_ID: PackId = *b"packhold-testing";
/// What decoding may hold, whatever it is fed.
const HELD_BYTES: usize = 4 << 10;
/// And for each byte that it was fed. A mutation of 9 bytes can be an empty row of some hundred.
const HELD_PER_BYTE: usize = 128;

/// Runs one input.
pub fn check(data: &[u8]) {
    let Some((what, bytes)) = data.split_first() else {
        return;
    };
    let ((), most) = held(|| match what % 6 {
        0..=1 => commit_body(bytes),
        2 => frame(bytes),
        3 => header(bytes),
        4 => table(bytes),
        _ => pages(bytes),
    });
    // A list in a mutation gets room for as many as it says to have, before they are missed.
    let claimed = match what % 6 {
        0..=1 => MAX_MUTATION_BYTES,
        _ => 0,
    };
    let bound = HELD_BYTES.max(HEADER_BYTES * 4) + HELD_PER_BYTE * bytes.len() + claimed;
    assert!(most <= bound, "{most} bytes for {}", bytes.len());
}

fn commit_body(body: &[u8]) {
    let Ok((head, mutations)) = commit::decode(body) else {
        return;
    };
    assert!(mutations.len() <= head.mutations as usize && body.len() >= HEAD_BYTES);
    let chain = Chain::after(&head.chain);
    let (again, value) = commit::encode(&head, &mutations, &chain);
    let read = commit::decode(&again).expect("what was encoded decodes");
    assert_eq!(read.1, mutations);
    assert_eq!((read.0.chain, chain.value(&again)), (value, value));
    let lengths: usize = mutations.iter().map(Mutation::encoded_len).sum();
    assert_eq!(again.len(), HEAD_BYTES + lengths);
}

fn frame(bytes: &[u8]) {
    let Ok(frame) = Frame::decode(bytes, &PACK_ID, 4096) else {
        return;
    };
    assert!(frame.next_offset() > frame.body_offset());
    let again = frame.encode(&PACK_ID);
    assert_eq!(Some(&again[..]), bytes.get(..FRAME_BYTES), "{frame:?}");
}

fn header(bytes: &[u8]) {
    // With a checksum that is right, or the fuzzer never gets behind it.
    let mut whole = bytes.to_vec();
    whole.resize(HEADER_BYTES, 0);
    if let Ok(header) = PackHeader::decode(&whole) {
        assert_eq!(PackHeader::decode(&header.encode()), Ok(header));
    }
}

fn table(bytes: &[u8]) {
    let len = bytes.len() - bytes.len() % ENTRY_BYTES;
    let (table, rest) = bytes.split_at(len);
    let payload = rest.iter().take(7);
    let payload = payload.fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    for body_bytes in [payload, len as u64 + payload] {
        if let Ok(entries) = segment::decode_table(table, body_bytes) {
            let mut again = Vec::new();
            entries
                .iter()
                .for_each(|entry| entry.encode_into(&mut again));
            // Not the bytes: what is reserved is not read.
            assert_eq!(segment::decode_table(&again, body_bytes), Ok(entries));
        }
    }
}

fn pages(bytes: &[u8]) {
    let Some((counts, body)) = bytes.split_first_chunk::<4>() else {
        return;
    };
    let [page, entries, tag, kind] = counts.map(u32::from);
    let mut sealed = seeded_crc(&PACK_ID, body).to_le_bytes().to_vec();
    sealed.extend_from_slice(body);
    match kind % 2 {
        0 => page_of::<Piece>(&sealed, page, entries, tag.into()),
        _ => page_of::<Child>(&sealed, page, entries, tag.into()),
    }
}

fn page_of<E: manifest::Entry>(bytes: &[u8], page: u32, entries: u32, tag: u64) {
    let Ok(page) = manifest::decode_page::<E>(bytes, &PACK_ID, tag, page, entries) else {
        return;
    };
    let mut at = page.base;
    for (place, entry) in page.entries.iter().enumerate() {
        let found = page.find(at).expect("the page has the byte");
        assert_eq!((found.0, found.1, found.2.end()), (place, at, entry.end()));
        at = entry.end();
    }
    assert!(page.find(at).is_none());
}
