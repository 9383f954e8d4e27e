//! The chunk rows of a whole pack in the order of keys, however many there are.
//!
//! A table that is filled in the order of keys is written once, and its pages are full; with rows in
//! the order of the pack every batch would touch every page. So whoever builds the table anew gathers
//! rows in *runs*, sorts each and puts it aside, and all of them are merged at the end. Memory is one
//! run, and a buffer for each. Runs wait in a file without a name, which ends with the process.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::IndexError;
use super::place::Place;
use super::row::Prefix;

/// Rows sorted at once, in 24 MiB.
const RUN_ROWS: usize = 1 << 20;
/// Rows read or written at once of a run in the file; let go of at once of one in memory.
const BLOCK_ROWS: usize = 4096;
const ROW_BYTES: usize = 24;

/// Where a chunk lies, or that it was freed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    /// The prefix as numbers, in the same order.
    key: [u64; 2],
    /// The offset, and in the lowest bit whether it was freed: that comes right behind the chunk.
    place: u64,
}

impl Row {
    fn new(prefix: &Prefix, offset: u64, freed: bool) -> Self {
        let number = u128::from_be_bytes(*prefix);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let key = [(number >> 64) as u64, number as u64];
        Self {
            key,
            // Files are shorter than 2^63 bytes.
            place: offset << 1 | u64::from(freed),
        }
    }

    fn prefix(self) -> Prefix {
        (u128::from(self.key[0]) << 64 | u128::from(self.key[1])).to_be_bytes()
    }

    fn offset(self) -> u64 {
        self.place >> 1
    }

    fn is_freed(self) -> bool {
        self.place & 1 == 1
    }

    fn encode_into(self, out: &mut Vec<u8>) {
        for number in [self.key[0], self.key[1], self.place] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn decode(bytes: &[u8; ROW_BYTES]) -> Self {
        let mut numbers = [0; 3];
        for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *number = u64::from_le_bytes(*bytes);
        }
        let [high, low, place] = numbers;
        Self {
            key: [high, low],
            place,
        }
    }
}

/// Takes in rows in any order.
pub struct ChunkSorter {
    place: Place,
    /// Where runs wait, once there are some.
    aside: Option<(Arc<File>, u64)>,
    run: Vec<Row>,
    run_rows: usize,
    runs: Vec<Run>,
    rows: u64,
}

impl ChunkSorter {
    /// A sorter whose runs wait beside an index that is a file, else in memory.
    #[must_use]
    pub fn new(place: &Place) -> Self {
        Self::with_runs(place, RUN_ROWS)
    }

    fn with_runs(place: &Place, run_rows: usize) -> Self {
        Self {
            place: place.clone(),
            aside: None,
            run: Vec::new(),
            run_rows,
            runs: Vec::new(),
            rows: 0,
        }
    }

    /// Takes in a chunk. Of several places the lowest that is not freed stays.
    pub fn insert(&mut self, prefix: &Prefix, offset: u64) {
        self.push(Row::new(prefix, offset, false));
    }

    /// The chunk is no more at this place, whether that is known already or not.
    pub fn forget(&mut self, prefix: &Prefix, offset: u64) {
        self.push(Row::new(prefix, offset, true));
    }

    fn push(&mut self, row: Row) {
        self.run.push(row);
        self.rows += 1;
        if self.run.len() >= self.run_rows {
            self.put_aside();
        }
    }

    fn put_aside(&mut self) {
        self.run.sort_unstable();
        match self.write() {
            Ok(run) => {
                self.run.clear();
                self.runs.push(run);
            }
            Err(error) => {
                if !matches!(self.place, Place::Memory | Place::Shelf(_)) {
                    tracing::warn!(%error, "sorted rows of the index stay in memory");
                }
                self.keep();
            }
        }
    }

    /// Writes the sorted run behind those that are in the file.
    fn write(&mut self) -> io::Result<Run> {
        let (file, from) = match &self.aside {
            Some(aside) => aside.clone(),
            None => (Arc::new(self.place.nameless()?), 0),
        };
        let (mut at, mut bytes) = (from, Vec::with_capacity(BLOCK_ROWS * ROW_BYTES));
        for rows in self.run.chunks(BLOCK_ROWS) {
            bytes.clear();
            rows.iter().for_each(|row| row.encode_into(&mut bytes));
            file.write_all_at(&bytes, at)?;
            at += bytes.len() as u64;
        }
        self.aside = Some((Arc::clone(&file), at));
        Ok(Run::File(Stored {
            file,
            at: from,
            end: at,
            block: bytes,
            next: usize::MAX,
        }))
    }

    /// Keeps the sorted run in memory, in blocks that are let go of one by one.
    fn keep(&mut self) {
        let blocks: Vec<Vec<Row>> = self.run.chunks(BLOCK_ROWS).map(<[Row]>::to_vec).collect();
        self.run = Vec::new();
        self.runs.push(Run::Memory(blocks.into_iter().flatten()));
    }

    /// How many rows were taken in.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether no row was taken in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The chunks by prefix, each once.
    ///
    /// # Errors
    /// [`IndexError::Database`] when the file cannot be read.
    pub fn finish(mut self) -> Result<SortedChunks, IndexError> {
        self.run.sort_unstable();
        self.keep();
        let mut sorted = SortedChunks {
            runs: self.runs,
            heap: BinaryHeap::new(),
            last: None,
        };
        for (number, run) in sorted.runs.iter_mut().enumerate() {
            if let Some(row) = run.next()? {
                sorted.heap.push(Reverse((row, number)));
            }
        }
        Ok(sorted)
    }
}

/// The merged runs of a [`ChunkSorter`].
pub struct SortedChunks {
    runs: Vec<Run>,
    /// The first row of each run that is left of it.
    heap: BinaryHeap<Reverse<(Row, usize)>>,
    /// The key that was given last.
    last: Option<[u64; 2]>,
}

impl SortedChunks {
    fn pop(&mut self) -> Result<Option<Row>, IndexError> {
        let Some(mut first) = self.heap.peek_mut() else {
            return Ok(None);
        };
        let Reverse((row, number)) = *first;
        match self.runs[number].next()? {
            Some(next) => *first = Reverse((next, number)),
            None => {
                PeekMut::pop(first);
            }
        }
        Ok(Some(row))
    }

    fn next_chunk(&mut self) -> Result<Option<(Prefix, u64)>, IndexError> {
        while let Some(row) = self.pop()? {
            if row.is_freed() || self.last == Some(row.key) {
                continue;
            }
            let freed = Row {
                place: row.place | 1,
                ..row
            };
            let is_freed = self
                .heap
                .peek()
                .is_some_and(|Reverse((next, _))| *next == freed);
            if !is_freed {
                self.last = Some(row.key);
                return Ok(Some((row.prefix(), row.offset())));
            }
        }
        Ok(None)
    }
}

impl Iterator for SortedChunks {
    type Item = Result<(Prefix, u64), IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_chunk().transpose()
    }
}

/// Rows that are sorted.
enum Run {
    Memory(std::iter::Flatten<std::vec::IntoIter<Vec<Row>>>),
    File(Stored),
}

/// A run in the file.
struct Stored {
    file: Arc<File>,
    /// What of it was not read yet.
    at: u64,
    end: u64,
    /// What was read, and how much of that was given.
    block: Vec<u8>,
    next: usize,
}

impl Run {
    fn next(&mut self) -> Result<Option<Row>, IndexError> {
        match self {
            Self::Memory(rows) => Ok(rows.next()),
            Self::File(stored) => Ok(stored.next().map_err(redb::StorageError::from)?),
        }
    }
}

impl Stored {
    fn next(&mut self) -> io::Result<Option<Row>> {
        if self.next >= self.block.len() {
            let len = (self.end - self.at).min((BLOCK_ROWS * ROW_BYTES) as u64);
            self.block.resize(usize::try_from(len).unwrap_or(0), 0);
            self.file.read_exact_at(&mut self.block, self.at)?;
            self.at += len;
            self.next = 0;
        }
        let row = self.block[self.next..].first_chunk::<ROW_BYTES>();
        self.next += ROW_BYTES;
        Ok(row.map(Row::decode))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn prefix(n: u64) -> Prefix {
        let mut prefix = [0; 16];
        prefix[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        prefix[15] = u8::try_from(n % 3).unwrap();
        prefix
    }

    /// What is told to a sorter: a chunk, a place, and whether it was freed there.
    fn story() -> Vec<(Prefix, u64, bool)> {
        let mut state = 7_u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 33
        };
        let mut story: Vec<_> = (0..5000)
            .map(|n| (prefix(next() % 900), 8 * n, false))
            .collect();
        for _ in 0..2000 {
            let (key, place, _) = story[usize::try_from(next() % 5000).unwrap()];
            // Before or behind the chunk itself, and for some more than once.
            let at = usize::try_from(next()).unwrap() % story.len();
            story.insert(at, (key, place, true));
        }
        story.push((prefix(1_000_000), 16, true));
        story.push(([0xFF; 16], u64::MAX >> 1, false));
        story
    }

    fn model(story: &[(Prefix, u64, bool)]) -> BTreeMap<Prefix, u64> {
        let freed = story.iter().filter(|(.., freed)| *freed);
        let freed: BTreeSet<(Prefix, u64)> = freed.map(|(k, p, _)| (*k, *p)).collect();
        let mut rows = BTreeMap::new();
        for (key, place, is_freed) in story {
            if !is_freed && !freed.contains(&(*key, *place)) {
                let lowest = rows.entry(*key).or_insert(*place);
                *lowest = (*place).min(*lowest);
            }
        }
        rows
    }

    fn sort(place: &Place, run_rows: usize, story: &[(Prefix, u64, bool)]) -> Vec<(Prefix, u64)> {
        let mut sorter = ChunkSorter::with_runs(place, run_rows);
        for (key, at, freed) in story {
            match freed {
                false => sorter.insert(key, *at),
                true => sorter.forget(key, *at),
            }
        }
        assert_eq!(sorter.len(), story.len() as u64);
        sorter.finish().unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn the_lowest_place_that_is_not_freed_stays_of_each_chunk() {
        let dir = tempfile::tempdir().unwrap();
        let story = story();
        let expected: Vec<_> = model(&story).into_iter().collect();
        let places = [
            Place::Memory,
            Place::File(dir.path().join("a.pack.index")),
            // Runs cannot be put aside there, and stay in memory.
            Place::File(dir.path().join("no/folder/a.pack.index")),
        ];
        for place in places {
            for run_rows in [1, 7, 1000, 4097, 1 << 20] {
                assert_eq!(sort(&place, run_rows, &story), expected, "{place:?}");
            }
            assert_eq!(sort(&place, 7, &[]), []);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_leftover_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let leftover = dir.path().join("a.pack.index.sort");
        std::fs::write(&leftover, b"of a process that was killed").unwrap();
        let place = Place::File(dir.path().join("a.pack.index"));
        let story = story();
        let expected: Vec<_> = model(&story).into_iter().collect();
        assert_eq!(sort(&place, 100, &story), expected);
        assert!(!leftover.exists());
    }
}
