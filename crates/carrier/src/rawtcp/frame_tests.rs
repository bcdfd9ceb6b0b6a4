use super::*;

const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn headers(version: u8) -> Vec<u8> {
    let mut headers = vec![0xaa; if version == 4 { 20 } else { 40 }];
    headers[0] = version << 4 | 5;
    headers.extend([0xbb; 32]);
    headers
}

#[test]
fn a_batch_says_how_it_is_to_be_cut_and_where_its_checksum_goes() {
    let hop = Hop { interface: 3, hardware: Some((OURS, THEIRS)) };
    for (version, ip_length, kind, ether) in [(4, 20, 1, [0x08, 0x00]), (6, 40, 4, [0x86, 0xdd])] {
        let headers = headers(version);
        let front = Front::new(&Stamp::of(hop, &headers, ip_length).unwrap(), Some(1448));
        let (offload, rest) = front.bytes().split_at(OFFLOAD);
        let number = |at: usize| usize::from(u16::from_ne_bytes([offload[at], offload[at + 1]]));
        assert_eq!((offload[0], offload[1]), (1, kind));
        assert_eq!((number(2), number(4)), (14 + headers.len(), 1448));
        assert_eq!((number(6), number(8)), (14 + usize::from(ip_length), 16));
        assert_eq!(rest, [&THEIRS[..], &OURS, &ether, &headers].concat());
    }
}

#[test]
fn a_single_segment_is_not_cut_and_a_bare_device_has_no_header() {
    let hop = Hop { interface: 3, hardware: None };
    let headers = headers(4);
    let front = Front::new(&Stamp::of(hop, &headers, 20).unwrap(), None);
    let (offload, rest) = front.bytes().split_at(OFFLOAD);
    assert_eq!(offload[..6], [1, 0, 0, 0, 0, 0]);
    assert_eq!(u16::from_ne_bytes([offload[6], offload[7]]), 20);
    assert_eq!(rest, headers);
}

#[test]
fn the_system_is_believed_about_checksums_it_has_seen_to() {
    for (flags, checksum) in [(0, Checksum::Unknown), (1, Checksum::Trusted), (2, Checksum::Trusted)] {
        let mut frame = [0; 12];
        frame[0] = flags;
        frame[4..6].copy_from_slice(&1448u16.to_ne_bytes());
        frame[10..].copy_from_slice(b"ip");
        let (offload, rest) = split(&frame).unwrap();
        assert_eq!((offload, rest), (Offload { checksum, segment: 1448 }, &b"ip"[..]));
    }
    assert_eq!(split(&[0; OFFLOAD - 1]), None);
}

#[test]
fn a_frame_tells_how_to_answer_it() {
    let frame = [&OURS[..], &THEIRS, &[8, 0], b"ip"].concat();
    let hop = |hardware| Hop { interface: 7, hardware };
    assert_eq!(unwrap(7, 1, &frame), Some((hop(Some((OURS, THEIRS))), &b"ip"[..])));
    assert_eq!(unwrap(7, libc::ARPHRD_LOOPBACK, &frame), Some((hop(Some(([0; 6], [0; 6]))), &b"ip"[..])));
    assert_eq!(unwrap(7, libc::ARPHRD_NONE, &frame), Some((hop(None), &frame[..])));
    // A wireless monitor, whose frames are of another make.
    assert_eq!(unwrap(7, 803, &frame), None);
    for length in 0..ETHERNET {
        assert_eq!(unwrap(7, 1, &frame[..length]), None);
        assert_eq!(unwrap(7, libc::ARPHRD_LOOPBACK, &frame[..length]), None);
    }
}

#[test]
fn whom_a_packet_is_for() {
    let mut v4 = [0; 20];
    v4[0] = 0x45;
    v4[16..].copy_from_slice(&[192, 0, 2, 7]);
    assert_eq!(destination(&v4), Some([192, 0, 2, 7].into()));
    assert_eq!(destination(&v4[..19]), None);
    let mut v6 = [0; 40];
    v6[0] = 0x60;
    v6[39] = 1;
    assert_eq!(destination(&v6), Some(std::net::Ipv6Addr::LOCALHOST.into()));
    assert_eq!(destination(&v6[..39]), None);
    assert_eq!(destination(&[]), None);
}
