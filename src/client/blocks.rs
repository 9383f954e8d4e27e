//! A large file to a server, in blocks of one length: several at once, each again at will, and after
//! a break only those that the server lacks. A block counts as there when length and sha256 are
//! those of the bytes here.

use std::collections::BTreeMap;
use std::io::Read;

use parking_lot::Mutex;
use serde::Deserialize;

use super::ClientError;
use super::crew::crew;
use super::files::{Stretch, Watched, changed};
use super::place::target;
use super::push::{Job, Push};
use super::server::{Body, Call, Method};
use super::sessions::{Note, Slot};
use crate::digest::sha256;

/// Code of the envelope: the upload is unknown, or has expired.
const CODE_NO_SESSION: &str = "251201";
/// Code of the envelope: the blocks are not the file.
const CODE_COVERAGE: &str = "251204";
/// Blocks of one file at once; more are of no use.
const MAX_THREADS: usize = 8;
/// A file has no more blocks: theirs grow.
const MAX_BLOCKS: u64 = 10_000;

/// What a server says of a new upload.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    upload_id: String,
}

/// What a server says of a block.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    size: u64,
    sha256: String,
    start_pos: u64,
}

/// An upload that goes on.
struct Upload<'a> {
    with: &'a Push<'a>,
    job: &'a Job<'a>,
    note: Note,
    /// Blocks at the server: sha256, by offset.
    there: BTreeMap<u64, String>,
}

/// Sends a file in blocks.
pub fn send(with: &Push<'_>, job: &Job<'_>) -> Result<(), ClientError> {
    let slot = with.sessions.slot(with.server.url(), job.to, &job.sha256);
    let first = match slot.read() {
        Some(note) => resumed(with, job, note, &slot)?,
        None => None,
    };
    let upload = match first {
        Some(upload) => upload,
        None => started(with, job, &slot)?,
    };
    let ended = match upload.run() {
        // It expired, or somebody ended it.
        Err(error) if error.has_code(CODE_NO_SESSION) || error.has_code(CODE_COVERAGE) => {
            upload.abort();
            // This may have completed it, and not heard of it.
            if with.there(job.to)?.as_deref() == Some(&job.hex()) {
                slot.clear();
                return Ok(());
            }
            let upload = started(with, job, &slot)?;
            upload
                .run()
                .inspect_err(|error| upload.give_up(error, &slot))
        }
        ended => ended.inspect_err(|error| upload.give_up(error, &slot)),
    };
    if ended.is_ok() {
        slot.clear();
        let found = with.there(job.to)?.unwrap_or_default();
        job.compare(&found)?;
    }
    ended
}

/// A new upload.
fn started<'a>(
    with: &'a Push<'_>,
    job: &'a Job<'_>,
    slot: &Slot,
) -> Result<Upload<'a>, ClientError> {
    let at = target("/generic/separate", job.to);
    let started: Started = with.persistence.attempt(|_| {
        let call = with.placing(&at, Method::Post, job);
        with.server.ask(call)?.data()
    })?;
    let note = Note {
        upload_id: started.upload_id,
        block_bytes: with.block_bytes.max(job.len.div_ceil(MAX_BLOCKS)),
    };
    slot.write(&note);
    Ok(Upload {
        with,
        job,
        note,
        there: BTreeMap::new(),
    })
}

/// One that was begun before, if the server still knows it, and its blocks are as they should be.
fn resumed<'a>(
    with: &'a Push<'_>,
    job: &'a Job<'_>,
    note: Note,
    slot: &Slot,
) -> Result<Option<Upload<'a>>, ClientError> {
    let mut upload = Upload {
        with,
        job,
        note,
        there: BTreeMap::new(),
    };
    if upload.note.block_bytes == 0 || upload.note.block_bytes > (1 << 40) {
        slot.clear();
        return Ok(None);
    }
    let rows = match upload.rows() {
        Ok(rows) => rows,
        Err(error) if error.has_status(400) || error.has_status(404) => {
            slot.clear();
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    for row in rows {
        if row.start_pos % upload.note.block_bytes != 0 || row.size != upload.len_at(row.start_pos)
        {
            upload.abort();
            slot.clear();
            return Ok(None);
        }
        upload.there.insert(row.start_pos, row.sha256);
    }
    Ok(Some(upload))
}

impl Upload<'_> {
    fn call<'c>(&self, method: Method, target: &'c str) -> Call<'c> {
        Call::new(method, target).header("x-bkrepo-upload-id", &*self.note.upload_id)
    }

    fn rows(&self) -> Result<Vec<Row>, ClientError> {
        let at = target("/generic/separate", self.job.to);
        let (with, call) = (self.with, || self.call(Method::Get, &at));
        with.persistence
            .attempt(|_| with.server.ask(call())?.data())
    }

    /// Length of the block at an offset; 0 behind the end.
    fn len_at(&self, offset: u64) -> u64 {
        let left = self.job.len.saturating_sub(offset);
        left.min(self.note.block_bytes)
    }

    /// Sends what is lacking, and makes the file.
    fn run(&self) -> Result<(), ClientError> {
        let blocks = self.job.len.div_ceil(self.note.block_bytes);
        let failure = Mutex::new(None);
        let threads = self.with.threads.clamp(1, MAX_THREADS);
        let each = |give: &mut dyn FnMut(u64)| {
            for block in 0..blocks {
                if failure.lock().is_some() {
                    return;
                }
                give(block * self.note.block_bytes);
            }
        };
        crew(threads, each, |offset| {
            if failure.lock().is_some() {
                return;
            }
            if let Err(error) = self.with.gate.pass(|| self.block(offset)) {
                failure.lock().get_or_insert(error);
            }
        });
        match failure.into_inner() {
            Some(error) => Err(error),
            None => self.complete(),
        }
    }

    /// Sends a block, unless it is there.
    fn block(&self, offset: u64) -> Result<(), ClientError> {
        let Job { file, path, .. } = self.job;
        let len = self.len_at(offset);
        // With room for one byte more, or reading to the end would ask for twice as much.
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1);
        let read = Stretch::new(file, offset, len).read_to_end(&mut bytes);
        read.map_err(ClientError::io(format!("reading {}", path.display())))?;
        if bytes.len() as u64 != len {
            return Err(changed(path));
        }
        let digest = hex::encode(sha256(&bytes));
        if self.there.get(&offset) == Some(&digest) {
            self.with.observer.kept(len);
            return Ok(());
        }
        let at = target("/generic", self.job.to);
        self.with.persistence.attempt(|_| {
            let mut sent = Watched {
                bytes: &bytes[..],
                observer: self.with.observer,
            };
            let body = Body::Bytes(&mut sent, Some(len), "application/octet-stream");
            let call = self
                .call(Method::Put, &at)
                .header("upload-type", "SEPARATE-UPLOAD")
                .header("x-bkrepo-offset", offset.to_string())
                .header("x-bkrepo-sha256", &*digest)
                .body(body);
            self.with.server.ask(call).map(drop)
        })
    }

    fn complete(&self) -> Result<(), ClientError> {
        let at = target("/generic/separate", self.job.to);
        self.with.persistence.attempt(|_| {
            let call = self
                .with
                .placing(&at, Method::Put, self.job)
                .header("x-bkrepo-upload-id", &*self.note.upload_id)
                .header("x-bkrepo-size", self.job.len.to_string());
            self.with.server.ask(call).map(drop)
        })
    }

    /// Ends the upload; the server would do so by itself, later.
    fn abort(&self) {
        let at = target("/generic/separate", self.job.to);
        if let Err(error) = self.with.server.ask(self.call(Method::Delete, &at)) {
            tracing::debug!(%error, "an upload is left to expire");
        }
    }

    /// After a failure: what will not work next time either does not wait for it.
    fn give_up(&self, error: &ClientError, slot: &Slot) {
        let for_good = match error {
            ClientError::Refused { status, .. } => matches!(status, 400 | 403..=405 | 409..=422),
            ClientError::Invalid(_) | ClientError::Exists(_) | ClientError::Differs { .. } => true,
            _ => false,
        };
        if for_good {
            self.abort();
            slot.clear();
        }
    }
}
