//! Failed logins: how many there were lately, from an address and for a user.
//!
//! Every minute half of them is forgotten. An attempt is charged before it is checked, and refunded
//! when it was right: a thousand wrong ones at once are a thousand, not one after the other none.
//!
//! Who logged in as a user lately does so again whatever strangers elsewhere try for that user.
//!
//! Names are kept as keyed digests: an attacker chooses them, and neither finds two of one digest nor
//! has long ones remembered.

use std::net::IpAddr;

use parking_lot::Mutex;

use super::recent::Recent;
use crate::digest;
use crate::domain::{DomainError, random};

/// After this long half of the failures are forgotten.
const HALF_LIFE_MS: u64 = 60_000;
/// Addresses and users whose failures are counted at most, in each of two generations.
const MAX_COUNTED: usize = 1 << 15;
/// Pairs of address and user that are known to be right at most, in each of two generations.
const MAX_KNOWN: usize = 1 << 12;
/// Bits of an IPv6 address that one customer has.
const V6_BITS: u32 = 64;

/// How many failures cost nothing yet, within about a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From an address, or an IPv6 network of 64 bits.
    pub per_address: u32,
    /// For a user, from wherever.
    pub per_user: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_address: 50,
            per_user: 20,
        }
    }
}

/// Who tries, and as whom.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The address of who tries; all that are unknown count as one.
    pub address: Option<IpAddr>,
    /// The user, or the key; `None` where the credentials name nobody.
    pub user: Option<&'a str>,
}

/// There were more failures than cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excess {
    /// How many more.
    pub failures: u32,
    /// In how many seconds that is over, if there are no others.
    pub over_in_s: u64,
}

/// A keyed digest of an address, of a user, or of both.
type Key = [u8; 16];

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    since_ms: u64,
}

impl Count {
    fn none(now_ms: u64) -> Self {
        Self {
            failures: 0,
            since_ms: now_ms,
        }
    }

    fn at(self, now_ms: u64) -> Self {
        let halvings = now_ms.saturating_sub(self.since_ms) / HALF_LIFE_MS;
        let shift = u32::try_from(halvings).unwrap_or(u32::MAX);
        Self {
            failures: self.failures.checked_shr(shift).unwrap_or(0),
            since_ms: self.since_ms + halvings * HALF_LIFE_MS,
        }
    }

    fn excess(self, limit: u32, now_ms: u64) -> Option<Excess> {
        let failures = (self.failures + 1).checked_sub(limit)?;
        let (mut left, mut halvings) = (self.failures, 0);
        while left >= limit && left > 0 {
            left /= 2;
            halvings += 1;
        }
        let over_ms = self.since_ms + halvings * HALF_LIFE_MS;
        (failures > 0).then(|| Excess {
            failures,
            over_in_s: over_ms.saturating_sub(now_ms).div_ceil(1000).max(1),
        })
    }
}

struct Tables {
    counts: Recent<Key, Count>,
    known: Recent<Key, ()>,
}

/// The failures of lately. Memory is bounded: some five megabytes.
pub struct Failures {
    limits: Limits,
    secret: [u8; 32],
    tables: Mutex<Tables>,
}

impl Failures {
    /// None yet.
    ///
    /// # Errors
    /// [`DomainError::Store`] without randomness.
    pub fn new(limits: Limits) -> Result<Self, DomainError> {
        Ok(Self {
            limits,
            secret: random::bytes()?,
            tables: Mutex::new(Tables {
                counts: Recent::new(MAX_COUNTED),
                known: Recent::new(MAX_KNOWN),
            }),
        })
    }

    /// Counts an attempt as failed, and says whether there were too many before it.
    pub fn charge(&self, who: Who<'_>, now_ms: u64) -> Option<Excess> {
        let mut tables = self.tables.lock();
        let at_home = self.is_known(&tables, who);
        let mut worst: Option<Excess> = None;
        for (key, of) in self.counted(who) {
            let limit = match of {
                Of::Address => self.limits.per_address,
                Of::User => self.limits.per_user,
            };
            let mut count = match tables.counts.peek(&key) {
                Some(count) => count.at(now_ms),
                None => Count::none(now_ms),
            };
            let excess = count.excess(limit, now_ms);
            if !(of == Of::User && at_home) {
                worst = worst.max(excess);
            }
            count.failures = count.failures.saturating_add(1).min(u32::MAX / 2);
            tables.counts.put(key, count);
        }
        worst
    }

    /// An attempt that was charged was right.
    pub fn succeeded(&self, who: Who<'_>, now_ms: u64) {
        self.refund(who, now_ms);
        if who.user.is_some() {
            self.tables.lock().known.put(self.pair(who), ());
        }
    }

    /// An attempt that was charged came to nothing.
    pub fn refund(&self, who: Who<'_>, now_ms: u64) {
        let mut tables = self.tables.lock();
        for (key, _) in self.counted(who) {
            let Some(count) = tables.counts.peek(&key).copied() else {
                continue;
            };
            let mut count = count.at(now_ms);
            count.failures = count.failures.saturating_sub(1);
            match count.failures {
                0 => tables.counts.remove(&key),
                _ => tables.counts.put(key, count),
            }
        }
    }

    fn is_known(&self, tables: &Tables, who: Who<'_>) -> bool {
        who.user.is_some() && tables.known.peek(&self.pair(who)).is_some()
    }

    fn counted(&self, who: Who<'_>) -> Vec<(Key, Of)> {
        let address = self.key(&[b"address", &network(who.address)]);
        let user = who.user.map(|name| self.key(&[b"user", name.as_bytes()]));
        let user = user.map(|key| (key, Of::User));
        [(address, Of::Address)].into_iter().chain(user).collect()
    }

    fn pair(&self, who: Who<'_>) -> Key {
        let name = who.user.unwrap_or_default();
        self.key(&[b"pair", &network(who.address), name.as_bytes()])
    }

    fn key(&self, parts: &[&[u8]]) -> Key {
        let mut bytes = self.secret.to_vec();
        for part in parts {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(*part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&digest::sha256(&bytes)[..16]);
        key
    }
}

/// What failures are counted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Address,
    User,
}

/// What counts of an address: of IPv6 one customer has a whole network.
fn network(address: Option<IpAddr>) -> Vec<u8> {
    match address.map(|address| address.to_canonical()) {
        None => Vec::new(),
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => {
            let network = address.to_bits() >> (128 - V6_BITS);
            network.to_be_bytes().to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        per_address: 4,
        per_user: 3,
    };

    fn failures() -> Failures {
        Failures::new(LIMITS).expect("randomness")
    }

    fn who<'a>(address: &str, user: &'a str) -> Who<'a> {
        Who {
            address: address.parse().ok(),
            user: Some(user),
        }
    }

    #[test]
    fn users_and_addresses_have_their_limits() {
        let failures = failures();
        for n in 0..3 {
            assert_eq!(failures.charge(who("192.0.2.1", "ann"), n), None, "{n}");
        }
        let excess = failures.charge(who("192.0.2.2", "ann"), 3).expect("three");
        assert_eq!(
            excess,
            Excess {
                failures: 1,
                over_in_s: 60
            }
        );
        assert_eq!(
            failures.charge(who("192.0.2.1", "bob"), 3),
            None,
            "the fourth"
        );
        assert!(failures.charge(who("192.0.2.1", "cid"), 3).is_some());
        assert_eq!(failures.charge(who("192.0.2.2", "cid"), 3), None);
    }

    #[test]
    fn a_network_is_one_address() {
        let failures = failures();
        for n in 1..=4 {
            let address = format!("2001:db8:0:1::{n}");
            let user = format!("user{n}");
            assert_eq!(failures.charge(who(&address, &user), 0), None);
        }
        assert!(
            failures
                .charge(who("2001:db8:0:1:ffff::", "x"), 0)
                .is_some()
        );
        assert_eq!(failures.charge(who("2001:db8:0:2::1", "y"), 0), None);
        assert_eq!(failures.charge(who("nobody knows", "z"), 0), None);
    }

    #[test]
    fn half_is_forgotten_every_minute() {
        let failures = failures();
        let ann = who("192.0.2.1", "ann");
        for _ in 0..12 {
            failures.charge(ann, 1000);
        }
        // 12, 6, 3, 1: below three after three minutes.
        let excess = failures.charge(ann, 31_000).expect("twelve");
        assert_eq!(
            excess,
            Excess {
                failures: 10,
                over_in_s: 3 * 60 - 30
            }
        );
        assert!(failures.charge(ann, 1000 + 60_000).is_some());
        assert_eq!(failures.charge(ann, 1000 + 3 * 60_000), None);
        assert_eq!(failures.charge(ann, u64::MAX), None);
    }

    #[test]
    fn a_right_one_is_no_failure() {
        let failures = failures();
        let ann = who("192.0.2.1", "ann");
        for n in 0..100 {
            assert_eq!(failures.charge(ann, n), None);
            failures.succeeded(ann, n);
        }
    }

    #[test]
    fn who_was_right_lately_does_not_suffer_from_strangers() {
        let failures = failures();
        let ann = who("192.0.2.1", "ann");
        failures.charge(ann, 0);
        failures.succeeded(ann, 0);
        for n in 0..100 {
            failures.charge(who(&format!("203.0.113.{n}"), "ann"), 0);
        }
        assert_eq!(failures.charge(ann, 0), None);
        assert!(failures.charge(who("192.0.2.9", "ann"), 0).is_some());
        for _ in 0..4 {
            failures.charge(who("192.0.2.1", "bob"), 0);
        }
        assert!(failures.charge(ann, 0).is_some(), "the own address counts");
    }
}
