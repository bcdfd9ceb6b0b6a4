//! How many handshakes a source may make: a bucket for each prefix, in bounded tables.

use crate::limits::Limits;
use rustc_hash::FxHashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// An IPv4 address, or the first 64 bits of an IPv6 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Prefix {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let mut prefix = [0; 8];
                prefix.copy_from_slice(&v6.octets()[..8]);
                Self::V6(prefix)
            }
        }
    }
}

/// A token bucket that fills at `rate` a second up to `rate`.
#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: u32, now: Instant) -> Self {
        Self { tokens: f64::from(rate), at: now }
    }

    fn tokens_at(&self, rate: u32, now: Instant) -> f64 {
        let rate = f64::from(rate);
        (self.tokens + rate * (now - self.at).as_secs_f64()).min(rate)
    }

    fn take(&mut self, rate: u32, now: Instant) -> bool {
        self.tokens = self.tokens_at(rate, now);
        self.at = now;
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

/// The buckets of a gate.
pub(super) struct Prefixes {
    rate: u32,
    strangers_rate: u32,
    max: usize,
    idle: Duration,
    /// When the tables are next looked through for what has been idle.
    sweep: Instant,
    /// Prefixes from which nobody has authenticated lately; together they have one more bucket.
    strangers: FxHashMap<Prefix, Bucket>,
    all_strangers: Bucket,
    /// Prefixes from which somebody has: a flood of strangers does not shut them out.
    known: FxHashMap<Prefix, Bucket>,
}

impl Prefixes {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            rate: limits.handshakes_per_prefix,
            strangers_rate: limits.handshakes_of_strangers,
            max: limits.prefixes,
            idle: limits.prefix_idle,
            sweep: now + limits.prefix_idle / 2,
            strangers: FxHashMap::default(),
            all_strangers: Bucket::full(limits.handshakes_of_strangers, now),
            known: FxHashMap::default(),
        }
    }

    /// Rates and sizes from now on; a bucket that holds more than its new rate is cut at its next use.
    pub(super) fn set_limits(&mut self, limits: &Limits) {
        self.rate = limits.handshakes_per_prefix;
        self.strangers_rate = limits.handshakes_of_strangers;
        self.max = limits.prefixes;
        self.idle = limits.prefix_idle;
    }

    /// Whether a handshake from this address may be looked at now.
    pub(super) fn admit(&mut self, address: IpAddr, now: Instant) -> bool {
        let prefix = Prefix::from(address);
        if let Some(bucket) = self.known.get_mut(&prefix) {
            return bucket.take(self.rate, now);
        }
        let rate = self.rate;
        let bucket = entry(&mut self.strangers, prefix, self.max, rate, now);
        bucket.take(rate, now) && self.all_strangers.take(self.strangers_rate, now)
    }

    pub(super) fn len(&self) -> usize {
        self.strangers.len() + self.known.len()
    }

    /// When [`expire`](Self::expire) wants to be called; never while nothing is remembered.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let empty = self.strangers.is_empty() && self.known.is_empty();
        (!empty).then_some(self.sweep)
    }

    /// Forgets, twice in the time that a prefix may be idle, which ones have been for longer.
    pub(super) fn expire(&mut self, now: Instant) {
        if now < self.sweep {
            return;
        }
        self.sweep = now + self.idle / 2;
        for table in [&mut self.strangers, &mut self.known] {
            table.retain(|_, bucket| now < bucket.at + self.idle);
        }
    }

    /// Somebody has authenticated from this address.
    pub(super) fn authenticated(&mut self, address: IpAddr, now: Instant) {
        let prefix = Prefix::from(address);
        self.strangers.remove(&prefix);
        entry(&mut self.known, prefix, self.max, self.rate, now);
    }
}

/// Finds or makes a bucket. A full table forgets the buckets that are full again, for they say
/// nothing; if none is, it begins anew, and the bucket of all strangers still holds.
fn entry(table: &mut FxHashMap<Prefix, Bucket>, prefix: Prefix, max: usize, rate: u32, now: Instant) -> &mut Bucket {
    if table.len() >= max && !table.contains_key(&prefix) {
        table.retain(|_, bucket| bucket.tokens_at(rate, now) < f64::from(rate));
        if table.len() >= max {
            table.clear();
        }
    }
    table.entry(prefix).or_insert_with(|| Bucket::full(rate, now))
}

#[cfg(test)]
mod tests;
