//! Temporary tokens: whoever has the secret may reach one path, or what is below it.
//!
//! The store knows only the sha256 of a secret: who reads the pack cannot use what is in it.
//! Permits are exact: a use takes its permit in a commit, and commits are made one after the other.

use std::net::IpAddr;

use super::lookup::Address;
use super::path::NodePath;
use super::users;
use super::{DomainError, random};
use crate::digest;
use crate::format::Sha256;
use crate::format::meta::{Mutation, Token, TokenDelete, TokenUse};
use crate::index::Rows;

/// Tokens that are read at once.
const PAGE: usize = 1000;
/// Users, or addresses, that a token may name.
pub const MAX_NAMED: usize = 100;

/// What a token is to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What it is good for.
    pub good_for: TokenUse,
    /// Users who may use it; none: all.
    pub users: Vec<String>,
    /// Addresses (`192.0.2.7`) and networks (`192.0.2.0/24`) it may be used from; none: all.
    pub addresses: Vec<String>,
    /// How many times it may be used.
    pub permits: Option<u32>,
    /// After how many seconds it ceases to exist; 0 or less: never.
    pub expire_seconds: i64,
}

/// A new token, and the secret that only its owner gets to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// 192 random bits in hex.
    pub secret: String,
    /// The token.
    pub token: Token,
}

impl Wish {
    /// Refuses what no token can be like.
    ///
    /// # Errors
    /// [`DomainError::Invalid`].
    pub fn check(&self) -> Result<(), DomainError> {
        let invalid = |what, why: String| Err(DomainError::Invalid { what, why });
        if self.permits == Some(0) {
            return invalid("permits", "it must be at least 1".to_owned());
        }
        for (what, list) in [
            ("authorizedUserSet", &self.users),
            ("authorizedIpSet", &self.addresses),
        ] {
            if list.len() > MAX_NAMED {
                return invalid(what, format!("at most {MAX_NAMED} are possible"));
            }
        }
        for name in &self.users {
            users::check_name(name).map_err(|_| DomainError::Invalid {
                what: "authorizedUserSet",
                why: format!("`{name}` is no name of a user"),
            })?;
        }
        match self.addresses.iter().find(|text| network(text).is_none()) {
            Some(text) => invalid("authorizedIpSet", format!("`{text}` is no address")),
            None => Ok(()),
        }
    }

    /// Bytes that its users and addresses take in every token.
    #[must_use]
    pub fn named_bytes(&self) -> usize {
        let names = self.users.iter().chain(&self.addresses);
        names.map(String::len).sum()
    }

    /// A token of this kind for an address.
    ///
    /// # Errors
    /// [`DomainError::Store`] without randomness.
    pub fn issue(&self, address: &Address, by: &str, now_ms: u64) -> Result<Issued, DomainError> {
        let secret = hex::encode(random::bytes::<24>()?);
        let lasts_s = u64::try_from(self.expire_seconds).unwrap_or(0);
        let token = Token {
            secret_sha256: key_of(&secret),
            project: address.project.clone(),
            repo: address.repo.clone(),
            path: address.path.to_string(),
            good_for: self.good_for,
            users: self.users.clone(),
            addresses: self.addresses.clone(),
            permits: self.permits,
            expires_ms: (lasts_s > 0).then(|| now_ms.saturating_add(lasts_s.saturating_mul(1000))),
            created_by: by.to_owned(),
            created_ms: now_ms,
        };
        Ok(Issued { secret, token })
    }
}

/// What the store knows a secret by.
#[must_use]
pub fn key_of(secret: &str) -> Sha256 {
    digest::sha256(secret.as_bytes())
}

/// The token with a secret, from its own last millisecond on gone.
///
/// # Errors
/// [`DomainError::TokenInvalid`], [`DomainError::TokenExpired`], [`DomainError::Store`].
pub fn find(rows: &dyn Rows, secret: &str, now_ms: u64) -> Result<Token, DomainError> {
    let token = rows.token(&key_of(secret))?;
    let token = token.ok_or_else(|| DomainError::TokenInvalid("it is not known".to_owned()))?;
    match token.expires_ms {
        Some(at_ms) if at_ms <= now_ms => Err(DomainError::TokenExpired),
        _ => Ok(token),
    }
}

/// Whether an address is the token's own, or lies below it.
#[must_use]
pub fn reaches(token: &Token, address: &Address) -> bool {
    let own = NodePath::parse(&token.path);
    token.project == address.project
        && token.repo == address.repo
        && own.is_ok_and(|own| address.path.segments().starts_with(own.segments()))
}

/// Whether somebody with this name may use the token.
#[must_use]
pub fn admits_user(token: &Token, name: &str) -> bool {
    token.users.is_empty() || token.users.iter().any(|user| user == name)
}

/// Whether the token may be used from an address.
#[must_use]
pub fn admits_address(token: &Token, address: Option<IpAddr>) -> bool {
    let lies_in = |text: &String| match (network(text), address) {
        (Some((network, bits)), Some(address)) => in_network(address, network, bits),
        _ => false,
    };
    token.addresses.is_empty() || token.addresses.iter().any(lies_in)
}

/// An address, or a network with the length of its prefix.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some((address, bits))
}

fn in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    // A socket for both families shows IPv4 as `::ffff:192.0.2.7`.
    let prefix = |address: u128, width: u32| match width - bits {
        128 => 0,
        rest => address >> rest,
    };
    match (address.to_canonical(), network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            prefix(a.to_bits().into(), 32) == prefix(n.to_bits().into(), 32)
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => prefix(a.to_bits(), 128) == prefix(n.to_bits(), 128),
        (canonical, network) => bits > 0 && canonical == network.to_canonical(),
    }
}

/// Takes one permit of a token that counts its uses; with the last one the token is gone.
///
/// # Errors
/// [`DomainError::TokenInvalid`] when there is none left.
pub fn take_permit(rows: &dyn Rows, secret_sha256: &Sha256) -> Result<Mutation, DomainError> {
    let token = rows.token(secret_sha256)?;
    let used_up = || DomainError::TokenInvalid("all its permits are used up".to_owned());
    let mut token = token.ok_or_else(used_up)?;
    token.permits = token.permits.map(|permits| permits.saturating_sub(1));
    Ok(match token.permits {
        Some(0) => Mutation::TokenDelete(TokenDelete {
            secret_sha256: *secret_sha256,
        }),
        _ => Mutation::TokenPut(token),
    })
}

/// Takes away all tokens that `goes` says so of: a repository or user that comes back under an old
/// name must not find the tokens of the old one.
///
/// # Errors
/// [`DomainError::Store`].
pub(super) fn revoke(
    rows: &dyn Rows,
    goes: impl Fn(&Token) -> bool,
) -> Result<Vec<Mutation>, DomainError> {
    let (mut mutations, mut after) = (Vec::new(), None);
    loop {
        let page = rows.tokens(after.as_ref(), PAGE)?;
        let Some(last) = page.last() else {
            return Ok(mutations);
        };
        after = Some(last.secret_sha256);
        mutations.extend(page.iter().filter(|token| goes(token)).map(|token| {
            Mutation::TokenDelete(TokenDelete {
                secret_sha256: token.secret_sha256,
            })
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(path: &str, addresses: &[&str]) -> Token {
        let wish = Wish {
            good_for: TokenUse::All,
            users: Vec::new(),
            addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
            permits: None,
            expire_seconds: 60,
        };
        wish.check().expect("a sound wish");
        let address = Address::new("p", "r", path).expect("an address");
        wish.issue(&address, "admin", 1000).expect("a token").token
    }

    #[test]
    fn paths_end_at_segments() {
        for (own, path, expected) in [
            ("/a", "/a", true),
            ("/a", "/a/b/c", true),
            ("/a", "/ab", false),
            ("/a", "/", false),
            ("/a/b", "/a", false),
            ("/", "/x", true),
        ] {
            let address = Address::new("p", "r", path).expect("an address");
            assert_eq!(
                reaches(&token(own, &[]), &address),
                expected,
                "{own} {path}"
            );
        }
        let elsewhere = Address::new("p", "other", "/a").expect("an address");
        assert!(!reaches(&token("/a", &[]), &elsewhere));
    }

    #[test]
    fn addresses_and_networks() {
        for (text, address, expected) in [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ] {
            let found = admits_address(&token("/", &[text]), address.parse().ok());
            assert_eq!(found, expected, "{text} {address}");
        }
        assert!(!admits_address(&token("/", &["0.0.0.0/0"]), None));
        assert!(admits_address(&token("/", &[]), None));
        for text in [
            "",
            "x",
            "192.0.2",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/",
            "1.1.1.1/-1",
        ] {
            assert_eq!(network(text), None, "{text}");
        }
    }

    #[test]
    fn secrets_differ_and_expiry_does_not_overflow() {
        let address = Address::new("p", "r", "/a").expect("an address");
        let mut wish = Wish {
            good_for: TokenUse::Upload,
            users: Vec::new(),
            addresses: Vec::new(),
            permits: None,
            expire_seconds: i64::MAX,
        };
        let (a, b) = (wish.issue(&address, "u", 1), wish.issue(&address, "u", 1));
        let (a, b) = (a.expect("a token"), b.expect("a token"));
        assert_ne!(a.secret, b.secret);
        assert_eq!((a.secret.len(), a.token.expires_ms), (48, Some(u64::MAX)));
        for never in [0, -1, i64::MIN] {
            wish.expire_seconds = never;
            let issued = wish.issue(&address, "u", 1).expect("a token");
            assert_eq!(issued.token.expires_ms, None);
        }
    }
}
