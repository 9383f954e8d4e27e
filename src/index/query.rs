//! Reading rows: the same questions to a snapshot and to a write transaction.

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::IndexError;
use super::row::{Checkpoint, Prefix, unseal, unseal_bytes};
use super::tables::{
    BLOBS, Bytes, CHECKPOINT, CHUNKS, META, NEXT_NODE, NODES, PROJECTS, RELOCATED, REPOS, Tables,
    USERS,
};
use crate::format::Sha256;
use crate::format::meta::{Blob, Node, NodeId, Project, Relocated, Repo, User};

/// Questions that rows answer.
pub trait Rows {
    /// What the index covers; `None` for an empty one.
    ///
    /// # Errors
    /// [`IndexError`], as for all of these.
    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError>;
    /// The smallest node id that was never used.
    ///
    /// # Errors
    /// [`IndexError`].
    fn next_node(&self) -> Result<u64, IndexError>;
    /// The project of a name.
    ///
    /// # Errors
    /// [`IndexError`].
    fn project(&self, name: &str) -> Result<Option<Project>, IndexError>;
    /// The repository of a name.
    ///
    /// # Errors
    /// [`IndexError`].
    fn repo(&self, project: &str, name: &str) -> Result<Option<Repo>, IndexError>;
    /// The node of a name in a folder.
    ///
    /// # Errors
    /// [`IndexError`].
    fn node(&self, parent: NodeId, name: &str) -> Result<Option<Node>, IndexError>;
    /// At most `limit` nodes of a folder, by name, behind `after`.
    ///
    /// # Errors
    /// [`IndexError`].
    fn children(
        &self,
        parent: NodeId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Node)>, IndexError>;
    /// The content with a digest.
    ///
    /// # Errors
    /// [`IndexError`].
    fn blob(&self, sha256: &Sha256) -> Result<Option<Blob>, IndexError>;
    /// The user of a name.
    ///
    /// # Errors
    /// [`IndexError`].
    fn user(&self, name: &str) -> Result<Option<User>, IndexError>;
    /// Where an intact copy of the damaged payload at a pack offset lies.
    ///
    /// # Errors
    /// [`IndexError`].
    fn relocated(&self, from: u64) -> Result<Option<Relocated>, IndexError>;
}

/// A snapshot of the index.
pub struct Reader {
    meta: ReadOnlyTable<&'static str, Bytes>,
    chunks: ReadOnlyTable<&'static Prefix, u64>,
    blobs: ReadOnlyTable<&'static [u8; 32], Bytes>,
    nodes: ReadOnlyTable<(u64, &'static str), Bytes>,
    projects: ReadOnlyTable<&'static str, Bytes>,
    repos: ReadOnlyTable<(&'static str, &'static str), Bytes>,
    users: ReadOnlyTable<&'static str, Bytes>,
    relocated: ReadOnlyTable<u64, Bytes>,
}

macro_rules! rows {
    ($type:ty) => {
        impl Rows for $type {
            fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
                let Some(row) = self.meta.get(CHECKPOINT)? else {
                    return Ok(None);
                };
                let bytes = unseal_bytes("meta", &[CHECKPOINT.as_bytes()], row.value())?;
                Checkpoint::decode(bytes).map(Some)
            }

            fn next_node(&self) -> Result<u64, IndexError> {
                let Some(row) = self.meta.get(NEXT_NODE)? else {
                    return Ok(1);
                };
                let bytes = unseal_bytes("meta", &[NEXT_NODE.as_bytes()], row.value())?;
                let bytes = bytes.try_into();
                bytes
                    .map(u64::from_le_bytes)
                    .map_err(|_| IndexError::Damaged { table: "meta" })
            }

            fn project(&self, name: &str) -> Result<Option<Project>, IndexError> {
                let row = self.projects.get(name)?;
                row.map(|row| unseal("projects", &[name.as_bytes()], row.value()))
                    .transpose()
            }

            fn repo(&self, project: &str, name: &str) -> Result<Option<Repo>, IndexError> {
                let row = self.repos.get((project, name))?;
                row.map(|row| unseal("repos", &[project.as_bytes(), name.as_bytes()], row.value()))
                    .transpose()
            }

            fn node(&self, parent: NodeId, name: &str) -> Result<Option<Node>, IndexError> {
                let row = self.nodes.get((parent.0, name))?;
                row.map(|row| node_row(parent.0, name, row.value()))
                    .transpose()
            }

            fn children(
                &self,
                parent: NodeId,
                after: Option<&str>,
                limit: usize,
            ) -> Result<Vec<(String, Node)>, IndexError> {
                let from = (parent.0, after.unwrap_or(""));
                let upto = (parent.0.saturating_add(1), "");
                let mut list = Vec::new();
                for row in self.nodes.range(from..upto)? {
                    let (key, row) = row?;
                    let (_, name) = key.value();
                    if after == Some(name) {
                        continue;
                    }
                    if list.len() == limit {
                        break;
                    }
                    list.push((name.to_owned(), node_row(parent.0, name, row.value())?));
                }
                Ok(list)
            }

            fn blob(&self, sha256: &Sha256) -> Result<Option<Blob>, IndexError> {
                let row = self.blobs.get(sha256)?;
                row.map(|row| unseal("blobs", &[sha256], row.value()))
                    .transpose()
            }

            fn user(&self, name: &str) -> Result<Option<User>, IndexError> {
                let row = self.users.get(name)?;
                row.map(|row| unseal("users", &[name.as_bytes()], row.value()))
                    .transpose()
            }

            fn relocated(&self, from: u64) -> Result<Option<Relocated>, IndexError> {
                let row = self.relocated.get(from)?;
                row.map(|row| unseal("relocated", &[&from.to_le_bytes()], row.value()))
                    .transpose()
            }
        }
    };
}

rows!(Reader);
rows!(Tables<'_>);

fn node_row(parent: u64, name: &str, row: &[u8]) -> Result<Node, IndexError> {
    unseal("nodes", &[&parent.to_le_bytes(), name.as_bytes()], row)
}

impl Reader {
    pub(super) fn open(txn: &ReadTransaction) -> Result<Self, IndexError> {
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

    /// Where the chunk with this prefix lies, as far as rows know.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn chunk(&self, key: &Prefix) -> Result<Option<u64>, IndexError> {
        Ok(self.chunks.get(key)?.map(|guard| guard.value()))
    }

    /// How many chunks have rows.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn chunk_count(&self) -> Result<u64, IndexError> {
        Ok(self.chunks.len()?)
    }

    /// Hands every chunk row to `visit`, sorted.
    ///
    /// # Errors
    /// [`IndexError`], or what `visit` returns.
    pub fn each_chunk<E: From<IndexError>>(
        &self,
        mut visit: impl FnMut(Prefix, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        for row in self.chunks.iter().map_err(IndexError::from)? {
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
        for row in self.nodes.iter().map_err(IndexError::from)? {
            let (key, row) = row.map_err(IndexError::from)?;
            let (parent, name) = key.value();
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
        for row in self.blobs.iter().map_err(IndexError::from)? {
            let (key, row) = row.map_err(IndexError::from)?;
            visit(unseal("blobs", &[key.value()], row.value())?)?;
        }
        Ok(())
    }

    /// Every repository.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn repos(&self) -> Result<Vec<Repo>, IndexError> {
        let mut list = Vec::new();
        for row in self.repos.iter()? {
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

    /// How the rows of two indexes differ, but for chunks and the checkpoint: a line each, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn differences(&self, other: &Self, limit: usize) -> Result<Vec<String>, IndexError> {
        let mut lines = Vec::new();
        macro_rules! table {
            ($field:ident) => {
                compare(
                    stringify!($field),
                    &mut lines,
                    limit,
                    self.$field.iter()?,
                    other.$field.iter()?,
                )?;
            };
        }
        table!(meta);
        table!(blobs);
        table!(nodes);
        table!(projects);
        table!(repos);
        table!(users);
        table!(relocated);
        Ok(lines)
    }
}

/// Walks two sorted tables side by side.
fn compare<K: redb::Key + 'static>(
    table: &str,
    lines: &mut Vec<String>,
    limit: usize,
    ours: redb::Range<'_, K, Bytes>,
    theirs: redb::Range<'_, K, Bytes>,
) -> Result<(), IndexError> {
    let is_checkpoint = |key: &[u8]| table == "meta" && key == CHECKPOINT.as_bytes();
    let next = |range: &mut redb::Range<'_, K, Bytes>| -> Result<_, IndexError> {
        for row in range {
            let (key, value) = row?;
            let key = K::as_bytes(&key.value()).as_ref().to_vec();
            if !is_checkpoint(&key) {
                return Ok(Some((key, value.value().to_vec())));
            }
        }
        Ok(None)
    };
    let (mut ours, mut theirs) = (ours, theirs);
    let (mut left, mut right) = (next(&mut ours)?, next(&mut theirs)?);
    while lines.len() < limit && (left.is_some() || right.is_some()) {
        let order = match (&left, &right) {
            (Some((a, _)), Some((b, _))) => K::compare(a, b),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        let name = |row: &Option<(Vec<u8>, Vec<u8>)>| {
            row.as_ref()
                .map_or_else(String::new, |(key, _)| key.escape_ascii().to_string())
        };
        match order {
            std::cmp::Ordering::Less => {
                lines.push(format!(
                    "{table}: the row of {} is not in the pack",
                    name(&left)
                ));
                left = next(&mut ours)?;
            }
            std::cmp::Ordering::Greater => {
                lines.push(format!("{table}: the row of {} is missing", name(&right)));
                right = next(&mut theirs)?;
            }
            std::cmp::Ordering::Equal => {
                if left != right {
                    lines.push(format!(
                        "{table}: the row of {} differs from the pack",
                        name(&left)
                    ));
                }
                left = next(&mut ours)?;
                right = next(&mut theirs)?;
            }
        }
    }
    Ok(())
}
