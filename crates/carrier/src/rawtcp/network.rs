//! What the system knows of the network: interfaces, ways and neighbours, by netlink (rtnetlink(7)).

#[cfg(target_os = "linux")]
mod changes;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
mod neighbours;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
mod routes;

use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};

/// What stands in front of IP in an interface's frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An Ethernet header.
    Ethernet,
    /// An Ethernet header whose addresses say nothing.
    Loopback,
    /// Nothing: tunnels, mostly.
    Bare,
    /// Something else: raw TCP cannot use it.
    Other,
}

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What its frames look like.
    pub kind: Kind,
    /// It leads into a VPN or another tunnel.
    pub tunnel: bool,
    /// It is up, and has a carrier.
    pub up: bool,
    /// The largest IP packet.
    pub mtu: u32,
    /// Its hardware address.
    pub hardware: Option<[u8; 6]>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// The way to a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// By which interface.
    pub interface: Interface,
    /// From which of our addresses.
    pub source: IpAddr,
    /// The host itself, or the gateway to it.
    pub next: IpAddr,
}

/// All interfaces.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    system::interfaces()
}

/// The way that the system would take to a host; by `interface` and from `source` where these are given. To an address
/// of our own: the loopback.
///
/// The errors are the system's: `ENETUNREACH` and the like without a way, `ENODEV` without that interface,
/// `EADDRNOTAVAIL` if `source` is none of our addresses, `EAFNOSUPPORT` if it is of the other family.
pub fn way(to: IpAddr, interface: Option<&str>, source: Option<IpAddr>) -> io::Result<Way> {
    system::way(to, interface, source)
}

/// The hardware address of a neighbour, if the system knows it.
pub fn neighbour(interface: u32, address: IpAddr) -> io::Result<Option<[u8; 6]>> {
    system::neighbour(interface, address)
}

/// Has the system ask for a neighbour's hardware address. The answer comes later: see [`Changes`].
pub fn ask_for_neighbour(interface: u32, address: IpAddr) -> io::Result<()> {
    system::ask_for_neighbour(interface, address)
}

/// Has the system make sure of a neighbour's hardware address, if it has not lately. A change comes later: see [`Changes`].
pub fn confirm_neighbour(interface: u32, address: IpAddr) -> io::Result<()> {
    system::confirm_neighbour(interface, address)
}

/// Tells when interfaces, addresses, routes or neighbours have changed. Must be made inside a tokio runtime.
pub struct Changes(system::Watch);

impl Changes {
    /// From now on.
    pub fn watch() -> io::Result<Self> {
        system::Watch::new().map(Self)
    }

    /// Ready once for any number of changes since the last time.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}

/// By netlink. None of these waits for anything but the kernel, and that for two seconds at most.
#[cfg(target_os = "linux")]
mod system {
    pub(super) use super::changes::Watch;
    pub(super) use super::links::interfaces;
    pub(super) use super::neighbours::{ask_for_neighbour, confirm_neighbour, neighbour};
    pub(super) use super::routes::way;
}

/// There is no raw TCP without Linux.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Context, Interface, IpAddr, Poll, Way, io};

    pub(super) fn interfaces() -> io::Result<Vec<Interface>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn way(_to: IpAddr, _interface: Option<&str>, _source: Option<IpAddr>) -> io::Result<Way> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn neighbour(_interface: u32, _address: IpAddr) -> io::Result<Option<[u8; 6]>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn confirm_neighbour(_interface: u32, _address: IpAddr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn ask_for_neighbour(_interface: u32, _address: IpAddr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) struct Watch;

    impl Watch {
        pub(super) fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }
}
