//! What the mux knows of one lane.

use super::list::{Kind, List};
use super::parse::Parser;
use super::schedule::{Clock, Lately, Turns};

/// What a stream is likely to move soon, bytes: it counts as much as if it just had.
const EXPECTED: u64 = 16 << 10;

/// One lane: the ends of its two pipes, and the streams that want to send.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) parser: Parser,
    /// Streams with control frames to send.
    pub(super) control: List,
    /// Streams with data to send.
    pub(super) turns: Turns,
    /// Streams with something in the pipe that has not been delivered, in order of the last of it.
    pub(super) sent: List,
    /// Bytes that the pipe has got so far.
    pub(super) written: u64,
    /// The number of the last stream that the peer has opened on the lane.
    pub(super) last_opened: u32,
    /// Streams that live on the lane.
    pub(super) streams: u64,
    /// Bytes that wait behind a gap.
    pub(super) behind_gap: u32,
    /// As many of them the stream knew of that was last told because of them.
    pub(super) gap_told: u32,
    /// The stream that has last got data.
    pub(super) receiving: Option<u32>,
    /// What it has moved, both ways.
    pub(super) lately: Lately,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self {
            parser: Parser::default(),
            control: List::new(Kind::Control),
            turns: Turns::new(),
            sent: List::new(Kind::Sent),
            written: 0,
            last_opened: 0,
            streams: 0,
            behind_gap: 0,
            gap_told: 0,
            receiving: None,
            lately: Lately::default(),
        }
    }
}

/// The lane for a new stream: the one that has moved least lately, in either direction, where each
/// stream that is open counts as [`EXPECTED`] more. The bytes find the lane that is busy, the
/// streams share out what begins at the same time. The clock is that of the last packet: after a
/// pause all lanes look as busy as before it, but the order among them is the same.
pub(super) fn emptiest(lanes: &[Lane], clock: &Clock) -> usize {
    let load = |lane: &Lane| lane.lately.at(clock).saturating_add(lane.streams * EXPECTED);
    lanes.iter().enumerate().min_by_key(|(_, lane)| load(lane)).map_or(0, |(at, _)| at)
}
