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
    let answers = list(question(interface, wanted), libc::RTM_NEWNEIGH)?;
    Ok(answers.iter().find_map(|answer| hardware(answer, interface, wanted)))
}

fn question(interface: u32, wanted: IpAddr) -> RouteNetlinkMessage {
    let mut question = NeighbourMessage::default();
    question.header.family = if wanted.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    // Kernels that know this attribute tell only of this interface; others tell all.
    question.attributes.push(NeighbourAttribute::IfIndex(interface));
    RouteNetlinkMessage::GetNeighbour(question)
}

/// Asks for a neighbour whose address is known, but is not known to be right now.
pub(super) fn confirm_neighbour(interface: u32, wanted: IpAddr) -> io::Result<()> {
    let answers = list(question(interface, wanted), libc::RTM_NEWNEIGH)?;
    let is_old = |answer: &Vec<u8>| {
        let state = NeighbourHeader::parse(answer).map_or(0, |header| u16::from(header.state));
        state & libc::NUD_STALE != 0 && hardware(answer, interface, wanted).is_some()
    };
    if answers.iter().any(is_old) { ask_for_neighbour(interface, wanted) } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(state: u16, interface: u32, hardware: &[u8]) -> Vec<u8> {
        let mut bytes = vec![libc::AF_INET as u8, 0, 0, 0];
        bytes.extend(interface.to_ne_bytes());
        bytes.extend(state.to_ne_bytes());
        bytes.extend([0, 1]);
        for (kind, value) in [(libc::NDA_DST, &[10, 0, 0, 1][..]), (libc::NDA_LLADDR, hardware)] {
            bytes.extend((4 + value.len() as u16).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn only_an_address_that_is_known_and_of_this_neighbour_counts() {
        let (it, address) = ([2, 0, 0, 0, 0, 9], IpAddr::from([10, 0, 0, 1]));
        for state in [libc::NUD_REACHABLE, libc::NUD_STALE, libc::NUD_DELAY, libc::NUD_PROBE, libc::NUD_PERMANENT] {
            assert_eq!(hardware(&answer(state, 7, &it), 7, address), Some(it), "{state}");
        }
        for state in [libc::NUD_INCOMPLETE, libc::NUD_FAILED, libc::NUD_NONE] {
            assert_eq!(hardware(&answer(state, 7, &it), 7, address), None, "{state}");
        }
        assert_eq!(hardware(&answer(libc::NUD_REACHABLE, 8, &it), 7, address), None, "on another interface");
        assert_eq!(hardware(&answer(libc::NUD_REACHABLE, 7, &it), 7, [10, 0, 0, 2].into()), None, "another host");
        assert_eq!(hardware(&answer(libc::NUD_REACHABLE, 7, &[1; 20]), 7, address), None, "InfiniBand's are longer");
        let whole = answer(libc::NUD_REACHABLE, 7, &it);
        for end in 0..whole.len() - 2 {
            assert_eq!(hardware(&whole[..end], 7, address), None);
        }
    }
}
