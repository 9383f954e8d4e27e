//! Keeping to the quota of a repository: what does not fit by what is known is measured, outside of the
//! committer, and tried again.

use std::sync::Arc;

use super::app::{App, blocking};
use super::error::ApiError;
use crate::domain::{Address, DomainError};

/// How often a change is tried: others may take each time what it needs.
const ATTEMPTS: usize = 8;

/// Makes a change to a repository that may have a quota. `attempt` is made again when the change did
/// not fit by what was known, and does by what was measured then.
///
/// # Errors
/// [`DomainError::Quota`] when it does not fit; those of `attempt`.
pub async fn within<T, F>(
    app: &Arc<App>,
    repo: &Address,
    mut attempt: impl FnMut() -> F,
) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match attempt().await {
            Err(ApiError::Domain(DomainError::Quota(excess))) if left > 0 => {
                // Walking a large repository takes a while: few threads do that at once, and nobody
                // holds a thread while waiting for it.
                let permit = Arc::clone(&app.measuring).acquire_owned().await;
                let (app, repo) = (Arc::clone(app), repo.clone());
                blocking(move || {
                    let _permit = permit;
                    Ok(app.usage.measure(&app.store, &repo, &excess)?)
                })
                .await?;
            }
            outcome => return outcome,
        }
    }
}
