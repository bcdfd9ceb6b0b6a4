use super::*;

const SEGMENT: usize = 1000;

/// Headers of a packet whose payload is of `length` bytes, as the machine writes them.
fn headers(is_v4: bool, identification: u16, sequence: u32, flags: u8, length: usize) -> Vec<u8> {
    let tcp_length = (32 + length) as u16;
    let mut ip = if is_v4 {
        let mut ip = vec![0x45, 0];
        ip.extend((20 + tcp_length).to_be_bytes());
        ip.extend(identification.to_be_bytes());
        ip.extend([0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
        let sum = !fold(sum(&ip));
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip
    } else {
        let mut ip = vec![0x60, 1, 2, 3];
        ip.extend(tcp_length.to_be_bytes());
        ip.extend([6, 64]);
        ip.extend((0..32).map(|byte| 0x20 + byte));
        ip
    };
    let pseudo = [&ip[if is_v4 { 12 } else { 8 }..], &[0, 6], &tcp_length.to_be_bytes()].concat();
    ip.extend([0x01, 0xbb, 0xc0, 0x01]);
    ip.extend(sequence.to_be_bytes());
    ip.extend([9, 9, 9, 9, 0x80, flags, 0x10, 0x00]);
    ip.extend(fold(sum(&pseudo)).to_be_bytes());
    ip.extend([0, 0, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
    ip
}

#[test]
fn pieces_have_the_headers_that_they_would_have_alone() {
    const ACK: u8 = 0x10;
    const PSH: u8 = 0x08;
    for is_v4 in [true, false] {
        let (total, sequence) = (3 * SEGMENT + 77, u32::MAX - 1500);
        let batch = headers(is_v4, 0xffff, sequence, ACK | PSH, total);
        let ip_length = if is_v4 { 20 } else { 40 };
        for index in 0..4usize {
            let before = index * SEGMENT;
            let length = SEGMENT.min(total - before);
            let is_last = index == 3;
            let piece = Headers::of(&batch, ip_length, index as u16, before, length, is_last);
            let flags = if is_last { ACK | PSH } else { ACK };
            let identification = 0xffffu16.wrapping_add(index as u16);
            let expected = headers(is_v4, identification, sequence.wrapping_add(before as u32), flags, length);
            assert_eq!(piece.bytes(), expected, "piece {index}, IPv4: {is_v4}");
            assert!(!is_v4 || fold(sum(&piece.bytes()[..20])) == 0xffff);
        }
    }
}
