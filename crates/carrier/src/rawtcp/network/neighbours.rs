//! Hardware addresses of neighbours: known ones, and how the system is made to ask for one.

use super::links::links;
use super::netlink::{address, attributes, list};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourHeader, NeighbourMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Bytes of a neighbour's header.
const NEIGHBOUR_HEADER: usize = 12;

/// The states in which the address is known. One that is stale is right until it is proven wrong.
const KNOWN: u16 =
    libc::NUD_REACHABLE | libc::NUD_STALE | libc::NUD_DELAY | libc::NUD_PROBE | libc::NUD_PERMANENT | libc::NUD_NOARP;

/// The port of RFC 863: whoever listens there takes everything and answers nothing.
const DISCARD: u16 = 9;

pub(super) fn neighbour(interface: u32, wanted: IpAddr) -> io::Result<Option<[u8; 6]>> {
    let mut question = NeighbourMessage::default();
    question.header.family = if wanted.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    // Kernels that know this attribute tell only of this interface; others tell all.
    question.attributes.push(NeighbourAttribute::IfIndex(interface));
    let answers = list(RouteNetlinkMessage::GetNeighbour(question), libc::RTM_NEWNEIGH)?;
    Ok(answers.iter().find_map(|answer| hardware(answer, interface, wanted)))
}

/// The hardware address, if an answer is about this neighbour and knows it.
fn hardware(message: &[u8], interface: u32, wanted: IpAddr) -> Option<[u8; 6]> {
    let header = NeighbourHeader::parse(message).ok()?;
    let of = |wanted| attributes(message, NEIGHBOUR_HEADER).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let about = header.ifindex == interface && of(libc::NDA_DST).and_then(address) == Some(wanted);
    if !about || u16::from(header.state) & KNOWN == 0 {
        return None;
    }
    of(libc::NDA_LLADDR)?.try_into().ok()
}

/// An empty datagram to the neighbour itself, which no router passes on: to send it the kernel must ask.
pub(super) fn ask_for_neighbour(interface: u32, address: IpAddr) -> io::Result<()> {
    let links = links()?;
    let link = links.iter().find(|link| link.interface.index == interface);
    let link = link.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    let to: SocketAddr = match address {
        IpAddr::V4(_) => SocketAddr::new(address, DISCARD),
        IpAddr::V6(v6) => SocketAddrV6::new(v6, DISCARD, 0, interface).into(),
    };
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(&link.name))?;
    match address {
        IpAddr::V4(_) => socket.set_ttl_v4(1)?,
        IpAddr::V6(_) => socket.set_unicast_hops_v6(1)?,
    }
    match socket.send_to(&[], &to.into()) {
        // It waits for the answer already.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS)) => Ok(()),
        sent => sent.map(drop),
    }
}
