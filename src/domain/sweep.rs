//! Forgetting what is gone already: expired files, sessions and tokens, and what was below deleted
//! folders. Nobody sees any of it any more; this gives its rows back, a slice at a time, so that
//! no change waits for long.

use super::DomainError;
use super::blocks::SESSION_MS;
use super::lookup::is_live;
use crate::format::Sha256;
use crate::format::meta::{
    FolderSweep, Mutation, NodeDelete, SessionDelete, SessionId, TokenDelete,
};
use crate::index::{IndexError, Rows};
use crate::store::{Ids, Store};

/// Rows of each kind looked at in a slice.
const SLICE: usize = 1000;
/// A session is swept so long after its end: a block may have begun before it.
const SESSION_GRACE_MS: u64 = 60 * 60 * 1000;
/// A token is swept so long after its end: until then whoever uses it hears that it expired.
const TOKEN_GRACE_MS: u64 = 24 * 60 * 60 * 1000;

/// Where the next slice begins.
#[derive(Debug, Clone, Default)]
pub struct Sweeper {
    session: Option<SessionId>,
    token: Option<Sha256>,
}

impl Sweeper {
    /// Sweeps a slice, in one commit; whether there may be more to do at once. Waits for the disk.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn sweep(&mut self, store: &Store) -> Result<bool, DomainError> {
        store.writable()?;
        let now_ms = store.now_ms();
        let mut next = self.clone();
        let rows = store.rows()?;
        // What was seen in a snapshot is judged again in the commit; most often there is nothing.
        if next.plan(&rows, now_ms)?.is_empty() {
            let more = next.session.is_some() || next.token.is_some();
            *self = next;
            return Ok(more);
        }
        drop(rows);
        let start = self.clone();
        let check = move |rows: &dyn Rows, _: &mut Ids| {
            let mut next = start.clone();
            let mutations = next.plan(rows, now_ms)?;
            Ok::<_, IndexError>((mutations, next))
        };
        *self = store.commit(check)??;
        Ok(true)
    }

    fn plan(&mut self, rows: &dyn Rows, now_ms: u64) -> Result<Vec<Mutation>, IndexError> {
        let mut mutations = Vec::new();
        if let Some(folder) = rows.dropped()? {
            let count = u32::try_from(SLICE).unwrap_or(u32::MAX);
            mutations.push(Mutation::FolderSweep(FolderSweep { folder, count }));
        }
        for (_, parent, name) in rows.expired(now_ms, SLICE)? {
            let node = rows.node(parent, &name)?;
            if node.is_some_and(|node| !is_live(&node, now_ms)) {
                mutations.push(Mutation::NodeDelete(NodeDelete { parent, name }));
            }
        }
        let sessions = rows.sessions(self.session.as_ref(), SLICE)?;
        self.session = sessions.last().map(|last| last.id);
        for session in sessions {
            let end_ms = session.active_ms.saturating_add(SESSION_MS);
            if end_ms.saturating_add(SESSION_GRACE_MS) <= now_ms {
                let session = session.id;
                mutations.push(Mutation::SessionDelete(SessionDelete { session }));
            }
        }
        let tokens = rows.tokens(self.token.as_ref(), SLICE)?;
        self.token = tokens.last().map(|last| last.secret_sha256);
        for token in tokens {
            let end_ms = token.expires_ms.unwrap_or(u64::MAX);
            if end_ms.saturating_add(TOKEN_GRACE_MS) <= now_ms {
                let secret_sha256 = token.secret_sha256;
                mutations.push(Mutation::TokenDelete(TokenDelete { secret_sha256 }));
            }
        }
        Ok(mutations)
    }
}
