//! Delays: recorded in an `HdrHistogram`, kept as its quantiles.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest delay that is told apart from longer ones.
const DELAY_MAX_NS: u64 = 600_000_000_000;

/// Quantiles that a report keeps, close together where they matter.
const QUANTILES: [f64; 17] = [
    0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995,
    0.9999, 1.0,
];

/// Collects delays.
#[derive(Debug, Clone)]
pub struct Recorder(Histogram<u64>);

/// What a report keeps of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub count: u64,
    pub mean_us: f64,
    /// Quantile (0 to 1) and delay in microseconds, in order; empty without any delay.
    pub quantiles_us: Vec<(f64, f64)>,
}

impl Recorder {
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, DELAY_MAX_NS, 3);
        Self(histogram.expect("constant bounds that a histogram takes"))
    }

    /// Three digits are kept; what is longer than ten minutes counts as that.
    pub fn record(&mut self, delay: Duration) {
        let ns = u64::try_from(delay.as_nanos()).unwrap_or(DELAY_MAX_NS);
        self.0.saturating_record(ns.max(1));
    }

    /// Takes over what another one, made the same way, has recorded.
    pub fn add(&mut self, other: &Self) {
        // Cannot fail: both have the same bounds.
        let added = self.0.add(&other.0);
        debug_assert!(added.is_ok());
    }

    pub fn latency(&self) -> Latency {
        if self.0.is_empty() {
            return Latency::default();
        }
        let at = |quantile| {
            (
                quantile,
                crate::number::float(self.0.value_at_quantile(quantile)) / 1e3,
            )
        };
        Latency {
            count: self.0.len(),
            mean_us: self.0.mean() / 1e3,
            quantiles_us: QUANTILES.into_iter().map(at).collect(),
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// One of the quantiles that are kept, in milliseconds.
    pub fn ms(&self, quantile: f64) -> Option<f64> {
        let same = |(kept, _): &&(f64, f64)| (kept - quantile).abs() < 1e-9;
        self.quantiles_us.iter().find(same).map(|(_, us)| us / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_three_digits() {
        let mut recorder = Recorder::new();
        for us in 1..=10_000 {
            recorder.record(Duration::from_micros(us));
        }
        let latency = recorder.latency();

        for (quantile, ms) in [(0.5, 5.0), (0.99, 9.9), (1.0, 10.0)] {
            let found = latency.ms(quantile).unwrap();
            assert!((found / ms - 1.0).abs() < 1e-3, "{quantile}: {found}");
        }
        assert_eq!(latency.count, 10_000);
        assert_eq!(latency.ms(0.123), None);
    }

    #[test]
    fn two_recorders_make_one() {
        let (mut first, mut second) = (Recorder::new(), Recorder::new());
        first.record(Duration::from_millis(1));
        second.record(Duration::from_secs(3_600));
        first.add(&second);
        let latency = first.latency();

        assert_eq!(latency.count, 2);
        let longest = latency.ms(1.0).unwrap();
        assert!((longest / 600_000.0 - 1.0).abs() < 1e-3, "{longest}");
    }

    #[test]
    fn nothing_recorded_is_no_latency() {
        assert_eq!(Recorder::new().latency(), Latency::default());
        assert_eq!(Latency::default().ms(0.5), None);
    }
}
