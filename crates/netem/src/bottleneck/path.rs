//! What lies between two ends.

use super::chance::Chance;
use super::nanoseconds;

/// Bytes of a packet. All are of one size.
pub const PACKET: u64 = 1452;

/// A path with one bottleneck. What is lost by chance is lost before the bottleneck, unless told otherwise;
/// acknowledgements are lost as often on their way back.
#[derive(Clone, Debug)]
pub struct Path {
    /// Mbit/s from these seconds on; the first from 0 on.
    pub rate: Vec<(f64, f64)>,
    /// Milliseconds of round trip from these seconds on.
    pub round_trip: Vec<(f64, f64)>,
    /// Bytes that wait at the bottleneck; what does not fit is dropped.
    pub buffer: f64,
    /// Share of packets lost by chance, 0 to 1.
    pub loss: f64,
    /// They are lost behind the bottleneck, where they have cost its rate, and no acknowledgement is.
    pub loss_behind: bool,
    /// What drops instead of queueing, before the bottleneck.
    pub policer: Option<Policer>,
    /// The receiver acknowledges so many packets at once,
    pub ack_packets: usize,
    /// or after so many milliseconds.
    pub ack_time: f64,
    /// Milliseconds that an acknowledgement is late at most; none overtakes another.
    pub ack_jitter: f64,
    /// Packets that others overtake.
    pub reordering: Option<Reordering>,
}

/// A token bucket without a queue.
#[derive(Clone, Copy, Debug)]
pub struct Policer {
    /// Mbit/s.
    pub rate: f64,
    /// Bytes that pass at once.
    pub burst: f64,
}

/// Packets that are held back, while others overtake them.
#[derive(Clone, Copy, Debug)]
pub struct Reordering {
    /// Share of packets, 0 to 1.
    pub share: f64,
    /// Milliseconds, at least and at most.
    pub hold: (f64, f64),
}

impl Path {
    /// One of `rate` Mbit/s and `round_trip` milliseconds, whose buffer holds so many bandwidth-delay
    /// products (8 packets at least), and which loses this share of packets.
    pub fn new(rate: f64, round_trip: f64, buffer: f64, loss: f64) -> Self {
        Self {
            rate: vec![(0.0, rate)],
            round_trip: vec![(0.0, round_trip)],
            buffer: (rate * 125.0 * round_trip * buffer).max(8.0 * PACKET as f64),
            loss,
            loss_behind: false,
            policer: None,
            ack_packets: 2,
            ack_time: 2.0,
            ack_jitter: 0.0,
            reordering: None,
        }
    }

    /// Nanoseconds from one end to the other.
    pub(super) fn one_way(&self, now: u64) -> u64 {
        (at(&self.round_trip, now) * 0.5e6) as u64
    }

    /// Nanoseconds that a packet takes through the bottleneck.
    pub(super) fn transmission(&self, now: u64) -> u64 {
        (PACKET as f64 * 8e3 / at(&self.rate, now)) as u64
    }

    /// Nanoseconds that a packet is held back.
    pub(super) fn held_back(&self, chance: &mut Chance) -> u64 {
        match self.reordering {
            Some(Reordering { share, hold: (least, most) }) if chance.strikes(share) => {
                nanoseconds((least + (most - least) * chance.draw()) * 1e-3)
            }
            _ => 0,
        }
    }
}

/// What holds at `now`.
fn at(schedule: &[(f64, f64)], now: u64) -> f64 {
    match schedule {
        [(_, always)] => *always,
        _ => schedule.iter().rev().find(|(from, _)| nanoseconds(*from) <= now).expect("the first holds from 0 on").1,
    }
}
