//! TCP segments in IP packets, read (RFC 791, 8200, 9293, 7323).

use super::checksum::Sum;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

/// Protocol number of TCP.
pub(super) const TCP: u8 = 6;

/// Next header of a fragment of IPv6 (RFC 8200, 4.5).
const FRAGMENT: u8 = 44;

/// What is known of a packet's checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// The system has checked it, or the packet has not left this machine yet and has none.
    Trusted,
    /// It is to be checked.
    Unknown,
}

/// The bits of a segment's flags.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 1;
    /// Synchronizes sequence numbers.
    pub const SYN: u8 = 2;
    /// Ends the connection at once.
    pub const RST: u8 = 4;
    /// Data are to be handed on.
    pub const PSH: u8 = 8;
    /// The acknowledgement counts.
    pub const ACK: u8 = 16;
}

/// What a segment's options say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The longest payload that its sender takes (RFC 9293, 3.7.1).
    pub mss: Option<u16>,
    /// By how many bits its windows are to be shifted, at most 14 (RFC 7323, 2).
    pub scale: Option<u8>,
    /// It would take selective acknowledgements (RFC 2018).
    pub selective: bool,
    /// Value and echo (RFC 7323, 3).
    pub timestamps: Option<(u32, u32)>,
}

/// A segment's headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Who sent it.
    pub source: SocketAddr,
    /// Whom it is for.
    pub destination: SocketAddr,
    /// The number of its first byte.
    pub sequence: u32,
    /// The number of the byte that its sender waits for.
    pub acknowledgement: u32,
    /// See [`flag`].
    pub flags: u8,
    /// Its window, unscaled.
    pub window: u16,
    /// Its options.
    pub options: Options,
    /// Where its payload is.
    pub payload: Range<usize>,
}

/// Why a packet is no segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadSegment {
    /// Its headers are cut off or contradict each other.
    Malformed,
    /// It is a part of a packet.
    Fragment,
    /// Its checksum is wrong.
    Checksum,
}

/// An IP header: addresses, and where what follows it begins and ends.
struct Network {
    source: IpAddr,
    destination: IpAddr,
    content: Range<usize>,
}

impl Segment {
    /// Reads a packet that begins with its IP header; what follows its end is padding of the interface's.
    pub fn parse(packet: &[u8], checksum: Checksum) -> Result<Self, BadSegment> {
        let network = match packet.first().map(|first| first >> 4) {
            Some(4) => ipv4(packet)?,
            Some(6) => ipv6(packet)?,
            _ => return Err(BadSegment::Malformed),
        };
        let tcp = packet.get(network.content.clone()).ok_or(BadSegment::Malformed)?;
        let fixed: &[u8; 20] = tcp.first_chunk().ok_or(BadSegment::Malformed)?;
        let header = usize::from(fixed[12] >> 4) * 4;
        let options = tcp.get(20..header).ok_or(BadSegment::Malformed)?;
        let [source, destination] = [0, 2].map(|at| u16::from_be_bytes([fixed[at], fixed[at + 1]]));
        if source == 0 || destination == 0 {
            return Err(BadSegment::Malformed);
        }
        if checksum == Checksum::Unknown
            && pseudo(network.source, network.destination, tcp.len()).add(tcp).finish() != 0
        {
            return Err(BadSegment::Checksum);
        }
        Ok(Self {
            source: SocketAddr::new(network.source, source),
            destination: SocketAddr::new(network.destination, destination),
            sequence: u32_at(fixed, 4),
            acknowledgement: u32_at(fixed, 8),
            flags: fixed[13],
            window: u16::from_be_bytes([fixed[14], fixed[15]]),
            options: Options::parse(options).ok_or(BadSegment::Malformed)?,
            payload: network.content.start + header..network.content.end,
        })
    }

    /// Whether these flags stand.
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// Whether it is one of a connection that stands, and has a payload.
    pub fn has_data(&self) -> bool {
        self.flags & (flag::ACK | flag::SYN | flag::RST) == flag::ACK && !self.payload.is_empty()
    }

    /// The number behind its last: SYN and FIN have one each.
    pub fn end(&self) -> u32 {
        let controls = u32::from(self.has(flag::SYN)) + u32::from(self.has(flag::FIN));
        self.sequence.wrapping_add(self.payload.len() as u32).wrapping_add(controls)
    }
}

impl Options {
    /// None: an option ends behind its header, or has a length that its kind does not have.
    fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut options = Self::default();
        // Nearly every segment is of this form (RFC 7323, appendix A).
        if let [1, 1, 8, 10, stamps @ ..] = bytes
            && let Some(stamps) = stamps.first_chunk::<8>()
            && bytes.len() == 12
        {
            options.timestamps = Some((u32_at(stamps, 0), u32_at(stamps, 4)));
            return Some(options);
        }
        while let [kind, rest @ ..] = bytes {
            match kind {
                0 => break,
                1 => bytes = rest,
                _ => {
                    let length = usize::from(*rest.first()?).checked_sub(2)?;
                    let content = rest.get(1..=length)?;
                    options.take(*kind, content)?;
                    bytes = &rest[1 + length..];
                }
            }
        }
        Some(options)
    }

    fn take(&mut self, kind: u8, content: &[u8]) -> Option<()> {
        match kind {
            2 => self.mss = Some(u16::from_be_bytes(content.try_into().ok()?)),
            3 => self.scale = Some(<[u8; 1]>::try_from(content).ok()?[0].min(14)),
            4 => self.selective = <[u8; 0]>::try_from(content).is_ok().then_some(true)?,
            8 => {
                let stamps: &[u8; 8] = content.try_into().ok()?;
                self.timestamps = Some((u32_at(stamps, 0), u32_at(stamps, 4)));
            }
            // Others' business.
            _ => {}
        }
        Some(())
    }
}

fn ipv4(packet: &[u8]) -> Result<Network, BadSegment> {
    let fixed: &[u8; 20] = packet.first_chunk().ok_or(BadSegment::Malformed)?;
    let (header, total) = (usize::from(fixed[0] & 15) * 4, usize::from(u16::from_be_bytes([fixed[2], fixed[3]])));
    if header < 20 || total < header || total > packet.len() || fixed[9] != TCP {
        return Err(BadSegment::Malformed);
    }
    // More fragments, or an offset.
    if u16::from_be_bytes([fixed[6], fixed[7]]) & 0x3fff != 0 {
        return Err(BadSegment::Fragment);
    }
    // Offload does not touch this one: it is always there.
    if Sum::default().add(&packet[..header]).finish() != 0 {
        return Err(BadSegment::Checksum);
    }
    let [source, destination] =
        [12, 16].map(|at| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]));
    let one_host = |address: Ipv4Addr| !(address.is_multicast() || address.is_broadcast() || address.is_unspecified());
    if !one_host(source) || !one_host(destination) {
        return Err(BadSegment::Malformed);
    }
    Ok(Network { source: source.into(), destination: destination.into(), content: header..total })
}

fn ipv6(packet: &[u8]) -> Result<Network, BadSegment> {
    let fixed: &[u8; 40] = packet.first_chunk().ok_or(BadSegment::Malformed)?;
    let total = 40 + usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    match fixed[6] {
        FRAGMENT => return Err(BadSegment::Fragment),
        // Other extension headers stand before no TCP segment that a client of ours sends.
        TCP if total <= packet.len() => {}
        _ => return Err(BadSegment::Malformed),
    }
    let address = |at: usize| Ipv6Addr::from_bits(u128::from_be_bytes(std::array::from_fn(|i| fixed[at + i])));
    let (source, destination) = (address(8), address(24));
    let one_host =
        |address: Ipv6Addr| !(address.is_multicast() || address.is_unspecified() || address.to_ipv4_mapped().is_some());
    if !one_host(source) || !one_host(destination) {
        return Err(BadSegment::Malformed);
    }
    Ok(Network { source: source.into(), destination: destination.into(), content: 40..total })
}

/// The sum of the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1) of a segment of so many bytes.
pub(super) fn pseudo(source: IpAddr, destination: IpAddr, length: usize) -> Sum {
    let sum = Sum::default().word(u16::from(TCP)).word(length as u16);
    [source, destination].into_iter().fold(sum, |sum, address| match address {
        IpAddr::V4(v4) => sum.add(&v4.octets()),
        IpAddr::V6(v6) => sum.add(&v6.octets()),
    })
}

/// The number at a place that the caller knows to be inside.
fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
