//! One page of an answer, bounded in bytes.

use super::super::DomainError;
use super::walk::Found;

/// Bytes that the records of one page may take.
pub const MAX_PAGE_BYTES: usize = 32 << 20;
/// What a record takes beside its path and metadata.
const RECORD_BYTES: usize = 512;

/// The records of a page.
pub(super) struct Gather<T> {
    records: Vec<T>,
    bytes: usize,
    limit: usize,
    /// Metadata stay with the nodes.
    metadata: bool,
}

impl<T> Gather<T> {
    /// An empty page of at most `limit` records.
    pub fn new(limit: usize, metadata: bool) -> Self {
        Self {
            records: Vec::new(),
            bytes: 0,
            limit,
            metadata,
        }
    }

    /// How many records are still wanted.
    pub fn wanted(&self) -> usize {
        self.limit.saturating_sub(self.records.len())
    }

    /// Takes in a record.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] when the page would take too much memory.
    pub fn push(
        &mut self,
        mut found: Found,
        record: impl FnOnce(Found) -> T,
    ) -> Result<(), DomainError> {
        if !self.metadata {
            found.node.metadata = Vec::new();
        }
        let pairs = found.node.metadata.iter();
        let metadata: usize = pairs.map(|(k, v)| k.len() + v.len()).sum();
        self.bytes += RECORD_BYTES + found.path.len() + metadata;
        if self.bytes > MAX_PAGE_BYTES {
            return Err(DomainError::Invalid {
                what: "pageSize",
                why: format!(
                    "the first {} records of this page take {MAX_PAGE_BYTES} bytes, which is all \
                     that a page may have",
                    self.records.len()
                ),
            });
        }
        self.records.push(record(found));
        Ok(())
    }

    /// The records.
    pub fn finish(self) -> Vec<T> {
        self.records
    }
}
