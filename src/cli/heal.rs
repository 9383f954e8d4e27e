//! `packhold verify --repair --from`: damaged chunks and contents from other packholds.
//!
//! This process fetches, whether the damaged store is closed or served: a server is never told to ask
//! an address. Every byte is checked against the digest before it counts, here and there.

use std::io::Read;
use std::str::FromStr;

use bytes::Bytes;

use super::CliError;
use super::args::{RemoteArgs, StoreArgs};
use super::remote::{self, Method, ask, fetch};
use super::serve::options;
use crate::client::ClientError;
use crate::digest::sha256;
use crate::format::Sha256;
use crate::store::{Access, BlobReader, DamageReport, Store, StoreError, VerifyReport};

/// Bytes of a content taken in at once.
const PIECE_BYTES: usize = 1 << 20;
/// No chunk of any pack is longer.
const MAX_CHUNK_BYTES: u64 = 16 << 20;

/// Where intact bytes may be, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A running server.
    Server(String),
    /// A pack that is not served, like a backup.
    Pack(std::path::PathBuf),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("neither a URL nor a path".to_owned()),
            url if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Self::Server(url.to_owned()))
            }
            path => Ok(Self::Pack(path.into())),
        }
    }
}

/// The damaged store.
pub enum Patient<'a> {
    /// Closed, and opened by this process.
    Closed(Store),
    /// Served.
    Served(&'a RemoteArgs, &'a str),
}

impl Patient<'_> {
    fn damage(&self) -> Result<DamageReport, CliError> {
        match self {
            Self::Closed(store) => Ok(store.damage()?),
            Self::Served(args, server) => ask(args, server, Method::Get, "/packhold/damage"),
        }
    }

    fn mend_chunk(&self, digest: &Sha256, bytes: &Bytes) -> Result<(), CliError> {
        match self {
            Self::Closed(store) => {
                store.mend_chunk(digest, bytes)?;
                Ok(())
            }
            Self::Served(args, server) => {
                let path = format!("/packhold/chunks/{}", hex::encode(digest));
                remote::put(args, server, &path, &mut &bytes[..])
            }
        }
    }

    fn mend_content(&self, digest: &Sha256, content: &mut dyn Read) -> Result<(), CliError> {
        match self {
            Self::Closed(store) => {
                let Some((mut ingest, size)) = store.begin_mending(digest)? else {
                    return Ok(());
                };
                // One byte more makes it another content, and a source does not decide how much is read.
                let mut content = content.take(size.saturating_add(1));
                loop {
                    let mut piece = Vec::with_capacity(PIECE_BYTES);
                    let mut limited = (&mut content).take(PIECE_BYTES as u64);
                    let read = limited.read_to_end(&mut piece);
                    if read.map_err(CliError::io("reading a content"))? == 0 {
                        break;
                    }
                    ingest.push(&Bytes::from(piece))?;
                }
                Ok(store.finish_mending(digest, ingest)?)
            }
            Self::Served(args, server) => {
                let path = format!("/packhold/contents/{}", hex::encode(digest));
                remote::put(args, server, &path, content)
            }
        }
    }
}

/// Where bytes are fetched.
struct Source<'a> {
    name: String,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Server(&'a RemoteArgs, &'a str),
    Pack(Store),
}

impl<'a> Source<'a> {
    fn open(from: &'a Origin, store: &StoreArgs, remote: &'a RemoteArgs) -> Result<Self, CliError> {
        Ok(match from {
            Origin::Server(url) => Self {
                name: url.clone(),
                kind: Kind::Server(remote, url),
            },
            Origin::Pack(path) => Self {
                name: path.display().to_string(),
                kind: Kind::Pack(Store::open(path, options(store, Access::ReadOnly))?),
            },
        })
    }

    /// The bytes of a chunk, checked; `None` when the source does not have it.
    fn chunk(&self, digest: &Sha256) -> Result<Option<Bytes>, CliError> {
        let found = match &self.kind {
            Kind::Pack(store) => store.chunk(digest)?,
            Kind::Server(args, url) => {
                let path = format!("/packhold/chunks/{}", hex::encode(digest));
                fetched(fetch(args, url, &path), |answer| {
                    let mut bytes = Vec::new();
                    // One more than a chunk can have: then it is none.
                    let mut limited = answer.take(MAX_CHUNK_BYTES + 1);
                    let read = limited.read_to_end(&mut bytes);
                    read.map_err(CliError::io(format!("reading from {url}")))?;
                    Ok(Bytes::from(bytes))
                })?
            }
        };
        match found {
            Some(bytes) if sha256(&bytes) != *digest => {
                let name = hex::encode(digest);
                Err(StoreError::WrongBytes(format!("chunk {name}")).into())
            }
            found => Ok(found),
        }
    }

    /// The bytes of a content, unchecked.
    fn content(&self, digest: &Sha256) -> Result<Option<Box<dyn Read>>, CliError> {
        match &self.kind {
            Kind::Pack(store) => Ok(store.content(digest)?.map(|(_, reader)| {
                let windows: Box<dyn Read> = Box::new(Windows {
                    reader,
                    window: Vec::new().into_iter(),
                    at: Bytes::new(),
                });
                windows
            })),
            Kind::Server(args, url) => {
                let path = format!("/packhold/contents/{}", hex::encode(digest));
                fetched(fetch(args, url, &path), |answer| {
                    let answer: Box<dyn Read> = Box::new(answer);
                    Ok(answer)
                })
            }
        }
    }
}

/// What was fetched; nothing, if the server does not have it.
fn fetched<A, T>(
    answer: Result<A, CliError>,
    read: impl FnOnce(A) -> Result<T, CliError>,
) -> Result<Option<T>, CliError> {
    match answer {
        Ok(answer) => read(answer).map(Some),
        Err(CliError::Client(error)) if error.has_status(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A content of a pack, as bytes to be read.
struct Windows {
    reader: BlobReader,
    window: std::vec::IntoIter<Bytes>,
    at: Bytes,
}

impl Read for Windows {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.at.is_empty() {
            match self.window.next() {
                Some(bytes) => self.at = bytes,
                None if self.reader.remaining() == 0 => return Ok(0),
                None => {
                    let window = self.reader.next_window();
                    self.window = window.map_err(std::io::Error::other)?.into_iter();
                }
            }
        }
        let len = out.len().min(self.at.len());
        out[..len].copy_from_slice(&self.at.split_to(len));
        Ok(len)
    }
}

/// Mends what a verification found, as far as the sources have it; the report then says what is left.
pub fn heal(
    patient: &Patient<'_>,
    from: &[Origin],
    store: &StoreArgs,
    remote: &RemoteArgs,
    report: &mut VerifyReport,
) -> Result<(), CliError> {
    let mut sources = Vec::new();
    for source in from {
        sources.push(Source::open(source, store, remote)?);
    }
    let lacked = report.lacking_chunks.len() as u64;
    for name in &report.lacking_chunks {
        let digest = parse(name)?;
        try_each(&mut sources, "chunk", name, |source| {
            match source.chunk(&digest)? {
                Some(bytes) => patient.mend_chunk(&digest, &bytes).map(|()| true),
                None => Ok(false),
            }
        });
    }
    // With all chunks in their place what is left is damaged manifests, and contents no source has.
    for name in &patient.damage()?.damaged_contents {
        let digest = parse(name)?;
        try_each(&mut sources, "content", name, |source| {
            match source.content(&digest)? {
                Some(mut bytes) => patient.mend_content(&digest, &mut bytes).map(|()| true),
                None => Ok(false),
            }
        });
    }
    let left = patient.damage()?;
    // Of one digest several places may have been mended: those that have none left are.
    let lacking = left.lacking_chunks.len() as u64;
    report.fetched_chunks = lacked.saturating_sub(lacking);
    if lacking == 0 && report.unlisted_chunks == 0 {
        report.repaired_chunks = report.damaged_chunks;
    }
    report.lacking_chunks = left.lacking_chunks;
    report.damaged_files = left.damaged_files;
    report.unlisted_files = left.unlisted_files;
    report.judge();
    Ok(())
}

/// Asks the sources in order until one has what mends. One that cannot be had is not asked again.
fn try_each(
    sources: &mut Vec<Source<'_>>,
    what: &str,
    name: &str,
    attempt: impl Fn(&Source<'_>) -> Result<bool, CliError>,
) {
    let mut done = false;
    sources.retain(|source| {
        if done {
            return true;
        }
        match attempt(source) {
            Ok(mended) => {
                done = mended;
                true
            }
            Err(error) => {
                eprintln!("packhold: {what} {name} from {}: {error}", source.name);
                !matches!(
                    error,
                    CliError::Client(ClientError::Lost { .. } | ClientError::Wrong { .. })
                )
            }
        }
    });
}

fn parse(name: &str) -> Result<Sha256, CliError> {
    let digest = hex::decode(name).ok().and_then(|d| d.try_into().ok());
    digest.ok_or_else(|| CliError::Usage(format!("`{name}` is no sha256")))
}
