//! The QUIC session: streams over null protection, and what a hostile peer can do to it.

mod fixtures;

use bytes::{Bytes, BytesMut};
use fixtures::rng;
use ginnel_proto::congestion::Congestion;
use ginnel_proto::envelope::OVERHEAD;
use ginnel_proto::envelope::hello::PARAMS_MAX;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Side;
use ginnel_proto::session::DATAGRAM_MIN;
use ginnel_proto::session::quic::{QuicConfig, QuicSession};
use ginnel_proto::session::sessions::Start;
use ginnel_proto::session::{Batch, Event, PathChange, Read, Session, StreamId};
use rand::{Rng, RngExt, rngs::StdRng};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const RTT: Duration = Duration::from_millis(20);

fn start(side: Side, params: &[u8]) -> Start<'_> {
    Start { side, params, datagram_max: 1472, datagram_more: 32, rtt: RTT }
}

struct Pair {
    now: Instant,
    client: QuicSession,
    server: QuicSession,
}

impl Pair {
    fn new(seed: u64) -> Self {
        Self::with(seed, &Limits::default())
    }

    fn with(seed: u64, limits: &Limits) -> Self {
        let (now, mut rng) = (Instant::now(), rng(seed));
        let config = QuicConfig::new(limits, now, &mut rng);
        let client = QuicSession::new(&config, &start(Side::Client, config.params()), now, &mut rng).unwrap();
        let server = QuicSession::new(&config, &start(Side::Server, &[]), now, &mut rng).unwrap();
        Self { now, client, server }
    }

    /// Carries packets both ways through `change`, with time passing, for so many rounds.
    fn exchange(&mut self, rounds: usize, mut change: impl FnMut(&mut Vec<Vec<u8>>)) {
        for _ in 0..rounds {
            let mut up = packets(&mut self.client, self.now);
            change(&mut up);
            up.into_iter().for_each(|packet| self.server.handle(self.now, BytesMut::from(&packet[..])));
            let mut down = packets(&mut self.server, self.now);
            change(&mut down);
            down.into_iter().for_each(|packet| self.client.handle(self.now, BytesMut::from(&packet[..])));
            self.now += Duration::from_millis(10);
            for end in [&mut self.client, &mut self.server] {
                if end.poll_timeout().is_some_and(|at| at <= self.now) {
                    end.handle_timeout(self.now);
                }
            }
        }
    }
}

fn packets(session: &mut QuicSession, now: Instant) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut out = Vec::new();
    while let Some(Batch { segment, .. }) = session.poll_transmit(now, 10, OVERHEAD, &mut out) {
        all.extend(out.chunks(segment).map(<[u8]>::to_vec));
        out.clear();
        assert!(all.len() < 10_000, "a session that never stops");
    }
    all
}

fn events(session: &mut QuicSession) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

fn write(session: &mut QuicSession, id: StreamId, data: &[u8]) -> usize {
    session.write(id, &mut VecDeque::from([Bytes::copy_from_slice(data)])).unwrap_or(0)
}

fn read_all(session: &mut QuicSession, id: StreamId) -> Vec<u8> {
    let mut chunks = Vec::new();
    while let Ok(Read::Data(1..)) = session.read(id, 1 << 20, &mut chunks) {}
    chunks.concat()
}

/// "Set-up cost": the first stream travels with the client's first packets.
#[test]
fn the_first_stream_travels_at_once() {
    let mut pair = Pair::new(1);
    assert_eq!(events(&mut pair.client), [Event::Ready]);
    let stream = pair.client.open().expect("a stream before any answer");
    assert_eq!(write(&mut pair.client, stream, b"early"), 5);
    for packet in packets(&mut pair.client, pair.now) {
        assert!(packet.len() >= OVERHEAD && packet[packet.len() - OVERHEAD..] == [0; OVERHEAD]);
        pair.server.handle(pair.now, BytesMut::from(&packet[..]));
    }
    assert!(events(&mut pair.server).contains(&Event::Opened(stream)));
    assert_eq!(read_all(&mut pair.server, stream), b"early");
}

#[test]
fn every_packet_ends_in_the_envelopes_room_and_none_exceeds_the_path() {
    let mut pair = Pair::new(2);
    let stream = pair.client.open().unwrap();
    let data: Vec<u8> = (0..2_000_000).map(|at| (at % 251) as u8).collect();
    let (mut sent, mut received, mut longest) = (0, Vec::new(), 0);
    while received.len() < data.len() {
        sent += write(&mut pair.client, stream, &data[sent..]);
        pair.exchange(1, |packets| {
            for packet in packets {
                longest = longest.max(packet.len());
                // The envelope writes here, and nothing else may have.
                let room = packet.len() - OVERHEAD;
                assert_eq!(packet[room..], [0; OVERHEAD]);
                packet[room..].fill(0xee);
            }
        });
        received.extend(read_all(&mut pair.server, stream));
    }
    assert!(received == data);
    assert!((usize::from(DATAGRAM_MIN) + 1..=1472).contains(&longest), "{longest}: the path is discovered");
}

/// Both ends have filled their windows, and nothing has arrived yet: each must acknowledge all the
/// same, or each waits for the other.
#[test]
fn an_acknowledgement_leaves_although_the_window_is_full() {
    let mut pair = Pair::new(6);
    let stream = pair.client.open().unwrap();
    write(&mut pair.client, stream, &[1; 2_000_000]);
    pair.exchange(2, |_| {});
    write(&mut pair.server, stream, &[2; 2_000_000]);
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        pair.now += Duration::from_millis(1);
        up.extend(packets(&mut pair.client, pair.now));
        down.extend(packets(&mut pair.server, pair.now));
    }
    assert!(up.len() > 20 && down.len() > 20, "{} up, {} down", up.len(), down.len());
    assert!(pair.client.poll_transmit(pair.now, 10, OVERHEAD, &mut Vec::new()).is_none(), "the window is full");
    down.drain(..12).for_each(|packet| pair.client.handle(pair.now, BytesMut::from(&packet[..])));
    pair.now += Duration::from_millis(25);
    let answer = packets(&mut pair.client, pair.now);
    assert_eq!(answer.len(), 1, "one packet, with the acknowledgement");
    // The server learns of it: something it had in flight is not any more.
    let before = pair.server.stats().sent;
    answer.into_iter().for_each(|packet| pair.server.handle(pair.now, BytesMut::from(&packet[..])));
    pair.now += Duration::from_millis(5);
    packets(&mut pair.server, pair.now);
    assert!(pair.server.stats().sent > before);
}

/// What fills the window has gone to an address that is dead, and the library would wait for its
/// answer for long: on a new path something asks for one at once.
#[test]
fn a_new_path_is_asked_at_once_although_the_window_is_full() {
    let mut pair = Pair::new(6);
    let stream = pair.client.open().unwrap();
    write(&mut pair.client, stream, &[1; 2_000_000]);
    pair.exchange(2, |_| {});
    for _ in 0..40 {
        pair.now += Duration::from_millis(1);
        packets(&mut pair.client, pair.now);
    }
    assert!(pair.client.poll_transmit(pair.now, 10, OVERHEAD, &mut Vec::new()).is_none(), "the window is full");
    for change in [PathChange::Rebound, PathChange::New] {
        pair.client.path_changed(pair.now, change);
        let asked = pair.client.asked();
        assert!((1..=3).contains(&packets(&mut pair.client, pair.now).len()), "{change:?}");
        assert!(pair.client.asked() > asked);
    }
}

#[test]
fn nothing_leaves_faster_than_the_controller_says() {
    let rate = 1_000_000;
    let limits = Limits { congestion: Congestion::Fixed { rate }, ..Limits::default() };
    let mut pair = Pair::with(7, &limits);
    let stream = pair.client.open().unwrap();
    write(&mut pair.client, stream, &[1; 2_000_000]);
    let mut bytes = 0;
    for _ in 0..100 {
        // Ten milliseconds a round.
        pair.exchange(1, |packets| bytes += packets.iter().map(Vec::len).filter(|length| *length > 300).sum::<usize>());
        read_all(&mut pair.server, stream);
    }
    assert!((600_000..1_050_000).contains(&bytes), "{bytes} bytes in a second");
}

#[test]
fn parameters_fit_the_handshake_whatever_the_limits() {
    let now = Instant::now();
    for (seed, limits) in (0..50).map(|seed| (seed, Limits::default())).chain([(99, largest())]) {
        let config = QuicConfig::new(&limits, now, &mut rng(seed));
        assert!((20..=PARAMS_MAX).contains(&config.params().len()), "{} bytes", config.params().len());
    }
}

fn largest() -> Limits {
    // The library makes a table entry for every stream that is allowed: no more than needed here.
    let (streams_per_link, most) = (1 << 16, u32::MAX);
    Limits { streams_per_link, stream_window: most, link_window: most, send_window: 1 << 40, ..Limits::default() }
}

#[test]
fn parameters_that_do_not_parse_make_no_session() {
    let (now, mut rng) = (Instant::now(), rng(3));
    let config = QuicConfig::new(&Limits::default(), now, &mut rng);
    for bad in [&[0xff; 9][..], &[1], &config.params()[..config.params().len() - 1]] {
        assert!(QuicSession::new(&config, &start(Side::Client, bad), now, &mut rng).is_err());
    }
}

/// The library answers some packets statelessly: to whom, the envelope does not know.
#[test]
fn stateless_answers_are_never_sent() {
    let now = Instant::now();
    let mut rng = rng(4);
    let config = QuicConfig::new(&Limits::default(), now, &mut rng);
    let mut version_unknown = vec![0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0];
    version_unknown.resize(1300, 0);
    let mut short_id = vec![0xc0, 0, 0, 0, 1, 1, 1, 0, 0, 0x44, 0xb0, 0, 1];
    short_id.resize(1300, 0);
    let mut short_header = vec![0x40; 1300];
    short_header[1..20].fill(7);
    for packet in [version_unknown, short_id, short_header] {
        let mut server = QuicSession::new(&config, &start(Side::Server, &[]), now, &mut rng).unwrap();
        server.handle(now, BytesMut::from(&packet[..]));
        assert_eq!((packets(&mut server, now), events(&mut server)), (vec![], vec![]));
    }
}

#[test]
fn a_session_that_is_closed_has_no_streams() {
    let mut pair = Pair::new(5);
    let stream = pair.client.open().unwrap();
    pair.client.close(pair.now, 7);
    assert_eq!(pair.client.open(), None);
    assert!(pair.client.read(stream, 1, &mut Vec::new()).is_err());
    assert_eq!(write(&mut pair.client, stream, b"x"), 0);
}

/// Null protection hides nothing from a peer and checks nothing of its: whatever an authentic but
/// hostile end sends may end its own session, and must do no more.
#[test]
fn a_hostile_peer_ends_its_own_session_at_most() {
    for seed in 0..400 {
        let (mut pair, mut rng) = (Pair::new(seed), rng(seed + 1000));
        let streams: Vec<_> = (0..5).filter_map(|_| pair.client.open()).collect();
        for (number, stream) in streams.iter().enumerate() {
            write(&mut pair.client, *stream, &vec![7; 3000 * number + 1]);
        }
        let calm = rng.random_range(0..6);
        pair.exchange(calm, |_| {});
        pair.exchange(12, |packets| damage(packets, &mut rng));
        for end in [&mut pair.client, &mut pair.server] {
            for event in events(end) {
                if let Event::Opened(id) | Event::Readable(id) = event {
                    read_all(end, id);
                    write(end, id, b"answer");
                    end.finish(id);
                }
            }
        }
        pair.exchange(12, |packets| damage(packets, &mut rng));
    }
}

/// Flips, cuts, doubles, reorders and invents packets.
fn damage(packets: &mut Vec<Vec<u8>>, rng: &mut StdRng) {
    let mut extra = Vec::new();
    for packet in packets.iter_mut() {
        let before = packet.clone();
        for _ in 0..rng.random_range(0..4) {
            // The first bytes hold headers and frame types; so they are hit most.
            let near = rng.random_bool(0.7);
            let at = rng.random_range(0..if near { packet.len().min(60) } else { packet.len() });
            packet[at] = if rng.random() { rng.random() } else { packet[at] ^ (1 << rng.random_range(0..8)) };
        }
        if rng.random_bool(0.05) {
            packet.truncate(rng.random_range(0..=packet.len()));
        }
        if rng.random_bool(0.2) {
            extra.push(before);
        }
    }
    for first in [0xc0u8, 0xd0, 0xe0, 0xf0, 0x40, 0x44] {
        if rng.random_bool(0.1) {
            let mut packet = vec![0; rng.random_range(1..1400)];
            rng.fill_bytes(&mut packet);
            packet[0] = first | rng.random_range(0..16);
            if packet.len() > 6 && rng.random() {
                packet[1..6].copy_from_slice(&[0, 0, 0, 1, 0]);
            }
            extra.push(packet);
        }
    }
    packets.extend(extra);
    if rng.random_bool(0.3) {
        packets.reverse();
    }
}
