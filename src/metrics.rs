//! Process-wide figures of what must not go unseen: counters, gauges, durations. The façade renders them
//! for Prometheus.
//!
//! **Invariant.** Noting something costs a few relaxed atomic operations: it neither locks, nor allocates,
//! nor waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A counter that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many of something there are now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Counts one more, for as long as what this gives lives.
    #[must_use]
    pub fn enter(&'static self) -> Entered {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(self)
    }

    /// How many there are.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of those that a [`Gauge`] counts.
#[derive(Debug)]
pub struct Entered(&'static Gauge);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A figure that is looked up now and then, because that takes long; none until then.
#[derive(Debug)]
pub struct Latest(AtomicU64);

impl Latest {
    const NONE: u64 = u64::MAX;

    /// Not looked up yet.
    pub const fn new() -> Self {
        Self(AtomicU64::new(Self::NONE))
    }

    /// It is `n` now.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// What it was when it was looked up last.
    pub fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|n| *n != Self::NONE)
    }
}

impl Default for Latest {
    fn default() -> Self {
        Self::new()
    }
}

/// Upper bounds of the buckets of every [`Histogram`], in microseconds: from an answer out of memory to
/// an upload over a slow line.
pub const BOUNDS_US: [u64; 18] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
    500_000, 1_000_000, 5_000_000, 30_000_000,
];

/// How long something took, each time.
#[derive(Debug)]
pub struct Histogram {
    /// How often no longer than a bound, and longer than the one before; the last: longer than all.
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BOUNDS_US.len() + 1],
            sum_us: AtomicU64::new(0),
        }
    }

    /// It took so long once more.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// How often it took no longer than each bound, and at last how often at all.
    pub fn cumulative(&self) -> [u64; BOUNDS_US.len() + 1] {
        let mut sum = 0;
        self.buckets.each_ref().map(|bucket| {
            sum += bucket.load(Ordering::Relaxed);
            sum
        })
    }

    /// How long it took, all in all, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Ordering::Relaxed)
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// Syncs of the pack file.
pub static SYNC_DURATION: Histogram = Histogram::new();
/// Changes, from being handed to the committer to being acknowledged.
pub static COMMIT_DURATION: Histogram = Histogram::new();
/// Changes that wait for the committer, or that it is working on.
pub static PENDING_COMMITS: Gauge = Gauge(AtomicU64::new(0));
/// Open connections.
pub static CONNECTIONS: Gauge = Gauge(AtomicU64::new(0));
/// Requests that are being answered, but for those that are answered at once.
pub static RUNNING_REQUESTS: Gauge = Gauge(AtomicU64::new(0));
/// Bytes of chunks that something referred to when reclaiming looked last.
pub static LIVE_BYTES: Latest = Latest::new();
/// Bytes of chunks that nothing referred to when reclaiming looked last.
pub static RECLAIMABLE_BYTES: Latest = Latest::new();

macro_rules! counters {
    ($($(#[doc = $help:literal])+ $name:ident)+) => {
        $($(#[doc = $help])+ pub static $name: Counter = Counter(AtomicU64::new(0));)+

        /// Every counter: its name in Prometheus' style, what it counts, its value.
        pub fn all() -> Vec<(String, &'static str, u64)> {
            vec![$((
                format!("packhold_{}_total", stringify!($name).to_lowercase()),
                concat!($($help),+).trim(),
                $name.get(),
            )),+]
        }
    };
}

counters! {
    /// Payloads whose CRC-32 did not fit when they were read.
    DAMAGED_READS
    /// Damaged payloads that were answered from another copy.
    HEALED_READS
    /// Groups of commits written, one sync each.
    COMMIT_GROUPS
    /// Commits acknowledged.
    COMMITS
    /// Syncs of the pack file.
    SYNCS
    /// Bytes appended to the pack file.
    APPENDED_BYTES
    /// Bytes received in uploads.
    RECEIVED_BYTES
    /// Bytes of uploads that were in the pack already.
    SHARED_BYTES
    /// Bytes sent in downloads.
    SENT_BYTES
    /// Runs of reclaiming that went through.
    GC_RUNS
    /// Bytes of chunks and manifests freed.
    FREED_BYTES
    /// Bytes of the pack given back to the file system.
    PUNCHED_BYTES
    /// Bytes of records that were read and checked by verifications and scrubs.
    CHECKED_BYTES
    /// Chunks that were found damaged by verifications and scrubs.
    DAMAGED_CHUNKS
    /// Damaged chunks for which an intact copy was recorded.
    REPAIRED_CHUNKS
    /// Scrubs of the whole pack that went through.
    SCRUBS
    /// Compactions that went through.
    COMPACTIONS
    /// Downloads that were answered at once, of files that were remembered.
    HOT_ANSWERS
    /// Bytes read from connections.
    NETWORK_RECEIVED_BYTES
    /// Bytes written to connections.
    NETWORK_SENT_BYTES
    /// Connections taken up.
    ACCEPTED_CONNECTIONS
    /// Connections closed because others wanted their place.
    EVICTED_CONNECTIONS
    /// Connections refused because all others were busy.
    REFUSED_CONNECTIONS
    /// Logins that cost a password hash.
    PASSWORD_HASHES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_prometheus_names() {
        SYNCS.add(2);
        let all = all();
        let syncs = all.iter().find(|(name, ..)| name == "packhold_syncs_total");
        assert!(syncs.is_some_and(|(_, help, n)| *help == "Syncs of the pack file." && *n >= 2));
    }

    #[test]
    fn durations_fall_into_the_bucket_that_holds_them() {
        let histogram = Histogram::new();
        for us in [0, 10, 11, 30_000_000, 30_000_001, u64::MAX / 2] {
            histogram.observe(Duration::from_micros(us));
        }
        let cumulative = histogram.cumulative();
        assert_eq!(cumulative[..3], [2, 3, 3]);
        assert_eq!(cumulative[BOUNDS_US.len() - 1..], [4, 6]);
        assert_eq!(histogram.sum_us(), 10 + 11 + 60_000_001 + u64::MAX / 2);
        assert!(BOUNDS_US.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn who_is_gone_is_not_counted() {
        static HERE: Gauge = Gauge(AtomicU64::new(0));
        let one = HERE.enter();
        let two = HERE.enter();
        assert_eq!(HERE.get(), 2);
        drop(one);
        assert_eq!(HERE.get(), 1);
        drop(two);
        assert_eq!(HERE.get(), 0);
    }

    #[test]
    fn what_was_never_looked_up_is_not_told() {
        let latest = Latest::new();
        assert_eq!(latest.get(), None);
        latest.set(0);
        assert_eq!(latest.get(), Some(0));
    }
}
