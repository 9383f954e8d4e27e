//! Process-wide counters of what must not go unseen. The façade renders them for Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Requests answered.
    REQUESTS
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
}
