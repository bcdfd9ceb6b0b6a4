//! A histogram's promises: nothing is lost, and no time looks shorter or much longer than it was.

use super::{BUCKETS, Histogram, bucket, upper};
use proptest::prelude::*;
use std::time::Duration;

const HOUR_NS: u64 = 3600 * 1_000_000_000;

/// The one bucket of a histogram that holds one time.
fn shown(time: Duration) -> Duration {
    let mut histogram = Histogram::default();
    histogram.record(time);
    let buckets: Vec<_> = histogram.buckets().collect();
    assert_eq!((buckets.len(), buckets[0].1), (1, 1));
    buckets[0].0
}

proptest! {
    #[test]
    fn a_time_is_shown_as_itself_or_up_to_a_quarter_longer(nanos in 1024..(300 * HOUR_NS)) {
        let upper = shown(Duration::from_nanos(nanos)).as_nanos();
        prop_assert!(upper >= u128::from(nanos), "{upper} < {nanos}");
        prop_assert!(upper * 4 <= u128::from(nanos) * 5 + 4, "{upper} is more than 1.25 times {nanos}");
    }

    #[test]
    fn nothing_is_lost(times in proptest::collection::vec(0..u64::MAX, 0..200)) {
        let mut histogram = Histogram::default();
        let mut sum = Duration::ZERO;
        for time in times.iter().copied().map(Duration::from_nanos) {
            histogram.record(time);
            sum += time;
        }
        prop_assert_eq!(histogram.count(), times.len() as u64);
        prop_assert_eq!(histogram.buckets().map(|(_, count)| count).sum::<u64>(), times.len() as u64);
        prop_assert_eq!(histogram.sum(), sum);
        let uppers: Vec<_> = histogram.buckets().map(|(upper, _)| upper).collect();
        prop_assert!(uppers.is_sorted());
    }
}

#[test]
fn each_bound_is_in_its_own_bucket_and_what_is_longer_in_the_next() {
    for index in 0..BUCKETS - 1 {
        let bound = upper(index);
        assert_eq!(bucket(bound), index);
        assert_eq!(bucket(bound + Duration::from_nanos(1)), index + 1);
    }
}

#[test]
fn the_ends_take_in_what_is_beyond() {
    assert_eq!(shown(Duration::ZERO), Duration::from_nanos(1024));
    assert_eq!(shown(Duration::MAX), Duration::from_nanos(1 << 50));
    assert!(Duration::from_nanos(1 << 50) > Duration::from_secs(13 * 24 * 3600));
}
