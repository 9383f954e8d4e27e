//! Bodies that are made step by step, on a blocking thread, as the client takes them: a slow client
//! holds no thread, and a long answer no memory.

use std::sync::Mutex;

use bytes::Bytes;
use futures_util::stream;
use warp::reply::{Reply, Response};

use super::app::blocking;
use super::error::ApiError;

/// Makes the next part of a body; `None` at its end.
pub trait Steps: Send + 'static {
    /// The next part. May wait for the disk.
    ///
    /// # Errors
    /// Ends the body, and with it the connection.
    fn step(&mut self) -> Result<Option<Bytes>, ApiError>;
}

/// An answer whose body is made by `steps`.
pub fn respond(steps: impl Steps) -> Response {
    // A body has to be `Sync`; nobody else ever locks this.
    let state = Mutex::new(steps);
    let parts = stream::try_unfold(state, |state| async move {
        let made = blocking(move || {
            let mut steps = state
                .into_inner()
                .map_err(|_| ApiError::Internal("a body was poisoned"))?;
            let part = steps.step()?;
            Ok(part.map(|part| (part, Mutex::new(steps))))
        });
        made.await
            .inspect_err(|error| tracing::error!(%error, "an answer broke off"))
    });
    warp::reply::stream(parts).into_response()
}
