//! A histogram of times: how many took how long, with a known error and without any allocation.
//!
//! Buckets are log-linear: each doubling of time is cut into four buckets of one width. A time is
//! known to be in (lower, upper] of its bucket, and upper is at most 1.25 times the time.

use std::time::Duration;

/// Buckets of one doubling.
const STEPS: u32 = 4;

/// The first bucket takes in all up to 2^10 ns, about a microsecond.
const FIRST_BITS: u32 = 10;

/// Doublings above the first bucket: up to 2^50 ns, 13 days. No stream lives that long unused.
const DOUBLINGS: u32 = 40;

const BUCKETS: usize = 1 + (DOUBLINGS * STEPS) as usize;

/// How many took how long.
#[derive(Clone)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    count: u64,
    sum: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], count: 0, sum: Duration::ZERO }
    }
}

impl Histogram {
    /// Takes note of one time.
    pub fn record(&mut self, time: Duration) {
        self.buckets[bucket(time)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
    }

    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The buckets that are not empty, shortest first: the longest time that each takes in, and how
    /// many it holds. The last bucket of all holds whatever is longer as well.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let counted = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(index, count)| (upper(index), *count))
    }
}

/// The bucket that a time is in.
fn bucket(time: Duration) -> usize {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    // One less, so that a bucket's upper bound is in the bucket.
    let below = nanos.saturating_sub(1);
    let Some(doubling) = below.checked_ilog2().and_then(|bits| bits.checked_sub(FIRST_BITS)) else { return 0 };
    if doubling >= DOUBLINGS {
        return BUCKETS - 1;
    }
    let step = (below >> (doubling + FIRST_BITS - STEPS.ilog2())) as u32 % STEPS;
    (1 + doubling * STEPS + step) as usize
}

/// The longest time that a bucket takes in.
fn upper(bucket: usize) -> Duration {
    let Some(above) = (bucket as u32).checked_sub(1) else { return Duration::from_nanos(1 << FIRST_BITS) };
    let (doubling, step) = (above / STEPS, above % STEPS);
    let width = 1u64 << (doubling + FIRST_BITS - STEPS.ilog2());
    Duration::from_nanos(width * u64::from(STEPS + step + 1))
}

#[cfg(test)]
#[path = "histogram_tests.rs"]
mod tests;
