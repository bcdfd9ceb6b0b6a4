//! The cycle: cruise, try more, drain.

use super::loss::Tally;
use super::output::UP_GAIN;
use super::{Adaptive, State};

/// A cruise lasts from five to seven units, by chance.
const CRUISE_UNITS: f64 = 5.0;
/// See `CRUISE_UNITS`.
const CRUISE_SPREAD: f64 = 2.0;
/// After probes that only made loss it lasts twice as long for each, up to so many.
const MAX_FAILURES: u32 = 2;
/// A probe has found more when the estimate grew by this in a round.
const ROUND_GROWTH: f64 = 1.15;
/// And is worth another one at once when it grew by this in all.
const PROBE_GROWTH: f64 = 1.1;
/// Rounds without growth after which a probe ends.
const FLAT_ROUNDS: u32 = 3;
/// A queue ends a probe: the round's floor above the shortest round trip by a part of it and by milliseconds.
const QUEUE: (f64, u64) = (0.25, 4);
/// No queue is left: the same below this.
const EMPTY: (f64, u64) = (0.1, 4);
/// `Down` ends when so much of what fills the path is in flight.
const DRAINED: f64 = 0.98;
/// `Down` gives up after so many smoothed round trips.
const DOWN_ROUND_TRIPS: u64 = 2;

/// How probing goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probe {
    /// The estimate when the probe began; 0 when there was none in this cycle.
    began_at: f64,
    /// The estimate after the last round that grew.
    rate: f64,
    /// Rounds since then.
    flat: u32,
    /// Probes in a row, and rounds of them, that found more.
    pub(super) streak: u32,
    /// Probes in a row that only made loss.
    failures: u32,
    /// The fate of what was sent in the probe.
    pub(super) seen: Tally,
}

impl Adaptive {
    pub(super) fn start_up(&mut self, now: u64) {
        let highest = self.bandwidth.highest();
        self.probe = Probe { began_at: highest, rate: highest, flat: 0, seen: Tally::default(), ..self.probe };
        self.enter(State::Up, now);
    }

    pub(super) fn end_probe_round(&mut self) {
        let highest = self.bandwidth.highest();
        self.probe.flat += 1;
        if highest > self.probe.rate * ROUND_GROWTH {
            self.probe.streak = self.probe.streak.saturating_add(1);
            self.probe.rate = highest;
            self.probe.flat = 0;
        }
    }

    pub(super) fn up(&mut self, now: u64) {
        let queue = self.round.floor != u64::MAX && self.shows_queue(self.round.floor, QUEUE.0, QUEUE.1);
        let full = self.in_flight as f64 >= UP_GAIN * self.bdp();
        let excess = self.base_loss.exceeded_by(self.probe.seen, self.mtu as f64);
        let long_enough = now - self.since > self.unit();
        if long_enough && (full || queue || excess) || self.probe.flat >= FLAT_ROUNDS {
            self.enter(State::Down, now);
        }
    }

    pub(super) fn down(&mut self, now: u64) {
        let passed = now - self.since;
        let drained = self.in_flight as f64 <= DRAINED * self.bdp() && passed > self.unit() / 2;
        if drained || passed > DOWN_ROUND_TRIPS * self.rtt.smoothed().max(self.unit()) {
            self.start_cruise(now);
        }
    }

    /// A cycle ends, and the next one begins.
    pub(super) fn start_cruise(&mut self, now: u64) {
        self.bandwidth.age();
        self.rtt_probe.end_cycle(self.rtt.min());
        self.base_loss.fade(self.mtu as f64);
        self.judge_probe();
        let spread = CRUISE_UNITS + CRUISE_SPREAD * self.draw();
        let units = if std::mem::take(&mut self.startup.just_ended) { 1.0 } else { spread };
        let cruise = (units * self.unit() as f64) as u64;
        let longer = cruise.saturating_mul(1 << self.probe.failures);
        let floor = self.round.floor.min(self.round.last_floor);
        let pays = self.probe.began_at > 0.0
            && self.bandwidth.highest() > self.probe.began_at * PROBE_GROWTH
            && self.probe.failures == 0
            && !self.shows_queue(floor, EMPTY.0, EMPTY.1);
        self.probe.began_at = 0.0;
        self.probe.streak = if pays { self.probe.streak.saturating_add(1) } else { 0 };
        self.cruise_time = if pays { 0 } else { longer };
        self.enter(State::Cruise, now);
    }

    fn judge_probe(&mut self) {
        if self.probe.seen.total() == 0.0 {
            return;
        }
        if self.base_loss.exceeded_by(self.probe.seen, self.mtu as f64) {
            self.probe.failures = (self.probe.failures + 1).min(MAX_FAILURES);
        } else {
            self.probe.failures = 0;
            self.bandwidth.release();
        }
    }

    pub(super) fn cruise(&mut self, now: u64) {
        if self.wants_probe_rtt(now) {
            self.start_probe_rtt(now, None);
        } else if now - self.since > self.cruise_time {
            self.start_up(now);
        }
    }
}
