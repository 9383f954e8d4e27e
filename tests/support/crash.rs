//! The images that a crash may leave on the disk, made from the log of a simulated medium.
//!
//! Durable is what was written before the last good sync, but for what a failed sync took. Of the
//! writes since then each may be there or not, in any order, and one of them may be torn at sectors.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use super::noise::Noise;
use super::sim::{Op, Paged, apply};

const SECTOR: usize = 512;
const BLOCK: u64 = 4096;
/// Of so many pending writes at most, all subsets are tried.
const ALL_SUBSETS: usize = 8;

/// An image, and how much of the log had happened.
pub struct Image {
    /// Operations of the log before the crash.
    pub at: usize,
    /// What the disk holds.
    pub bytes: Vec<u8>,
}

/// Hands images of crashes at every write and sync to `visit`: `sampled` at each place where not
/// all subsets of the pending writes are tried, and as many with a torn write.
pub fn images(start: &[u8], log: &[Op], sampled: usize, mut visit: impl FnMut(Image)) {
    let mut durable = Paged::of(start);
    let mut pending: Vec<&Op> = Vec::new();
    let mut noise = Noise::new(7);
    let mut seen = HashSet::new();
    for (i, op) in log.iter().enumerate() {
        match op {
            Op::Mark(_) => {
                // The same disk, but more is promised.
                seen.clear();
                continue;
            }
            Op::Write(..) | Op::Truncate(_) | Op::Punch(..) => pending.push(op),
            Op::Sync => {
                pending.drain(..).for_each(|op| apply(&mut durable, op));
            }
            Op::FailedSync => pending.clear(),
        }
        let mut give = |image: Paged| {
            let mut hasher = DefaultHasher::new();
            image.hash_bytes(&mut hasher);
            if seen.insert(hasher.finish()) {
                let bytes = image.bytes();
                visit(Image { at: i + 1, bytes });
            }
        };
        subsets(&durable, &pending, sampled, &mut noise, &mut give);
        torn(&durable, &pending, sampled, &mut noise, &mut give);
    }
}

/// The image of a crash now, when everything pending is lost.
pub fn durable(start: &[u8], log: &[Op]) -> Vec<u8> {
    let mut image = Paged::of(start);
    let mut pending: Vec<&Op> = Vec::new();
    for op in log {
        match op {
            Op::Write(..) | Op::Truncate(_) | Op::Punch(..) => pending.push(op),
            Op::Sync => pending.drain(..).for_each(|op| apply(&mut image, op)),
            Op::FailedSync => pending.clear(),
            Op::Mark(_) => {}
        }
    }
    image.bytes()
}

fn subsets(
    durable: &Paged,
    pending: &[&Op],
    sampled: usize,
    noise: &mut Noise,
    give: &mut impl FnMut(Paged),
) {
    if pending.len() <= ALL_SUBSETS {
        for kept in 0_u32..1 << pending.len() {
            let mut image = durable.clone();
            for (i, op) in pending.iter().enumerate() {
                if kept >> i & 1 == 1 {
                    apply(&mut image, op);
                }
            }
            give(image);
        }
        return;
    }
    for round in 0..sampled {
        let mut kept: Vec<&Op> = pending
            .iter()
            .copied()
            .filter(|_| round == 0 || noise.below(8) > 0)
            .collect();
        if round % 2 == 1 {
            for i in (1..kept.len()).rev() {
                kept.swap(i, noise.below(i + 1));
            }
        }
        let mut image = durable.clone();
        kept.iter().for_each(|op| apply(&mut image, op));
        give(image);
    }
}

/// All pending writes are there, but one of them only in part: the front or the back of it.
fn torn(
    durable: &Paged,
    pending: &[&Op],
    sampled: usize,
    noise: &mut Noise,
    give: &mut impl FnMut(Paged),
) {
    for (i, op) in pending.iter().enumerate() {
        if let Op::Punch(offset, len) = op {
            // Done to some of its blocks only.
            let front = Op::Punch(*offset, len / 2 / BLOCK * BLOCK);
            let mut image = durable.clone();
            for (k, other) in pending.iter().enumerate() {
                apply(&mut image, if k == i { &front } else { other });
            }
            give(image);
        }
        let Op::Write(offset, bytes) = op else {
            continue;
        };
        let start = usize::try_from(*offset).expect("images are small");
        let first = SECTOR - start % SECTOR;
        let mut cuts: Vec<usize> = (first..bytes.len()).step_by(SECTOR).collect();
        for i in (1..cuts.len()).rev() {
            cuts.swap(i, noise.below(i + 1));
        }
        for cut in cuts.into_iter().take(sampled.div_ceil(pending.len())) {
            let front = Op::Write(*offset, bytes.slice(..cut));
            let back = Op::Write((start + cut) as u64, bytes.slice(cut..));
            for part in [front, back] {
                let mut image = durable.clone();
                for (k, other) in pending.iter().enumerate() {
                    apply(&mut image, if k == i { &part } else { other });
                }
                give(image);
            }
        }
    }
}

/// One image of a crash now: what is pending is there or not, as `noise` wants it.
pub fn one(start: &[u8], log: &[Op], noise: &mut Noise) -> Vec<u8> {
    let mut image = Paged::of(&durable(start, log));
    let synced = log.iter().rposition(|op| matches!(op, Op::Sync));
    for op in &log[synced.map_or(0, |at| at + 1)..] {
        if noise.below(2) == 1 {
            apply(&mut image, op);
        }
    }
    image.bytes()
}
