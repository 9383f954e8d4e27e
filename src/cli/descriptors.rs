//! As many file descriptors as the system gives.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http::ConnectionLimits;

/// File descriptors that are not for connections: the store, logs, what is being read.
const OTHERS: u64 = 64;

/// Limits for which there are descriptors, after as many as possible were asked for.
pub fn within(limits: ConnectionLimits) -> ConnectionLimits {
    let Some(given) = raised() else {
        return limits;
    };
    let room = usize::try_from(given.saturating_sub(OTHERS).max(1)).unwrap_or(usize::MAX);
    if room >= limits.connections {
        return limits;
    }
    tracing::warn!(
        connections = room,
        wanted = limits.connections,
        "the system has file descriptors for fewer connections (RLIMIT_NOFILE)"
    );
    ConnectionLimits {
        connections: room,
        ..limits
    }
}

/// Raises the limit of file descriptors as far as it may be raised, and says what it is then; `None`
/// is no limit.
fn raised() -> Option<u64> {
    let given = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: given.maximum,
        ..given
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "RLIMIT_NOFILE stays as it is");
    }
    getrlimit(Resource::Nofile).current
}
