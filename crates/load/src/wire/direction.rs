//! One way along a lossy wire, in any time: loss, then a limiter with its buffer, then the delay.
//!
//! ```text
//! in → lost by chance? → room in the buffer? → waits for its turn at the rate → the delay → out
//!                                                       some by chance held longer ┘
//! ```
//!
//! Nothing here sleeps or reads a clock. When a packet leaves is known the moment it comes, so the figures are as
//! good as the instants that are told, however late somebody comes to fetch it.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Packets under way at once. A wire without a rate has no other bound.
const UNDER_WAY_MAX: usize = 1 << 20;

/// A buffer that is smaller than this passes no burst at all, bytes.
pub(crate) const LEAST_BUFFER: u64 = 64 << 10;

/// What a wire does to packets, the same in both directions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Conditions {
    /// Bits per second; 0: no limit.
    pub(crate) rate: u64,
    /// From the end of the limiter to the other end.
    pub(crate) delay: Duration,
    /// Share of the packets that are lost by chance, before the limiter.
    pub(crate) loss: f64,
    /// Bytes that may wait for the limiter. What does not fit is dropped as it comes.
    pub(crate) buffer: u64,
    /// Share of the packets that are held, and so overtaken by those behind them.
    pub(crate) reorder: f64,
    /// How long.
    pub(crate) hold: Duration,
}

impl Conditions {
    /// One bandwidth-delay product, rate times both delays, in bytes.
    pub(crate) fn product(rate: u64, delay: Duration) -> u64 {
        ((rate as f64 / 8.0 * 2.0 * delay.as_secs_f64()) as u64).max(LEAST_BUFFER)
    }
}

/// What has become of the packets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counters {
    pub(crate) packets_in: u64,
    pub(crate) bytes_in: u64,
    /// Packets lost by chance.
    pub(crate) lost: u64,
    /// Packets for which the buffer had no room.
    pub(crate) overflowed: u64,
    /// Packets that were held.
    pub(crate) held: u64,
    pub(crate) packets_out: u64,
    pub(crate) bytes_out: u64,
}

/// A packet that is overtaken, by the time it leaves; those of one time leave as they came.
type Held = Reverse<(Duration, u64, Vec<u8>)>;

/// One way along the wire. Times are counted from any instant that the caller keeps to, and never go back.
pub(crate) struct Direction {
    conditions: Conditions,
    random: SmallRng,
    /// When the limiter has sent all that it has.
    free: Duration,
    /// What goes its way in order: when it leaves, and what it is.
    under_way: VecDeque<(Duration, Vec<u8>)>,
    held: BinaryHeap<Held>,
    counters: Counters,
}

impl Direction {
    pub(crate) fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            random: SmallRng::seed_from_u64(seed),
            free: Duration::ZERO,
            under_way: VecDeque::new(),
            held: BinaryHeap::new(),
            counters: Counters::default(),
        }
    }

    /// Takes in a packet that has come at `now`.
    pub(crate) fn offer(&mut self, now: Duration, packet: &[u8]) {
        let length = packet.len() as u64;
        self.counters.packets_in += 1;
        self.counters.bytes_in += length;
        if self.random.random_bool(self.conditions.loss) {
            self.counters.lost += 1;
            return;
        }
        let begins = self.free.max(now);
        let waiting = self.bytes_of(begins - now);
        if waiting + length > self.conditions.buffer || self.under_way.len() + self.held.len() >= UNDER_WAY_MAX {
            self.counters.overflowed += 1;
            return;
        }
        self.free = begins + self.time_of(length);
        let leaves = self.free + self.conditions.delay;
        if self.random.random_bool(self.conditions.reorder) {
            self.counters.held += 1;
            self.held.push(Reverse((leaves + self.conditions.hold, self.counters.packets_in, packet.to_vec())));
        } else {
            self.under_way.push_back((leaves, packet.to_vec()));
        }
    }

    /// The next packet that has left by `now`.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.next()? > now {
            return None;
        }
        let packet = match (self.under_way.front(), self.held.peek()) {
            (Some((leaves, _)), Some(Reverse((held, ..)))) if held < leaves => self.held.pop().map(|held| held.0.2),
            (Some(_), _) => self.under_way.pop_front().map(|(_, packet)| packet),
            (None, _) => self.held.pop().map(|held| held.0.2),
        }?;
        self.counters.packets_out += 1;
        self.counters.bytes_out += packet.len() as u64;
        Some(packet)
    }

    /// When the next packet leaves.
    pub(crate) fn next(&self) -> Option<Duration> {
        let in_order = self.under_way.front().map(|(leaves, _)| *leaves);
        let held = self.held.peek().map(|Reverse((leaves, ..))| *leaves);
        in_order.into_iter().chain(held).min()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// How long the limiter sends so many bytes.
    fn time_of(&self, bytes: u64) -> Duration {
        match self.conditions.rate {
            0 => Duration::ZERO,
            rate => Duration::from_nanos((u128::from(bytes) * 8_000_000_000 / u128::from(rate)) as u64),
        }
    }

    /// How many bytes it sends in that time.
    fn bytes_of(&self, time: Duration) -> u64 {
        (time.as_nanos() * u128::from(self.conditions.rate) / 8_000_000_000) as u64
    }
}

#[cfg(test)]
#[path = "direction_tests.rs"]
mod tests;
