//! Segments as they stand on the wire: what is written, byte by byte, and what is read.

mod rawtcp_net;

use ginnel_proto::rawtcp::segment::{Options, flag};
use ginnel_proto::rawtcp::{BadSegment, Checksum, Segment, Sending};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rawtcp_net::{Net, To, datagram, datagrams, ms};

/// The sum of RFC 1071, as simply as can be.
fn sum(words: &[u8]) -> u16 {
    let mut sum: u32 =
        words.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn hex(text: &str) -> Vec<Option<u8>> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

/// Compares with bytes in hexadecimal, of which `..` is drawn.
fn assert_bytes(packet: &[u8], expected: &str) {
    let expected = hex(expected);
    assert_eq!(packet.len(), expected.len(), "{packet:02x?}");
    for (place, (byte, right)) in packet.iter().zip(expected).enumerate() {
        assert!(right.is_none_or(|right| right == *byte), "byte {place} is {byte:#04x}: {packet:02x?}");
    }
}

/// The first packets of a flow: the request, its answer, the acknowledgement.
fn opening(local: &str, remote: &str, mtu: u32) -> Vec<Vec<u8>> {
    let mut net = Net::between(1, local, remote);
    net.mtu = [mtu; 2];
    net.log = Some(Vec::new());
    net.client_sends(&datagram(300), 300, true);
    net.run(ms(50));
    net.log.expect("a log").into_iter().map(|(_, packet)| packet).take(3).collect()
}

#[test]
fn the_handshake_over_ipv4_is_that_of_linux() {
    let packets = opening("198.51.100.7:40000", "192.0.2.1:443", 1500);
    assert_bytes(
        &packets[0],
        "45 00 00 3c .. .. 40 00 40 06 .. .. c6 33 64 07 c0 00 02 01 \
         9c 41 01 bb .. .. .. .. 00 00 00 00 a0 02 fa f0 .. .. 00 00 \
         02 04 05 b4 04 02 08 0a .. .. .. .. 00 00 00 00 01 03 03 0a",
    );
    assert_bytes(
        &packets[1],
        "45 00 00 3c 00 00 40 00 40 06 .. .. c0 00 02 01 c6 33 64 07 \
         01 bb 9c 41 .. .. .. .. .. .. .. .. a0 12 fe 88 .. .. 00 00 \
         02 04 05 b4 04 02 08 0a .. .. .. .. .. .. .. .. 01 03 03 0a",
    );
    assert_bytes(
        &packets[2],
        "45 00 00 34 .. .. 40 00 40 06 .. .. c6 33 64 07 c0 00 02 01 \
         9c 41 01 bb .. .. .. .. .. .. .. .. 80 10 .. .. .. .. 00 00 \
         01 01 08 0a .. .. .. .. .. .. .. ..",
    );
    for packet in &packets {
        let pseudo = [&packet[12..20], &[0, 6, 0, packet.len() as u8 - 20]].concat();
        assert_eq!((sum(&packet[..20]), sum(&[&pseudo, &packet[20..]].concat())), (0, 0));
    }
    let [request, answer, third] = [0, 1, 2].map(|i| Segment::parse(&packets[i], Checksum::Unknown).expect("one"));
    assert_eq!(answer.acknowledgement, request.sequence.wrapping_add(1));
    assert_eq!((third.sequence, third.acknowledgement), (answer.acknowledgement, answer.sequence.wrapping_add(1)));
    let stamps = [request, answer, third].map(|segment| segment.options.timestamps.expect("timestamps"));
    assert_eq!((stamps[0].1, stamps[1].1, stamps[2].1), (0, stamps[0].0, stamps[1].0));
    // Ten milliseconds for the two of them.
    assert_eq!(stamps[2].0.wrapping_sub(stamps[0].0), 10);
    let ids = [0, 2].map(|i| u16::from_be_bytes([packets[i][4], packets[i][5]]));
    assert_eq!(ids[1], ids[0].wrapping_add(1));
}

#[test]
fn the_handshake_over_ipv6_is_that_of_linux() {
    let packets = opening("[2001:db8::7]:40000", "[2001:db8:1::1]:443", 1500);
    assert_bytes(
        &packets[0],
        "60 .. .. .. 00 28 06 40 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 07 20 01 0d b8 00 01 00 00 00 00 00 00 00 00 00 01 \
         9c 41 01 bb .. .. .. .. 00 00 00 00 a0 02 fd 20 .. .. 00 00 \
         02 04 05 a0 04 02 08 0a .. .. .. .. 00 00 00 00 01 03 03 0a",
    );
    assert_bytes(
        &packets[1],
        "60 .. .. .. 00 28 06 40 20 01 0d b8 00 01 00 00 00 00 00 00 00 00 00 01 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 07 \
         01 bb 9c 41 .. .. .. .. .. .. .. .. a0 12 fb 04 .. .. 00 00 \
         02 04 05 a0 04 02 08 0a .. .. .. .. .. .. .. .. 01 03 03 0a",
    );
    for packet in &packets {
        assert_eq!(packet[1] >> 4, 0, "no traffic class");
        let pseudo = [&packet[8..40], &[0, 0, 0, packet.len() as u8 - 40, 0, 0, 0, 6]].concat();
        assert_eq!(sum(&[&pseudo, &packet[40..]].concat()), 0);
    }
    assert_eq!(packets[0][1..4], packets[2][1..4], "one flow label");
    assert_ne!(packets[0][1..4], packets[1][1..4], "each end's own");
}

#[test]
fn other_interfaces_have_other_segments_and_windows() {
    for (mtu, mss, window, answer) in
        [(1300, 1260, 65520, 64896), (65536, 65495, 65495, 65483), (9000, 8960, 62720, 62636)]
    {
        let packets = opening("198.51.100.7:40000", "192.0.2.1:443", mtu);
        let [request, reply] = [0, 1].map(|i| Segment::parse(&packets[i], Checksum::Unknown).expect("one"));
        assert_eq!((request.options.mss, request.window), (Some(mss), window));
        assert_eq!((reply.options.mss, reply.window), (Some(mss), answer));
    }
}

#[test]
fn a_packet_cut_by_the_system_is_one_sequence() {
    let mut net = Net::new(3);
    net.connect();
    net.log = Some(Vec::new());
    let data = datagrams(5 * 1000 + 17, 1000);
    let Sending::Now(mut whole) = net.client_sends(&data, 1000, true) else { panic!("refused") };
    let parts = net.log.take().expect("a log");
    assert_eq!(parts.len(), 6);
    let first = Segment::parse(&parts[0].1, Checksum::Unknown).expect("a segment");
    for (index, (_, part)) in parts.iter().enumerate() {
        let segment = Segment::parse(part, Checksum::Unknown).expect("checksums that are right");
        assert_eq!(segment.sequence, first.sequence.wrapping_add(index as u32 * 1000));
        assert_eq!(segment.has(flag::PSH), index == 5);
        assert_eq!(
            u16::from_be_bytes([part[4], part[5]]),
            u16::from_be_bytes([parts[0].1[4], parts[0].1[5]]) + index as u16
        );
        assert_eq!(part[segment.payload.clone()], data[index * 1000..(index * 1000 + 1000).min(data.len())]);
    }
    // As the system gets it: the sum of the pseudo header, over the whole length.
    let headers = whole.headers().to_vec();
    let length = (32 + data.len()) as u16;
    let pseudo = [&headers[12..20], &[0, 6], &length.to_be_bytes()].concat();
    assert_eq!(u16::from_be_bytes([headers[36], headers[37]]), !sum(&pseudo));
    assert_eq!(u16::from_be_bytes([headers[2], headers[3]]), 20 + length);
    whole.finish(&data);
    let packet = [whole.headers(), &data].concat();
    assert!(Segment::parse(&packet, Checksum::Unknown).is_ok());
    // The next follows, by number of bytes and by number of packets.
    net.log = Some(Vec::new());
    net.client_sends(&datagram(50), 50, false);
    let next = &net.log.as_ref().expect("a log")[0].1;
    let segment = Segment::parse(next, Checksum::Unknown).expect("a segment");
    assert_eq!(segment.sequence, first.sequence.wrapping_add(data.len() as u32));
    assert_eq!(u16::from_be_bytes([next[4], next[5]]), u16::from_be_bytes([headers[4], headers[5]]) + 6);
    assert!(!segment.has(flag::PSH));
}

/// A good packet of some data.
fn good(ipv6: bool) -> Vec<u8> {
    let ends =
        if ipv6 { ("[2001:db8::7]:40000", "[2001:db8:1::1]:443") } else { ("198.51.100.7:40000", "192.0.2.1:443") };
    let mut net = Net::between(1, ends.0, ends.1);
    net.connect();
    net.log = Some(Vec::new());
    net.client_sends(&datagram(99), 99, true);
    net.log.expect("a log").remove(0).1
}

#[test]
fn what_is_cut_off_or_contradicts_itself_is_no_segment() {
    for ipv6 in [false, true] {
        let packet = good(ipv6);
        let ip = if ipv6 { 40 } else { 20 };
        let whole = Segment::parse(&packet, Checksum::Unknown).expect("a segment");
        assert_eq!(whole.payload, ip + 32..packet.len());
        for length in 0..packet.len() {
            assert_eq!(Segment::parse(&packet[..length], Checksum::Trusted), Err(BadSegment::Malformed), "{length}");
        }
        let padded = [&packet[..], &[9; 7]].concat();
        assert_eq!(Segment::parse(&padded, Checksum::Unknown).as_ref(), Ok(&whole), "padding of the interface's");
        for bit in ip * 8..packet.len() * 8 {
            let mut wrong = packet.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(Segment::parse(&wrong, Checksum::Unknown).is_err(), "bit {bit}");
        }
        let odd = |at: usize, byte: u8| {
            let mut packet = packet.clone();
            packet[at] = byte;
            Segment::parse(&packet, Checksum::Trusted)
        };
        for (at, byte) in [(ip + 12, 0x40), (ip + 23, 0), (ip + 23, 1), (ip + 23, 11), (ip + 23, 255)] {
            assert_eq!(odd(at, byte), Err(BadSegment::Malformed), "{byte} at {at}");
        }
        // An end of the options before a byte that would be wrong.
        assert!(odd(ip + 22, 0).is_ok_and(|segment| segment.options == Options::default()));
        assert!(odd(0, if ipv6 { 0x45 } else { 0x65 }).is_err());
        assert!(odd(if ipv6 { 6 } else { 9 }, 17).is_err());
        assert_eq!(odd(0, 0x05), Err(BadSegment::Malformed));
    }
}

#[test]
fn fragments_are_none_and_other_hosts_are_not_many() {
    let mut packet = good(false);
    // The sums of the header are made right again.
    let mend = |packet: &mut Vec<u8>| {
        packet[10..12].fill(0);
        let right = sum(&packet[..20]);
        packet[10..12].copy_from_slice(&right.to_be_bytes());
    };
    for (high, low) in [(0x20, 0), (0, 1), (0x1f, 0xff)] {
        (packet[6], packet[7]) = (high, low);
        mend(&mut packet);
        assert_eq!(Segment::parse(&packet, Checksum::Trusted), Err(BadSegment::Fragment));
    }
    (packet[6], packet[7]) = (0x40, 0);
    for address in [[224, 0, 0, 1], [255, 255, 255, 255], [0, 0, 0, 0]] {
        packet[12..16].copy_from_slice(&address);
        mend(&mut packet);
        assert_eq!(Segment::parse(&packet, Checksum::Trusted), Err(BadSegment::Malformed));
    }
    let mut packet = good(true);
    packet[6] = 44;
    assert_eq!(Segment::parse(&packet, Checksum::Trusted), Err(BadSegment::Fragment));
}

#[test]
fn checksums_are_checked_unless_the_system_has() {
    let mut net = Net::new(8);
    net.connect();
    let mut packet = good(false);
    packet[60] ^= 1;
    assert_eq!(Segment::parse(&packet, Checksum::Unknown), Err(BadSegment::Checksum));
    assert!(Segment::parse(&packet, Checksum::Trusted).is_ok());
    net.deliver(To::Server, &packet);
    net.deliver(To::Server, &packet[..30]);
    let counts = net.server.counts();
    assert_eq!((counts.checksums, counts.malformed), (1, 1));
    packet[8] ^= 1;
    assert_eq!(Segment::parse(&packet, Checksum::Trusted), Err(BadSegment::Checksum), "nobody offloads that of IP");
}

#[test]
fn any_options_are_read_or_refused() {
    let packet = opening("198.51.100.7:40000", "192.0.2.1:443", 1500).remove(0);
    let mut rng = StdRng::seed_from_u64(6);
    let mut read = 0;
    for _ in 0..100_000 {
        let mut packet = packet.clone();
        for byte in &mut packet[40..] {
            *byte = [rng.random(), rng.random_range(0..11)][rng.random_range(0..2)];
        }
        if let Ok(segment) = Segment::parse(&packet, Checksum::Trusted) {
            read += 1;
            assert!(segment.options.scale.is_none_or(|scale| scale <= 14));
        }
    }
    assert!((1000..90_000).contains(&read), "{read}");
}
