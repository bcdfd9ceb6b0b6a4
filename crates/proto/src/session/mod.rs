//! A session makes reliable, ordered streams out of packets.
//!
//! [`Session`] is the contract between a link and what runs inside it. Nothing above it knows
//! which session it drives; nothing below it knows what a stream is. An implementation is a packet
//! machine: after any call, drain `poll_event` and `poll_transmit`, and ask `poll_timeout` when to
//! come back.

pub mod kcp;
pub mod quic;
pub mod sessions;
mod stream_window;

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Every path carries datagrams of this size (1280 less the headers of IPv6 and UDP is 1232).
pub const DATAGRAM_MIN: u16 = 1200;

/// Names one two-way stream of a session. Never used twice in one session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// What a session has to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Streams can be opened and accepted.
    Ready,
    /// The peer has opened a stream.
    Opened(StreamId),
    /// A stream can be opened again after [`Session::open`] had none to give.
    MayOpen,
    /// There may be something to read: data, the end, or a reset.
    Readable(StreamId),
    /// There may be room to write, or the peer has stopped the stream.
    Writable(StreamId),
    /// The peer reads no more of what is written to the stream.
    Stopped(StreamId, u32),
    /// Streams that nobody reads fill the link's window, and the peer has more for the others.
    Crowded,
    /// The session is over; none of its streams exists any more.
    Closed,
}

/// The stream does not exist (any more), or not in this direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the stream is gone")]
pub struct Gone;

/// Why nothing more can be written to a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum WriteError {
    /// The peer has stopped the stream, with this code.
    #[error("the peer reads no more (code {0})")]
    Stopped(u32),
    /// The stream does not exist any more.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// What one call of [`Session::read`] brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// So many bytes; there may be more.
    Data(usize),
    /// Nothing now; wait for [`Event::Readable`].
    Blocked,
    /// So many bytes, and then the peer's clean end.
    End(usize),
    /// The peer has given the stream up, with this code. What was not read is lost.
    Reset(u32),
}

/// The address of the peer has changed below the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathChange {
    /// Same host, another port: a NAT has forgotten us. The path is the one we know.
    Rebound,
    /// Another host: a path of which nothing is known.
    New,
}

/// What a session has learnt about its path.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PathStats {
    /// Smoothed round-trip time.
    pub rtt: Duration,
    /// Congestion window, bytes.
    pub window: u64,
    /// Largest datagram, bytes, envelope included.
    pub mtu: u16,
    /// Packets sent (KCP: segments), those included that look for a larger datagram.
    pub sent: u64,
    /// Packets declared lost (KCP: segments), without those that looked for a larger datagram.
    pub lost: u64,
    /// Bytes a second that may be sent; `None`: as fast as the congestion window lets.
    pub pace: Option<u64>,
    /// What the peer may have on its way to us or unread here, bytes.
    pub receive_window: u64,
    /// What may be written and not yet acknowledged, bytes.
    pub send_window: u64,
    /// What the peer has sent that could not be, as far as the session counts it.
    pub refused: u64,
}

/// Packets that leave together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batch {
    /// The length of each packet, spare bytes included; the last may be shorter.
    pub segment: usize,
    /// Bytes of no meaning at the end of each packet.
    pub spare: usize,
    /// It is one packet that finds out whether the path carries one of its length: no byte of that
    /// may be missing.
    pub is_probe: bool,
}

/// The most chunks that one read hands out: as many as one vectored write takes.
pub const READ_CHUNKS_MAX: usize = 64;

/// Reliable, ordered, two-way streams over packets; one per link.
pub trait Session {
    /// Takes in one packet that the envelope has authenticated. The packet is followed by
    /// [`OVERHEAD`](crate::envelope::OVERHEAD) bytes of no meaning.
    fn handle(&mut self, now: Instant, packet: BytesMut);

    /// Takes note that the time of [`poll_timeout`](Self::poll_timeout) has come.
    fn handle_timeout(&mut self, now: Instant);

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    fn poll_timeout(&mut self) -> Option<Instant>;

    /// Appends up to `max` packets to `out`, each of which ends in `spare` bytes of no meaning, at
    /// least [`OVERHEAD`](crate::envelope::OVERHEAD) of them; the batch says how many there are, for
    /// some packets have no more than that. `None`: nothing to send now.
    fn poll_transmit(&mut self, now: Instant, max: usize, spare: usize, out: &mut Vec<u8>) -> Option<Batch>;

    /// The longest packet that the path is known to carry, spare bytes included.
    fn datagram_len(&self) -> usize;

    /// The length that datagrams could have, spare bytes included, if the path carries it: a session
    /// that does not find out by itself leaves that to its link.
    fn wants_length(&self) -> Option<u16>;

    /// The path carries datagrams of this length, both ways.
    fn carries(&mut self, length: u16);

    /// The next thing that the session has to tell.
    fn poll_event(&mut self) -> Option<Event>;

    /// Opens a stream. `None`: the peer allows no more now; wait for [`Event::MayOpen`]. The peer
    /// learns of a stream by its first bytes.
    fn open(&mut self) -> Option<StreamId>;

    /// Takes what fits from the front of `data` and returns how many bytes that was. 0: nothing
    /// fits now; wait for [`Event::Writable`].
    fn write(&mut self, id: StreamId, data: &mut VecDeque<Bytes>) -> Result<usize, WriteError>;

    /// Appends up to `max` bytes to `out`, in no more than [`READ_CHUNKS_MAX`] chunks. After
    /// [`Read::End`] and [`Read::Reset`] this direction is gone.
    fn read(&mut self, id: StreamId, max: usize, out: &mut Vec<Bytes>) -> Result<Read, Gone>;

    /// Ends our direction of a stream after what was written. Never waits, never fails: a stream
    /// that is gone has ended already.
    fn finish(&mut self, id: StreamId);

    /// Gives our direction of a stream up; what was not delivered is dropped.
    fn reset(&mut self, id: StreamId, code: u32);

    /// Tells the peer that we read no more of a stream.
    fn stop(&mut self, id: StreamId, code: u32);

    /// How many streams that nobody reads should be given up, so that something arrives for the
    /// others: see [`Event::Crowded`].
    fn crowd(&self) -> usize;

    /// How many streams have something written that the peer has not acknowledged.
    fn undelivered(&mut self) -> usize;

    /// Takes note that the path has changed.
    fn path_changed(&mut self, now: Instant, change: PathChange);

    /// Ends the session and all its streams.
    fn close(&mut self, now: Instant, code: u32);

    /// What is known about the path.
    fn stats(&self) -> PathStats;

    /// How many things the session has sent so far that the peer must acknowledge.
    fn asked(&self) -> u64;
}
