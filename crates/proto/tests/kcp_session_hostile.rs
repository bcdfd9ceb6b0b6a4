//! The KCP session and peers that do not keep to the protocol: each is bounded, and counted.

mod kcp_pair;

use bytes::Bytes;
use ginnel_proto::envelope::OVERHEAD;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Side;
use ginnel_proto::session::kcp::mode::Mode;
use ginnel_proto::session::kcp::mux::frame::Frame;
use ginnel_proto::session::kcp::segment::{Command, HEADER, Segment};
use ginnel_proto::session::kcp::{KcpSession, Refusals, Settings, params};
use ginnel_proto::session::sessions::Start;
use ginnel_proto::session::{Event, Session, StreamId};
use kcp_pair::*;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[test]
fn what_cannot_be_is_counted_and_changes_nothing() {
    let mut pair = Pair::new(3, &Limits::default());
    let now = pair.now;
    let server = pair.server();
    server.handle(now, packet(&[(Segment { conversation: 99, ..push(0) }, b"x")]));
    assert_eq!(server.refusals(), Refusals { foreign: 1, ..Refusals::default() });
    server.handle(now, packet(&[(Segment { next: 1, ..push(0) }, b"x")]));
    assert_eq!(server.refusals().future, 1);
    server.handle(now, packet(&[(Segment { command: Command::Ack, ..push(7) }, b"")]));
    assert_eq!(server.refusals().future, 2);
    server.handle(now, packet(&[(Segment { command: Command::Ranges, ..push(0) }, &[0, 0, 0, 0, 9, 0, 0, 0])]));
    assert_eq!(server.refusals().future, 3);
    server.handle(now, packet(&[(Segment { command: Command::Ranges, ..push(0) }, &[0; 7])]));
    assert_eq!(server.refusals().malformed, 1);
    for serial in [40_000, u32::MAX / 2, 1 << 30] {
        server.handle(now, packet(&[(push(serial), b"x")]));
    }
    assert_eq!(server.refusals().outside, 3);
    // A length beyond the packet, and a command that is none.
    let mut long = packet(&[(push(0), b"x")]);
    long[20] = 200;
    server.handle(now, long);
    let mut odd = packet(&[(push(0), b"x")]);
    odd[4] = 7;
    server.handle(now, odd);
    assert_eq!(server.refusals().malformed, 3);
    assert!(server.stats().refused >= 9);
    assert_eq!(events(server), [Event::Ready]);
    pair.carry(100_000, Duration::from_secs(5));
}

#[test]
fn a_hole_that_is_never_filled_holds_no_more_than_the_link_may() {
    let tight = Limits { link_window: 1 << 20, ..Limits::default() };
    let mut pair = Pair::new(3, &tight);
    let now = pair.now;
    let server = pair.server();
    for serial in 1..30_000 {
        let lane = 1 + serial % 8;
        server.handle(now, packet(&[(Segment { conversation: lane, ..push(1 + serial / 8) }, &[0; 1300])]));
    }
    // 873 segments of 1,200 bytes are a MiB, and eight lanes share it.
    assert!(server.refusals().outside > 28_000, "{:?}", server.refusals());
    let mut out = Vec::new();
    while server.poll_transmit(now, 44, OVERHEAD, &mut out).is_some() {
        out.clear();
    }
}

#[test]
fn a_far_segment_costs_no_more_than_itself() {
    let mut pair = Pair::new(3, &Limits { link_window: 1 << 20, ..Limits::default() });
    let now = pair.now;
    // One byte each: what they cost is more, and counts.
    for serial in 1..30_000 {
        let lane = 1 + serial % 8;
        pair.server().handle(now, packet(&[(Segment { conversation: lane, ..push(1 + serial / 8) }, b"x")]));
    }
    let taken = 29_999 - pair.server().refusals().outside;
    assert!((3_000..5_500).contains(&taken), "{taken}");
}

#[test]
fn room_that_reading_makes_is_told_without_being_asked() {
    let mut pair = Pair::new(3, &Limits { link_window: 100_000, ..Limits::default() });
    let now = pair.now;
    let (mut syn, mut data) = (Vec::new(), Vec::new());
    Frame::Syn(1).encode(&mut syn);
    Frame::Psh(1, 1000).encode(&mut data);
    data.extend([7; 1000]);
    pair.server().handle(now, packet(&[(push(0), &syn)]));
    // As much as the window allows, and no more.
    let fits = (1..).find(|serial| {
        pair.server().handle(now, packet(&[(push(*serial), &data)]));
        pair.server().refusals().outside > 0
    });
    let told = |end: &mut KcpSession| {
        let (mut out, mut windows) = (Vec::new(), Vec::new());
        while let Some(batch) = end.poll_transmit(now, 44, OVERHEAD, &mut out) {
            let mut rest = Bytes::from(out[..out.len() - batch.spare].to_vec());
            while let Ok(Some((segment, _))) = Segment::read(&mut rest) {
                windows.extend((segment.conversation == 1).then_some(segment.window));
            }
            out.clear();
        }
        windows
    };
    assert_eq!(told(pair.server()).last(), Some(&0), "{fits:?} segments");
    assert_eq!(told(pair.server()), [] as [u16; 0]);
    assert!(read(pair.server(), StreamId(1)).0.len() > 90_000);
    assert!(told(pair.server()).last() > Some(&50));
}

#[test]
fn what_fills_a_gap_is_taken_although_the_link_is_full() {
    let mut pair = Pair::new(3, &Limits { link_window: 100_000, ..Limits::default() });
    let now = pair.now;
    let on = |lane, serial| Segment { conversation: lane, ..push(serial) };
    pair.server().handle(now, packet(&[(on(2, 1), &[2, 3, 0, 0, 0, 0, 0, 0])]));
    // A stream that nobody reads fills the link.
    let (mut syn, mut data) = (Vec::new(), Vec::new());
    Frame::Syn(1).encode(&mut syn);
    Frame::Psh(1, 1000).encode(&mut data);
    data.extend([7; 1000]);
    pair.server().handle(now, packet(&[(on(1, 0), &syn)]));
    for serial in 1..200 {
        pair.server().handle(now, packet(&[(on(1, serial), &data)]));
    }
    let before = pair.server().refusals().outside;
    assert!((90..110).contains(&before), "{before}");
    pair.server().handle(now, packet(&[(on(3, 0), &[2, 3, 0, 0, 0, 0, 0, 0])]));
    assert_eq!(pair.server().refusals().outside, before + 1, "nothing new is taken");
    pair.server().handle(now, packet(&[(on(2, 0), &[2, 3, 0, 0, 0, 0, 0, 0])]));
    assert_eq!(pair.server().refusals().outside, before + 1, "but what fills a gap");
}

#[test]
fn a_peer_without_parts_gets_nothing_that_a_narrow_path_would_swallow() {
    let (now, mut chance) = (Instant::now(), rng(1));
    let mut told = params(&Limits::default());
    told.extended = false;
    let told = told.encode();
    let start = Start { side: Side::Client, params: &told, datagram_max: 1472, datagram_more: 32, rtt: RTT };
    let mut client = KcpSession::new(&start, &Limits::default(), now, &mut chance).unwrap();
    assert_eq!(client.wants_length(), None);
    client.carries(1472);
    assert!(client.datagram_len() <= 1232);
}

#[test]
fn a_window_that_an_older_packet_tells_is_not_believed() {
    let (now, mut chance) = (Instant::now(), rng(1));
    let told = params(&Limits::default()).encode();
    let start = Start { side: Side::Client, params: &told, datagram_max: 1472, datagram_more: 32, rtt: RTT };
    let mut client = KcpSession::new(&start, &Limits::default(), now, &mut chance).unwrap();
    let id = client.open().unwrap();
    let lane = 1;
    let mut out = Vec::new();
    client.write(id, &mut VecDeque::from([Bytes::from(vec![1; 3_000])])).unwrap();
    while client.poll_transmit(now, 44, OVERHEAD, &mut out).is_some() {
        out.clear();
    }
    let tell = |next, window| Segment { conversation: lane, command: Command::Tell, window, next, ..push(0) };
    client.handle(now, packet(&[(tell(3, 100), b"")]));
    client.handle(now, packet(&[(tell(1, 0), b"")]));
    client.write(id, &mut VecDeque::from([Bytes::from(vec![1; 3_000])])).unwrap();
    let batch = client.poll_transmit(now, 44, OVERHEAD, &mut out).expect("it goes on");
    assert!(out.len() - batch.spare > 1_000);
}

#[test]
fn short_segments_that_nobody_acknowledges_are_bounded_by_the_memory_they_take() {
    let (now, mut chance) = (Instant::now(), rng(1));
    let small = Limits { send_window: 256 << 10, ..limits(Settings { mode: Mode::Fast3, window: 32_768, lanes: 1 }) };
    let told = params(&small).encode();
    let start = Start { side: Side::Client, params: &told, datagram_max: 1472, datagram_more: 32, rtt: RTT };
    let mut client = KcpSession::new(&start, &small, now, &mut chance).unwrap();
    let tell = Segment { command: Command::Tell, window: u16::MAX, ..push(0) };
    client.handle(now, packet(&[(tell, b"")]));
    let id = client.open().unwrap();
    let (mut out, mut sent) = (Vec::new(), 0);
    for _ in 0..5_000 {
        let _ = client.write(id, &mut VecDeque::from([Bytes::from_static(b"x")]));
        while client.poll_transmit(now, 44, OVERHEAD, &mut out).is_some() {
            sent += 1;
            out.clear();
        }
    }
    assert!(sent < 500, "{sent}");
}

#[test]
fn a_peer_that_announces_no_window_for_ever_gets_questions_and_costs_little() {
    let (now, mut chance) = (Instant::now(), rng(1));
    let told = params(&Limits::default()).encode();
    let start = Start { side: Side::Client, params: &told, datagram_max: 1472, datagram_more: 32, rtt: RTT };
    let mut client = KcpSession::new(&start, &Limits::default(), now, &mut chance).unwrap();
    for lane in 1..=8 {
        let tell = Segment { conversation: lane, command: Command::Tell, window: 0, ..push(0) };
        client.handle(now, packet(&[(tell, b"")]));
    }
    let id = client.open().unwrap();
    let mut queue: VecDeque<Bytes> = (0..1000).map(|_| Bytes::from(vec![1; 10_000])).collect();
    let written = client.write(id, &mut queue).unwrap();
    assert!(written < 1 << 20, "{written}");
    let (mut time, mut packets, mut out) = (now, 0, Vec::new());
    while time < now + Duration::from_secs(600) {
        while let Some(batch) = client.poll_transmit(time, 44, OVERHEAD, &mut out) {
            assert_eq!(out.len() - batch.spare, HEADER, "a question and nothing else");
            packets += 1;
            out.clear();
        }
        time = client.poll_timeout().expect("it asks again");
        client.handle_timeout(time);
    }
    assert!((50..80).contains(&packets), "{packets}");
}

#[test]
fn a_peer_that_takes_everything_and_acknowledges_nothing_is_sent_a_bounded_part() {
    for mode in [Mode::Auto, Mode::Fast3] {
        let (now, mut chance) = (Instant::now(), rng(1));
        let small = Limits { send_window: 1 << 20, ..limits(Settings { mode, window: 32_768, lanes: 8 }) };
        let told = params(&small).encode();
        let start = Start { side: Side::Client, params: &told, datagram_max: 1472, datagram_more: 32, rtt: RTT };
        let mut client = KcpSession::new(&start, &small, now, &mut chance).unwrap();
        let mut unacknowledged = 0;
        for lane in 1..=8 {
            let tell = Segment { conversation: lane, command: Command::Tell, window: u16::MAX, ..push(0) };
            client.handle(now, packet(&[(tell, b"")]));
        }
        let ids: Vec<StreamId> = (0..50).filter_map(|_| client.open()).collect();
        let (mut time, mut out) = (now, Vec::new());
        for _ in 0..2_000 {
            for id in &ids {
                let mut queue = VecDeque::from([Bytes::from(vec![1; 10_000])]);
                unacknowledged += client.write(*id, &mut queue).unwrap_or(0);
            }
            while client.poll_transmit(time, 44, OVERHEAD, &mut out).is_some() {
                out.clear();
            }
            time += Duration::from_millis(5);
            if client.poll_timeout().is_some_and(|at| at <= time) {
                client.handle_timeout(time);
            }
        }
        // What may be in flight, what may wait for that, and the little that each stream may always have.
        assert!(unacknowledged < (1 << 20) + (256 << 10) + 60 * (16 << 10), "{mode:?} {unacknowledged}");
    }
}

#[test]
fn a_violation_in_a_pipe_ends_the_session() {
    let mut pair = Pair::new(3, &Limits::default());
    let now = pair.now;
    let server = pair.server();
    server.handle(now, packet(&[(push(0), &[9, 9, 9, 9, 9, 9, 9, 9])]));
    assert!(events(server).contains(&Event::Closed));
    assert!(server.open().is_none() && server.poll_timeout().is_none());
    server.handle(now, packet(&[(push(1), b"x")]));
}
