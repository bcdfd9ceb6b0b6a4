//! The KCP session: lanes, windows, modes, and what a hostile peer can do to it.

mod fixtures;

use bytes::{Bytes, BytesMut};
use fixtures::rng;
use ginnel_proto::envelope::OVERHEAD;
use ginnel_proto::envelope::hello::SessionKind;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Side;
use ginnel_proto::session::kcp::mode::Mode;
use ginnel_proto::session::kcp::segment::{Command, HEADER, Segment};
use ginnel_proto::session::kcp::{KcpSession, Refusals, Settings, params};
use ginnel_proto::session::sessions::{Sessions, Start};
use ginnel_proto::session::{Event, PathChange, Read, Session, StreamId};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The round trip of the path between two ends.
const RTT: Duration = Duration::from_millis(20);
/// How far time moves at once.
const STEP: Duration = Duration::from_millis(1);

/// Two ends, and what is on its way between them.
struct Pair {
    now: Instant,
    ends: [KcpSession; 2],
    ways: [VecDeque<(Instant, Vec<u8>)>; 2],
    /// The longest packet that passes.
    narrow: usize,
    loss: f64,
    chance: StdRng,
    sent: [usize; 2],
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

impl Pair {
    fn new(seed: u64, limits: &Limits) -> Self {
        let (now, mut chance) = (Instant::now(), rng(seed));
        let told = params(limits).encode();
        let mut end = |side| {
            let start = Start { side, params: &told, datagram_max: 1472, rtt: RTT };
            KcpSession::new(&start, limits, now, &mut chance).expect("parameters")
        };
        let ends = [end(Side::Client), end(Side::Server)];
        Self { now, ends, ways: Default::default(), narrow: 9000, loss: 0.0, chance, sent: [0; 2] }
    }

    fn client(&mut self) -> &mut KcpSession {
        &mut self.ends[CLIENT]
    }

    fn server(&mut self) -> &mut KcpSession {
        &mut self.ends[SERVER]
    }

    /// Lets a millisecond pass.
    fn step(&mut self) {
        self.now += STEP;
        for end in [CLIENT, SERVER] {
            while self.ways[end].front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, packet) = self.ways[end].pop_front().expect("there is one");
                self.ends[end].handle(self.now, BytesMut::from(&packet[..]));
            }
            if self.ends[end].poll_timeout().is_some_and(|at| at <= self.now) {
                self.ends[end].handle_timeout(self.now);
            }
            self.drain(end);
        }
    }

    /// What an end has to send goes on its way.
    fn drain(&mut self, end: usize) {
        let mut out = Vec::new();
        while let Some(batch) = self.ends[end].poll_transmit(self.now, 44, OVERHEAD, &mut out) {
            for packet in out.chunks(batch.segment) {
                assert!(packet.len() <= self.ends[end].datagram_len());
                assert!(batch.spare == OVERHEAD);
                self.sent[end] += 1;
                if packet.len() <= self.narrow && !self.chance.random_bool(self.loss) {
                    self.ways[1 - end].push_back((self.now + RTT / 2, packet.to_vec()));
                }
            }
            out.clear();
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }

    /// Runs until something is so. How long it took.
    fn until(&mut self, patience: Duration, mut done: impl FnMut(&mut Self) -> bool) -> Duration {
        let began = self.now;
        while !done(self) {
            assert!(self.now < began + patience, "not within {patience:?}");
            self.step();
        }
        self.now - began
    }

    /// Has a stream that the client opens carry `total` bytes to the server, in order. How long it took.
    fn carry(&mut self, total: usize, patience: Duration) -> Duration {
        let id = self.client().open().expect("a stream");
        let (mut left, mut queue, mut got) = (total, VecDeque::new(), 0);
        self.until(patience, |pair| {
            if queue.is_empty() && left > 0 {
                let piece = left.min(50_000);
                queue.push_back(Bytes::from(pattern(total - left, piece)));
                left -= piece;
            }
            let _ = pair.client().write(id, &mut queue);
            if left == 0 && queue.is_empty() {
                pair.client().finish(id);
            }
            let (data, ended) = read(pair.server(), id);
            assert_eq!(data, pattern(got, data.len()));
            got += data.len();
            ended && got == total
        })
    }
}

/// Bytes of which each place has its own.
fn pattern(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|place| (place ^ (place >> 8) ^ (place >> 16)) as u8).collect()
}

/// All that can be read of a stream, and whether it has ended.
fn read(end: &mut KcpSession, id: StreamId) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        let mut chunks = Vec::new();
        let read = end.read(id, 1 << 20, &mut chunks);
        all.extend(chunks.iter().flatten());
        match read {
            Ok(Read::Data(_)) => {}
            Ok(Read::End(_)) => return (all, true),
            _ => return (all, false),
        }
    }
}

fn limits(settings: Settings) -> Limits {
    Limits { kcp: settings, ..Limits::default() }
}

fn events(end: &mut KcpSession) -> Vec<Event> {
    std::iter::from_fn(|| end.poll_event()).collect()
}

#[test]
fn every_mode_carries_bytes_in_order_whatever_is_lost() {
    for mode in Mode::ALL {
        for (loss, seed) in [(0.0, 1), (0.02, 2), (0.15, 3)] {
            let mut pair = Pair::new(seed, &limits(Settings { mode, ..Settings::default() }));
            pair.loss = loss;
            pair.carry(1_000_000, Duration::from_secs(60));
            pair.loss = 0.0;
            pair.run(Duration::from_secs(5));
            assert_eq!((pair.client().undelivered(), pair.server().undelivered()), (0, 0), "{mode:?} {loss}");
            assert_eq!(pair.server().refusals(), Refusals::default(), "{mode:?} {loss}");
        }
    }
}

#[test]
fn an_idle_link_says_nothing_more() {
    for mode in Mode::ALL {
        let mut pair = Pair::new(1, &limits(Settings { mode, ..Settings::default() }));
        pair.carry(10_000, Duration::from_secs(5));
        pair.run(Duration::from_secs(5));
        let sent = pair.sent;
        pair.run(Duration::from_secs(60));
        assert_eq!(pair.sent, sent, "{mode:?}");
        assert_eq!((pair.client().poll_timeout(), pair.server().poll_timeout()), (None, None), "{mode:?}");
    }
}

#[test]
fn a_client_greets_until_it_is_heard() {
    let mut pair = Pair::new(1, &Limits::default());
    pair.loss = 1.0;
    pair.run(Duration::from_secs(2));
    assert!((3..10).contains(&pair.sent[CLIENT]), "{:?}", pair.sent);
    pair.loss = 0.0;
    pair.until(Duration::from_secs(3), |pair| pair.sent[SERVER] > 0);
    pair.run(Duration::from_secs(1));
    let sent = pair.sent;
    pair.run(Duration::from_secs(10));
    assert_eq!(pair.sent, sent);
}

#[test]
fn a_loss_holds_up_one_lane_and_no_other() {
    let mut pair = Pair::new(5, &Limits::default());
    let bulk = pair.client().open().unwrap();
    pair.client().write(bulk, &mut VecDeque::from([Bytes::from(vec![1; 200_000])])).unwrap();
    pair.run(Duration::from_millis(40));
    // All that is on its way is lost, and so is what follows for a while.
    pair.ways = Default::default();
    let small = pair.client().open().unwrap();
    pair.client().write(small, &mut VecDeque::from([Bytes::from_static(b"small")])).unwrap();
    let took = pair.until(Duration::from_secs(1), |pair| read(pair.server(), small).0 == b"small");
    // Half a round trip, and a turn of the pacer.
    assert!(took < RTT * 3 / 2, "{took:?}");
}

#[test]
fn without_lanes_there_is_one_order() {
    let one = limits(Settings { lanes: 1, ..Settings::default() });
    let mut pair = Pair::new(5, &one);
    let first = pair.client().open().unwrap();
    pair.client().write(first, &mut VecDeque::from([Bytes::from(vec![1; 1000])])).unwrap();
    let now = pair.now;
    pair.now += STEP;
    pair.drain(CLIENT);
    pair.ways = Default::default();
    let small = pair.client().open().unwrap();
    pair.client().write(small, &mut VecDeque::from([Bytes::from_static(b"small")])).unwrap();
    let took = pair.until(Duration::from_secs(1), |pair| read(pair.server(), small).0 == b"small");
    assert!(took > RTT, "{took:?} since {now:?}");
}

#[test]
fn the_smaller_number_of_lanes_counts() {
    let (now, mut chance) = (Instant::now(), rng(1));
    let few = params(&limits(Settings { lanes: 2, ..Settings::default() })).encode();
    let start = Start { side: Side::Client, params: &few, datagram_max: 1472, rtt: RTT };
    let mut client = KcpSession::new(&start, &Limits::default(), now, &mut chance).unwrap();
    for _ in 0..10 {
        let id = client.open().unwrap();
        client.write(id, &mut VecDeque::from([Bytes::from_static(b"x")])).unwrap();
    }
    let mut out = Vec::new();
    let batch = client.poll_transmit(now, 1, OVERHEAD, &mut out).unwrap();
    let mut packet = Bytes::from(out[..out.len() - batch.spare].to_vec());
    let mut lanes = Vec::new();
    while let Ok(Some((segment, _))) = Segment::read(&mut packet) {
        lanes.push(segment.conversation);
    }
    lanes.sort_unstable();
    lanes.dedup();
    assert_eq!(lanes, [1, 2]);
}

#[test]
fn parameters_that_are_none_are_refused() {
    let (now, mut chance) = (Instant::now(), rng(1));
    let good = params(&Limits::default()).encode();
    let mut longer = good.clone();
    longer.extend([9; 100]);
    let mut try_out = |params: &[u8]| {
        let start = Start { side: Side::Client, params, datagram_max: 1472, rtt: RTT };
        assert_eq!(
            Sessions::accepts(SessionKind::Kcp, params),
            KcpSession::new(&start, &Limits::default(), now, &mut chance).is_ok()
        );
        Sessions::accepts(SessionKind::Kcp, params)
    };
    assert!(try_out(&good) && try_out(&longer));
    for length in 0..good.len() {
        assert!(!try_out(&good[..length]), "{length}");
    }
    for (place, byte) in [(0, 0), (0, 2), (2, 0), (2, 17)] {
        let mut bad = good.clone();
        bad[place] = byte;
        assert!(!try_out(&bad), "{place} {byte}");
    }
}

#[test]
fn a_path_that_narrows_carries_in_parts_what_was_cut_for_the_wide_one() {
    let mut pair = Pair::new(3, &Limits::default());
    pair.client().carries(1472);
    pair.server().carries(1472);
    assert_eq!(pair.client().datagram_len(), 1472);
    let id = pair.client().open().unwrap();
    pair.client().write(id, &mut VecDeque::from([Bytes::from(pattern(0, 200_000))])).unwrap();
    pair.run(Duration::from_millis(30));
    pair.narrow = 1300;
    let mut got = read(pair.server(), id).0;
    pair.until(Duration::from_secs(20), |pair| {
        got.extend(read(pair.server(), id).0);
        got.len() == 200_000
    });
    assert_eq!(got, pattern(0, 200_000));
    assert!(pair.client().datagram_len() < 1300);
    // It may be asked for again.
    assert_eq!(pair.client().wants_length(), Some(1472));
}

#[test]
fn a_new_path_is_asked_at_once_and_knows_nothing_of_the_former() {
    let mut pair = Pair::new(3, &Limits::default());
    let id = pair.client().open().unwrap();
    pair.carry(3_000_000, Duration::from_secs(20));
    pair.client().write(id, &mut VecDeque::from([Bytes::from(vec![7; 400_000])])).unwrap();
    pair.run(Duration::from_millis(15));
    pair.ways = Default::default();
    let (now, before) = (pair.now, pair.sent[CLIENT]);
    pair.client().path_changed(now, PathChange::New);
    pair.drain(CLIENT);
    assert!(pair.sent[CLIENT] > before);
    let mut got = 0;
    pair.until(Duration::from_secs(2), |pair| {
        got += read(pair.server(), id).0.len();
        got == 400_000
    });
    pair.carry(10_000, Duration::from_secs(1));
    // Round trips are those of this path.
    assert!((RTT / 2..RTT * 3).contains(&pair.client().stats().rtt), "{:?}", pair.client().stats());
}

#[test]
fn whoever_reads_nothing_stops_the_sender_and_crowds_the_link() {
    let tight = Limits { link_window: 300_000, stream_window: 250_000, send_window: 4 << 20, ..Limits::default() };
    let mut pair = Pair::new(3, &tight);
    let streams: Vec<StreamId> = (0..4).map(|_| pair.client().open().unwrap()).collect();
    let mut crowded = false;
    for _ in 0..5_000 {
        for id in &streams {
            let _ = pair.client().write(*id, &mut VecDeque::from([Bytes::from(vec![5; 50_000])]));
        }
        pair.step();
        crowded |= events(pair.server()).contains(&Event::Crowded);
        // What is held is known to the session alone; what may still come tells of it.
        assert!(pair.server().stats().receive_window == 300_000);
    }
    assert!(crowded);
    assert!(pair.server().crowd() >= 1);
    let held: usize = streams.iter().map(|id| read(pair.server(), *id).0.len()).sum();
    assert!((200_000..400_000).contains(&held), "{held}");
    // Now it goes on, and soon: the peer is told.
    let mut more = 0;
    let took = pair.until(Duration::from_secs(2), |pair| {
        more += streams.iter().map(|id| read(pair.server(), *id).0.len()).sum::<usize>();
        more > 500_000
    });
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// A packet of segments, as a session gets it.
fn packet(segments: &[(Segment, &[u8])]) -> BytesMut {
    let mut out = Vec::new();
    for (segment, data) in segments {
        segment.write(data.len(), &mut out);
        out.extend_from_slice(data);
    }
    out.resize(out.len() + OVERHEAD, 0);
    BytesMut::from(&out[..])
}

fn push(serial: u32) -> Segment {
    let (conversation, command) = (1, Command::Push);
    Segment { conversation, command, fragment: 0, window: 128, time: 0, serial, next: 0 }
}

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
    assert!(pair.server().refusals().outside > 15_000, "{:?}", pair.server().refusals());
}

#[test]
fn what_fills_a_gap_is_taken_although_the_link_is_full() {
    let mut pair = Pair::new(3, &Limits { link_window: 100_000, ..Limits::default() });
    let now = pair.now;
    for lane in 2..=8 {
        for serial in 1..30 {
            pair.server().handle(now, packet(&[(Segment { conversation: lane, ..push(serial) }, &[0; 1300])]));
        }
    }
    pair.server().handle(now, packet(&[(push(1), &[2, 3, 0, 0, 0, 0, 0, 0])]));
    let before = pair.server().refusals().outside;
    assert!(before > 100);
    // A frame that is nothing, and what waited behind it.
    for lane in 2..=8 {
        let nothing = [2, 3, 0, 0, 0, 0, 0, 0];
        pair.server().handle(now, packet(&[(Segment { conversation: lane, ..push(0) }, &nothing)]));
        let news = pair.server().refusals().outside - before;
        assert_eq!(news, 0, "lane {lane}");
        if events(pair.server()).contains(&Event::Closed) {
            return;
        }
    }
}

#[test]
fn a_peer_without_parts_gets_nothing_that_a_narrow_path_would_swallow() {
    let (now, mut chance) = (Instant::now(), rng(1));
    let mut told = params(&Limits::default());
    told.extended = false;
    let told = told.encode();
    let start = Start { side: Side::Client, params: &told, datagram_max: 1472, rtt: RTT };
    let mut client = KcpSession::new(&start, &Limits::default(), now, &mut chance).unwrap();
    assert_eq!(client.wants_length(), None);
    client.carries(1472);
    assert!(client.datagram_len() <= 1232);
}

#[test]
fn a_window_that_an_older_packet_tells_is_not_believed() {
    let (now, mut chance) = (Instant::now(), rng(1));
    let told = params(&Limits::default()).encode();
    let start = Start { side: Side::Client, params: &told, datagram_max: 1472, rtt: RTT };
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
    let start = Start { side: Side::Client, params: &told, datagram_max: 1472, rtt: RTT };
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
    let start = Start { side: Side::Client, params: &told, datagram_max: 1472, rtt: RTT };
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
        let start = Start { side: Side::Client, params: &told, datagram_max: 1472, rtt: RTT };
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
        assert!(unacknowledged < 4 << 20, "{mode:?} {unacknowledged}");
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

#[test]
fn what_follows_a_gap_does_not_use_up_the_window_of_its_stream() {
    let narrow = Limits { stream_window: 64 << 10, ..Limits::default() };
    let mut pair = Pair::new(3, &narrow);
    pair.loss = 0.05;
    let lossy = pair.carry(3_000_000, Duration::from_secs(60));
    pair.loss = 0.0;
    let clean = pair.carry(3_000_000, Duration::from_secs(60));
    // A window of 64 KiB is 26 Mbit/s on this path: a second.
    assert!(clean < Duration::from_millis(1500), "{clean:?}");
    assert!(lossy < clean * 5 / 2, "{lossy:?} with loss, {clean:?} without");
}
