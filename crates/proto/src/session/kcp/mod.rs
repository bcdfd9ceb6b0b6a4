//! The KCP session: streams over KCP conversations, for links that lose packets.
//!
//! A link carries a few conversations, its *lanes*; each is one ordered pipe of bytes each way
//! ([`conversation`]), and a mux ([`mux`]) makes streams of a pipe. What is lost holds up one lane.
//! The lanes share the path: one controller, one pacer, one estimate of round trips, and the order
//! in which all of them sent (`transit`).

mod arrivals;
mod conversation;
#[cfg(test)]
mod core_tests;
mod flight;
mod lengths;
pub mod mode;
pub mod mux;
pub mod params;
pub mod plain;
mod receive;
pub mod segment;
mod session;
mod slots;
mod timeout;
mod transit;
mod transmit;

pub use receive::Refusals;
pub use session::KcpSession;

use crate::limits::Limits;
use mode::Mode;
use params::Params;

/// The session that a link has unless it is told otherwise has so many lanes.
pub const LANES: u8 = 8;

/// Window of the fixed modes, segments.
pub const WINDOW: u16 = 1024;

/// The window of `auto`, segments: what 1 Gbit/s and 150 ms fill twice. It is only a bound.
const WINDOW_AUTO: u16 = 32_768;

/// Streams that a peer may open at first, so that a thousand at once need not wait; more are
/// granted when they are used up.
const STREAMS_AT_FIRST: u32 = 1024;

/// What a new stream may send before more is granted: the rest is granted with the first frame, when
/// the path is known.
const STREAM_WINDOW_FIRST: u32 = 2 << 20;

/// How the KCP sessions of an end are set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How eagerly conversations send.
    pub mode: Mode,
    /// Lanes of a link; the smaller number of both ends counts.
    pub lanes: u8,
    /// Window of the fixed modes, segments: what may be in flight on a lane, and what is taken in.
    pub window: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self { mode: Mode::Auto, lanes: LANES, window: WINDOW }
    }
}

impl Settings {
    /// The window of each lane, segments.
    fn lane_window(&self) -> u16 {
        if self.mode == Mode::Auto { WINDOW_AUTO } else { self.window }
    }
}

/// What a handshake message tells the peer of this end's KCP sessions.
pub fn params(limits: &Limits) -> Params {
    Params {
        extended: true,
        lanes: limits.kcp.lanes,
        streams: limits.streams_per_link.min(STREAMS_AT_FIRST),
        stream_window: limits.stream_window.min(STREAM_WINDOW_FIRST),
    }
}
