//! The way to a host.

use super::links::interfaces;
use super::netlink::{address, ask, attributes, number};
use super::{Interface, Kind, Way};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};

/// Bytes of a route's header.
const ROUTE_HEADER: usize = 12;

pub(super) fn way(to: IpAddr, interface: Option<&str>, source: Option<IpAddr>) -> io::Result<Way> {
    let (to, source) = (to.to_canonical(), source.map(|source| source.to_canonical()));
    if source.is_some_and(|source| source.is_ipv4() != to.is_ipv4()) {
        return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    }
    let interfaces = interfaces()?;
    let by_name = |name: &str| interfaces.iter().find(|one| one.name == name).ok_or_else(missing);
    let interface = interface.map(by_name).transpose()?;
    let answer = ask(RouteNetlinkMessage::GetRoute(question(to, interface, source)), libc::RTM_NEWROUTE)?;
    let route = Route::parse(&answer).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let taken = match route.kind {
        RouteType::Unicast => interfaces.iter().find(|one| Some(one.index) == route.interface),
        // Whatever interface has the address: what goes to ourselves goes over the loopback.
        RouteType::Local => interfaces.iter().find(|one| one.kind == Kind::Loopback),
        RouteType::Prohibit => return Err(io::Error::from_raw_os_error(libc::EACCES)),
        _ => return Err(io::Error::from_raw_os_error(libc::ENETUNREACH)),
    };
    let taken = taken.ok_or_else(missing)?;
    if let Some(source) = source {
        check_ours(source, taken.index)?;
    }
    let source = source.or(route.source).ok_or_else(|| io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))?;
    Ok(Way { interface: taken.clone(), source, next: route.gateway.unwrap_or(to) })
}

fn missing() -> io::Error {
    io::Error::from_raw_os_error(libc::ENODEV)
}

fn question(to: IpAddr, interface: Option<&Interface>, source: Option<IpAddr>) -> RouteMessage {
    let bits = if to.is_ipv4() { 32 } else { 128 };
    let mut message = RouteMessage::default();
    message.header.address_family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.destination_prefix_length = bits;
    message.attributes.push(RouteAttribute::Destination(to.into()));
    if let Some(interface) = interface {
        message.attributes.push(RouteAttribute::Oif(interface.index));
    }
    if let Some(source) = source {
        message.header.source_prefix_length = bits;
        message.attributes.push(RouteAttribute::Source(source.into()));
    }
    message
}

/// Fails if an address is none of ours: for IPv6 the kernel looks for a way from any.
fn check_ours(source: IpAddr, interface: u32) -> io::Result<()> {
    let address = match source {
        IpAddr::V4(_) => SocketAddr::new(source, 0),
        IpAddr::V6(v6) => {
            let scope = if v6.is_unicast_link_local() { interface } else { 0 };
            SocketAddrV6::new(v6, 0, 0, scope).into()
        }
    };
    UdpSocket::bind(address).map(drop)
}

struct Route {
    kind: RouteType,
    interface: Option<u32>,
    gateway: Option<IpAddr>,
    source: Option<IpAddr>,
}

impl Route {
    fn parse(message: &[u8]) -> Option<Self> {
        let kind = RouteHeader::parse(message).ok()?.kind;
        let mut route = Self { kind, interface: None, gateway: None, source: None };
        for (kind, value) in attributes(message, ROUTE_HEADER) {
            match kind {
                libc::RTA_OIF => route.interface = number(value),
                libc::RTA_GATEWAY => route.gateway = address(value),
                // Two bytes that name the family, and an address: IPv4 by way of an IPv6 gateway.
                libc::RTA_VIA => route.gateway = value.get(2..).and_then(address),
                libc::RTA_PREFSRC => route.source = address(value),
                _ => {}
            }
        }
        Some(route)
    }
}
