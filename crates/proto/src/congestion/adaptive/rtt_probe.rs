//! Looking for the shortest round trip: when, and what follows from it.

use super::bandwidth::Bandwidth;
use super::{Adaptive, State};
use crate::congestion::clock::{MILLISECOND, SECOND, seconds};
use crate::congestion::rtt::MIN_RTT_LIFE;

/// A look after so many cycles in which no round trip was near the shortest.
const HIGH_CYCLES: u32 = 2;
/// Not near: above it by a part of it and by milliseconds. The same tells that the shortest has moved.
const MOVED: (f64, u64) = (0.1, 2);
/// How long to wait before the next such look, at first and at most: twice as long after each that found nothing.
const WAIT: (u64, u64) = (2 * SECOND, 10 * SECOND);
/// The window is so much of what fills the path,
const WINDOW: f64 = 0.5;
/// and so many packets.
const WINDOW_PACKETS: f64 = 4.0;
/// Near enough to that window.
const REACHED: f64 = 1.1;
/// It is waited for so many smoothed round trips.
const REACH_ROUND_TRIPS: u64 = 3;

/// What is known of looks at the empty path.
#[derive(Clone, Copy, Debug)]
pub(super) struct RttProbe {
    /// The shortest round trip since the pipe was empty, `u64::MAX` before the first.
    found: u64,
    /// When the pipe was empty.
    drained_at: Option<u64>,
    /// The shortest round trip before.
    before: u64,
    /// To be restored when the round trip has grown, and not a queue.
    bandwidth: Option<Bandwidth>,
    /// When the newest acknowledged packet had left.
    newest_sent: u64,
    /// The shortest round trip of this cycle, `u64::MAX` before the first.
    floor: u64,
    /// Cycles in a row without a round trip near the shortest.
    high_cycles: u32,
    ended_at: u64,
    wait: u64,
}

impl RttProbe {
    pub(super) fn new(now: u64) -> Self {
        Self {
            found: u64::MAX,
            drained_at: None,
            before: 0,
            bandwidth: None,
            newest_sent: 0,
            floor: u64::MAX,
            high_cycles: 0,
            ended_at: now,
            wait: WAIT.0,
        }
    }

    pub(super) fn sample(&mut self, sent: u64, rtt: u64) {
        self.newest_sent = self.newest_sent.max(sent);
        self.floor = self.floor.min(rtt);
        self.found = self.found.min(rtt);
    }

    pub(super) fn end_cycle(&mut self, min_rtt: u64) {
        let floor = std::mem::replace(&mut self.floor, u64::MAX);
        if floor != u64::MAX {
            self.high_cycles = if moved(min_rtt, floor) { self.high_cycles.saturating_add(1) } else { 0 };
        }
    }

    pub(super) fn ended_at(&self) -> u64 {
        self.ended_at
    }

    pub(super) fn forget_bandwidth(&mut self) {
        self.bandwidth = None;
    }
}

fn moved(before: u64, now: u64) -> bool {
    now as f64 > before as f64 * (1.0 + MOVED.0) + (MOVED.1 * MILLISECOND) as f64
}

impl Adaptive {
    pub(super) fn wants_probe_rtt(&self, now: u64) -> bool {
        let probe = &self.rtt_probe;
        let stale = now.saturating_sub(self.rtt.min_seen_at()) > MIN_RTT_LIFE;
        stale || probe.high_cycles >= HIGH_CYCLES && now.saturating_sub(probe.ended_at) > probe.wait
    }

    /// `bandwidth`: what to go back to when the round trip turns out to have grown.
    pub(super) fn start_probe_rtt(&mut self, now: u64, bandwidth: Option<Bandwidth>) {
        let before = self.rtt.min();
        self.rtt_probe = RttProbe { found: u64::MAX, drained_at: None, before, bandwidth, ..self.rtt_probe };
        self.enter(State::ProbeRtt, now);
    }

    /// Bytes in flight that surely leave no queue, reckoned with what was delivered last.
    pub(super) fn probe_rtt_window(&self) -> f64 {
        let estimate = self.bandwidth.estimate();
        let rate = if self.round.last_rate > 0.0 { estimate.min(self.round.last_rate) } else { estimate };
        WINDOW * rate * seconds(self.rtt_probe.before) + WINDOW_PACKETS * self.mtu as f64
    }

    pub(super) fn probe_rtt(&mut self, now: u64) {
        let reached = self.in_flight as f64 <= REACHED * self.reckon_window() as f64;
        let late = now - self.since > REACH_ROUND_TRIPS * self.rtt.smoothed();
        let unit = self.unit();
        let probe = &mut self.rtt_probe;
        if probe.drained_at.is_none() && (reached || late) {
            probe.drained_at = Some(now);
            probe.found = u64::MAX;
        }
        // A packet that left after the pipe was empty has come back.
        let seen = |at| now > at + unit && probe.newest_sent >= at && probe.found != u64::MAX;
        if !probe.drained_at.is_some_and(seen) {
            return;
        }
        let grown = moved(probe.before, probe.found);
        probe.wait = if grown { WAIT.0 } else { (probe.wait * 2).min(WAIT.1) };
        probe.ended_at = now;
        probe.high_cycles = 0;
        if let Some(bandwidth) = probe.bandwidth.take().filter(|_| grown) {
            self.bandwidth = bandwidth;
        }
        self.rtt.set_min(now, self.rtt_probe.found);
        self.start_up(now);
    }
}
