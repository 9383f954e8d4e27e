//! What files are hit by damage.

use std::collections::HashMap;
use std::sync::Arc;

use super::{DamagedFile, MAX_FILES, Run};
use crate::digest::{Hasher, Wanted};
use crate::format::Sha256;
use crate::format::meta::{Blob, NodeId, NodeKind};
use crate::index::{Rank, Reader, Rows};
use crate::store::StoreError;
use crate::store::blobs::BlobReader;
use crate::store::core::Core;
use crate::store::manifests::Pieces;

/// Contents that are held at once.
const SLICE_BLOBS: usize = 64;
/// Contents that are told to be damaged at most.
const MAX_CONTENTS: usize = 1 << 20;

/// Damaged contents, and what is wrong with each.
pub(super) type Reasons = HashMap<Sha256, String>;

/// What was found of files.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: u64,
    pub(super) packages: u64,
    pub(super) damaged: Vec<DamagedFile>,
    pub(super) unlisted: u64,
}

impl Run<'_> {
    /// Reads every content from front to back.
    pub(super) fn contents(&mut self) -> Result<Reasons, StoreError> {
        let core = self.core;
        let mut all_bytes = 0;
        core.reader()?.each_blob::<StoreError>(|blob| {
            all_bytes += blob.size;
            Ok(())
        })?;
        let (mut reasons, mut read_bytes) = (Reasons::new(), 0);
        each_held(core, |blob, mut content| {
            self.report.blobs += 1;
            let mut hasher = Hasher::new(Wanted::Sha256Only);
            let damage = loop {
                if content.remaining() == 0 {
                    let fits = hasher.finish().sha256 == blob.sha256;
                    break (!fits).then(|| "its bytes do not fit its sha256".to_owned());
                }
                let before = content.remaining();
                match content.next_window() {
                    Ok(window) => window.iter().for_each(|bytes| hasher.update(bytes)),
                    Err(error) => break Some(error.to_string()),
                }
                let bytes = before - content.remaining();
                read_bytes += bytes;
                (core.options.progress)("reading files", read_bytes, all_bytes);
                self.throttle.rest(bytes)?;
            };
            note(&mut reasons, MAX_CONTENTS, blob, damage);
            Ok(())
        })?;
        Ok(reasons)
    }
}

/// Tells of a damaged content, unless `most` are told already.
fn note(reasons: &mut Reasons, most: usize, blob: &Blob, damage: Option<String>) {
    if let Some(reason) = damage
        && reasons.len() < most
    {
        reasons.insert(blob.sha256, reason);
    }
}

/// Hands every content to `visit`, held, so that nothing waits for how long that takes.
fn each_held(
    core: &Arc<Core>,
    mut visit: impl FnMut(&Blob, BlobReader) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        // The snapshot holds them until the readers do.
        let reader = core.reader()?;
        let blobs = reader.blob_slice(after.as_ref(), SLICE_BLOBS)?;
        let Some(last) = blobs.last() else {
            return Ok(());
        };
        after = Some(last.sha256);
        let whole = |blob: Blob| {
            let content = BlobReader::new(Arc::clone(core), &blob.manifest, 0..blob.size);
            (blob, content)
        };
        let held: Vec<(Blob, BlobReader)> = blobs.into_iter().map(whole).collect();
        drop(reader);
        for (blob, content) in held {
            visit(&blob, content)?;
        }
    }
}

/// The contents that have one of these damaged payloads and no copy of it, or an unreadable manifest;
/// without reading any payload. [`StoreError::Closed`] when it was told to stop.
pub(super) fn hit(
    core: &Arc<Core>,
    stop: &dyn Fn() -> bool,
    is_bad: impl Fn(u64) -> bool,
) -> Result<Reasons, StoreError> {
    let mut reasons = Reasons::new();
    each_held(core, |blob, _held| {
        if stop() {
            return Err(StoreError::Closed);
        }
        let mut pieces = Pieces::new(&blob.manifest);
        let (mut at, mut damage) = (0, None);
        while at < blob.size && damage.is_none() {
            match pieces.at(core, at) {
                Ok((start, piece)) => {
                    if is_bad(piece.pack_offset) {
                        let offset = piece.pack_offset;
                        damage = Some(format!("the chunk at pack offset {offset} is damaged"));
                    }
                    at = start + u64::from(piece.raw_len);
                }
                Err(error) => damage = Some(error.to_string()),
            }
        }
        note(&mut reasons, MAX_CONTENTS, blob, damage);
        Ok(())
    })?;
    Ok(reasons)
}

impl Found {
    /// Looks at all files and packages, and names those with damaged contents.
    pub(super) fn find(core: &Core, reasons: &Reasons) -> Result<Self, StoreError> {
        let reader = core.reader()?;
        let mut found = Self::default();
        for repo in reader.every_repo()? {
            let mut place = DamagedFile {
                project: repo.project.clone(),
                repo: repo.name.clone(),
                path: String::new(),
                reason: String::new(),
            };
            found.folder(&reader, repo.root, &mut place, reasons)?;
        }
        reader.each_package::<StoreError>(|package| {
            found.packages += 1;
            if let Some(reason) = fault(&reader, &package.sha256, reasons)? {
                found.push(DamagedFile {
                    project: String::new(),
                    repo: "sys-package".to_owned(),
                    path: format!("/{}", package.file_name),
                    reason,
                });
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn push(&mut self, file: DamagedFile) {
        match self.damaged.len() < MAX_FILES {
            true => self.damaged.push(file),
            false => self.unlisted += 1,
        }
    }

    /// Looks at the files below a folder; folders nest at most 64 deep.
    fn folder(
        &mut self,
        reader: &Reader,
        folder: NodeId,
        place: &mut DamagedFile,
        reasons: &Reasons,
    ) -> Result<(), StoreError> {
        let mut after: Option<(Rank, String)> = None;
        loop {
            let behind = after.as_ref().map(|(rank, name)| (*rank, name.as_str()));
            let children = reader.children(folder, behind, 1000)?;
            let Some((last, node)) = children.last() else {
                return Ok(());
            };
            after = Some((Rank::of(node), last.clone()));
            for (name, node) in children {
                let len = place.path.len();
                place.path.push('/');
                place.path.push_str(&name);
                match node.kind {
                    NodeKind::Folder => self.folder(reader, node.id, place, reasons)?,
                    NodeKind::File { sha256, .. } => {
                        self.files += 1;
                        if let Some(reason) = fault(reader, &sha256, reasons)? {
                            self.push(DamagedFile {
                                reason,
                                ..place.clone()
                            });
                        }
                    }
                }
                place.path.truncate(len);
            }
        }
    }
}

/// What is wrong with the content of a file, if anything is.
fn fault(
    reader: &Reader,
    sha256: &Sha256,
    reasons: &Reasons,
) -> Result<Option<String>, StoreError> {
    Ok(match reasons.get(sha256) {
        None if reader.blob(sha256)?.is_none() => Some("its content is not known".to_owned()),
        reason => reason.cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::meta::ManifestRef;

    #[test]
    fn so_many_damaged_contents_are_told_at_most() {
        let mut reasons = Reasons::new();
        for byte in 0..4 {
            let blob = Blob {
                sha256: [byte; 32],
                size: 0,
                md5: [0; 16],
                crc64: 0,
                sha1: None,
                manifest: ManifestRef::Empty,
            };
            note(&mut reasons, 2, &blob, None);
            assert!(!reasons.contains_key(&blob.sha256), "it is sound");
            note(&mut reasons, 2, &blob, Some("damaged".to_owned()));
        }
        assert!(reasons.len() == 2 && reasons.contains_key(&[1; 32]));
    }

    #[test]
    fn files_beyond_those_that_are_named_are_counted() {
        let file = DamagedFile {
            project: String::new(),
            repo: String::new(),
            path: String::new(),
            reason: String::new(),
        };
        let mut found = Found::default();
        (0..MAX_FILES + 3).for_each(|_| found.push(file.clone()));
        assert_eq!((found.damaged.len(), found.unlisted), (MAX_FILES, 3));
    }
}
