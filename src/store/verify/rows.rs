//! Index against pack, both ways.

use std::collections::{HashMap, HashSet};

use super::Run;
use super::log::upto;
use crate::format::header::HEADER_BYTES;
use crate::format::scan::{self, Record};
use crate::index::{Index, Prefix, Reader, prefix};
use crate::store::StoreError;
use crate::store::chunks::is_freed;

impl Run<'_> {
    /// Chunks that no row leads to, but for those whose row led to a lower copy until that was freed.
    pub(super) fn unknown_chunks(&mut self) -> Result<(), StoreError> {
        let mut unknown = std::mem::take(&mut self.unknown);
        if unknown.is_empty() {
            return Ok(());
        }
        let mut hidden: HashMap<Prefix, u64> = HashMap::new();
        let wanted: HashSet<Prefix> = unknown.iter().map(|(key, ..)| *key).collect();
        self.core.reader()?.each_freed::<StoreError>(|freed| {
            for (key, own) in self.core.freed_entries(&freed) {
                if wanted.contains(&key) {
                    let lowest = hidden.entry(key).or_insert(own);
                    *lowest = own.min(*lowest);
                }
            }
            Ok(())
        })?;
        unknown.retain(|(key, own, _)| hidden.get(key).is_none_or(|lowest| lowest > own));
        for (_, _, at) in unknown {
            self.index_error(format!("the chunk at offset {at} is not in the index"));
        }
        Ok(())
    }

    fn index_error(&mut self, line: String) {
        if self.report.index_errors.len() < super::MAX_LINES {
            self.report.index_errors.push(line);
        }
    }

    /// Every chunk row leads to such a chunk.
    pub(super) fn chunk_rows(&mut self) -> Result<(), StoreError> {
        let core = self.core;
        let reader = core.reader()?;
        reader.each_chunk::<StoreError>(|key, own| {
            let there = core.locate(own);
            let wrong = match there.filter(|(_, entry)| prefix(&entry.sha256) == key) {
                None => "leads nowhere",
                Some((_, entry)) if is_freed(&reader, own, &entry)? => {
                    "leads to a chunk that was freed"
                }
                Some(_) => return Ok(()),
            };
            self.index_error(format!("the chunk row {} {wrong}", hex::encode(key)));
            Ok(())
        })
    }

    /// All other rows are those that replaying the pack gives.
    pub(super) fn rows(&mut self, reader: &Reader, end: u64) -> Result<(), StoreError> {
        let place = self.core.place.beside();
        let cache = self.core.options.index_cache_bytes / 4;
        let fresh = Index::fresh(&place, cache)?;
        let replayed = self.replay_into(&fresh, end);
        let lines =
            replayed.and_then(|()| Ok(reader.differences(&fresh.reader()?, super::MAX_LINES)?));
        drop(fresh);
        place.remove()?;
        lines?.into_iter().for_each(|line| self.index_error(line));
        Ok(())
    }

    fn replay_into(&self, fresh: &Index, end: u64) -> Result<(), StoreError> {
        let pack_id = &self.core.pack.header().pack_id;
        let start = HEADER_BYTES as u64;
        let batch = fresh.begin()?;
        {
            let mut tables = batch.tables();
            scan::replay::<_, StoreError>(&upto(self.core, end), pack_id, start, end, |record| {
                if let Record::Commit(_, _, mutations) = record {
                    for mutation in &mutations {
                        tables.apply(mutation)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(batch.commit(false)?)
    }
}
