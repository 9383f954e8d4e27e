//! Sweeping in the background what is gone already.

use std::sync::Arc;

use super::app::{Shared, blocking};
use crate::domain::Sweeper;

/// Sweeps every while, and when it is woken; never ends. A store that takes no changes is left
/// alone until the next time.
pub async fn run(shared: Arc<Shared>) {
    let mut sweeper = Sweeper::default();
    loop {
        let wait = tokio::time::sleep(shared.config.sweep_every);
        tokio::select! {
            () = wait => {}
            () = shared.to_sweep.notified() => {}
        }
        let mut more = true;
        while more {
            let app = shared.enter().await;
            let mut at = sweeper.clone();
            let swept = blocking(move || Ok((at.sweep(&app.store)?, at)));
            more = match swept.await {
                Ok((more, at)) => {
                    sweeper = at;
                    more
                }
                Err(error) => {
                    tracing::debug!(%error, "sweeping");
                    false
                }
            };
        }
    }
}
