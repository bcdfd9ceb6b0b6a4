//! Turns: so many a second, and as many at once after a rest. Who comes too early waits.

use std::time::{Duration, Instant};

/// A bucket that may be in debt: each turn costs one token, and whoever takes one that is not there
/// yet waits until it is.
#[derive(Default)]
pub(crate) struct Turns {
    /// When the bucket will be full again; in the past: it is full.
    full_at: Option<Instant>,
}

impl Turns {
    /// Takes a turn at `rate` a second, and returns how long to wait for it. `None`: that would be
    /// longer than `most`, and no turn was taken.
    pub(crate) fn take(&mut self, rate: u32, most: Duration, now: Instant) -> Option<Duration> {
        let rate = rate.max(1);
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + Duration::from_secs(1) / rate;
        // A bucket that is full within a second holds a token now.
        let wait = full_at.saturating_duration_since(now).saturating_sub(Duration::from_secs(1));
        if wait > most {
            return None;
        }
        self.full_at = Some(full_at);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_goes_through_and_the_rest_keeps_the_rate() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let waits: Vec<_> = (0..150).map(|_| turns.take(100, SECOND, now).unwrap()).collect();
        assert!(waits[..100].iter().all(Duration::is_zero));
        assert!(waits[100] > Duration::ZERO && waits[100] <= SECOND / 100);
        assert_eq!(waits[149], SECOND / 2);
    }

    #[test]
    fn who_would_wait_for_too_long_is_refused_and_costs_nothing() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let taken = (0..1000).filter(|_| turns.take(100, SECOND, now).is_some()).count();
        assert_eq!(taken, 200);
        assert_eq!(turns.take(100, SECOND, now + SECOND), Some(SECOND / 100));
    }

    #[test]
    fn a_rest_fills_the_bucket_and_no_more() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        assert_eq!(turns.take(10, SECOND, now), Some(Duration::ZERO));
        let later = now + SECOND * 3600;
        let free = (0..100).filter(|_| turns.take(10, SECOND, later) == Some(Duration::ZERO)).count();
        assert_eq!(free, 10);
    }
}
