//! Reading and checking the whole pack now and then, beside clients.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::app::{App, blocking};
use super::error::ApiError;
use crate::store::Scrub;

/// After a slice that could not be read.
const PAUSE: Duration = Duration::from_mins(1);

/// Scrubs for ever, if that is wanted. What is begun when the service ends is a slice, and soon over.
pub async fn background(app: Arc<App>) {
    let Some(every) = app.config.scrub_every else {
        return;
    };
    let (store, file) = (app.store.clone(), app.config.scrub_file.clone());
    let ending = Arc::clone(&app);
    let stop = Arc::new(move || ending.is_ending.load(Ordering::Relaxed));
    let begun = blocking(move || Ok(Scrub::new(&store, every, file, stop)?));
    let mut scrub = match begun.await {
        Ok(scrub) => scrub,
        Err(error) => return tracing::error!(%error, "nothing is scrubbed"),
    };
    loop {
        let stepped = blocking(move || {
            let stepped = scrub.step();
            Ok((scrub, stepped))
        });
        let wait = match stepped.await {
            Ok((same, stepped)) => {
                scrub = same;
                stepped
                    .map_err(ApiError::from)
                    .inspect_err(|error| tracing::warn!(%error, "scrubbing is put off"))
                    .unwrap_or(PAUSE)
            }
            Err(error) => return tracing::error!(%error, "nothing is scrubbed any more"),
        };
        tokio::time::sleep(wait).await;
    }
}
