use super::super::packets::headers;
use super::*;
use crate::rawtcp::Hop;
use std::net::SocketAddr;

const SEGMENT: usize = 1000;

#[test]
fn pieces_have_the_headers_that_they_would_have_alone() {
    const ACK: u8 = 0x10;
    const PSH: u8 = 0x08;
    for is_v4 in [true, false] {
        let (total, sequence) = (3 * SEGMENT + 77, u32::MAX - 1500);
        let ends: [&str; 2] =
            if is_v4 { ["192.0.2.1:443", "198.51.100.2:9"] } else { ["[fd00::1]:443", "[fd00::2]:9"] };
        let [from, to] = ends.map(|end| end.parse::<SocketAddr>().unwrap());
        let batch = headers(from, to, 0xffff, sequence, ACK | PSH, total);
        let hop = Hop { interface: 1, hardware: None };
        let batch = Head { hop, headers: &batch, ip_length: if is_v4 { 20 } else { 40 } };
        for index in 0..4usize {
            let before = index * SEGMENT;
            let length = SEGMENT.min(total - before);
            let is_last = index == 3;
            let piece = Headers::of(&batch, index as u16, before, length, is_last);
            let flags = if is_last { ACK | PSH } else { ACK };
            let identification = 0xffffu16.wrapping_add(index as u16);
            let expected = headers(from, to, identification, sequence.wrapping_add(before as u32), flags, length);
            assert_eq!(piece.bytes(), expected, "piece {index}, IPv4: {is_v4}");
            assert!(!is_v4 || fold(sum(&piece.bytes()[..20])) == 0xffff);
        }
    }
}
