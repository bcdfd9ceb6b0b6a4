//! TCP segments in IP packets, written (RFC 791, 8200, 9293, 6437).

use super::checksum::Sum;
use super::segment::{TCP, flag};
use std::net::{IpAddr, SocketAddr};

/// The longest header that is written: IPv6, TCP, and 40 bytes of options.
const LONGEST: usize = 100;

/// Hops that a packet may make, as Linux has it.
const HOPS: u8 = 64;

/// IP and TCP headers for what is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<H> {
    /// How it gets there.
    pub hop: H,
    /// The headers. The checksum of TCP is that of the pseudo header alone, as segmentation and checksum offload
    /// want it, until [`finish`](Self::finish).
    headers: [u8; LONGEST],
    length: u8,
    /// Bytes of the IP header.
    pub ip_length: u8,
}

/// What stands in an IP header.
pub(super) struct Network {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    /// Identification, of IPv4.
    pub(super) id: u16,
    /// Flow label, of IPv6.
    pub(super) label: u32,
}

/// What stands in a TCP header.
pub(super) struct Transport<'a> {
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    /// A multiple of four bytes, at most 40.
    pub(super) options: &'a [u8],
}

impl<H> Stamp<H> {
    /// Headers for so many bytes of payload. Both ends have addresses of one family.
    pub(super) fn write(hop: H, network: &Network, transport: &Transport<'_>, payload: usize) -> Self {
        let mut stamp = Self { hop, headers: [0; LONGEST], length: 0, ip_length: 0 };
        let tcp_length = 20 + transport.options.len();
        let (source, destination) = (network.source.ip().to_canonical(), network.destination.ip().to_canonical());
        let ip_length = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = &mut stamp.headers[..20];
                // Version, header length; no service; length, identification: later; may not be fragmented.
                header[0] = 0x45;
                header[4..6].copy_from_slice(&network.id.to_be_bytes());
                header[6] = 0x40;
                header[8] = HOPS;
                header[9] = TCP;
                header[12..16].copy_from_slice(&source.octets());
                header[16..20].copy_from_slice(&destination.octets());
                20
            }
            _ => {
                let header = &mut stamp.headers[..40];
                header[..4].copy_from_slice(&(6 << 28 | network.label & 0xf_ffff).to_be_bytes());
                header[6] = TCP;
                header[7] = HOPS;
                header[8..24].copy_from_slice(&mapped(source));
                header[24..40].copy_from_slice(&mapped(destination));
                40
            }
        };
        let tcp = &mut stamp.headers[ip_length..ip_length + tcp_length];
        tcp[..2].copy_from_slice(&network.source.port().to_be_bytes());
        tcp[2..4].copy_from_slice(&network.destination.port().to_be_bytes());
        tcp[4..8].copy_from_slice(&transport.sequence.to_be_bytes());
        tcp[8..12].copy_from_slice(&transport.acknowledgement.to_be_bytes());
        tcp[12] = (tcp_length as u8 / 4) << 4;
        tcp[13] = transport.flags;
        tcp[14..16].copy_from_slice(&transport.window.to_be_bytes());
        tcp[20..].copy_from_slice(transport.options);
        stamp.ip_length = ip_length as u8;
        stamp.length = (ip_length + tcp_length) as u8;
        stamp.set_length(payload);
        stamp
    }

    /// Headers that are there already. None: they are longer than any that are written, or too short.
    pub fn of(hop: H, headers: &[u8], ip_length: u8) -> Option<Self> {
        if headers.len() > LONGEST || headers.len() < usize::from(ip_length) + 20 {
            return None;
        }
        let mut stamp = Self { hop, headers: [0; LONGEST], length: headers.len() as u8, ip_length };
        stamp.headers[..headers.len()].copy_from_slice(headers);
        Some(stamp)
    }

    /// The headers.
    pub fn headers(&self) -> &[u8] {
        &self.headers[..usize::from(self.length)]
    }

    /// Makes the checksum of TCP whole, for a system that has no offload.
    pub fn finish(&mut self, payload: &[u8]) {
        let (start, end) = (usize::from(self.ip_length), usize::from(self.length));
        let checksum = Sum::default().add(&self.headers[start..end]).add(payload).finish();
        self.headers[start + 16..start + 18].copy_from_slice(&checksum.to_be_bytes());
    }

    /// Writes what depends on the length of the payload: lengths and sums.
    fn set_length(&mut self, payload: usize) {
        let (start, end) = (usize::from(self.ip_length), usize::from(self.length));
        let segment = end - start + payload;
        let header = &mut self.headers;
        let sum = if start == 20 {
            header[2..4].copy_from_slice(&((20 + segment) as u16).to_be_bytes());
            header[10..12].fill(0);
            let checksum = Sum::default().add(&header[..20]).finish();
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            Sum::default().add(&header[12..20])
        } else {
            header[4..6].copy_from_slice(&(segment as u16).to_be_bytes());
            Sum::default().add(&header[8..40])
        };
        let sum = sum.word(u16::from(TCP)).word(segment as u16).fold();
        header[start + 16..start + 18].copy_from_slice(&sum.to_be_bytes());
    }
}

impl<H: Copy> Stamp<H> {
    /// Headers for one of the segments that segmentation offload would have made of this packet: the `index`th, which
    /// begins `offset` bytes into the payload and has `length` of them. `last`: none follows it.
    pub fn part(&self, index: u16, offset: usize, length: usize, last: bool) -> Self {
        let mut part = *self;
        let tcp = usize::from(self.ip_length);
        if tcp == 20 {
            let id = u16::from_be_bytes([self.headers[4], self.headers[5]]).wrapping_add(index);
            part.headers[4..6].copy_from_slice(&id.to_be_bytes());
        }
        let sequence = &mut part.headers[tcp + 4..tcp + 8];
        let first = u32::from_be_bytes([sequence[0], sequence[1], sequence[2], sequence[3]]);
        sequence.copy_from_slice(&first.wrapping_add(offset as u32).to_be_bytes());
        if !last {
            part.headers[tcp + 13] &= !(flag::PSH | flag::FIN);
        }
        part.set_length(length);
        part
    }
}

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}
