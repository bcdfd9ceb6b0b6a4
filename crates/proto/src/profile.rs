//! How an end shapes what it sends: junk, padding, sizes. Drawn for each deployment, so that no two
//! of them look alike; the other end need not know it.
//!
//! Who draws and keeps a profile is not the business of this crate; here are its fields, their
//! ranges, and [`Profile::plain`], which shapes nothing.

use rand::{Rng, RngExt};
use std::ops::RangeInclusive;
use thiserror::Error;

/// The most bytes of a junk datagram and of a request: what passes wherever IPv6 does.
const PASSES: u16 = 1200;

/// Two bounds, both included, between which something is drawn each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// The least.
    pub low: u16,
    /// The most.
    pub high: u16,
}

impl Span {
    /// From `low` to `high`.
    pub const fn new(low: u16, high: u16) -> Self {
        Self { low, high }
    }

    /// Half of everything: for what is drawn in two steps.
    pub const fn half(self) -> Self {
        Self { low: self.low / 2, high: self.high / 2 }
    }

    /// One of the values, all equally likely.
    pub fn draw(self, rng: &mut impl Rng) -> usize {
        rng.random_range(usize::from(self.low)..=usize::from(self.high.max(self.low)))
    }
}

/// How an end shapes what it sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Junk datagrams before a client's first on a pair of addresses, at each hop, and after 60 s in which
    /// it has sent nothing there.
    pub junk_count: Span,
    /// Bytes of a junk datagram.
    pub junk_size: Span,
    /// Milliseconds after each junk datagram that goes before a handshake.
    pub junk_spacing: Span,
    /// Bytes of a handshake's request.
    pub request_size: Span,
    /// Session packets at the beginning of a burst whose sizes are drawn one by one.
    pub burst_packets: Span,
    /// Bytes that such a packet gains, where it has room.
    pub burst_padding: Span,
    /// Bytes by which such a packet is made smaller, where it would be full.
    pub burst_cut: Span,
    /// Bytes that any other small packet gains: acknowledgements, the last of a batch.
    pub small_padding: Span,
    /// Bytes that a control message gains: keep-alives, echoes, challenges.
    pub control_padding: Span,
    /// Bytes by which all full packets are smaller than the path allows: half of it drawn for each
    /// session, half for each of its keys.
    pub segment_cut: Span,
    /// Printable characters with which the first payload of a client's flow over raw TCP begins.
    pub printable: Span,
}

/// A value that no profile can have.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("profile.{name} = [{low}, {high}] is not possible: {why}")]
pub struct BadSpan {
    name: String,
    low: u16,
    high: u16,
    why: String,
}

type Field = (&'static str, RangeInclusive<u16>, fn(&mut Profile) -> &mut Span);

/// Every field: its name, what it may be, and where it is.
const FIELDS: [Field; 11] = [
    ("junk_count", 0..=16, |profile| &mut profile.junk_count),
    ("junk_size", 1..=PASSES, |profile| &mut profile.junk_size),
    ("junk_spacing", 0..=100, |profile| &mut profile.junk_spacing),
    ("request_size", 265..=PASSES, |profile| &mut profile.request_size),
    ("burst_packets", 0..=100, |profile| &mut profile.burst_packets),
    ("burst_padding", 0..=1000, |profile| &mut profile.burst_padding),
    ("burst_cut", 0..=800, |profile| &mut profile.burst_cut),
    ("small_padding", 0..=500, |profile| &mut profile.small_padding),
    ("control_padding", 24..=119, |profile| &mut profile.control_padding),
    ("segment_cut", 0..=200, |profile| &mut profile.segment_cut),
    ("printable", 6..=64, |profile| &mut profile.printable),
];

impl Profile {
    /// Shapes nothing but what the protocol itself draws: lengths of handshakes and of control messages.
    pub const fn plain() -> Self {
        Self {
            junk_count: Span::new(0, 0),
            junk_size: Span::new(1, PASSES),
            junk_spacing: Span::new(0, 0),
            request_size: Span::new(265, PASSES),
            burst_packets: Span::new(0, 0),
            burst_padding: Span::new(0, 0),
            burst_cut: Span::new(0, 0),
            small_padding: Span::new(0, 0),
            control_padding: Span::new(24, 119),
            segment_cut: Span::new(0, 0),
            printable: Span::new(6, 24),
        }
    }

    /// Writes a junk datagram: random bytes, and as many as are drawn.
    pub fn write_junk(&self, out: &mut Vec<u8>, rng: &mut impl Rng) {
        out.resize(self.junk_size.draw(rng), 0);
        rng.fill_bytes(out);
    }

    /// Sets a field by its name. Refused: an unknown name, values out of order or out of range.
    pub fn set(&mut self, name: &str, low: u16, high: u16) -> Result<(), BadSpan> {
        let bad = |why: String| BadSpan { name: name.to_owned(), low, high, why };
        let field = FIELDS.iter().find(|(known, ..)| *known == name);
        let (_, range, get) = field.ok_or_else(|| bad("there is no such field".into()))?;
        if low > high {
            return Err(bad("the first is the least and must not be above the second".into()));
        }
        if !range.contains(&low) || !range.contains(&high) {
            return Err(bad(format!("both must be from {} to {}", range.start(), range.end())));
        }
        *get(self) = Span::new(low, high);
        Ok(())
    }

    /// Every field's name and the range of its values.
    pub fn fields() -> impl Iterator<Item = (&'static str, RangeInclusive<u16>)> {
        FIELDS.into_iter().map(|(name, range, _)| (name, range))
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::plain()
    }
}
