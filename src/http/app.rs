//! What all handlers share.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{Notify, Semaphore};

use super::error::ApiError;
use crate::domain::DomainError;
use crate::domain::auth::Passwords;
use crate::domain::blocks::Digesting;
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
    /// How often what is gone is swept.
    pub sweep_every: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            no_auth: false,
            auto_create: true,
            zone: TimeZone::UTC,
            sweep_every: Duration::from_secs(10),
        }
    }
}

/// The running service.
pub struct App {
    pub(super) store: Store,
    pub(super) config: Config,
    pub(super) passwords: Arc<Passwords>,
    pub(super) hashes: Arc<Semaphore>,
    /// Whose blocks are being digested.
    pub(super) digesting: Digesting,
    /// Wakes the sweeper, when something was deleted.
    pub(super) to_sweep: Notify,
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
            digesting: Digesting::default(),
            to_sweep: Notify::new(),
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
