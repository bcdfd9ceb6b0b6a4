//! The rate that the user knows the line to have, and a little more where packets are lost.
//!
//! Where the line is slower than told, this controller takes no notice: it fills the queue with up to a
//! second round trip, loses what does not fit, and counts a fifth of that as loss to be made up for. It
//! sends at most 1.25 times the told rate, and has at most two round trips and 10 ms of it in flight, so that
//! the link lives and carries what the line carries; but others on the line suffer, and every packet waits
//! in the queue. Where the round trip grows to more than twice the shortest ever, that bound holds the rate back.

use super::clock::{Clock, MILLISECOND, seconds};
use super::rtt::RoundTrips;
use super::{Controller, INITIAL_WINDOW, Report, bounded_pace, bounded_window};
use std::time::Instant;

/// No more loss than this is made up for: the pace is at most 1.25 times the told rate.
const MAX_LOSS: f64 = 0.2;
/// Loss is reckoned over half a second at least,
const LOSS_TIME: u64 = 500 * MILLISECOND;
/// and so many packets; fewer than that wait for more.
const LOSS_PACKETS: u64 = 100;
/// Each reckoning weighs so much against those before.
const LOSS_WEIGHT: f64 = 0.25;
/// The window in shortest round trips of the pace, and seconds of it on top.
const WINDOW: (f64, f64) = (2.0, 0.01);
/// Seconds: the round trip to reckon with before the first is known.
const UNKNOWN_RTT: f64 = 0.1;

/// See [`Congestion::Fixed`](super::Congestion::Fixed).
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    clock: Clock,
    mtu: u64,
    /// Bytes per second.
    rate: f64,
    rtt: RoundTrips,
    loss: f64,
    /// Bytes whose fate became known since `counted_since`.
    acked: u64,
    lost: u64,
    counted_since: u64,
    newest_sent: Option<u64>,
}

impl Fixed {
    pub(super) fn new(now: Instant, mtu: u16, rate: u64) -> Self {
        Self {
            clock: Clock::new(now),
            mtu: super::packet_size(mtu),
            rate: rate as f64,
            rtt: RoundTrips::new(0),
            loss: 0.0,
            acked: 0,
            lost: 0,
            counted_since: 0,
            newest_sent: None,
        }
    }

    fn reckon_loss(&mut self, now: u64) {
        let total = self.acked.saturating_add(self.lost);
        if now - self.counted_since < LOSS_TIME || total < LOSS_PACKETS * self.mtu {
            return;
        }
        let seen = self.lost as f64 / total as f64;
        self.loss += (seen.min(MAX_LOSS) - self.loss) * LOSS_WEIGHT;
        (self.acked, self.lost, self.counted_since) = (0, 0, now);
    }

    fn reckon_pace(&self) -> f64 {
        self.rate / (1.0 - self.loss)
    }
}

impl Controller for Fixed {
    fn on_sent(&mut self, now: Instant, _bytes: u64) {
        self.clock.now(now);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.clock.now(now);
        let sent = self.clock.at(sent);
        self.newest_sent = Some(self.newest_sent.map_or(sent, |newest| newest.max(sent)));
        self.acked = self.acked.saturating_add(bytes);
    }

    fn on_end_acks(&mut self, now: Instant, _in_flight: u64, _app_limited: bool) {
        let now = self.clock.now(now);
        if let Some(sent) = self.newest_sent.take() {
            self.rtt.sample(now, now.saturating_sub(sent));
        }
        self.reckon_loss(now);
    }

    fn on_loss(&mut self, now: Instant, _sent: Instant, bytes: u64) {
        let now = self.clock.now(now);
        self.lost = self.lost.saturating_add(bytes);
        self.reckon_loss(now);
    }

    fn on_mtu(&mut self, mtu: u16) {
        self.mtu = super::packet_size(mtu);
    }

    fn window(&self) -> u64 {
        let rtt = if self.rtt.samples() == 0 { UNKNOWN_RTT } else { seconds(self.rtt.min()) };
        let bytes = self.reckon_pace() * (rtt * WINDOW.0 + WINDOW.1);
        bounded_window(bytes.max((INITIAL_WINDOW * self.mtu) as f64), self.mtu)
    }

    fn pace(&self) -> Option<u64> {
        Some(bounded_pace(self.reckon_pace()))
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn report(&self) -> Report {
        let (min_rtt, smoothed_rtt) = self.rtt.report();
        Report {
            state: "fixed",
            bandwidth: self.rate as u64,
            base_loss: self.loss,
            min_rtt,
            smoothed_rtt,
            window: self.window(),
            pace: self.pace(),
        }
    }
}
