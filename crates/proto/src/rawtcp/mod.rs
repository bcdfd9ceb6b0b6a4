//! TCP segments that carry datagrams: the flows of the raw TCP carrier, without a socket.
//!
//! A flow looks, to anybody on the way, like a TCP connection; nothing is ever sent again, and one segment is one
//! datagram. What is not authenticated changes no flow: the carrier hands up what segments bring, and tells what became
//! of it ([`Flows::judged`]).

mod checksum;
mod client;
mod cookie;
mod first_payload;
mod flow;
mod handshake;
mod outbox;
mod peer;
mod renewal;
pub mod segment;
mod server;
mod stamp;
mod strangers;
mod tuple;
mod window;

use crate::profile::Span;
use client::Client;
use outbox::Outbox;
pub use segment::{BadSegment, Checksum, Segment};
use server::Server;
pub use stamp::Stamp;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};
use tuple::Tuple;

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

impl<H> Mark<H> {
    fn new(hop: H, segment: &Segment) -> Self {
        Self {
            local: segment.destination,
            remote: segment.source,
            hop,
            sequence: segment.sequence,
            length: segment.payload.len() as u32,
            acknowledgement: segment.acknowledgement,
            window: segment.window,
            timestamps: segment.options.timestamps,
        }
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
    /// Another flow to this server is used from now on. The server learns of it by the next data: something is to be sent.
    Renewed(SocketAddr),
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
    /// Data of no flow for which there was no time.
    pub crowded: u64,
    /// Requests for a connection that were answered.
    pub greeted: u64,
    /// What was refused on the way out: beyond the window or the segment size.
    pub refused: u64,
    /// Client's flows that took another's place.
    pub renewed: u64,
}

/// All flows of one end. `H` is how the next hop is reached: interface and hardware address, which the carrier knows.
pub struct Flows<H> {
    role: Role<H>,
    out: Outbox<H>,
    closed: bool,
}

enum Role<H> {
    Server(Server<H>),
    Client(Client<H>),
}

impl<H: Copy + PartialEq> Flows<H> {
    /// Flows of an end that is dialled. `seed`: 32 bytes of the system's generator; answers to strangers follow from them.
    pub fn server(now: Instant, settings: Settings, seed: [u8; 32]) -> Self {
        Self { role: Role::Server(Server::new(now, &seed)), out: Outbox::new(now, settings, seed), closed: false }
    }

    /// Flows of an end that dials.
    pub fn client(now: Instant, settings: Settings, seed: [u8; 32]) -> Self {
        Self { role: Role::Client(Client::new()), out: Outbox::new(now, settings, seed), closed: false }
    }

    /// Other settings from now on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.out.settings = settings;
    }

    /// Takes in a packet, its IP header first. `mtu`: of the interface that it came by. What comes back is a payload of
    /// datagrams (where in the packet it is) that is to be judged; a client gets only those of its flows.
    pub fn handle(
        &mut self,
        now: Instant,
        hop: H,
        mtu: u32,
        packet: &[u8],
        checksum: Checksum,
    ) -> Option<(Mark<H>, Range<usize>)> {
        if self.closed {
            return None;
        }
        let counts = &mut self.out.counts;
        let counter = match Segment::parse(packet, checksum) {
            Ok(segment) => {
                return match &mut self.role {
                    Role::Server(server) => server.handle(now, hop, mtu, &segment, &mut self.out),
                    Role::Client(client) => client.handle(now, hop, &segment, &mut self.out),
                };
            }
            Err(BadSegment::Malformed) => &mut counts.malformed,
            Err(BadSegment::Fragment) => &mut counts.fragments,
            Err(BadSegment::Checksum) => &mut counts.checksums,
        };
        *counter += 1;
        None
    }

    /// What became of a payload: any datagram of it was `ours`, or none.
    pub fn judged(&mut self, now: Instant, mark: &Mark<H>, ours: bool) {
        match &mut self.role {
            _ if self.closed => {}
            Role::Server(server) => server.judged(now, mark, ours, &mut self.out),
            Role::Client(client) => client.judged(now, mark, ours, &mut self.out),
        }
    }

    /// Headers for datagrams of `segment` bytes each (the last may be shorter), that leave as one packet to be cut by
    /// the system. `local`: on a server, our end. `push`: nothing follows at once.
    pub fn send(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        local: Option<SocketAddr>,
        data: &[u8],
        segment: usize,
        push: bool,
    ) -> Sending<H> {
        let sending = match (&mut self.role, local) {
            _ if self.closed || data.is_empty() || segment == 0 => Sending::Refused,
            (Role::Client(client), _) => client.send(now, remote, data, segment, push, &mut self.out),
            (Role::Server(server), Some(local)) => {
                server.send(now, &Tuple::new(local, remote), data.len(), segment, push, &mut self.out)
            }
            (Role::Server(_), None) => Sending::Refused,
        };
        self.out.counts.refused += u64::from(matches!(sending, Sending::Refused));
        sending
    }

    /// A client's port is held, and the way to its server is known: the handshake begins.
    pub fn dial(&mut self, now: Instant, remote: SocketAddr, local: SocketAddr, hop: H, mtu: u32) {
        if let Role::Client(client) = &mut self.role {
            client.dial(now, remote, local, hop, mtu, &mut self.out);
        }
    }

    /// There is no way to this server now. What waits for it is dropped; the next datagram asks again.
    pub fn no_way(&mut self, now: Instant, remote: SocketAddr) {
        if let Role::Client(client) = &mut self.role {
            client.no_way(now, remote, &mut self.out);
        }
    }

    /// A client's way to a server may have changed: from now on it leads by `local` and `hop`. A flow from another local
    /// address is replaced, one by another hop goes on.
    pub fn way(&mut self, now: Instant, remote: SocketAddr, local: IpAddr, hop: H) {
        if let Role::Client(client) = &mut self.role {
            client.way(now, remote, local, hop, &mut self.out);
        }
    }

    /// A client's way to a server must not be used any more: its flows are ended, and what waits for one is dropped.
    pub fn forsake(&mut self, now: Instant, remote: SocketAddr) {
        if let Role::Client(client) = &mut self.role {
            client.forsake(now, remote, &mut self.out);
        }
    }

    /// The servers that a client has flows to.
    pub fn remotes(&self) -> Vec<SocketAddr> {
        match &self.role {
            Role::Server(_) => Vec::new(),
            Role::Client(client) => client.remotes(),
        }
    }

    /// The next packet of the machine's own.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Outgoing<H>> {
        self.out.poll()
    }

    /// The next thing to be done for it.
    pub fn poll_action(&mut self) -> Option<Action> {
        match &mut self.role {
            Role::Server(_) => None,
            Role::Client(client) => client.poll_action(),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = match &self.role {
            Role::Server(server) => server.due(),
            Role::Client(client) => client.due(),
        };
        [due, self.out.due()].into_iter().flatten().min()
    }

    /// Takes note that the time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(tuple) = self.out.poll_due(now) {
            match &mut self.role {
                Role::Server(server) => server.tell(now, tuple, &mut self.out),
                Role::Client(client) => client.tell(now, tuple, &mut self.out),
            }
        }
        match &mut self.role {
            Role::Server(server) => server.handle_timeout(now, &mut self.out),
            Role::Client(client) => client.handle_timeout(now, &mut self.out),
        }
    }

    /// Ends all flows: what is to be sent for that comes out of [`poll_transmit`](Self::poll_transmit).
    pub fn close(&mut self, now: Instant) {
        match &mut self.role {
            Role::Server(server) => server.close(now, &mut self.out),
            Role::Client(client) => client.close(now, &mut self.out),
        }
        self.out.close();
        self.closed = true;
    }

    /// How many flows there are.
    pub fn count(&self) -> usize {
        match &self.role {
            Role::Server(server) => server.count(),
            Role::Client(client) => client.count(),
        }
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.out.counts
    }
}
