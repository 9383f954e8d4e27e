//! Damaged chunks and intact copies of them.

use std::collections::{HashMap, HashSet};

use parking_lot::MutexGuard;

use super::damage::BadChunk;
use super::log::upto;
use crate::format::header::HEADER_BYTES;
use crate::format::meta::{Mutation, Relocated};
use crate::format::scan::{self, Record};
use crate::format::segment::{self, Entry};
use crate::format::{Sha256, codec};
use crate::index::Rows;
use crate::metrics;
use crate::store::StoreError;
use crate::store::chunks::is_freed;
use crate::store::core::{Core, Store};

/// Copies that are recorded in one commit.
const BATCH: usize = 1024;

impl Store {
    /// Records intact copies of damaged chunks, wherever the pack has any; gives the chunks that have
    /// one now.
    pub(super) fn repair(&self, bad: &[(u64, BadChunk)]) -> Result<Vec<u64>, StoreError> {
        if bad.is_empty() {
            return Ok(Vec::new());
        }
        // No copy may be freed between being found and being recorded.
        let upkeep = self.core.upkeep.lock();
        let bad = self.still_bad(bad)?;
        let copies = self.core.copies(&bad)?;
        let mut mended = Vec::new();
        let mut relocated = Vec::new();
        for (from, chunk) in &bad {
            if let Some((to, entry)) = copies.get(&chunk.entry.sha256) {
                mended.push(*from);
                relocated.push(relocation(*from, *to, entry));
            }
        }
        self.record(&relocated)?;
        let mut damaged = self.core.damaged.lock();
        mended.iter().for_each(|at| damaged.forget(*at));
        drop(damaged);
        metrics::REPAIRED_CHUNKS.add(mended.len() as u64);
        MutexGuard::unlock_fair(upkeep);
        Ok(mended)
    }

    /// Those that are damaged, in use, and without a copy now.
    pub(super) fn still_bad(
        &self,
        bad: &[(u64, BadChunk)],
    ) -> Result<Vec<(u64, BadChunk)>, StoreError> {
        let (core, reader) = (&self.core, self.core.reader()?);
        let mut still = Vec::new();
        for (at, chunk) in bad {
            let gone = is_freed(&reader, chunk.own, &chunk.entry)?
                || core.fits_digest(*at, &chunk.entry)
                || core.relocated(&reader, &chunk.entry.piece(*at))?.is_some();
            match gone {
                true => core.damaged.lock().forget(*at),
                false => still.push((*at, *chunk)),
            }
        }
        Ok(still)
    }

    /// Records where intact copies lie, in as many commits as that takes.
    pub(super) fn record(&self, relocated: &[Relocated]) -> Result<(), StoreError> {
        for batch in relocated.chunks(BATCH) {
            let mutations: Vec<_> = batch.iter().copied().map(Mutation::Relocated).collect();
            self.commit::<(), StoreError>(move |_, _| Ok((mutations.clone(), ())))??;
        }
        Ok(())
    }
}

impl Core {
    /// Intact copies of damaged chunks: where each lies.
    fn copies(&self, bad: &[(u64, BadChunk)]) -> Result<HashMap<Sha256, (u64, Entry)>, StoreError> {
        let mut wanted: HashSet<Sha256> = bad.iter().map(|(_, c)| c.entry.sha256).collect();
        let mut good: HashMap<Sha256, (u64, Entry)> = HashMap::new();
        let reader = self.reader()?;
        let end = reader.checkpoint()?.map_or(0, |c| c.position.offset);
        let pack_id = &self.pack.header().pack_id;
        let start = HEADER_BYTES as u64;
        scan::replay::<_, StoreError>(&upto(self, end), pack_id, start, end, |record| {
            let Record::Segment(frame, entries) = record else {
                return Ok(());
            };
            if !entries.iter().any(|entry| wanted.contains(&entry.sha256)) {
                return Ok(());
            }
            let freed = reader.freed(frame.offset)?.unwrap_or_default();
            for (at, _, entry) in segment::layout(&frame, entries) {
                if freed.has(usize::from(entry.index)) || codec::check(entry.codec).is_err() {
                    continue;
                }
                if wanted.contains(&entry.sha256) && self.fits_digest(at, &entry) {
                    wanted.remove(&entry.sha256);
                    good.insert(entry.sha256, (at, entry));
                }
            }
            Ok(())
        })?;
        Ok(good)
    }
}

pub(super) fn relocation(from: u64, to: u64, entry: &Entry) -> Relocated {
    Relocated {
        from,
        to,
        stored_len: entry.stored_len,
        crc32: entry.crc32,
        codec: entry.codec,
    }
}
