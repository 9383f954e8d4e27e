//! `packhold backup`, `follow` and `restore`: copies of the pack.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::CliError;
use super::args::{self, RemoteArgs};
use super::remote::fetch;
use super::report::{bytes, print_json};
use crate::client::ClientError;
use crate::format::header::HEADER_BYTES;
use crate::store::{Copy, StoreError};

/// Bytes read of an answer at once.
const PIECE_BYTES: usize = 1 << 20;
/// A server is asked to wait so long for something to come.
const WAIT_S: u64 = 30;
/// Between two questions to a server that cannot be had.
const PAUSE: Duration = Duration::from_secs(5);

/// What was done.
#[derive(Serialize)]
struct Done {
    /// The copy was not there before.
    created: bool,
    /// Bytes that it was continued by.
    added_bytes: u64,
    /// Its length in bytes.
    pack_bytes: u64,
    /// Sequence number of its last record.
    seq: u64,
}

/// Runs `packhold backup`.
pub fn backup(args: &args::Backup) -> Result<ExitCode, CliError> {
    let mut copy = Copy::open(&args.dest)?;
    let done = match &args.at.remote.server {
        Some(server) => from_server(&mut copy, &args.dest, &args.at.remote, server, 0)?,
        None => from_file(copy, &args.dest, &args.at.store.store)?,
    };
    report(&done, args.at.json);
    Ok(ExitCode::SUCCESS)
}

/// Runs `packhold restore`.
pub fn restore(args: &args::Restore) -> Result<ExitCode, CliError> {
    if args.store.exists() {
        let path = args.store.display();
        return Err(CliError::Usage(format!("{path} is there already")));
    }
    let done = from_file(None, &args.store, &args.backup)?;
    report(&done, args.json);
    Ok(ExitCode::SUCCESS)
}

/// Runs `packhold follow`: until it is told to stop, or the copy is none any more.
pub fn follow(args: &args::Follow) -> Result<ExitCode, CliError> {
    let server = args.remote.server.as_deref();
    let server = server.ok_or_else(|| CliError::Usage("--server is needed".to_owned()))?;
    // Open all the time: its log is read once, and nobody serves it meanwhile.
    let mut copy = Copy::open(&args.dest)?;
    let mut was_up = true;
    loop {
        match from_server(&mut copy, &args.dest, &args.remote, server, WAIT_S) {
            Ok(done) => {
                if done.added_bytes > 0 || !was_up {
                    tracing::info!(added = done.added_bytes, seq = done.seq, "followed");
                }
                was_up = true;
            }
            // The server is restarted, or the network is gone: it comes back.
            Err(error) if passes(&error) => {
                tracing::warn!(%error, "following goes on as soon as the server can be asked");
                was_up = false;
                sleep(PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether a failure is one of the moment.
fn passes(error: &CliError) -> bool {
    match error {
        CliError::Client(ClientError::Lost { .. } | ClientError::Wrong { .. })
        | CliError::Store(StoreError::BrokenOff(_)) => true,
        CliError::Client(ClientError::Refused { status, .. }) => {
            matches!(status, 408 | 429 | 500..)
        }
        _ => false,
    }
}

fn report(done: &Done, json: bool) {
    if json {
        print_json(done);
        return;
    }
    let verb = if done.created { "made" } else { "continued" };
    println!(
        "{verb}: {} more, {} in all, up to record {}",
        bytes(done.added_bytes),
        bytes(done.pack_bytes),
        done.seq
    );
}

/// Brings a copy up to date with a pack that nobody has open.
fn from_file(copy: Option<Copy>, dest: &Path, source: &Path) -> Result<Done, CliError> {
    let missing = || StoreError::Missing(source.to_owned());
    let source = Copy::open(source)?.ok_or_else(missing)?;
    if let Some(mut copy) = copy {
        let stretch = source.lacking(Some(&copy.end()));
        let stretch = stretch.ok_or_else(|| other_history(dest))?;
        return extend(&mut copy, false, stretch);
    }
    let stretch = source.lacking(None).ok_or_else(missing)?;
    create(&mut None, dest, stretch)
}

/// Brings a copy up to date with a server, which may wait for something to come.
fn from_server(
    copy: &mut Option<Copy>,
    dest: &Path,
    remote: &RemoteArgs,
    server: &str,
    wait_s: u64,
) -> Result<Done, CliError> {
    let Some(copy) = copy else {
        let answer = fetch(remote, server, "/packhold/pack")?;
        return create(copy, dest, Pieces(answer));
    };
    let end = copy.end();
    let (commit, chain) = (end.commit, hex::encode(end.chain));
    let path = format!("/packhold/pack?after={commit}&chain={chain}&wait={wait_s}");
    let answer = fetch(remote, server, &path)?;
    extend(copy, false, Pieces(answer))
}

/// Makes a copy of a pack from its first byte on; it is in `copy` even if the rest breaks off.
fn create(
    copy: &mut Option<Copy>,
    dest: &Path,
    mut pieces: impl Iterator<Item = Result<Bytes, StoreError>>,
) -> Result<Done, CliError> {
    let nothing = || StoreError::BrokenOff("nothing came".to_owned());
    let mut first = pieces.next().ok_or_else(nothing)??;
    let header = first.split_to(HEADER_BYTES.min(first.len()));
    let copy = copy.insert(Copy::create(dest, &header)?);
    extend(copy, true, std::iter::once(Ok(first)).chain(pieces))
}

fn extend(
    copy: &mut Copy,
    created: bool,
    pieces: impl Iterator<Item = Result<Bytes, StoreError>>,
) -> Result<Done, CliError> {
    let added_bytes = copy.extend(pieces)?;
    Ok(Done {
        created,
        added_bytes,
        pack_bytes: copy.bytes(),
        seq: copy.last_seq(),
    })
}

fn other_history(dest: &Path) -> CliError {
    let dest = dest.display();
    CliError::Usage(format!(
        "{dest} is no copy of this store, or one that went its own way; after the store was compacted \
         its copies are made anew, each as a new file"
    ))
}

/// The bytes of an answer in pieces; the first has the pack header.
struct Pieces<R>(R);

impl<R: Read> Iterator for Pieces<R> {
    type Item = Result<Bytes, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let limit = PIECE_BYTES as u64;
        match (&mut self.0).take(limit).read_to_end(&mut piece) {
            Ok(0) => None,
            Ok(_) => Some(Ok(piece.into())),
            Err(error) => Some(Err(StoreError::BrokenOff(error.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_for_the_moment_asks_again() {
        let refused = |status| {
            let refused = ClientError::Refused {
                url: String::new(),
                status,
                code: String::new(),
                why: String::new(),
                retry_after: None,
            };
            passes(&refused.into())
        };
        assert!([408, 429, 500, 503].into_iter().all(refused));
        assert!(![400, 401, 403, 404, 409].into_iter().any(refused));
        assert!(passes(&StoreError::BrokenOff(String::new()).into()));
        assert!(!passes(&StoreError::Full.into()));
    }
}
