//! What all handlers share.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, oneshot};
use tracing::Span;

use super::audit::Audit;
use super::auth::{LONG_BODIES, Lanes};
use super::connections;
use super::current::Current;
use super::error::ApiError;
use super::hot::Hot;
use super::limits::Limits;
use super::rate::Rate;
use super::timing::{self, Phase};
use super::tls::Tls;
use crate::domain::DomainError;
use crate::domain::auth::{self, Failures, Passwords, Replays, Sessions};
use crate::domain::blocks::{Digesting, Open};
use crate::domain::quota::Usage;
use crate::format::meta::Mutation;
use crate::index::Rows;
use crate::store::{Budget, GcAt, Ids, Store, StoreError};

/// Repositories measured at once.
const MEASURED_AT_ONCE: usize = 2;
/// Searches made at once, and pages of folders; each may take some 100 MiB.
const LISTED_AT_ONCE: usize = 4;

/// Short uploads worked on at once, for each processor: one of two may wait for the disk.
const SHORT_UPLOADS: usize = 2;

/// A panic makes the index doubtful once in so long.
const BETWEEN_DOUBTS: Duration = Duration::from_mins(10);

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
    /// How often it is looked whether space can be given back.
    pub gc_every: Duration,
    /// How much must be reclaimable for that.
    pub gc_at: GcAt,
    /// How often the whole pack is read and checked, if it is.
    pub scrub_every: Option<Duration>,
    /// Where it is remembered how far that is.
    pub scrub_file: Option<PathBuf>,
    /// What the service is called from outside, as [`super::public_url`] gives it; without it, links
    /// begin with the `Host` that a request names.
    pub public_url: Option<String>,
    /// A proxy stands in front: it appends to `X-Forwarded-For` who asked it, and says in
    /// `X-Forwarded-Host` and `X-Forwarded-Proto` what it was asked as.
    pub behind_proxy: bool,
    /// How many failed logins are answered without delay.
    pub failed_logins: auth::Limits,
    /// What clients may take.
    pub limits: Limits,
    /// What is written to the audit trail.
    pub audit: Audit,
    /// Requests that take so long are told of, with where the time went.
    pub slow_request: Option<Duration>,
    /// What connections may cost.
    pub connections: connections::Limits,
    /// The file that the pack of the store is, for who wants to put another in its place.
    pub pack: Option<PathBuf>,
    /// With this, TLS is spoken, and nothing else.
    pub tls: Option<Arc<Tls>>,
}

/// With passwords, in UTC, not told what is around it.
impl Default for Config {
    fn default() -> Self {
        Self {
            no_auth: false,
            auto_create: true,
            zone: TimeZone::UTC,
            sweep_every: Duration::from_secs(10),
            gc_every: Duration::from_mins(10),
            gc_at: GcAt::Percent(10),
            scrub_every: None,
            scrub_file: None,
            public_url: None,
            behind_proxy: false,
            failed_logins: auth::Limits::default(),
            limits: Limits::default(),
            audit: Audit::default(),
            slow_request: None,
            connections: connections::Limits::default(),
            pack: None,
            tls: None,
        }
    }
}

/// The running service, as one request sees it: with the store that there was when it came in. What it
/// finds, writes and changes is all in that one, whatever comes in its place meanwhile.
pub struct App {
    pub(super) store: Store,
    pub(super) shared: Arc<Shared>,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// What all requests share.
pub struct Shared {
    /// The store, and what came in its place.
    pub(super) current: Current,
    pub(super) config: Config,
    pub(super) passwords: Passwords,
    pub(super) failures: Failures,
    pub(super) lanes: Lanes,
    /// Who logged in on the web page.
    pub(super) sessions: Sessions,
    /// Signatures of requests that were used.
    pub(super) replays: Replays,
    /// Places for long bodies of signed requests.
    pub(super) long_bodies: Arc<Semaphore>,
    /// Whose blocks are being digested.
    pub(super) digesting: Digesting,
    /// How often clients ask.
    pub(super) rate: Rate,
    /// What repositories with a quota hold.
    pub(super) usage: Usage,
    pub(super) measuring: Arc<Semaphore>,
    /// Turns of short uploads: more threads at once than there are processors only get into each other's way.
    pub(super) short_uploads: Arc<Semaphore>,
    /// The memory of JSON documents in requests.
    pub(super) documents: Budget,
    /// The memory of long answers.
    pub(super) answers: Budget,
    pub(super) searching: Arc<Semaphore>,
    pub(super) listing: Arc<Semaphore>,
    /// Who has uploads in blocks open.
    pub(super) open: Open,
    /// Wakes the sweeper, when something was deleted.
    pub(super) to_sweep: Notify,
    /// What was downloaded lately.
    pub(super) hot: Hot,
    /// When a panic last made the index doubtful.
    pub(super) doubted: Mutex<Option<Instant>>,
    /// When the service began, Unix seconds.
    pub(super) began_s: u64,
    /// The service ends: who waits for something to come waits no longer.
    pub(super) is_ending: AtomicBool,
}

impl App {
    /// A service on an open store.
    ///
    /// # Errors
    /// [`DomainError::Store`] without randomness.
    pub fn new(store: Store, config: Config) -> Result<Self, DomainError> {
        let shared = Shared {
            current: Current::new(store),
            passwords: Passwords::new()?,
            failures: Failures::new(config.failed_logins)?,
            lanes: Lanes::default(),
            sessions: Sessions::default(),
            replays: Replays::default(),
            long_bodies: Arc::new(Semaphore::new(LONG_BODIES)),
            documents: Budget::new(config.limits.request_bytes),
            answers: Budget::new(config.limits.answer_bytes),
            rate: Rate::new(config.limits.max_requests_per_second),
            config,
            digesting: Digesting::default(),
            usage: Usage::default(),
            open: Open::default(),
            searching: Arc::new(Semaphore::new(LISTED_AT_ONCE)),
            listing: Arc::new(Semaphore::new(LISTED_AT_ONCE)),
            measuring: Arc::new(Semaphore::new(MEASURED_AT_ONCE)),
            short_uploads: Arc::new(Semaphore::new(short_uploads())),
            to_sweep: Notify::new(),
            hot: Hot::default(),
            doubted: Mutex::new(None),
            began_s: SystemTime::UNIX_EPOCH
                .elapsed()
                .map_or(0, |since| since.as_secs()),
            is_ending: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let store = shared.current.get_anyway();
        Ok(shared.with(store))
    }
}

fn short_uploads() -> usize {
    SHORT_UPLOADS * std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl Shared {
    /// With a store that is counted; the app ends that when it is dropped.
    fn with(self: &Arc<Self>, store: Store) -> App {
        App {
            store,
            shared: Arc::clone(self),
        }
    }

    /// The service with its present store; waits while another takes its place.
    pub(super) async fn enter(self: &Arc<Self>) -> Arc<App> {
        let store = self.current.get().await;
        Arc::new(self.with(store))
    }

    /// The same, if nothing is to be waited for.
    pub(super) fn enter_if_open(self: &Arc<Self>) -> Option<App> {
        Some(self.with(self.current.get_at_once()?))
    }

    /// The same without waiting: the store is only to be looked at.
    pub(super) fn enter_at_once(self: &Arc<Self>) -> Arc<App> {
        Arc::new(self.with(self.current.get_anyway()))
    }
}

impl App {
    /// Has the index built anew when an answer may have failed for damage in it. After a panic, which may
    /// have other reasons, not again for a while: it must not take a request to keep a service busy.
    pub(super) fn doubt_index(&self, error: &ApiError) {
        if !error.blames_index() {
            return;
        }
        let mut doubted = self.doubted.lock();
        let lately = doubted.is_some_and(|at| at.elapsed() < BETWEEN_DOUBTS);
        if !(lately && error.is_panic()) {
            *doubted = Some(Instant::now());
            self.store.doubt_index();
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.shared.current.end();
    }
}

/// Runs what may wait for the disk, or take long, where that disturbs nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let (sender, receiver) = oneshot::channel();
    // Boxed: every kind of task is thousands of lines of machine code.
    let (span, asked) = (Span::current(), Instant::now());
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        let turn = asked.elapsed();
        let result = span.in_scope(work);
        // Nobody listens when the client has gone; what was done is done all the same.
        let _listener = sender.send((turn, result));
    });
    drop(tokio::task::spawn_blocking(work));
    let (turn, result) = receiver
        .await
        .unwrap_or((Duration::ZERO, Err(ApiError::Panicked)));
    timing::add(Phase::Turn, turn);
    timing::add(Phase::Work, asked.elapsed().saturating_sub(turn));
    result
}

/// Hears what became of a change.
pub(super) type Done<T> = Box<dyn FnOnce(Result<T, DomainError>) + Send>;

/// What is to be told what became of a change, and what waits for that.
pub(super) fn waiting<T: Send + 'static>() -> (Done<T>, impl Future<Output = Result<T, ApiError>>) {
    let (sender, receiver) = oneshot::channel();
    let done = Box::new(move |result| {
        // Nobody listens when the client has gone; what was done is done all the same.
        let _listener = sender.send(result);
    });
    let outcome = async move {
        match timing::phase(Phase::Commit, receiver).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(StoreError::Closed.into()),
        }
    };
    (done, outcome)
}

/// Like [`blocking`], for work that ends in a change, which what it gives submits: one waits for the change alone,
/// and not for the thread before it.
pub(super) async fn blocking_commit<T: Send + 'static, S: FnOnce(Done<T>)>(
    work: impl FnOnce() -> Result<S, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let (sender, receiver) = oneshot::channel();
    let (span, asked) = (Span::current(), Instant::now());
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        let turn = asked.elapsed();
        let worked = span.in_scope(work);
        let committing = span.in_scope(|| timing::span_of(Phase::Commit));
        let times = (turn, asked.elapsed().saturating_sub(turn));
        // Nobody listens when the client has gone; what was done is done all the same.
        match worked {
            Ok(submit) => submit(Box::new(move |result| {
                drop(committing);
                let _listener = sender.send((times, result.map_err(ApiError::from)));
            })),
            Err(error) => {
                let _listener = sender.send((times, Err(error)));
            }
        }
    });
    drop(tokio::task::spawn_blocking(work));
    let ((turn, work), result) = receiver
        .await
        .unwrap_or((Default::default(), Err(ApiError::Panicked)));
    timing::add(Phase::Turn, turn);
    timing::add(Phase::Work, work);
    timing::add(Phase::Commit, asked.elapsed().saturating_sub(turn + work));
    result
}

/// Makes a change, decided by `check` on the rows that it is made on, and waits until it is durable.
pub(super) async fn commit<T: Send + 'static>(
    app: &App,
    check: impl FnMut(&dyn Rows, &mut Ids) -> Result<(Vec<Mutation>, T), DomainError> + Send + 'static,
) -> Result<T, ApiError> {
    let (done, outcome) = waiting();
    app.store.submit(check, move |outcome| {
        done(outcome.map_err(DomainError::from).and_then(|inner| inner));
    });
    outcome.await
}

/// Like [`blocking`], for what makes a long answer: only so many are made at once.
pub(super) async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    // It is never closed.
    let turn = timing::phase(Phase::Turn, Arc::clone(turns).acquire_owned()).await;
    blocking(move || {
        let _turn = turn;
        work()
    })
    .await
}
