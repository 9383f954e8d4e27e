//! How much of its time reclaiming may work, so that it does not disturb clients.

use std::time::{Duration, Instant};

/// Never rests longer at once.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// Rests between slices of work.
pub struct Pace {
    share_percent: u32,
    since: Instant,
}

impl Pace {
    /// Works for so many percent of the time.
    pub fn new(share_percent: u32) -> Self {
        Self {
            share_percent: share_percent.clamp(1, 100),
            since: Instant::now(),
        }
    }

    /// To be called behind each slice of work.
    pub fn rest(&mut self) {
        if self.share_percent < 100 {
            let rest = self.since.elapsed() * (100 - self.share_percent) / self.share_percent;
            std::thread::sleep(rest.min(LONGEST_REST));
        }
        self.since = Instant::now();
    }
}
