//! Reading rows: the same questions to a snapshot and to a write transaction.

use redb::{AccessGuard, Key, Range, ReadableTable};

use super::IndexError;
use super::packages;
use super::packages::{PackagePage, PackageQuery};
use super::row::{Checkpoint, Prefix, unseal, unseal_bytes};
use super::tables::{Bytes, CHECKPOINT, NEXT_NODE, NEXT_PACKAGE, Source};
use crate::format::Sha256;
use crate::format::meta::{
    AccessKey, AccessToken, Blob, Block, FreedRecord, Grant, Node, NodeId, NodeKind, Package,
    Project, Quota, Relocated, Repo, Row, Session, SessionId, Token, User,
};

/// Where nodes come in the order of a folder: folders before files, each by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// A folder.
    Folder = 0,
    /// A file.
    File = 1,
}

impl Rank {
    /// The rank of a node.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        match node.kind {
            NodeKind::Folder => Self::Folder,
            NodeKind::File { .. } => Self::File,
        }
    }

    fn from(byte: u8) -> Self {
        if byte == 0 { Self::Folder } else { Self::File }
    }
}

/// How many nodes are in a folder; expired ones that were not swept yet count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Folders.
    pub folders: u64,
    /// Files.
    pub files: u64,
}

/// A file and when it expires: Unix milliseconds, its folder, its name.
pub type Expiry = (u64, NodeId, String);

/// Questions that rows answer. All of them fail with [`IndexError`] when the index is damaged.
#[expect(
    clippy::missing_errors_doc,
    reason = "it is the same for all of them, and said above"
)]
pub trait Rows {
    /// What the index covers; `None` for an empty one.
    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError>;
    /// The smallest node id that was never used.
    fn next_node(&self) -> Result<u64, IndexError>;
    /// The project of a name.
    fn project(&self, name: &str) -> Result<Option<Project>, IndexError>;
    /// At most `limit` projects, by name, behind `after`.
    fn projects(&self, after: Option<&str>, limit: usize) -> Result<Vec<Project>, IndexError>;
    /// The repository of a name.
    fn repo(&self, project: &str, name: &str) -> Result<Option<Repo>, IndexError>;
    /// At most `limit` repositories of a project, by name, behind `after`.
    fn repos(
        &self,
        project: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Repo>, IndexError>;
    /// The node of a name in a folder.
    fn node(&self, parent: NodeId, name: &str) -> Result<Option<Node>, IndexError>;
    /// At most `limit` nodes of a folder, folders first, then by name, behind `after`.
    fn children(
        &self,
        parent: NodeId,
        after: Option<(Rank, &str)>,
        limit: usize,
    ) -> Result<Vec<(String, Node)>, IndexError>;
    /// At most `limit` nodes of a folder in the same order, from the `skip`-th of rank `from` on.
    /// Takes time in proportion to `skip`, but reads no rows for it.
    fn children_at(
        &self,
        parent: NodeId,
        from: Rank,
        skip: u64,
        limit: usize,
    ) -> Result<Vec<(String, Node)>, IndexError>;
    /// How many nodes are in a folder.
    fn counts(&self, parent: NodeId) -> Result<Counts, IndexError>;
    /// At most `limit` files that expired at `now_ms` or before, the longest expired first.
    fn expired(&self, now_ms: u64, limit: usize) -> Result<Vec<Expiry>, IndexError>;
    /// A deleted folder whose nodes are still to be forgotten.
    fn dropped(&self) -> Result<Option<NodeId>, IndexError>;
    /// The content with a digest.
    fn blob(&self, sha256: &Sha256) -> Result<Option<Blob>, IndexError>;
    /// The user of a name.
    fn user(&self, name: &str) -> Result<Option<User>, IndexError>;
    /// At most `limit` users, by name, behind `after`.
    fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<User>, IndexError>;
    /// What a user was granted in a repository, or, with an empty name, in a project.
    fn grant(&self, user: &str, project: &str, repo: &str) -> Result<Option<Grant>, IndexError>;
    /// All that was granted in a project and its repositories, by repository and user.
    fn grants(&self, project: &str) -> Result<Vec<Grant>, IndexError>;
    /// The temporary token with a secret of this sha256.
    fn token(&self, secret_sha256: &Sha256) -> Result<Option<Token>, IndexError>;
    /// At most `limit` temporary tokens behind `after`.
    fn tokens(&self, after: Option<&Sha256>, limit: usize) -> Result<Vec<Token>, IndexError>;
    /// The access token of this sha256.
    fn access_token(&self, secret_sha256: &Sha256) -> Result<Option<AccessToken>, IndexError>;
    /// All access tokens of a user, in no order.
    fn access_tokens(&self, user: &str) -> Result<Vec<AccessToken>, IndexError>;
    /// The pair of access keys of a key.
    fn access_key(&self, key: &str) -> Result<Option<AccessKey>, IndexError>;
    /// All access keys of a user, by key.
    fn access_keys(&self, user: &str) -> Result<Vec<AccessKey>, IndexError>;
    /// How many bytes a repository may hold, if that is bounded.
    fn quota(&self, project: &str, repo: &str) -> Result<Option<u64>, IndexError>;
    /// The upload in blocks of an id.
    fn session(&self, id: &SessionId) -> Result<Option<Session>, IndexError>;
    /// At most `limit` uploads in blocks behind `after`.
    fn sessions(&self, after: Option<&SessionId>, limit: usize)
    -> Result<Vec<Session>, IndexError>;
    /// The block of a key.
    fn block(&self, session: &SessionId, key: u64) -> Result<Option<Block>, IndexError>;
    /// At most `limit` blocks of an upload, by key, from `from` on.
    fn blocks(
        &self,
        session: &SessionId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Block>, IndexError>;
    /// The smallest id that no software package ever had.
    fn next_package(&self) -> Result<u64, IndexError>;
    /// The software package of an id.
    fn package(&self, id: u64) -> Result<Option<Package>, IndexError>;
    /// The software package of a file name.
    fn package_called(&self, file_name: &str) -> Result<Option<Package>, IndexError>;
    /// The software packages that a query asks for; see [`PackageQuery`] for what that costs.
    fn packages(&self, query: &PackageQuery) -> Result<PackagePage, IndexError>;
    /// Where the segment-table entry of the chunk with this prefix lies, as far as rows know.
    fn chunk(&self, key: &Prefix) -> Result<Option<u64>, IndexError>;
    /// Where an intact copy of the damaged payload at a pack offset lies.
    fn relocated(&self, from: u64) -> Result<Option<Relocated>, IndexError>;
    /// What was given back of the record whose frame lies at a pack offset.
    fn freed(&self, record: u64) -> Result<Option<FreedRecord>, IndexError>;
    /// At most `limit` records with freed bytes that are still to be punched, behind `after`.
    fn pending_punches(&self, after: u64, limit: usize) -> Result<Vec<u64>, IndexError>;
}

impl<S: Source> Rows for S {
    fn checkpoint(&self) -> Result<Option<Checkpoint>, IndexError> {
        let Some(row) = self.meta()?.get(CHECKPOINT)? else {
            return Ok(None);
        };
        let bytes = unseal_bytes("meta", &[CHECKPOINT.as_bytes()], row.value())?;
        Checkpoint::decode(bytes).map(Some)
    }

    fn next_node(&self) -> Result<u64, IndexError> {
        next(self, NEXT_NODE)
    }

    fn project(&self, name: &str) -> Result<Option<Project>, IndexError> {
        one("projects", &[name.as_bytes()], self.projects()?.get(name)?)
    }

    fn projects(&self, after: Option<&str>, limit: usize) -> Result<Vec<Project>, IndexError> {
        let range = self.projects()?.range(after.unwrap_or("")..)?;
        list(range, limit, |name, row| {
            unless(after == Some(name), || {
                unseal("projects", &[name.as_bytes()], row)
            })
        })
    }

    fn repo(&self, project: &str, name: &str) -> Result<Option<Repo>, IndexError> {
        let key = [project.as_bytes(), name.as_bytes()];
        one("repos", &key, self.repos()?.get((project, name))?)
    }

    fn repos(
        &self,
        project: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Repo>, IndexError> {
        let upto = next_text(project);
        let range = (project, after.unwrap_or(""))..(upto.as_str(), "");
        list(
            self.repos()?.range(range)?,
            limit,
            |(project, name), row| {
                unless(after == Some(name), || {
                    unseal("repos", &[project.as_bytes(), name.as_bytes()], row)
                })
            },
        )
    }

    fn node(&self, parent: NodeId, name: &str) -> Result<Option<Node>, IndexError> {
        for rank in [Rank::File, Rank::Folder] {
            if let Some(row) = self.nodes()?.get((parent.0, rank as u8, name))? {
                return node_row(parent.0, name, row.value()).map(Some);
            }
        }
        Ok(None)
    }

    fn children(
        &self,
        parent: NodeId,
        after: Option<(Rank, &str)>,
        limit: usize,
    ) -> Result<Vec<(String, Node)>, IndexError> {
        let (rank, name) = after.unwrap_or((Rank::Folder, ""));
        let range = (parent.0, rank as u8, name)..(parent.0.saturating_add(1), 0, "");
        list(
            self.nodes()?.range(range)?,
            limit,
            |(_, rank, name), row| {
                unless(after == Some((Rank::from(rank), name)), || {
                    Ok((name.to_owned(), node_row(parent.0, name, row)?))
                })
            },
        )
    }

    fn children_at(
        &self,
        parent: NodeId,
        from: Rank,
        skip: u64,
        limit: usize,
    ) -> Result<Vec<(String, Node)>, IndexError> {
        let range = (parent.0, from as u8, "")..(parent.0.saturating_add(1), 0, "");
        let mut left = skip;
        list(self.nodes()?.range(range)?, limit, |(_, _, name), row| {
            let skipped = left > 0;
            left = left.saturating_sub(1);
            unless(skipped, || {
                Ok((name.to_owned(), node_row(parent.0, name, row)?))
            })
        })
    }

    fn counts(&self, parent: NodeId) -> Result<Counts, IndexError> {
        let damaged = || IndexError::Damaged { table: "counts" };
        let Some(row) = self.counts()?.get(parent.0)? else {
            return Ok(Counts::default());
        };
        let bytes = unseal_bytes("counts", &[&parent.0.to_le_bytes()], row.value())?;
        let (folders, files) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
        Ok(Counts {
            folders: u64::from_le_bytes(*folders),
            files: u64::from_le_bytes(files.try_into().map_err(|_| damaged())?),
        })
    }

    fn expired(&self, now_ms: u64, limit: usize) -> Result<Vec<Expiry>, IndexError> {
        let upto = (now_ms.saturating_add(1), 0, "");
        let mut found = Vec::new();
        for row in self.expiries()?.range(..upto)?.take(limit) {
            let (key, ()) = row.map(|(key, _)| (key, ()))?;
            let (at_ms, parent, name) = key.value();
            found.push((at_ms, NodeId(parent), name.to_owned()));
        }
        Ok(found)
    }

    fn dropped(&self) -> Result<Option<NodeId>, IndexError> {
        Ok(self.dropped()?.first()?.map(|(id, _)| NodeId(id.value())))
    }

    fn blob(&self, sha256: &Sha256) -> Result<Option<Blob>, IndexError> {
        one("blobs", &[sha256], self.blobs()?.get(sha256)?)
    }

    fn user(&self, name: &str) -> Result<Option<User>, IndexError> {
        one("users", &[name.as_bytes()], self.users()?.get(name)?)
    }

    fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<User>, IndexError> {
        let range = self.users()?.range(after.unwrap_or("")..)?;
        list(range, limit, |name, row| {
            unless(after == Some(name), || {
                unseal("users", &[name.as_bytes()], row)
            })
        })
    }

    fn grant(&self, user: &str, project: &str, repo: &str) -> Result<Option<Grant>, IndexError> {
        let row = self.grants()?.get((project, repo, user))?;
        one(
            "grants",
            &[project.as_bytes(), repo.as_bytes(), user.as_bytes()],
            row,
        )
    }

    fn grants(&self, project: &str) -> Result<Vec<Grant>, IndexError> {
        let upto = next_text(project);
        let range = (project, "", "")..(upto.as_str(), "", "");
        list(
            self.grants()?.range(range)?,
            usize::MAX,
            |(project, repo, user), row| {
                let key = [project.as_bytes(), repo.as_bytes(), user.as_bytes()];
                unseal("grants", &key, row).map(Some)
            },
        )
    }

    fn token(&self, secret_sha256: &Sha256) -> Result<Option<Token>, IndexError> {
        one(
            "tokens",
            &[secret_sha256],
            self.tokens()?.get(secret_sha256)?,
        )
    }

    fn tokens(&self, after: Option<&Sha256>, limit: usize) -> Result<Vec<Token>, IndexError> {
        let range = self
            .tokens()?
            .range::<&Sha256>(after.unwrap_or(&[0; 32])..)?;
        list(range, limit, |key, row| {
            unless(after == Some(key), || unseal("tokens", &[key], row))
        })
    }

    fn access_token(&self, secret_sha256: &Sha256) -> Result<Option<AccessToken>, IndexError> {
        let row = self.access_tokens()?.get(secret_sha256)?;
        one("access_tokens", &[secret_sha256], row)
    }

    fn access_tokens(&self, user: &str) -> Result<Vec<AccessToken>, IndexError> {
        let range = self.access_tokens()?.range::<&Sha256>(..)?;
        list(range, usize::MAX, |key, row| {
            let token: AccessToken = unseal("access_tokens", &[key], row)?;
            Ok(Some(token).filter(|token| token.user == user))
        })
    }

    fn access_key(&self, key: &str) -> Result<Option<AccessKey>, IndexError> {
        let row = self.access_keys()?.get(key)?;
        one("access_keys", &[key.as_bytes()], row)
    }

    fn access_keys(&self, user: &str) -> Result<Vec<AccessKey>, IndexError> {
        let range = self.access_keys()?.range::<&str>(..)?;
        list(range, usize::MAX, |key, row| {
            let pair: AccessKey = unseal("access_keys", &[key.as_bytes()], row)?;
            Ok(Some(pair).filter(|pair| pair.user == user))
        })
    }

    fn quota(&self, project: &str, repo: &str) -> Result<Option<u64>, IndexError> {
        let row = self.quotas()?.get((project, repo))?;
        let quota: Option<Quota> = one("quotas", &[project.as_bytes(), repo.as_bytes()], row)?;
        Ok(quota.and_then(|quota| quota.bytes))
    }

    fn session(&self, id: &SessionId) -> Result<Option<Session>, IndexError> {
        one("sessions", &[id], self.sessions()?.get(id)?)
    }

    fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<Session>, IndexError> {
        let range = self
            .sessions()?
            .range::<&SessionId>(after.unwrap_or(&[0; 16])..)?;
        list(range, limit, |id, row| {
            unless(after == Some(id), || unseal("sessions", &[id], row))
        })
    }

    fn block(&self, session: &SessionId, key: u64) -> Result<Option<Block>, IndexError> {
        let row = self.blocks()?.get((session, key))?;
        one("blocks", &[session, &key.to_le_bytes()], row)
    }

    fn blocks(
        &self,
        session: &SessionId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Block>, IndexError> {
        let range = self
            .blocks()?
            .range((session, from)..=(session, u64::MAX))?;
        list(range, limit, |(session, key), row| {
            unseal("blocks", &[session, &key.to_le_bytes()], row).map(Some)
        })
    }

    fn next_package(&self) -> Result<u64, IndexError> {
        next(self, NEXT_PACKAGE)
    }

    fn package(&self, id: u64) -> Result<Option<Package>, IndexError> {
        one("packages", &[&id.to_le_bytes()], self.packages()?.get(id)?)
    }

    fn package_called(&self, file_name: &str) -> Result<Option<Package>, IndexError> {
        packages::called(self, file_name)
    }

    fn packages(&self, query: &PackageQuery) -> Result<PackagePage, IndexError> {
        packages::page(self, query)
    }

    fn chunk(&self, key: &Prefix) -> Result<Option<u64>, IndexError> {
        Ok(self.chunks()?.get(key)?.map(|guard| guard.value()))
    }

    fn relocated(&self, from: u64) -> Result<Option<Relocated>, IndexError> {
        let row = self.relocated()?.get(from)?;
        one("relocated", &[&from.to_le_bytes()], row)
    }

    fn freed(&self, record: u64) -> Result<Option<FreedRecord>, IndexError> {
        let row = self.freed()?.get(record)?;
        one("freed", &[&record.to_le_bytes()], row)
    }

    fn pending_punches(&self, after: u64, limit: usize) -> Result<Vec<u64>, IndexError> {
        let rows = self.pending_punch()?.range(after.saturating_add(1)..)?;
        rows.take(limit).map(|row| Ok(row?.0.value())).collect()
    }
}

/// The number that follows those that were used; they begin with 1.
fn next(source: &impl Source, what: &'static str) -> Result<u64, IndexError> {
    let Some(row) = source.meta()?.get(what)? else {
        return Ok(1);
    };
    let bytes = unseal_bytes("meta", &[what.as_bytes()], row.value())?.try_into();
    bytes
        .map(u64::from_le_bytes)
        .map_err(|_| IndexError::Damaged { table: "meta" })
}

/// Decodes the row that a look-up found.
fn one<T: Row>(
    table: &'static str,
    key: &[&[u8]],
    row: Option<AccessGuard<'_, Bytes>>,
) -> Result<Option<T>, IndexError> {
    row.map(|row| unseal(table, key, row.value())).transpose()
}

/// At most `limit` of what `decode` makes of the rows of a range.
fn list<K: Key + 'static, T>(
    range: Range<'_, K, Bytes>,
    limit: usize,
    mut decode: impl FnMut(K::SelfType<'_>, &[u8]) -> Result<Option<T>, IndexError>,
) -> Result<Vec<T>, IndexError> {
    let mut found = Vec::new();
    for row in range {
        if found.len() == limit {
            break;
        }
        let (key, row) = row?;
        found.extend(decode(key.value(), row.value())?);
    }
    Ok(found)
}

fn unless<T>(
    skip: bool,
    decode: impl FnOnce() -> Result<T, IndexError>,
) -> Result<Option<T>, IndexError> {
    (!skip).then(decode).transpose()
}

/// The least text that is greater than `text`.
pub(super) fn next_text(text: &str) -> String {
    format!("{text}\0")
}

pub(super) fn node_row(parent: u64, name: &str, row: &[u8]) -> Result<Node, IndexError> {
    unseal("nodes", &[&parent.to_le_bytes(), name.as_bytes()], row)
}
