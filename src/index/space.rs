//! What reclaiming reads: tables in slices, each in a snapshot of its own, so that none is old for long.

use redb::ReadableTable;

use super::IndexError;
use super::row::unseal;
use super::rows::node_row;
use super::tables::{Reader, Source};
use crate::format::Sha256;
use crate::format::meta::{Blob, Block, FreedRecord, Node, NodeId, Package, Relocated, SessionId};

/// Where a slice of the nodes ended: parent, rank, name.
pub type NodeKey = (u64, u8, String);
/// Where a slice of the blocks ended: session, key.
pub type BlockKey = (SessionId, u64);

impl Reader {
    /// Keeps something for as long as the snapshot lives.
    #[must_use]
    pub fn keep(mut self, what: Box<dyn Send + Sync>) -> Self {
        self.kept = Some(what);
        self
    }

    /// At most `limit` nodes behind `after`, in the order of keys: parent, name, node; and where the
    /// slice ended, `None` for the last one.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn node_slice(
        &self,
        after: Option<&NodeKey>,
        limit: usize,
        mut visit: impl FnMut(NodeId, &str, Node),
    ) -> Result<Option<NodeKey>, IndexError> {
        let from = after.map_or((0, 0, ""), |(parent, rank, name)| {
            (*parent, *rank, name.as_str())
        });
        let mut last = None;
        let mut count = 0;
        for row in self.nodes()?.range(from..)? {
            let (key, row) = row?;
            let (parent, rank, name) = key.value();
            if after.is_some() && from == (parent, rank, name) {
                continue;
            }
            if count == limit {
                return Ok(last);
            }
            visit(NodeId(parent), name, node_row(parent, name, row.value())?);
            count += 1;
            if count == limit {
                last = Some((parent, rank, name.to_owned()));
            }
        }
        Ok(None)
    }

    /// At most `limit` software packages behind `after`, by id.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn package_slice(&self, after: u64, limit: usize) -> Result<Vec<Package>, IndexError> {
        let range = self.packages()?.range(after.saturating_add(1)..)?;
        range
            .take(limit)
            .map(|row| {
                let (key, row) = row?;
                unseal("packages", &[&key.value().to_le_bytes()], row.value())
            })
            .collect()
    }

    /// At most `limit` contents behind `after`, by sha256.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn blob_slice(
        &self,
        after: Option<&Sha256>,
        limit: usize,
    ) -> Result<Vec<Blob>, IndexError> {
        let range = self
            .blobs()?
            .range::<&Sha256>(after.unwrap_or(&[0; 32])..)?;
        let mut found = Vec::new();
        for row in range {
            let (key, row) = row?;
            if found.len() == limit {
                break;
            }
            if after != Some(key.value()) {
                found.push(unseal("blobs", &[key.value()], row.value())?);
            }
        }
        Ok(found)
    }

    /// At most `limit` blocks of uploads behind `after`.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn block_slice(
        &self,
        after: Option<BlockKey>,
        limit: usize,
    ) -> Result<Vec<(BlockKey, Block)>, IndexError> {
        let (session, key) = after.unwrap_or(([0; 16], 0));
        let mut found = Vec::new();
        for row in self.blocks()?.range((&session, key)..)? {
            let (key, row) = row?;
            if found.len() == limit {
                break;
            }
            let (session, key) = key.value();
            if after != Some((*session, key)) {
                let block = unseal("blocks", &[session, &key.to_le_bytes()], row.value())?;
                found.push(((*session, key), block));
            }
        }
        Ok(found)
    }

    /// Every relocation; there are as many as chunks were ever found damaged and mended.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn every_relocated(&self) -> Result<Vec<Relocated>, IndexError> {
        let rows = self.relocated()?.iter()?;
        rows.map(|row| {
            let (key, row) = row?;
            unseal("relocated", &[&key.value().to_le_bytes()], row.value())
        })
        .collect()
    }

    /// What was given back of at most `limit` records from `offset` on.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn freed_slice(&self, offset: u64, limit: usize) -> Result<Vec<FreedRecord>, IndexError> {
        let rows = self.freed()?.range(offset..)?.take(limit);
        rows.map(|row| {
            let (key, row) = row?;
            unseal("freed", &[&key.value().to_le_bytes()], row.value())
        })
        .collect()
    }

    /// Hands what was given back of each record to `visit`, by offset.
    ///
    /// # Errors
    /// [`IndexError`], or what `visit` returns.
    pub fn each_freed<E: From<IndexError>>(
        &self,
        mut visit: impl FnMut(FreedRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        for row in self.freed()?.iter().map_err(IndexError::from)? {
            let (key, row) = row.map_err(IndexError::from)?;
            let key = key.value().to_le_bytes();
            visit(unseal("freed", &[&key], row.value())?)?;
        }
        Ok(())
    }
}
