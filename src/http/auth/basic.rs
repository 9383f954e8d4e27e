//! Names with passwords, without giving strangers all of the processor.
//!
//! A hash takes time and memory on purpose. So each attempt is hashed once, however many requests
//! come with it; few are hashed at once; and those of who failed too often wait in a slow lane of
//! their own. There each address has one place, however many users it tries, and each user of an
//! address one in the queue for that: a right password is heard soon, whatever else its address
//! tries, and one from elsewhere does not wait at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::refusal;
use super::turns::{Turn, Turns};
use crate::digest;
use crate::domain::auth::access::{self, Shown};
use crate::domain::auth::{Checked, Login, Principal, Who};
use crate::http::app::{App, blocking};
use crate::http::error::ApiError;
use crate::http::request::Request;

/// Password hashes computed at once; each takes 19 MiB.
const HASHES_AT_ONCE: usize = 2;
/// Of those in the slow lane, which come on top.
const SLOW_AT_ONCE: usize = 1;
/// After a wrong password nobody is hashed in the slow lane for this long.
const REST: Duration = Duration::from_millis(50);

/// Who may have a password hashed now.
pub struct Lanes {
    fast: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    /// Queues: for the same attempt, for a user of an address, for an address.
    turns: Turns,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            fast: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            slow: Arc::new(Semaphore::new(SLOW_AT_ONCE)),
            turns: Turns::default(),
        }
    }
}

/// Leave to hash, until it is dropped.
pub struct Leave {
    _permit: Option<OwnedSemaphorePermit>,
    _turns: Vec<Turn>,
}

impl Lanes {
    /// Waits for leave to hash in the fast lane.
    pub async fn fast(&self) -> Leave {
        Leave {
            // Nobody closes it.
            _permit: Arc::clone(&self.fast).acquire_owned().await.ok(),
            _turns: Vec::new(),
        }
    }

    async fn slow(&self, who: Who<'_>) -> Leave {
        let address = format!("address {:?}", who.address);
        let user = format!("{address} user {:?}", who.user);
        // ORDER: in the queue of an address is one of each of its users, in that for the lane one of
        // each address.
        let mut turns = Vec::new();
        for queue in [user, address] {
            turns.push(self.turns.of(digest::sha256(queue.as_bytes())).await);
        }
        Leave {
            _permit: Arc::clone(&self.slow).acquire_owned().await.ok(),
            _turns: turns,
        }
    }
}

/// Checks a name with a password or an access token.
pub async fn check(app: &Arc<App>, request: &Request, login: Login) -> Result<Principal, ApiError> {
    let login = Arc::new(login);
    let address = request.peer;
    if let Some(found) = known(app, &login).await? {
        return judge(app, address, &login, found).await;
    }
    let _same = app.lanes.turns.of(app.passwords.attempt(&login)).await;
    // It may have been hashed for another request while this one waited.
    if let Some(found) = known(app, &login).await? {
        return judge(app, address, &login, found).await;
    }
    let who = Who {
        address,
        user: Some(&login.name),
    };
    // ORDER: charged before it is known to be wrong, or many at once would all pass as the first.
    let excess = app.failures.charge(who, app.store.now_ms());
    let leave = match excess {
        None => app.lanes.fast().await,
        Some(_) => app.lanes.slow(who).await,
    };
    match hashed(app, &login, address, leave, excess.is_some()).await? {
        Checked::Right(principal) => Ok(principal),
        Checked::Wrong => Err(refusal(excess).await),
    }
}

/// What is known of a login without hashing anything.
enum Known {
    Password(Checked),
    Token(Principal),
    ExpiredToken,
}

async fn known(app: &Arc<App>, login: &Arc<Login>) -> Result<Option<Known>, ApiError> {
    let (app, login) = (Arc::clone(app), Arc::clone(login));
    blocking(move || {
        let (rows, now_ms) = (app.store.rows()?, app.store.now_ms());
        match access::token_user(&rows, &login.password, now_ms)? {
            Shown::Of(user) if user.name() == login.name => return Ok(Some(Known::Token(user))),
            Shown::Expired => return Ok(Some(Known::ExpiredToken)),
            Shown::Of(_) | Shown::Unknown => {}
        }
        let remembered = app.passwords.remembered(&rows, &login, now_ms)?;
        Ok(remembered.map(Known::Password))
    })
    .await
}

async fn judge(
    app: &App,
    address: Option<std::net::IpAddr>,
    login: &Login,
    known: Known,
) -> Result<Principal, ApiError> {
    match known {
        Known::Token(principal) | Known::Password(Checked::Right(principal)) => Ok(principal),
        Known::ExpiredToken => Err(super::expired()),
        Known::Password(Checked::Wrong) => {
            let user = Some(login.name.as_str());
            let excess = app
                .failures
                .charge(Who { address, user }, app.store.now_ms());
            Err(refusal(excess).await)
        }
    }
}

/// Hashes a password, in a task of its own: a client that goes away gives up its leave no sooner.
async fn hashed(
    app: &Arc<App>,
    login: &Arc<Login>,
    address: Option<std::net::IpAddr>,
    leave: Leave,
    slowly: bool,
) -> Result<Checked, ApiError> {
    let (sender, receiver) = oneshot::channel();
    let (app, login) = (Arc::clone(app), Arc::clone(login));
    tokio::spawn(async move {
        let checked = {
            let (app, login) = (Arc::clone(&app), Arc::clone(&login));
            blocking(move || {
                let (rows, now_ms) = (app.store.rows()?, app.store.now_ms());
                Ok(app.passwords.verify(&rows, &login, now_ms)?)
            })
            .await
        };
        let (user, now_ms) = (Some(login.name.as_str()), app.store.now_ms());
        let who = Who { address, user };
        let wrong = matches!(checked, Ok(Checked::Wrong));
        match &checked {
            Ok(Checked::Right(_)) => app.failures.succeeded(who, now_ms),
            Ok(Checked::Wrong) => {}
            // A failed disk is nobody's failed login.
            Err(_) => app.failures.refund(who, now_ms),
        }
        // Nobody listens when the client has gone.
        let _listener = sender.send(checked);
        if slowly && wrong {
            tokio::time::sleep(REST).await;
        }
        drop(leave);
    });
    let stopped = || ApiError::Internal("a password was not hashed to its end");
    receiver.await.unwrap_or_else(|_| Err(stopped()))
}
