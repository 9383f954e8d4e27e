//! The whole file's digests of blocks that did not come in order: read again and digested, once
//! those before them are there.

use std::collections::HashSet;

use parking_lot::Mutex;

use super::put::next_key;
use crate::domain::DomainError;
use crate::format::meta::{Mutation, Session, SessionId, SessionTouch};
use crate::index::Rows;
use crate::store::{Ids, Store, StoreError};

/// Bytes digested between two commits that note how far it is.
const STEP_BYTES: u64 = 256 << 20;

/// Threads that read blocks again at once, for all sessions: other requests need threads, too.
const AT_ONCE: usize = 8;

/// Sessions whose blocks are being digested; one thread at a time for each, and only so many.
#[derive(Debug, Default)]
pub struct Digesting {
    running: Mutex<HashSet<SessionId>>,
}

/// Somebody's turn.
struct Turn<'d> {
    all: &'d Digesting,
    id: SessionId,
}

impl Digesting {
    fn turn(&self, id: &SessionId) -> Option<Turn<'_>> {
        let mut running = self.running.lock();
        let fresh = running.len() < AT_ONCE && running.insert(*id);
        // Not `then_some`: a turn that is made and dropped would end that of somebody else.
        fresh.then(|| Turn { all: self, id: *id })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.all.running.lock().remove(&self.id);
    }
}

/// Digests what blocks of a session follow those that its digests cover; `false` if somebody else
/// is doing that, or too many others do so for their sessions. Reads them, and may take as long as that takes.
///
/// # Errors
/// [`DomainError::Store`].
pub fn catch_up(store: &Store, digesting: &Digesting, id: &SessionId) -> Result<bool, DomainError> {
    let Some(_turn) = digesting.turn(id) else {
        return Ok(false);
    };
    while step(store, id)? {}
    Ok(true)
}

/// Digests some blocks; whether there may be more.
fn step(store: &Store, id: &SessionId) -> Result<bool, DomainError> {
    let rows = store.rows()?;
    let Some(base) = rows.session(id)? else {
        return Ok(false);
    };
    let mut ahead = base.clone();
    if ahead.prefix.hasher().is_none() {
        // Saved by a version that this one does not understand.
        ahead.prefix = crate::format::meta::Prefix::default();
    }
    let Some(mut hasher) = ahead.prefix.hasher() else {
        return Ok(false);
    };
    while ahead.prefix.bytes.saturating_sub(base.prefix.bytes) < STEP_BYTES {
        let Some(block) = rows.block(id, next_key(&ahead))? else {
            break;
        };
        let mut reader = store.read_block(&block);
        while reader.remaining() > 0 {
            for bytes in reader.next_window()? {
                hasher.update(&bytes);
            }
        }
        let Some(prefix) = ahead.prefix.extended(ahead.dialect, &block, &hasher) else {
            break;
        };
        ahead.prefix = prefix;
    }
    if ahead.prefix == base.prefix {
        return Ok(false);
    }
    note(store, base, ahead)
}

/// Notes the digests, unless a block was replaced meanwhile; then it is to be tried again.
fn note(store: &Store, base: Session, ahead: Session) -> Result<bool, DomainError> {
    let check = move |rows: &dyn Rows, _: &mut Ids| {
        let now = rows.session(&base.id)?;
        let same =
            now.is_some_and(|now| now.prefix == base.prefix && now.replaced == base.replaced);
        let mutations = match same {
            true => vec![Mutation::SessionTouch(SessionTouch {
                session: base.id,
                prefix: Some(ahead.prefix.clone()),
                at_ms: 0,
            })],
            false => Vec::new(),
        };
        Ok::<_, StoreError>((mutations, ()))
    };
    store.commit(check)??;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_for_a_session_and_a_few_for_all() {
        let digesting = Digesting::default();
        let first = digesting.turn(&[0; 16]).expect("a turn");
        assert!(digesting.turn(&[0; 16]).is_none(), "somebody does so");
        let ids = (1..AT_ONCE).map(|n| [u8::try_from(n).expect("few"); 16]);
        let others: Vec<_> = ids.map(|id| digesting.turn(&id)).collect();
        assert!(others.iter().all(Option::is_some));
        assert!(digesting.turn(&[255; 16]).is_none(), "too many");
        drop(first);
        assert!(digesting.turn(&[255; 16]).is_some());
    }
}
