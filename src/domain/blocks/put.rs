//! Taking in a block.

use super::UploadId;
use crate::digest::Hasher;
use crate::domain::DomainError;
use crate::domain::lookup::Address;
use crate::domain::submit::submit;
use crate::domain::upload::Declared;
use crate::format::meta::{Block, BlockPut, Dialect, Mutation, Prefix, Session};
use crate::index::Rows;
use crate::store::{Ids, Ingest, IngestedBlock, Store};

/// A block to be taken in.
#[derive(Debug, Clone)]
pub struct BlockUpload {
    /// Where the file is to go.
    pub address: Address,
    /// The session.
    pub id: UploadId,
    /// Offset of the first byte, or number of the block.
    pub key: u64,
    /// Digests that the bytes of the block must have.
    pub declared: Declared,
}

/// A block whose bytes are awaited.
pub struct Begun {
    upload: BlockUpload,
    /// When it began: the session may expire while its bytes come.
    at_ms: u64,
    /// The session as it was when the file's digests were taken on.
    base: Option<Session>,
}

/// Begins to take in a block. May wait for the disk.
///
/// # Errors
/// [`DomainError::NoSession`], [`DomainError::Store`].
pub fn begin_block(
    store: &Store,
    upload: BlockUpload,
    size: Option<u64>,
) -> Result<(Begun, Ingest), DomainError> {
    let at_ms = store.now_ms();
    let session = upload.id.session(&store.rows()?, &upload.address, at_ms)?;
    store.accepts(size)?;
    upload.end(size.unwrap_or(0))?;
    let whole = match is_next(&session, upload.key) {
        true => session.prefix.hasher(),
        false => None,
    };
    let ingest = store.ingest_block(upload.declared.wanted(), whole.clone());
    let base = whole.map(|_| session);
    let begun = Begun {
        upload,
        at_ms,
        base,
    };
    Ok((begun, ingest))
}

/// Puts a block into its session, once its bytes are in. `done` hears when that is durable, or why
/// it is not.
pub fn finish_block(
    store: &Store,
    begun: Begun,
    ingested: IngestedBlock,
    done: impl FnOnce(Result<Block, DomainError>) + Send + 'static,
) {
    let block = match begun.upload.accept(&ingested) {
        Ok(block) => block,
        Err(error) => return done(Err(error)),
    };
    let now_ms = store.now_ms();
    let IngestedBlock {
        whole,
        relocated,
        pins,
        ..
    } = ingested;
    let check = move |rows: &dyn Rows, _: &mut Ids| {
        // They hold the bytes until this change is made and dropped.
        let _held = &pins;
        let Begun { upload, at_ms, .. } = &begun;
        let session = upload.id.session(rows, &upload.address, *at_ms)?;
        let prefix = begun.prefix(&session, &block, whole.as_ref());
        let put = BlockPut {
            session: session.id,
            block: block.clone(),
            prefix,
            at_ms: now_ms,
        };
        let mut mutations = vec![Mutation::BlockPut(put)];
        mutations.extend(relocated.iter().copied().map(Mutation::Relocated));
        Ok::<_, DomainError>((mutations, block.clone()))
    };
    submit(store, check, done);
}

impl BlockUpload {
    /// Where a block of this length ends.
    fn end(&self, size: u64) -> Result<u64, DomainError> {
        match self.id.dialect {
            Dialect::Sequence => Ok(size),
            Dialect::Offset => self
                .key
                .checked_add(size)
                .ok_or(DomainError::BlockEnd(self.key)),
        }
    }

    /// Holds the bytes that came against what was declared.
    fn accept(&self, ingested: &IngestedBlock) -> Result<Block, DomainError> {
        let digests = &ingested.digests;
        self.declared.fits_sha256(&digests.sha256)?;
        if self.declared.wanted() == crate::digest::Wanted::Md5 {
            self.declared.fits_others(&digests.md5, digests.crc64)?;
        }
        self.end(digests.size)?;
        Ok(Block {
            key: self.key,
            size: digests.size,
            sha256: digests.sha256,
            manifest: ingested.manifest.clone(),
        })
    }
}

impl Begun {
    /// The file's digests up to the end of the block, if nothing changed below it meanwhile.
    fn prefix(&self, session: &Session, block: &Block, whole: Option<&Hasher>) -> Option<Prefix> {
        let base = self.base.as_ref()?;
        let same = base.prefix == session.prefix && base.replaced == session.replaced;
        if !same {
            return None;
        }
        session.prefix.extended(session.dialect, block, whole?)
    }
}

/// Whether the block of this key follows those that a session's digests cover.
pub(super) fn is_next(session: &Session, key: u64) -> bool {
    key == next_key(session)
}

/// The key of the block that follows those that a session's digests cover.
pub(super) fn next_key(session: &Session) -> u64 {
    match session.dialect {
        Dialect::Offset => session.prefix.bytes,
        Dialect::Sequence => session.prefix.blocks.saturating_add(1),
    }
}

impl Prefix {
    /// The digests, to go on with; fresh ones when nothing is covered. `None` when the state is
    /// not one that this version knows.
    pub(super) fn hasher(&self) -> Option<Hasher> {
        if self.blocks == 0 {
            return Some(Hasher::new(crate::digest::Wanted::Md5));
        }
        Hasher::restore(&self.state).filter(|hasher| hasher.size() == self.bytes)
    }

    /// These digests, gone on with by a block. An empty block at an offset is no part of the file.
    pub(super) fn extended(&self, dialect: Dialect, block: &Block, whole: &Hasher) -> Option<Self> {
        if dialect == Dialect::Offset && block.size == 0 {
            return None;
        }
        let bytes = self.bytes.checked_add(block.size)?;
        if whole.size() != bytes {
            return None;
        }
        Some(Self {
            blocks: self.blocks.checked_add(1)?,
            bytes,
            state: whole.save()?,
        })
    }
}
