//! What the system knows of the network: interfaces, ways and neighbours, by netlink (rtnetlink(7)).

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
    unimplemented!()
}

/// The way that the system would take to a host; by `interface` and from `source` where these are given.
pub fn way(_to: IpAddr, _interface: Option<&str>, _source: Option<IpAddr>) -> io::Result<Way> {
    unimplemented!()
}

/// The hardware address of a neighbour, if the system knows it.
pub fn neighbour(_interface: u32, _address: IpAddr) -> io::Result<Option<[u8; 6]>> {
    unimplemented!()
}

/// Has the system ask for a neighbour's hardware address. The answer comes later: see [`Changes`].
pub fn ask_for_neighbour(_interface: u32, _address: IpAddr) -> io::Result<()> {
    unimplemented!()
}

/// Tells when interfaces, addresses, routes or neighbours have changed. Must be made inside a tokio runtime.
pub struct Changes {}

impl Changes {
    /// From now on.
    pub fn watch() -> io::Result<Self> {
        unimplemented!()
    }

    /// Ready once for any number of changes since the last time.
    pub fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        unimplemented!()
    }
}
