//! Mutations of uploads in blocks.

use super::super::IndexError;
use super::super::row::seal;
use super::super::rows::Rows;
use super::super::tables::Tables;
use crate::format::meta::{Block, BlockPut, Dialect, Prefix, Session, SessionId, SessionTouch};

impl Tables<'_> {
    pub(super) fn put_session(&mut self, session: &Session) -> Result<(), IndexError> {
        let row = seal(&[&session.id], session);
        self.sessions.write()?.insert(&session.id, row.as_slice())?;
        Ok(())
    }

    pub(super) fn touch_session(&mut self, touch: &SessionTouch) -> Result<(), IndexError> {
        let Some(mut session) = self.session(&touch.session)? else {
            return Ok(());
        };
        session.active_ms = session.active_ms.max(touch.at_ms);
        if let Some(prefix) = &touch.prefix {
            session.prefix = prefix.clone();
        }
        self.put_session(&session)
    }

    pub(super) fn delete_session(&mut self, id: &SessionId) -> Result<(), IndexError> {
        self.sessions.write()?.remove(id)?;
        self.blocks
            .write()?
            .retain_in((id, 0)..=(id, u64::MAX), |_, _| false)?;
        Ok(())
    }

    pub(super) fn put_block(&mut self, put: &BlockPut) -> Result<(), IndexError> {
        let Some(mut session) = self.session(&put.session)? else {
            return Ok(());
        };
        let block = &put.block;
        let old = self.block(&put.session, block.key)?;
        let before = old.as_ref().map_or(0, |old| weight(session.dialect, old));
        session.blocks = session.blocks.saturating_sub(before);
        session.blocks = session
            .blocks
            .saturating_add(weight(session.dialect, block));
        match old {
            None => {}
            Some(old) if old.sha256 == block.sha256 => {}
            Some(_) => {
                session.replaced = session.replaced.saturating_add(1);
                let covered = match session.dialect {
                    Dialect::Offset => block.key < session.prefix.bytes,
                    Dialect::Sequence => block.key <= session.prefix.blocks,
                };
                if covered {
                    session.prefix = Prefix::default();
                }
            }
        }
        if let Some(prefix) = &put.prefix {
            session.prefix = prefix.clone();
        }
        session.active_ms = session.active_ms.max(put.at_ms);
        let row = seal(&[&put.session, &block.key.to_le_bytes()], block);
        self.blocks
            .write()?
            .insert((&put.session, block.key), row.as_slice())?;
        self.put_session(&session)
    }
}

/// What a block counts: an empty one at an offset is no part of the file.
fn weight(dialect: Dialect, block: &Block) -> u64 {
    u64::from(dialect == Dialect::Sequence || block.size > 0)
}
