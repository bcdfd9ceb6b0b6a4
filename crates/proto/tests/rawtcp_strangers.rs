//! Those who do not have the keys see an open port whose service waits. Nothing is kept of them.

mod rawtcp_net;

use ginnel_proto::rawtcp::segment::{Segment, flag};
use ginnel_proto::rawtcp::{Checksum, Flows};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rawtcp_net::{CLIENT_HOP, Net, SERVER_HOP, To, datagram, ms, secs, settings};
use std::net::Ipv4Addr;
use std::time::Instant;

/// What somebody sends who has only a book about TCP.
#[derive(Clone)]
struct Raw {
    source: ([u8; 4], u16),
    sequence: u32,
    acknowledgement: u32,
    flags: u8,
    window: u16,
    options: Vec<u8>,
    payload: Vec<u8>,
}

const LINUX: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7];

impl Raw {
    fn new(flags: u8, sequence: u32, acknowledgement: u32) -> Self {
        let (options, payload) = (Vec::new(), Vec::new());
        Self { source: ([203, 0, 113, 5], 5555), sequence, acknowledgement, flags, window: 64240, options, payload }
    }

    fn packet(&self) -> Vec<u8> {
        let length = 40 + self.options.len() + self.payload.len();
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0];
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        packet.extend(self.source.0);
        packet.extend([192, 0, 2, 1]);
        let right = sum(&packet);
        packet[10..12].copy_from_slice(&right.to_be_bytes());
        packet.extend(self.source.1.to_be_bytes());
        packet.extend(443_u16.to_be_bytes());
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.acknowledgement.to_be_bytes());
        packet.extend([(20 + self.options.len()) as u8 * 4, self.flags]);
        packet.extend(self.window.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(&self.options);
        packet.extend(&self.payload);
        let pseudo = [&packet[12..20], &[0, 6], &((length - 20) as u16).to_be_bytes()].concat();
        let right = sum(&[&pseudo, &packet[20..]].concat());
        packet[36..38].copy_from_slice(&right.to_be_bytes());
        packet
    }
}

fn sum(words: &[u8]) -> u16 {
    let mut sum: u32 =
        words.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn server(now: Instant) -> Flows<u8> {
    Flows::server(now, settings(), [8; 32])
}

/// Gives a server a packet of a stranger's; its answer, if there is one. It is never longer.
fn ask(server: &mut Flows<u8>, now: Instant, raw: &Raw) -> Option<Segment> {
    let packet = raw.packet();
    if let Some((mark, range)) = server.handle(now, CLIENT_HOP, 1500, &packet, Checksum::Unknown) {
        assert_eq!(packet[range], raw.payload);
        server.judged(now, &mark, false);
    }
    let mut answer = server.poll_transmit(now)?;
    assert!(server.poll_transmit(now).is_none(), "one answer");
    assert!(answer.payload.is_empty(), "a stranger gets no payload");
    assert_eq!(answer.stamp.hop, CLIENT_HOP);
    answer.stamp.finish(&[]);
    let bytes = answer.stamp.headers();
    let is_greeting = raw.flags == flag::SYN;
    assert!(bytes.len() <= packet.len() + if is_greeting && raw.options.is_empty() { 4 } else { 0 });
    assert_eq!(server.count(), 0, "nothing is kept");
    let is_numbered = bytes[4..6] != [0, 0];
    assert_eq!(is_numbered, bytes[33] == flag::ACK, "Linux numbers what belongs to a connection");
    Some(Segment::parse(bytes, Checksum::Unknown).expect("a segment"))
}

/// A connection of a stranger's: what it sends next.
fn connected(server: &mut Flows<u8>, now: Instant, options: &[u8]) -> Raw {
    let mut raw = Raw::new(flag::SYN, 0xffff_fe00, 0);
    raw.options = options.to_vec();
    let answer = ask(server, now, &raw).expect("an answer");
    assert_eq!((answer.flags, answer.acknowledgement), (flag::SYN | flag::ACK, 0xffff_fe01));
    let mut next = Raw::new(flag::ACK, 0xffff_fe01, answer.sequence.wrapping_add(1));
    if let Some((value, echo)) = answer.options.timestamps {
        assert_eq!(echo, 9);
        next.options = [&[1, 1, 8, 10, 0, 0, 0, 77][..], &value.to_be_bytes()].concat();
    }
    next
}

#[test]
fn a_request_is_answered_with_the_options_that_it_has() {
    let now = Instant::now();
    let mut server = server(now);
    let cases: [(&[u8], &[u8], u16); 6] = [
        (&[], &[2, 4, 5, 180], 64240),
        (&[2, 4, 2, 0], &[2, 4, 5, 180], 64240),
        (&LINUX[..4], &[2, 4, 5, 180], 64240),
        (&[2, 4, 5, 180, 1, 1, 4, 2], &[2, 4, 5, 180, 1, 1, 4, 2], 64240),
        (&[2, 4, 5, 180, 1, 3, 3, 14], &[2, 4, 5, 180, 1, 3, 3, 10], 64240),
        (&LINUX, &LINUX, 65160),
    ];
    for (asked, answered, window) in cases {
        let mut raw = Raw::new(flag::SYN, 1000, 0);
        raw.options = asked.to_vec();
        let answer = ask(&mut server, now, &raw).expect("an answer");
        assert_eq!((answer.flags, answer.acknowledgement, answer.window), (flag::SYN | flag::ACK, 1001, window));
        let packet = server_options(&mut server, now, &raw);
        assert_eq!(packet.len(), answered.len());
        let kinds = |options: &[u8]| (options[..4].to_vec(), options.len());
        assert_eq!(kinds(&packet), kinds(answered));
        if answered.len() == 8 {
            assert_eq!(packet, answered);
        }
    }
    assert_eq!(server.counts().greeted, 12);
    // To the same the same, and to others something else.
    let raw = Raw::new(flag::SYN, 1000, 0);
    let numbers = [(); 2].map(|()| ask(&mut server, now, &raw).expect("an answer").sequence);
    let other = ask(&mut server, now, &Raw { source: ([203, 0, 113, 5], 5556), ..raw }).expect("an answer");
    assert_eq!(numbers[0], numbers[1]);
    assert_ne!(numbers[0], other.sequence);
}

fn server_options(server: &mut Flows<u8>, now: Instant, raw: &Raw) -> Vec<u8> {
    server.handle(now, CLIENT_HOP, 1500, &raw.packet(), Checksum::Unknown);
    server.poll_transmit(now).expect("an answer").stamp.headers()[40..].to_vec()
}

#[test]
fn a_hundred_thousand_requests_leave_nothing() {
    let now = Instant::now();
    let mut server = server(now);
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..100_000 {
        let mut raw = Raw::new(flag::SYN, rng.random(), 0);
        raw.source =
            (Ipv4Addr::from_bits(rng.random_range(1 << 24..0xdfff_ffff)).octets(), rng.random_range(1..=65535));
        raw.options = LINUX.to_vec();
        assert!(ask(&mut server, now, &raw).is_some_and(|answer| answer.has(flag::SYN | flag::ACK)));
    }
    assert_eq!((server.count(), server.counts().greeted, server.poll_timeout()), (0, 100_000, None));
    // Not fetched, they are bounded too.
    let packet = Raw::new(flag::SYN, 1, 0).packet();
    for _ in 0..100_000 {
        server.handle(now, CLIENT_HOP, 1500, &packet, Checksum::Unknown);
    }
    assert!(std::iter::from_fn(|| server.poll_transmit(now)).count() <= 1024);
}

#[test]
fn a_strangers_data_are_acknowledged_and_no_more() {
    let now = Instant::now();
    for options in [&LINUX[..], &[]] {
        let mut server = server(now);
        let mut raw = connected(&mut server, now, options);
        let scale = if options.is_empty() { 0 } else { 10 };
        assert!(ask(&mut server, now, &raw).is_none(), "an acknowledgement is not answered");
        let mut edge: Option<u32> = None;
        for length in [1_usize, 700, 1400, 1400, 1400].into_iter().cycle().take(60) {
            raw.payload = vec![b'x'; length];
            raw.flags = flag::ACK | flag::PSH;
            let answer = ask(&mut server, now, &raw).expect("an acknowledgement");
            let end = raw.sequence.wrapping_add(length as u32);
            assert_eq!((answer.flags, answer.sequence, answer.acknowledgement), (flag::ACK, raw.acknowledgement, end));
            assert_eq!(answer.options.timestamps.map(|(_, echo)| echo), (scale == 10).then_some(77));
            let told = end.wrapping_add(u32::from(answer.window) << scale);
            // By less than the scale can say, which nothing that is not kept can mend (RFC 7323, 2.4).
            let back = edge.map_or(0, |edge| edge.wrapping_sub(told) as i32);
            assert!(back < 1 << scale, "the edge has come back by {back}");
            edge = Some(told);
            raw.sequence = end;
        }
        // As much as the answer to its request has granted, give or take what is not remembered.
        let granted = edge.expect("an edge").wrapping_sub(0xffff_fe01);
        assert!((65_160..=66_560).contains(&granted), "{granted}");
        raw.payload.clear();
        raw.flags = flag::FIN | flag::ACK;
        let answer = ask(&mut server, now, &raw).expect("an acknowledgement");
        assert_eq!((answer.flags, answer.acknowledgement), (flag::ACK, raw.sequence.wrapping_add(1)));
        raw.flags = flag::RST;
        assert!(ask(&mut server, now, &raw).is_none());
        assert_eq!((server.count(), server.poll_timeout()), (0, None));
    }
}

#[test]
fn what_acknowledges_nothing_of_ours_is_reset() {
    let now = Instant::now();
    let mut server = server(now);
    let mut rng = StdRng::seed_from_u64(5);
    let known = connected(&mut server, now, &LINUX);
    let mut resets = 0;
    for case in 0..2000 {
        let mut raw = Raw::new(flag::ACK, rng.random(), rng.random());
        raw.payload = vec![0; [0, 500][case % 2]];
        if case % 3 == 0 {
            // The right number, and data from far away.
            (raw.sequence, raw.acknowledgement) =
                (known.sequence.wrapping_add(70_000 + case as u32), known.acknowledgement);
        }
        if case % 5 == 0 {
            raw.flags |= [flag::FIN, flag::SYN][case % 2];
        }
        // Not more at once than it looks at.
        let answer = ask(&mut server, now + ms(case as u64), &raw);
        let is_reset = |answer: &Segment| (answer.flags, answer.sequence) == (flag::RST, raw.acknowledgement);
        resets += usize::from(answer.as_ref().is_some_and(is_reset));
    }
    // By chance one in 65,000 guesses a number.
    assert!(resets >= 1998, "{resets}");
    for flags in
        [0, flag::FIN, flag::PSH, flag::RST, flag::RST | flag::ACK, flag::SYN | flag::FIN, flag::SYN | flag::RST, 0xff]
    {
        assert!(ask(&mut server, now, &Raw::new(flags, rng.random(), rng.random())).is_none(), "{flags:#x}");
    }
    assert_eq!((server.count(), server.poll_timeout()), (0, None));
}

#[test]
fn the_first_payload_of_a_client_is_a_strangers() {
    let mut net = Net::new(6);
    net.client_sends(&datagram(300), 300, true);
    net.log = Some(Vec::new());
    net.run(ms(100));
    let to_client = net.logged(To::Client);
    // The answer to the request, the acknowledgement of what nobody can read, that of the first datagram.
    assert_eq!(to_client.len(), 3);
    assert_eq!(to_client[1].flags, flag::ACK);
    assert_eq!(to_client[2].acknowledgement.wrapping_sub(to_client[1].acknowledgement), 300);
    let stamps: Vec<_> = to_client.iter().map(|segment| segment.options.timestamps.expect("some").0).collect();
    assert!(stamps.is_sorted() && stamps[2] - stamps[0] <= 100, "one clock: {stamps:?}");
    net.assert_valid();
}

#[test]
fn a_client_answers_nobody() {
    let mut net = Net::new(2);
    net.connect();
    let mut rng = StdRng::seed_from_u64(1);
    for flags in 0..=0xff {
        let mut raw = Raw::new(flags, rng.random(), rng.random());
        raw.payload = vec![0; usize::from(flags) % 3];
        assert!(net.client.handle(net.now, SERVER_HOP, 1500, &raw.packet(), Checksum::Unknown).is_none());
    }
    assert!(net.client.poll_transmit(net.now).is_none());
    assert_eq!((net.client.count(), net.client.counts().strays), (1, 256));
    net.run(secs(1));
}

#[test]
fn a_flood_of_data_is_looked_at_a_little_at_a_time() {
    let now = Instant::now();
    let mut server = server(now);
    let mut flood = |now: Instant, count: u32| {
        let looked_at = |server: &mut Flows<u8>, number: u32| {
            let mut raw = Raw::new(flag::ACK | flag::PSH, number, number ^ 0x5555);
            raw.payload = b"x".to_vec();
            server.handle(now, CLIENT_HOP, 1500, &raw.packet(), Checksum::Unknown).is_some()
        };
        (0..count).filter(|number| looked_at(&mut server, *number)).count()
    };
    assert!((400..=500).contains(&flood(now, 5000)));
    assert_eq!(flood(now + ms(10), 5000), 0);
    assert!((400..=500).contains(&flood(now + ms(20), 5000)));
    assert!(server.counts().crowded > 13_000);
    assert_eq!(server.count(), 0);
}

#[test]
fn what_is_beyond_a_strangers_window_has_not_come() {
    let now = Instant::now();
    let mut server = server(now);
    let next = connected(&mut server, now, &LINUX);
    let mut raw = Raw { payload: vec![b'x'; 1400], ..next.clone() };
    let mut acknowledged = next.sequence;
    for _ in 0..60 {
        let answer = ask(&mut server, now, &raw).expect("an acknowledgement");
        if answer.flags != flag::ACK {
            break;
        }
        acknowledged = answer.acknowledgement;
        raw.sequence = raw.sequence.wrapping_add(1400);
    }
    let granted = acknowledged.wrapping_sub(next.sequence);
    assert!((65_000..=66_900).contains(&granted), "{granted}");
}
