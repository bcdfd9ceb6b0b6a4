//! TCP segments that carry datagrams: the flows of the raw TCP carrier, without a socket.
//!
//! A flow looks, to anybody on the way, like a TCP connection; nothing is ever sent again, and one segment is one
//! datagram. What is not authenticated changes no flow: the carrier hands up what segments bring, and tells what became
//! of it ([`Flows::judged`]).

pub mod segment;

use crate::link::DATAGRAM_LARGEST;
use crate::profile::Span;
pub use segment::{BadSegment, Checksum, Segment};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

const _: u16 = DATAGRAM_LARGEST;

/// How a machine's flows behave.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Printable characters with which the first payload of a client's flow begins.
    pub printable: Span,
    /// Bytes of that payload in all.
    pub first_size: Span,
    /// A flow without an authenticated segment for so long is ended…
    pub idle: Duration,
    /// …when it is looked for, this often.
    pub sweep: Duration,
    /// A client's flow is replaced after so long, ±25 %.
    pub renew: Duration,
    /// A client's flow that has sent, and heard nothing authentic for so long, is replaced.
    pub stalled: Duration,
    /// The most flows. Beyond it the one that was heard of least lately makes room.
    pub flows: usize,
}

/// What a segment that brought data says about its flow. It counts only once the data is known to be authentic.
#[derive(Clone, Copy, Debug)]
pub struct Mark<H> {
    /// Our end.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// How the peer is reached: where the segment came from.
    pub hop: H,
    /// Sequence number of its first byte.
    pub sequence: u32,
    /// Its bytes.
    pub length: u32,
    /// What it acknowledges.
    pub acknowledgement: u32,
    /// Its window, unscaled.
    pub window: u16,
    /// Its timestamps: value and echo.
    pub timestamps: Option<(u32, u32)>,
}

/// IP and TCP headers for what is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<H> {
    /// How it gets there.
    pub hop: H,
    /// The headers. The checksum of TCP is that of the pseudo header alone, as segmentation and checksum offload
    /// want it, until [`finish`](Self::finish).
    headers: [u8; 100],
    length: u8,
    /// Bytes of the IP header.
    pub ip_length: u8,
}

impl<H> Stamp<H> {
    /// The headers.
    pub fn headers(&self) -> &[u8] {
        &self.headers[..usize::from(self.length)]
    }

    /// Makes the checksum of TCP whole, for a system that has no offload.
    pub fn finish(&mut self, _payload: &[u8]) {
        unimplemented!()
    }
}

/// What becomes of data that is to be sent.
#[derive(Clone, Copy, Debug)]
pub enum Sending<H> {
    /// Send it, behind these headers.
    Now(Stamp<H>),
    /// A flow is being set up: it is kept, with a few others, and comes out of [`Flows::poll_transmit`].
    Later,
    /// It cannot be sent: too long for the flow, beyond the peer's window, no such flow.
    Refused,
}

/// Something without which a client's flow does not go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Find the way to this server, hold a port, and call [`Flows::dial`], or [`Flows::no_way`].
    Dial(SocketAddr),
    /// The flow with this local address is over: its port need not be held any more.
    Release(SocketAddr),
}

/// A whole packet of the machine's own: handshake, acknowledgement, end, or what waited for its flow.
#[derive(Clone, Debug)]
pub struct Outgoing<H> {
    /// Its headers.
    pub stamp: Stamp<H>,
    /// What follows them.
    pub payload: Vec<u8>,
}

/// Packets that led to nothing, by cause, and what was done about strangers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// No TCP segment: shorter than its headers say, options that end nowhere.
    pub malformed: u64,
    /// Checksums that are wrong.
    pub checksums: u64,
    /// Fragments.
    pub fragments: u64,
    /// Segments outside the window or of no flow.
    pub strays: u64,
    /// RST and FIN that nobody authenticated and that do not fit their flow exactly.
    pub forged_ends: u64,
    /// Requests for a connection that were answered.
    pub greeted: u64,
    /// What was refused on the way out: beyond the window or the segment size.
    pub refused: u64,
    /// Client's flows that took another's place.
    pub renewed: u64,
}

/// All flows of one end. `H` is how the next hop is reached: interface and hardware address, which the carrier knows.
pub struct Flows<H> {
    hop: std::marker::PhantomData<H>,
}

impl<H: Copy + PartialEq> Flows<H> {
    /// Flows of an end that is dialled. `key`: 32 bytes that answers to strangers follow from; `seed`: 32 bytes of the
    /// system's generator.
    pub fn server(_now: Instant, _settings: Settings, _key: &[u8; 32], _seed: [u8; 32]) -> Self {
        unimplemented!()
    }

    /// Flows of an end that dials.
    pub fn client(_now: Instant, _settings: Settings, _seed: [u8; 32]) -> Self {
        unimplemented!()
    }

    /// Other settings from now on.
    pub fn set_settings(&mut self, _settings: Settings) {
        unimplemented!()
    }

    /// Takes in a packet, its IP header first. `mtu`: of the interface that it came by. What comes back is a payload of
    /// datagrams (where in the packet it is) that is to be judged; a client gets only those of its flows.
    pub fn handle(
        &mut self,
        _now: Instant,
        _hop: H,
        _mtu: u32,
        _packet: &[u8],
        _checksum: Checksum,
    ) -> Option<(Mark<H>, Range<usize>)> {
        unimplemented!()
    }

    /// What became of a payload: any datagram of it was `ours`, or none.
    pub fn judged(&mut self, _now: Instant, _mark: &Mark<H>, _ours: bool) {
        unimplemented!()
    }

    /// Headers for datagrams of `segment` bytes each (the last may be shorter), that leave as one packet to be cut by
    /// the system. `local`: on a server, our end. `push`: nothing follows at once.
    pub fn send(
        &mut self,
        _now: Instant,
        _remote: SocketAddr,
        _local: Option<SocketAddr>,
        _data: &[u8],
        _segment: usize,
        _push: bool,
    ) -> Sending<H> {
        unimplemented!()
    }

    /// A client's port is held, and the way to its server is known: the handshake begins.
    pub fn dial(&mut self, _now: Instant, _remote: SocketAddr, _local: SocketAddr, _hop: H, _mtu: u32) {
        unimplemented!()
    }

    /// There is no way to this server now. What waits for it is dropped; the next datagram asks again.
    pub fn no_way(&mut self, _now: Instant, _remote: SocketAddr) {
        unimplemented!()
    }

    /// A client's way to a server may have changed: from now on it leads by `local` and `hop`. A flow from another local
    /// address is replaced, one by another hop goes on.
    pub fn way(&mut self, _now: Instant, _remote: SocketAddr, _local: std::net::IpAddr, _hop: H) {
        unimplemented!()
    }

    /// The servers that a client has flows to.
    pub fn remotes(&self) -> Vec<SocketAddr> {
        unimplemented!()
    }

    /// The next packet of the machine's own.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Outgoing<H>> {
        unimplemented!()
    }

    /// The next thing to be done for it.
    pub fn poll_action(&mut self) -> Option<Action> {
        unimplemented!()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// Takes note that the time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, _now: Instant) {
        unimplemented!()
    }

    /// Ends all flows: what is to be sent for that comes out of [`poll_transmit`](Self::poll_transmit).
    pub fn close(&mut self, _now: Instant) {
        unimplemented!()
    }

    /// How many flows there are.
    pub fn count(&self) -> usize {
        unimplemented!()
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        unimplemented!()
    }
}
