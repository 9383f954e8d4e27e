//! Reading and checking the whole pack now and then, beside clients.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::app::{Shared, blocking};
use super::error::ApiError;
use crate::store::Scrub;

/// After a slice that could not be read. And so often it is looked whether the pack is still the one that
/// is served: as long as it is being scrubbed, its space is taken.
const PAUSE: Duration = Duration::from_mins(1);

/// Scrubs for ever, if that is wanted. What is begun when the service ends is a slice, and soon over.
pub async fn background(shared: Arc<Shared>) {
    let Some(every) = shared.config.scrub_every else {
        return;
    };
    loop {
        let store = shared.enter().await.store.clone();
        let file = shared.config.scrub_file.clone();
        let ending = Arc::clone(&shared);
        let stop = Arc::new(move || ending.is_ending.load(Ordering::Relaxed));
        let begun = blocking(move || Ok(Scrub::new(&store, every, file, stop)?));
        let ended = match begun.await {
            Ok(scrub) => until_outdated(scrub).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            // An index that is being built anew, say: that passes.
            tracing::warn!(%error, "scrubbing is begun again in a minute");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Scrubs one pack, until another has its name.
async fn until_outdated(mut scrub: Scrub) -> Result<(), ApiError> {
    while !scrub.is_outdated() {
        let stepped = blocking(move || {
            let stepped = scrub.step();
            Ok((scrub, stepped))
        });
        let (same, stepped) = stepped.await?;
        scrub = same;
        let wait = stepped
            .map_err(ApiError::from)
            .inspect_err(|error| tracing::warn!(%error, "scrubbing is put off"))
            .unwrap_or(PAUSE);
        tokio::time::sleep(wait.min(PAUSE)).await;
    }
    Ok(())
}
