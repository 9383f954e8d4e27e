//! The body of an answer, which tells when it waits for the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};

use super::Running;

/// The body of an answer. Its request runs until it is dropped.
pub struct Answered<B> {
    body: B,
    running: Running,
    /// It gave a part, and was not asked for more yet.
    offers: bool,
}

impl<B> Answered<B> {
    /// The body of the answer to a request.
    pub fn new(body: B, running: Running) -> Self {
        Self {
            body,
            running,
            offers: false,
        }
    }

    fn offer(&mut self, offers: bool) {
        if self.offers != offers {
            self.offers = offers;
            self.running.offer(offers);
        }
    }
}

impl<B: Body + Unpin> Body for Answered<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.offer(matches!(polled, Poll::Ready(Some(Ok(_)))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Answered<B> {
    fn drop(&mut self) {
        self.offer(false);
    }
}
