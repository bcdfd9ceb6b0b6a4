//! What stands in front of an IP packet at a packet socket: what the system says of its offloads (`struct
//! virtio_net_hdr`, packet(7)), and the link's header.

use super::Hop;
use ginnel_proto::rawtcp::{Checksum, Stamp};
use std::net::IpAddr;

/// The bit of a hardware address that says that it is many machines'.
const MULTICAST: u8 = 1;

/// Bytes of the first.
pub(super) const OFFLOAD: usize = 10;

/// Bytes of an Ethernet header.
pub(super) const ETHERNET: usize = 14;

/// The most bytes in front of a payload.
pub(super) const FRONT_MAX: usize = OFFLOAD + ETHERNET + 100;

/// Where TCP's checksum stands in its header.
const CHECKSUM_OFFSET: u16 = 16;

/// The checksum is still to be made.
const NEEDS_CHECKSUM: u8 = 1;
/// The system has checked the checksum.
const CHECKSUM_VALID: u8 = 2;
/// To be cut, or put together: TCP over IPv4, over IPv6.
const TCP_V4: u8 = 1;
const TCP_V6: u8 = 4;

/// Kinds of links, as `sll_hatype` has them (linux/if_arp.h). The bare ones: none, PPP, raw IP, and tunnels.
const ETHERNET_LINK: u16 = 1;
const LOOPBACK_LINK: u16 = libc::ARPHRD_LOOPBACK;
const BARE_LINKS: [u16; 8] = [libc::ARPHRD_NONE, 512, 519, 768, 769, 776, 778, 823];

/// What the system says of a frame that it received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Offload {
    /// Whether the checksum is to be looked at.
    pub(super) checksum: Checksum,
    /// Bytes of each segment that was put together here; 0: it is one as it came.
    pub(super) segment: usize,
}

/// Reads what a frame begins with.
pub(super) fn split(frame: &[u8]) -> Option<(Offload, &[u8])> {
    let (header, rest) = frame.split_first_chunk::<OFFLOAD>()?;
    let trusted = header[0] & (NEEDS_CHECKSUM | CHECKSUM_VALID) != 0;
    let checksum = if trusted { Checksum::Trusted } else { Checksum::Unknown };
    let segment = usize::from(u16::from_ne_bytes([header[4], header[5]]));
    Some((Offload { checksum, segment }, rest))
}

/// Takes the link's header off: how its sender is reached, and the IP packet. `None`: a kind of link that we do not
/// know, or a frame that is too short.
pub(super) fn unwrap(interface: u32, link: u16, frame: &[u8]) -> Option<(Hop, &[u8])> {
    match link {
        LOOPBACK_LINK => Some((Hop { interface, hardware: Some(([0; 6], [0; 6])) }, frame.get(ETHERNET..)?)),
        ETHERNET_LINK => {
            let (to, rest) = frame.split_first_chunk::<6>()?;
            let (from, rest) = rest.split_first_chunk::<6>()?;
            // No machine has such an address: an answer would go to many.
            if from[0] & MULTICAST != 0 {
                return None;
            }
            Some((Hop { interface, hardware: Some((*to, *from)) }, rest.get(2..)?))
        }
        _ if BARE_LINKS.contains(&link) => Some((Hop { interface, hardware: None }, frame)),
        _ => None,
    }
}

/// Whom a packet is for.
pub(super) fn destination(packet: &[u8]) -> Option<IpAddr> {
    if is_v4(packet) {
        Some(IpAddr::from(*packet.get(16..)?.first_chunk::<4>()?))
    } else {
        Some(IpAddr::from(*packet.get(24..)?.first_chunk::<16>()?))
    }
}

/// What is written in front of a payload.
pub(super) struct Front {
    bytes: [u8; FRONT_MAX],
    length: usize,
}

impl Front {
    /// For a payload that the system makes a checksum for and, with a `segment`, cuts.
    pub(super) fn new(stamp: &Stamp<Hop>, segment: Option<usize>) -> Self {
        let (hop, headers, ip_length) = (stamp.hop, stamp.headers(), stamp.ip_length);
        let is_v4 = is_v4(headers);
        let link = if hop.hardware.is_some() { ETHERNET } else { 0 };
        let length = OFFLOAD + link + headers.len();
        let mut bytes = [0; FRONT_MAX];
        bytes[0] = NEEDS_CHECKSUM;
        if let Some(segment) = segment {
            bytes[1] = if is_v4 { TCP_V4 } else { TCP_V6 };
            bytes[2..4].copy_from_slice(&((link + headers.len()) as u16).to_ne_bytes());
            bytes[4..6].copy_from_slice(&(segment as u16).to_ne_bytes());
        }
        let checksum_start = (link + usize::from(ip_length)) as u16;
        bytes[6..8].copy_from_slice(&checksum_start.to_ne_bytes());
        bytes[8..10].copy_from_slice(&CHECKSUM_OFFSET.to_ne_bytes());
        if let Some((ours, theirs)) = hop.hardware {
            bytes[OFFLOAD..][..6].copy_from_slice(&theirs);
            bytes[OFFLOAD + 6..][..6].copy_from_slice(&ours);
            bytes[OFFLOAD + 12..][..2].copy_from_slice(&ether_type(is_v4).to_be_bytes());
        }
        bytes[OFFLOAD + link..length].copy_from_slice(headers);
        Self { bytes, length }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Whether these are headers of IPv4, or else of IPv6.
pub(super) fn is_v4(headers: &[u8]) -> bool {
    headers.first().is_some_and(|first| first >> 4 == 4)
}

/// IP's number among what Ethernet carries.
pub(super) const fn ether_type(is_v4: bool) -> u16 {
    (if is_v4 { libc::ETH_P_IP } else { libc::ETH_P_IPV6 }) as u16
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
