//! Time as controllers count it: nanoseconds since they began, never backwards.

use std::time::Instant;

/// One millisecond, in the unit of [`Clock`].
pub(super) const MILLISECOND: u64 = 1_000_000;
/// One second.
pub(super) const SECOND: u64 = 1_000_000_000;
/// Times are cut to this, a hundred years, so that sums of a few cannot overflow.
const MAX_TIME: u64 = 100 * 365 * 86_400 * SECOND;

/// Turns instants into nanoseconds since it was made.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    origin: Instant,
    latest: u64,
}

impl Clock {
    pub(super) fn new(origin: Instant) -> Self {
        Self { origin, latest: 0 }
    }

    /// The present, which is never before an earlier one.
    pub(super) fn now(&mut self, now: Instant) -> u64 {
        self.latest = self.latest.max(self.at(now));
        self.latest
    }

    /// The present when it was last told.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    /// A time in the past; what was before the beginning counts as the beginning.
    pub(super) fn at(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).unwrap_or(MAX_TIME).min(MAX_TIME)
    }
}

/// Nanoseconds as seconds.
pub(super) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 * 1e-9
}
