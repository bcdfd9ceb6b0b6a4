//! A histogram of times with a known error, of one size, which is never allocated anew.
//!
//! Buckets are log-linear: each doubling is cut into 64 of one width, so that a time is known to 1.6 %.

use serde_json::{Value, json};
use std::time::Duration;

/// Bits of a time that are kept.
const BITS: u32 = 6;
const STEPS: usize = 1 << BITS;
/// Up to 2^42 ns, more than an hour; whatever is longer counts as that.
const TOP: u32 = 42;
const BUCKETS: usize = STEPS * (TOP - BITS + 1) as usize;

/// How many took how long.
#[derive(Clone)]
pub(crate) struct Histogram {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), count: 0, longest: Duration::ZERO }
    }
}

impl Histogram {
    /// Takes note of one time.
    pub(crate) fn record(&mut self, time: Duration) {
        self.buckets[bucket(time)] += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    /// Adds all that another has noted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(other.buckets.iter()).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    /// How many times were recorded.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The time that `share` of all do not exceed; none when nothing was recorded.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(middle(found).min(self.longest))
    }

    /// Quantiles in microseconds, null where there are none.
    pub(crate) fn report(&self) -> Value {
        let micros = |share| self.quantile(share).map(micros);
        json!({
            "count": self.count,
            "p50": micros(0.5),
            "p90": micros(0.9),
            "p99": micros(0.99),
            "max": (self.count > 0).then(|| self::micros(self.longest)),
        })
    }
}

fn micros(time: Duration) -> f64 {
    (time.as_nanos() / 100) as f64 / 10.0
}

fn bucket(time: Duration) -> usize {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min((1 << TOP) - 1);
    // Below the first doubling a bucket is a nanosecond wide.
    let doubling = (nanos | STEPS as u64).ilog2() - BITS;
    (doubling as usize) * STEPS + (nanos >> doubling) as usize
}

fn middle(bucket: usize) -> Duration {
    if bucket < 2 * STEPS {
        return Duration::from_nanos(bucket as u64);
    }
    let doubling = bucket / STEPS - 1;
    let from = ((bucket - doubling * STEPS) as u64) << doubling;
    Duration::from_nanos(from + (1 << doubling) / 2)
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, Histogram, TOP, bucket, middle};
    use serde_json::Value;
    use std::time::Duration;

    #[test]
    fn a_time_is_known_to_less_than_two_parts_in_a_hundred() {
        for nanos in (0..TOP).flat_map(|bits| [0, 1, 3].map(|more| (1u64 << bits) + more * (1 << bits) / 5)) {
            let found = middle(bucket(Duration::from_nanos(nanos))).as_nanos() as f64;
            assert!((found - nanos as f64).abs() <= nanos as f64 * 0.016, "{nanos} is taken for {found}");
        }
    }

    #[test]
    fn buckets_follow_each_other_to_the_last() {
        let all: Vec<_> = (0..BUCKETS).map(middle).collect();
        assert!(all.is_sorted_by(|one, next| one < next));
        assert!((0..BUCKETS).all(|at| bucket(middle(at)) == at));
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_ranks() {
        let mut histogram = Histogram::default();
        (1..=100).for_each(|time| histogram.record(Duration::from_nanos(time)));
        for (share, nanos) in [(0.0, 1), (0.5, 50), (0.9, 90), (0.99, 99), (1.0, 100)] {
            assert_eq!(histogram.quantile(share), Some(Duration::from_nanos(nanos)), "{share}");
        }
    }

    #[test]
    fn two_together_are_as_one() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_micros(10));
        other.record(Duration::from_millis(3));
        one.add(&other);
        let report = one.report();
        assert_eq!((&report["count"], &report["max"]), (&Value::from(2), &Value::from(3000.0)));
        let p50 = report["p50"].as_f64().unwrap();
        assert!((p50 - 10.0).abs() <= 0.16, "{p50}");
    }

    #[test]
    fn nothing_has_no_quantiles() {
        let report = Histogram::default().report();
        assert_eq!((&report["count"], &report["p50"], &report["max"]), (&Value::from(0), &Value::Null, &Value::Null));
    }
}
