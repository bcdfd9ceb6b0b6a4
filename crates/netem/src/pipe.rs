//! One direction of a wire: decides for each datagram whether and when it arrives.

use crate::conditions::{Conditions, DUPLICATE_LAG};
use rand::{RngExt, rngs::StdRng};
use std::time::Duration;

/// Arrivals are rounded up to this, as a network card hands over what has come in the meantime.
const GRAIN: Duration = Duration::from_micros(50);

/// Datagrams and their bytes (payloads of UDP).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// How many.
    pub datagrams: u64,
    /// How long, together.
    pub bytes: u64,
}

impl Tally {
    /// Counts one datagram.
    pub fn count(&mut self, length: usize) {
        self.datagrams += 1;
        self.bytes += length as u64;
    }
}

/// What became of the datagrams that were sent into a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// All that were sent.
    pub sent: Tally,
    /// Those that came out, copies included.
    pub delivered: Tally,
    /// Lost at random.
    pub lost: u64,
    /// Sent during a black-out.
    pub blacked_out: u64,
    /// Larger than the MTU.
    pub oversized: u64,
    /// Did not fit into the buffer before the rate.
    pub overflowed: u64,
    /// Came out at an address that is dead by then.
    pub dead: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Held back, so that others overtook them.
    pub reordered: u64,
}

/// One direction of a wire.
pub struct Pipe {
    conditions: Conditions,
    /// When the last datagram will have passed the rate.
    busy_until: Duration,
    /// The latest arrival so far; jitter does not go below it.
    latest: Duration,
    dark_until: Duration,
    /// What became of everything.
    pub counters: Counters,
}

impl Pipe {
    /// A pipe in which nothing is under way.
    pub fn new(conditions: Conditions) -> Self {
        Self {
            conditions,
            busy_until: Duration::ZERO,
            latest: Duration::ZERO,
            dark_until: Duration::ZERO,
            counters: Counters::default(),
        }
    }

    /// The conditions of now.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Other conditions from now on. It is like another route: what is sent over it may overtake
    /// what is still on the old one.
    pub fn change(&mut self, conditions: Conditions) {
        self.conditions = conditions;
        self.latest = Duration::ZERO;
        self.busy_until = Duration::ZERO;
    }

    /// Loses all that is sent before `until`.
    pub fn black_out(&mut self, until: Duration) {
        self.dark_until = until;
    }

    /// Takes in a datagram of `length` bytes, `headers` more on the wire. Returns when it arrives.
    pub fn admit(&mut self, now: Duration, length: usize, headers: usize, rng: &mut StdRng) -> Option<Duration> {
        self.counters.sent.count(length);
        if now < self.dark_until {
            self.counters.blacked_out += 1;
            return None;
        }
        if length + headers > self.conditions.mtu {
            self.counters.oversized += 1;
            return None;
        }
        if chance(self.conditions.loss, rng) {
            self.counters.lost += 1;
            return None;
        }
        let left = self.pass_rate(now, length)?;
        let jitter = self.conditions.jitter;
        let jitter = if jitter.is_zero() { jitter } else { jitter.mul_f64(rng.random()) };
        let mut arrival = left + self.conditions.delay + jitter;
        if chance(self.conditions.reorder, rng) {
            self.counters.reordered += 1;
            arrival += self.conditions.hold.mul_f64(rng.random());
        } else {
            arrival = arrival.max(self.latest);
            self.latest = arrival;
        }
        Some(rounded(arrival))
    }

    /// Whether and when a datagram that arrives at `arrival` arrives once more.
    pub fn duplicate(&mut self, arrival: Duration, rng: &mut StdRng) -> Option<Duration> {
        chance(self.conditions.duplicate, rng).then(|| {
            self.counters.duplicated += 1;
            rounded(arrival + DUPLICATE_LAG.mul_f64(rng.random()))
        })
    }

    /// When the datagram has passed the rate; `None` if the buffer before it is full.
    fn pass_rate(&mut self, now: Duration, length: usize) -> Option<Duration> {
        let Some(rate) = self.conditions.rate else { return Some(now) };
        let start = self.busy_until.max(now);
        let waiting = (start - now).as_secs_f64() * rate as f64;
        if waiting + length as f64 > self.conditions.buffer as f64 {
            self.counters.overflowed += 1;
            return None;
        }
        self.busy_until = start + Duration::from_secs_f64(length as f64 / rate as f64);
        Some(self.busy_until)
    }
}

/// Draws only where there is something to decide, so that a good wire costs nothing.
fn chance(share: f64, rng: &mut StdRng) -> bool {
    share > 0.0 && rng.random_bool(share)
}

fn rounded(at: Duration) -> Duration {
    let grain = GRAIN.as_nanos() as u64;
    Duration::from_nanos((at.as_nanos() as u64).next_multiple_of(grain))
}
