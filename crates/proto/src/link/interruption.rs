//! What a link makes of an interruption: a path that was dead for a while, an end that was stopped.

use super::{Link, Side};
use crate::limits::INTERRUPTION_TIME;
use crate::session::PathChange;
use rand::CryptoRng;
use std::time::Instant;

impl Link {
    /// This end was stopped for a while, or has slept. A client asks at once whether the peer is
    /// still there.
    pub fn resumed(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        self.liveness.resumed(now);
        self.interruption_ends(now);
        if self.side == Side::Client && !self.lost {
            self.probe(now, rng);
        }
    }

    /// The path was dead, or an end was stopped, and that is over.
    pub(super) fn interruption_ends(&mut self, now: Instant) {
        self.interrupted = Some((now + INTERRUPTION_TIME, None));
        self.forget_path(now);
    }

    /// The session takes an interruption for a round trip, with the first packet that
    /// acknowledges what was sent before it, and for congestion, when it finds out what was lost.
    pub(super) fn forget_interruption(&mut self, now: Instant) {
        let Some((until, seen)) = self.interrupted else { return };
        let lost = Some(self.session.stats().lost);
        if until <= now {
            self.interrupted = None;
        } else if lost != seen {
            self.interrupted = Some((until, lost));
            self.forget_path(now);
        }
    }

    fn forget_path(&mut self, now: Instant) {
        if !self.lost {
            self.guarded(|session| session.path_changed(now, PathChange::New));
        }
    }
}
