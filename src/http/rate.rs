//! How often one client may ask.
//!
//! Every client has a bucket of tokens: each request takes one, and so many come back every second, up
//! to what ten seconds bring. A bucket is one number: when it is full again (GCRA). A client is an
//! IPv4 address, or the first half of an IPv6 address, of which one customer has all of the second
//! half. Clients of a proxy that is not trusted are one client, and so are those whose address the
//! proxy does not tell.
//!
//! Memory is bounded: clients are remembered in two generations of so many each, and the older one is
//! forgotten when the younger one is full. A client that is forgotten has a full bucket again: with
//! more addresses than that somebody escapes the limit, and nobody else is ever refused for it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use parking_lot::Mutex;
use warp::http::HeaderValue;
use warp::reply::Response;

/// A full bucket has what comes back in this many seconds.
const BURST_S: u64 = 10;
/// Clients of a generation; each takes some 50 bytes.
const GENERATION: usize = 1 << 15;

const SECOND_NS: u64 = 1_000_000_000;

/// Who is counted together; `None` for those whose address nobody knows.
type Client = Option<IpAddr>;

/// What is known of clients' requests.
#[derive(Debug)]
pub struct Rate {
    per_second: Option<NonZeroU32>,
    clients: Mutex<Clients>,
}

/// When the bucket of each client is full again, in nanoseconds.
#[derive(Debug, Default)]
struct Clients {
    younger: HashMap<Client, u64>,
    older: HashMap<Client, u64>,
}

/// What a request's bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Tokens in a full bucket.
    pub limit: u64,
    /// Tokens in it now.
    pub left: u64,
    /// Seconds until it is full.
    pub full_s: u64,
    /// Seconds until there is a token, when the request got none.
    pub wait_s: Option<u64>,
}

impl Rate {
    /// So many requests per second for each client.
    pub fn new(per_second: Option<NonZeroU32>) -> Self {
        Self {
            per_second,
            clients: Mutex::default(),
        }
    }

    /// Takes a token for a request of somebody; `None` when nothing is limited.
    pub fn take(&self, peer: Option<IpAddr>, now_ms: u64) -> Option<Tokens> {
        let per_second = u64::from(self.per_second?.get());
        let (each_ns, burst_ns) = (SECOND_NS / per_second, SECOND_NS * BURST_S);
        let now_ns = now_ms.saturating_mul(1_000_000);
        let mut clients = self.clients.lock();
        let full = clients.bucket(peer.map(group), now_ns);
        // Further away only when the clock went back.
        let ahead_ns = full.saturating_sub(now_ns);
        let ahead_ns = if ahead_ns > burst_ns { 0 } else { ahead_ns };
        let next_ns = ahead_ns + each_ns;
        let lacks_ns = next_ns.saturating_sub(burst_ns);
        let ahead_ns = if lacks_ns == 0 {
            *full = now_ns.saturating_add(next_ns);
            next_ns
        } else {
            ahead_ns
        };
        Some(Tokens {
            limit: per_second * BURST_S,
            left: (burst_ns - ahead_ns) / each_ns,
            full_s: ahead_ns.div_ceil(SECOND_NS),
            wait_s: (lacks_ns > 0).then(|| lacks_ns.div_ceil(SECOND_NS)),
        })
    }
}

impl Clients {
    fn bucket(&mut self, client: Client, now_ns: u64) -> &mut u64 {
        if self.younger.len() >= GENERATION && !self.younger.contains_key(&client) {
            self.older = std::mem::take(&mut self.younger);
        }
        let older = &mut self.older;
        let known = || older.remove(&client).unwrap_or(now_ns);
        self.younger.entry(client).or_insert_with(known)
    }
}

/// The address that all addresses of a client have in common.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl Tokens {
    /// Puts the headers that OCP's clients are told it with.
    pub fn tell(&self, response: &mut Response) {
        for (name, value) in [
            ("ratelimit-limit", self.limit),
            ("ratelimit-remaining", self.left),
            ("ratelimit-reset", self.full_s),
        ] {
            response
                .headers_mut()
                .insert(name, HeaderValue::from(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: u32) -> Rate {
        Rate::new(NonZeroU32::new(per_second))
    }

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let (rate, ann) = (rate(2), ip("192.0.2.1"));
        for left in (0..20).rev() {
            let tokens = rate.take(ann, 1000).expect("a limit");
            assert_eq!((tokens.left, tokens.wait_s), (left, None));
            assert_eq!(tokens.limit, 20);
        }
        for _ in 0..3 {
            let tokens = rate.take(ann, 1000).expect("a limit");
            assert_eq!((tokens.left, tokens.wait_s), (0, Some(1)));
            assert_eq!(tokens.full_s, 10);
        }
        assert_eq!(rate.take(ip("192.0.2.2"), 1000).map(|t| t.left), Some(19));
        assert_eq!(rate.take(ann, 1499).and_then(|t| t.wait_s), Some(1));
        assert_eq!(rate.take(ann, 1500).and_then(|t| t.wait_s), None);
        assert_eq!(rate.take(ann, 1500).and_then(|t| t.wait_s), Some(1));
        assert_eq!(rate.take(ann, 1_000_000).map(|t| t.left), Some(19));
        assert_eq!(rate.take(ann, 0).map(|t| t.left), Some(19), "another clock");
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let rate = Rate::new(None);
        assert_eq!(rate.take(ip("192.0.2.1"), 0), None);
        assert_eq!(rate.clients.lock().younger.len(), 0);
    }

    #[test]
    fn a_client_is_an_address_or_half_of_one() {
        let rate = rate(1);
        let left = |text: &str| rate.take(ip(text), 0).map(|tokens| tokens.left);
        assert_eq!(left("2001:db8:0:1::1"), Some(9));
        assert_eq!(left("2001:db8:0:1:ffff::2"), Some(8));
        assert_eq!(left("2001:db8:0:2::1"), Some(9));
        assert_eq!(left("192.0.2.1"), Some(9));
        assert_eq!(left("::ffff:192.0.2.1"), Some(8));
        assert_eq!(left("unknown"), Some(9));
        assert_eq!(left("unknown, too"), Some(8));
    }

    #[test]
    fn many_clients_take_bounded_memory() {
        let rate = rate(1);
        let busy = ip("192.0.2.1");
        for _ in 0..10 {
            assert_eq!(rate.take(busy, 0).and_then(|t| t.wait_s), None);
        }
        for n in 0..5 * u32::try_from(GENERATION).expect("few") {
            let [a, b, c, d] = n.to_be_bytes();
            let other = IpAddr::from([10 + a, b, c, d]);
            assert_eq!(rate.take(Some(other), 0).and_then(|t| t.wait_s), None);
            if n % 1000 == 0 {
                let refused = rate.take(busy, 0).and_then(|t| t.wait_s);
                assert!(refused.is_some(), "who keeps asking is not forgotten");
            }
        }
        let clients = rate.clients.lock();
        assert!(clients.younger.len() <= GENERATION && clients.older.len() <= GENERATION);
    }
}
