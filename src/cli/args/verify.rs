//! What can be typed about checking.

use std::time::Duration;

use super::super::heal::Origin;
use super::{At, bytes};
use crate::store::{Rate, SampleSize};

/// The shortest period of a scrub.
const MIN_PERIOD: Duration = Duration::from_hours(1);
/// The longest one.
const MAX_PERIOD: Duration = Duration::from_hours(24 * 3650);

/// `packhold verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Where the store is, and how the answer looks.
    #[command(flatten)]
    pub at: At,
    /// Record intact copies of damaged chunks, where the pack has any.
    #[arg(long)]
    pub repair: bool,
    /// With --repair: fetch what is damaged from here, by its digest: a running server, with the same user
    /// and password, or a pack that is not served. May be given several times; they are tried in order.
    #[arg(
        long,
        value_name = "URL|PACK",
        requires = "repair",
        conflicts_with = "sample"
    )]
    pub from: Vec<Origin>,
    /// Check only a random part: a share like 5%, or a number of bytes (K, M, G are powers of 1024).
    #[arg(long, value_name = "SIZE", value_parser = sample)]
    pub sample: Option<SampleSize>,
    /// Draw the sample that was drawn with this number before.
    #[arg(long, value_name = "NUMBER", requires = "sample")]
    pub seed: Option<u64>,
    /// Read no more than so much in a second, like 50M or 50MB/s.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<Rate>,
}

/// A share, or a number of bytes with or without unit.
fn sample(text: &str) -> Result<SampleSize, String> {
    match bytes(text) {
        Ok(0) | Err(_) => text.parse(),
        Ok(bytes) => Ok(SampleSize::Bytes(bytes)),
    }
}

/// Bytes in a second.
fn rate(text: &str) -> Result<Rate, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let number = number.strip_suffix(['B', 'b']).unwrap_or(number);
    let number = number.strip_suffix('i').unwrap_or(number);
    Rate::new(bytes(number)?).ok_or_else(|| "must be at least 64K".to_owned())
}

/// How often; never, if it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(pub Option<Duration>);

/// A period like `30d`, `12h` or `90m`, or `off`.
pub fn period(text: &str) -> Result<Period, String> {
    if text == "off" {
        return Ok(Period(None));
    }
    let bad = || "must be like 30d or 12h, an hour to 3650 days, or off".to_owned();
    let (digits, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(bad)?;
    let seconds: u64 = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        _ => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let period = number.checked_mul(seconds).map(Duration::from_secs);
    let period = period.filter(|period| (MIN_PERIOD..=MAX_PERIOD).contains(period));
    let period = period.ok_or_else(bad)?;
    Ok(Period(Some(period)))
}

/// A short time like `1s` or `500ms`, or `off`.
pub fn short_period(text: &str) -> Result<Period, String> {
    if text == "off" {
        return Ok(Period(None));
    }
    let bad = || "must be like 1s or 500ms, a day at most, or off".to_owned();
    let (digits, ms_each) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1),
        (None, Some(digits)) => (digits, 1_000),
        (None, None) => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let ms = number.checked_mul(ms_each).filter(|ms| *ms <= 86_400_000);
    Ok(Period(Some(Duration::from_millis(ms.ok_or_else(bad)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_periods() {
        for (text, ms) in [
            ("1s", 1_000),
            ("500ms", 500),
            ("0ms", 0),
            ("86400s", 86_400_000),
        ] {
            let period = short_period(text).expect(text);
            assert_eq!(period.0, Some(Duration::from_millis(ms)), "{text}");
        }
        assert!(short_period("off").expect("off").0.is_none());
        for bad in [
            "",
            "1",
            "s",
            "ms",
            "-1s",
            "1.5s",
            "86401s",
            "1m",
            "99999999999999999s",
        ] {
            assert!(short_period(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates() {
        for (text, bytes) in [
            ("50M", 50 << 20),
            ("50MB/s", 50 << 20),
            ("50MiB/s", 50 << 20),
            ("65536", 65_536),
            ("70000B/s", 70_000),
            ("2G/s", 2 << 30),
        ] {
            assert_eq!(rate(text).map(Rate::get), Ok(bytes), "{text}");
        }
        for bad in [
            "",
            "0",
            "0MB/s",
            "-1",
            "NaN",
            "inf",
            "MB/s",
            "/s",
            "1.5M",
            "99999999999G",
        ] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn samples() {
        assert_eq!(sample("4k"), Ok(SampleSize::Bytes(4096)));
        assert_eq!(sample("5%"), Ok(SampleSize::Share(50_000)));
        for bad in ["0", "0k", "0%", "101%", "NaN%", "k", "", "99999999999G"] {
            assert!(sample(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn periods() {
        assert_eq!(period("off"), Ok(Period(None)));
        for (text, hours) in [("30d", 720), ("12h", 12), ("90m", 1), ("3650d", 87_600)] {
            let found = period(text).ok().and_then(|period| period.0);
            let found = found.map(|period| period.as_secs() / 3600);
            assert_eq!(found, Some(hours), "{text}");
        }
        for bad in [
            "",
            "0d",
            "59m",
            "3651d",
            "1.5d",
            "-1d",
            "d",
            "30",
            "30 d",
            "1é",
            "99999999999999999999d",
        ] {
            assert!(period(bad).is_err(), "{bad}");
        }
    }
}
