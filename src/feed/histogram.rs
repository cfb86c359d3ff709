//! How long things took: counted in buckets, so that any quantile can be told later.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The upper bounds of the buckets, in microseconds; above the last there is one more bucket. From a send to an apiserver that is minutes late.
const BOUNDS: [u64; 21] = [
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];

/// A distribution of durations. Takes no lock; whoever reads it while it is written sees each observation in whole or in part.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// Of all that was observed, in nanoseconds.
    sum: AtomicU64,
}

impl Histogram {
    /// Enters that something took so long.
    pub fn observe(&self, took: Duration) {
        self.observe_many(took, 1);
    }

    /// Enters that so many things took so long each.
    pub fn observe_many(&self, took: Duration, times: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.counts[bucket].fetch_add(times, Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum.fetch_add(nanos.saturating_mul(times), Relaxed);
    }

    /// The upper bound of each bucket, in seconds, infinity for the last; and how many observations are in it and in none before.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^52")]
        let bounds = BOUNDS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().map(|count| count.load(Relaxed)))
    }

    /// The sum of all that was observed.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for micros in [0, 50, 51, 1_000, 300_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        histogram.observe_many(Duration::from_hours(1), 2);
        let seen: Vec<(f64, u64)> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        let expected = [(0.000_05, 2), (0.000_1, 1), (0.001, 1), (300.0, 1), (f64::INFINITY, 2)];
        assert_eq!(seen, expected);
        assert_eq!(histogram.sum(), Duration::from_micros(300_001_101) + Duration::from_hours(2));
    }
}
