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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::meta::{Node, NodeId, NodeKind};

    /// A folder that takes so many bytes of a page, if its metadata are wanted.
    fn found(path: &str, bytes: usize) -> Found {
        let key = "k".to_owned();
        let value = "v".repeat(bytes - RECORD_BYTES - path.len() - key.len());
        Found {
            parent: NodeId(1),
            path: path.to_owned(),
            node: Node {
                metadata: vec![(key, value)],
                ..Node::bare(NodeId(2), NodeKind::Folder)
            },
        }
    }

    #[test]
    fn a_page_has_so_many_bytes_and_not_one_more() {
        let mut page = Gather::new(4, true);
        for path in ["/a", "/b"] {
            let taken = page.push(found(path, MAX_PAGE_BYTES / 2), |found| found.path);
            taken.expect("it fits exactly");
        }
        let refused = page.push(found("/c", RECORD_BYTES + 3), |found| found.path);
        let Err(DomainError::Invalid { what, why }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(what, "pageSize");
        assert_eq!(
            why,
            "the first 2 records of this page take 33554432 bytes, which is all that a page may \
             have"
        );
        assert_eq!(page.wanted(), 2);
        assert_eq!(page.finish(), ["/a", "/b"]);
    }

    #[test]
    fn metadata_that_are_not_wanted_take_nothing() {
        let mut page = Gather::new(2, false);
        for path in ["/a", "/b"] {
            let pairs = |found: Found| found.node.metadata.len();
            let taken = page.push(found(path, MAX_PAGE_BYTES), pairs);
            taken.expect("only its path counts");
        }
        assert_eq!(page.finish(), [0, 0]);
    }
}
