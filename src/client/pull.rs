//! One file from a server.
//!
//! It grows beside its place, under a name of its own, and is renamed into its place when its sha256
//! was proven. What came before a break is read again and not fetched again.

use std::io::{Read, Seek, SeekFrom, Write};

use super::dest::{Partial, Spot};
use super::files::{PIECE_BYTES, Stretch, digest};
use super::listing::RemoteFile;
use super::place::target;
use super::retry::Persistence;
use super::server::{Answer, Call, Method, Server};
use super::{ClientError, Observer, Outcome};
use crate::digest::{Hasher, Wanted};

/// How files are fetched.
pub struct Pull<'a> {
    /// From whom.
    pub server: &'a Server,
    /// How often again.
    pub persistence: Persistence,
    /// May replace other files.
    pub overwrite: bool,
    /// Hears how far it is.
    pub observer: &'a dyn Observer,
}

/// Fetches a file to its place, unless it is there.
///
/// # Errors
/// [`ClientError`]; [`ClientError::Exists`] when another file is there and may not be replaced,
/// [`ClientError::Differs`] when other bytes came than the server said.
pub fn pull(with: &Pull<'_>, file: &RemoteFile, to: &Spot) -> Result<Outcome, ClientError> {
    if let Some((there, len)) = to.there()? {
        let same = len == file.size
            && digest(to.shown(), &there, len, Wanted::Sha256Only)?.sha256 == file.sha256;
        if same {
            return Ok(Outcome::Present);
        }
        if !with.overwrite {
            return Err(ClientError::Exists(to.shown().display().to_string()));
        }
    }
    let mut fetch = Fetch {
        with,
        file,
        to,
        partial: to.partial(&file.sha256)?,
        hasher: Hasher::new(Wanted::Sha256Only),
    };
    let kept_bytes = fetch.resume()?;
    with.observer.kept(kept_bytes);
    let mut fetched = fetch.run();
    if kept_bytes > 0 && matches!(fetched, Err(ClientError::Differs { .. })) {
        // What was there before may be what is wrong: a machine that crashed leaves such files.
        fetch.begin_anew()?;
        fetched = fetch.run();
    }
    match fetched {
        Ok(()) => {
            to.put(&fetch.partial, with.overwrite)?;
            Ok(Outcome::Moved)
        }
        Err(error) => {
            if matches!(error, ClientError::Differs { .. }) {
                to.drop_partial(&fetch.partial);
            }
            Err(error)
        }
    }
}

/// A file that is being fetched.
struct Fetch<'a> {
    with: &'a Pull<'a>,
    file: &'a RemoteFile,
    to: &'a Spot,
    partial: Partial,
    /// Of what is in the partial file.
    hasher: Hasher,
}

impl Fetch<'_> {
    fn io(&self, action: &str) -> impl FnOnce(std::io::Error) -> ClientError + use<> {
        ClientError::io(format!("{action} {}", self.to.shown().display()))
    }

    fn begin_anew(&mut self) -> Result<(), ClientError> {
        self.hasher = Hasher::new(Wanted::Sha256Only);
        self.partial.empty().map_err(self.io("writing"))
    }

    /// Takes on what is there already; says how much that is.
    fn resume(&mut self) -> Result<u64, ClientError> {
        let len = self
            .partial
            .file
            .metadata()
            .map_err(self.io("reading"))?
            .len();
        if len > self.file.size {
            self.begin_anew()?;
            return Ok(0);
        }
        let mut stretch = Stretch::new(&self.partial.file, 0, len);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match stretch.read(&mut piece).map_err(self.io("reading"))? {
                0 => break,
                read => self.hasher.update(&piece[..read]),
            }
        }
        let end = SeekFrom::Start(self.hasher.size());
        self.partial.file.seek(end).map_err(self.io("reading"))?;
        Ok(self.hasher.size())
    }

    /// Fetches what is lacking, and proves the whole.
    fn run(&mut self) -> Result<(), ClientError> {
        let persistence = self.with.persistence;
        persistence.attempt(|progress| {
            let before = self.hasher.size();
            let fetched = match before < self.file.size {
                true => self.rest(),
                false => Ok(()),
            };
            *progress = self.hasher.size() > before;
            fetched
        })?;
        let found = self.hasher.clone().finish().sha256;
        match found == self.file.sha256 {
            true => Ok(()),
            false => Err(self.differs(&hex::encode(found))),
        }
    }

    fn differs(&self, found: &str) -> ClientError {
        ClientError::Differs {
            what: self.file.address.to_string(),
            found: found.to_owned(),
            expected: hex::encode(self.file.sha256),
        }
    }

    /// Fetches what follows the bytes that are there.
    fn rest(&mut self) -> Result<(), ClientError> {
        let target = target("/generic", &self.file.address);
        let from = self.hasher.size();
        let mut call = Call::new(Method::Get, &target);
        if from > 0 {
            call = call.header("range", format!("bytes={from}-"));
        }
        let answer = self.with.server.ask(call)?;
        self.check(&answer, from)?;
        let lost = answer.lost();
        let mut bytes = answer.into_reader();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let left = self.file.size - self.hasher.size();
            let read = match bytes.read(&mut piece) {
                Ok(read) => read,
                Err(error) => return Err(lost(&error)),
            };
            if read as u64 > left {
                return Err(self.differs("of more bytes"));
            }
            if read == 0 {
                return match left {
                    0 => Ok(()),
                    _ => Err(lost(&std::io::ErrorKind::UnexpectedEof.into())),
                };
            }
            let written = self.partial.file.write_all(&piece[..read]);
            written.map_err(self.io("writing beside"))?;
            self.hasher.update(&piece[..read]);
            self.with.observer.moved(read as u64);
        }
    }

    /// Whether an answer is of the content that is wanted, and has the bytes from there on.
    fn check(&self, answer: &Answer, from: u64) -> Result<(), ClientError> {
        let expected = hex::encode(self.file.sha256);
        if let Some(now) = answer.header("x-checksum-sha256")
            && !now.eq_ignore_ascii_case(&expected)
        {
            let why = format!("{} was replaced meanwhile", self.file.address);
            return Err(ClientError::Invalid(why));
        }
        let size = self.file.size;
        match answer.status() {
            200 if from == 0 => Ok(()),
            206 if from > 0 => {
                let range = format!("bytes {from}-{}/{size}", size - 1);
                match answer.header("content-range") == Some(&*range) {
                    true => Ok(()),
                    false => Err(answer.wrong(format!("not the range {range}"))),
                }
            }
            status => Err(answer.wrong(format!(
                "{status} where bytes from {from} on were asked for"
            ))),
        }
    }
}
