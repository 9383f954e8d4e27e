//! Making the file of its blocks.

use super::digesting::{Digesting, catch_up};
use super::{UploadId, touch};
use crate::domain::DomainError;
use crate::domain::quota::Usage;
use crate::domain::upload::{Content, Stored, Upload, check};
use crate::format::meta::{Block, Dialect, Mutation, Session, SessionDelete};
use crate::index::Rows;
use crate::store::{Ids, Store};

/// Blocks read from the index at once.
const PAGE: usize = 1000;
/// How often it begins anew when blocks come while it works.
const ATTEMPTS: usize = 4;

/// Makes the file of the blocks of a session, which ends with that. A refusal keeps the session and
/// its blocks. `size` is what the client says that the file has, in bytes; the digests that the
/// upload declares are those of the whole file.
///
/// Takes milliseconds when the blocks came in order; else it reads those that were not digested.
/// `None` when somebody else is reading them: nobody's thread waits for that, it is to be tried
/// again.
///
/// # Errors
/// [`DomainError::TooLarge`], [`DomainError::Quota`]; [`DomainError::NoSession`]; [`DomainError::Coverage`] or [`DomainError::Sequence`] when blocks
/// are missing, overlap or come to another size; what an upload may be refused for.
pub fn complete(
    store: &Store,
    (digesting, usage): (&Digesting, &Usage),
    upload: &Upload,
    id: &UploadId,
    size: Option<u64>,
) -> Result<Option<Stored>, DomainError> {
    let result = attempts(store, (digesting, usage), upload, id, size);
    if result.is_err() {
        // It counts as use of the session. What it says is of no interest beside the refusal.
        touch(store, upload.address.clone(), id.clone(), |_| {});
    }
    result
}

fn attempts(
    store: &Store,
    (digesting, usage): (&Digesting, &Usage),
    upload: &Upload,
    id: &UploadId,
    size: Option<u64>,
) -> Result<Option<Stored>, DomainError> {
    let at_ms = store.now_ms();
    for _ in 0..ATTEMPTS {
        let digested = {
            let rows = store.rows()?;
            let session = id.session(&rows, &upload.address, at_ms)?;
            check(&rows, upload, at_ms)?;
            let bytes = cover(&rows, &session, size)?;
            upload.refuse_large(bytes)?;
            usage.check(&rows, &upload.address, bytes, at_ms)?;
            // Who has nothing to read waits for nobody's turn.
            session.prefix.blocks == session.blocks && session.prefix.hasher().is_some()
        };
        if !digested && !catch_up(store, digesting, id.session_id())? {
            return Ok(None);
        }
        let stored = attempt(store, usage, upload, id, size, at_ms)?;
        if stored.is_some() {
            return Ok(stored);
        }
    }
    Err(DomainError::Coverage(
        "blocks came while the file was being completed".to_owned(),
    ))
}

/// `None` when the session changed meanwhile.
fn attempt(
    store: &Store,
    usage: &Usage,
    upload: &Upload,
    id: &UploadId,
    size: Option<u64>,
    at_ms: u64,
) -> Result<Option<Stored>, DomainError> {
    let session = id.session(&store.rows()?, &upload.address, at_ms)?;
    // All blocks one behind the other from the start on, and no other ones.
    let whole = session.prefix.blocks == session.blocks;
    let Some(hasher) = session.prefix.hasher().filter(|_| whole) else {
        return Ok(None);
    };
    if size.is_some_and(|size| size != session.prefix.bytes) {
        return Ok(None);
    }
    let content = content(store, upload, &session, hasher)?;
    let (upload, usage, id) = (upload.clone(), usage.clone(), id.clone());
    let check = move |rows: &dyn Rows, ids: &mut Ids| {
        let now = id.session(rows, &upload.address, at_ms)?;
        if (&now.prefix, now.blocks, now.replaced)
            != (&session.prefix, session.blocks, session.replaced)
        {
            return Ok((Vec::new(), None));
        }
        let (mut mutations, stored) = content.place(&upload, &usage, rows, ids, at_ms)?;
        let session = session.id;
        mutations.push(Mutation::SessionDelete(SessionDelete { session }));
        Ok::<_, DomainError>((mutations, Some(stored)))
    };
    store.commit(check)?
}

/// The content that the blocks come to.
fn content(
    store: &Store,
    upload: &Upload,
    session: &Session,
    hasher: crate::digest::Hasher,
) -> Result<Content, DomainError> {
    let digests = hasher.finish();
    upload.declared.fits_sha256(&digests.sha256)?;
    upload.declared.fits_others(&digests.md5, digests.crc64)?;
    // It holds the blocks until they are joined.
    let rows = store.rows()?;
    let known = rows.blob(&digests.sha256)?;
    let sound = match &known {
        Some(_) => store.sound_blob(&digests.sha256)?,
        None => None,
    };
    let replaces = known.is_some() && sound.is_none();
    let (blob, pins) = match sound {
        Some(held) => held,
        None => {
            let mut join = store.join();
            each_block(&rows, session, |block| Ok(join.push(block)?))?;
            join.finish(&digests)?
        }
    };
    Ok(Content {
        blob,
        new_bytes: 0,
        relocated: Vec::new(),
        replaces,
        pins,
    })
}

fn each_block(
    rows: &dyn Rows,
    session: &Session,
    mut visit: impl FnMut(&Block) -> Result<(), DomainError>,
) -> Result<(), DomainError> {
    let mut next = Some(0);
    while let Some(from) = next {
        let page = rows.blocks(&session.id, from, PAGE)?;
        page.iter().try_for_each(&mut visit)?;
        next = page.last().and_then(|last| last.key.checked_add(1));
    }
    Ok(())
}

/// Whether the blocks are exactly the file, of how many bytes; says where they are not.
fn cover(rows: &dyn Rows, session: &Session, size: Option<u64>) -> Result<u64, DomainError> {
    match session.dialect {
        Dialect::Offset => cover_offsets(rows, session, size.unwrap_or(0)),
        Dialect::Sequence => cover_sequence(rows, session, size),
    }
}

fn cover_offsets(rows: &dyn Rows, session: &Session, size: u64) -> Result<u64, DomainError> {
    let mut end = 0;
    each_block(rows, session, |block| {
        let Block { key, size, .. } = block;
        if *size == 0 {
            return Ok(());
        }
        let why = match key.cmp(&end) {
            std::cmp::Ordering::Equal => {
                end = key.saturating_add(*size);
                return Ok(());
            }
            std::cmp::Ordering::Greater => format!("no block has the bytes from {end} to {key}"),
            std::cmp::Ordering::Less => {
                format!("the block at {key} begins before {end}, where the one before it ends")
            }
        };
        Err(DomainError::Coverage(why))
    })?;
    fits(end, size)
}

fn cover_sequence(
    rows: &dyn Rows,
    session: &Session,
    size: Option<u64>,
) -> Result<u64, DomainError> {
    let (mut last, mut sum) = (0_u64, 0_u64);
    each_block(rows, session, |block| {
        let expected = last.saturating_add(1);
        if block.key != expected {
            let why = format!("block {expected} is missing, the next one is {}", block.key);
            return Err(DomainError::Sequence(why));
        }
        last = block.key;
        sum = sum.saturating_add(block.size);
        Ok(())
    })?;
    if last == 0 && size != Some(0) {
        return Err(DomainError::Sequence("there are no blocks".to_owned()));
    }
    size.map_or(Ok(sum), |size| fits(sum, size))
}

fn fits(sum: u64, size: u64) -> Result<u64, DomainError> {
    match sum == size {
        true => Ok(sum),
        false => Err(DomainError::Coverage(format!(
            "the blocks have {sum} bytes, not {size}"
        ))),
    }
}
