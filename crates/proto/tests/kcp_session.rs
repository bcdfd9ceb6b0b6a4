//! The KCP session: lanes, modes, windows, and paths that change.

mod kcp_pair;

use bytes::Bytes;
use ginnel_proto::envelope::OVERHEAD;
use ginnel_proto::envelope::hello::SessionKind;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Side;
use ginnel_proto::session::kcp::mode::Mode;
use ginnel_proto::session::kcp::segment::Segment;
use ginnel_proto::session::kcp::{KcpSession, Refusals, Settings, params};
use ginnel_proto::session::sessions::{Sessions, Start};
use ginnel_proto::session::{Event, PathChange, Session, StreamId};
use kcp_pair::*;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

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
    let start = Start { side: Side::Client, params: &few, datagram_max: 1472, datagram_more: 32, rtt: RTT };
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
        let start = Start { side: Side::Client, params, datagram_max: 1472, datagram_more: 32, rtt: RTT };
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
    assert!(took < Duration::from_millis(200), "{took:?}");
}

#[test]
fn what_arrives_late_from_a_former_path_says_nothing_of_this_one() {
    let mut pair = Pair::new(3, &Limits::default());
    let id = pair.client().open().unwrap();
    pair.client().write(id, &mut VecDeque::from([Bytes::from(vec![7; 30_000])])).unwrap();
    pair.drain(CLIENT);
    // It is on its way for two seconds, and in the middle of that the path becomes another one.
    pair.now += Duration::from_secs(1);
    let now = pair.now;
    pair.client().path_changed(now, PathChange::New);
    pair.now += Duration::from_secs(1);
    let mut got = 0;
    pair.until(Duration::from_secs(2), |pair| {
        got += read(pair.server(), id).0.len();
        got == 30_000
    });
    pair.run(RTT * 5);
    assert!(pair.client().stats().rtt < RTT * 3, "{:?}", pair.client().stats());
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
    assert!(lossy < clean * 3 / 2, "{lossy:?} with loss, {clean:?} without");
}
