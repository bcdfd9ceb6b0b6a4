//! Cuts a batch into segments, where an interface does not.

use super::frame::Head;

/// The most bytes of IP's and TCP's headers.
const HEADERS_MAX: usize = 100;

/// TCP's flags that only the last segment keeps: FIN and PSH.
const LAST_ONLY: u8 = 0x09;

/// Headers of one segment of a batch, its checksum that of the pseudo header alone, as a batch's is.
pub(super) struct Headers {
    bytes: [u8; HEADERS_MAX],
    length: usize,
}

impl Headers {
    /// The headers of the segment of `length` bytes that is the batch's `index`th, behind `before` bytes of others.
    pub(super) fn of(batch: &Head<'_>, index: u16, before: usize, length: usize, is_last: bool) -> Self {
        let all = batch.headers;
        let mut headers = Self { bytes: [0; HEADERS_MAX], length: all.len() };
        headers.bytes[..all.len()].copy_from_slice(all);
        let ip_length = usize::from(batch.ip_length);
        let (ip, tcp) = headers.bytes[..all.len()].split_at_mut(ip_length);
        let tcp_length = tcp.len() + length;
        let addresses = if batch.is_v4() {
            let identification = u16::from_be_bytes([ip[4], ip[5]]).wrapping_add(index);
            ip[2..4].copy_from_slice(&((ip_length + tcp_length) as u16).to_be_bytes());
            ip[4..6].copy_from_slice(&identification.to_be_bytes());
            ip[10..12].fill(0);
            let checksum = !fold(sum(ip));
            ip[10..12].copy_from_slice(&checksum.to_be_bytes());
            &ip[12..20]
        } else {
            ip[4..6].copy_from_slice(&((ip_length - 40 + tcp_length) as u16).to_be_bytes());
            &ip[8..40]
        };
        let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]).wrapping_add(before as u32);
        tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
        if !is_last {
            tcp[13] &= !LAST_ONLY;
        }
        let checksum = fold(sum(addresses) + libc::IPPROTO_TCP as u64 + tcp_length as u64);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        headers
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The sum of what is there as 16-bit numbers (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
