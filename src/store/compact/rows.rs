//! Carrying over what rows say: all that is not bytes of contents.

use std::sync::Arc;

use super::chunks::Copier;
use crate::format::manifest::{Child, Piece};
use crate::format::meta::{
    Blob, Block, BlockPut, ManifestRef, Mutation, Node, NodeDelete, NodeId, NodeKind, NodePut,
    Package, PackageDelete, PackageKind, TreeCopy,
};
use crate::index::Rows;
use crate::store::StoreError;
use crate::store::core::Store;
use crate::store::gc::mark::Contents;
use crate::store::leaves::{LEAF_PIECES, ManifestWriter};
use crate::store::manifests::{List, Top};

/// Bytes of mutations that go into one commit, about.
const COMMIT_BYTES: usize = 4 << 20;
/// Sessions and blocks read at once.
const SLICE_ROWS: usize = 256;

/// Mutations on their way into commits of the new pack.
pub(super) struct Changes<'s> {
    to: &'s Store,
    waiting: Vec<Mutation>,
    bytes: usize,
}

impl<'s> Changes<'s> {
    pub(super) fn new(to: &'s Store) -> Self {
        Self {
            to,
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, mutation: Mutation) -> Result<(), StoreError> {
        self.bytes += mutation.encoded_len();
        self.waiting.push(mutation);
        match self.bytes >= COMMIT_BYTES {
            true => self.commit(),
            false => Ok(()),
        }
    }

    /// Makes what waits durable.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        let mutations = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        self.to
            .commit(move |_, _| Ok::<_, StoreError>((mutations.clone(), ())))?
    }
}

impl Copier {
    /// Carries everything over but the chunks that were carried before. `alive` are the contents that
    /// something refers to.
    pub(super) fn rows(
        &mut self,
        changes: &mut Changes<'_>,
        alive: &Contents,
    ) -> Result<(), StoreError> {
        let reader = Arc::clone(&self.reader);
        reader.each_setting(|setting| changes.push(setting))?;
        reader.each_blob::<StoreError>(|blob| {
            if !alive.has(&blob.sha256) {
                return Ok(());
            }
            self.report.contents += 1;
            let manifest = self.manifest(&blob.manifest, blob.size)?;
            changes.push(Mutation::BlobPut(Blob { manifest, ..blob }))
        })?;
        reader.each_node::<StoreError>(|parent, name, node| {
            let name = name.to_owned();
            changes.push(Mutation::NodePut(NodePut { parent, name, node }))
        })?;
        reader.each_package::<StoreError>(|package| changes.push(Mutation::PackagePut(package)))?;
        for folder in reader.every_dropped()? {
            drop_folder(changes, folder)?;
        }
        self.sessions(changes)?;
        self.ids(changes)?;
        changes.commit()
    }

    /// The same manifest, over where its chunks lie now.
    pub(super) fn manifest(
        &mut self,
        manifest: &ManifestRef,
        size: u64,
    ) -> Result<ManifestRef, StoreError> {
        let to = Arc::clone(&self.to);
        let mut writer = ManifestWriter::new(to.space.guard());
        match Top::new(manifest) {
            Top::Empty => {}
            Top::Leaf(list) => self.list(&list, &mut writer)?,
            Top::Root(root) => {
                for page in 0..root.pages() {
                    for child in root.page::<Child>(&self.from, page)?.entries {
                        self.list(&List::of_child(&child), &mut writer)?;
                    }
                }
            }
        }
        if writer.size() == size {
            return writer.finish(&to);
        }
        Err(StoreError::Damaged {
            offset: 0,
            why: format!(
                "the manifest of a content of {size} bytes tells of {}",
                writer.size()
            ),
        })
    }

    fn list(&mut self, list: &List, writer: &mut ManifestWriter) -> Result<(), StoreError> {
        for page in 0..list.pages() {
            let pieces = list.page::<Piece>(&self.from, page)?.entries;
            for piece in self.pieces(pieces)? {
                writer.push(piece);
            }
            if writer.pieces.len() >= LEAF_PIECES {
                writer.write_leaf(&self.to)?;
            }
        }
        Ok(())
    }

    /// Uploads in blocks, with their blocks.
    fn sessions(&mut self, changes: &mut Changes<'_>) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let sessions = self.reader.sessions(after.as_ref(), SLICE_ROWS)?;
            let Some(last) = sessions.last() else {
                return Ok(());
            };
            after = Some(last.id);
            for session in sessions {
                // A block needs its session, and counts in it: so it is put as it is once more behind
                // them.
                changes.push(Mutation::SessionPut(session.clone()))?;
                let mut from = Some(0);
                while let Some(start) = from {
                    let blocks = self.reader.blocks(&session.id, start, SLICE_ROWS)?;
                    from = blocks.last().and_then(|last| last.key.checked_add(1));
                    for block in blocks {
                        let manifest = self.manifest(&block.manifest, block.size)?;
                        changes.push(Mutation::BlockPut(BlockPut {
                            session: session.id,
                            block: Block { manifest, ..block },
                            prefix: None,
                            at_ms: 0,
                        }))?;
                    }
                }
                changes.push(Mutation::SessionPut(session))?;
            }
        }
    }

    /// Ids that were given out are never given out again, though what had them is gone.
    fn ids(&self, changes: &mut Changes<'_>) -> Result<(), StoreError> {
        changes.commit()?;
        let made = changes.to.core.reader()?;
        let node = self.reader.next_node()?;
        if made.next_node()? < node {
            // A copy of nothing, numbered from the last id on.
            changes.push(Mutation::TreeCopy(TreeCopy {
                from: NodeId(0),
                to: NodeId(0),
                first_id: NodeId(node - 1),
                by: String::new(),
                at_ms: 0,
            }))?;
        }
        let package = self.reader.next_package()?;
        if made.next_package()? < package {
            let id = package - 1;
            changes.push(Mutation::PackagePut(unnamed(id)))?;
            changes.push(Mutation::PackageDelete(PackageDelete { id }))?;
        }
        Ok(())
    }
}

/// Puts a folder on the list of those whose nodes are still to be forgotten: it is made, and deleted.
fn drop_folder(changes: &mut Changes<'_>, folder: NodeId) -> Result<(), StoreError> {
    let (parent, name) = (NodeId(0), String::new());
    let node = Node::bare(folder, NodeKind::Folder);
    changes.push(Mutation::NodePut(NodePut {
        parent,
        name: name.clone(),
        node,
    }))?;
    changes.push(Mutation::NodeDelete(NodeDelete { parent, name }))
}

/// A package that is deleted at once.
fn unnamed(id: u64) -> Package {
    Package {
        id,
        name: String::new(),
        version: String::new(),
        build_number: String::new(),
        operating_system: String::new(),
        architecture: String::new(),
        kind: PackageKind::Other,
        file_name: String::new(),
        sha256: [0; 32],
        size: 0,
        md5: [0; 16],
        sha1: [0; 20],
        created_by: String::new(),
        created_ms: 0,
    }
}
