//! Is the peer still there? Idle probes, probes while an answer is owed, doubt, and when to give up.

use super::{Side, token};
use crate::limits::{
    ASKED_PROBE, ASKED_ROUND_TRIPS, ASKED_RTT_MAX, DOUBT_ROUND_TRIPS, DOUBT_TIME, Limits, PROOF_TIME, RESUME_TIME,
};
use rand::{CryptoRng, RngExt};
use std::time::{Duration, Instant};

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Send this probe.
    Probe([u8; 8]),
    /// The peer owes an answer for so long that it may be gone.
    Doubt,
    /// Give the link up.
    Silent,
    /// Give the link up: it never carried anything.
    Hollow,
}

/// What an authentic packet has put an end to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// A doubt.
    pub trusted: bool,
    /// A silence that was longer than the path explains: an end was stopped, or the path was dead.
    pub interrupted: bool,
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
    /// Since when the peer may owe us an answer: anything was sent.
    owed_since: Option<Instant>,
    /// Since when it surely owes one: something was sent that a living peer answers at once.
    asked_since: Option<Instant>,
    /// The round-trip time when that began.
    rtt: Duration,
    /// An owed answer makes us doubt the link, and has done so.
    doubted: bool,
    /// When to probe next: after idling, or while an answer is owed.
    next_probe: Instant,
    /// How long to wait for the next answer: drawn ahead, so that no rhythm shows.
    patience: Duration,
    /// The wait for the next probe while an answer is surely owed.
    step: Duration,
    /// The probe that is out, for its round-trip time.
    probe: Option<([u8; 8], Instant)>,
    /// A client's new link must carry something before this.
    proof_until: Option<Instant>,
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
            asked_since: None,
            rtt: Duration::ZERO,
            doubted: false,
            next_probe: now,
            patience: limits.probe_interval,
            step: ASKED_PROBE,
            probe: None,
            proof_until: None,
        };
        liveness.rest(now, rng);
        liveness
    }

    /// An authentic packet has come. Returns what that ends.
    pub fn received(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Heard {
        let interrupted = self.asked_since.is_some_and(|since| since + self.doubt_after() <= now);
        let trusted = std::mem::take(&mut self.doubted);
        self.last_received = now;
        let owed = self.owed_since.take().is_some();
        self.asked_since = None;
        // A probe is repeated until it is echoed, whatever else comes in the meantime.
        let probing = self.probe.is_some();
        // The common case of bulk traffic draws no randomness: the probe is far away already.
        if !probing && (owed || self.next_probe < now + self.keep_alive / 2) {
            self.rest(now, rng);
        }
        Heard { trusted, interrupted }
    }

    /// When the last authentic packet came.
    pub fn last_received(&self) -> Instant {
        self.last_received
    }

    /// A client's new link must bring something of its session soon, or be given up.
    pub fn expect_proof(&mut self, now: Instant, rtt: Duration) {
        let patience = (rtt * DOUBT_ROUND_TRIPS).clamp(PROOF_TIME, PROOF_TIME * 4);
        self.proof_until = Some(now + patience);
    }

    /// The session has brought something: the link carries what it is there for. Returns whether
    /// that is news.
    pub fn proven(&mut self) -> bool {
        self.proof_until.take().is_some()
    }

    /// Whether a client's new link has brought nothing of its session yet.
    pub fn is_unproven(&self) -> bool {
        self.proof_until.is_some()
    }

    /// Something has been sent that the peer may answer.
    pub fn sent(&mut self, now: Instant) {
        if self.owed_since.is_none() {
            self.owed_since = Some(now);
            self.next_probe = self.next_probe.min(now + self.patience);
        }
    }

    /// Something has been sent that a living peer answers at once.
    pub fn asked(&mut self, now: Instant, rtt: Duration, rng: &mut impl CryptoRng) {
        self.sent(now);
        if self.asked_since.is_none() {
            self.asked_since = Some(now);
            self.rtt = rtt.min(ASKED_RTT_MAX);
            self.step = ASKED_PROBE;
            let patience = jittered(ASKED_PROBE, rng).max(rtt * ASKED_ROUND_TRIPS);
            self.next_probe = self.next_probe.min(now + patience);
        }
    }

    /// Since when the peer has surely owed an answer.
    pub fn asked_since(&self) -> Option<Instant> {
        self.asked_since
    }

    /// This end was stopped for a while: what has passed meanwhile says nothing against the peer.
    pub fn resumed(&mut self, now: Instant) {
        let idle_for = self.link_idle.saturating_sub(RESUME_TIME);
        self.last_received = self.last_received.max(now.checked_sub(idle_for).unwrap_or(now));
        for since in [&mut self.owed_since, &mut self.asked_since] {
            *since = since.map(|_| now);
        }
        self.proof_until = self.proof_until.map(|_| now + PROOF_TIME);
    }

    /// Makes a probe that is wanted now.
    pub fn probe(&mut self, now: Instant, rng: &mut impl CryptoRng) -> [u8; 8] {
        let token = token(rng);
        self.probe = Some((token, now));
        let wait = match self.asked_since {
            Some(_) => {
                let wait = self.step.max(self.rtt * 2);
                self.step = (self.step * 2).min(self.probe_interval);
                wait
            }
            None => self.probe_interval,
        };
        self.next_probe = now + jittered(wait, rng);
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
        let client = [Some(self.next_probe), self.doubt(), self.proof_until].into_iter().flatten().min();
        Some(client.filter(|_| self.side == Side::Client).map_or(end, |at| end.min(at)))
    }

    /// What is due now, if anything. To be called again until nothing is.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Option<Due> {
        if now >= self.end() {
            return Some(Due::Silent);
        }
        if self.side == Side::Server {
            return None;
        }
        if self.proof_until.is_some_and(|until| until <= now) {
            return Some(Due::Hollow);
        }
        if self.doubt().is_some_and(|at| at <= now) {
            self.doubted = true;
            return Some(Due::Doubt);
        }
        (now >= self.next_probe).then(|| Due::Probe(self.probe(now, rng)))
    }

    fn end(&self) -> Instant {
        let idle = self.last_received + self.link_idle;
        match self.owed_since {
            Some(since) if self.side == Side::Client => idle.min(since + self.silence),
            _ => idle,
        }
    }

    /// When the link is to be doubted. One that has never carried anything has its own time.
    fn doubt(&self) -> Option<Instant> {
        let since = self.asked_since.filter(|_| !self.doubted && self.proof_until.is_none())?;
        Some(since + self.doubt_after())
    }

    fn doubt_after(&self) -> Duration {
        DOUBT_TIME.max(self.rtt * DOUBT_ROUND_TRIPS)
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
