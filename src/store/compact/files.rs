//! The files of a compaction, beside those of the pack.

use std::io;
use std::path::{Path, PathBuf};

use crate::pack::{self, PackError};
use crate::store::StoreError;
use crate::store::open::index_path;

/// What is behind the name of a pack while it is being written.
const COMPACTING: &str = ".compacting";

/// Where the new pack and its index are made, and what they become.
pub(super) struct Files {
    pub(super) pack: PathBuf,
    pub(super) index: PathBuf,
    old_pack: PathBuf,
    old_index: PathBuf,
}

impl Files {
    /// Those of the pack at `path`. The file itself is replaced, if that is a link to it.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let old_pack = std::fs::canonicalize(path).map_err(|source| PackError::File {
            action: "finding",
            path: path.to_owned(),
            source,
        })?;
        let pack = pack::with_suffix(&old_pack, COMPACTING);
        Ok(Self {
            index: index_path(&pack),
            pack,
            old_pack,
            old_index: index_path(path),
        })
    }

    /// Removes what an earlier compaction has left.
    pub(super) fn clear(&self) -> Result<(), StoreError> {
        for path in [
            &self.pack,
            &self.index,
            &pack::with_suffix(&self.pack, ".new"),
        ] {
            match std::fs::remove_file(path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::from(PackError::File {
                        action: "removing",
                        path: path.clone(),
                        source,
                    }));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts the new pack in the place of the old one.
    pub(super) fn swap_pack(&self) -> Result<(), StoreError> {
        Ok(pack::replace(&self.pack, &self.old_pack)?)
    }

    /// Makes that durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        Ok(pack::sync_parent(&self.old_pack)?)
    }

    /// The same with its index. Nothing is lost without it.
    pub(super) fn swap_index(&self) {
        let indexed = pack::take_after(&self.index, &self.old_pack)
            .map_err(io::Error::other)
            .and_then(|()| std::fs::rename(&self.index, &self.old_index));
        if let Err(error) = indexed {
            tracing::warn!(%error, "the index is to be built anew at the next opening");
        }
    }
}

/// Removes what a compaction that broke off has left beside a pack. Whoever calls has the pack locked, so
/// none runs.
pub fn remove_leftovers(path: &Path) {
    let removed = Files::of(path).and_then(|files| files.clear());
    if let Err(error) = removed {
        tracing::warn!(%error, "what a compaction has begun is left over");
    }
}
