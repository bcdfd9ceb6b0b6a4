//! What the controller asks for: its pace and its window.

use super::{Adaptive, State};
use crate::congestion::clock::{MILLISECOND, seconds};
use crate::congestion::{INITIAL_WINDOW, bounded_window};

const DRAIN_GAIN: f64 = 0.5;
/// A quarter more than known: what a probe finds.
pub(super) const UP_GAIN: f64 = 1.25;
/// While one probe after the other has found more.
const FAST_UP_GAIN: f64 = 2.0;
/// So many probes in a row must have found more.
pub(super) const FAST_UP_STREAK: u32 = 2;
const DOWN_GAIN: f64 = 0.8;
const PROBE_RTT_GAIN: f64 = 0.9;
/// In `Cruise` the pace falls in proportion to the queue: by half of what the queue is to the round trip.
const QUEUE_GAIN: f64 = 0.5;
/// The filter takes the highest rate, which noise makes a few per cent too high: so long a queue is no
/// reason to slow down, in parts of the round trip and in seconds.
const QUEUE_TOLERANCE: (f64, f64) = (0.04, 0.002);
/// Seconds: on short round trips a queue of some milliseconds is noise, and weighs less.
const QUEUE_SOFTENING: f64 = 0.005;
const LEAST_CRUISE_GAIN: f64 = 0.85;
/// The window holds so many times what fills the path. 2 took 36 to 78 % of a bottleneck shared with CUBIC;
/// 1.25 kept 16 %.
const WINDOW_GAIN: f64 = 1.5;
const FAST_UP_WINDOW_GAIN: f64 = 2.5;
/// Seconds of the rate that a window holds on top, for acknowledgements that come in clumps.
pub(super) const WINDOW_SLACK: f64 = 0.004;

impl Adaptive {
    /// Bytes per second.
    pub(super) fn reckon_pace(&self) -> f64 {
        let mtu = self.mtu as f64;
        let estimate = self.bandwidth.estimate();
        if self.state == State::Startup {
            return self.startup_pace();
        }
        let rate = estimate * self.gain();
        let compensated = matches!(self.state, State::Cruise | State::Up);
        let rate = if compensated { rate / (1.0 - self.base_loss.estimate(mtu)) } else { rate };
        rate.max(INITIAL_WINDOW as f64 * mtu)
    }

    /// Bytes.
    pub(super) fn reckon_window(&self) -> u64 {
        let mtu = self.mtu as f64;
        if self.state == State::ProbeRtt {
            return bounded_window(self.probe_rtt_window(), self.mtu);
        }
        if self.state == State::Startup {
            return bounded_window(self.startup_window(), self.mtu);
        }
        let gain = match self.state {
            State::Up if self.probe.streak >= FAST_UP_STREAK => FAST_UP_WINDOW_GAIN,
            _ => WINDOW_GAIN,
        };
        let bytes = gain * self.bdp() + self.bandwidth.estimate() * WINDOW_SLACK;
        let bytes = bytes / (1.0 - self.base_loss.estimate(mtu));
        bounded_window(bytes.max(INITIAL_WINDOW as f64 * mtu), self.mtu)
    }

    fn gain(&self) -> f64 {
        match self.state {
            State::Startup | State::Drain => DRAIN_GAIN,
            State::Up if self.probe.streak >= FAST_UP_STREAK => FAST_UP_GAIN,
            State::Up => UP_GAIN,
            State::Down => DOWN_GAIN,
            State::ProbeRtt => PROBE_RTT_GAIN,
            State::Cruise => self.cruise_gain(),
        }
    }

    fn cruise_gain(&self) -> f64 {
        let min = seconds(self.rtt.min());
        let queue = seconds(self.round.last_floor) - min * (1.0 + QUEUE_TOLERANCE.0) - QUEUE_TOLERANCE.1;
        (1.0 - QUEUE_GAIN * queue / (min + QUEUE_SOFTENING)).clamp(LEAST_CRUISE_GAIN, 1.0)
    }

    /// Whether a round trip of `rtt` shows a queue: a part of the shortest and some milliseconds above it.
    pub(super) fn shows_queue(&self, rtt: u64, part: f64, milliseconds: u64) -> bool {
        rtt as f64 > self.rtt.min() as f64 * (1.0 + part) + (milliseconds * MILLISECOND) as f64
    }
}
