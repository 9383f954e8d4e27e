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
        std::thread::sleep(self.rest_behind(self.since.elapsed()));
        self.since = Instant::now();
    }

    /// How long to rest behind so much work.
    fn rest_behind(&self, work: Duration) -> Duration {
        let rest = work * (100 - self.share_percent) / self.share_percent;
        rest.min(LONGEST_REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_make_up_the_share_but_none_is_long() {
        for (share_percent, work_ms, rest_ms) in [
            (100, 10, 0),
            (101, 10, 0),
            (50, 10, 10),
            (20, 10, 40),
            (80, 20, 5),
            (50, 499, 499),
            (50, 501, 500),
            (1, 5, 495),
            (0, 5, 495),
            (0, 1_000, 500),
        ] {
            let rest = Pace::new(share_percent).rest_behind(Duration::from_millis(work_ms));
            assert_eq!(
                rest.as_millis(),
                rest_ms,
                "{share_percent} % of {work_ms} ms"
            );
        }
    }
}
