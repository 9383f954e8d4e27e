//! Carrying over what is changed while everything else is: the commits behind the state that was carried
//! first, one mutation after the other. Rows follow from mutations alone, so the same mutations make the
//! same rows; only what leads into the pack is written anew.

use super::chunks::Copier;
use super::rows::Changes;
use crate::format::Sha256;
use crate::format::codec;
use crate::format::manifest::Piece;
use crate::format::meta::{Blob, Block, BlockPut, Freed, Mutation, NodeKind, NodePut, Relocated};
use crate::format::scan::{self, Record};
use crate::index::Rows;
use crate::store::StoreError;
use crate::store::gc::mark::Contents;

impl Copier {
    /// Carries the commits of the old log between two places over; gives how many mutations they have.
    /// `alive` are the contents that were carried before.
    pub(super) fn later(
        &mut self,
        changes: &mut Changes<'_>,
        alive: &Contents,
        from: u64,
        end: u64,
    ) -> Result<u64, StoreError> {
        let core = std::sync::Arc::clone(&self.from);
        let (view, pack_id) = (core.pack.view(), &core.pack.header().pack_id);
        let mut count = 0;
        let lost = scan::replay::<_, StoreError>(view, pack_id, from, end, |record| {
            if let Record::Commit(_, _, mutations) = record {
                count += mutations.len() as u64;
                for mutation in mutations {
                    self.change(changes, alive, mutation)?;
                }
            }
            Ok(())
        })?;
        if let Some(damage) = lost.into_iter().next() {
            return Err(StoreError::Damaged {
                offset: damage.offset,
                why: damage.reason,
            });
        }
        changes.commit()?;
        Ok(count)
    }

    fn change(
        &mut self,
        changes: &mut Changes<'_>,
        alive: &Contents,
        mutation: Mutation,
    ) -> Result<(), StoreError> {
        let mutation = match mutation {
            Mutation::BlobPut(blob) => {
                self.revived.insert(blob.sha256);
                return self.blob(changes, &blob);
            }
            Mutation::BlockPut(put) => {
                let manifest = self.manifest(&put.block.manifest, put.block.size)?;
                let block = Block {
                    manifest,
                    ..put.block
                };
                Mutation::BlockPut(BlockPut { block, ..put })
            }
            Mutation::Relocated(relocated) => match self.relocated(&relocated)? {
                Some(relocated) => Mutation::Relocated(relocated),
                None => return Ok(()),
            },
            // Records are those of the old pack.
            Mutation::Freed(freed) => Mutation::Freed(Freed {
                blobs: freed.blobs,
                ..Freed::default()
            }),
            Mutation::NodePut(put) => {
                self.content_of(changes, alive, &put)?;
                Mutation::NodePut(put)
            }
            Mutation::NodeMove(moved) => {
                self.content_of(changes, alive, &moved.to)?;
                Mutation::NodeMove(moved)
            }
            Mutation::PackagePut(package) => {
                self.content(changes, alive, &package.sha256)?;
                Mutation::PackagePut(package)
            }
            // Every kind is named, so that nobody can add one and forget this.
            other @ (Mutation::ProjectPut(_)
            | Mutation::RepoPut(_)
            | Mutation::NodeDelete(_)
            | Mutation::UserPut(_)
            | Mutation::TreeCopy(_)
            | Mutation::FolderSweep(_)
            | Mutation::RepoDelete(_)
            | Mutation::ProjectDelete(_)
            | Mutation::SessionPut(_)
            | Mutation::SessionTouch(_)
            | Mutation::SessionDelete(_)
            | Mutation::TokenPut(_)
            | Mutation::TokenDelete(_)
            | Mutation::UserDelete(_)
            | Mutation::GrantPut(_)
            | Mutation::PackageDelete(_)
            | Mutation::AccessTokenPut(_)
            | Mutation::AccessTokenDelete(_)
            | Mutation::AccessKeyPut(_)
            | Mutation::AccessKeyDelete(_)
            | Mutation::QuotaPut(_)) => other,
        };
        changes.push(mutation)
    }

    fn blob(&mut self, changes: &mut Changes<'_>, blob: &Blob) -> Result<(), StoreError> {
        self.report.contents += 1;
        let manifest = self.manifest(&blob.manifest, blob.size)?;
        changes.push(Mutation::BlobPut(Blob { manifest, ..*blob }))
    }

    fn content_of(
        &mut self,
        changes: &mut Changes<'_>,
        alive: &Contents,
        put: &NodePut,
    ) -> Result<(), StoreError> {
        match &put.node.kind {
            NodeKind::File { sha256, .. } => self.content(changes, alive, sha256),
            NodeKind::Folder => Ok(()),
        }
    }

    /// Something comes to refer to a content. If nothing did when the first state was carried over, it was
    /// left behind, though the store knew it, and nobody will make it known again.
    fn content(
        &mut self,
        changes: &mut Changes<'_>,
        alive: &Contents,
        sha256: &Sha256,
    ) -> Result<(), StoreError> {
        if alive.has(sha256) || !self.revived.insert(*sha256) {
            return Ok(());
        }
        match self.reader.blob(sha256)? {
            Some(blob) => self.blob(changes, &blob),
            None => Ok(()),
        }
    }

    /// A damaged payload was healed: the same for where both are now. `None` when the damaged one was not
    /// carried over.
    fn relocated(&mut self, old: &Relocated) -> Result<Option<Relocated>, StoreError> {
        let bytes = u64::from(old.stored_len);
        let Some(from) = self.place(old.from, bytes) else {
            return Ok(None);
        };
        if codec::check(old.codec).is_err() {
            return Ok(None);
        }
        let copy = Piece {
            end: bytes,
            pack_offset: old.to,
            stored_len: old.stored_len,
            raw_len: old.stored_len,
            crc32: old.crc32,
            codec: old.codec,
            kind: 0,
        };
        let moved = self.pieces(vec![copy])?;
        Ok(moved.first().map(|copy| Relocated {
            from,
            to: copy.pack_offset,
            ..*old
        }))
    }
}
