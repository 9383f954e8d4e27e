//! Uploads in blocks, as a patient client does them.

use std::sync::mpsc;

use bytes::Bytes;
use packhold::domain::blocks::{self, BlockUpload, Digesting, UploadId};
use packhold::domain::quota::Usage;
use packhold::domain::{Declared, DomainError, Stored};
use packhold::format::meta::{Block, Dialect};

use super::client::{Client, address, upload};

impl Client {
    /// Begins to upload a file in blocks.
    ///
    /// # Errors
    /// What became of it.
    pub fn start_blocks(&self, path: &str, dialect: Dialect) -> Result<UploadId, DomainError> {
        let (sender, receiver) = mpsc::channel();
        blocks::start(&self.store, upload(path), dialect, move |result| {
            sender.send(result).expect("somebody waits");
        });
        receiver.recv().expect("an answer comes")
    }

    /// Puts a block.
    ///
    /// # Errors
    /// What became of it.
    pub fn put_block(
        &self,
        path: &str,
        id: &UploadId,
        key: u64,
        bytes: &[u8],
    ) -> Result<Block, DomainError> {
        let wanted = BlockUpload {
            address: address(path),
            id: id.clone(),
            key,
            declared: Declared::default(),
        };
        let size = Some(bytes.len() as u64);
        let (begun, mut ingest) = blocks::begin_block(&self.store, wanted, size)?;
        ingest.push(&Bytes::copy_from_slice(bytes))?;
        let ingested = ingest.finish_block()?;
        let (sender, receiver) = mpsc::channel();
        blocks::finish_block(&self.store, begun, ingested, move |result| {
            sender.send(result).expect("somebody waits");
        });
        receiver.recv().expect("an answer comes")
    }

    /// Makes the file of its blocks.
    ///
    /// # Errors
    /// What became of it.
    pub fn complete_blocks(
        &self,
        path: &str,
        id: &UploadId,
        size: Option<u64>,
    ) -> Result<Stored, DomainError> {
        let (digesting, usage) = (Digesting::default(), Usage::default());
        let stored = blocks::complete(&self.store, (&digesting, &usage), &upload(path), id, size)?;
        Ok(stored.expect("nobody else digests the blocks"))
    }

    /// Puts a file in blocks of so many bytes.
    ///
    /// # Errors
    /// What became of it.
    pub fn put_in_blocks(
        &self,
        path: &str,
        bytes: &[u8],
        block_bytes: usize,
    ) -> Result<Stored, DomainError> {
        let id = self.start_blocks(path, Dialect::Offset)?;
        let mut key = 0;
        for block in bytes.chunks(block_bytes) {
            self.put_block(path, &id, key, block)?;
            key += block.len() as u64;
        }
        self.complete_blocks(path, &id, Some(key))
    }

    /// Gives an upload in blocks up.
    ///
    /// # Errors
    /// What became of it.
    pub fn abort_blocks(&self, path: &str, id: &UploadId) -> Result<(), DomainError> {
        let (sender, receiver) = mpsc::channel();
        blocks::abort(&self.store, address(path), id.clone(), move |result| {
            sender.send(result).expect("somebody waits");
        });
        receiver.recv().expect("an answer comes")
    }

    /// The first hundred blocks that are there, by key; `None` when the upload is not known.
    ///
    /// # Errors
    /// What stands in the way of asking.
    pub fn try_blocks(&self, path: &str, id: &UploadId) -> Result<Option<Vec<Block>>, DomainError> {
        let rows = self.store.rows()?;
        let now_ms = self.store.now_ms();
        match blocks::blocks(&rows, &address(path), id, now_ms, 0, 100) {
            Ok(blocks) => Ok(Some(blocks)),
            Err(DomainError::NoSession(_) | DomainError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The bytes of a block.
    ///
    /// # Errors
    /// What stands in the way of reading it.
    pub fn try_block(&self, block: &Block) -> Result<Vec<u8>, DomainError> {
        Self::read(self.store.read_block(block))
    }
}
