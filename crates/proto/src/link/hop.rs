//! A client's way between the ports of its server, and the junk that goes ahead of it.
//!
//! Hopping is roaming: the server proves the new port by a challenge, as it does any new address,
//! and goes on sending from the old one meanwhile. A client hops when it has something to send and
//! the time on a port is over, or when what it has asked there is not answered.

use crate::carrier::CarrierKind;
use crate::limits::{JUNK_IDLE, Limits};
use crate::ports::Ports;
use crate::profile::Profile;
use rand::{CryptoRng, RngExt};
use std::time::{Duration, Instant};

/// Draws ports, and junk for each new pair of addresses.
pub(super) struct Hopper {
    ports: Ports,
    /// Whether it hops as time passes. Over raw TCP another port is another connection, which what is sent would have to
    /// wait for: there flows are renewed instead, and a link hops when it is not answered.
    as_time_passes: bool,
    interval: Duration,
    next: Instant,
    profile: Profile,
    /// Junk datagrams that are still to be sent before anything else.
    junk: usize,
    last_sent: Instant,
}

impl Hopper {
    /// Begins on a pair of addresses that the handshake has used just now.
    pub(super) fn new(
        ports: Ports,
        carrier: CarrierKind,
        limits: &Limits,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let (interval, profile) = (limits.hop_interval, limits.profile);
        let as_time_passes = carrier == CarrierKind::Udp && ports.count() > 1;
        let mut hopper = Self { ports, as_time_passes, interval, next: now, profile, junk: 0, last_sent: now };
        hopper.rest(now, rng);
        hopper
    }

    /// When something was last sent.
    pub(super) fn last_sent(&self) -> Instant {
        self.last_sent
    }

    /// Something is about to be sent to `port`. Returns the port to use instead, if it is time to hop.
    pub(super) fn before_sending(&mut self, now: Instant, port: u16, rng: &mut impl CryptoRng) -> Option<u16> {
        if self.as_time_passes && now >= self.next {
            return self.hop(now, port, rng);
        }
        if now.saturating_duration_since(self.last_sent) >= JUNK_IDLE {
            self.draw_junk(rng);
        }
        self.last_sent = now;
        None
    }

    /// Another port than `port`, if there is one.
    pub(super) fn hop(&mut self, now: Instant, port: u16, rng: &mut impl CryptoRng) -> Option<u16> {
        if self.ports.count() < 2 {
            return None;
        }
        self.rest(now, rng);
        self.draw_junk(rng);
        self.last_sent = now;
        Some(self.ports.draw(Some(port), rng))
    }

    /// Whether junk is due.
    pub(super) fn has_junk(&self) -> bool {
        self.junk > 0
    }

    /// Writes the next junk datagram, if one is due.
    pub(super) fn poll_junk(&mut self, out: &mut Vec<u8>, rng: &mut impl CryptoRng) -> bool {
        if self.junk == 0 {
            return false;
        }
        self.junk -= 1;
        self.profile.write_junk(out, rng);
        true
    }

    fn draw_junk(&mut self, rng: &mut impl CryptoRng) {
        self.junk = self.profile.junk_count.draw(rng);
    }

    fn rest(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        self.next = now + self.interval.mul_f64(rng.random_range(0.7..1.3));
    }
}
