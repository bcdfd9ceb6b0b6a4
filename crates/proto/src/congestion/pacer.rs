//! The token bucket that a session asks before it sends.
//!
//! Tokens are bytes; they flow in at the controller's pace and pile up to a few milliseconds of it, so
//! that a late timer costs no throughput. What may not wait for tokens (an acknowledgement that is due,
//! and what leaves in its packet) is sent all the same and spent all the same: the bucket goes into
//! debt, and what can wait pays for it.

use std::time::{Duration, Instant};

/// Tokens pile up for this long: two or three late wake-ups. A burst of 4 ms is what a bottleneck's queue sees
/// at worst.
const CAP_TIME: Duration = Duration::from_millis(4);
/// At least so many packets pile up: at a slow pace 4 ms are less than a packet.
const CAP_PACKETS: u64 = 10;
/// A turn is worth waking up for when so much can leave in it: it makes batches without filling a queue,
/// and what is held back with data (a session may hold acknowledgements) waits no longer.
const TURN_TIME: Duration = Duration::from_millis(1);
/// A turn need not be larger than one batch of the operating system (64 KiB).
const TURN_BYTES: f64 = 65_536.0;
/// A wait is never announced for longer: the pace may change meanwhile.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Hands out a pace in turns of about a millisecond.
#[derive(Clone, Debug)]
pub struct Pacer {
    mtu: f64,
    tokens: f64,
    /// What the bucket held at most when it was last filled.
    cap: f64,
    filled_at: Instant,
}

impl Pacer {
    /// A full bucket, for packets of `mtu` bytes.
    pub fn new(now: Instant, mtu: u16) -> Self {
        let mtu = super::packet_size(mtu) as f64;
        let cap = CAP_PACKETS as f64 * mtu;
        Self { mtu, tokens: cap, cap, filled_at: now }
    }

    /// Packets may be `mtu` bytes long from now on.
    pub fn set_mtu(&mut self, mtu: u16) {
        self.mtu = super::packet_size(mtu) as f64;
    }

    /// Bytes that may leave now. At least a turn's worth or nothing, so that what waits leaves in batches.
    pub fn allowance(&mut self, now: Instant, pace: Option<u64>) -> u64 {
        let cap = self.cap_at(pace);
        self.cap = cap;
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = self.filled_at.max(now);
        let Some(pace) = pace else {
            // A path that is not paced begins with a full bucket when it is paced again.
            self.tokens = cap;
            return u64::MAX;
        };
        self.tokens = (self.tokens + pace as f64 * passed).min(cap);
        if self.tokens + 0.5 < self.turn(pace) { 0 } else { self.tokens as u64 }
    }

    /// So many bytes have left. More than was allowed is a debt, which is bounded by what a full bucket holds.
    pub fn spend(&mut self, bytes: u64) {
        self.tokens = (self.tokens - bytes as f64).max(-self.cap);
    }

    /// When [`allowance`](Self::allowance) will not be 0: `now` if it is not now.
    pub fn ready_at(&self, now: Instant, pace: Option<u64>) -> Instant {
        let Some(pace) = pace else { return now };
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        let missing = self.turn(pace) - (self.tokens + pace as f64 * passed).min(self.cap_at(Some(pace)));
        if missing <= 0.0 {
            return now;
        }
        let wait = Duration::try_from_secs_f64(missing / pace.max(1) as f64).unwrap_or(MAX_WAIT);
        // A nanosecond more than reckoned: rounding must not wake anybody for nothing.
        now + (wait + Duration::from_nanos(1)).min(MAX_WAIT)
    }

    /// What is worth a turn, in bytes.
    fn turn(&self, pace: u64) -> f64 {
        (pace as f64 * TURN_TIME.as_secs_f64()).min(TURN_BYTES).max(self.mtu)
    }

    /// What the bucket holds, in bytes.
    fn cap_at(&self, pace: Option<u64>) -> f64 {
        let piled = pace.map_or(0.0, |pace| pace as f64 * CAP_TIME.as_secs_f64());
        piled.max(CAP_PACKETS as f64 * self.mtu)
    }
}
