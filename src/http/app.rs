//! What all handlers share.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::Semaphore;

use super::error::ApiError;
use crate::domain::DomainError;
use crate::domain::auth::Passwords;
use crate::store::Store;

/// Password hashes computed at once; each takes 19 MiB.
const HASHES_AT_ONCE: usize = 2;

/// How the façade behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Any or no credentials are those of the administrator.
    pub no_auth: bool,
    /// A write creates a missing project or repository, if the principal may.
    pub auto_create: bool,
    /// The zone in which times are told.
    pub zone: TimeZone,
}

/// The running service.
pub struct App {
    pub(super) store: Store,
    pub(super) config: Config,
    pub(super) passwords: Arc<Passwords>,
    pub(super) hashes: Arc<Semaphore>,
}

impl App {
    /// A service on an open store.
    ///
    /// # Errors
    /// [`DomainError::Store`] without randomness.
    pub fn new(store: Store, config: Config) -> Result<Self, DomainError> {
        Ok(Self {
            store,
            config,
            passwords: Arc::new(Passwords::new()?),
            hashes: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
        })
    }
}

/// Runs what may wait for the disk, or take long, where that disturbs nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(ApiError::Internal("a worker panicked or was stopped")))
}
