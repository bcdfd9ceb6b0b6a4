//! Interfaces and their addresses.

use super::netlink::{address, attributes, list, number};
use super::{Interface, Kind};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressHeaderFlags;
use netlink_packet_route::address::{AddressHeader, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkHeader, LinkLayerType, LinkMessage};
use std::io;
use std::net::IpAddr;

/// Bytes of a link's header and of an address's.
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;

/// `IFLA_TUN_TYPE` among the data of a tun device, and what a device of IP packets has there.
const TUN_TYPE: u16 = 3;
const TUN_OF_PACKETS: u8 = 1;

/// What leads somewhere else than to the network that the interface is part of. Overlays of data centres (vxlan,
/// geneve) are not among them: there they *are* the network.
const TUNNELS: [&[u8]; 21] = [
    b"amneziawg",
    b"bareudp",
    b"erspan",
    b"gre",
    b"gretap",
    b"gtp",
    b"ip6erspan",
    b"ip6gre",
    b"ip6gretap",
    b"ip6tnl",
    b"ipip",
    b"ovpn",
    b"ovpn-dco",
    b"ppp",
    b"sit",
    b"vti",
    b"vti6",
    b"wireguard",
    b"wireguard-go",
    b"xfrm",
    b"xfrmi",
];

/// An interface, with its name as the system has it: up to 15 bytes, not always of text.
pub(super) struct Link {
    pub(super) interface: Interface,
    pub(super) name: Vec<u8>,
}

pub(super) fn interfaces() -> io::Result<Vec<Interface>> {
    let mut links = links()?;
    for message in list(RouteNetlinkMessage::GetAddress(AddressMessage::default()), libc::RTM_NEWADDR)? {
        let Some((index, address)) = parse_address(&message) else { continue };
        if let Some(link) = links.iter_mut().find(|link| link.interface.index == index) {
            link.interface.addresses.push(address);
        }
    }
    Ok(links.into_iter().map(|link| link.interface).collect())
}

/// All interfaces, without addresses.
pub(super) fn links() -> io::Result<Vec<Link>> {
    let messages = list(RouteNetlinkMessage::GetLink(LinkMessage::default()), libc::RTM_NEWLINK)?;
    Ok(messages.iter().filter_map(|message| parse_link(message)).collect())
}

fn parse_link(message: &[u8]) -> Option<Link> {
    let header = LinkHeader::parse(message).ok()?;
    let (mut name, mut mtu, mut hardware, mut device) = (None, 0, None, Device::default());
    for (kind, value) in attributes(message, LINK_HEADER) {
        match kind {
            libc::IFLA_IFNAME => name = Some(value.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()),
            libc::IFLA_MTU => mtu = number(value).unwrap_or(0),
            libc::IFLA_ADDRESS => hardware = value.try_into().ok(),
            libc::IFLA_LINKINFO => device = Device::parse(value),
            _ => {}
        }
    }
    let name = name.filter(|name| !name.is_empty())?;
    let kind = device.frames(header.link_layer_type);
    let interface = Interface {
        index: header.index,
        name: String::from_utf8_lossy(&name).into_owned(),
        kind,
        tunnel: device.is_tunnel(header.link_layer_type),
        up: header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        mtu,
        hardware: hardware.filter(|_| matches!(kind, Kind::Ethernet | Kind::Loopback)),
        addresses: Vec::new(),
    };
    Some(Link { interface, name })
}

/// What stands in `IFLA_LINKINFO`.
#[derive(Default)]
struct Device<'a> {
    /// The driver's name for it; empty for hardware.
    kind: &'a [u8],
    /// A tun device that has no Ethernet header, whatever type somebody has given it.
    of_packets: bool,
}

impl<'a> Device<'a> {
    fn parse(info: &'a [u8]) -> Self {
        let mut device = Self::default();
        for (kind, value) in attributes(info, 0) {
            match kind {
                libc::IFLA_INFO_KIND => device.kind = value.strip_suffix(b"\0").unwrap_or(value),
                libc::IFLA_INFO_DATA => {
                    device.of_packets = attributes(value, 0).any(|data| data == (TUN_TYPE, &[TUN_OF_PACKETS]));
                }
                _ => {}
            }
        }
        device.of_packets &= device.kind == b"tun";
        device
    }

    fn frames(&self, layer: LinkLayerType) -> Kind {
        match layer {
            _ if self.of_packets => Kind::Bare,
            LinkLayerType::Ether => Kind::Ethernet,
            LinkLayerType::Loopback => Kind::Loopback,
            LinkLayerType::Rawip => Kind::Bare,
            _ if is_bare_tunnel(layer) => Kind::Bare,
            _ => Kind::Other,
        }
    }

    /// A tap device has an Ethernet header, and mostly a virtual machine behind it: none.
    fn is_tunnel(&self, layer: LinkLayerType) -> bool {
        self.of_packets || is_bare_tunnel(layer) || TUNNELS.contains(&self.kind)
    }
}

/// Types that only tunnels have; frames of theirs begin with IP.
fn is_bare_tunnel(layer: LinkLayerType) -> bool {
    use LinkLayerType::{Ip6gre, Ipgre, None, Ppp, Sit, Tunnel, Tunnel6};
    matches!(layer, None | Ppp | Tunnel | Tunnel6 | Sit | Ipgre | Ip6gre)
}

/// An address that can be used, and the interface that has it.
fn parse_address(message: &[u8]) -> Option<(u32, IpAddr)> {
    let header = AddressHeader::parse(message).ok()?;
    if header.flags.intersects(AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed) {
        return None;
    }
    let of = |wanted| attributes(message, ADDRESS_HEADER).find(|(kind, _)| *kind == wanted);
    // On a point-to-point interface IFA_ADDRESS is the other end's.
    let (_, value) = of(libc::IFA_LOCAL).or_else(|| of(libc::IFA_ADDRESS))?;
    Some((header.index, address(value)?))
}

#[cfg(test)]
#[path = "links_tests.rs"]
mod tests;
