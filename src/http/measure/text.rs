//! Prometheus' text format.

use std::fmt::{Display, Write};

use crate::metrics::{BOUNDS_US, Histogram};

/// A page of metrics.
#[derive(Default)]
pub struct Text(String);

/// What kind of metric it is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How often something took how long.
    Histogram,
}

impl Text {
    /// A metric begins; its samples follow.
    pub fn metric(&mut self, name: &str, help: &str, kind: Kind) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// A sample. `labels` as they are written, without braces: none of their values may come from outside.
    pub fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        match labels.is_empty() {
            true => self.line(format_args!("{name} {value}")),
            false => self.line(format_args!("{name}{{{labels}}} {value}")),
        }
    }

    /// A metric with one sample.
    pub fn single(&mut self, name: &str, help: &str, kind: Kind, value: impl Display) {
        self.metric(name, help, kind);
        self.sample(name, "", value);
    }

    /// The samples of a histogram.
    pub fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let cumulative = histogram.cumulative();
        let comma = if labels.is_empty() { "" } else { "," };
        let bounds = BOUNDS_US.iter().map(|us| Some(seconds(*us)));
        for (bound, count) in bounds.chain([None]).zip(cumulative) {
            let bound = bound.as_deref().unwrap_or("+Inf");
            self.line(format_args!(
                "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}"
            ));
        }
        let count = cumulative.last().copied().unwrap_or(0);
        self.sample(&format!("{name}_sum"), labels, seconds(histogram.sum_us()));
        self.sample(&format!("{name}_count"), labels, count);
    }

    /// The page.
    pub fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _written = writeln!(self.0, "{line}");
    }
}

/// Microseconds as seconds, exactly.
fn seconds(us: u64) -> String {
    let (whole, rest) = (us / 1_000_000, us % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn seconds_are_exact() {
        for (us, text) in [
            (0, "0"),
            (10, "0.00001"),
            (250_000, "0.25"),
            (1_000_000, "1"),
            (30_000_000, "30"),
            (1_000_001, "1.000001"),
        ] {
            assert_eq!(seconds(us), text);
        }
    }

    #[test]
    fn a_histogram_is_cumulative() {
        static HISTOGRAM: Histogram = Histogram::new();
        HISTOGRAM.observe(Duration::from_micros(9));
        HISTOGRAM.observe(Duration::from_mins(1));
        let mut text = Text::default();
        text.metric("x_seconds", "What it is.", Kind::Histogram);
        text.histogram("x_seconds", "a=\"b\"", &HISTOGRAM);
        let text = text.finish();
        assert!(text.starts_with("# HELP x_seconds What it is.\n# TYPE x_seconds histogram\n"));
        for line in [
            "x_seconds_bucket{a=\"b\",le=\"0.00001\"} 1",
            "x_seconds_bucket{a=\"b\",le=\"30\"} 1",
            "x_seconds_bucket{a=\"b\",le=\"+Inf\"} 2",
            "x_seconds_sum{a=\"b\"} 60.000009",
            "x_seconds_count{a=\"b\"} 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
    }
}
