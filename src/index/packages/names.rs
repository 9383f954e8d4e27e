//! Blocks of file names: what a keyword is looked for in.
//!
//! A row holds the names of 256 ids as one text, so that a search is some hundred look-ups and one
//! pass over bytes, and a change rewrites a few kibibytes. `{n u16, low byte of each id [n], names}`,
//! sorted by id, each name with a line feed behind it.

use bytes::{Buf, BufMut};
use memchr::memchr_iter;
use memchr::memmem::Finder;

use super::super::IndexError;

/// The file names of a block, in lower case.
#[derive(Debug, Clone, Copy, Default)]
pub struct Names<'r> {
    lows: &'r [u8],
    text: &'r [u8],
}

impl<'r> Names<'r> {
    /// The names of a row; of an empty one, none.
    pub fn parse(mut bytes: &'r [u8]) -> Result<Self, IndexError> {
        let damaged = || IndexError::Damaged {
            table: "package_names",
        };
        let count = bytes.try_get_u16_le().map_err(|_| damaged())?;
        let split = bytes.split_at_checked(usize::from(count));
        let (lows, text) = split.ok_or_else(damaged)?;
        Ok(Self { lows, text })
    }

    fn lines(&self) -> impl Iterator<Item = (u8, &'r [u8])> {
        let lines = self.text.split(|byte| *byte == b'\n');
        self.lows.iter().copied().zip(lines)
    }

    /// The row with the name of one more id.
    pub fn insert(&self, id: u64, name: &str) -> Vec<u8> {
        let mut lines: Vec<(u8, &[u8])> = self.lines().collect();
        let place = lines.partition_point(|(low, _)| *low < low_of(id));
        lines.insert(place, (low_of(id), name.as_bytes()));
        encode(&lines)
    }

    /// The row without the name of an id; empty when no name is left.
    pub fn remove(&self, id: u64) -> Vec<u8> {
        let left: Vec<_> = self.lines().filter(|(low, _)| *low != low_of(id)).collect();
        match left.is_empty() {
            true => Vec::new(),
            false => encode(&left),
        }
    }

    /// Hands `visit` the low byte of every id whose name has what `keyword` looks for.
    pub fn find(&self, keyword: &Finder<'_>, mut visit: impl FnMut(u8)) {
        // Where names end is looked up only if there is a hit, and then for all at once: in most blocks
        // there is none, and in some one in every name.
        let Some(mut hit) = keyword.find(self.text) else {
            return;
        };
        for (low, end) in self.lows.iter().zip(memchr_iter(b'\n', self.text)) {
            if hit > end {
                continue;
            }
            visit(*low);
            // Without the check, an empty keyword would be found behind the last name.
            let rest = self.text.get(end + 1..).filter(|rest| !rest.is_empty());
            match rest.and_then(|rest| keyword.find(rest)) {
                Some(next) => hit = end + 1 + next,
                None => return,
            }
        }
    }
}

/// The place of an id in its block.
#[expect(clippy::cast_possible_truncation, reason = "the low byte is meant")]
fn low_of(id: u64) -> u8 {
    id as u8
}

fn encode(lines: &[(u8, &[u8])]) -> Vec<u8> {
    let mut row = Vec::new();
    row.put_u16_le(u16::try_from(lines.len()).unwrap_or(u16::MAX));
    row.extend(lines.iter().map(|(low, _)| *low));
    for (_, name) in lines {
        row.extend_from_slice(name);
        row.push(b'\n');
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(row: &[u8], keyword: &str) -> Vec<u8> {
        let mut found = Vec::new();
        let names = Names::parse(row).unwrap();
        names.find(&Finder::new(keyword), |low| found.push(low));
        found
    }

    #[test]
    fn names_are_found_by_any_part_of_them() {
        let mut row = Names::default().insert(0x1203, "bab.rpm");
        for (id, name) in [(0x12ff, "abab"), (0x1200, "a"), (0x1201, "c\u{e9}")] {
            row = Names::parse(&row).unwrap().insert(id, name);
        }
        assert_eq!(found(&row, "ab"), [3, 255]);
        assert_eq!(found(&row, "a"), [0, 3, 255]);
        assert_eq!(found(&row, "\u{e9}"), [1]);
        assert_eq!(found(&row, "abab"), [255]);
        assert!(found(&row, "rpmabab").is_empty(), "names do not run on");
        assert!(found(&row, "x").is_empty());
        assert_eq!(found(&row, ""), [0, 1, 3, 255]);
    }

    #[test]
    fn the_order_of_changes_leaves_no_trace() {
        let there = Names::default().insert(7, "seven");
        let both = Names::parse(&there).unwrap().insert(5, "five");
        let back = Names::parse(&both).unwrap().remove(5);
        assert_eq!(back, there);
        assert!(Names::parse(&there).unwrap().remove(7).is_empty());
        let other = Names::default().insert(5, "five");
        assert_eq!(Names::parse(&other).unwrap().insert(7, "seven"), both);
    }

    #[test]
    fn a_cut_row_is_damaged() {
        let row = Names::default().insert(7, "seven");
        for cut in 0..3 {
            assert!(Names::parse(&row[..cut]).is_err(), "{cut}");
        }
    }
}
