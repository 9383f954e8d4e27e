//! The tables, and the handle through which a write transaction reads and changes them.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::IndexError;
use super::row::{Checkpoint, Prefix, seal_bytes};

/// Changes with every change of a table or row; an index of another schema is rebuilt.
pub(super) const SCHEMA: u64 = 1;

pub(super) type Bytes = &'static [u8];

/// `checkpoint`, `next_node`, `schema`.
pub(super) const META: TableDefinition<'_, &str, Bytes> = TableDefinition::new("meta");
/// Chunk digest prefix → offset of its segment-table entry; the lowest, if it lies twice.
pub(super) const CHUNKS: TableDefinition<'_, &Prefix, u64> = TableDefinition::new("chunks");
/// sha256 → content.
pub(super) const BLOBS: TableDefinition<'_, &[u8; 32], Bytes> = TableDefinition::new("blobs");
/// (parent id, name) → node.
pub(super) const NODES: TableDefinition<'_, (u64, &str), Bytes> = TableDefinition::new("nodes");
/// Name → project.
pub(super) const PROJECTS: TableDefinition<'_, &str, Bytes> = TableDefinition::new("projects");
/// (project, name) → repository.
pub(super) const REPOS: TableDefinition<'_, (&str, &str), Bytes> = TableDefinition::new("repos");
/// Name → user.
pub(super) const USERS: TableDefinition<'_, &str, Bytes> = TableDefinition::new("users");
/// Offset of a damaged payload → where an intact copy lies.
pub(super) const RELOCATED: TableDefinition<'_, u64, Bytes> = TableDefinition::new("relocated");

pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const NEXT_NODE: &str = "next_node";
pub(super) const SCHEMA_KEY: &str = "schema";

/// All tables of a write transaction. Reads see what was applied before.
pub struct Tables<'t> {
    pub(super) meta: Table<'t, &'static str, Bytes>,
    pub(super) chunks: Table<'t, &'static Prefix, u64>,
    pub(super) blobs: Table<'t, &'static [u8; 32], Bytes>,
    pub(super) nodes: Table<'t, (u64, &'static str), Bytes>,
    pub(super) projects: Table<'t, &'static str, Bytes>,
    pub(super) repos: Table<'t, (&'static str, &'static str), Bytes>,
    pub(super) users: Table<'t, &'static str, Bytes>,
    pub(super) relocated: Table<'t, u64, Bytes>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(txn: &'t WriteTransaction) -> Result<Self, IndexError> {
        Ok(Self {
            meta: txn.open_table(META)?,
            chunks: txn.open_table(CHUNKS)?,
            blobs: txn.open_table(BLOBS)?,
            nodes: txn.open_table(NODES)?,
            projects: txn.open_table(PROJECTS)?,
            repos: txn.open_table(REPOS)?,
            users: txn.open_table(USERS)?,
            relocated: txn.open_table(RELOCATED)?,
        })
    }

    /// Sets what the index covers when this transaction commits.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn set_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), IndexError> {
        let row = seal_bytes(&[CHECKPOINT.as_bytes()], checkpoint.encode());
        self.meta.insert(CHECKPOINT, row.as_slice())?;
        Ok(())
    }

    /// Puts chunk rows in; sorted ones are quickest. Of two places of a chunk the lower stays,
    /// whatever the order in which they come.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn put_chunks(&mut self, rows: &[(Prefix, u64)]) -> Result<(), IndexError> {
        for (key, offset) in rows {
            let before = self.chunks.insert(key, offset)?.map(|guard| guard.value());
            if let Some(before) = before.filter(|before| before < offset) {
                self.chunks.insert(key, before)?;
            }
        }
        Ok(())
    }

    /// Where the chunk with this prefix lies, as far as rows know.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn chunk(&self, key: &Prefix) -> Result<Option<u64>, IndexError> {
        Ok(self.chunks.get(key)?.map(|guard| guard.value()))
    }
}
