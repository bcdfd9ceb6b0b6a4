//! Packets for tests.

use std::net::{IpAddr, SocketAddr};

/// Headers of a packet whose payload is of `length` bytes, as the machine writes them: the checksum of TCP is that of
/// the pseudo header.
pub(super) fn headers(
    from: SocketAddr,
    to: SocketAddr,
    identification: u16,
    sequence: u32,
    flags: u8,
    length: usize,
) -> Vec<u8> {
    let tcp_length = (32 + length) as u16;
    let addresses: Vec<u8> = [from.ip(), to.ip()].into_iter().flat_map(octets).collect();
    let mut packet = if from.is_ipv4() {
        let mut ip = vec![0x45, 0];
        ip.extend((20 + tcp_length).to_be_bytes());
        ip.extend(identification.to_be_bytes());
        ip.extend([0x40, 0, 64, 6, 0, 0]);
        ip.extend(&addresses);
        let sum = !sum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip
    } else {
        let mut ip = vec![0x60, 1, 2, 3];
        ip.extend(tcp_length.to_be_bytes());
        ip.extend([6, 64]);
        ip.extend(&addresses);
        ip
    };
    let pseudo = [&addresses[..], &[0, 6], &tcp_length.to_be_bytes()].concat();
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend([9, 9, 9, 9, 0x80, flags, 0x10, 0x00]);
    packet.extend(sum(&pseudo).to_be_bytes());
    packet.extend([0, 0, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
    packet
}

/// The sum of what is there as 16-bit numbers, carries added in (RFC 1071).
pub(super) fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
