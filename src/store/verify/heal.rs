//! Mending with bytes from elsewhere: a chunk or a whole content, told by its sha256.
//!
//! **Invariant.** Nothing is taken in that is not known to be damaged, and nothing whose bytes do not
//! have the digest: who gives them is not trusted.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::damage::BadChunk;
use super::files;
use super::repair::relocation;
use super::{DamagedFile, MAX_CHUNKS};
use crate::digest::{Wanted, sha256};
use crate::format::Sha256;
use crate::format::meta::{Blob, Mutation};
use crate::index::Rows;
use crate::metrics;
use crate::store::blobs::BlobReader;
use crate::store::chunks::Found;
use crate::store::core::Store;
use crate::store::segments::Draft;
use crate::store::{Ingest, StoreError};

/// What is damaged as far as it is known, and has no intact copy. Field names are part of the interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamageReport {
    /// sha256 of chunks, in hex, 65,536 at most.
    pub lacking_chunks: Vec<String>,
    /// sha256 of contents that cannot be read, in hex, 65,536 at most.
    pub damaged_contents: Vec<String>,
    /// The files that have them, a hundred thousand at most.
    pub damaged_files: Vec<DamagedFile>,
    /// Files beyond those.
    pub unlisted_files: u64,
}

/// Names of digests in a report.
pub(super) fn names<'d>(digests: impl Iterator<Item = &'d Sha256>) -> Vec<String> {
    let mut names: Vec<String> = digests.map(hex::encode).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(MAX_CHUNKS);
    names
}

impl Store {
    /// What is known to be damaged: chunks by a verification or scrub since the store was opened,
    /// manifests because all are looked at now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn damage(&self) -> Result<DamageReport, StoreError> {
        let known = self.core.damaged.lock().all();
        let bad = self.still_bad(&known)?;
        let is_bad = |at| bad.binary_search_by_key(&at, |(at, _)| *at).is_ok();
        let reasons = files::hit(&self.core, &|| false, is_bad)?;
        let files = match reasons.is_empty() {
            true => files::Found::default(),
            false => files::Found::find(&self.core, &reasons)?,
        };
        Ok(DamageReport {
            lacking_chunks: names(bad.iter().map(|(_, chunk)| &chunk.entry.sha256)),
            damaged_contents: names(reasons.keys()),
            damaged_files: files.damaged,
            unlisted_files: files.unlisted,
        })
    }

    /// The bytes of a chunk, from wherever they are intact; `None` when the store does not have them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chunk(&self, digest: &Sha256) -> Result<Option<Bytes>, StoreError> {
        let pins = self.core.space.guard();
        let reader = self.core.reader()?;
        let bytes = match self.core.find_chunk(&reader, digest, &pins)? {
            Some(Found::Sound(piece)) => match self.core.read_piece(&piece) {
                Some(bytes) => Some(bytes),
                None => self.core.relocated(&reader, &piece)?,
            },
            Some(Found::Damaged(_)) | None => None,
        };
        // Copied: nothing holds it once the pins are gone. A CRC is not enough for who asks by digest.
        let bytes = bytes.map(|bytes| Bytes::copy_from_slice(&bytes));
        Ok(bytes.filter(|bytes| sha256(bytes) == *digest))
    }

    /// Takes in the bytes of a chunk that is known to be damaged. Gives how many damaged places it
    /// mended; none, and nothing is stored, if it is not known to be damaged.
    ///
    /// # Errors
    /// [`StoreError::WrongBytes`]; [`StoreError`].
    pub fn mend_chunk(&self, digest: &Sha256, bytes: &Bytes) -> Result<u64, StoreError> {
        if sha256(bytes) != *digest {
            return Err(StoreError::WrongBytes(hex::encode(digest)));
        }
        let known = self.core.damaged.lock().of(digest);
        let fits = |(_, chunk): &(u64, BadChunk)| chunk.entry.raw_len as usize == bytes.len();
        let mut bad = self.still_bad(&known)?;
        bad.retain(fits);
        if bad.is_empty() {
            return Ok(0);
        }
        let pins = self.core.space.guard();
        let mut draft = Draft::default();
        draft.push(*digest, bytes.clone());
        let places = self.core.append_segment(&mut draft, &pins)?;
        let (to, entry) = places.first().ok_or(StoreError::Closed)?;
        let relocated = bad.iter().map(|(from, _)| relocation(*from, *to, entry));
        self.record(&relocated.collect::<Vec<_>>())?;
        let mut damaged = self.core.damaged.lock();
        bad.iter().for_each(|(at, _)| damaged.forget(*at));
        metrics::REPAIRED_CHUNKS.add(bad.len() as u64);
        Ok(bad.len() as u64)
    }

    /// Reads a content from front to back; `None` when the store does not know it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn content(&self, digest: &Sha256) -> Result<Option<(Blob, BlobReader)>, StoreError> {
        // The snapshot holds it until the reader does.
        let rows = self.core.reader()?;
        let blob = rows.blob(digest)?;
        Ok(blob.map(|blob| {
            let reader = self.read(&blob, 0..blob.size);
            (blob, reader)
        }))
    }

    /// Begins to take in the bytes of a content that the store knows and cannot read, and tells how many
    /// they are; `None` for any other. Reads what was not read lately.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_mending(&self, digest: &Sha256) -> Result<Option<(Ingest, u64)>, StoreError> {
        let pins = self.core.space.guard();
        let Some(blob) = self.core.reader()?.blob(digest)? else {
            return Ok(None);
        };
        if self.core.hold_sound(digest, &pins)?.0.is_some() {
            return Ok(None);
        }
        let wanted = match blob.sha1 {
            Some(_) => Wanted::Md5Sha1,
            None => Wanted::Md5,
        };
        Ok(Some((self.ingest(wanted), blob.size)))
    }

    /// All bytes of the content are in: from now on it is read from where they lie.
    ///
    /// # Errors
    /// [`StoreError::WrongBytes`] when they were others; [`StoreError`].
    pub fn finish_mending(&self, digest: &Sha256, ingest: Ingest) -> Result<(), StoreError> {
        let ingested = ingest.finish()?;
        if ingested.digests.sha256 != *digest {
            return Err(StoreError::WrongBytes(hex::encode(digest)));
        }
        self.commit(move |rows, _| {
            let mut mutations = Vec::new();
            // It may have been forgotten meanwhile.
            if let (Some(blob), true) = (&ingested.blob, ingested.replaces)
                && rows.blob(&blob.sha256)?.is_some()
            {
                mutations.push(Mutation::BlobPut(blob.clone()));
            }
            let relocated = ingested.relocated.iter().copied();
            mutations.extend(relocated.map(Mutation::Relocated));
            Ok::<_, StoreError>((mutations, ()))
        })?
    }
}
