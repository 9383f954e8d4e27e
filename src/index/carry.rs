//! What the rows of a snapshot say, as mutations: what a compacted pack begins with. Contents and blocks
//! are not among them, since their rows lead into the pack.

use redb::ReadableTable;

use super::IndexError;
use super::row::unseal;
use super::tables::{Reader, Source};
use crate::format::meta::{Mutation, NodeId};

/// Tables whose rows lead into the pack, or tell of places in it: those of two packs differ.
const PLACES: [&str; 4] = ["blobs", "blocks", "relocated", "freed"];

impl Reader {
    /// Hands to `visit` what makes every project, repository, user, grant, token, key and quota.
    ///
    /// # Errors
    /// [`IndexError`], or what `visit` returns.
    pub fn each_setting<E: From<IndexError>>(
        &self,
        mut visit: impl FnMut(Mutation) -> Result<(), E>,
    ) -> Result<(), E> {
        macro_rules! rows {
            ($table:ident, $key:ident => [$($part:expr),+], $mutation:ident) => {
                for row in self.$table()?.iter().map_err(IndexError::from)? {
                    let (key, row) = row.map_err(IndexError::from)?;
                    let $key = key.value();
                    let setting = unseal(stringify!($table), &[$($part),+], row.value())?;
                    visit(Mutation::$mutation(setting))?;
                }
            };
        }
        rows!(projects, key => [key.as_bytes()], ProjectPut);
        rows!(repos, key => [key.0.as_bytes(), key.1.as_bytes()], RepoPut);
        rows!(users, key => [key.as_bytes()], UserPut);
        rows!(grants, key => [key.0.as_bytes(), key.1.as_bytes(), key.2.as_bytes()], GrantPut);
        rows!(tokens, key => [key], TokenPut);
        rows!(access_tokens, key => [key], AccessTokenPut);
        rows!(access_keys, key => [key.as_bytes()], AccessKeyPut);
        rows!(quotas, key => [key.0.as_bytes(), key.1.as_bytes()], QuotaPut);
        Ok(())
    }

    /// The ids of all deleted folders whose nodes have rows yet.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub fn every_dropped(&self) -> Result<Vec<NodeId>, IndexError> {
        let rows = self.dropped()?.iter()?;
        rows.map(|row| Ok(NodeId(row?.0.value()))).collect()
    }

    /// How the rows of an index differ from these that was made of them for another pack: a line each, at
    /// most `limit`. What leads into the pack is not compared.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn not_carried(&self, other: &Self, limit: usize) -> Result<Vec<String>, IndexError> {
        self.differences_but(other, &PLACES, limit)
    }
}
