//! When there is enough to give back.

use std::str::FromStr;

use super::GcReport;

/// How much must be reclaimable before it is given back without being asked for. Read from `off`,
/// `10%` or a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GcAt {
    /// Never.
    Off,
    /// So many percent of the chunk bytes that are not given back yet.
    Percent(u8),
    /// So many bytes.
    Bytes(u64),
}

impl GcAt {
    /// Whether what a dry run told is enough. Nothing at all never is.
    #[must_use]
    pub fn is_reached(self, would: &GcReport) -> bool {
        let bytes = would.freed_bytes;
        let all = u128::from(bytes) + u128::from(would.live_bytes);
        bytes > 0
            && match self {
                Self::Off => false,
                Self::Percent(percent) => u128::from(bytes) * 100 >= all * u128::from(percent),
                Self::Bytes(least) => bytes >= least,
            }
    }
}

impl FromStr for GcAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is neither `off`, nor like `10%`, nor a number of bytes");
        if text == "off" {
            return Ok(Self::Off);
        }
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.parse().ok().filter(|percent| *percent <= 100);
                percent.map(Self::Percent).ok_or_else(bad)
            }
            None => text.parse().map(Self::Bytes).map_err(|_| bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds() {
        let would = |freed_bytes, live_bytes| GcReport {
            freed_bytes,
            live_bytes,
            ..GcReport::default()
        };
        for (at, freed, live, reached) in [
            ("off", 100, 0, false),
            ("10%", 10, 90, true),
            ("10%", 9, 91, false),
            ("0%", 0, 100, false),
            ("0%", 1, 100, true),
            ("100%", u64::MAX, u64::MAX, false),
            ("1000", 1000, u64::MAX, true),
            ("1000", 999, 0, false),
        ] {
            let at: GcAt = at.parse().unwrap();
            assert_eq!(at.is_reached(&would(freed, live)), reached, "{at:?}");
        }
        for bad in ["", "%", "101%", "-1", "1.5%", "on", "10 %"] {
            assert!(bad.parse::<GcAt>().is_err(), "{bad}");
        }
    }
}
