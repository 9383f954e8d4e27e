//! What the disk may hold of the files of a store after a crash: of the pack, and of the index beside it.
//!
//! Of each file all is durable that was written before its last good sync; of what was written since,
//! any part may be there, in any order, and one write torn at a sector or at a byte. The two files
//! are not in step: each is as if the other were on another disk. The index may also be an older one, or
//! be gone.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::noise::Noise;
use super::sim::{File, Journal, Op, Paged, apply};

const SECTOR: usize = 512;
/// Of so many pending writes at most, all subsets are tried.
const ALL_SUBSETS: usize = 5;

/// What lies on the disk.
#[derive(Clone, Default)]
pub struct Disk {
    /// The pack.
    pub pack: Paged,
    /// The index; empty when there is none.
    pub index: Paged,
}

/// One file on its way to the disk.
struct Platter<'j> {
    durable: Paged,
    pending: Vec<&'j Op>,
    /// What was durable before.
    before: Vec<Paged>,
}

impl<'j> Platter<'j> {
    fn new(durable: Paged) -> Self {
        Self {
            durable,
            pending: Vec::new(),
            before: Vec::new(),
        }
    }

    fn take(&mut self, op: &'j Op, noise: &mut Noise) {
        match op {
            Op::Mark(_) => {}
            Op::Write(..) | Op::Truncate(_) | Op::Punch(..) => self.pending.push(op),
            Op::Sync => {
                self.before.push(self.durable.clone());
                for op in self.pending.drain(..) {
                    apply(&mut self.durable, op);
                }
            }
            // Some of it may have reached the disk; the rest is marked clean, and never will.
            Op::FailedSync => {
                for op in std::mem::take(&mut self.pending) {
                    if noise.below(2) == 1 {
                        apply(&mut self.durable, op);
                    }
                }
            }
        }
    }

    fn with<'o>(&self, ops: impl IntoIterator<Item = &'o Op>) -> Paged {
        let mut image = self.durable.clone();
        ops.into_iter().for_each(|op| apply(&mut image, op));
        image
    }

    /// All subsets of what is pending, in order; none when they are too many.
    fn subsets(&self) -> impl Iterator<Item = Paged> {
        let count = self.pending.len();
        let all = if count <= ALL_SUBSETS { 1 << count } else { 0 };
        (0_u32..all).map(move |kept| {
            let ops = self.pending.iter().enumerate();
            self.with(ops.filter(|(i, _)| kept >> i & 1 == 1).map(|(_, op)| *op))
        })
    }

    /// One of the many images.
    fn any(&self, noise: &mut Noise) -> Paged {
        let sparse = noise.below(4);
        let mut kept: Vec<&Op> = self.pending.clone();
        kept.retain(|_| sparse == 0 || noise.below(1 << sparse) > 0);
        if noise.below(2) == 1 {
            for i in (1..kept.len()).rev() {
                kept.swap(i, noise.below(i + 1));
            }
        }
        let torn = match noise.below(3) {
            0 => None,
            _ if kept.is_empty() => None,
            grain => {
                let at = noise.below(kept.len());
                torn(kept[at], if grain == 1 { SECTOR } else { 1 }, noise).map(|op| (at, op))
            }
        };
        match &torn {
            Some((at, part)) => {
                let ops = kept.iter().enumerate();
                self.with(ops.map(|(i, op)| if i == *at { part } else { *op }))
            }
            None => self.with(kept),
        }
    }

    /// One that was durable before.
    fn older(&self, noise: &mut Noise) -> Paged {
        match self.before.len() {
            0 => Paged::default(),
            count => self.before[noise.below(count)].clone(),
        }
    }
}

/// The front or the back of a write, cut at a place that `grain` divides.
fn torn(op: &Op, grain: usize, noise: &mut Noise) -> Option<Op> {
    let Op::Write(offset, bytes) = op else {
        return None;
    };
    let start = usize::try_from(*offset).expect("images are small");
    let first = start / grain + 1;
    let last = (start + bytes.len()).div_ceil(grain);
    if first >= last {
        return None;
    }
    let cut = (first + noise.below(last - first)) * grain - start;
    Some(match noise.below(2) {
        0 => Op::Write(*offset, bytes.slice(..cut)),
        _ => Op::Write((start + cut) as u64, bytes.slice(cut..)),
    })
}

/// A crash.
pub struct Crash {
    /// Operations of the journal before it.
    pub at: usize,
    /// What it leaves.
    pub disk: Disk,
}

/// Hands crashes at every operation of the journal to `visit`: all subsets of what is pending of the
/// pack where these are few, and `sampled` more. No two are the same.
pub fn crashes(
    start: &Disk,
    journal: &Journal,
    sampled: usize,
    noise: &mut Noise,
    mut visit: impl FnMut(Crash),
) {
    let mut pack = Platter::new(start.pack.clone());
    let mut index = Platter::new(start.index.clone());
    let mut seen = HashSet::new();
    for (i, (file, op)) in journal.iter().enumerate() {
        match file {
            File::Pack => pack.take(op, noise),
            File::Index => index.take(op, noise),
        }
        if matches!(op, Op::Mark(_)) {
            // The same disk, but more is promised.
            seen.clear();
            continue;
        }
        let mut give = |pack: Paged, index: Paged| {
            let mut hasher = DefaultHasher::new();
            pack.hash_bytes(&mut hasher);
            index.hash_pages(&mut hasher);
            0_u8.hash(&mut hasher);
            if seen.insert(hasher.finish()) {
                visit(Crash {
                    at: i + 1,
                    disk: Disk { pack, index },
                });
            }
        };
        for image in pack.subsets() {
            give(image, some_index(&index, noise));
        }
        for _ in 0..sampled {
            give(pack.any(noise), some_index(&index, noise));
        }
    }
}

fn some_index(index: &Platter<'_>, noise: &mut Noise) -> Paged {
    match noise.below(8) {
        0 => Paged::default(),
        1 => index.older(noise),
        2 => index.durable.clone(),
        _ => index.any(noise),
    }
}

/// One crash within a journal.
pub fn one(start: &Disk, journal: &Journal, at: usize, noise: &mut Noise) -> Disk {
    let mut pack = Platter::new(start.pack.clone());
    let mut index = Platter::new(start.index.clone());
    for (file, op) in &journal[..at] {
        match file {
            File::Pack => pack.take(op, noise),
            File::Index => index.take(op, noise),
        }
    }
    Disk {
        pack: pack.any(noise),
        index: some_index(&index, noise),
    }
}

/// Hands crashes of the pack alone to `visit`, as [`crashes`] does.
pub fn pack_crashes(
    start: &Paged,
    journal: &Journal,
    sampled: usize,
    noise: &mut Noise,
    mut visit: impl FnMut(usize, &Paged),
) {
    let mut pack = Platter::new(start.clone());
    for (i, (file, op)) in journal.iter().enumerate() {
        if *file == File::Index {
            continue;
        }
        pack.take(op, noise);
        if matches!(op, Op::Mark(_)) {
            continue;
        }
        pack.subsets().for_each(|image| visit(i + 1, &image));
        for _ in 0..sampled {
            visit(i + 1, &pack.any(noise));
        }
    }
}
