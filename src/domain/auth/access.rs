//! What stands for a user besides the password: access tokens, and pairs of keys.
//!
//! Functions that change something give the mutations of one commit, and decide on the rows that the
//! commit is made on. What is looked up is looked up for every request, so that what expired or was
//! taken away does not count from then on; it costs one digest, so nothing of it is remembered.

use super::Principal;
use super::compare::{same, signed};
use crate::digest;
use crate::domain::{DomainError, random, users};
use crate::format::meta::{
    AccessKey, AccessKeyDelete, AccessToken, AccessTokenDelete, Mutation, User,
};
use crate::index::Rows;

/// Every access token begins so: who searches what was published for secrets knows it by that.
const TOKEN_PREFIX: &str = "pht_";
/// Every secret key begins so.
const SECRET_PREFIX: &str = "phs_";
/// Access tokens that a user may have.
const MAX_TOKENS: usize = 1000;
/// Pairs of keys that a user may have.
const MAX_KEYS: usize = 100;
/// Unknown keys are compared with this, so that they cost what known ones do.
const NO_SECRET: &str = "phs_000000000000000000000000000000000000000000000000";

/// A new access token, and the secret that only its user gets to know.
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The prefix, and 192 random bits in hex.
    pub secret: String,
    /// What is kept of it.
    pub token: AccessToken,
}

/// Makes up an access token.
///
/// # Errors
/// [`DomainError::Invalid`] for a name that cannot be, or an end that has passed;
/// [`DomainError::Store`] without randomness.
pub fn new_token(
    user: &str,
    name: &str,
    expires_ms: Option<u64>,
    now_ms: u64,
) -> Result<NewToken, DomainError> {
    users::check_name(name).map_err(|error| match error {
        DomainError::Invalid { why, .. } => DomainError::Invalid { what: "name", why },
        other => other,
    })?;
    if expires_ms.is_some_and(|at_ms| at_ms <= now_ms) {
        return Err(DomainError::Invalid {
            what: "expiredAt",
            why: "it has passed".to_owned(),
        });
    }
    let secret = format!("{TOKEN_PREFIX}{}", hex::encode(random::bytes::<24>()?));
    let token = AccessToken {
        secret_sha256: digest::sha256(secret.as_bytes()),
        user: user.to_owned(),
        name: name.to_owned(),
        created_ms: now_ms,
        expires_ms,
    };
    Ok(NewToken { secret, token })
}

fn is_over(token: &AccessToken, now_ms: u64) -> bool {
    token.expires_ms.is_some_and(|at_ms| at_ms <= now_ms)
}

fn drop_token(token: &AccessToken) -> Mutation {
    Mutation::AccessTokenDelete(AccessTokenDelete {
        secret_sha256: token.secret_sha256,
    })
}

/// Gives a user an access token. One of the same name is in the way unless it has expired; those that
/// have are forgotten.
///
/// # Errors
/// [`DomainError::NoUser`], [`DomainError::AccessTokenExists`], [`DomainError::TooMany`].
pub fn add_token(
    rows: &dyn Rows,
    token: &AccessToken,
    now_ms: u64,
) -> Result<Vec<Mutation>, DomainError> {
    users::user(rows, &token.user)?;
    let (over, good): (Vec<_>, Vec<_>) = rows
        .access_tokens(&token.user)?
        .into_iter()
        .partition(|token| is_over(token, now_ms));
    if good.iter().any(|other| other.name == token.name) {
        return Err(DomainError::AccessTokenExists(token.name.clone()));
    }
    if good.len() >= MAX_TOKENS {
        return Err(DomainError::TooMany {
            what: "access tokens",
            limit: MAX_TOKENS,
        });
    }
    let mut mutations: Vec<Mutation> = over.iter().map(drop_token).collect();
    mutations.push(Mutation::AccessTokenPut(token.clone()));
    Ok(mutations)
}

/// The access tokens of a user, by name, expired ones too.
///
/// # Errors
/// [`DomainError::NoUser`], [`DomainError::Store`].
pub fn tokens(rows: &dyn Rows, user: &str) -> Result<Vec<AccessToken>, DomainError> {
    users::user(rows, user)?;
    let mut tokens = rows.access_tokens(user)?;
    tokens.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tokens)
}

/// Takes an access token away.
///
/// # Errors
/// [`DomainError::NoAccessToken`], [`DomainError::NoUser`], [`DomainError::Store`].
pub fn delete_token(rows: &dyn Rows, user: &str, name: &str) -> Result<Vec<Mutation>, DomainError> {
    let tokens = tokens(rows, user)?;
    let named = tokens.iter().filter(|token| token.name == name);
    let mutations: Vec<Mutation> = named.map(drop_token).collect();
    match mutations.is_empty() {
        true => Err(DomainError::NoAccessToken(name.to_owned())),
        false => Ok(mutations),
    }
}

/// What an access token says of who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// It is this user's.
    Of(Principal),
    /// It was good once.
    Expired,
    /// There is no such token.
    Unknown,
}

/// Whose access token this is. The store is asked for the digest: how long that takes says nothing
/// of the token.
///
/// # Errors
/// [`DomainError::Store`].
pub fn token_user(rows: &dyn Rows, secret: &str, now_ms: u64) -> Result<Shown, DomainError> {
    let Some(token) = rows.access_token(&digest::sha256(secret.as_bytes()))? else {
        return Ok(Shown::Unknown);
    };
    if is_over(&token, now_ms) {
        return Ok(Shown::Expired);
    }
    let user = rows.user(&token.user)?;
    Ok(user.map_or(Shown::Unknown, |user| Shown::Of(user.into())))
}

/// Makes up a pair of keys. Unlike tokens and passwords the secret is kept as it is: who checks an
/// HMAC has to compute it, and needs the secret for that. Whoever reads the pack can sign.
///
/// # Errors
/// [`DomainError::Store`] without randomness.
pub fn new_key(user: &str, now_ms: u64) -> Result<AccessKey, DomainError> {
    Ok(AccessKey {
        key: hex::encode(random::bytes::<12>()?),
        secret: format!("{SECRET_PREFIX}{}", hex::encode(random::bytes::<24>()?)),
        user: user.to_owned(),
        created_ms: now_ms,
    })
}

/// Gives a user a pair of keys.
///
/// # Errors
/// [`DomainError::NoUser`], [`DomainError::TooMany`].
pub fn add_key(rows: &dyn Rows, pair: &AccessKey) -> Result<Vec<Mutation>, DomainError> {
    if keys(rows, &pair.user)?.len() >= MAX_KEYS {
        return Err(DomainError::TooMany {
            what: "access keys",
            limit: MAX_KEYS,
        });
    }
    Ok(vec![Mutation::AccessKeyPut(pair.clone())])
}

/// The pairs of keys of a user, by key.
///
/// # Errors
/// [`DomainError::NoUser`], [`DomainError::Store`].
pub fn keys(rows: &dyn Rows, user: &str) -> Result<Vec<AccessKey>, DomainError> {
    users::user(rows, user)?;
    Ok(rows.access_keys(user)?)
}

/// The pair of keys of a key.
///
/// # Errors
/// [`DomainError::NoAccessKey`], [`DomainError::Store`].
pub fn key(rows: &dyn Rows, key: &str) -> Result<AccessKey, DomainError> {
    let pair = rows.access_key(key)?;
    pair.ok_or_else(|| DomainError::NoAccessKey(key.to_owned()))
}

/// Takes a pair of keys away.
///
/// # Errors
/// [`DomainError::NoAccessKey`], [`DomainError::Store`].
pub fn delete_key(rows: &dyn Rows, name: &str) -> Result<Vec<Mutation>, DomainError> {
    let key = key(rows, name)?.key;
    Ok(vec![Mutation::AccessKeyDelete(AccessKeyDelete { key })])
}

/// Whose the pair of keys is, if it is one.
///
/// # Errors
/// [`DomainError::Store`].
pub fn key_user(rows: &dyn Rows, key: &str, secret: &str) -> Result<Option<User>, DomainError> {
    proven(rows, key, |kept| same(kept, secret))
}

/// Whose key a message was signed with (HMAC-SHA1), if it was.
///
/// # Errors
/// [`DomainError::Store`].
pub fn signer(
    rows: &dyn Rows,
    key: &str,
    message: &[u8],
    signature: &[u8],
) -> Result<Option<User>, DomainError> {
    proven(rows, key, |kept| signed(kept, message, signature))
}

fn proven(
    rows: &dyn Rows,
    key: &str,
    check: impl FnOnce(&str) -> bool,
) -> Result<Option<User>, DomainError> {
    let pair = rows.access_key(key)?;
    let secret = pair.as_ref().map_or(NO_SECRET, |pair| &pair.secret);
    let right = check(secret);
    match pair {
        Some(pair) if right => Ok(rows.user(&pair.user)?),
        _ => Ok(None),
    }
}

/// Who a request is from that came with the keys of `owner`, and names somebody else to speak for.
///
/// An administrator may speak for every user, and has that user's rights then. The keys of anybody
/// else are always their owner. `None` for a name that no user has: nobody is made on the fly, and the
/// owner's own rights would give a user who was deleted, or never was, more than any other has.
///
/// # Errors
/// [`DomainError::Store`].
pub fn spoken_for(
    rows: &dyn Rows,
    owner: User,
    named: Option<&str>,
) -> Result<Option<Principal>, DomainError> {
    let named = named.filter(|name| owner.admin && !name.is_empty() && *name != owner.name);
    match named {
        None => Ok(Some(owner.into())),
        Some(name) => Ok(rows.user(name)?.map(Principal::from)),
    }
}
