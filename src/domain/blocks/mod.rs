//! Uploads in blocks: the blocks of a file come in any order, in parallel, over days, and then
//! become the file, at once. Source: seed 004, and observed §3 for the older dialect.
//!
//! A session and its blocks are mutations like all else: they are durable when they are
//! acknowledged, and survive a restart. Completing writes a manifest over the blocks' own and
//! touches no data. The whole file's digests are carried along: as long as blocks come in order,
//! the bytes of each are digested as they come; others are read again, beside the upload, once
//! those before them are there.

mod complete;
mod digesting;
mod open;
mod put;

use std::fmt;

use super::lookup::Address;
use super::upload::Upload;
use super::{DomainError, random};
use crate::domain::submit::submit;
use crate::format::meta::{
    Block, Dialect, Mutation, Prefix, Session, SessionDelete, SessionId, SessionTouch,
};
use crate::index::Rows;
use crate::store::{Ids, Store};

pub use complete::complete;
pub use digesting::{Digesting, catch_up};
pub use open::Open;
pub use put::{BlockUpload, begin_block, finish_block};

/// Sessions read at once.
const PAGE: usize = 1000;

/// A session ends so long after it was used last.
pub const SESSION_MS: u64 = 43_200 * 1000;

/// What a client calls its session: 32 hex digits, and, where blocks go by their offsets, a `/` and
/// 24 more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadId {
    /// How the blocks say where they belong.
    pub dialect: Dialect,
    id: SessionId,
    suffix: [u8; 12],
}

impl UploadId {
    fn fresh(dialect: Dialect) -> Result<Self, DomainError> {
        let bytes: [u8; 28] = random::bytes()?;
        let (id, suffix) = bytes.split_first_chunk().unwrap_or((&[0; 16], &[0; 12]));
        let suffix = match dialect {
            Dialect::Offset => suffix.try_into().unwrap_or_default(),
            Dialect::Sequence => [0; 12],
        };
        Ok(Self {
            dialect,
            id: *id,
            suffix,
        })
    }

    /// The id that a text says.
    ///
    /// # Errors
    /// [`DomainError::NoSession`] for what no session is called.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, DomainError> {
        let parsed = || {
            let (id, suffix) = match dialect {
                Dialect::Offset => text.split_once('/')?,
                Dialect::Sequence => (text, "000000000000000000000000"),
            };
            let (mut own, mut rest) = ([0; 16], [0; 12]);
            hex::decode_to_slice(id, &mut own).ok()?;
            hex::decode_to_slice(suffix, &mut rest).ok()?;
            Some(Self {
                dialect,
                id: own,
                suffix: rest,
            })
        };
        parsed().ok_or_else(|| DomainError::NoSession(quoted(text)))
    }

    /// The session, if it lives, and is about the file at this address.
    fn session(
        &self,
        rows: &dyn Rows,
        address: &Address,
        now_ms: u64,
    ) -> Result<Session, DomainError> {
        let session = rows.session(&self.id)?.filter(|session| {
            is_live(session, now_ms)
                && (session.dialect, session.suffix) == (self.dialect, self.suffix)
                && (&session.project, &session.repo) == (&address.project, &address.repo)
                && session.path == address.path.to_string()
        });
        session.ok_or_else(|| DomainError::NoSession(self.to_string()))
    }

    /// Identity of the session.
    #[must_use]
    pub fn session_id(&self) -> &SessionId {
        &self.id
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.id))?;
        match self.dialect {
            Dialect::Offset => write!(f, "/{}", hex::encode(self.suffix)),
            Dialect::Sequence => Ok(()),
        }
    }
}

/// The beginning of what a client sent, fit for a message.
fn quoted(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Whether a session may still be used.
#[must_use]
pub fn is_live(session: &Session, now_ms: u64) -> bool {
    session.active_ms.saturating_add(SESSION_MS) > now_ms
}

/// Begins a session; the repository is made, if it is missing. `done` hears when that is durable.
pub fn start(
    store: &Store,
    upload: Upload,
    dialect: Dialect,
    done: impl FnOnce(Result<UploadId, DomainError>) + Send + 'static,
) {
    let id = match UploadId::fresh(dialect) {
        Ok(id) => id,
        Err(error) => return done(Err(error)),
    };
    let now_ms = store.now_ms();
    let check = move |rows: &dyn Rows, ids: &mut Ids| {
        let mut mutations = upload.prepare(rows, ids, now_ms)?;
        mutations.push(Mutation::SessionPut(Session {
            id: id.id,
            suffix: id.suffix,
            dialect,
            project: upload.address.project.clone(),
            repo: upload.address.repo.clone(),
            path: upload.address.path.to_string(),
            created_by: upload.by.clone(),
            created_ms: now_ms,
            active_ms: now_ms,
            blocks: 0,
            replaced: 0,
            prefix: Prefix::default(),
        }));
        Ok::<_, DomainError>((mutations, id.clone()))
    };
    submit(store, check, done);
}

/// Ends a session and forgets its blocks.
pub fn abort(
    store: &Store,
    address: Address,
    id: UploadId,
    done: impl FnOnce(Result<(), DomainError>) + Send + 'static,
) {
    let now_ms = store.now_ms();
    let check = move |rows: &dyn Rows, _: &mut Ids| {
        let session = id.session(rows, &address, now_ms)?.id;
        let mutations = vec![Mutation::SessionDelete(SessionDelete { session })];
        Ok::<_, DomainError>((mutations, ()))
    };
    submit(store, check, done);
}

/// The blocks that a session has, by key, from `from` on, `limit` at most.
///
/// # Errors
/// [`DomainError::NoSession`].
pub fn blocks(
    rows: &dyn Rows,
    address: &Address,
    id: &UploadId,
    now_ms: u64,
    from: u64,
    limit: usize,
) -> Result<Vec<Block>, DomainError> {
    let session = id.session(rows, address, now_ms)?;
    Ok(rows.blocks(&session.id, from, limit)?)
}

/// Notes that a session is in use. `done` hears when that is durable.
pub fn touch(
    store: &Store,
    address: Address,
    id: UploadId,
    done: impl FnOnce(Result<(), DomainError>) + Send + 'static,
) {
    let at_ms = store.now_ms();
    let check = move |rows: &dyn Rows, _: &mut Ids| {
        let session = id.session(rows, &address, at_ms)?.id;
        let touch = SessionTouch {
            session,
            prefix: None,
            at_ms,
        };
        Ok::<_, DomainError>((vec![Mutation::SessionTouch(touch)], ()))
    };
    submit(store, check, done);
}

/// Ends all sessions of a repository: one that comes back under its name must not get their files.
pub(super) fn revoke(rows: &dyn Rows, repo: &Address) -> Result<Vec<Mutation>, DomainError> {
    let (mut mutations, mut after) = (Vec::new(), None);
    loop {
        let page = rows.sessions(after.as_ref(), PAGE)?;
        let Some(last) = page.last() else {
            return Ok(mutations);
        };
        after = Some(last.id);
        let theirs =
            |session: &&Session| (&session.project, &session.repo) == (&repo.project, &repo.repo);
        mutations.extend(page.iter().filter(theirs).map(|session| {
            Mutation::SessionDelete(SessionDelete {
                session: session.id,
            })
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_what_they_say() {
        for (dialect, len) in [(Dialect::Offset, 57), (Dialect::Sequence, 32)] {
            let id = UploadId::fresh(dialect).unwrap();
            let text = id.to_string();
            assert_eq!(text.len(), len);
            assert_eq!(UploadId::parse(&text, dialect).unwrap(), id);
            assert_ne!(UploadId::fresh(dialect).unwrap(), id);
        }
    }

    #[test]
    fn what_is_no_id_is_no_session() {
        let long = "a".repeat(5000);
        for text in [
            "",
            "/",
            "xyz",
            "é",
            &long,
            "8be31384f82a45b0aafb6c6add29e94f/x",
        ] {
            for dialect in [Dialect::Offset, Dialect::Sequence] {
                let error = UploadId::parse(text, dialect).unwrap_err();
                assert!(matches!(error, DomainError::NoSession(_)), "{text}");
                assert!(error.to_string().len() < 200);
            }
        }
    }

    #[test]
    fn what_is_no_id_is_quoted_by_its_beginning() {
        for dialect in [Dialect::Offset, Dialect::Sequence] {
            let refused = UploadId::parse(&"\u{e9}".repeat(200), dialect);
            let Err(DomainError::NoSession(said)) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(said, "\u{e9}".repeat(80));
        }
    }
}
