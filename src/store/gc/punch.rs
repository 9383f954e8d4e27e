//! Punching what commits have freed.

use crate::format::meta::FreedRecord;
use crate::index::Rows;
use crate::metrics;
use crate::store::StoreError;
use crate::store::core::Store;

/// Records punched between two syncs.
const BATCH_RECORDS: usize = 1024;

impl Store {
    /// Punches what was freed of these records, and notes that once it is durable; gives how many
    /// bytes the file system got. Where that fails, or a copy is made, they stay on the list,
    /// for the next run or opening.
    ///
    /// # Errors
    /// [`StoreError::Index`]; [`StoreError::Pack`] when a sync failed.
    pub(super) fn punch(&self, records: &[u64]) -> Result<u64, StoreError> {
        let punched = self.core.transfers.unless_any(|| self.punch_now(records));
        // What a transfer keeps from being punched stays on the list.
        punched.unwrap_or(Ok(0))
    }

    fn punch_now(&self, records: &[u64]) -> Result<u64, StoreError> {
        // ORDER: the commit that frees them is durable, and nobody holds them.
        let core = &self.core;
        let freed: Vec<FreedRecord> = {
            let reader = core.reader()?;
            let rows = records.iter().map(|offset| reader.freed(*offset));
            rows.filter_map(Result::transpose)
                .collect::<Result<_, _>>()?
        };
        let (mut done, mut bytes) = (Vec::new(), 0);
        'all: for record in freed {
            for range in core.freed_ranges(&record) {
                match core.pack.punch(&range) {
                    Ok(punched) => bytes += punched,
                    Err(error) => {
                        tracing::warn!(%error, "freed space is not given back to the file system");
                        break 'all;
                    }
                }
            }
            done.push(record.offset);
        }
        if !done.is_empty() {
            // ORDER: durable before they are taken off the list.
            core.pack.sync_punches()?;
            self.committer.punched(done);
            metrics::PUNCHED_BYTES.add(bytes);
        }
        Ok(bytes)
    }

    /// Finishes what a crash, or a file system that could not do it, left to be punched.
    pub(in crate::store) fn punch_pending(&self) {
        let mut after = 0;
        while self.writable().is_ok() {
            let pending = self.core.reader();
            let pending = pending.and_then(|r| Ok(r.pending_punches(after, BATCH_RECORDS)?));
            let punched = pending.and_then(|list| {
                let Some(last) = list.last() else {
                    return Ok(None);
                };
                after = *last;
                self.punch(&list).map(Some)
            });
            match punched {
                Ok(Some(bytes)) => tracing::info!(bytes, "punched what was left to be punched"),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "holes are left to be punched");
                    return;
                }
            }
        }
    }
}
