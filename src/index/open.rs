//! Opening the database, and its transactions.

use redb::{Database, Durability, ReadableDatabase, TableDefinition, WriteTransaction};

use super::place::{Keeper, Place};
use super::row::{Checkpoint, seal_bytes, unseal_bytes};
use super::tables::{Reader, SCHEMA, SCHEMA_KEY, Tables};
use super::{IndexError, Rows};

/// The index.
pub struct Index {
    database: Database,
    keeper: Keeper,
}

/// A write transaction.
pub struct Batch {
    transaction: WriteTransaction,
}

impl Index {
    /// Opens the index, or makes an empty one where there is none, or one that cannot be used.
    /// `cache_bytes` bounds the memory that redb keeps pages in.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn open(place: &Place, cache_bytes: usize) -> Result<Self, IndexError> {
        if matches!(place, Place::Memory) {
            return Self::at(place, cache_bytes)?.prepare();
        }
        match Self::at(place, cache_bytes) {
            Ok(index) if index.is_current() => return Ok(index),
            Ok(_) => tracing::info!(?place, "the index is new, or of another version"),
            Err(error) if error.is_held() => return Err(error),
            Err(error) => tracing::warn!(?place, %error, "the index is unusable"),
        }
        place.remove()?;
        Self::at(place, cache_bytes)?.prepare()
    }

    /// Makes an empty index in the place of whatever is there.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn fresh(place: &Place, cache_bytes: usize) -> Result<Self, IndexError> {
        place.remove()?;
        Self::open(place, cache_bytes)
    }

    fn at(place: &Place, cache_bytes: usize) -> Result<Self, IndexError> {
        let (database, keeper) = place.database(cache_bytes)?;
        Ok(Self { database, keeper })
    }

    /// Whether a checkpoint would find room on the disk for the whole index. Without it a durable
    /// commit may fail the database; others go on in memory.
    pub fn has_room(&self) -> bool {
        self.keeper.has_room()
    }

    fn is_current(&self) -> bool {
        let schema = || -> Result<Option<u64>, IndexError> {
            // Only this table: the others of another schema cannot be opened.
            let meta = TableDefinition::<&str, &[u8]>::new("meta");
            let meta = self.database.begin_read()?.open_table(meta)?;
            let row = meta.get(SCHEMA_KEY)?;
            let Some(row) = row else { return Ok(None) };
            let bytes = unseal_bytes("meta", &[SCHEMA_KEY.as_bytes()], row.value())?;
            Ok(bytes.try_into().ok().map(u64::from_le_bytes))
        };
        matches!(schema(), Ok(Some(SCHEMA)))
    }

    /// Makes the tables of a new database.
    fn prepare(self) -> Result<Self, IndexError> {
        let batch = self.begin()?;
        {
            let mut tables = batch.tables();
            tables.create()?;
            let row = seal_bytes(&[SCHEMA_KEY.as_bytes()], SCHEMA.to_le_bytes().to_vec());
            tables.meta.write()?.insert(SCHEMA_KEY, row.as_slice())?;
        }
        batch.commit(true)?;
        Ok(self)
    }

    /// Begins a write transaction; there is one at a time.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn begin(&self) -> Result<Batch, IndexError> {
        Ok(Batch {
            transaction: self.database.begin_write()?,
        })
    }

    /// A snapshot to read from.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn reader(&self) -> Result<Reader, IndexError> {
        Ok(Reader::open(self.database.begin_read()?))
    }

    /// What the index covers; `None` for an empty one.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
        self.reader()?.checkpoint()
    }
}

impl Batch {
    /// The tables; to be dropped before the commit.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn tables(&self) -> Tables<'_> {
        Tables::open(&self.transaction)
    }

    /// Makes the changes visible to new readers; with `durable`, a checkpoint: it and all before
    /// it survive a crash, and opening after a crash needs no repair.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn commit(mut self, durable: bool) -> Result<(), IndexError> {
        if durable {
            self.transaction.set_quick_repair(true);
        } else {
            self.transaction.set_durability(Durability::None)?;
        }
        Ok(self.transaction.commit()?)
    }
}
