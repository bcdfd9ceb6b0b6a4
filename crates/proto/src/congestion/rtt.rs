//! The round-trip times of a path, as a controller sees them.

use super::clock::{MILLISECOND, SECOND};
use std::time::Duration;

/// How many of the last samples [`RoundTrips::recent_floor`] looks at (as HyStart++, RFC 9406).
const RECENT: usize = 8;

/// Round-trip times in nanoseconds: the shortest ever, the smoothed one, the last few.
#[derive(Clone, Debug)]
pub(super) struct RoundTrips {
    min: u64,
    min_seen_at: u64,
    /// The next sample begins the shortest anew.
    restarted: bool,
    smoothed: u64,
    recent: [u64; RECENT],
    samples: u64,
}

impl RoundTrips {
    pub(super) fn new(now: u64) -> Self {
        Self { min: 0, min_seen_at: now, restarted: false, smoothed: 0, recent: [u64::MAX; RECENT], samples: 0 }
    }

    /// A round trip has ended at `now`.
    pub(super) fn sample(&mut self, now: u64, rtt: u64) {
        let rtt = rtt.max(1);
        // As RFC 6298: an eighth of each new sample.
        self.smoothed = if self.samples == 0 { rtt } else { self.smoothed - self.smoothed / 8 + rtt / 8 }.max(1);
        if std::mem::take(&mut self.restarted) {
            self.set_min(now, rtt);
        }
        // Within 2 % and 0.1 ms of the shortest the path has shown that it still is as short.
        if self.samples == 0 || rtt <= self.min + self.min / 50 + MILLISECOND / 10 {
            self.min_seen_at = now;
            self.min = if self.samples == 0 { rtt } else { self.min.min(rtt) };
        }
        self.recent[(self.samples % RECENT as u64) as usize] = rtt;
        self.samples += 1;
    }

    /// Nothing was in flight: the next sample begins the shortest anew, if that was not seen for long.
    pub(super) fn restart(&mut self, now: u64) {
        self.restarted |= self.samples > 0 && now.saturating_sub(self.min_seen_at) > MIN_RTT_LIFE;
    }

    /// Begins the shortest anew with what was measured on an empty queue.
    pub(super) fn set_min(&mut self, now: u64, rtt: u64) {
        self.min = rtt.max(1);
        self.min_seen_at = now;
    }

    /// The shortest, 0 before the first sample.
    pub(super) fn min(&self) -> u64 {
        self.min
    }

    /// When the shortest was last seen.
    pub(super) fn min_seen_at(&self) -> u64 {
        self.min_seen_at
    }

    /// The smoothed one, 0 before the first sample.
    pub(super) fn smoothed(&self) -> u64 {
        self.smoothed
    }

    /// The shortest of the last few: one late acknowledgement does not move it. `u64::MAX` before
    /// there were so many.
    pub(super) fn recent_floor(&self) -> u64 {
        if self.samples < RECENT as u64 { u64::MAX } else { *self.recent.iter().min().unwrap_or(&u64::MAX) }
    }

    /// How many there were.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    /// For a report: the shortest and the smoothed one.
    pub(super) fn report(&self) -> (Option<Duration>, Option<Duration>) {
        let known = |time| (self.samples > 0).then(|| Duration::from_nanos(time));
        (known(self.min), known(self.smoothed))
    }

    /// Whether the path is so short that it is not paced.
    pub(super) fn unpaced(&self) -> bool {
        self.samples > 0 && u128::from(self.min) < super::UNPACED_RTT.as_nanos()
    }
}

/// Ten seconds, after which a shortest round trip is doubted if it was not seen again (BBR's).
pub(super) const MIN_RTT_LIFE: u64 = 10 * SECOND;
