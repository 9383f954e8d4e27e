//! Manifests: where the bytes of a file lie. Two levels of fixed-width entries in 4 KiB pages.
//!
//! Every page has a checksum of its own, seeded with the pack id, and it is checked at every use:
//! a flipped bit in an offset would otherwise serve another, valid chunk. A page also carries the
//! tag of the list that it belongs to and its place there, so that an intact page of another file
//! is never taken for it.

use bytes::{Buf, BufMut};

use super::{FormatError, PackId, Sha256, codec, seeded_crc};

/// Length of a full page in bytes; only the last page of a list may be shorter.
pub const PAGE_BYTES: usize = 4096;
/// Length of a page header in bytes.
pub const PAGE_HEADER_BYTES: usize = 32;
/// Length of an entry, of either level, in bytes.
pub const ENTRY_BYTES: usize = 32;
/// Entries in a full page.
pub const PAGE_ENTRIES: usize = (PAGE_BYTES - PAGE_HEADER_BYTES) / ENTRY_BYTES;

const WHAT: &str = "manifest page";

/// Level of a page: what its entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// [`Piece`]s.
    Leaf = 0,
    /// [`Child`]ren.
    Root = 1,
}

/// A fixed-width manifest entry.
pub trait Entry: Sized + Copy {
    /// The level of the pages that hold such entries.
    const LEVEL: Level;
    /// Logical offset behind the last byte of the entry, in bytes from the start of its list.
    fn end(&self) -> u64;
    /// Appends exactly [`ENTRY_BYTES`].
    fn encode_into(&self, out: &mut Vec<u8>);
    /// Reads one entry.
    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Self;
}

/// A leaf entry: one chunk of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// End of the chunk, in bytes from the start of the leaf.
    pub end: u64,
    /// Where its payload lies in the pack.
    pub pack_offset: u64,
    /// Length of the payload in bytes.
    pub stored_len: u32,
    /// Length of the chunk in bytes.
    pub raw_len: u32,
    /// CRC-32 of the payload.
    pub crc32: u32,
    /// See [`super::codec`].
    pub codec: u8,
    /// 0: a chunk. Others are reserved.
    pub kind: u8,
}

impl Piece {
    /// Whether it can stand for so many bytes of a content.
    #[must_use]
    pub fn is_of(&self, bytes: u64) -> bool {
        let is_plain = self.codec != codec::RAW || self.stored_len == self.raw_len;
        bytes == u64::from(self.raw_len) && self.kind == 0 && is_plain
    }
}

impl Entry for Piece {
    const LEVEL: Level = Level::Leaf;

    fn end(&self) -> u64 {
        self.end
    }

    fn encode_into(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.end);
        out.put_u64_le(self.pack_offset);
        out.put_u32_le(self.stored_len);
        out.put_u32_le(self.raw_len);
        out.put_u32_le(self.crc32);
        out.put_u8(self.codec);
        out.put_u8(self.kind);
        out.put_u16_le(0);
    }

    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let mut bytes = bytes.as_slice();
        Self {
            end: bytes.get_u64_le(),
            pack_offset: bytes.get_u64_le(),
            stored_len: bytes.get_u32_le(),
            raw_len: bytes.get_u32_le(),
            crc32: bytes.get_u32_le(),
            codec: bytes.get_u8(),
            kind: bytes.get_u8(),
        }
    }
}

/// A root entry: one leaf record of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// End of the leaf's bytes, in bytes from the start of the file.
    pub end: u64,
    /// Offset of the leaf record's frame in the pack.
    pub leaf_offset: u64,
    /// Tag of the leaf's list.
    pub leaf_tag: u64,
    /// Entries in the leaf.
    pub leaf_entries: u32,
}

impl Entry for Child {
    const LEVEL: Level = Level::Root;

    fn end(&self) -> u64 {
        self.end
    }

    fn encode_into(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.end);
        out.put_u64_le(self.leaf_offset);
        out.put_u64_le(self.leaf_tag);
        out.put_u32_le(self.leaf_entries);
        out.put_u32_le(0);
    }

    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let mut bytes = bytes.as_slice();
        Self {
            end: bytes.get_u64_le(),
            leaf_offset: bytes.get_u64_le(),
            leaf_tag: bytes.get_u64_le(),
            leaf_entries: bytes.get_u32_le(),
        }
    }
}

/// The bytes of a list of entries and its tag, which whoever refers to the list must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The pages, back to back.
    pub pages: Vec<u8>,
    /// First eight bytes (little-endian) of the sha256 of the encoded entries.
    pub tag: u64,
    /// How many entries there are.
    pub entries: u32,
}

/// Encodes a list of entries into pages. `hash` is sha256.
pub fn encode<E: Entry>(
    entries: &[E],
    pack_id: &PackId,
    hash: impl FnOnce(&[u8]) -> Sha256,
) -> Encoded {
    let mut flat = Vec::with_capacity(entries.len().saturating_mul(ENTRY_BYTES));
    entries
        .iter()
        .for_each(|entry| entry.encode_into(&mut flat));
    let digest = hash(&flat);
    let tag = digest.as_slice().get_u64_le();
    let mut pages = Vec::with_capacity(pages_bytes(entries.len()));
    let mut base = 0;
    let page_body = PAGE_ENTRIES * ENTRY_BYTES;
    for (i, (body, of)) in flat
        .chunks(page_body)
        .zip(entries.chunks(PAGE_ENTRIES))
        .enumerate()
    {
        let mut covered = Vec::with_capacity(PAGE_BYTES);
        covered.put_u16_le(u16::try_from(of.len()).unwrap_or(u16::MAX));
        covered.put_u8(E::LEVEL as u8);
        covered.put_u8(0);
        covered.put_u32_le(u32::try_from(i).unwrap_or(u32::MAX));
        covered.put_u32_le(0);
        covered.put_u64_le(tag);
        covered.put_u64_le(base);
        covered.put_slice(body);
        pages.put_u32_le(seeded_crc(pack_id, &covered));
        pages.put_slice(&covered);
        base = of.last().map_or(base, Entry::end);
    }
    Encoded {
        pages,
        tag,
        entries: u32::try_from(entries.len()).unwrap_or(u32::MAX),
    }
}

/// Bytes that the pages of `entries` entries take.
#[must_use]
pub fn pages_bytes(entries: usize) -> usize {
    entries
        .div_ceil(PAGE_ENTRIES)
        .saturating_mul(PAGE_HEADER_BYTES)
        .saturating_add(entries.saturating_mul(ENTRY_BYTES))
}

/// How many pages `entries` entries take.
#[must_use]
pub fn page_count(entries: u32) -> u32 {
    const PER_PAGE: u32 = 127;
    const { assert!(PER_PAGE as usize == PAGE_ENTRIES) }
    entries.div_ceil(PER_PAGE)
}

/// The byte range of page `page` inside the list of `entries` entries.
#[must_use]
pub fn page_range(page: u32, entries: u32) -> std::ops::Range<usize> {
    let start = (page as usize).saturating_mul(PAGE_BYTES);
    let end = pages_bytes(entries as usize).min(start.saturating_add(PAGE_BYTES));
    start.min(end)..end
}

/// A page that was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<E> {
    /// Where its first entry starts, in bytes from the start of the list.
    pub base: u64,
    /// Its entries, ends rising.
    pub entries: Vec<E>,
}

impl<E: Entry> Page<E> {
    /// Where the page's last entry ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.entries.last().map_or(self.base, Entry::end)
    }

    /// The entry that holds logical byte `at`, its start, and its place in the page.
    #[must_use]
    pub fn find(&self, at: u64) -> Option<(usize, u64, E)> {
        if at < self.base {
            return None;
        }
        let place = self.entries.partition_point(|entry| entry.end() <= at);
        let entry = *self.entries.get(place)?;
        let start = match place.checked_sub(1).and_then(|i| self.entries.get(i)) {
            Some(before) => before.end(),
            None => self.base,
        };
        Some((place, start, entry))
    }
}

/// Reads page `page` of the list with this `tag` and number of `entries`.
///
/// # Errors
/// [`FormatError`] when the page is damaged, or is another page than the one asked for.
pub fn decode_page<E: Entry>(
    bytes: &[u8],
    pack_id: &PackId,
    tag: u64,
    page: u32,
    entries: u32,
) -> Result<Page<E>, FormatError> {
    let invalid = |why| FormatError::Invalid { what: WHAT, why };
    let mut rest = bytes;
    let crc = rest.try_get_u32_le()?;
    if crc != seeded_crc(pack_id, rest) {
        return Err(FormatError::Checksum { what: WHAT });
    }
    let count = rest.try_get_u16_le()?;
    let level = rest.try_get_u8()?;
    rest.try_get_u8()?;
    let own_page = rest.try_get_u32_le()?;
    rest.try_get_u32_le()?;
    let own_tag = rest.try_get_u64_le()?;
    let base = rest.try_get_u64_le()?;
    if level != E::LEVEL as u8 || own_page != page || own_tag != tag {
        return Err(invalid("it belongs elsewhere"));
    }
    if bytes.len() != page_range(page, entries).len()
        || rest.len() != usize::from(count).saturating_mul(ENTRY_BYTES)
    {
        return Err(invalid("its length is not that of its entries"));
    }
    let (list, _) = rest.as_chunks();
    let list: Vec<E> = list.iter().map(E::decode).collect();
    let mut last = base;
    for entry in &list {
        if entry.end() <= last {
            return Err(invalid("its entries do not rise"));
        }
        last = entry.end();
    }
    Ok(Page {
        base,
        entries: list,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    const ID: PackId = *b"0123456789abcdef";

    fn hash(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    fn pieces(n: u64) -> Vec<Piece> {
        (0..n)
            .map(|i| Piece {
                end: (i + 1) * 10,
                pack_offset: 5000 + i * 16,
                stored_len: 10,
                raw_len: 10,
                crc32: 7,
                codec: 0,
                kind: 0,
            })
            .collect()
    }

    fn page(encoded: &Encoded, page: u32) -> Result<Page<Piece>, FormatError> {
        let range = page_range(page, encoded.entries);
        decode_page(
            &encoded.pages[range],
            &ID,
            encoded.tag,
            page,
            encoded.entries,
        )
    }

    #[test]
    fn golden_leaf_and_root() {
        let leaf = encode(&pieces(1), &ID, hash);
        let root = encode(
            &[Child {
                end: 10,
                leaf_offset: 4096,
                leaf_tag: leaf.tag,
                leaf_entries: 1,
            }],
            &ID,
            hash,
        );
        assert_eq!(
            hex::encode(&leaf.pages),
            "33a713ae010000000000000000000000e9eb8353a4d964b40000000000000000\
             0a0000000000000088130000000000000a0000000a0000000700000000000000"
        );
        assert_eq!(
            hex::encode(&root.pages),
            "c5340773010001000000000000000000679808d1139693970000000000000000\
             0a000000000000000010000000000000e9eb8353a4d964b40100000000000000"
        );
    }

    #[test]
    fn lists_of_every_length_round_trip() {
        for n in [1, 2, 126, 127, 128, 254, 255, 1000] {
            let all = pieces(n);
            let encoded = encode(&all, &ID, hash);
            assert_eq!(encoded.pages.len(), pages_bytes(all.len()));
            let mut back = Vec::new();
            for i in 0..page_count(encoded.entries) {
                let page = page(&encoded, i).unwrap();
                assert_eq!(page.base, back.last().map_or(0, |p: &Piece| p.end));
                back.extend(page.entries);
            }
            assert_eq!(back, all);
        }
    }

    #[test]
    fn find_gives_the_entry_of_a_byte() {
        let encoded = encode(&pieces(200), &ID, hash);
        let second = page(&encoded, 1).unwrap();
        assert_eq!(second.base, 1270);
        assert_eq!(second.find(1269), None);
        let (place, start, piece) = second.find(1285).unwrap();
        assert_eq!((place, start, piece.end), (1, 1280, 1290));
        assert_eq!(second.find(2000), None);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = encode(&pieces(3), &ID, hash);
        for bit in (0..good.pages.len() * 8).step_by(if cfg!(miri) { 97 } else { 1 }) {
            let mut bad = good.clone();
            bad.pages[bit / 8] ^= 1 << (bit % 8);
            assert!(page(&bad, 0).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_page_of_another_list_place_pack_or_level_is_refused() {
        let encoded = encode(&pieces(200), &ID, hash);
        let first = &encoded.pages[page_range(0, 200)];
        let read = |id: &PackId, tag, page| decode_page::<Piece>(first, id, tag, page, 200);
        assert!(read(&ID, encoded.tag, 0).is_ok());
        assert!(read(&ID, encoded.tag ^ 1, 0).is_err());
        assert!(read(&ID, encoded.tag, 1).is_err());
        assert!(read(b"fedcba9876543210", encoded.tag, 0).is_err());
        assert!(decode_page::<Child>(first, &ID, encoded.tag, 0, 200).is_err());
    }

    /// Both are checked: how many entries a page says to have, and how many the list has.
    #[test]
    fn a_page_of_another_length_is_refused() {
        let encoded = encode(&pieces(3), &ID, hash);
        let read = |page: &[u8], entries| decode_page::<Piece>(page, &ID, encoded.tag, 0, entries);
        assert!(read(&encoded.pages, 3).is_ok());
        assert!(read(&encoded.pages, 2).is_err());
        assert!(read(&encoded.pages, 4).is_err());
        for count in [2_u16, 4] {
            let mut page = encoded.pages.clone();
            page[4..6].copy_from_slice(&count.to_le_bytes());
            let crc = seeded_crc(&ID, &page[4..]);
            page[..4].copy_from_slice(&crc.to_le_bytes());
            let why = read(&page, 3).unwrap_err().to_string();
            assert_eq!(
                why,
                "manifest page is invalid: its length is not that of its entries"
            );
        }
    }

    #[test]
    fn a_piece_stands_for_as_many_bytes_as_it_has() {
        let good = pieces(1)[0];
        assert!(good.is_of(10));
        assert!(!good.is_of(9) && !good.is_of(11));
        let bad: [fn(&mut Piece); 3] = [|p| p.kind = 1, |p| p.stored_len = 9, |p| p.raw_len = 11];
        for (number, change) in bad.into_iter().enumerate() {
            let mut piece = good;
            change(&mut piece);
            assert!(!piece.is_of(10), "{number}");
        }
        // Of another codec, what is stored may have another length; whether it is known is asked elsewhere.
        let other = Piece {
            codec: 1,
            stored_len: 3,
            ..good
        };
        assert!(other.is_of(10) && !other.is_of(3));
    }
}
