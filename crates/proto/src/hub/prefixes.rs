//! How many handshakes a source may make: a bucket for each prefix, in bounded tables.

use crate::limits::Limits;
use rustc_hash::FxHashMap;
use std::net::IpAddr;
use std::time::Instant;

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

    fn fill(&mut self, rate: u32, now: Instant) {
        let rate = f64::from(rate);
        self.tokens = (self.tokens + rate * (now - self.at).as_secs_f64()).min(rate);
        self.at = now;
    }

    fn take(&mut self, rate: u32, now: Instant) -> bool {
        self.fill(rate, now);
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
            strangers: FxHashMap::default(),
            all_strangers: Bucket::full(limits.handshakes_of_strangers, now),
            known: FxHashMap::default(),
        }
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
        table.retain(|_, bucket| {
            bucket.fill(rate, now);
            bucket.tokens < f64::from(rate)
        });
        if table.len() >= max {
            table.clear();
        }
    }
    table.entry(prefix).or_insert_with(|| Bucket::full(rate, now))
}
