//! CUBIC (RFC 9438) with fast convergence, and HyStart++ (RFC 9406) to leave slow start.

use super::clock::{Clock, MILLISECOND, seconds};
use super::rtt::RoundTrips;
use super::{Controller, INITIAL_WINDOW, MAX_WINDOW, MIN_WINDOW, Report, bounded_pace, bounded_window, initial_pace};
use std::time::Instant;

/// What is left of the window after a loss.
const BETA: f64 = 0.7;
/// How steep the cubic function is, in packets per second cubed.
const C: f64 = 0.4;
/// How fast Reno would grow that loses as much, in packets a round trip (RFC 9438, section 4.3).
const RENO_ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// A round trip grows the window by half at most (RFC 9438, section 4.2).
const MAX_GROWTH: f64 = 1.5;
/// The pace in windows a smoothed round trip: a little more than leaves by acknowledgements, twice in slow start.
const PACE_GAIN: f64 = 1.25;
/// See `PACE_GAIN`.
const SLOW_START_PACE_GAIN: f64 = 2.0;
/// A window of which less is used than this part is not what holds the flow back: it does not grow.
const USED: f64 = 0.8;
/// The same in slow start, where the window has just doubled.
const SLOW_START_USED: f64 = 0.5;

/// HyStart++: the round trip has grown by an eighth of the last round's, within these bounds.
const RTT_THRESHOLD: (u64, u64) = (4 * MILLISECOND, 16 * MILLISECOND);
/// Samples of a round before it is judged.
const RTT_SAMPLES: u32 = 8;
/// Conservative slow start grows so many times slower,
const CONSERVATIVE_DIVISOR: f64 = 4.0;
/// and ends after so many rounds.
const CONSERVATIVE_ROUNDS: u32 = 5;

/// See [`Congestion::Cubic`](super::Congestion::Cubic). Sizes are in bytes, times in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Cubic {
    clock: Clock,
    mtu: u64,
    rtt: RoundTrips,
    window: f64,
    /// Below it: slow start.
    threshold: f64,
    /// The window at the last loss, less with fast convergence.
    before_loss: f64,
    /// What Reno would have.
    reno: f64,
    /// When avoidance began, put off by the time in which the application had nothing to send.
    epoch: Option<u64>,
    /// Losses of what left before this belong to a loss that was answered.
    answered_until: Option<u64>,
    hystart: HyStart,
    /// What the acknowledgement that is being read has brought.
    acked: u64,
    newest_sent: u64,
    last_ack: u64,
}

/// One round's round trips against those of the last.
#[derive(Clone, Copy, Debug)]
struct HyStart {
    /// The round ends with the acknowledgement of what leaves from now on.
    round_began: u64,
    floor: u64,
    last_floor: u64,
    samples: u32,
    /// The floor when conservative slow start began, and rounds since.
    conservative: Option<(u64, u32)>,
}

impl HyStart {
    fn new() -> Self {
        Self { round_began: 0, floor: u64::MAX, last_floor: u64::MAX, samples: 0, conservative: None }
    }

    /// A sample of a packet that left at `sent`; returns whether slow start is over.
    fn sample(&mut self, now: u64, sent: u64, rtt: u64) -> bool {
        if sent >= self.round_began {
            (self.last_floor, self.floor, self.samples) = (self.floor, u64::MAX, 0);
            self.round_began = now;
            if let Some((_, rounds)) = &mut self.conservative {
                *rounds += 1;
                if *rounds >= CONSERVATIVE_ROUNDS {
                    return true;
                }
            }
        }
        self.floor = self.floor.min(rtt);
        self.samples += 1;
        if self.samples >= RTT_SAMPLES && self.last_floor != u64::MAX {
            let threshold = (self.last_floor / 8).clamp(RTT_THRESHOLD.0, RTT_THRESHOLD.1);
            self.conservative = match self.conservative {
                // It was no queue: the round trip has come down again.
                Some((floor, _)) if self.floor < floor => None,
                None if self.floor >= self.last_floor.saturating_add(threshold) => Some((self.floor, 0)),
                other => other,
            };
        }
        false
    }
}

impl Cubic {
    pub(super) fn new(now: Instant, mtu: u16) -> Self {
        let mtu = super::packet_size(mtu);
        Self {
            clock: Clock::new(now),
            mtu,
            rtt: RoundTrips::new(0),
            window: (INITIAL_WINDOW * mtu) as f64,
            threshold: f64::INFINITY,
            before_loss: 0.0,
            reno: 0.0,
            epoch: None,
            answered_until: None,
            hystart: HyStart::new(),
            acked: 0,
            newest_sent: 0,
            last_ack: 0,
        }
    }

    fn slow_start(&self) -> bool {
        self.window < self.threshold
    }

    fn grow(&mut self, now: u64, acked: f64) {
        if self.slow_start() {
            let divisor = if self.hystart.conservative.is_some() { CONSERVATIVE_DIVISOR } else { 1.0 };
            // No acknowledgement can be for more than a window.
            self.window += acked.min(self.window) / divisor;
        } else {
            self.avoid(now, acked);
        }
        self.window = self.window.clamp((MIN_WINDOW * self.mtu) as f64, MAX_WINDOW as f64);
    }

    /// RFC 9438, sections 4.2 to 4.5, in packets as there.
    fn avoid(&mut self, now: u64, acked: f64) {
        let mtu = self.mtu as f64;
        let (window, before_loss, acked) = (self.window / mtu, self.before_loss.max(self.window) / mtu, acked / mtu);
        let epoch = match self.epoch {
            Some(epoch) => epoch,
            None => {
                self.reno = self.window;
                if self.before_loss < self.window {
                    self.before_loss = self.window;
                }
                *self.epoch.insert(now)
            }
        };
        let begin = (before_loss * BETA).min(window);
        let plateau = ((before_loss - begin) / C).cbrt();
        let cubic = |time: f64| C * (time - plateau).powi(3) + before_loss;
        let time = seconds(now.saturating_sub(epoch));
        // As long as it is below what it had before the loss, it grows as Reno that halves as rarely.
        let alpha = if self.reno >= self.before_loss { 1.0 } else { RENO_ALPHA };
        self.reno += alpha * acked / window * mtu;
        let target = cubic(time + seconds(self.rtt.smoothed())).clamp(window, window * MAX_GROWTH);
        let grown = window + (target - window) / window * acked;
        self.window = (grown * mtu).max(self.reno.min(self.window + acked * mtu));
    }
}

impl Controller for Cubic {
    fn on_sent(&mut self, now: Instant, _bytes: u64) {
        self.clock.now(now);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.clock.now(now);
        let sent = self.clock.at(sent);
        self.newest_sent = self.newest_sent.max(sent);
        // While a loss is being answered the window stays.
        if self.answered_until.is_none_or(|until| sent > until) {
            self.acked = self.acked.saturating_add(bytes);
        }
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool) {
        let now = self.clock.now(now);
        let acked = std::mem::take(&mut self.acked).min(MAX_WINDOW);
        let rtt = now.saturating_sub(self.newest_sent);
        self.rtt.sample(now, rtt);
        if self.slow_start() && self.hystart.sample(now, self.newest_sent, rtt) {
            self.threshold = self.window;
        }
        let used = in_flight.saturating_add(acked) as f64;
        let enough = if self.slow_start() { SLOW_START_USED } else { USED };
        if !app_limited && used >= enough * self.window {
            self.grow(now, acked as f64);
        } else if let Some(epoch) = &mut self.epoch {
            // Time without need does not count (RFC 9438, section 5.8).
            *epoch = (*epoch + (now - self.last_ack)).min(now);
        }
        self.last_ack = now;
    }

    fn on_loss(&mut self, now: Instant, sent: Instant, _bytes: u64) {
        let now = self.clock.now(now);
        if self.answered_until.is_some_and(|until| self.clock.at(sent) <= until) {
            return;
        }
        self.answered_until = Some(now);
        // Fast convergence: who has less than before makes room for who is new (section 4.7).
        let shrunk = self.window < self.before_loss;
        self.before_loss = if shrunk { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.window = (self.window * BETA).max((MIN_WINDOW * self.mtu) as f64);
        self.threshold = self.window;
        self.epoch = None;
        self.acked = 0;
    }

    fn on_mtu(&mut self, mtu: u16) {
        self.mtu = super::packet_size(mtu);
    }

    fn window(&self) -> u64 {
        bounded_window(self.window, self.mtu)
    }

    fn pace(&self) -> Option<u64> {
        if self.rtt.unpaced() {
            return None;
        }
        let gain = if self.slow_start() { SLOW_START_PACE_GAIN } else { PACE_GAIN };
        let rate = match self.rtt.smoothed() {
            0 => initial_pace(self.mtu),
            smoothed => gain * self.window / seconds(smoothed),
        };
        Some(bounded_pace(rate))
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn report(&self) -> Report {
        let (min_rtt, smoothed_rtt) = self.rtt.report();
        let bandwidth = smoothed_rtt.map_or(0.0, |rtt| self.window / rtt.as_secs_f64().max(1e-9));
        Report {
            state: if self.slow_start() { "slow-start" } else { "avoidance" },
            bandwidth: bandwidth as u64,
            base_loss: 0.0,
            min_rtt,
            smoothed_rtt,
            window: self.window(),
            pace: self.pace(),
        }
    }
}
