//! How long a keeper waits between two rounds: little while the link is wanted, ever longer while
//! nobody wants it, and always longer for a client that was sent away.

use crate::limits::{
    DOUBT_CALM, DOUBT_PAUSE_MAX, EAGER_TIME, REDIAL_PAUSE, REDIAL_PAUSE_EAGER, REDIAL_PAUSE_MAX,
    REDIAL_PAUSE_SHORT_LIVED,
};
use rand::{CryptoRng, RngExt};
use std::time::{Duration, Instant};

/// What the last round has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// Nobody has answered.
    NoAnswer,
    /// A link came up, and did not last.
    ShortLived,
    /// The server has sent this client away.
    SentAway,
}

pub(super) struct Pace {
    /// The next pause, if nothing shortens it.
    pause: Duration,
    /// Since when there has been no link to rely on.
    outage: Option<Instant>,
    /// Somebody waits for the link.
    wanted: bool,
    /// Another member of the pool has a link: nobody misses this one.
    quiet: bool,
    last: Failure,
    /// When a doubt last turned out to be groundless, and the pause before the next one.
    calm: Option<Instant>,
    doubt_pause: Duration,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            pause: REDIAL_PAUSE,
            outage: Some(now),
            wanted: false,
            quiet: false,
            last: Failure::NoAnswer,
            calm: None,
            doubt_pause: Duration::ZERO,
        }
    }

    /// Whether handshakes should follow each other closely.
    pub(super) fn is_eager(&self, now: Instant) -> bool {
        let young = self.outage.is_some_and(|since| now < since + EAGER_TIME);
        self.last != Failure::SentAway && !self.quiet && (self.wanted || young)
    }

    /// Takes note whether somebody waits; returns whether that is new.
    pub(super) fn want(&mut self, wanted: bool) -> bool {
        let new = wanted && !self.wanted;
        self.wanted = wanted;
        new
    }

    /// Whether another member of the pool has a link.
    pub(super) fn be_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    pub(super) fn is_sent_away(&self) -> bool {
        self.last == Failure::SentAway
    }

    /// The link cannot be relied on any more.
    pub(super) fn outage(&mut self, now: Instant) {
        self.outage.get_or_insert(now);
    }

    /// This machine has slept, or this process: whatever was tried before was long ago.
    pub(super) fn resumed(&mut self, now: Instant) {
        self.outage = self.outage.map(|_| now);
    }

    /// A link that lived for a while says nothing against the next, and ends the outage before it.
    pub(super) fn steady(&mut self) {
        self.outage = None;
        self.pause = REDIAL_PAUSE;
        self.last = Failure::NoAnswer;
    }

    /// The pause after a round that came to nothing; each is twice as long as the one before.
    pub(super) fn fail(&mut self, now: Instant, failure: Failure, rng: &mut impl CryptoRng) -> Duration {
        // Whoever was sent away and then hears nothing is still away.
        if failure != Failure::NoAnswer || self.last != Failure::SentAway {
            self.last = failure;
        }
        let pause = self.pause.min(self.pause_max(now));
        self.pause = (self.pause * 2).min(REDIAL_PAUSE_MAX);
        pause.mul_f64(rng.random_range(0.7..1.3))
    }

    /// The longest pause now.
    pub(super) fn pause_max(&self, now: Instant) -> Duration {
        match self.last {
            Failure::NoAnswer if self.is_eager(now) => REDIAL_PAUSE_EAGER,
            Failure::ShortLived if self.is_eager(now) => REDIAL_PAUSE_SHORT_LIVED,
            _ => REDIAL_PAUSE_MAX,
        }
    }

    /// How soon a new wish may begin the next round.
    pub(super) fn wish_pause(&self) -> Duration {
        match self.last {
            Failure::NoAnswer => Duration::ZERO,
            Failure::ShortLived => REDIAL_PAUSE_SHORT_LIVED,
            Failure::SentAway => REDIAL_PAUSE_MAX,
        }
    }

    /// A doubt has turned out to be groundless.
    pub(super) fn calmed(&mut self, now: Instant) {
        self.calm = Some(now);
        self.outage = None;
    }

    /// The pause before a doubted link is doubted by a handshake as well: none, unless it was
    /// doubted in vain just before.
    pub(super) fn doubt(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Duration {
        if self.calm.is_none_or(|calm| calm + DOUBT_CALM <= now) {
            self.doubt_pause = Duration::ZERO;
        } else {
            self.doubt_pause = (self.doubt_pause * 2).clamp(REDIAL_PAUSE, DOUBT_PAUSE_MAX);
        }
        self.doubt_pause.mul_f64(rng.random_range(0.7..1.3))
    }
}
