//! The adaptive controller: finds the rate that the path delivers, blind to loss by chance, and keeps the queue short.
//!
//! It measures the rate at which the path delivers ([`delivery`]) and reckons with the highest of two probing
//! cycles ([`bandwidth`]), which loss does not lower. Where packets are lost however slowly it sends, it sends so
//! much more ([`loss`]). What it sends for is a window of one and a half round trips of that rate, and a pace of just
//! that rate ([`output`]).
//!
//! ```text
//! Startup ─► Drain ─► Cruise ─► Up ─► Down ─► Cruise …      (ProbeRtt from Cruise, or after a fall)
//! ```
//!
//! [`startup`] doubles until a queue, a loss or a flat rate tells that the path is full. [`probe`] has the cycle.
//! [`round`] finds that the path carries less than before. [`rtt_probe`] tells a longer path from a queue.
//!
//! What was tried, over the paths of the tests (`crates/netem/tests/congestion_*`), and why it is as it is:
//!
//! - A start-up by a multiple of the delivery rate (2.77, as BBR): 1 to 2 % of 15 s lost at 150 ms and round trips of
//!   275 ms, 10 MB after 1.4 s. By acknowledgements: nothing lost, 190 ms, 1.2 s. Half the pace for the same growth
//!   (1.5 windows a round trip instead of 2) was slower by 0.05 s and made the queue longer.
//! - The end of the start-up at a queue of 1.25 round trips: half of the overshoot was sent while that queue grew.
//!   HyStart++'s bound ends it a tenth of a round trip after the path is full; what hiccups that takes for a queue is
//!   found out a round trip later, from packets that were on their way already.
//! - Loss below the rate as base loss without asking whether it was below: a policer's burst made the estimate too
//!   high, `Down` too fast, its loss base loss, and that was compensated: 14 % sent in vain, 5 % for good. Asking
//!   only whether faster packets lost more was no better, as the pace had fallen meanwhile: paces must be compared.
//! - Giving way in a shallow buffer (0.3): after failed probes up to 16 times longer cruises instead of 4, and 0.95 of
//!   what was delivered: CUBIC got 16 to 19 % instead of 8 to 10, but two flows of ours swung between 34 and 70 %
//!   where they must keep 40:60. Not kept. Gentler probes after failures left CUBIC no more than without.
//! - A local network unpaced whatever happens: with a buffer smaller than the window, 2.7 were sent for each that
//!   arrived. Hard loss turns the pacing on.

mod bandwidth;
mod delivery;
mod loss;
mod output;
mod probe;
mod round;
mod rtt_probe;
mod sent;
mod startup;

use super::clock::{Clock, MILLISECOND};
use super::rtt::RoundTrips;
use super::{Controller, Report};
use bandwidth::Bandwidth;
use delivery::{Delivery, Sample};
use loss::{BaseLoss, Tally};
use probe::Probe;
use round::{Fall, Round};
use rtt_probe::RttProbe;
use sent::Batch;
use startup::Startup;
use std::time::Instant;

/// What the controller is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Doubles its rate each round trip, until the path carries no more.
    Startup,
    /// Empties the queue that `Startup` has left.
    Drain,
    /// Sends what the path carries.
    Cruise,
    /// Tries whether the path carries more.
    Up,
    /// Empties the queue that `Up` has left; what is lost now is lost by chance.
    Down,
    /// Empties the pipe to see the shortest round trip.
    ProbeRtt,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Drain => "drain",
            Self::Cruise => "cruise",
            Self::Up => "up",
            Self::Down => "down",
            Self::ProbeRtt => "probe-rtt",
        }
    }
}

/// The unit of all times of the state machine is the shortest round trip, but at least this: on a path of
/// microseconds a state would else be over before a packet is through.
const LEAST_UNIT: u64 = 5 * MILLISECOND;

/// See [`Congestion::Adaptive`](super::Congestion::Adaptive).
#[derive(Clone, Debug)]
pub(super) struct Adaptive {
    clock: Clock,
    mtu: u64,
    /// The state of a generator of chance.
    chance: u64,
    state: State,
    /// When the state began.
    since: u64,
    in_flight: u64,
    delivery: Delivery,
    rtt: RoundTrips,
    bandwidth: Bandwidth,
    base_loss: BaseLoss,
    round: Round,
    startup: Startup,
    probe: Probe,
    rtt_probe: RttProbe,
    fall: Fall,
    /// What became of packets that were sent in `Cruise`, not yet judged.
    cruise_seen: Tally,
    /// How long this `Cruise` lasts, in nanoseconds.
    cruise_time: u64,
    /// Until then even the shortest path is paced.
    paced_until: u64,
}

impl Adaptive {
    pub(super) fn new(now: Instant, mtu: u16, seed: u64) -> Self {
        Self {
            clock: Clock::new(now),
            mtu: super::packet_size(mtu),
            chance: seed,
            state: State::Startup,
            since: 0,
            in_flight: 0,
            delivery: Delivery::new(0),
            rtt: RoundTrips::new(0),
            bandwidth: Bandwidth::new(),
            base_loss: BaseLoss::default(),
            round: Round::default(),
            startup: Startup::default(),
            probe: Probe::default(),
            rtt_probe: RttProbe::new(0),
            fall: Fall::default(),
            cruise_seen: Tally::default(),
            cruise_time: 0,
            paced_until: 0,
        }
    }

    /// The unit of times, in nanoseconds.
    fn unit(&self) -> u64 {
        self.rtt.min().max(LEAST_UNIT)
    }

    /// Bytes in flight that fill the path and no queue.
    fn bdp(&self) -> f64 {
        self.bandwidth.estimate() * super::clock::seconds(self.rtt.min())
    }

    fn enter(&mut self, state: State, now: u64) {
        self.state = state;
        self.since = now;
    }

    /// A number from 0 up to 1 (SplitMix64).
    fn draw(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The fate of packets of `batch`.
    fn attribute(&mut self, batch: Option<Batch>, seen: Tally) {
        self.round.seen.add(seen);
        let Some(batch) = batch else { return };
        let (pace, mtu) = (f64::from(batch.pace), self.mtu as f64);
        match batch.state {
            State::Cruise => {
                self.cruise_seen.add(seen);
                self.base_loss.add_fast(seen, pace, mtu);
            }
            State::Up => {
                self.probe.seen.add(seen);
                self.base_loss.add_fast(seen, pace, mtu);
            }
            // Sent at less than the path carries: this loss is not of our making.
            State::Down => self.base_loss.add_slow(seen, pace),
            State::Startup | State::Drain | State::ProbeRtt => {}
        }
    }

    fn take_sample(&mut self, now: u64, sample: Sample, app_limited: bool) {
        self.rtt.sample(now, sample.rtt);
        self.round.floor = self.round.floor.min(sample.rtt);
        self.rtt_probe.sample(sample.batch.sent, sample.rtt);
        if let Some(rate) = sample.rate {
            self.round.best_rate = self.round.best_rate.max(rate);
            self.bandwidth.sample(rate, sample.batch.app_limited);
        }
        self.startup_sample(now, &sample, app_limited);
        if sample.batch.delivered >= self.round.ends_at {
            self.round.ends_at = self.delivery.total();
            self.end_round(now);
        }
        self.step(now);
    }

    /// Goes on to the next state when it is time.
    fn step(&mut self, now: u64) {
        match self.state {
            State::Startup => {}
            State::Drain => self.drain(now),
            State::Cruise => self.cruise(now),
            State::Up => self.up(now),
            State::Down => self.down(now),
            State::ProbeRtt => self.probe_rtt(now),
        }
    }
}

impl Controller for Adaptive {
    fn on_sent(&mut self, now: Instant, bytes: u64) {
        let now = self.clock.now(now);
        let (idle, pace) = (self.in_flight == 0, self.reckon_pace());
        if idle {
            // The pipe is empty: what a look at the shortest round trip would cost some throughput is free now.
            self.rtt.restart(now);
        }
        self.delivery.sent(now, idle, self.rtt.smoothed(), self.state, pace);
        self.in_flight = self.in_flight.saturating_add(bytes);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64) {
        let (now, sent) = (self.clock.now(now), self.clock.at(sent));
        self.in_flight = self.in_flight.saturating_sub(bytes);
        let batch = self.delivery.acked(now, sent, bytes);
        self.startup.acked += bytes as f64;
        self.attribute(batch, Tally { acked: bytes as f64, lost: 0.0 });
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool) {
        let now = self.clock.now(now);
        self.in_flight = in_flight;
        if app_limited {
            self.delivery.app_limited(in_flight);
            self.round.app_limited = true;
        }
        // An interval much shorter than a round trip measures bursts, not the path.
        if let Some(sample) = self.delivery.sample(now, self.rtt.min() / 10 * 9) {
            self.take_sample(now, sample, app_limited);
        }
    }

    fn on_loss(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.clock.now(now);
        self.in_flight = self.in_flight.saturating_sub(bytes);
        let batch = self.delivery.batch_of(self.clock.at(sent));
        self.attribute(batch, Tally { acked: 0.0, lost: bytes as f64 });
    }

    fn on_mtu(&mut self, mtu: u16) {
        self.mtu = super::packet_size(mtu);
    }

    fn window(&self) -> u64 {
        self.reckon_window()
    }

    fn pace(&self) -> Option<u64> {
        let paced = !self.rtt.unpaced() || self.clock.latest() < self.paced_until;
        paced.then(|| super::bounded_pace(self.reckon_pace()))
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn report(&self) -> Report {
        let (min_rtt, smoothed_rtt) = self.rtt.report();
        Report {
            state: self.state.name(),
            bandwidth: self.bandwidth.estimate() as u64,
            base_loss: self.base_loss.estimate(self.mtu as f64),
            min_rtt,
            smoothed_rtt,
            window: self.window(),
            pace: self.pace(),
        }
    }
}
