//! Reading manifests in place: every page is checked at every use.

use bytes::Bytes;

use super::StoreError;
use super::core::Core;
use crate::format::manifest::{Child, Entry, Page, Piece, decode_page, page_count, page_range};
use crate::format::meta::ManifestRef;
use crate::format::record::FRAME_BYTES;

/// Pages of a list read where the wanted one should be, before what is left is halved.
const GUESSES: u32 = 4;

/// How pages are read.
pub(super) struct Reading<'c> {
    core: &'c Core,
    /// For the disk, if they are not in memory.
    waits: bool,
}

impl<'c> Reading<'c> {
    pub(super) fn patient(core: &'c Core) -> Self {
        Self { core, waits: true }
    }

    fn bytes(&self, offset: u64, len: usize) -> Option<Bytes> {
        let view = self.core.pack.view();
        match self.waits {
            true => view.read(offset, len).ok(),
            false => view.copy_now(offset, len),
        }
    }
}

/// A list of entries, somewhere.
#[derive(Debug, Clone)]
pub(super) struct List {
    place: Place,
    tag: u64,
    pub(super) entries: u32,
}

#[derive(Debug, Clone)]
enum Place {
    Inline(Bytes),
    /// The body of the record whose frame lies here.
    Record(u64),
}

/// The root of a manifest.
#[derive(Debug, Clone)]
pub(super) enum Top {
    Empty,
    Leaf(List),
    Root(List),
}

impl Top {
    pub(super) fn new(manifest: &ManifestRef) -> Self {
        match manifest {
            ManifestRef::Empty => Self::Empty,
            ManifestRef::Inline {
                tag,
                entries,
                pages,
            } => Self::Leaf(List {
                place: Place::Inline(Bytes::copy_from_slice(pages)),
                tag: *tag,
                entries: *entries,
            }),
            ManifestRef::Root {
                offset,
                tag,
                entries,
            } => Self::Root(List {
                place: Place::Record(*offset),
                tag: *tag,
                entries: *entries,
            }),
        }
    }
}

impl List {
    /// The leaf that a root entry refers to.
    pub(super) fn of_child(child: &Child) -> Self {
        Self {
            place: Place::Record(child.leaf_offset),
            tag: child.leaf_tag,
            entries: child.leaf_entries,
        }
    }

    pub(super) fn pages(&self) -> u32 {
        page_count(self.entries)
    }

    /// Offset of the record, for messages; 0 for an inline list.
    pub(super) fn offset(&self) -> u64 {
        match self.place {
            Place::Inline(_) => 0,
            Place::Record(offset) => offset,
        }
    }

    /// Reads and checks a page.
    pub(super) fn page<E: Entry>(&self, core: &Core, page: u32) -> Result<Page<E>, StoreError> {
        self.page_by(&Reading::patient(core), page)
    }

    fn page_by<E: Entry>(&self, reading: &Reading<'_>, page: u32) -> Result<Page<E>, StoreError> {
        let range = page_range(page, self.entries);
        let bytes = match &self.place {
            Place::Inline(pages) => pages.get(range).map(|p| pages.slice_ref(p)),
            Place::Record(offset) => {
                let start = offset + FRAME_BYTES as u64 + range.start as u64;
                reading.bytes(start, range.len())
            }
        };
        let pack_id = &reading.core.pack.header().pack_id;
        let bytes = bytes.ok_or_else(|| StoreError::Damaged {
            offset: self.offset(),
            why: "a manifest page is unreadable".to_owned(),
        })?;
        decode_page(&bytes, pack_id, self.tag, page, self.entries)
            .map_err(|error| StoreError::damaged(self.offset(), &error))
    }

    /// The page that holds logical byte `at`, which must be inside the list.
    pub(super) fn find<E: Entry>(
        &self,
        reading: &Reading<'_>,
        at: u64,
    ) -> Result<(u32, Page<E>), StoreError> {
        let (mut low, mut high) = (0, self.pages());
        let (mut guess, mut guesses) = (high / 2, 0);
        while low < high {
            let page = self.page_by::<E>(reading, guess)?;
            // All pages hold as many entries, of much the same length: one tells how far off the wanted is.
            let width = (page.end() - page.base).max(1);
            let next = if at < page.base {
                high = guess;
                u64::from(guess).saturating_sub((page.base - at).div_ceil(width))
            } else if at >= page.end() {
                low = guess + 1;
                u64::from(low) + (at - page.end()) / width
            } else {
                return Ok((guess, page));
            };
            guesses += 1;
            guess = match guesses < GUESSES {
                true => u32::try_from(next).map_or(high, |next| next.clamp(low, high)),
                false => low + (high - low) / 2,
            }
            .min(high.saturating_sub(1));
        }
        Err(StoreError::Damaged {
            offset: self.offset(),
            why: format!("the manifest has no entry for byte {at}"),
        })
    }
}

/// Walks the pieces of a content in order.
pub(super) struct Pieces {
    top: Top,
    /// The leaf in hand, and where it starts in the file.
    leaf: Option<(List, u64)>,
    /// The page in hand, and its number.
    page: Option<(u32, Page<Piece>)>,
}

impl Pieces {
    pub(super) fn new(manifest: &ManifestRef) -> Self {
        let top = Top::new(manifest);
        let leaf = match &top {
            Top::Leaf(list) => Some((list.clone(), 0)),
            _ => None,
        };
        Self {
            top,
            leaf,
            page: None,
        }
    }

    /// The piece that holds byte `at` of the file, and where in the file it starts.
    pub(super) fn at(&mut self, core: &Core, at: u64) -> Result<(u64, Piece), StoreError> {
        self.at_by(&Reading::patient(core), at)
    }

    /// The same, if nothing needs to be waited for; an error may mean that.
    pub(super) fn at_now(&mut self, core: &Core, at: u64) -> Result<(u64, Piece), StoreError> {
        let waits = false;
        self.at_by(&Reading { core, waits }, at)
    }

    fn at_by(&mut self, reading: &Reading<'_>, at: u64) -> Result<(u64, Piece), StoreError> {
        if let Some(found) = self.in_page(at) {
            return Ok(found);
        }
        self.next_page(reading, at)?;
        self.in_page(at).ok_or_else(|| StoreError::Damaged {
            offset: 0,
            why: format!("the manifest has no entry for byte {at}"),
        })
    }

    fn in_page(&self, at: u64) -> Option<(u64, Piece)> {
        let (_, start) = self.leaf.as_ref()?;
        let (_, page) = self.page.as_ref()?;
        let (_, piece_start, piece) = page.find(at.checked_sub(*start)?)?;
        let fits = piece.is_of(piece.end - piece_start);
        fits.then_some((start + piece_start, piece))
    }

    /// Takes the page that holds byte `at` in hand: the next one, or else a searched one.
    fn next_page(&mut self, reading: &Reading<'_>, at: u64) -> Result<(), StoreError> {
        if let (Some((list, start)), Some((number, page))) = (&self.leaf, &self.page) {
            let next = number + 1;
            if at == start + page.end() && next < list.pages() {
                self.page = Some((next, list.page_by(reading, next)?));
                return Ok(());
            }
        }
        if let Top::Root(root) = &self.top {
            let (_, page) = root.find::<Child>(reading, at)?;
            let found = page.find(at);
            let (_, start, child) = found.ok_or_else(|| StoreError::Damaged {
                offset: root.offset(),
                why: format!("the manifest has no leaf for byte {at}"),
            })?;
            self.leaf = Some((List::of_child(&child), start));
        }
        if let Some((list, start)) = &self.leaf {
            self.page = Some(list.find(reading, at.saturating_sub(*start))?);
        }
        Ok(())
    }
}

/// Hands over the chunks of a content of so many bytes, from front to back.
pub(super) fn each_piece(
    core: &Core,
    manifest: &ManifestRef,
    size: u64,
    mut visit: impl FnMut(&Piece),
) -> Result<(), StoreError> {
    let mut pieces = Pieces::new(manifest);
    let mut at = 0;
    while at < size {
        let (start, piece) = pieces.at(core, at)?;
        visit(&piece);
        at = start + u64::from(piece.raw_len);
    }
    Ok(())
}
