//! What a round trip has shown, and whether the path has lost most of what it carried.

use super::loss::Tally;
use super::{Adaptive, State};
use crate::congestion::clock::{MILLISECOND, SECOND};

/// A round judges loss when it knows the fate of so many packets; with fewer it goes on counting.
const LEAST_PACKETS: f64 = 20.0;
/// Loss above the base by this much is hard: something overflows, or a policer drops.
const HARD_LOSS: f64 = 0.1;
/// After a round of hard loss a path that is too short to be paced is paced for so long, in nanoseconds.
const PACED_TIME: u64 = 10 * SECOND;
/// A rate below this part of the estimate may be a fall of what the path carries.
const FALLEN: f64 = 0.6;
/// Together with a round trip so many times the shortest.
const FALL_INFLATION: f64 = 1.75;
/// In so many rounds running.
const FALL_ROUNDS: u32 = 2;
/// Without hard loss a fall is believed down to this part of the estimate only: the path's round trip may have
/// grown instead, which looks the same.
const SOFT_FALL: f64 = 0.7;
/// Loss of our own making in `Cruise`: use so much of the estimate.
const RESTRAINT: f64 = 0.85;

/// One round: from a packet's leaving to its acknowledgement.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// The round ends with the acknowledgement of what left when so much was delivered.
    pub(super) ends_at: u64,
    /// The highest delivery rate, in bytes per second.
    pub(super) best_rate: f64,
    /// The shortest round trip, in nanoseconds.
    pub(super) floor: u64,
    /// The same of the round before.
    pub(super) last_rate: f64,
    /// The same of the round before.
    pub(super) last_floor: u64,
    pub(super) app_limited: bool,
    pub(super) seen: Tally,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            ends_at: 0,
            best_rate: 0.0,
            floor: u64::MAX,
            last_rate: 0.0,
            last_floor: 0,
            app_limited: false,
            seen: Tally::default(),
        }
    }
}

/// Rounds in which the path seems to have lost most of what it carried.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fall {
    rounds: u32,
    best_rate: f64,
}

impl Adaptive {
    /// The queue that the round has seen: its shortest round trip as a multiple of the shortest ever.
    fn inflation(&self) -> f64 {
        if self.rtt.min() == 0 {
            return 1.0;
        }
        self.round.floor as f64 / (self.rtt.min() + 2 * MILLISECOND) as f64
    }

    pub(super) fn end_round(&mut self, now: u64) {
        let mtu = self.mtu as f64;
        self.round.last_floor = self.round.floor;
        // A round in which the application sent too little says nothing of the path.
        if !self.round.app_limited {
            let inflation = self.inflation();
            match self.state {
                State::Startup => self.end_startup_round(now, inflation),
                State::Up => self.end_probe_round(),
                _ => {}
            }
            let hard = self.loses_hard();
            if hard {
                self.paced_until = now + PACED_TIME;
            }
            self.look_for_fall(now, inflation, hard);
            let excess = self.base_loss.exceeded_by(self.cruise_seen, mtu);
            if excess && self.state == State::Cruise {
                let estimate = self.bandwidth.estimate();
                self.bandwidth.restrain((estimate * RESTRAINT).max(self.round.best_rate.min(estimate)));
            }
        }
        for seen in [&mut self.cruise_seen, &mut self.round.seen] {
            if seen.total() > LEAST_PACKETS * mtu {
                *seen = Tally::default();
            }
        }
        self.round.last_rate = self.round.best_rate;
        self.round.best_rate = 0.0;
        self.round.floor = u64::MAX;
        self.round.app_limited = false;
    }

    /// Something overflows, or a policer drops.
    fn loses_hard(&self) -> bool {
        let (mtu, seen) = (self.mtu as f64, self.round.seen);
        self.base_loss.exceeded_by(seen, mtu) && seen.loss() > self.base_loss.estimate(mtu) + HARD_LOSS
    }

    fn look_for_fall(&mut self, now: u64, inflation: f64, hard: bool) {
        if matches!(self.state, State::Startup | State::Drain | State::ProbeRtt) {
            return;
        }
        let fallen = self.round.best_rate < FALLEN * self.bandwidth.estimate();
        if !fallen || !(hard || inflation > FALL_INFLATION) {
            self.fall = Fall::default();
            return;
        }
        self.fall.rounds += 1;
        self.fall.best_rate = self.fall.best_rate.max(self.round.best_rate);
        if self.fall.rounds >= FALL_ROUNDS {
            self.believe_fall(now, hard);
        }
    }

    /// The path carries less. Or its round trip has grown: a look at the empty path tells, unless there just was one.
    fn believe_fall(&mut self, now: u64, hard: bool) {
        let (before, fall) = (self.bandwidth, std::mem::take(&mut self.fall));
        let rate = if hard { fall.best_rate } else { fall.best_rate.max(SOFT_FALL * before.highest()) };
        self.bandwidth.set(rate);
        self.base_loss.forget_slow();
        self.probe.streak = 0;
        if hard || now.saturating_sub(self.rtt_probe.ended_at()) < SECOND {
            self.rtt_probe.forget_bandwidth();
            self.enter(State::Drain, now);
        } else {
            self.round.last_rate = self.round.best_rate;
            self.start_probe_rtt(now, Some(before));
        }
    }
}
