//! What clients may take: how large an upload may be, how often somebody may ask, and how many uploads
//! in blocks may be open, and memory. What needs no flag is a constant where it is enforced.

use std::num::NonZeroU32;

use super::error::ApiError;
use super::request::Body;

/// The limits that an operator sets.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes that an upload may have: the body of its request, or the file that blocks come to. A
    /// software package counts with the some hundred bytes of the form that it comes in. `None`: as
    /// many as there is room for.
    pub max_upload_bytes: Option<u64>,
    /// Requests per second of one client's address; see `rate`. `None`: any number.
    pub max_requests_per_second: Option<NonZeroU32>,
    /// Uploads in blocks that one user may have open.
    pub max_sessions_per_user: u64,
    /// Memory in bytes that JSON documents in requests may take together, as they came and as they
    /// were read.
    pub request_bytes: u64,
    /// Memory in bytes that long answers may take together until clients have taken them.
    pub answer_bytes: u64,
}

/// Uploads of any size, any number of requests, 10,000 uploads in blocks, 128 MiB of documents and
/// 256 MiB of answers.
impl Default for Limits {
    fn default() -> Self {
        Self {
            max_upload_bytes: None,
            max_requests_per_second: None,
            max_sessions_per_user: 10_000,
            request_bytes: 128 << 20,
            answer_bytes: 256 << 20,
        }
    }
}

impl Limits {
    /// Refuses what would have more bytes than an upload may have.
    ///
    /// # Errors
    /// `ApiError::TooLong`.
    pub fn admit(&self, bytes: Option<u64>) -> Result<(), ApiError> {
        match self.max_upload_bytes {
            Some(limit_bytes) if bytes.is_some_and(|bytes| bytes > limit_bytes) => {
                Err(ApiError::TooLong { limit_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Ends an upload's body where it becomes too long; of the file that it is a part of, it begins
    /// at `offset`.
    pub fn cap(&self, body: &mut Body, offset: u64) {
        if let Some(limit_bytes) = self.max_upload_bytes {
            let left = limit_bytes.saturating_sub(offset);
            body.cap(left, ApiError::TooLong { limit_bytes });
        }
    }
}
