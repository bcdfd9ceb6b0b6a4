//! UDP on one port or many, with segmentation offload in both directions where the system has it.

mod socket;
mod turns;

pub use crate::batch::{Received, SendOptions, Sent};
use socket::{Buffers, Socket};
use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use turns::Turns;

/// The most ports of one carrier.
pub const PORTS_MAX: usize = 256;

/// What is asked of the system for the receive buffer of a socket that is alone. A burst of a fast path must fit while
/// the shard is busy elsewhere; without the right to force it, the system caps it.
const RECEIVE_BUFFER: usize = 16 << 20;

/// What the receive buffers of all ports may add up to: up to 4 ports have [`RECEIVE_BUFFER`] each, 256 have 256 KiB,
/// which is still more than a system gives unasked. A flood on all ports at once makes the kernel hold twice this.
const RECEIVE_BUFFERS: usize = 64 << 20;

/// Packets that may wait on each of many ports even if their share of the queue is smaller: four whole batches, so
/// that a link that has one port for itself at the moment is not held up by the ports that are idle.
const QUEUE_LEAST: usize = 256;

/// One of several ports that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("port {port}: {source}")]
pub struct PortError {
    /// Which.
    pub port: u16,
    /// What the system says, with its number.
    pub source: io::Error,
}

/// UDP sockets, one a port, that move batches.
pub struct UdpCarrier {
    /// Ascending by port; at least one.
    sockets: Vec<Socket>,
    /// For many ports. One alone is asked directly.
    many: Option<Many>,
    buffers: Buffers,
    /// The most segments that any socket still takes.
    segments_max: Cell<usize>,
    options: SendOptions,
}

struct Many {
    turns: Arc<Turns>,
    /// What each socket wakes, in the order of the sockets.
    wakers: Vec<Waker>,
}

impl UdpCarrier {
    /// Binds a socket to each of the ports, [`PORTS_MAX`] at most; for port 0 the system chooses one. An unspecified
    /// IPv6 address takes IPv4 as well. Must be called inside a tokio runtime.
    ///
    /// If one of several ports cannot be bound none is, and the error holds a [`PortError`]; that of a port that is
    /// alone is the system's own.
    pub fn bind(address: IpAddr, ports: impl IntoIterator<Item = u16>, options: SendOptions) -> io::Result<Self> {
        let ports: Vec<u16> = ports.into_iter().take(PORTS_MAX + 1).collect();
        if ports.is_empty() || ports.len() > PORTS_MAX {
            let why = format!("a carrier has 1 to {PORTS_MAX} ports");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let buffer = RECEIVE_BUFFER.min(RECEIVE_BUFFERS / ports.len());
        let queue = share(options.queue, ports.len());
        let bound = ports.iter().map(|&port| {
            let bound = Socket::bind(SocketAddr::new(address, port), buffer, queue);
            bound.map_err(|source| match ports.len() {
                1 => source,
                _ => io::Error::new(source.kind(), PortError { port, source }),
            })
        });
        let mut sockets = bound.collect::<io::Result<Vec<_>>>()?;
        sockets.sort_unstable_by_key(Socket::port);
        let many = (sockets.len() > 1).then(|| {
            let turns = Turns::new(sockets.len());
            Many { wakers: (0..sockets.len()).map(|socket| turns.waker(socket)).collect(), turns }
        });
        let segments_max = Cell::new(sockets[0].max_segments().max(1));
        Ok(Self { sockets, many, buffers: Buffers::new(), segments_max, options })
    }

    /// Binds a socket that reaches servers of both families, or of IPv4 where there is no IPv6.
    pub fn bind_any(options: SendOptions) -> io::Result<Self> {
        Self::bind(Ipv6Addr::UNSPECIFIED.into(), [0], options)
            .or_else(|_| Self::bind(Ipv4Addr::UNSPECIFIED.into(), [0], options))
    }

    /// The address that it is bound to, with the lowest of its ports.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.sockets[0].local_address()
    }

    /// All of its ports, ascending.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.sockets.iter().map(Socket::port)
    }

    /// Sends in another way from now on.
    pub fn set_options(&mut self, options: SendOptions) {
        self.options = options;
        let queue = share(options.queue, self.sockets.len());
        self.sockets.iter().for_each(|socket| socket.set_queue(queue));
    }

    /// Bytes that the system keeps for what waits to be sent on one port, its own included.
    pub fn send_buffer(&self) -> io::Result<usize> {
        self.sockets[0].send_buffer()
    }

    /// Sends one datagram a system call, as where the system has no segmentation offload.
    pub fn without_offload(self) -> Self {
        self.segments_max.set(1);
        self
    }

    /// The most datagrams that one [`try_send`](Self::try_send) takes; 1 without offload.
    pub fn max_segments(&self) -> usize {
        self.segments_max.get()
    }

    /// Receives what is there, one system call's worth, into `out`. Pending: nothing is.
    ///
    /// Ports that have something take turns, a call each. The error of one is told when no other has anything; it is
    /// tried again with the next call.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, out: &mut Vec<Received>) -> Poll<io::Result<()>> {
        let Some(Many { turns, wakers }) = &self.many else {
            return self.sockets[0].poll_receive(cx, &mut self.buffers, out);
        };
        let mut failed = None;
        // No more than wait now: where the runtime has us wait for our next turn, a socket calls while it is visited.
        for _ in 0..turns.read_by(cx.waker()) {
            let Some(at) = turns.next() else { break };
            match self.sockets[at].poll_receive(&mut Context::from_waker(&wakers[at]), &mut self.buffers, out) {
                Poll::Ready(Ok(())) => {
                    turns.again(at);
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => {
                    turns.again(at);
                    failed = Some(error);
                }
                Poll::Pending => {}
            }
        }
        failed.map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
    }

    /// Sends datagrams of `segment` bytes (the last may be shorter), no more than [`max_segments`](Self::max_segments),
    /// from the address and port `local`, or from our lowest port if that is none of ours. What is refused is lost, as
    /// it might be anywhere on the way.
    pub fn try_send(&self, remote: SocketAddr, local: Option<SocketAddr>, data: &[u8], segment: usize) -> Sent {
        let source = local.map(|local| local.ip()).filter(|ip| !ip.is_unspecified());
        let socket = self.socket(local);
        let sent = socket.try_send(remote, source, data, segment, self.options);
        if sent == Sent::Refused {
            // The system may have had enough of offload on this socket; it will have it of the others too.
            self.segments_max.set(self.segments_max.get().min(socket.max_segments().max(1)));
        }
        sent
    }

    /// Ready when the socket that `local` is sent from takes more. One caller at a time: only one waker is kept.
    pub fn poll_writable(&self, local: Option<SocketAddr>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket(local).poll_writable(cx)
    }

    fn socket(&self, local: Option<SocketAddr>) -> &Socket {
        if self.many.is_none() {
            return &self.sockets[0];
        }
        let at = local.and_then(|local| self.sockets.binary_search_by_key(&local.port(), Socket::port).ok());
        &self.sockets[at.unwrap_or(0)]
    }
}

/// Packets of a queue that may wait on each of so many ports.
fn share(queue: usize, ports: usize) -> usize {
    (queue / ports).max(queue.min(QUEUE_LEAST))
}

#[cfg(test)]
#[path = "udp_tests.rs"]
mod tests;
