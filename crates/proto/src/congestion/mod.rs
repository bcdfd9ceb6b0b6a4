//! How much may be in flight on a path, and how fast: congestion control.
//!
//! A [`Controller`] is a machine without a clock: it is told what left, what arrived and what was
//! lost, and is asked for a window and a pace. A session asks a [`pacer::Pacer`] before it sends.
//! Nothing here knows a session's library, so that every session is controlled by the same code.
//!
//! [`Congestion`] is what a link is configured with; it makes the controller of each path.

mod adaptive;
mod clock;
mod cubic;
mod fixed;
pub mod pacer;
mod rtt;

use std::time::{Duration, Instant};

/// No controller asks for less to be in flight, in packets: fewer would not bring back three
/// acknowledgements, without which a loss is only found by a timer.
const MIN_WINDOW: u64 = 4;
/// Nor for more, in bytes: 40 Gbit/s over 200 ms. What an acknowledgement claims is not believed beyond this.
const MAX_WINDOW: u64 = 1 << 30;
/// Bytes per second: the slowest pace, so that no wrong estimate silences a path for ever.
const MIN_PACE: f64 = 1_000.0;
/// Bytes per second: the fastest pace, above what any path carries.
const MAX_PACE: f64 = 1e11;
/// Below this round-trip time a path is not paced: its queue is a few packets in the peer's socket, and the
/// timer that a pace needs is as coarse as the whole round trip. Pacing cost a local network 15 to 18 %.
const UNPACED_RTT: Duration = Duration::from_millis(2);
/// Packets that a new path may have in flight before anything is known of it. Ten is the habit of TCP
/// (RFC 6928), sent at once; these are spread out.
const INITIAL_WINDOW: u64 = 32;

/// One path's controller. It is told what happens, and asked how much may be in flight and how fast.
///
/// Times are believed as far as they make sense: a time before an earlier one counts as that one.
/// No call panics, whatever the numbers, and window and pace stay within bounds.
pub trait Controller: Send + Sync {
    /// Packets left at `now`, of `bytes` in all. What leaves at one instant is one batch. Packets that
    /// only acknowledge may be counted or not: `on_end_acks` says what is really in flight.
    fn on_sent(&mut self, now: Instant, bytes: u64);

    /// A packet of `bytes` that left at `sent` was acknowledged.
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64);

    /// An acknowledgement is done: every packet that it acknowledged has had its `on_ack`. `in_flight` are
    /// the bytes left in flight. `app_limited`: there was nothing to send, although more could have been
    /// in flight; what waits for a pacer is not limited by the application.
    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool);

    /// Packets of `bytes` in all were found lost; the newest of them left at `sent`.
    fn on_loss(&mut self, now: Instant, sent: Instant, bytes: u64);

    /// Packets may be `mtu` bytes long from now on.
    fn on_mtu(&mut self, mtu: u16);

    /// Bytes that may be in flight.
    fn window(&self) -> u64;

    /// Bytes per second at which to send; `None`: as fast as the window lets.
    fn pace(&self) -> Option<u64>;

    /// The same controller once more, for a path that is tried beside the old one.
    fn clone_box(&self) -> Box<dyn Controller>;

    /// What the controller makes of its path.
    fn report(&self) -> Report;
}

impl Clone for Box<dyn Controller> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

/// What a controller makes of its path: for statistics, logs and tests.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Report {
    /// The state that it is in, one word.
    pub state: &'static str,
    /// What the path carries, as far as is known, in bytes per second.
    pub bandwidth: u64,
    /// The part of packets that is lost however slowly one sends, 0 to 1.
    pub base_loss: f64,
    /// The shortest round trip, and the smoothed one, once there was any.
    pub min_rtt: Option<Duration>,
    /// See `min_rtt`.
    pub smoothed_rtt: Option<Duration>,
    /// As [`Controller::window`].
    pub window: u64,
    /// As [`Controller::pace`].
    pub pace: Option<u64>,
}

/// How what a link sends is controlled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Congestion {
    /// Finds the rate that the path delivers and keeps its queue short, whatever is lost by chance.
    #[default]
    Adaptive,
    /// CUBIC (RFC 9438): what most of the world uses. Takes every loss for congestion.
    Cubic,
    /// The rate that the user knows the line to have.
    Fixed {
        /// Bytes per second that are to arrive, envelope included, headers of IP and UDP not.
        rate: u64,
    },
}

impl Congestion {
    /// A controller for a new path whose packets are `mtu` bytes long. `seed` is for what is left to chance,
    /// so that two flows do not probe in step.
    pub fn controller(&self, now: Instant, mtu: u16, seed: u64) -> Box<dyn Controller> {
        match *self {
            Self::Adaptive => Box::new(adaptive::Adaptive::new(now, mtu, seed)),
            Self::Cubic => Box::new(cubic::Cubic::new(now, mtu)),
            Self::Fixed { rate } => Box::new(fixed::Fixed::new(now, mtu, rate)),
        }
    }
}

/// The size of a packet as controllers count with it. Nothing smaller than QUIC's least is believed.
fn packet_size(mtu: u16) -> u64 {
    u64::from(mtu.max(512))
}

/// A window in bytes from what was reckoned, within the bounds for packets of `mtu` bytes.
fn bounded_window(bytes: f64, mtu: u64) -> u64 {
    // A conversion from a float saturates, and takes what is no number for 0.
    (bytes as u64).clamp(MIN_WINDOW * mtu, MAX_WINDOW)
}

/// A pace in bytes per second from what was reckoned, within the bounds.
fn bounded_pace(rate: f64) -> u64 {
    if rate.is_nan() { MIN_PACE as u64 } else { rate.clamp(MIN_PACE, MAX_PACE) as u64 }
}

/// The pace of a path that nothing is known of: its first window over 50 ms, in bytes per second.
fn initial_pace(mtu: u64) -> f64 {
    (INITIAL_WINDOW * mtu) as f64 / 0.05
}
