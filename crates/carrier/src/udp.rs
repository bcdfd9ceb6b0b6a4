//! UDP, with segmentation offload in both directions where the system has it.

use bytes::BytesMut;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Batches that one system call may bring.
const RECEIVE_BATCHES: usize = 8;

/// Bytes of one batch: what receive offload puts together at most.
const RECEIVE_BYTES: usize = 64 << 10;

/// What is asked of the system for each socket's receive buffer. A burst of a fast path must
/// fit while the shard is busy elsewhere; without the right to force it, the system caps it.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Where a datagram went to, on systems that do not tell.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What a full datagram costs of the send buffer: its bytes, and the kernel's own around them.
const PACKET_COST: usize = 2048;

/// Datagrams of one length from one address, as the system put them together.
pub struct Received {
    /// Who sent them.
    pub remote: SocketAddr,
    /// The local address and port that they were sent to; the address is unspecified where the
    /// system does not tell.
    pub local: SocketAddr,
    /// Length of each datagram; the last may be shorter.
    pub segment: usize,
    /// All of them, end to end, in an allocation of their own.
    pub data: BytesMut,
}

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// The system has it.
    Taken,
    /// The socket is full: wait for [`UdpCarrier::poll_writable`] and offer it again.
    Full,
    /// The system would not have it.
    Refused,
}

/// How a carrier sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendOptions {
    /// Packets that may wait in the socket.
    pub queue: usize,
    /// How often a batch is offered again that was refused for a passing reason.
    pub retries: u32,
}

/// A UDP socket that moves batches.
pub struct UdpCarrier {
    socket: UdpSocket,
    state: UdpSocketState,
    port: u16,
    /// The socket is an IPv6 one: IPv4 addresses are mapped into it.
    is_v6: bool,
    buffers: Vec<Vec<u8>>,
    segments_max: usize,
    options: SendOptions,
}

impl UdpCarrier {
    /// Binds a socket. An unspecified IPv6 address takes IPv4 as well. Must be called inside a
    /// tokio runtime.
    pub fn bind(address: SocketAddr, options: SendOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            socket.set_only_v6(false)?;
        }
        enlarge(&socket, options.queue);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = std::net::UdpSocket::from(socket);
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self {
            port: socket.local_addr()?.port(),
            socket: UdpSocket::from_std(socket)?,
            state,
            is_v6: address.is_ipv6(),
            buffers: (0..RECEIVE_BATCHES).map(|_| vec![0; RECEIVE_BYTES]).collect(),
            segments_max: usize::MAX,
            options,
        })
    }

    /// Binds a socket that reaches servers of both families, or of IPv4 where there is no IPv6.
    pub fn bind_any(options: SendOptions) -> io::Result<Self> {
        let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        Self::bind(any_v6, options).or_else(|_| Self::bind(SocketAddr::from(([0, 0, 0, 0], 0)), options))
    }

    /// The address that the socket is bound to.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends in another way from now on.
    pub fn set_options(&mut self, options: SendOptions) {
        self.options = options;
        set_send_buffer(SockRef::from(&self.socket), options.queue);
    }

    /// Bytes that the system keeps for what waits to be sent, its own included.
    pub fn send_buffer(&self) -> io::Result<usize> {
        SockRef::from(&self.socket).send_buffer_size()
    }

    /// Sends one datagram a system call, as where the system has no segmentation offload.
    pub fn without_offload(mut self) -> Self {
        self.segments_max = 1;
        self
    }

    /// The most datagrams that one [`try_send`](Self::try_send) takes; 1 without offload.
    pub fn max_segments(&self) -> usize {
        self.state.max_gso_segments().clamp(1, self.segments_max)
    }

    /// Receives what is there, one system call's worth, into `out`. Pending: nothing is.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, out: &mut Vec<Received>) -> Poll<io::Result<()>> {
        let mut metas = [RecvMeta::default(); RECEIVE_BATCHES];
        loop {
            ready!(self.socket.poll_recv_ready(cx))?;
            let received = {
                let mut buffers = self.buffers.iter_mut();
                // As many buffers as batches: made so in `bind`.
                let mut slices: [IoSliceMut<'_>; RECEIVE_BATCHES] =
                    std::array::from_fn(|_| IoSliceMut::new(buffers.next().map_or(&mut [], |buffer| &mut buffer[..])));
                let (socket, state) = (&self.socket, &self.state);
                socket.try_io(Interest::READABLE, || state.recv(socket.into(), &mut slices, &mut metas))
            };
            match received {
                Ok(count) => {
                    for (meta, buffer) in metas[..count].iter().zip(&self.buffers) {
                        out.push(Received {
                            remote: canonical(meta.addr),
                            local: SocketAddr::new(meta.dst_ip.map_or(UNKNOWN, |ip| ip.to_canonical()), self.port),
                            segment: meta.stride.max(1),
                            // A copy to the size of the batch: the 64 KiB buffer stays here, and
                            // a stream that keeps a slice of the batch keeps no more than it.
                            data: BytesMut::from(&buffer[..meta.len]),
                        });
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An ICMP error of an earlier send: the link's own clock says what it means.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Sends datagrams of `segment` bytes (the last may be shorter), no more than
    /// [`max_segments`](Self::max_segments). What is refused is lost, as it might be anywhere on
    /// the way.
    pub fn try_send(&self, remote: SocketAddr, local: Option<SocketAddr>, data: &[u8], segment: usize) -> Sent {
        let transmit = quinn_udp::Transmit {
            destination: if self.is_v6 { mapped(remote) } else { remote },
            ecn: None,
            contents: data,
            segment_size: (segment < data.len()).then_some(segment),
            src_ip: local.map(|local| local.ip()).filter(|ip| !ip.is_unspecified()),
        };
        let mut tries = 0;
        loop {
            let socket = UdpSockRef::from(&self.socket);
            match self.socket.try_io(Interest::WRITABLE, || self.state.try_send(socket, &transmit)) {
                Ok(()) => return Sent::Taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Full,
                Err(error) if is_passing(&error) && tries < self.options.retries => tries += 1,
                Err(_) => return Sent::Refused,
            }
        }
    }

    /// Ready when the socket takes more. One caller at a time: only one waker is kept.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_send_ready(cx)
    }
}

/// Whether the same batch may be taken the next time.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM | libc::EINTR))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Asks for large buffers: first by right, then within the system's cap. Without them everything
/// works, only less smoothly.
fn enlarge(socket: &Socket, queue: usize) {
    #[cfg(target_os = "linux")]
    force(SockRef::from(socket), libc::SO_RCVBUFFORCE, RECEIVE_BUFFER);
    if socket.recv_buffer_size().is_ok_and(|size| size < RECEIVE_BUFFER) {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
    set_send_buffer(SockRef::from(socket), queue);
}

/// Makes room for so many packets that wait to be sent.
fn set_send_buffer(socket: SockRef<'_>, queue: usize) {
    let size = queue.saturating_mul(PACKET_COST);
    #[cfg(target_os = "linux")]
    force(SockRef::from(&*socket), libc::SO_SNDBUFFORCE, size);
    // The system keeps twice what is asked, for what it needs itself.
    if socket.send_buffer_size().is_ok_and(|now| now != 2 * size) {
        let _ = socket.set_send_buffer_size(size);
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "socket2 has no SO_RCVBUFFORCE and SO_SNDBUFFORCE")]
fn force(socket: SockRef<'_>, option: libc::c_int, size: usize) {
    use std::os::fd::AsRawFd;
    let size = size as libc::c_int;
    // SAFETY: the descriptor lives as long as `socket`, and the kernel reads one int from `size`.
    let _ = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(&size).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
}
