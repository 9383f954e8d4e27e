//! Answers that are in memory as a whole until their client has taken them: lists, above all. A client
//! that takes nothing of them for long must not be one of many that do.

use bytes::Bytes;
use http_body_util::BodyExt;
use warp::reply::Response;

use super::error::ApiError;
use crate::store::{Budget, Grant};

/// Shorter answers are not counted: everybody gets one, whoever holds long ones.
const FREE_BYTES: usize = 64 << 10;

/// Marks an answer that is in memory as a whole.
#[derive(Debug, Clone, Copy)]
pub struct InMemory;

/// The bytes of an answer, and their share of the budget, which ends with them.
struct Held {
    bytes: Bytes,
    _grant: Grant,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The same answer, with its memory taken from a budget until it is sent, or its connection is gone.
///
/// # Errors
/// [`ApiError::Busy`] when so much is held already.
pub async fn hold(mut response: Response, budget: &Budget) -> Result<Response, ApiError> {
    if response.extensions_mut().remove::<InMemory>().is_none() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    // All of it is there: nothing is waited for.
    let bytes = body.collect().await;
    let bytes = bytes
        .map_err(|_| ApiError::Internal("an answer in memory broke off"))?
        .to_bytes();
    if bytes.len() <= FREE_BYTES {
        return Ok(Response::from_parts(parts, bytes.into()));
    }
    let grant = budget.grant(bytes.len() as u64).ok_or(ApiError::Busy)?;
    let held = Held {
        bytes,
        _grant: grant,
    };
    Ok(Response::from_parts(parts, Bytes::from_owner(held).into()))
}
