//! How long may datagrams be? For a session that leaves finding out to its link.
//!
//! A control message of the length in question is sent, and answered by a short one, so that each
//! direction is asked for itself. Where the longest does not come through, a few shorter ones are
//! tried, each drawn between what is known to pass and what did not: halves would be a row of lengths
//! that follow from each other, and a mark.

use super::token;
use rand::{CryptoRng, RngExt};
use std::time::{Duration, Instant};

/// How often a length is asked for before it is taken not to pass.
const ASKS: u32 = 3;

/// Lengths that are tried on a path.
const STEPS: u32 = 4;

/// Nothing is tried that would gain less, bytes.
const GAIN: u16 = 16;

/// An answer is waited for so long, ±40 %, and three round trips.
const WAIT: Duration = Duration::from_millis(60);

/// A path is tried again after this.
const AGAIN: Duration = Duration::from_secs(600);

/// Finds out which lengths the path carries.
pub(super) struct Length {
    /// What is asked for, and how often it was.
    asked: Option<([u8; 8], u16, u32)>,
    steps: u32,
    /// What did not pass.
    failed: Option<u16>,
    next: Option<Instant>,
    /// The length that was last known to pass.
    passed: u16,
}

/// What is known when something is to be decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The length that is known to pass.
    pub(super) passes: u16,
    /// The length that the session would like, if it is longer.
    pub(super) wanted: Option<u16>,
    pub(super) rtt: Duration,
}

impl Length {
    /// Nothing is asked yet.
    pub(super) fn new() -> Self {
        Self { asked: None, steps: 0, failed: None, next: None, passed: 0 }
    }

    fn begin(&mut self, now: Instant) {
        *self = Self { next: Some(now), ..Self::new() };
    }

    /// Something has come. Begins with the first, and again when the session has given up a length
    /// that did pass.
    pub(super) fn heard(&mut self, now: Instant, known: Known) {
        if known.wanted.is_some() && (self.next.is_none() || known.passes < self.passed) {
            self.begin(now);
        }
        self.passed = known.passes;
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// What to ask for now, if anything: a token and a length.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        known: Known,
        rng: &mut impl CryptoRng,
    ) -> Option<([u8; 8], u16)> {
        if self.next.is_none_or(|next| now < next) {
            return None;
        }
        self.next = Some(now + (WAIT + 3 * known.rtt).mul_f64(rng.random_range(0.6..1.4)));
        if let Some((_, length, asks)) = self.asked
            && asks >= ASKS
        {
            (self.asked, self.failed) = (None, Some(length));
        }
        let (token, length, asks) = match self.asked {
            Some(asked) => asked,
            None => match self.choose(known, rng) {
                Some(length) => (token(rng), length, 0),
                None => {
                    (self.steps, self.failed) = (0, None);
                    self.next = Some(now + AGAIN.mul_f64(rng.random_range(0.6..1.4)));
                    return None;
                }
            },
        };
        self.asked = Some((token, length, asks + 1));
        Some((token, length))
    }

    fn choose(&mut self, known: Known, rng: &mut impl CryptoRng) -> Option<u16> {
        let wanted = known.wanted.filter(|_| self.steps < STEPS)?;
        self.steps += 1;
        let Some(failed) = self.failed else { return Some(wanted) };
        let between = failed.checked_sub(known.passes).filter(|between| *between >= 2 * GAIN)?;
        Some(known.passes + (f64::from(between) * rng.random_range(0.4..0.75)) as u16)
    }

    /// An answer. The length that passes, if it was asked for.
    pub(super) fn answered(&mut self, now: Instant, token: [u8; 8]) -> Option<u16> {
        let (_, length, _) = self.asked.take_if(|(asked, ..)| *asked == token)?;
        self.next = Some(now);
        Some(length)
    }
}
