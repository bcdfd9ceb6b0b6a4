//! The first seconds: double the rate until the path carries no more, then drain.

use super::loss::Tally;
use super::{Adaptive, State};

/// A round has grown when the estimate has, by a quarter.
const GROWTH: f64 = 1.25;
/// So many rounds without growth end it.
const FLAT_ROUNDS: u32 = 3;
/// One is enough where the round trip is so many times the shortest.
const FLAT_INFLATION: f64 = 1.25;
/// And none is needed where it is so many times the shortest.
const INFLATION: f64 = 2.5;
/// It also ends at once when the last few round trips are all longer than the shortest by this part of it
/// and by the milliseconds that follow: what was sent since then still has to come.
const QUEUE: (f64, u64) = (0.25, 4);
/// Not before so many samples: the first ones are of a path that was asleep.
const QUEUE_SAMPLES: u64 = 32;
/// Loss is of our own making when it is above that of the last round that grew, by this and by three sigma of both.
const OWN_LOSS: f64 = 0.05;
/// Fewer packets than this tell nothing of loss.
const LEAST_PACKETS: f64 = 20.0;
/// The least loss that the error is reckoned with.
const LEAST_VARIANCE: f64 = 0.01;
/// `Drain` gives up after so many smoothed round trips.
const DRAIN_ROUND_TRIPS: u64 = 4;

/// How far it has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Startup {
    /// The estimate after the last round that grew.
    rate: f64,
    /// Rounds since then.
    flat: u32,
    /// The packets of the last round that grew: base loss, if the next one grows too.
    grown: Tally,
    /// It has ended, and no probe has run since.
    pub(super) just_ended: bool,
}

impl Adaptive {
    pub(super) fn startup_sample(&mut self, now: u64) {
        if self.state == State::Startup
            && self.rtt.samples() >= QUEUE_SAMPLES
            && self.shows_queue(self.rtt.recent_floor(), QUEUE.0, QUEUE.1)
        {
            self.end_startup(now);
        }
    }

    pub(super) fn end_startup_round(&mut self, now: u64, inflation: f64) {
        let seen = self.round.seen;
        let own_loss = self.startup_loses(seen);
        let highest = self.bandwidth.highest();
        let startup = &mut self.startup;
        if highest >= startup.rate * GROWTH {
            // The path carried more after that round: what it had lost was lost by chance.
            self.base_loss.add(std::mem::replace(&mut startup.grown, seen));
            startup.rate = highest;
            startup.flat = 0;
        } else {
            startup.flat += 1;
        }
        let full = startup.flat >= 1 && (own_loss || inflation > FLAT_INFLATION);
        if startup.flat >= FLAT_ROUNDS || full || inflation > INFLATION {
            self.end_startup(now);
        }
    }

    /// Whether a round loses more than the last one that grew.
    fn startup_loses(&self, seen: Tally) -> bool {
        let mtu = self.mtu as f64;
        let (packets, grown) = (seen.total() / mtu, self.startup.grown);
        let before = grown.loss();
        let variance = before.max(LEAST_VARIANCE);
        let error = 3.0 * ((variance / packets).sqrt() + (variance * mtu / grown.total().max(mtu)).sqrt());
        packets >= LEAST_PACKETS && seen.loss() > before + OWN_LOSS + error
    }

    fn end_startup(&mut self, now: u64) {
        self.startup.just_ended = true;
        self.enter(State::Drain, now);
    }

    pub(super) fn drain(&mut self, now: u64) {
        let patience = DRAIN_ROUND_TRIPS * self.rtt.smoothed().max(self.unit());
        if self.in_flight as f64 <= self.bdp() || now - self.since > patience {
            self.start_cruise(now);
        }
    }
}
