//! Is the peer still there? Idle probes, probes while an answer is owed, and when to give up.

use super::{Side, token};
use crate::limits::Limits;
use rand::{CryptoRng, RngExt};
use std::time::{Duration, Instant};

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Send this probe.
    Probe([u8; 8]),
    /// Give the link up.
    Silent,
}

/// Watches over one end of a link.
///
/// Only a client asks by itself: what it sends in vain costs a little traffic, while a server that
/// probed would keep sending to an address that somebody else may have by now.
pub struct Liveness {
    side: Side,
    keep_alive: Duration,
    probe_interval: Duration,
    silence: Duration,
    link_idle: Duration,
    last_received: Instant,
    /// Since when the peer owes us an answer.
    owed_since: Option<Instant>,
    /// When to probe next: after idling, or while an answer is owed.
    next_probe: Instant,
    /// How long to wait for the next answer: drawn ahead, so that no rhythm shows.
    patience: Duration,
    /// The probe that is out, for its round-trip time.
    probe: Option<([u8; 8], Instant)>,
}

impl Liveness {
    /// Begins with a link that has just been confirmed.
    pub fn new(side: Side, limits: &Limits, now: Instant, rng: &mut impl CryptoRng) -> Self {
        let mut liveness = Self {
            side,
            keep_alive: limits.keep_alive,
            probe_interval: limits.probe_interval,
            silence: limits.silence,
            link_idle: limits.link_idle,
            last_received: now,
            owed_since: None,
            next_probe: now,
            patience: limits.probe_interval,
            probe: None,
        };
        liveness.rest(now, rng);
        liveness
    }

    /// An authentic packet has come.
    pub fn received(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        self.last_received = now;
        let owed = self.owed_since.take().is_some();
        // A probe is repeated until it is echoed, whatever else comes in the meantime.
        let probing = self.probe.is_some();
        // The common case of bulk traffic draws no randomness: the probe is far away already.
        if !probing && (owed || self.next_probe < now + self.keep_alive / 2) {
            self.rest(now, rng);
        }
    }

    /// When the last authentic packet came.
    pub fn last_received(&self) -> Instant {
        self.last_received
    }

    /// Something has been sent that the peer should answer.
    pub fn asked(&mut self, now: Instant) {
        if self.owed_since.is_none() {
            self.owed_since = Some(now);
            self.next_probe = self.next_probe.min(now + self.patience);
        }
    }

    /// Makes a probe that is wanted now.
    pub fn probe(&mut self, now: Instant, rng: &mut impl CryptoRng) -> [u8; 8] {
        let token = token(rng);
        self.probe = Some((token, now));
        self.next_probe = now + jittered(self.probe_interval, rng);
        token
    }

    /// A probe has come back; returns its round-trip time if it is the one that was sent last.
    pub fn echoed(&mut self, now: Instant, token: [u8; 8], rng: &mut impl CryptoRng) -> Option<Duration> {
        match self.probe {
            Some((sent, at)) if sent == token => {
                self.probe = None;
                self.rest(now, rng);
                Some(now - at)
            }
            _ => None,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let end = self.end();
        Some(if self.side == Side::Client { end.min(self.next_probe) } else { end })
    }

    /// What is due now, if anything.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Option<Due> {
        if now >= self.end() {
            return Some(Due::Silent);
        }
        if self.side == Side::Client && now >= self.next_probe {
            return Some(Due::Probe(self.probe(now, rng)));
        }
        None
    }

    fn end(&self) -> Instant {
        let idle = self.last_received + self.link_idle;
        match self.owed_since {
            Some(since) if self.side == Side::Client => idle.min(since + self.silence),
            _ => idle,
        }
    }

    fn rest(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        self.next_probe = now + jittered(self.keep_alive, rng);
        self.patience = jittered(self.probe_interval, rng);
    }
}

/// `time`, ±40 %.
fn jittered(time: Duration, rng: &mut impl CryptoRng) -> Duration {
    time.mul_f64(rng.random_range(0.6..1.4))
}
