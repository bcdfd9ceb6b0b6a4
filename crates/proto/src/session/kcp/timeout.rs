//! How long an answer may take: the reference's estimator (that of RFC 6298).

use super::mode::Tuning;
use std::time::Duration;

/// The time-out before anything is known.
const FIRST: Duration = Duration::from_millis(200);

/// The longest time-out.
const LONGEST: Duration = Duration::from_secs(60);

/// Round-trip times of a path.
#[derive(Clone, Debug)]
pub(super) struct Estimator {
    tuning: Tuning,
    smoothed: Option<Duration>,
    variation: Duration,
    shortest: Option<Duration>,
    latest: Duration,
    /// All that is known is of a former path.
    is_guess: bool,
}

impl Estimator {
    pub(super) fn new(tuning: Tuning) -> Self {
        let zero = Duration::ZERO;
        Self { tuning, smoothed: None, variation: zero, shortest: None, latest: zero, is_guess: false }
    }

    /// The path is another one: the next round trip is the first. Until then the former are as good a
    /// guess as any.
    pub(super) fn begin_anew(&mut self) {
        self.is_guess = true;
        self.shortest = None;
    }

    /// A round trip has ended.
    pub(super) fn sample(&mut self, took: Duration) {
        let took = took.min(LONGEST);
        if std::mem::take(&mut self.is_guess) {
            *self = Self::new(self.tuning);
        }
        self.latest = took;
        self.shortest = self.shortest.into_iter().chain([took]).min();
        let Some(smoothed) = self.smoothed else {
            self.smoothed = Some(took);
            self.variation = took / 2;
            return;
        };
        self.variation = (3 * self.variation + smoothed.abs_diff(took)) / 4;
        self.smoothed = Some((7 * smoothed + took) / 8);
    }

    /// The smoothed round trip, once there was any.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// The shortest so far.
    pub(super) fn shortest(&self) -> Option<Duration> {
        self.shortest
    }

    /// What a packet that is acknowledged now may have taken at most: the longer of the smoothed
    /// and the latest round trip.
    pub(super) fn current(&self) -> Duration {
        self.smoothed.unwrap_or(FIRST).max(self.latest)
    }

    /// When to send again what is not acknowledged.
    pub(super) fn timeout(&self) -> Duration {
        let Some(smoothed) = self.smoothed else { return FIRST.max(self.tuning.timeout_min) };
        let timeout = smoothed + (4 * self.variation).max(self.tuning.interval);
        timeout.clamp(self.tuning.timeout_min, LONGEST)
    }

    /// The same after `again` time-outs in a row.
    pub(super) fn backed_off(&self, again: u32) -> Duration {
        let factor = if self.tuning.doubles { 2.0_f64 } else { 1.5 };
        self.timeout().mul_f64(factor.powi(again.min(20) as i32)).min(LONGEST)
    }
}
