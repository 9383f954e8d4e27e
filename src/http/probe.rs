//! What fuzzers and tests ask of parts that are not public otherwise. Nothing here serves anybody.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::multipart::Multipart;
use super::request::Body;

/// A part of a multipart body: its name, its file's name, its bytes.
pub type Part = (Option<String>, Option<String>, Vec<u8>);

/// Reads a multipart body that comes in these frames.
///
/// # Errors
/// The parts that came before, and what a person is told.
pub async fn parts(
    content_type: Option<&str>,
    frames: Vec<Bytes>,
) -> Result<Vec<Part>, (Vec<Part>, String)> {
    let mut body = Body::new(stream::iter(frames).map(Ok));
    let mut read = Vec::new();
    match all(content_type, &mut body, &mut read).await {
        Ok(()) => Ok(read),
        Err(error) => Err((read, error.to_string())),
    }
}

async fn all(
    content_type: Option<&str>,
    body: &mut Body,
    read: &mut Vec<Part>,
) -> Result<(), super::error::ApiError> {
    let mut parts = Multipart::of(content_type, body)?;
    while let Some(mut part) = parts.next_part().await? {
        let mut bytes = Vec::new();
        while let Some(piece) = part.next().await {
            bytes.extend_from_slice(&piece?);
        }
        read.push((part.name.take(), part.file_name.take(), bytes));
    }
    Ok(())
}
