//! Ports that are ours, and at which the kernel is silent.
//!
//! A kernel that sees a segment for a port that nobody has answers RST. It does not if a socket listens there whose
//! filter drops everything. Nothing is left behind when the socket closes, however that comes about.
//!
//! There are kernels (a 6.18 among them) that take a filter for a TCP socket only from a process with `CAP_NET_ADMIN`.
//! Elsewhere the socket asks for more hops than any segment has left that has crossed a router, or comes from a machine
//! of the usual kind (RFC 5082): a neighbour that sends with 255 would be answered by both.

use super::filter;
use super::socket::{attach, set_least_hops};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

/// A port that is held while this lives.
pub(super) struct Hold {
    _socket: Socket,
    local: SocketAddr,
}

impl Hold {
    /// Holds a port of an address; port 0: the system chooses. An unspecified IPv6 address holds it for IPv4 as well.
    /// `interface`: where a link-local address is.
    pub(super) fn take(address: SocketAddr, interface: u32) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Before it has a port: at no time does the kernel answer there.
        match attach(socket.as_fd(), &filter::nothing()) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                set_least_hops(socket.as_fd(), address.is_ipv6())?;
            }
            attached => attached?,
        }
        if let SocketAddr::V6(_) = address {
            socket.set_only_v6(address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED))?;
        }
        socket.bind(&scoped(address, interface))?;
        socket.listen(1)?;
        let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { _socket: socket, local: SocketAddr::new(address.ip(), bound.port()) })
    }

    /// What it holds.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }
}

fn scoped(address: SocketAddr, interface: u32) -> SockAddr {
    match address {
        SocketAddr::V6(mut v6) if v6.ip().is_unicast_link_local() => {
            v6.set_scope_id(interface);
            v6.into()
        }
        other => other.into(),
    }
}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
