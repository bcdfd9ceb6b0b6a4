//! How long the datagrams of a session may be, where the link finds out what the path carries.

use crate::session::DATAGRAM_MIN;
use rand::{Rng, RngExt};

/// The lengths of a path, bytes, envelope included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    first: u16,
    now: u16,
    max: u16,
}

impl Lengths {
    /// Up to `max` may be tried. With `shaped` the first is drawn, up to `more` above the least, so that it says nothing.
    pub(super) fn new(max: u16, more: u16, shaped: bool, rng: &mut impl Rng) -> Self {
        let more = if shaped { rng.random_range(0..=more) } else { 0 };
        let first = DATAGRAM_MIN + more;
        Self { first, now: first, max: max.max(first) }
    }

    /// The longest datagram that the path is known to carry.
    pub(super) fn now(&self) -> u16 {
        self.now
    }

    /// The length that is worth trying.
    pub(super) fn wanted(&self) -> Option<u16> {
        (self.now < self.max).then_some(self.max)
    }

    /// The path carries so much.
    pub(super) fn carries(&mut self, length: u16) {
        self.now = self.now.max(length.min(self.max));
    }

    /// The path is another one.
    pub(super) fn path_changed(&mut self) {
        self.now = self.first;
    }
}
