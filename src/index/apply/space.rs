//! Rows of what is given back, and what reclaiming needs to know of changes.

use redb::ReadableTable;

use super::super::IndexError;
use super::super::row::{Prefix, seal, unseal};
use super::super::tables::Tables;
use crate::format::Sha256;
use crate::format::meta::{Freed, FreedRecord};

impl Tables<'_> {
    pub(super) fn free(&mut self, freed: &Freed) -> Result<(), IndexError> {
        for sha256 in &freed.blobs {
            self.blobs.write()?.remove(sha256)?;
        }
        for from in &freed.relocated {
            self.relocated.write()?.remove(from)?;
        }
        for record in &freed.records {
            let key = record.offset.to_le_bytes();
            let before: Option<FreedRecord> = match self.freed.read()?.get(record.offset)? {
                Some(row) => Some(unseal("freed", &[&key], row.value())?),
                None => None,
            };
            let now = match before {
                Some(mut all) => {
                    all.merge(record);
                    all
                }
                None => record.clone(),
            };
            let row = seal(&[&key], &now);
            self.freed.write()?.insert(record.offset, row.as_slice())?;
            self.pending_punch.write()?.insert(record.offset, ())?;
        }
        Ok(())
    }

    /// Takes chunk rows out, each only if it leads to this very entry: another copy may have come
    /// below it.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn drop_chunks(&mut self, rows: &[(Prefix, u64)]) -> Result<(), IndexError> {
        for (key, offset) in rows {
            let leads_here = self
                .chunks
                .read()?
                .get(key)?
                .is_some_and(|row| row.value() == *offset);
            if leads_here {
                self.chunks.write()?.remove(key)?;
            }
        }
        Ok(())
    }

    /// Forgets that freed bytes of these records are to be punched: that is done, and durable.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn punched(&mut self, records: &[u64]) -> Result<(), IndexError> {
        for offset in records {
            self.pending_punch.write()?.remove(offset)?;
        }
        Ok(())
    }

    /// From now on remembers every content that a row comes to refer to: [`Tables::take_noted`].
    pub fn note_contents(&mut self) {
        self.noted.get_or_insert_default();
    }

    /// The contents that rows came to refer to since the last call, or that became known.
    pub fn take_noted(&mut self) -> Vec<Sha256> {
        self.noted.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn note(&mut self, sha256: &Sha256) {
        if let Some(noted) = &mut self.noted {
            noted.push(*sha256);
        }
    }
}
