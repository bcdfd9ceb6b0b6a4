//! One UDP socket of a carrier.

use super::{Received, SendOptions, Sent};
use crate::batch::is_passing;
use crate::buffers::{set_receive_buffer, set_send_buffer};
use bytes::BytesMut;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Batches that one system call may bring.
const RECEIVE_BATCHES: usize = 8;

/// Bytes of one batch: what receive offload puts together at most.
const RECEIVE_BYTES: usize = 64 << 10;

/// Where a datagram went to, on systems that do not tell.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What one system call receives into. All sockets of a carrier share it.
pub(super) struct Buffers([Vec<u8>; RECEIVE_BATCHES]);

impl Buffers {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| vec![0; RECEIVE_BYTES]))
    }
}

pub(super) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    port: u16,
    /// An IPv6 socket: IPv4 addresses are mapped into it.
    is_v6: bool,
}

impl Socket {
    /// Binds a socket with buffers of `receive_buffer` bytes and for `queue` packets.
    pub(super) fn bind(address: SocketAddr, receive_buffer: usize, queue: usize) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            socket.set_only_v6(false)?;
        }
        set_receive_buffer(SockRef::from(&socket), receive_buffer);
        set_send_buffer(SockRef::from(&socket), queue);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = std::net::UdpSocket::from(socket);
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self {
            port: socket.local_addr()?.port(),
            socket: UdpSocket::from_std(socket)?,
            state,
            is_v6: address.is_ipv6(),
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(super) fn set_queue(&self, queue: usize) {
        set_send_buffer(SockRef::from(&self.socket), queue);
    }

    pub(super) fn send_buffer(&self) -> io::Result<usize> {
        SockRef::from(&self.socket).send_buffer_size()
    }

    /// The most datagrams that one system call sends; fewer once the system has refused an offload.
    pub(super) fn max_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
        out: &mut Vec<Received>,
    ) -> Poll<io::Result<()>> {
        let mut metas = [RecvMeta::default(); RECEIVE_BATCHES];
        loop {
            ready!(self.socket.poll_recv_ready(cx))?;
            let received = {
                let mut slices = buffers.0.each_mut().map(|buffer| IoSliceMut::new(buffer));
                let (socket, state) = (&self.socket, &self.state);
                socket.try_io(Interest::READABLE, || state.recv(socket.into(), &mut slices, &mut metas))
            };
            match received {
                Ok(count) => {
                    for (meta, buffer) in metas[..count].iter().zip(&buffers.0) {
                        out.push(Received {
                            remote: canonical(meta.addr),
                            local: SocketAddr::new(meta.dst_ip.map_or(UNKNOWN, |ip| ip.to_canonical()), self.port),
                            segment: meta.stride.max(1),
                            // A copy to the size of the batch: the 64 KiB buffer stays here, and
                            // a stream that keeps a slice of the batch keeps no more than it.
                            data: BytesMut::from(&buffer[..meta.len]),
                            mark: None,
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

    pub(super) fn try_send(
        &self,
        remote: SocketAddr,
        source: Option<IpAddr>,
        data: &[u8],
        segment: usize,
        options: SendOptions,
    ) -> Sent {
        let transmit = quinn_udp::Transmit {
            destination: if self.is_v6 { mapped(remote) } else { remote },
            ecn: None,
            contents: data,
            segment_size: (segment < data.len()).then_some(segment),
            src_ip: source,
        };
        let mut tries = 0;
        loop {
            let socket = UdpSockRef::from(&self.socket);
            match self.socket.try_io(Interest::WRITABLE, || self.state.try_send(socket, &transmit)) {
                Ok(()) => return Sent::Taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Full,
                Err(error) if is_passing(&error) && tries < options.retries => tries += 1,
                Err(_) => return Sent::Refused,
            }
        }
    }

    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_send_ready(cx)
    }
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
