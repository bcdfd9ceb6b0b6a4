//! When a client's flow is to be replaced by another.

use super::Settings;
use rand::{RngExt, rngs::StdRng};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The least and the most between two of them that lead to nothing.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What a client knows of the health of its flow to one server.
pub(super) struct Renewal {
    /// When the flow is old.
    old_at: Instant,
    /// Since when it has sent and heard nothing.
    unheard: Option<Instant>,
    /// Somebody says that it is over.
    suspect: bool,
    /// It has brought something authentic.
    proven: bool,
    /// The local address that leads to the server.
    way: Option<IpAddr>,
    /// None before this.
    not_before: Instant,
    pause: Duration,
}

impl Renewal {
    pub(super) fn new(now: Instant) -> Self {
        let (unheard, way) = (None, None);
        Self { old_at: now, unheard, suspect: false, proven: false, way, not_before: now, pause: PAUSE }
    }

    /// A new flow is in use.
    pub(super) fn established(&mut self, now: Instant, rng: &mut StdRng, settings: &Settings) {
        self.old_at = now + settings.renew.mul_f64(rng.random_range(0.75..1.25));
        (self.unheard, self.suspect, self.proven) = (None, false, false);
    }

    /// Something was sent. What is due by that, if it was not already.
    pub(super) fn sent(&mut self, now: Instant, settings: &Settings) -> Option<Instant> {
        if self.unheard.is_some() {
            return None;
        }
        self.unheard = Some(now);
        Some((now + settings.stalled).max(self.not_before))
    }

    /// Something authentic came. True: for the first time.
    pub(super) fn heard(&mut self) -> bool {
        (self.unheard, self.pause) = (None, PAUSE);
        !std::mem::replace(&mut self.proven, true)
    }

    pub(super) fn suspect(&mut self) {
        self.suspect = true;
    }

    pub(super) fn set_way(&mut self, local: IpAddr) {
        self.way = Some(local);
    }

    /// When a flow from this local address is to be replaced.
    pub(super) fn due(&self, local: IpAddr, settings: &Settings) -> Option<Instant> {
        let astray = self.way.is_some_and(|way| way != local);
        let stalled = self.unheard.map_or(self.old_at, |unheard| unheard + settings.stalled);
        let due = if self.suspect || astray { self.not_before } else { stalled.min(self.old_at) };
        Some(due.max(self.not_before))
    }

    /// Another is asked for.
    pub(super) fn begin(&mut self, now: Instant) {
        self.not_before = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}
