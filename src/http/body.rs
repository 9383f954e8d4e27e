//! Taking in a request body.
//!
//! While one batch is worked on by a blocking thread, the next is collected: the network overlaps
//! with the hashing, and a slow client costs some kibibytes and no thread. What is collected
//! beyond one largest chunk needs a grant of the shared budget; without one the batch goes to work
//! early.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::error::ApiError;
use super::request::Body;
use super::timing::{self, Phase};
use crate::store::{Budget, Grant, Ingest, Store, StoreError};

/// A batch goes to work when it is this large.
const BATCH_BYTES: usize = 1 << 20;
/// A batch that needed a grant goes to work after this time, whatever its size.
const MAX_WAIT: Duration = Duration::from_millis(250);
/// A short body is waited for this long before its upload begins without it.
const SHORT_WAIT: Duration = Duration::from_millis(5);
/// Memory for a document is taken in steps of this.
const DOCUMENT_STEP_BYTES: usize = 16 << 10;
/// How much of a refused body is read and dropped before the connection closes.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    bytes: usize,
    time: Duration,
}

impl Drain {
    /// For files.
    pub const FILE: Self = Self {
        bytes: 64 << 20,
        time: Duration::from_secs(10),
    };
    /// For packages: the clients that upload them send a gigabyte before they listen, and take a
    /// closed connection for a failure of the network.
    pub const PACKAGE: Self = Self {
        bytes: 4 << 30,
        time: Duration::from_secs(30),
    };
}

/// The batch that is being collected.
struct Batch {
    budget: Budget,
    /// Bytes that need no grant.
    share: usize,
    bytes: BytesMut,
    grant: Option<Grant>,
    /// No more may be collected before this goes to work.
    full: bool,
    since: Instant,
}

impl Batch {
    fn new(budget: Budget, share: usize) -> Self {
        Self {
            budget,
            share,
            bytes: BytesMut::new(),
            grant: None,
            full: false,
            since: Instant::now(),
        }
    }

    /// Copies `part` in, so that the network buffer it is a slice of is free again.
    fn add(&mut self, part: &[u8]) {
        if self.bytes.len() + part.len() > self.share && self.grant.is_none() {
            self.grant = self.budget.grant(BATCH_BYTES as u64);
            self.since = Instant::now();
            match self.grant {
                Some(_) => self
                    .bytes
                    .reserve(BATCH_BYTES + part.len() - self.bytes.len()),
                None => self.full = true,
            }
        }
        self.bytes.extend_from_slice(part);
        self.full |= self.bytes.len() >= BATCH_BYTES;
    }

    /// When it goes to work although it is not full.
    fn deadline(&self) -> Option<Instant> {
        self.grant.as_ref().map(|_| self.since + MAX_WAIT)
    }

    /// What was collected. The grant is given back when the last slice of it is dropped.
    fn take(&mut self) -> Bytes {
        self.full = false;
        let bytes = self.bytes.split().freeze();
        match self.grant.take() {
            Some(grant) => Bytes::from_owner(Granted {
                bytes,
                _grants: vec![grant],
            }),
            None => bytes,
        }
    }
}

/// Bytes that hold their share of the budget.
struct Granted {
    bytes: Bytes,
    _grants: Vec<Grant>,
}

impl AsRef<[u8]> for Granted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a blocking thread is doing with the upload.
type Work = JoinHandle<Result<Ingest, StoreError>>;

fn work(mut ingest: Ingest, bytes: Bytes) -> Work {
    tokio::task::spawn_blocking(move || {
        ingest.push(&bytes)?;
        Ok(ingest)
    })
}

/// Feeds a body, or a part of one, to an upload, and finishes it.
///
/// # Errors
/// What the body breaks off with; what the store says.
pub async fn receive<T: Send + 'static>(
    store: &Store,
    ingest: Ingest,
    body: &mut (impl Stream<Item = Result<Bytes, ApiError>> + Unpin + Send),
    finish: impl FnOnce(Ingest) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    // But for what the client is waited for.
    timing::phase(Phase::Work, take_in(store, ingest, body, finish)).await
}

async fn take_in<T: Send + 'static>(
    store: &Store,
    ingest: Ingest,
    body: &mut (impl Stream<Item = Result<Bytes, ApiError>> + Unpin + Send),
    finish: impl FnOnce(Ingest) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    let (budget, share) = (store.budget(), store.largest_chunk());
    let mut idle = Some(ingest);
    let mut busy: Option<Work> = None;
    let mut batch = Batch::new(budget.clone(), share);
    loop {
        if batch.full
            && let Some(ingest) = idle.take()
        {
            busy = Some(work(ingest, batch.take()));
        }
        let deadline = batch.deadline().filter(|_| busy.is_none());
        tokio::select! {
            biased;
            done = wait(&mut busy), if busy.is_some() => {
                busy = None;
                idle = Some(done?);
            }
            part = body.next(), if !batch.full => match part {
                Some(Ok(part)) => batch.add(&part),
                Some(Err(error)) => return Err(error),
                None => break,
            },
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                batch.full = true;
            }
        }
    }
    let ingest = match idle {
        Some(ingest) => ingest,
        None => wait(&mut busy).await?,
    };
    let bytes = batch.take();
    let finished = tokio::task::spawn_blocking(move || {
        let mut ingest = ingest;
        ingest.push(&bytes)?;
        finish(ingest)
    });
    Ok(joined(finished.await)?)
}

async fn wait(busy: &mut Option<Work>) -> Result<Ingest, ApiError> {
    match busy {
        Some(work) => Ok(joined(work.await)?),
        None => Err(ApiError::Internal("an upload lost its state")),
    }
}

fn joined<T>(
    result: Result<Result<T, StoreError>, tokio::task::JoinError>,
) -> Result<T, StoreError> {
    result.unwrap_or_else(|error| Err(StoreError::System(format!("an upload worker: {error}"))))
}

/// The whole of a body that is said to have `size` bytes, if they are no more than `most` and come at once. What
/// came of another is put back.
///
/// # Errors
/// What the body breaks off with.
pub async fn short(
    body: &mut Body,
    size: Option<u64>,
    most: usize,
) -> Result<Option<Bytes>, ApiError> {
    if size.is_none_or(|size| size > most as u64) {
        return Ok(None);
    }
    let mut bytes = BytesMut::new();
    let read = async {
        while let Some(part) = body.next().await {
            bytes.extend_from_slice(&part?);
        }
        Ok(())
    };
    let whole = tokio::time::timeout(SHORT_WAIT, read).await;
    let bytes = bytes.freeze();
    match whole {
        Ok(whole) => whole.map(|()| Some(bytes)),
        Err(_late) => {
            body.put_back(bytes);
            Ok(None)
        }
    }
}

/// The whole of a document. Its memory is given back when the last slice of it is dropped.
///
/// # Errors
/// [`ApiError::TooLong`] beyond `limit_bytes`; [`ApiError::Busy`] when so many others send documents
/// that there is no memory for this one; what the body breaks off with.
pub async fn collect(body: &mut Body, limit_bytes: usize) -> Result<Bytes, ApiError> {
    let memory = body.memory().clone();
    let (mut bytes, mut grants) = (BytesMut::new(), Vec::new());
    while let Some(part) = body.next().await {
        let part = part?;
        let len = bytes.len() + part.len();
        if len > limit_bytes {
            let limit_bytes = limit_bytes as u64;
            return Err(ApiError::TooLong { limit_bytes });
        }
        // The first step is free: documents of ordinary size get through when others take all.
        while bytes.capacity().max(len) > (grants.len() + 1) * DOCUMENT_STEP_BYTES {
            let grant = memory.grant(DOCUMENT_STEP_BYTES as u64);
            grants.push(grant.ok_or(ApiError::Busy)?);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Bytes::from_owner(Granted {
        bytes: bytes.freeze(),
        _grants: grants,
    }))
}

/// Reads what nobody read of a body and drops it, within bounds, beside the answer: a client that
/// is still sending would otherwise see a broken pipe instead of the answer.
pub fn drain(body: Body, most: Drain) {
    let mut body = body.uncapped();
    tokio::spawn(async move {
        let read = async {
            let mut left = most.bytes;
            while let Some(Ok(part)) = body.next().await {
                match left.checked_sub(part.len()) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        };
        // Late or not: what was not read is given up.
        let _in_time = tokio::time::timeout(most.time, read).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn body(parts: [&'static str; 2]) -> Body {
        Body::new(stream::iter(parts.map(|part| Ok(Bytes::from(part)))))
    }

    #[tokio::test]
    async fn a_short_body_is_taken_whole_if_it_is_there() {
        let mut there = body(["ab", "cd"]);
        let whole = short(&mut there, Some(4), 4).await.unwrap();
        assert_eq!(whole.unwrap(), "abcd");
        assert_eq!(there.received_bytes(), 4);
        for (size, most) in [(None, 4), (Some(4), 3)] {
            let mut other = body(["ab", "cd"]);
            assert_eq!(short(&mut other, size, most).await.unwrap(), None);
            assert!(!other.is_begun(), "it is not even asked for");
        }
    }

    #[tokio::test]
    async fn what_came_of_a_late_body_is_put_back() {
        let (sender, rest) = tokio::sync::oneshot::channel();
        let rest = stream::once(async { rest.await.unwrap() });
        let mut late = Body::new(stream::iter([Ok(Bytes::from("ab"))]).chain(rest));
        assert_eq!(short(&mut late, Some(4), 4).await.unwrap(), None);
        assert_eq!(late.received_bytes(), 0);
        sender.send(Ok(Bytes::from("cd"))).unwrap();
        let mut all = Vec::new();
        while let Some(part) = late.next().await {
            all.extend_from_slice(&part.unwrap());
        }
        assert_eq!(all, b"abcd");
        assert_eq!(late.received_bytes(), 4);
    }

    #[test]
    fn without_budget_a_batch_is_full_at_its_share() {
        let mut batch = Batch::new(Budget::new(0), 100);
        batch.add(&[1; 100]);
        assert!(!batch.full);
        batch.add(&[2; 1]);
        assert!(batch.full);
        assert_eq!(batch.take().len(), 101);
        assert!(!batch.full);
    }

    #[test]
    fn with_budget_it_is_full_at_a_mebibyte_and_gives_the_grant_on() {
        let budget = Budget::new(2 << 20);
        let mut batch = Batch::new(budget.clone(), 100);
        batch.add(&vec![0; 1000]);
        assert!(!batch.full && batch.deadline().is_some());
        batch.add(&vec![0; BATCH_BYTES]);
        assert!(batch.full);
        let bytes = batch.take();
        assert_eq!(bytes.len(), BATCH_BYTES + 1000);
        let slice = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(budget.used_bytes(), BATCH_BYTES as u64);
        drop(slice);
        assert_eq!(budget.used_bytes(), 0);
    }
}
