//! One file to a server.
//!
//! It is read once for its sha256 and once for its bytes. What the server has already is not sent.
//! The server proves the bytes against the sha256 that is declared; its answer is compared as well.

use std::fs::File;
use std::path::Path;

use serde::Deserialize;

use super::blocks;
use super::files::{Stretch, Watched, changed, digest, open};
use super::place::target;
use super::retry::Persistence;
use super::server::{Body, Call, Method, Server};
use super::sessions::Sessions;
use super::{ClientError, Gate, Observer, Outcome};
use crate::digest::Wanted;
use crate::domain::Address;

/// Code of the envelope: there is a file already.
const CODE_EXISTS: &str = "251012";
/// Code of the envelope: the bytes are not those that were declared.
const CODE_DIGEST: &str = "251003";

/// How files are sent.
pub struct Push<'a> {
    /// To whom.
    pub server: &'a Server,
    /// How often again.
    pub persistence: Persistence,
    /// Lets transfers through, as many as may run at once.
    pub gate: &'a Gate,
    /// Threads that may send blocks of one file.
    pub threads: usize,
    /// Files with more bytes go in blocks of so many.
    pub block_bytes: u64,
    /// May replace other files.
    pub overwrite: bool,
    /// Where unfinished uploads are noted.
    pub sessions: &'a Sessions,
    /// Hears how far it is.
    pub observer: &'a dyn Observer,
}

/// A file on its way.
pub(super) struct Job<'a> {
    pub file: &'a File,
    pub path: &'a Path,
    pub len: u64,
    pub sha256: [u8; 32],
    pub to: &'a Address,
}

/// What a server says of a file.
#[derive(Deserialize)]
struct Stored {
    sha256: Option<String>,
}

/// Sends a file to its place, unless it is there.
///
/// # Errors
/// [`ClientError`]; [`ClientError::Exists`] when another file is there and may not be replaced.
pub fn push(with: &Push<'_>, path: &Path, to: &Address) -> Result<Outcome, ClientError> {
    let (file, len) = open(path)?;
    let digests = digest(path, &file, len, Wanted::Sha256Only)?;
    let job = Job {
        file: &file,
        path,
        len,
        sha256: digests.sha256,
        to,
    };
    match with.there(to)? {
        Some(there) if there == job.hex() => return Ok(Outcome::Present),
        Some(_) if !with.overwrite => return Err(ClientError::Exists(to.to_string())),
        _ => {}
    }
    let sent = match len > with.block_bytes {
        true => blocks::send(with, &job),
        false => with.gate.pass(|| whole(with, &job)),
    };
    match sent {
        Ok(()) => Ok(Outcome::Moved),
        // Somebody else was faster, or this did it and did not hear of it.
        Err(error) if error.has_code(CODE_EXISTS) => match with.there(to)? {
            Some(there) if there == job.hex() => Ok(Outcome::Present),
            _ => Err(ClientError::Exists(to.to_string())),
        },
        Err(error) if error.has_code(CODE_DIGEST) => Err(changed(path)),
        Err(error) => Err(error),
    }
}

impl Job<'_> {
    pub(super) fn hex(&self) -> String {
        hex::encode(self.sha256)
    }

    /// Refuses what a server says to have stored, if it is something else.
    pub(super) fn compare(&self, found: &str) -> Result<(), ClientError> {
        match found.eq_ignore_ascii_case(&self.hex()) {
            true => Ok(()),
            false => Err(ClientError::Differs {
                what: format!("{}, as the server stored it,", self.to),
                found: found.to_owned(),
                expected: self.hex(),
            }),
        }
    }
}

impl Push<'_> {
    /// sha256 of the file at a place; `None` when there is no file.
    pub(super) fn there(&self, at: &Address) -> Result<Option<String>, ClientError> {
        let target = target("/generic", at);
        let asked = self.persistence.attempt(|_| {
            let call = Call::new(Method::Head, &target);
            self.server.ask(call)
        });
        match asked {
            Ok(answer) => match answer.header("x-checksum-sha256") {
                Some(sha256) => Ok(Some(sha256.to_owned())),
                None => Err(ClientError::Invalid(format!("{at} is a folder there"))),
            },
            Err(error) if error.has_status(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a request says that puts a file in its place.
    pub(super) fn placing<'c>(&self, target: &'c str, method: Method, job: &Job<'_>) -> Call<'c> {
        Call::new(method, target)
            .header("x-bkrepo-sha256", job.hex())
            .header("x-bkrepo-overwrite", self.overwrite.to_string())
    }
}

/// Sends a file in one request.
fn whole(with: &Push<'_>, job: &Job<'_>) -> Result<(), ClientError> {
    let target = target("/generic", job.to);
    with.persistence.attempt(|_| {
        let mut bytes = Watched {
            bytes: Stretch::new(job.file, 0, job.len),
            observer: with.observer,
        };
        let body = Body::Bytes(&mut bytes, Some(job.len), "application/octet-stream");
        let call = with.placing(&target, Method::Put, job).body(body);
        let answer = with.server.ask(call)?;
        if let Some(found) = answer.header("x-checksum-sha256") {
            job.compare(found)?;
        }
        let stored: Stored = answer.data()?;
        job.compare(stored.sha256.as_deref().unwrap_or_default())
    })
}
