//! TCP segments in IP packets, read and written (RFC 791, 8200, 9293, 7323).

use std::net::SocketAddr;
use std::ops::Range;

/// What is known of a packet's checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// The system has checked it, or the packet has not left this machine yet and has none.
    Trusted,
    /// It is to be checked.
    Unknown,
}

/// A segment's headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Who sent it.
    pub source: SocketAddr,
    /// Whom it is for.
    pub destination: SocketAddr,
    /// Where its payload is.
    pub payload: Range<usize>,
}

/// Why a packet is no segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadSegment {
    /// Its headers are cut off or contradict each other.
    Malformed,
    /// It is a part of a packet.
    Fragment,
    /// Its checksum is wrong.
    Checksum,
}
