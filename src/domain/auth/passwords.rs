//! Passwords: who proves to be whom. The only home of argon2.
//!
//! A verified password is remembered for some minutes under a keyed digest of name, password and
//! stored hash, so that a hundred requests do not cost a hundred hashes; a changed password hash
//! ends that at once. Failures are not remembered.

use std::collections::HashMap;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use parking_lot::Mutex;

use super::{ADMIN, Principal};
use crate::digest;
use crate::domain::{DomainError, random};
use crate::format::Sha256;
use crate::format::meta::{Mutation, User};
use crate::index::Rows;
use crate::metrics;
use crate::store::Store;

/// How long a verified password is remembered.
const REMEMBER_MS: u64 = 5 * 60 * 1000;
/// Remembered passwords at most.
const MAX_REMEMBERED: usize = 4096;

/// Checks passwords.
pub struct Passwords {
    /// Makes the keys of `verified` useless to whoever sees them.
    key: [u8; 32],
    /// Keyed digest of a verified password → until when it counts, Unix milliseconds.
    verified: Mutex<HashMap<Sha256, u64>>,
}

impl Passwords {
    /// Remembers nothing yet.
    ///
    /// # Errors
    /// [`DomainError::Store`] without randomness.
    pub fn new() -> Result<Self, DomainError> {
        Ok(Self {
            key: random::bytes()?,
            verified: Mutex::new(HashMap::new()),
        })
    }

    /// Who has this name and password, if it was verified lately. Quick.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn remembered(
        &self,
        rows: &dyn Rows,
        name: &str,
        password: &str,
        now_ms: u64,
    ) -> Result<Option<Principal>, DomainError> {
        let Some(user) = rows.user(name)? else {
            return Ok(None);
        };
        let key = self.key_of(&user, password);
        let until = self.verified.lock().get(&key).copied();
        Ok(until.filter(|until| *until > now_ms).map(|_| user.into()))
    }

    /// Who has this name and password. Takes some 20 ms and 19 MiB, for unknown names too.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn verify(
        &self,
        rows: &dyn Rows,
        name: &str,
        password: &str,
        now_ms: u64,
    ) -> Result<Option<Principal>, DomainError> {
        // It may have been verified for another request while this one waited for its turn.
        if let Some(known) = self.remembered(rows, name, password, now_ms)? {
            return Ok(Some(known));
        }
        metrics::PASSWORD_HASHES.add(1);
        let Some(user) = rows.user(name)? else {
            // Costs the same as a wrong password, so that time does not tell which names exist.
            let _hash = hash(password)?;
            return Ok(None);
        };
        let right = Argon2::default()
            .verify_password(password.as_bytes(), user.password_phc.as_str())
            .is_ok();
        if !right {
            return Ok(None);
        }
        let key = self.key_of(&user, password);
        let mut verified = self.verified.lock();
        if verified.len() >= MAX_REMEMBERED {
            verified.retain(|_, until| *until > now_ms);
        }
        if verified.len() < MAX_REMEMBERED {
            verified.insert(key, now_ms.saturating_add(REMEMBER_MS));
        }
        Ok(Some(user.into()))
    }

    fn key_of(&self, user: &User, password: &str) -> Sha256 {
        let mut bytes = self.key.to_vec();
        for part in [&user.name, &user.password_phc, password] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part.as_bytes());
        }
        digest::sha256(&bytes)
    }
}

/// The hash of a password, as it is stored. Takes some 20 ms and 19 MiB.
///
/// # Errors
/// [`DomainError::Password`].
pub fn hash(password: &str) -> Result<String, DomainError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|e| DomainError::Password(e.to_string()))
}

/// Whether the store has its `admin`.
///
/// # Errors
/// [`DomainError::Store`].
pub fn has_admin(store: &Store) -> Result<bool, DomainError> {
    Ok(store.rows()?.user(ADMIN)?.is_some())
}

/// Makes the user `admin`, or sets its password.
///
/// # Errors
/// [`DomainError::Store`], [`DomainError::Password`].
pub fn put_admin(store: &Store, password: &str) -> Result<(), DomainError> {
    let user = User {
        name: ADMIN.to_owned(),
        password_phc: hash(password)?,
        admin: true,
        created_ms: store.now_ms(),
    };
    store.commit::<(), DomainError>(move |_, _| Ok((vec![Mutation::UserPut(user.clone())], ())))?
}

/// A password that nobody guesses: 24 hexadecimal digits.
///
/// # Errors
/// [`DomainError::Store`] without randomness.
pub fn random_password() -> Result<String, DomainError> {
    Ok(hex::encode(random::bytes::<12>()?))
}
