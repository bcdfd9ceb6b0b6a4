//! Does the path carry full datagrams? Handshakes and the first packets are short ones, and a path
//! that swallows the long ones in silence would carry them and then nothing that matters.
//!
//! Mostly the session finds out by itself, for a longer datagram than its first has come through. If
//! it has not, a client asks with a datagram that is as long, and gives the link up where nothing
//! as long comes back.

use super::token;
use crate::limits::{WIDTH_AGAIN, WIDTH_ASKS, WIDTH_BEGIN};
use rand::{CryptoRng, RngExt};
use std::time::Instant;

/// Watches over the beginning of a client's link.
pub(super) struct Width {
    token: [u8; 8],
    /// The longest datagram that the session knew at first.
    first: usize,
    next: Instant,
    /// How often it was asked. Times say nothing: this end may have been stopped.
    asked: u32,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// Nothing any more: the path is wide enough.
    Nothing,
    /// Ask, with this token.
    Ask([u8; 8]),
    /// Give the link up.
    Narrow,
}

impl Width {
    pub(super) fn new(first: usize, now: Instant, rng: &mut impl CryptoRng) -> Self {
        Self { token: token(rng), first, next: now + WIDTH_BEGIN, asked: 0 }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// What is due, if anything is. `longest`: the longest datagram that the session knows now.
    /// `silent`: the peer is heard nothing of, which is another matter.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        longest: usize,
        silent: bool,
        rng: &mut impl CryptoRng,
    ) -> Option<Due> {
        if now < self.next {
            return None;
        }
        if longest > self.first {
            return Some(Due::Nothing);
        }
        self.next = now + WIDTH_AGAIN.mul_f64(rng.random_range(0.6..1.4));
        if silent {
            return None;
        }
        self.asked += 1;
        Some(if self.asked > WIDTH_ASKS { Due::Narrow } else { Due::Ask(self.token) })
    }

    /// Something as long has come back.
    pub(super) fn is_answered(&self, token: [u8; 8]) -> bool {
        token == self.token
    }
}
