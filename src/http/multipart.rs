//! Reads `multipart/form-data` bodies (RFC 7578, RFC 2046 §5.1) as they come, in bounded memory
//! whatever they hold. The only home of `multer`.
//!
//! `multer` finds the boundaries; it would read ahead as fast as the network gives, and buffer an
//! endless preamble or endless headers whole. So it is never shown the body itself: [`source`] hands
//! it the next piece only when it can do nothing with what it has, and so much at most.
//!
//! Invariant: what was read of a body, and not yet given on, is at most one piece and one frame. A
//! part that nobody wants is read and dropped by the next [`Multipart::next_part`].
//!
//! What follows the last part is read and dropped, up to a bound: a body that breaks off there was
//! not sent whole, and its client does not expect to be heard.

mod parameters;
mod source;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::poll_fn;
use futures_util::{Stream, StreamExt, stream};

use self::parameters::Parameters;
use self::source::{Place, Source};
use super::error::ApiError;
use super::request::Body;

/// Parts that a body may have.
const MAX_PARTS: usize = 100;
/// Characters that a boundary may have (RFC 2046 §5.1.1).
const MAX_BOUNDARY_CHARS: usize = 70;

/// The parts of a body, one after the other.
pub struct Multipart<'a> {
    fields: multer::Multipart<'static>,
    rest: Rest<'a>,
    /// Parts that were begun.
    parts: usize,
}

/// A part of a body. Its bytes come as a stream, which ends with the part or with an error.
pub struct Part<'p> {
    /// What the part is called.
    pub name: Option<String>,
    /// What the client calls the file: whatever it likes, a path even.
    pub file_name: Option<String>,
    bytes: &'p mut (dyn Stream<Item = Result<Bytes, ApiError>> + Send + Unpin + 'p),
}

impl<'a> Multipart<'a> {
    /// The parts of `body`, whose header says that it is of the type `content_type`.
    ///
    /// # Errors
    /// [`ApiError::Multipart`] unless that is `multipart/form-data` with a usable boundary.
    pub fn of(content_type: Option<&str>, body: &'a mut Body) -> Result<Self, ApiError> {
        let boundary = boundary(content_type.unwrap_or_default())?;
        let (source, pieces) = Source::new(body);
        Ok(Self {
            fields: multer::Multipart::new(handed(pieces), boundary),
            rest: Rest {
                source,
                field: None,
                failed: false,
            },
            parts: 0,
        })
    }

    /// The next part; `None` behind the last one. What was not read of the part before is dropped.
    ///
    /// # Errors
    /// [`ApiError::Multipart`] for what is no multipart body, or one with too many parts or too long
    /// headers; what the body breaks off with. After an error there are no more parts.
    pub async fn next_part(&mut self) -> Result<Option<Part<'_>>, ApiError> {
        // multer would do this too, but without waking anybody.
        while let Some(bytes) = self.rest.next().await {
            bytes?;
        }
        if self.rest.failed {
            return Err(refused("it was given up"));
        }
        let begun = self.begin().await;
        self.rest.failed = begun.is_err();
        let Some((name, file_name)) = begun? else {
            let ended = self.rest.source.end().await;
            self.rest.failed = ended.is_err();
            return ended.map(|()| None);
        };
        Ok(Some(Part {
            name,
            file_name,
            bytes: &mut self.rest,
        }))
    }

    /// Begins the next part: what it and its file are called.
    async fn begin(&mut self) -> Result<Option<(Option<String>, Option<String>)>, ApiError> {
        let (source, fields) = (&mut self.rest.source, &mut self.fields);
        let parsed =
            poll_fn(|cx| source.poll_parsed(cx, Place::Outside, |cx| fields.poll_next_field(cx)))
                .await?;
        let parsed = parsed.map_err(|error| self.rest.explain(&error))?;
        let Some(field) = parsed else {
            return Ok(None);
        };
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(refused(format!("it has more than {MAX_PARTS} parts")));
        }
        // multer takes what follows for the headers, up to the end of those of the next part.
        if field.headers().is_empty() {
            return Err(refused("a part has no headers"));
        }
        let names = match field.headers().get("content-disposition") {
            Some(value) => names(value.as_bytes())?,
            None => (None, None),
        };
        self.rest.field = Some(field);
        Ok(Some(names))
    }
}

impl Stream for Part<'_> {
    type Item = Result<Bytes, ApiError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.bytes.poll_next_unpin(cx)
    }
}

/// What has not been read of a part.
struct Rest<'a> {
    source: Source<'a>,
    /// The part, until its end was seen.
    field: Option<multer::Field<'static>>,
    failed: bool,
}

impl Rest<'_> {
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ApiError>> {
        let Some(field) = &mut self.field else {
            return Poll::Ready(Ok(None));
        };
        let parse = |cx: &mut Context<'_>| field.poll_next_unpin(cx);
        let parsed = ready!(self.source.poll_parsed(cx, Place::Data, parse))?;
        let bytes = parsed.transpose();
        Poll::Ready(bytes.map_err(|error| self.explain(&error)))
    }

    /// What a person is told.
    fn explain(&self, error: &multer::Error) -> ApiError {
        use multer::Error::{IncompleteFieldData, IncompleteStream};
        match error {
            IncompleteFieldData { .. } | IncompleteStream if self.source.is_at_end() => {
                refused("it ends before its closing boundary")
            }
            IncompleteStream => refused("something else follows a boundary on its line"),
            _ => refused("the headers of a part cannot be read"),
        }
    }
}

impl Stream for Rest<'_> {
    type Item = Result<Bytes, ApiError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let bytes = ready!(self.poll_bytes(cx));
        if !matches!(bytes, Ok(Some(_))) {
            // multer begins no part while another one lives.
            self.field = None;
        }
        self.failed |= bytes.is_err();
        Poll::Ready(bytes.transpose())
    }
}

/// The pieces as multer wants them. Nothing wakes it when there are more: the source asks it again.
fn handed(pieces: Receiver<Bytes>) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::poll_fn(move |_| match pieces.try_recv() {
        Ok(piece) => Poll::Ready(Some(Ok(piece))),
        Err(TryRecvError::Empty) => Poll::Pending,
        Err(TryRecvError::Disconnected) => Poll::Ready(None),
    })
}

fn refused(why: impl Into<String>) -> ApiError {
    ApiError::Multipart(why.into())
}

/// The boundary that a `Content-Type` names. More characters are accepted than RFC 2046 has, but
/// none that ends a line: multer relies on that.
fn boundary(content_type: &str) -> Result<String, ApiError> {
    let parameters = Parameters::parse(content_type.as_bytes())
        .filter(|parameters| parameters.is("multipart/form-data"))
        .ok_or_else(|| refused("the Content-Type is not multipart/form-data"))?;
    let boundary = parameters
        .get("boundary")
        .ok_or_else(|| refused("the Content-Type has no boundary"))?;
    let usable = !boundary.is_empty()
        && boundary.len() <= MAX_BOUNDARY_CHARS
        && boundary.iter().all(|byte| (b' '..=b'~').contains(byte));
    match String::from_utf8(boundary.to_vec()) {
        Ok(boundary) if usable => Ok(boundary),
        _ => Err(refused(format!(
            "its boundary must be 1 to {MAX_BOUNDARY_CHARS} visible characters"
        ))),
    }
}

/// What a `Content-Disposition` calls the part, and the file in it. Of two file names the plain one
/// counts: RFC 7578 §4.2 does not want the other one at all, and some clients send it alone.
///
/// Read here and not by multer, which finds `name=` in a quoted file name too.
fn names(disposition: &[u8]) -> Result<(Option<String>, Option<String>), ApiError> {
    let parameters = Parameters::parse(disposition)
        .ok_or_else(|| refused("the Content-Disposition of a part cannot be read"))?;
    let plain = |key| parameters.get(key).map(<[u8]>::to_vec);
    let file_name = match (plain("filename"), parameters.get("filename*")) {
        (None, Some(extended)) => {
            let decoded = parameters::extended(extended);
            Some(decoded.ok_or_else(|| refused("the filename* of a part is not UTF-8''..."))?)
        }
        (plain, _) => plain,
    };
    Ok((utf8(plain("name"))?, utf8(file_name)?))
}

/// A name that is not UTF-8 is refused: it could not be stored as it was sent.
fn utf8(name: Option<Vec<u8>>) -> Result<Option<String>, ApiError> {
    name.map(|name| String::from_utf8(name).map_err(|_| refused("the name of a part is not UTF-8")))
        .transpose()
}
