//! The numbers of flows: what they tell, what they obey, what changes them and what does not.

mod rawtcp_net;

use ginnel_proto::profile::Span;
use ginnel_proto::rawtcp::segment::{Segment, flag};
use ginnel_proto::rawtcp::{Checksum, Flows, Mark, Sending};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rawtcp_net::{Faults, Net, SERVER_HOP, To, datagram, datagrams, ms, secs, settings};

/// A packet again, with other TCP fields: sequence, acknowledgement, flags, and without its payload if so wanted.
fn forged(packet: &[u8], sequence: u32, acknowledgement: u32, flags: u8, keep: bool) -> Vec<u8> {
    let mut packet = if keep { packet.to_vec() } else { packet[..52].to_vec() };
    let length = packet.len() as u16;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet[24..28].copy_from_slice(&sequence.to_be_bytes());
    packet[28..32].copy_from_slice(&acknowledgement.to_be_bytes());
    packet[33] = flags;
    for (range, at) in [(0..20, 10), (20..usize::from(length), 36)] {
        packet[at..at + 2].fill(0);
        let pseudo = [&packet[12..20], &[0, 6], &(length - 20).to_be_bytes()].concat();
        let words = if at == 10 { packet[range].to_vec() } else { [&pseudo, &packet[range]].concat() };
        let sum: u64 = words.chunks(2).map(|w| u64::from(w[0]) << 8 | u64::from(*w.get(1).unwrap_or(&0))).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// What each end sends next, of one byte more than a tag: as a packet, and as a segment.
fn next(net: &mut Net, to: To) -> (Vec<u8>, Segment) {
    net.log = Some(Vec::new());
    let sending = match to {
        To::Server => net.client_sends(&datagram(20), 20, true),
        To::Client => net.server_sends(&datagram(20), 20, true),
    };
    assert!(matches!(sending, Sending::Now(_)));
    let packet = net.log.take().expect("a log").pop().expect("a packet").1;
    let segment = Segment::parse(&packet, Checksum::Unknown).expect("a segment");
    (packet, segment)
}

/// Data still travel both ways.
fn assert_alive(net: &mut Net) {
    let before = net.came;
    net.run(ms(100));
    net.client_sends(&datagram(100), 100, true);
    net.run(ms(100));
    net.server_sends(&datagram(100), 100, true);
    net.run(ms(100));
    assert!(net.came[0] >= before[0] + 100 && net.came[1] >= before[1] + 100, "{:?}", net.came);
}

#[test]
fn acknowledgements_go_past_holes_and_come_in_time() {
    let mut net = Net::new(1);
    net.connect();
    net.run(secs(1));
    // Lost, then one that comes.
    net.faults.loss = 1.0;
    net.client_sends(&datagrams(10_000, 1000), 1000, true);
    net.run(ms(50));
    net.faults = Faults::default();
    net.log = Some(Vec::new());
    let start = net.now;
    net.client_sends(&datagram(20), 20, true);
    let end = net.logged(To::Server)[0].end();
    net.run(ms(44));
    assert!(net.logged(To::Client).is_empty(), "it waits for data to go along with");
    net.run(ms(2));
    let told = net.logged(To::Client);
    assert_eq!((told.len(), told[0].flags, told[0].acknowledgement), (1, flag::ACK, end));
    assert_eq!(net.now - start, ms(46));
    // With data it needs none of its own.
    net.log = Some(Vec::new());
    net.client_sends(&datagram(20), 20, true);
    net.run(ms(10));
    net.server_sends(&datagram(20), 20, true);
    net.run(ms(500));
    let sent = net.logged(To::Client);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].acknowledgement, net.logged(To::Server)[0].end());
    // A lot of data: one for each 256 KiB, at once.
    net.log = Some(Vec::new());
    for _ in 0..20 {
        net.client_sends(&datagrams(44 * 1400, 1400), 1400, true);
    }
    net.run(ms(6));
    assert_eq!(net.logged(To::Client).len(), 20 * 44 * 1400 / (256 << 10));
}

#[test]
fn segments_are_no_longer_than_the_peer_takes() {
    for (mtus, longest) in [([1500, 1500], 1448), ([1300, 1500], 1248), ([1500, 1300], 1248), ([1300, 1400], 1248)] {
        let mut net = Net::new(2);
        net.mtu = mtus;
        net.connect();
        assert!(matches!(net.client_sends(&datagram(longest + 1), longest + 1, true), Sending::Refused));
        assert!(matches!(net.server_sends(&datagram(longest + 1), longest + 1, true), Sending::Refused));
        assert!(matches!(net.client_sends(&datagrams(20_000, longest + 1), longest + 1, true), Sending::Refused));
        assert!(matches!(net.client_sends(&datagrams(20_000, longest), longest, true), Sending::Now(_)));
        assert!(matches!(net.server_sends(&datagrams(20_000, longest), longest, true), Sending::Now(_)));
        assert_eq!((net.client.counts().refused, net.server.counts().refused), (2, 1));
        // More than an IP packet can hold, and nothing.
        assert!(matches!(net.client_sends(&vec![0; 65_500], 1000, true), Sending::Refused));
        assert!(matches!(net.client_sends(&[], 1000, true), Sending::Refused));
        assert!(matches!(net.client_sends(&[1], 0, true), Sending::Refused));
    }
}

#[test]
fn a_full_window_is_not_overrun_and_opens_again() {
    let mut net = Net::new(3);
    net.connect();
    net.run(secs(1));
    let (_, last) = next(&mut net, To::Client);
    net.run(secs(1));
    // What the client sends is lost from now on, with the acknowledgements in it.
    net.log = Some(Vec::new());
    net.faults.loss = 1.0;
    let data = datagrams(60_000, 1400);
    let sent = (0..1000).take_while(|_| matches!(net.client_sends(&data, 1400, true), Sending::Now(_))).count();
    let edge = last.acknowledgement.wrapping_add(u32::from(last.window) << 10);
    let reached = net.logged(To::Server).last().expect("a packet").end();
    assert!((0..60_000).contains(&(edge.wrapping_sub(reached) as i32)), "{edge} {reached}");
    assert!((16 << 20..34 << 20).contains(&(sent * 60_000 + 60_000)), "{sent}");
    net.faults.loss = 0.0;
    net.log = None;
    // The server says how far it has come: far less, but what it says further on counts.
    assert!(matches!(net.client_sends(&data, 1400, true), Sending::Refused));
    net.server_sends(&datagram(20), 20, true);
    net.run(ms(20));
    assert!(matches!(net.client_sends(&data, 1400, true), Sending::Refused));
    assert!(matches!(net.client_sends(&datagram(100), 100, true), Sending::Now(_)), "there is that much room");
    net.run(ms(100));
    assert!(matches!(net.client_sends(&data, 1400, true), Sending::Now(_)), "the hole is behind it");
    net.run(secs(1));
    net.assert_valid();
}

#[test]
fn right_edges_never_come_back_and_windows_move() {
    let mut net = Net::new(4);
    net.log = Some(Vec::new());
    net.connect();
    for round in 0..1500 {
        net.client_sends(&datagrams(40_000, 1400), 1400, true);
        net.server_sends(&datagrams(if round % 2 == 0 { 30_000 } else { 100 }, 1400), 1400, true);
        net.run(ms(2));
    }
    for to in [To::Client, To::Server] {
        let segments: Vec<_> = net.logged(to).into_iter().filter(|segment| !segment.has(flag::SYN)).collect();
        let skip = segments.iter().position(|segment| segment.window >= 16_384).expect("a large one");
        let mut edge: Option<u32> = None;
        for segment in &segments[skip..] {
            assert!((16_384..=33_000).contains(&segment.window), "{}", segment.window);
            let told = segment.acknowledgement.wrapping_add(u32::from(segment.window) << 10);
            assert!(edge.is_none_or(|edge| told.wrapping_sub(edge) as i32 >= 0));
            edge = Some(told);
        }
        let distinct: std::collections::BTreeSet<_> = segments.iter().map(|segment| segment.window).collect();
        assert!(distinct.len() > 50, "{}", distinct.len());
    }
}

#[test]
fn timestamps_are_a_clock_and_echo_what_is_authentic() {
    let mut net = Net::new(5);
    net.connect();
    net.faults = Faults { loss: 0.02, swapped: 0.5, doubled: 0.1 };
    net.log = Some(Vec::new());
    let start = net.now;
    for _ in 0..600 {
        net.client_sends(&datagrams(4000, 1000), 1000, true);
        net.server_sends(&datagrams(4000, 1000), 1000, true);
        net.run(ms(3));
    }
    let sides = [net.logged(To::Client), net.logged(To::Server)];
    for (side, other) in [(0, 1), (1, 0)] {
        let stamps: Vec<_> = sides[side].iter().map(|segment| segment.options.timestamps.expect("some")).collect();
        assert!(stamps.is_sorted_by(|a, b| b.0.wrapping_sub(a.0) as i32 >= 0 && b.1.wrapping_sub(a.1) as i32 >= 0));
        let told = sides[side].iter().map(|segment| segment.acknowledgement);
        assert!(told.is_sorted_by(|a, b| b.wrapping_sub(*a) as i32 >= 0), "no acknowledgement goes back");
        let passed = stamps[stamps.len() - 1].0.wrapping_sub(stamps[0].0);
        assert!(u128::from(passed).abs_diff((net.now - start).as_millis()) <= 10, "{passed}");
        let of_other: Vec<_> = sides[other].iter().map(|segment| segment.options.timestamps.expect("some").0).collect();
        let echoed = stamps.iter().rev().take(100).all(|(_, echo)| of_other.contains(echo));
        assert!(echoed, "it echoes what was sent");
        let lag = of_other[of_other.len() - 1].wrapping_sub(stamps[stamps.len() - 1].1);
        assert!(lag <= 40, "{lag}");
    }
}

#[test]
fn the_first_payload_begins_with_what_can_be_printed() {
    let (mut bytes, mut lengths) = ([0_usize; 256], std::collections::BTreeSet::new());
    for seed in 0..300 {
        let mut net = Net::new(seed);
        let mut settings = settings();
        (settings.printable, settings.first_size) = (Span::new(20, 20), Span::new(100, 400));
        net.client.set_settings(settings);
        net.log = Some(Vec::new());
        net.client_sends(&datagrams(2000, 1000), 1000, true);
        net.run(ms(11));
        let log = net.log.as_ref().expect("a log").iter().filter(|(to, _)| *to == To::Server);
        let packets: Vec<_> = log.map(|(_, packet)| packet.clone()).collect();
        let segments: Vec<_> =
            packets.iter().map(|packet| Segment::parse(packet, Checksum::Unknown).expect("one")).collect();
        let kinds: Vec<_> = segments.iter().map(|segment| (segment.flags, segment.payload.is_empty())).collect();
        let (data, push) = ((flag::ACK, false), (flag::ACK | flag::PSH, false));
        assert_eq!(kinds, [(flag::SYN, true), (flag::ACK, true), push, data, push]);
        let first = &packets[2][segments[2].payload.clone()];
        assert!((100..=400).contains(&first.len()));
        assert!(first[..20].iter().all(|byte| (0x20..=0x7e).contains(byte)));
        lengths.insert(first.len());
        first[..20].iter().for_each(|byte| bytes[usize::from(*byte)] += 1);
        assert!(first[20..].iter().any(|byte| !(0x20..=0x7e).contains(byte)));
        assert_eq!(segments[3].sequence, segments[2].end());
    }
    assert!(bytes[0x20..=0x7e].iter().all(|count| (30..110).contains(count)), "{bytes:?}");
    assert!(lengths.len() > 100);
}

#[test]
fn what_waits_for_a_flow_is_bounded() {
    let mut net = Net::new(7);
    net.answers_dials = false;
    for _ in 0..10 {
        assert!(matches!(net.client_sends(&datagrams(5000, 1000), 1000, true), Sending::Later));
    }
    assert_eq!(net.dialled, 1, "asked once");
    net.answers_dials = true;
    net.local.set_port(41_000);
    net.client.dial(net.now, net.remote, net.local, rawtcp_net::CLIENT_HOP, 1500);
    net.run(ms(100));
    assert_eq!(net.came[1], 50_000);
    net.assert_valid();
    // No way: what waited is gone, and the next asks again.
    let mut net = Net::new(7);
    net.answers_dials = false;
    net.client_sends(&datagram(100), 100, true);
    net.client.no_way(net.now, net.remote);
    assert_eq!((net.client.count(), net.client.poll_timeout(), net.client.remotes().len()), (0, None, 0));
    net.client_sends(&datagram(100), 100, true);
    assert_eq!((net.dialled, net.client.count()), (2, 1));
}

#[test]
fn forged_ends_do_not_end_a_flow() {
    for to in [To::Client, To::Server] {
        for (flags, inside) in
            [(flag::RST, true), (flag::RST, false), (flag::FIN | flag::ACK, true), (flag::FIN | flag::ACK, false)]
        {
            let mut net = Net::new(8);
            net.connect();
            net.run(secs(2));
            let (packet, segment) = next(&mut net, to);
            net.run(ms(100));
            let sequence = segment.end().wrapping_add(if inside { 0 } else { 70 << 20 });
            let forged = forged(&packet, sequence, segment.acknowledgement, flags, false);
            net.deliver(to, &forged);
            assert_alive(&mut net);
            net.run(secs(8));
            assert_alive(&mut net);
            assert!(net.server.count() >= 1);
            let counts = [net.client.counts(), net.server.counts()];
            match (to, inside) {
                // The client dials again; the link lives on.
                (To::Client, true) => assert_eq!((net.dialled, counts[0].renewed), (2, 1)),
                (To::Client, false) => assert_eq!((net.dialled, counts[0].forged_ends), (1, 1)),
                (To::Server, _) => assert_eq!((net.dialled, counts[1].forged_ends), (1, 1), "{flags} {inside}"),
            }
        }
    }
}

#[test]
fn an_end_that_nothing_follows_is_answered() {
    let mut net = Net::new(9);
    net.connect();
    net.run(secs(1));
    net.answers_dials = false;
    let (packet, segment) = next(&mut net, To::Server);
    net.run(ms(100));
    net.log = Some(Vec::new());
    let end = forged(&packet, segment.end(), segment.acknowledgement, flag::FIN | flag::ACK, false);
    net.deliver(To::Server, &end);
    net.run(ms(2900));
    assert!(net.logged(To::Client).is_empty());
    net.deliver(To::Server, &end);
    net.run(ms(200));
    let answer = net.logged(To::Client);
    assert_eq!((answer.len(), answer[0].flags), (1, flag::FIN | flag::ACK));
    assert_eq!(answer[0].acknowledgement, segment.end().wrapping_add(1));
    net.run(secs(4));
    assert_eq!(net.server.count(), 0);
}

#[test]
fn forged_data_and_acknowledgements_change_nothing() {
    let mut net = Net::new(10);
    net.connect();
    net.run(secs(1));
    let (packet, segment) = next(&mut net, To::Server);
    net.run(ms(100));
    let mut rng = StdRng::seed_from_u64(1);
    let (_, before) = next(&mut net, To::Client);
    for case in 0..5000_u32 {
        let offset = [rng.random::<u32>(), rng.random_range(0..1 << 24)][rng.random_range(0..2)];
        let (sequence, ack) = (segment.end().wrapping_add(offset), rng.random());
        let mut forged = forged(&packet, sequence, ack, flag::ACK | flag::PSH, case % 2 == 0);
        if case % 2 == 0 {
            // Not ours; the sum is of no interest here.
            let at = forged.len() - 20;
            forged[at] ^= 0xff;
        }
        if let Some((mark, _)) = net.server.handle(net.now, 99, 1500, &forged, Checksum::Trusted) {
            net.server.judged(net.now, &mark, false);
        }
        assert!(net.server.poll_transmit(net.now).is_none(), "a flow is no stranger");
    }
    let (_, after) = next(&mut net, To::Client);
    assert_eq!((after.sequence, after.acknowledgement), (before.end(), before.acknowledgement));
    assert_eq!(after.options.timestamps.map(|stamps| stamps.1), before.options.timestamps.map(|stamps| stamps.1));
    assert!(net.server.counts().strays > 2000);
    assert_alive(&mut net);
    net.assert_valid();
}

#[test]
fn authentic_data_make_a_flow_and_set_it_right() {
    let mut net = Net::new(11);
    net.connect();
    net.run(secs(1));
    let (_, before) = next(&mut net, To::Client);
    net.run(ms(100));
    // The server is another, which knows nothing.
    net.server = Flows::server(net.now, settings(), [1; 32]);
    let (_, segment) = next(&mut net, To::Server);
    net.run(ms(100));
    assert_eq!(net.server.count(), 1);
    let (_, answer) = next(&mut net, To::Client);
    assert_eq!((answer.sequence, answer.acknowledgement), (segment.acknowledgement, segment.end()));
    let [old, new] = [before, answer].map(|segment| segment.options.timestamps.expect("some").0);
    assert!(new.wrapping_sub(old) < 1000, "time goes on: {old} {new}");
    assert_alive(&mut net);
    net.assert_valid();
    // Authentic, but from elsewhere in the numbers, and by another way.
    let mark = net.mark.expect("a mark");
    let far = Mark { sequence: mark.sequence.wrapping_add(1 << 30), acknowledgement: 5, hop: 77, ..mark };
    net.server.judged(net.now, &far, true);
    let sending = net.server.send(net.now, mark.remote, Some(mark.local), &datagram(20), 20, true);
    let Sending::Now(mut stamp) = sending else { panic!("refused") };
    stamp.finish(&datagram(20));
    let packet = [stamp.headers(), &datagram(20)].concat();
    let segment = Segment::parse(&packet, Checksum::Unknown).expect("a segment");
    assert_eq!((segment.sequence, segment.acknowledgement), (5, far.sequence.wrapping_add(far.length)));
    assert_eq!(stamp.hop, 77);
    assert_eq!(net.server.count(), 1);
}

#[test]
fn only_judged_data_make_a_flow() {
    let mut net = Net::new(12);
    net.connect();
    let (packet, _) = next(&mut net, To::Server);
    let mut server = Flows::server(net.now, settings(), [1; 32]);
    let (mark, _) = server.handle(net.now, SERVER_HOP, 1500, &packet, Checksum::Unknown).expect("data");
    assert_eq!(server.count(), 0);
    server.judged(net.now, &mark, false);
    assert_eq!(server.count(), 0);
    let sending = server.send(net.now, mark.remote, Some(mark.local), &[1], 1, true);
    assert!(matches!(sending, Sending::Refused));
    server.judged(net.now, &mark, true);
    assert_eq!(server.count(), 1);
    assert!(matches!(server.send(net.now, mark.remote, None, &[1], 1, true), Sending::Refused));
    assert!(matches!(server.send(net.now, mark.remote, Some(mark.local), &[1], 1, true), Sending::Now(_)));
}

#[test]
fn idle_flows_are_swept_and_the_least_recent_makes_room() {
    let mut net = Net::new(13);
    net.connect();
    net.log = Some(Vec::new());
    net.run(secs(595));
    assert_eq!((net.server.count(), net.client.count()), (1, 1));
    net.client.judged(net.now, &net.mark.expect("a mark"), true);
    net.run(secs(310));
    assert_eq!(net.server.count(), 0, "within ten to fifteen minutes");
    let end = net.logged(To::Client);
    assert!(end.iter().any(|segment| segment.flags == flag::RST | flag::ACK), "{end:?}");
    // As many as there may be.
    let mut server = Flows::server(net.now, ginnel_proto::rawtcp::Settings { flows: 3, ..settings() }, [1; 32]);
    let mark = net.mark.expect("a mark");
    let with = |port: u16| Mark { remote: std::net::SocketAddr::new(mark.remote.ip(), port), ..mark };
    for port in 1..=5 {
        server.judged(net.now + secs(u64::from(port)), &with(port), true);
        if port == 3 {
            server.judged(net.now + secs(3), &with(1), true);
        }
    }
    assert_eq!(server.count(), 3);
    let mut alive = |port| {
        let sending = server.send(net.now + secs(6), with(port).remote, Some(mark.local), &[1], 1, true);
        matches!(sending, Sending::Now(_))
    };
    assert_eq!([1, 2, 3, 4, 5].map(&mut alive), [true, false, false, true, true]);
}

#[test]
fn where_windows_are_not_scaled_acknowledgements_come_before_the_window_is_full() {
    let mut net = Net::new(21);
    net.unscaled = true;
    net.connect();
    // More than 64 KiB in 40 ms, and nothing in return that could carry an acknowledgement.
    for _ in 0..20 {
        assert!(matches!(net.client_sends(&datagrams(24_000, 1000), 1000, true), Sending::Now(_)));
        net.run(ms(12));
    }
    assert_eq!(net.client.counts().refused, 0);
    assert_eq!(net.came[1], 300 + 480_000);
    net.assert_valid();
}
