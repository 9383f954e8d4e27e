//! Sessions: who logged in on the web page, and what proves it in the requests that follow.
//!
//! They live in memory alone: a restart ends them all. What a browser has is a secret of 256 random bits;
//! here it is known by its sha256, so that nobody who sees this memory can use it. A secret is made when
//! somebody logs in, never taken from outside.
//!
//! **Invariant.** A session is no more than what it was opened with: at each use that password, or that
//! access token, must still be the user's. So a changed password, a token that expired or was taken away,
//! and a user who is gone end it at once, and rights are looked up as for any other request.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::access::{self, Shown};
use super::compare::same;
use super::{Login, Principal};
use crate::digest;
use crate::domain::{DomainError, random};
use crate::format::Sha256;
use crate::index::Rows;

/// A session that was not used for so long is over.
pub const IDLE_MS: u64 = 60 * 60 * 1000;
/// And so is one that was opened so long ago.
pub const LONGEST_MS: u64 = 12 * 60 * 60 * 1000;
/// Sessions that a user may have; one more ends the one that was not used for longest.
const MAX_OF_USER: usize = 20;
/// Sessions of all users together.
const MAX: usize = 10_000;

/// What somebody logged in with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof {
    /// The password whose stored hash has this digest.
    Password(Sha256),
    /// The access token that has this digest.
    Token(Sha256),
}

/// Who may open a session, if what they say is right.
#[derive(Debug, Clone)]
pub struct Candidate {
    user: String,
    proof: Proof,
}

impl Candidate {
    /// What a login would be bound to. To be asked for before the login is checked: a password that is
    /// changed in between then ends the session, not the other way round.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn of(rows: &dyn Rows, login: &Login, now_ms: u64) -> Result<Option<Self>, DomainError> {
        let (name, password) = (&login.name, &login.password);
        let proof = match access::token_user(rows, password, now_ms)? {
            Shown::Of(owner) if owner.name() == name => {
                Proof::Token(digest::sha256(password.as_bytes()))
            }
            Shown::Of(_) | Shown::Expired | Shown::Unknown => match rows.user(name)? {
                Some(user) => Proof::Password(digest::sha256(user.password_phc.as_bytes())),
                None => return Ok(None),
            },
        };
        let user = name.clone();
        Ok(Some(Self { user, proof }))
    }

    /// Who it is, if the proof is still good.
    fn principal(&self, rows: &dyn Rows, now_ms: u64) -> Result<Option<Principal>, DomainError> {
        let Some(user) = rows.user(&self.user)? else {
            return Ok(None);
        };
        let good = match &self.proof {
            Proof::Password(phc) => digest::sha256(user.password_phc.as_bytes()) == *phc,
            Proof::Token(secret) => rows.access_token(secret)?.is_some_and(|token| {
                token.user == self.user && token.expires_ms.is_none_or(|at_ms| at_ms > now_ms)
            }),
        };
        Ok(good.then(|| user.into()))
    }
}

/// What a browser is given.
pub struct Opened {
    /// The secret, for its cookie.
    pub secret: String,
    /// What a request that changes something must say beside it.
    pub csrf: String,
}

/// A session in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub principal: Principal,
    /// What a request that changes something must say.
    pub csrf: String,
}

impl Found {
    /// Whether this is what a request must say, found out in a time that tells nothing.
    #[must_use]
    pub fn has_csrf(&self, said: &str) -> bool {
        same(&self.csrf, said)
    }
}

#[derive(Debug, Clone)]
struct Session {
    of: Candidate,
    csrf: String,
    opened_ms: u64,
    used_ms: u64,
}

impl Session {
    fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.used_ms) >= IDLE_MS
            || now_ms.saturating_sub(self.opened_ms) >= LONGEST_MS
    }
}

/// The open sessions. Memory is bounded: some five megabytes.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<Sha256, Session>>);

impl Sessions {
    /// Opens a session for somebody whose login was right.
    ///
    /// # Errors
    /// [`DomainError::Store`] without randomness.
    pub fn open(&self, of: Candidate, now_ms: u64) -> Result<Opened, DomainError> {
        let secret = hex::encode(random::bytes::<32>()?);
        let csrf = hex::encode(random::bytes::<32>()?);
        let session = Session {
            csrf: csrf.clone(),
            opened_ms: now_ms,
            used_ms: now_ms,
            of,
        };
        let mut all = self.0.lock();
        all.retain(|_, session| !session.is_over(now_ms));
        make_room(&mut all, MAX_OF_USER, |other| {
            other.of.user == session.of.user
        });
        make_room(&mut all, MAX, |_| true);
        all.insert(key_of(&secret), session);
        Ok(Opened { secret, csrf })
    }

    /// The session with this secret, which is used by that; `None` where there is none any more.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn find(
        &self,
        rows: &dyn Rows,
        secret: &str,
        now_ms: u64,
    ) -> Result<Option<Found>, DomainError> {
        let key = key_of(secret);
        let Some(session) = self.0.lock().get(&key).cloned() else {
            return Ok(None);
        };
        let principal = match session.is_over(now_ms) {
            true => None,
            false => session.of.principal(rows, now_ms)?,
        };
        let mut all = self.0.lock();
        let Some(principal) = principal else {
            all.remove(&key);
            return Ok(None);
        };
        // It may have been closed meanwhile; then it stays closed.
        Ok(all.get_mut(&key).map(|session| {
            session.used_ms = session.used_ms.max(now_ms);
            let csrf = session.csrf.clone();
            Found { principal, csrf }
        }))
    }

    /// Ends the session with this secret, if there is one.
    pub fn close(&self, secret: &str) {
        self.0.lock().remove(&key_of(secret));
    }
}

fn key_of(secret: &str) -> Sha256 {
    digest::sha256(secret.as_bytes())
}

/// Ends those that were not used for longest, until there is room for one more of these.
fn make_room(all: &mut HashMap<Sha256, Session>, most: usize, counts: impl Fn(&Session) -> bool) {
    let counted = all.iter().filter(|(_, session)| counts(session));
    let mut counted: Vec<(u64, Sha256)> = counted.map(|(key, s)| (s.used_ms, *key)).collect();
    if counted.len() < most {
        return;
    }
    counted.sort_unstable();
    for (_, key) in &counted[..=counted.len() - most] {
        all.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str) -> Candidate {
        Candidate {
            user: user.to_owned(),
            proof: Proof::Password([7; 32]),
        }
    }

    fn users(sessions: &Sessions) -> Vec<String> {
        let all = sessions.0.lock();
        let mut users: Vec<String> = all.values().map(|s| s.of.user.clone()).collect();
        users.sort();
        users
    }

    #[test]
    fn nobody_takes_the_room_of_others() {
        let sessions = Sessions::default();
        let first = sessions.open(of("ann"), 0).expect("randomness");
        for n in 1..=100 {
            sessions.open(of("bob"), n).expect("randomness");
        }
        let users = users(&sessions);
        assert_eq!((users.len(), users[0].as_str()), (MAX_OF_USER + 1, "ann"));
        sessions.close(&first.secret);
        assert!(!sessions.0.lock().contains_key(&key_of(&first.secret)));
    }

    #[test]
    fn there_is_a_bound_for_all() {
        let sessions = Sessions::default();
        for n in 0..MAX as u64 + 5 {
            sessions
                .open(of(&format!("u{n}")), n / 100)
                .expect("randomness");
        }
        assert_eq!(users(&sessions).len(), MAX);
    }

    #[test]
    fn what_is_over_is_forgotten_when_another_is_opened() {
        let sessions = Sessions::default();
        sessions.open(of("ann"), 0).expect("randomness");
        sessions.open(of("bob"), IDLE_MS).expect("randomness");
        assert_eq!(users(&sessions), ["bob"]);
    }

    #[test]
    fn secrets_are_long_and_differ_and_are_not_kept() {
        let sessions = Sessions::default();
        let a = sessions.open(of("ann"), 0).expect("randomness");
        let b = sessions.open(of("ann"), 0).expect("randomness");
        assert_eq!((a.secret.len(), a.csrf.len()), (64, 64));
        let all = [&a.secret, &a.csrf, &b.secret, &b.csrf];
        for (n, text) in all.iter().enumerate() {
            assert!(!all[..n].contains(text));
        }
        let kept = format!("{:?}", sessions.0.lock());
        assert!(!kept.contains(&a.secret));
    }
}
