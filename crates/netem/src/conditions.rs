//! What one direction of a wire does to the datagrams on it.

use std::time::Duration;

/// The state of one direction of a wire. The default is a good one: 10 ms, nothing lost.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Conditions {
    /// Time from one end to the other.
    pub delay: Duration,
    /// Added to the delay at random, from nothing up to this. It does not reorder.
    pub jitter: Duration,
    /// Share of datagrams lost, 0 to 1, each by itself.
    pub loss: f64,
    /// Share of datagrams that arrive twice, the second up to [`DUPLICATE_LAG`] later.
    pub duplicate: f64,
    /// Share of datagrams held back by up to `hold`, while later ones overtake them.
    pub reorder: f64,
    /// The most that a reordered datagram is held back.
    pub hold: Duration,
    /// Bytes a second, payloads of UDP; `None`: as fast as it comes.
    pub rate: Option<u64>,
    /// Bytes that wait for the rate; what does not fit is dropped.
    pub buffer: usize,
    /// Largest packet in bytes, headers of IP and UDP included. A larger one vanishes silently.
    pub mtu: usize,
}

/// The most that a copy arrives after its original.
pub const DUPLICATE_LAG: Duration = Duration::from_millis(20);

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            hold: Duration::from_millis(15),
            rate: None,
            buffer: 256 << 10,
            mtu: 1500,
        }
    }
}
