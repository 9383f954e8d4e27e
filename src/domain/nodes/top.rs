//! The first few of many, in an order: memory goes with how many are kept, not with how many come.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::super::DomainError;
use super::rule::Value;
use crate::format::meta::NodeId;

/// Records that can be sorted through: the last of the page that is asked for.
pub const MAX_SORTED: u64 = 100_000;
/// Bytes that these may take.
const MAX_BYTES: usize = 128 << 20;
/// What an entry takes beside its texts.
const ENTRY_BYTES: usize = 160;

/// One part of what is sorted by; nodes without a value come before all others.
type Part = Option<Value>;

/// What a node is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Each with whether it counts backwards.
    pub parts: Vec<(Part, bool)>,
    /// Place in the walk, for those that are otherwise the same.
    pub place: u64,
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        for ((own, backwards), (others, _)) in self.parts.iter().zip(&other.parts) {
            let order = match backwards {
                true => Reverse(own).cmp(&Reverse(others)),
                false => own.cmp(others),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        self.place.cmp(&other.place)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where a node is found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    /// Which repository of those that are searched.
    pub repo: usize,
    pub parent: NodeId,
    /// Full path.
    pub path: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    key: Key,
    spot: Spot,
}

impl Entry {
    fn bytes(&self) -> usize {
        let texts = self.key.parts.iter().map(|(part, _)| match part {
            Some(Value::Text(text)) => text.len() + 32,
            _ => 32,
        });
        ENTRY_BYTES + self.spot.path.len() + texts.sum::<usize>()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Keeps the first so many.
pub(super) struct Top {
    /// The last of those that are kept is on top.
    heap: BinaryHeap<Entry>,
    limit: usize,
    bytes: usize,
}

impl Top {
    /// Keeps the first `limit`.
    pub fn new(limit: usize) -> Self {
        Self {
            heap: BinaryHeap::new(),
            limit,
            bytes: 0,
        }
    }

    /// Takes a node into account.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] when those that are kept take too much memory.
    pub fn push(&mut self, key: Key, spot: Spot) -> Result<(), DomainError> {
        let is_full = self.heap.len() >= self.limit;
        if is_full && self.heap.peek().is_none_or(|last| last.key <= key) {
            return Ok(());
        }
        if is_full && let Some(last) = self.heap.pop() {
            self.bytes -= last.bytes();
        }
        let entry = Entry { key, spot };
        self.bytes += entry.bytes();
        if self.bytes > MAX_BYTES {
            return Err(DomainError::Invalid {
                what: "pageNumber",
                why: format!("sorting up to this page takes more than {MAX_BYTES} bytes"),
            });
        }
        self.heap.push(entry);
        Ok(())
    }

    /// Those that were kept, in order.
    pub fn finish(self) -> Vec<Spot> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|entry| entry.spot).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A node that comes at this place, and takes so many bytes while it is kept.
    fn entry(place: u64, bytes: usize) -> (Key, Spot) {
        // Zeros that nobody writes take no memory of the system.
        let zeros = vec![0; bytes - ENTRY_BYTES - "/f".len() - 2 * 32];
        let text = String::from_utf8(zeros).expect("a text");
        let parts = vec![
            (Some(Value::Number(i128::from(place))), false),
            (Some(Value::Text(text)), false),
        ];
        let spot = Spot {
            repo: 0,
            parent: NodeId(place),
            path: "/f".to_owned(),
        };
        (Key { parts, place }, spot)
    }

    fn push(top: &mut Top, (key, spot): (Key, Spot)) -> Result<(), DomainError> {
        top.push(key, spot)
    }

    fn places(top: Top) -> Vec<u64> {
        let kept = top.finish();
        kept.iter().map(|spot| spot.parent.0).collect()
    }

    #[test]
    fn what_is_kept_takes_so_many_bytes_and_not_one_more() {
        let half = MAX_BYTES / 2;
        for (more, fits) in [(0, true), (1, false)] {
            let mut top = Top::new(2);
            push(&mut top, entry(1, half)).expect("half of it");
            let second = push(&mut top, entry(2, half + more));
            if fits {
                second.expect("it fits exactly");
                assert_eq!(places(top), [1, 2]);
                continue;
            }
            let Err(DomainError::Invalid { what, why }) = second else {
                panic!("{second:?}");
            };
            assert_eq!(what, "pageNumber");
            assert_eq!(
                why,
                "sorting up to this page takes more than 134217728 bytes"
            );
            assert_eq!(places(top), [1]);
        }
    }

    #[test]
    fn what_falls_out_or_never_comes_in_takes_nothing() {
        let mut top = Top::new(2);
        // Each before those that are kept, and then some behind them.
        for place in [5, 4, 3, 2, 1, 6, 7] {
            push(&mut top, entry(place, MAX_BYTES / 2)).expect("two of them fit");
        }
        assert_eq!(places(top), [1, 2]);
    }

    proptest! {
        #[test]
        fn the_top_is_the_beginning_of_all_sorted(
            values in proptest::collection::vec((proptest::option::of(0_i128..5), 0_i128..5), 0..60),
            limit in 0_usize..20,
            backwards: [bool; 2],
        ) {
            let key = |place: usize, (a, b): (Option<i128>, i128)| Key {
                parts: vec![
                    (a.map(Value::Number), backwards[0]),
                    (Some(Value::Number(b)), backwards[1]),
                ],
                place: place as u64,
            };
            let mut top = Top::new(limit);
            for (place, value) in values.iter().enumerate() {
                let spot = Spot { repo: place, parent: NodeId(0), path: String::new() };
                top.push(key(place, *value), spot).expect("little memory");
            }
            let mut all: Vec<usize> = (0..values.len()).collect();
            all.sort_by_key(|place| key(*place, values[*place]));
            all.truncate(limit);
            let kept: Vec<usize> = top.finish().iter().map(|spot| spot.repo).collect();
            prop_assert_eq!(kept, all);
        }
    }
}
