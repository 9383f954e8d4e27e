//! The tables, and the handles through which a snapshot reads them and a write transaction reads and
//! changes them.

use std::ops::Bound;
use std::sync::OnceLock;

use redb::{
    Key, ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, TableError, Value,
    WriteTransaction,
};

use super::IndexError;
use super::row::{Checkpoint, Prefix, seal_bytes};
use crate::format::Sha256;

/// Changes with every change of a table or row; an index of another schema is rebuilt.
pub(super) const SCHEMA: u64 = 6;

/// A row: see [`super::row`].
pub(super) type Bytes = &'static [u8];
pub(super) type Str = &'static str;

/// Names each table once: its field, its key and value, and what is in it.
macro_rules! tables {
    ($($(#[$doc:meta])+ $field:ident: $key:ty => $value:ty;)+) => {
        /// All tables of a write transaction. Reads see what was applied before.
        pub struct Tables<'t> {
            $($(#[$doc])+ pub(super) $field: Slot<'t, $key, $value>,)+
            /// Contents that rows came to refer to, if somebody wants to know.
            pub(super) noted: Option<Vec<Sha256>>,
        }

        /// A snapshot of the index.
        pub struct Reader {
            transaction: ReadTransaction,
            $($field: OnceLock<ReadOnlyTable<$key, $value>>,)+
            /// See [`Reader::keep`].
            pub(super) kept: Option<Box<dyn Send + Sync>>,
        }

        impl<'t> Tables<'t> {
            pub(super) fn open(transaction: &'t WriteTransaction) -> Self {
                Self {
                    $($field: Slot::new(transaction, stringify!($field)),)+
                    noted: None,
                }
            }

            /// Makes those that are not there: who reads opens no others.
            pub(super) fn create(&self) -> Result<(), IndexError> {
                $(self.$field.read()?;)+
                Ok(())
            }
        }

        impl Reader {
            pub(super) fn open(transaction: ReadTransaction) -> Self {
                Self {
                    transaction,
                    $($field: OnceLock::new(),)+
                    kept: None,
                }
            }
        }

        /// What can be read: a snapshot, or a write transaction.
        pub(super) trait Source {
            $($(#[$doc])+ fn $field(&self) -> Result<&impl ReadableTable<$key, $value>, IndexError>;)+
        }

        impl Source for Reader {
            $(fn $field(&self) -> Result<&impl ReadableTable<$key, $value>, IndexError> {
                once(&self.$field, || {
                    let table = TableDefinition::<$key, $value>::new(stringify!($field));
                    self.transaction.open_table(table)
                })
            })+
        }

        impl Source for Tables<'_> {
            $(fn $field(&self) -> Result<&impl ReadableTable<$key, $value>, IndexError> {
                self.$field.read()
            })+
        }
    };
}

tables! {
    /// `checkpoint`, `next_node`, `next_package`, `schema`.
    meta: Str => Bytes;
    /// Chunk digest prefix → offset of its segment-table entry; the lowest, if it lies twice.
    chunks: &'static Prefix => u64;
    /// sha256 → content.
    blobs: &'static [u8; 32] => Bytes;
    /// (parent id, rank, name) → node: folders come before files.
    nodes: (u64, u8, Str) => Bytes;
    /// Folder id → how many folders and files are in it, expired ones too.
    counts: u64 => Bytes;
    /// (when, parent id, name) of the files that expire.
    expiries: (u64, u64, Str) => ();
    /// Ids of deleted folders whose nodes are still to be forgotten.
    dropped: u64 => ();
    /// Name → project.
    projects: Str => Bytes;
    /// (project, name) → repository.
    repos: (Str, Str) => Bytes;
    /// Name → user.
    users: Str => Bytes;
    /// (project, repository or nothing, user) → what the user may do there.
    grants: (Str, Str, Str) => Bytes;
    /// sha256 of the secret → temporary token.
    tokens: &'static [u8; 32] => Bytes;
    /// sha256 of the secret → access token.
    access_tokens: &'static [u8; 32] => Bytes;
    /// Key → pair of access keys.
    access_keys: Str => Bytes;
    /// (project, repository) → how much it may hold.
    quotas: (Str, Str) => Bytes;
    /// Id → upload in blocks.
    sessions: &'static [u8; 16] => Bytes;
    /// (session, key) → block.
    blocks: (&'static [u8; 16], u64) => Bytes;
    /// Id → software package.
    packages: u64 => Bytes;
    /// (field, value, id): packages in the order of a field that hardly two have in common.
    package_orders: (u8, Bytes, u64) => ();
    /// (field, value, id / 65,536) → those packages of these ids that have the value.
    package_sets: (u8, Str, u64) => Bytes;
    /// id / 256 → the file names of these packages, in lower case.
    package_names: u64 => Bytes;
    /// Offset of a damaged payload → where an intact copy lies.
    relocated: u64 => Bytes;
    /// Offset of a record → what was given back of it.
    freed: u64 => Bytes;
    /// Offsets of records in which freed bytes are still to be punched.
    pending_punch: u64 => ();
}

/// Calls `$visit!(field)` for every table that must be the same in two indexes of one pack.
macro_rules! each_derived_table {
    ($visit:ident) => {
        $visit!(meta);
        $visit!(blobs);
        $visit!(nodes);
        $visit!(counts);
        $visit!(expiries);
        $visit!(dropped);
        $visit!(projects);
        $visit!(repos);
        $visit!(users);
        $visit!(grants);
        $visit!(tokens);
        $visit!(access_tokens);
        $visit!(access_keys);
        $visit!(quotas);
        $visit!(sessions);
        $visit!(blocks);
        $visit!(packages);
        $visit!(package_orders);
        $visit!(package_sets);
        $visit!(package_names);
        $visit!(relocated);
        $visit!(freed);
    };
}
pub(super) use each_derived_table;

pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const NEXT_NODE: &str = "next_node";
pub(super) const NEXT_PACKAGE: &str = "next_package";
pub(super) const SCHEMA_KEY: &str = "schema";

/// A table of a write transaction, opened when it is first used: most changes need few, and opening one
/// costs more than a row.
pub struct Slot<'t, K: Key + 'static, V: Value + 'static> {
    transaction: &'t WriteTransaction,
    name: &'static str,
    table: OnceLock<Table<'t, K, V>>,
}

impl<'t, K: Key, V: Value> Slot<'t, K, V> {
    fn new(transaction: &'t WriteTransaction, name: &'static str) -> Self {
        Self {
            transaction,
            name,
            table: OnceLock::new(),
        }
    }

    /// The table, to be read.
    pub(super) fn read(&self) -> Result<&Table<'t, K, V>, IndexError> {
        once(&self.table, || {
            self.transaction.open_table(TableDefinition::new(self.name))
        })
    }

    /// The table, to be changed.
    pub(super) fn write(&mut self) -> Result<&mut Table<'t, K, V>, IndexError> {
        self.read()?;
        self.table.get_mut().ok_or(IndexError::Panicked)
    }
}

/// What is in the cell; `open` fills it, if that has to be done.
fn once<T>(
    cell: &OnceLock<T>,
    open: impl FnOnce() -> Result<T, TableError>,
) -> Result<&T, IndexError> {
    if let Some(table) = cell.get() {
        return Ok(table);
    }
    let table = open()?;
    Ok(cell.get_or_init(|| table))
}

impl Tables<'_> {
    /// Sets what the index covers when this transaction commits.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn set_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), IndexError> {
        let row = seal_bytes(&[CHECKPOINT.as_bytes()], checkpoint.encode());
        self.meta.write()?.insert(CHECKPOINT, row.as_slice())?;
        Ok(())
    }

    /// Fills the table of chunks, which must be empty, with sorted rows.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn load_chunks(
        &mut self,
        rows: impl Iterator<Item = Result<(Prefix, u64), IndexError>>,
    ) -> Result<(), IndexError> {
        let mut cursor = self
            .chunks
            .write()?
            .upper_bound_mut(Bound::<&Prefix>::Unbounded)?;
        for row in rows {
            let (key, offset) = row?;
            cursor.insert_before(&key, offset)?;
        }
        Ok(cursor.close()?)
    }

    /// Puts chunk rows in; sorted ones are quickest. Of two places of a chunk the lower stays,
    /// whatever the order in which they come.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn put_chunks(&mut self, rows: &[(Prefix, u64)]) -> Result<(), IndexError> {
        for (key, offset) in rows {
            let before = self
                .chunks
                .write()?
                .insert(key, offset)?
                .map(|guard| guard.value());
            if let Some(before) = before.filter(|before| before < offset) {
                self.chunks.write()?.insert(key, before)?;
            }
        }
        Ok(())
    }
}
