//! The body of a request, and what it may cost: how long it may be, how long it may stand still, and
//! the memory that it takes when it is read as a document.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::http::connections::Running;
use crate::http::error::ApiError;
use crate::http::timing::{self, Phase};
use crate::store::Budget;

/// The bytes of a request body, as they come; [`ApiError::ClientGone`] when it breaks off,
/// [`ApiError::Stalled`] when it stands still.
pub struct Body {
    bytes: Pin<Box<dyn Stream<Item = Result<Bytes, ApiError>> + Send>>,
    begun: bool,
    received_bytes: u64,
    cap: Option<Cap>,
    memory: Budget,
    patience: Option<Patience>,
    /// As long as it is read, the connection has something to do.
    _running: Option<Running>,
}

/// How long a body may be, and what its client hears when it is longer.
struct Cap {
    bytes: u64,
    refusal: Option<ApiError>,
}

/// How long a body may stand still.
struct Patience {
    limit: Duration,
    /// When it was asked for the bytes that have not come yet.
    since: Option<Instant>,
    /// Rings no later than at `since` and the limit.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Ready when it is at an end.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<ApiError> {
        let end = *self.since.get_or_insert_with(Instant::now) + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= end {
                return Poll::Ready(ApiError::Stalled(self.limit.as_secs()));
            }
            timer.as_mut().reset(end);
        }
    }
}

impl Body {
    /// A body of these bytes.
    pub fn new(bytes: impl Stream<Item = Result<Bytes, ApiError>> + Send + 'static) -> Self {
        Self {
            bytes: Box::pin(bytes),
            begun: false,
            received_bytes: 0,
            cap: None,
            memory: Budget::new(u64::MAX),
            patience: None,
            _running: None,
        }
    }

    /// The body that warp gives.
    pub fn of<B: Buf>(stream: impl Stream<Item = Result<B, warp::Error>> + Send + 'static) -> Self {
        Self::new(stream.map(|part| match part {
            Ok(mut buf) => Ok(buf.copy_to_bytes(buf.remaining())),
            Err(_) => Err(ApiError::ClientGone),
        }))
    }

    /// The same, which may stand still no longer than `limit`, and without which `running` is not
    /// over.
    pub fn watched(self, limit: Duration, running: Option<Running>) -> Self {
        let patience = Patience {
            limit,
            since: None,
            timer: None,
        };
        Self {
            patience: Some(patience),
            _running: running,
            ..self
        }
    }

    /// The memory that it takes when it is read as a document.
    pub fn memory(&self) -> &Budget {
        &self.memory
    }

    /// The same, with that memory taken from a budget.
    pub fn charged_to(self, memory: Budget) -> Self {
        Self { memory, ..self }
    }

    /// Ends the body with `refusal` as soon as more than `bytes` of it came. Of two caps the lower
    /// one holds.
    pub fn cap(&mut self, bytes: u64, refusal: ApiError) {
        if self.cap.as_ref().is_none_or(|cap| bytes < cap.bytes) {
            let refusal = Some(refusal);
            self.cap = Some(Cap { bytes, refusal });
        }
    }

    /// The same without a cap: what nobody wants is read to be dropped.
    pub fn uncapped(self) -> Self {
        Self { cap: None, ..self }
    }

    /// Puts bytes in its place that were read of it before.
    pub fn refill(&mut self, bytes: Option<Bytes>) {
        self.bytes = Box::pin(stream::iter(bytes.map(Ok)));
        // They came already, and are counted again as they are read.
        self.received_bytes = 0;
    }

    /// Puts bytes back in front of the rest that were read of it before.
    pub fn put_back(&mut self, bytes: Bytes) {
        self.received_bytes -= bytes.len() as u64;
        let rest = std::mem::replace(&mut self.bytes, Box::pin(stream::empty()));
        self.bytes = Box::pin(stream::iter([Ok(bytes)]).chain(rest));
    }

    /// Bytes that came so far.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Whether anybody asked for its bytes: a client that waited for that now sends them.
    pub fn is_begun(&self) -> bool {
        self.begun
    }

    /// The next bytes, unless they stay out too long.
    fn poll_patiently(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ApiError>>> {
        let polled = self.bytes.as_mut().poll_next(cx);
        let Some(patience) = &mut self.patience else {
            return polled;
        };
        if polled.is_ready() {
            if let Some(since) = patience.since.take() {
                timing::add(Phase::Client, since.elapsed());
            }
            return polled;
        }
        let error = ready!(patience.poll_end(cx));
        self.patience = None;
        self.bytes = Box::pin(stream::empty());
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for Body {
    type Item = Result<Bytes, ApiError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.begun = true;
        let part = ready!(self.poll_patiently(cx));
        if let Some(Ok(part)) = &part {
            self.received_bytes += part.len() as u64;
        }
        let received = self.received_bytes;
        let refusal = self.cap.as_mut().filter(|cap| received > cap.bytes);
        match refusal.and_then(|cap| cap.refusal.take()) {
            Some(refusal) => Poll::Ready(Some(Err(refusal))),
            None => Poll::Ready(part),
        }
    }
}
