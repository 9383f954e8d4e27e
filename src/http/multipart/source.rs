//! Hands a body to a parser that buffers all it is given: the next piece only when the parser can do
//! nothing with what it has, and an allowance of bytes outside of parts.
//!
//! Whenever it is given more, the parser looks again at all that it has. Outside of parts that would
//! be quadratic work for a body that comes byte by byte, so there a piece is held back until it is a
//! fraction of what was handed since the last part: each byte is looked at some few times. Within a
//! part no more than the beginning of a boundary stays with the parser, and nothing is held back.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::refused;
use crate::http::error::ApiError;
use crate::http::request::Body;

/// The longest piece.
pub const PIECE_BYTES: usize = 64 << 10;
/// What may come before the first part, between two, and as the headers of one.
pub const OUTSIDE_BYTES: usize = 16 << 10;
/// What may come behind the last part. It is not kept, and so may be longer.
pub const EPILOGUE_BYTES: usize = 1 << 20;
/// Outside of parts, a piece is at least this fraction of what was handed.
const FRACTION: usize = 4;

/// What the parser is looking for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The end of the part that it is in.
    Data,
    /// The end of the next part's headers.
    Outside,
}

/// A body, and the way to its parser.
pub struct Source<'a> {
    body: &'a mut Body,
    /// To the parser; dropped at the end of the body.
    pieces: Option<Sender<Bytes>>,
    /// Of a frame, what is not handed yet.
    frame: Bytes,
    /// What is held back.
    held: BytesMut,
    /// Handed since the last part.
    outside_bytes: usize,
    /// The parser can do nothing with what it has.
    hungry: bool,
}

impl<'a> Source<'a> {
    /// The source, and where the pieces come out.
    pub fn new(body: &'a mut Body) -> (Self, Receiver<Bytes>) {
        let (sender, receiver) = channel();
        let source = Self {
            body,
            pieces: Some(sender),
            frame: Bytes::new(),
            held: BytesMut::new(),
            outside_bytes: 0,
            hungry: false,
        };
        (source, receiver)
    }

    /// Whether the parser was told that there is no more.
    pub fn is_at_end(&self) -> bool {
        self.pieces.is_none()
    }

    /// Asks the parser, and hands it a piece whenever it has no answer. Pending only when the body is.
    pub fn poll_parsed<T>(
        &mut self,
        cx: &mut Context<'_>,
        place: Place,
        mut parse: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, ApiError>> {
        if place == Place::Data {
            self.outside_bytes = 0;
        }
        loop {
            if !self.hungry
                && let Poll::Ready(parsed) = parse(cx)
            {
                return Poll::Ready(Ok(parsed));
            }
            self.hungry = true;
            ready!(self.poll_hand(cx, place))?;
            self.hungry = false;
        }
    }

    /// Reads what is behind the last part and drops it.
    ///
    /// # Errors
    /// [`ApiError::Multipart`] when that is too long; what the body breaks off with.
    pub async fn end(&mut self) -> Result<(), ApiError> {
        let mut left = EPILOGUE_BYTES;
        while !self.is_at_end() {
            match self.body.next().await.transpose()? {
                Some(frame) => {
                    let behind = left.checked_sub(frame.len());
                    left = behind.ok_or_else(|| too_long(EPILOGUE_BYTES))?;
                }
                None => self.pieces = None,
            }
        }
        Ok(())
    }

    /// Hands over a piece, or the end of the body.
    fn poll_hand(&mut self, cx: &mut Context<'_>, place: Place) -> Poll<Result<(), ApiError>> {
        let (least, most) = match place {
            Place::Data => (1, PIECE_BYTES),
            Place::Outside => {
                let left = OUTSIDE_BYTES - self.outside_bytes;
                ((self.outside_bytes / FRACTION).clamp(1, left.max(1)), left)
            }
        };
        if most == 0 {
            return Poll::Ready(Err(too_long(OUTSIDE_BYTES)));
        }
        if self.is_at_end() {
            return Poll::Ready(Err(refused("it ends before its closing boundary")));
        }
        loop {
            if self.frame.is_empty() {
                match ready!(self.body.poll_next_unpin(cx)) {
                    Some(frame) => self.frame = frame?,
                    None => {
                        self.hand_held(place);
                        self.pieces = None;
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            let piece_bytes = self.frame.len().min(most - self.held.len());
            let piece = self.frame.split_to(piece_bytes);
            if self.held.is_empty() && piece.len() >= least {
                self.hand(piece, place);
                return Poll::Ready(Ok(()));
            }
            // Copied, so that the network buffer that it is a slice of is free again.
            self.held.extend_from_slice(&piece);
            if self.held.len() >= least {
                self.hand_held(place);
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn hand_held(&mut self, place: Place) {
        let held = self.held.split().freeze();
        self.hand(held, place);
    }

    fn hand(&mut self, piece: Bytes, place: Place) {
        if place == Place::Outside {
            self.outside_bytes += piece.len();
        }
        if let Some(pieces) = &self.pieces {
            // The parser lives as long as this does.
            let _received = pieces.send(piece);
        }
    }
}

fn too_long(bytes: usize) -> ApiError {
    refused(format!(
        "more than {bytes} bytes are outside of parts, or the headers of one"
    ))
}
