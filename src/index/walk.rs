//! Walking whole tables of a snapshot.

use redb::{ReadableTable, ReadableTableMetadata};

use super::IndexError;
use super::row::{Prefix, unseal};
use super::rows::node_row;
use super::tables::{Reader, Source, each_derived_table};
use crate::format::meta::{Blob, Node, NodeId, Package, Repo};

impl Reader {
    /// How many chunks have rows.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn chunk_count(&self) -> Result<u64, IndexError> {
        Ok(self.chunks()?.len()?)
    }

    /// Bytes of the pages that hold the rows, with what is free in them. Reads all of them.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn page_bytes(&self) -> Result<u64, IndexError> {
        let mut sum = 0;
        macro_rules! table {
            ($field:ident) => {
                let stats = self.$field()?.stats()?;
                sum += stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
            };
        }
        each_derived_table!(table);
        table!(chunks);
        table!(pending_punch);
        Ok(sum)
    }

    /// Hands every chunk row to `visit`, sorted.
    ///
    /// # Errors
    /// [`IndexError`], or what `visit` returns.
    pub fn each_chunk<E: From<IndexError>>(
        &self,
        mut visit: impl FnMut(Prefix, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        for row in self.chunks()?.iter().map_err(IndexError::from)? {
            let (key, offset) = row.map_err(IndexError::from)?;
            visit(*key.value(), offset.value())?;
        }
        Ok(())
    }

    /// Hands every node to `visit`: parent, name, node; a folder's nodes one behind the other.
    ///
    /// # Errors
    /// [`IndexError`], or what `visit` returns.
    pub fn each_node<E: From<IndexError>>(
        &self,
        mut visit: impl FnMut(NodeId, &str, Node) -> Result<(), E>,
    ) -> Result<(), E> {
        for row in self.nodes()?.iter().map_err(IndexError::from)? {
            let (key, row) = row.map_err(IndexError::from)?;
            let (parent, _, name) = key.value();
            visit(NodeId(parent), name, node_row(parent, name, row.value())?)?;
        }
        Ok(())
    }

    /// Hands every content to `visit`.
    ///
    /// # Errors
    /// [`IndexError`], or what `visit` returns.
    pub fn each_blob<E: From<IndexError>>(
        &self,
        mut visit: impl FnMut(Blob) -> Result<(), E>,
    ) -> Result<(), E> {
        for row in self.blobs()?.iter().map_err(IndexError::from)? {
            let (key, row) = row.map_err(IndexError::from)?;
            visit(unseal("blobs", &[key.value()], row.value())?)?;
        }
        Ok(())
    }

    /// Hands every software package to `visit`, by id.
    ///
    /// # Errors
    /// [`IndexError`], or what `visit` returns.
    pub fn each_package<E: From<IndexError>>(
        &self,
        mut visit: impl FnMut(Package) -> Result<(), E>,
    ) -> Result<(), E> {
        for row in self.packages()?.iter().map_err(IndexError::from)? {
            let (key, row) = row.map_err(IndexError::from)?;
            let key = key.value().to_le_bytes();
            visit(unseal("packages", &[&key], row.value())?)?;
        }
        Ok(())
    }

    /// Every repository.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn every_repo(&self) -> Result<Vec<Repo>, IndexError> {
        let mut list = Vec::new();
        for row in self.repos()?.iter()? {
            let (key, row) = row?;
            let (project, name) = key.value();
            list.push(unseal(
                "repos",
                &[project.as_bytes(), name.as_bytes()],
                row.value(),
            )?);
        }
        Ok(list)
    }
}
