//! The first seconds: double the rate until the path carries no more, then drain.

use super::delivery::Sample;
use super::loss::Tally;
use super::output::WINDOW_SLACK;
use super::{Adaptive, State};
use crate::congestion::clock::{MILLISECOND, seconds};
use crate::congestion::{INITIAL_WINDOW, MAX_WINDOW, initial_pace};

/// The window grows by what is acknowledged, so that it doubles each round trip, and the pace follows it. A pace
/// in multiples of the delivery rate, as BBR's, lags a round trip behind and needs 2.77 for the same growth,
/// which it goes on sending after the path is full.
const GROWTH_BY_ACK: f64 = 1.0;
/// It triples while it is small, in packets. At 150 ms that brings the first 10 MB 0.25 s earlier; slow paths leave
/// it by their queue, which then is two round trips long instead of one, for one round trip.
const EARLY_GROWTH_BY_ACK: f64 = 2.0;
/// See `EARLY_GROWTH_BY_ACK`.
const EARLY: f64 = 512.0;
/// A window of which less than this part is used does not grow.
const USED: f64 = 0.5;
/// It is never more than so many times what was delivered in a round trip: the bound where no delay tells.
const MOST: f64 = 3.5;
/// The pace, in windows a smoothed round trip. A window that triples leaves at 1.65, so that this never holds it back.
const PACE: f64 = 2.0;
/// A round has grown when the estimate has, by a quarter.
const GROWTH: f64 = 1.25;
/// So many rounds without growth end it.
const FLAT_ROUNDS: u32 = 3;
/// One is enough where the round trip is so many times the shortest.
const FLAT_INFLATION: f64 = 1.25;
/// And none is needed where it is so many times the shortest.
const INFLATION: f64 = 2.5;
/// It also ends at once when the last few round trips are all longer than the shortest by this part of it, within
/// these bounds (those of HyStart++): what was sent in the last round trip still has to come.
const QUEUE: f64 = 0.125;
/// See `QUEUE`, in nanoseconds.
const QUEUE_BOUNDS: (u64, u64) = (4 * MILLISECOND, 16 * MILLISECOND);
/// Not before so many samples: the first ones are of the first burst.
const QUEUE_SAMPLES: u64 = 16;
/// What left in this part of a round trip before the end is asked whether the queue was one.
const ALARM_PART: u64 = 4;
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
    /// Bytes that may be in flight.
    window: f64,
    /// Bytes that the acknowledgement that is being read has brought.
    pub(super) acked: f64,
    /// The estimate after the last round that grew.
    rate: f64,
    /// Rounds since then.
    flat: u32,
    /// The packets of the last round that grew: base loss, if the next one grows too.
    grown: Tally,
    /// A queue has ended it then: a false alarm, if what left just before finds none. And what that has found: the
    /// longest round trip, in nanoseconds.
    alarm: Option<(u64, u64)>,
    /// It has ended, and no probe has run since.
    pub(super) just_ended: bool,
}

impl Adaptive {
    /// An acknowledgement has come.
    pub(super) fn startup_sample(&mut self, now: u64, sample: &Sample, app_limited: bool) {
        self.judge_alarm(now, sample.batch.sent, sample.rtt);
        let app_limited = app_limited || sample.batch.app_limited;
        let acked = std::mem::take(&mut self.startup.acked);
        if self.state != State::Startup {
            return;
        }
        let mtu = self.mtu as f64;
        self.startup.window = self.startup.window.max(INITIAL_WINDOW as f64 * mtu);
        // No more is added in a round that already loses by our own making.
        let losing = self.startup.grown.total() > 0.0 && self.startup_loses(self.round.seen);
        if !app_limited && !losing && self.in_flight as f64 + acked >= USED * self.startup.window {
            let early = self.startup.window < EARLY * mtu;
            // No acknowledgement can be for more than a window.
            self.startup.window +=
                acked.min(self.startup.window) * if early { EARLY_GROWTH_BY_ACK } else { GROWTH_BY_ACK };
            self.startup.window = self.startup.window.min(MAX_WINDOW as f64);
        }
        if !app_limited && self.rtt.samples() >= QUEUE_SAMPLES && self.is_queue(self.rtt.recent_floor()) {
            self.startup.alarm = Some((now, 0));
            self.end_startup(now);
        }
    }

    fn is_queue(&self, rtt: u64) -> bool {
        let queue = ((self.rtt.min() as f64 * QUEUE) as u64).clamp(QUEUE_BOUNDS.0, QUEUE_BOUNDS.1);
        rtt > self.rtt.min() + queue
    }

    /// What left just before the alarm comes back a round trip after it. As fast as it left, it must find the queue
    /// longer still. If it finds none, something had only held up a few packets.
    fn judge_alarm(&mut self, now: u64, sent: u64, rtt: u64) {
        let Some((alarm, longest)) = self.startup.alarm else { return };
        if sent < alarm {
            if sent + self.rtt.min() / ALARM_PART >= alarm {
                self.startup.alarm = Some((alarm, longest.max(rtt)));
            }
            return;
        }
        self.startup.alarm = None;
        if matches!(self.state, State::Drain | State::Cruise) && longest > 0 && !self.is_queue(longest) {
            self.startup.just_ended = false;
            self.enter(State::Startup, now);
        }
    }

    /// Bytes that may be in flight.
    pub(super) fn startup_window(&self) -> f64 {
        let first = INITIAL_WINDOW as f64 * self.mtu as f64;
        let most = MOST * self.bdp().max(first) + self.bandwidth.estimate() * WINDOW_SLACK;
        self.startup.window.clamp(first, most)
    }

    /// Bytes per second.
    pub(super) fn startup_pace(&self) -> f64 {
        match self.rtt.smoothed() {
            0 => initial_pace(self.mtu),
            smoothed => (PACE * self.startup_window() / seconds(smoothed)).max(initial_pace(self.mtu)),
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
