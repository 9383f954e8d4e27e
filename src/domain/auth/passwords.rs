//! Passwords: who proves to be whom. The only home of argon2.
//!
//! What a hash showed is remembered for some minutes under a keyed digest of name, password and
//! stored hash, so that a hundred requests do not cost a hundred hashes; a changed password hash, or
//! a user that comes or goes, ends that at once. Wrong ones are remembered apart from right ones, so
//! that nobody has the right ones forgotten by guessing. Passwords, and copies of them, are overwritten
//! when they are done with.

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::recent::Recent;
use super::{ADMIN, Principal};
use crate::digest;
use crate::domain::{DomainError, random};
use crate::format::Sha256;
use crate::format::meta::{Mutation, User};
use crate::index::Rows;
use crate::metrics;
use crate::store::Store;

/// How long it is remembered what a password is.
const REMEMBER_MS: u64 = 5 * 60 * 1000;
/// Passwords remembered at most, right ones and wrong ones, in each of two generations.
const MAX_REMEMBERED: usize = 4096;

/// A name, and what is said to be its password.
#[derive(Clone)]
pub struct Login {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Zeroizing<String>,
}

/// What a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// That of a user.
    Right(Principal),
    /// Not that of the user, or there is none.
    Wrong,
}

/// Keyed digest of a password → until when it counts, Unix milliseconds.
type Remembered = Mutex<Recent<Sha256, u64>>;

/// Checks passwords.
pub struct Passwords {
    /// Makes the digests useless to whoever sees them.
    key: [u8; 32],
    right: Remembered,
    wrong: Remembered,
}

impl Passwords {
    /// Remembers nothing yet.
    ///
    /// # Errors
    /// [`DomainError::Store`] without randomness.
    pub fn new() -> Result<Self, DomainError> {
        Ok(Self {
            key: random::bytes()?,
            right: Mutex::new(Recent::new(MAX_REMEMBERED)),
            wrong: Mutex::new(Recent::new(MAX_REMEMBERED)),
        })
    }

    /// What the password is, if it was hashed lately. Quick.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn remembered(
        &self,
        rows: &dyn Rows,
        login: &Login,
        now_ms: u64,
    ) -> Result<Option<Checked>, DomainError> {
        let user = rows.user(&login.name)?;
        let key = self.key_of(login, user.as_ref());
        let counts = |remembered: &Remembered| {
            let remembered = remembered.lock();
            remembered.peek(&key).is_some_and(|until| *until > now_ms)
        };
        Ok(match user {
            Some(user) if counts(&self.right) => Some(Checked::Right(user.into())),
            _ if counts(&self.wrong) => Some(Checked::Wrong),
            _ => None,
        })
    }

    /// What the password is. Takes some 20 ms and 19 MiB, for unknown names too.
    ///
    /// # Errors
    /// [`DomainError::Store`].
    pub fn verify(
        &self,
        rows: &dyn Rows,
        login: &Login,
        now_ms: u64,
    ) -> Result<Checked, DomainError> {
        metrics::PASSWORD_HASHES.add(1);
        let password = login.password.as_bytes();
        let user = rows.user(&login.name)?;
        let right = match &user {
            Some(user) => Argon2::default()
                .verify_password(password, user.password_phc.as_str())
                .is_ok(),
            // Costs the same as a wrong password, so that time does not tell which names exist.
            None => hash(&login.password).map(|_| false)?,
        };
        let (key, until_ms) = (
            self.key_of(login, user.as_ref()),
            now_ms.saturating_add(REMEMBER_MS),
        );
        Ok(match user {
            Some(user) if right => {
                self.right.lock().put(key, until_ms);
                Checked::Right(user.into())
            }
            _ => {
                self.wrong.lock().put(key, until_ms);
                Checked::Wrong
            }
        })
    }

    /// A digest that tells one attempt from another, and nothing else.
    #[must_use]
    pub fn attempt(&self, login: &Login) -> Sha256 {
        self.key_of(login, None)
    }

    fn key_of(&self, login: &Login, user: Option<&User>) -> Sha256 {
        let phc = user.map_or("", |user| &user.password_phc);
        let parts = [&login.name, phc, &login.password];
        let len: usize = parts.iter().map(|part| 8 + part.len()).sum();
        // As long as it will be: growing would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.key.len() + len));
        bytes.extend(self.key);
        for part in parts {
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
pub fn random_password() -> Result<Zeroizing<String>, DomainError> {
    Ok(Zeroizing::new(hex::encode(random::bytes::<12>()?)))
}
