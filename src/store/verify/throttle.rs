//! How fast is read, so that clients are not disturbed.

use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::store::StoreError;

/// Says that work is to end.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// Slower than this nothing comes to an end.
const MIN_RATE: u64 = 64 << 10;
/// It is looked that often whether the work is to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Time that passed without reading is not made up for beyond this.
const MAX_CREDIT: Duration = Duration::from_secs(1);
/// Bytes read at once at most: others that keep chunks where they are wait for that.
const MAX_SLICE_BYTES: u64 = 64 << 20;
const MIN_SLICE_BYTES: u64 = 1 << 20;

/// Bytes in a second, 65,536 at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(NonZeroU64);

impl Rate {
    /// So many bytes in a second; `None` if they are too few.
    #[must_use]
    pub fn new(bytes: u64) -> Option<Self> {
        NonZeroU64::new(bytes)
            .filter(|bytes| bytes.get() >= MIN_RATE)
            .map(Self)
    }

    /// The number of bytes.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = text.parse().ok().and_then(Self::new);
        rate.ok_or_else(|| format!("`{text}` is no number of bytes of at least {MIN_RATE}"))
    }
}

/// Keeps to a rate.
pub(in crate::store) struct Throttle {
    rate: Option<Rate>,
    stop: Stop,
    begun: Instant,
    /// When all that was read so far may have been read, counted from the beginning.
    due: Duration,
}

impl Throttle {
    pub(in crate::store) fn new(rate: Option<Rate>, stop: Stop) -> Self {
        Self {
            rate,
            stop,
            begun: Instant::now(),
            due: Duration::ZERO,
        }
    }

    /// How much may be read before the next rest: what takes about a quarter of a second.
    pub(in crate::store) fn slice_bytes(&self) -> u64 {
        let quarter = self.rate.map_or(u64::MAX, |rate| rate.get() / 4);
        quarter.clamp(MIN_SLICE_BYTES, MAX_SLICE_BYTES)
    }

    /// To be called behind so many bytes, with nothing held that others wait for.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when the work is to end.
    pub(in crate::store) fn rest(&mut self, bytes: u64) -> Result<(), StoreError> {
        let mut left = self.wait(bytes, self.begun.elapsed());
        loop {
            if (self.stop)() {
                return Err(StoreError::Closed);
            }
            if left.is_zero() {
                return Ok(());
            }
            let step = left.min(LOOK_EVERY);
            std::thread::sleep(step);
            left -= step;
        }
    }

    /// How long to wait behind so many bytes, so long after the beginning.
    fn wait(&mut self, bytes: u64, elapsed: Duration) -> Duration {
        let Some(rate) = self.rate else {
            return Duration::ZERO;
        };
        let ns = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
        let took = Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX));
        self.due = self.due.max(elapsed.saturating_sub(MAX_CREDIT));
        self.due = self.due.saturating_add(took);
        self.due.saturating_sub(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(rate: u64) -> Throttle {
        Throttle::new(NonZeroU64::new(rate).map(Rate), Arc::new(|| false))
    }

    #[test]
    fn waits_add_up_to_the_rate() {
        let second = Duration::from_secs(1);
        let mut throttle = throttle(1000);
        assert_eq!(throttle.wait(500, Duration::ZERO), second / 2);
        assert_eq!(throttle.wait(1500, second / 2), second * 3 / 2);
        // What took longer by itself needs no wait; but a long pause is no right to a burst.
        assert_eq!(throttle.wait(100, second * 3), Duration::ZERO);
        assert_eq!(throttle.wait(5000, second * 100), second * 4);
    }

    #[test]
    fn any_rate_is_possible() {
        assert_eq!(throttle(0).wait(u64::MAX, Duration::ZERO), Duration::ZERO);
        assert_eq!(throttle(0).slice_bytes(), MAX_SLICE_BYTES);
        assert_eq!(throttle(40 << 20).slice_bytes(), 10 << 20);
        let mut slow = throttle(1);
        assert_eq!(slow.slice_bytes(), MIN_SLICE_BYTES);
        slow.wait(u64::MAX, Duration::ZERO);
        assert!(slow.wait(u64::MAX, Duration::ZERO) > Duration::from_hours(24));
        assert!(throttle(u64::MAX).wait(1 << 40, Duration::ZERO) < Duration::from_secs(1));
    }

    #[test]
    fn rates() {
        assert_eq!("65536".parse().map(Rate::get), Ok(65_536));
        for bad in ["0", "65535", "-1", "", "NaN", "1e9", "18446744073709551616"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn who_is_to_end_does_not_wait() {
        let mut throttle = Throttle::new(Rate::new(MIN_RATE), Arc::new(|| true));
        assert!(matches!(throttle.rest(u64::MAX), Err(StoreError::Closed)));
    }
}
