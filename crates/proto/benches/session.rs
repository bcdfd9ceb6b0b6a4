//! Each session alone, without link and envelope: one datagram, and a batch.

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ginnel_proto::envelope::OVERHEAD;
use ginnel_proto::envelope::hello::SessionKind;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Side;
use ginnel_proto::session::sessions::{Sessions, Start};
use ginnel_proto::session::{Event, Read, Session, StreamId};
use rand::{SeedableRng, rngs::StdRng};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const RTT: Duration = Duration::from_millis(1);

/// The longest datagram of an IPv4 path over Ethernet.
const DATAGRAM_MAX: u16 = 1472;

/// Packets asked for at once.
const BATCH: usize = 44;

/// Two sessions with a stream between them.
struct Pair {
    now: Instant,
    client: Box<dyn Session>,
    server: Box<dyn Session>,
    stream: StreamId,
    buffer: Vec<u8>,
    chunks: Vec<Bytes>,
}

impl Pair {
    fn new(kind: SessionKind) -> Self {
        let (now, mut rng) = (Instant::now(), StdRng::seed_from_u64(1));
        let sessions = Sessions::new(&Limits::default(), now, &mut rng);
        let mut begin = |side, params| {
            let start = Start { side, params, datagram_max: DATAGRAM_MAX, datagram_more: 32, rtt: RTT };
            let mut session = sessions.begin(kind, &start, now, &mut rng).expect("parameters");
            // What a link would find out.
            session.carries(DATAGRAM_MAX);
            session
        };
        let server = begin(Side::Server, sessions.asks(kind));
        let mut client = begin(Side::Client, sessions.answers(kind));
        let stream = client.open().expect("a stream");
        let mut pair = Self { now, client, server, stream, buffer: Vec::new(), chunks: Vec::new() };
        // Until the larger datagrams are found, and the window has opened.
        for _ in 0..200 {
            pair.pump(&Bytes::from_static(&[7; 10_000]));
        }
        pair
    }

    /// Writes a payload, and moves packets both ways until it has been read.
    fn pump(&mut self, payload: &Bytes) {
        let (mut data, mut left) = (VecDeque::from([payload.clone()]), payload.len());
        while left > 0 {
            left -= self.step(&mut data);
        }
    }

    /// Writes what fits, moves it, reads it, and moves what comes back, a virtual millisecond later. How much was read.
    fn step(&mut self, data: &mut VecDeque<Bytes>) -> usize {
        self.client.write(self.stream, data).expect("an open stream");
        carry(&mut *self.client, &mut *self.server, self.now, &mut self.buffer);
        let mut all = 0;
        // Before its first byte has come the stream is unknown.
        while let Ok(Read::Data(length @ 1..)) = self.server.read(self.stream, 1 << 20, &mut self.chunks) {
            all += length;
            self.chunks.clear();
        }
        self.now += RTT;
        carry(&mut *self.server, &mut *self.client, self.now, &mut self.buffer);
        for end in [&mut self.client, &mut self.server] {
            if end.poll_timeout().is_some_and(|at| at <= self.now) {
                end.handle_timeout(self.now);
            }
            while let Some(event) = end.poll_event() {
                assert_ne!(event, Event::Closed);
            }
        }
        all
    }
}

fn carry(from: &mut dyn Session, to: &mut dyn Session, now: Instant, buffer: &mut Vec<u8>) {
    buffer.clear();
    while let Some(batch) = from.poll_transmit(now, BATCH, OVERHEAD, buffer) {
        for packet in buffer.chunks(batch.segment) {
            to.handle(now, BytesMut::from(packet));
        }
        buffer.clear();
    }
}

fn pump(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    for kind in SessionKind::ALL {
        for (name, length) in [("one_datagram", 1100), ("44_datagrams", 44 * 1400)] {
            let (mut pair, payload) = (Pair::new(kind), Bytes::from(vec![7; length]));
            group.throughput(Throughput::Bytes(length as u64));
            let name = format!("{}/{name}", kind.name());
            group.bench_function(name, |bencher| bencher.iter(|| pair.pump(&payload)));
        }
    }
    group.finish();
}

criterion_group!(benches, pump);
criterion_main!(benches);
