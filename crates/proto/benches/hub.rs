//! The hub: finding a link, and one datagram's way through session, link and envelope at both ends.

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;
#[path = "../tests/hubs/mod.rs"]
mod hubs;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fixtures::{Deployment, WALL_NS};
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::envelope::keys::PrivateKey;
use ginnel_proto::envelope::replay::{NoJournal, ReplayCache};
use ginnel_proto::hub::gate::GateConfig;
use ginnel_proto::hub::{Event, Hub, HubConfig, LinkId, Time};
use ginnel_proto::limits::Limits;
use ginnel_proto::link::{self, BATCH_PACKETS, Path};
use ginnel_proto::session::{self, Read, Session, StreamId};
use hubs::{client, events, later, path, sent, server_path};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Links of the server in the look-ups.
const LINKS: u8 = 200;

/// Bytes that fill one datagram and no more.
const PAYLOAD: usize = 1100;

/// A server with links, each of a user of its own at an address of its own.
struct Crowd {
    time: Time,
    server: Hub,
    clients: Vec<(Path, Hub, LinkId)>,
    /// A datagram of the last client's, which the server has seen.
    seen: Vec<u8>,
}

impl Crowd {
    fn new(links: u8) -> Self {
        let deployment = Deployment::new();
        let users: Vec<PrivateKey> = (0..links).map(|number| PrivateKey::new([100 ^ number; 32])).collect();
        let gate = GateConfig {
            psks: vec![deployment.psk.clone()],
            key: deployment.server.clone(),
            users: users.iter().map(|user| (user.public(), "somebody".into())).collect(),
            replay: ReplayCache::default(),
            journal: Box::new(NoJournal),
        };
        let time = Time { now: Instant::now(), wall_ns: WALL_NS };
        let config = HubConfig { limits: Limits::server(), aes: true, seed: [1; 32] };
        let mut crowd = Self { time, server: Hub::server(config, gate, time), clients: Vec::new(), seen: Vec::new() };
        for (number, user) in users.into_iter().enumerate() {
            let (mut hub, path) = (client(number as u8, time), path(&format!("198.51.{number}.7:4000")));
            let (psk, server) = (deployment.psk.clone(), deployment.server.public());
            let keys = ClientKeys { psk, server, user };
            let link = hub.dial(crowd.time, keys, server_path(), 0, Duration::from_secs(10)).expect("room");
            crowd.clients.push((path, hub, link));
            crowd.exchange(number);
        }
        assert_eq!(crowd.server.ids().len(), usize::from(links));
        crowd
    }

    /// Carries datagrams between the server and one client until nobody has more to say.
    fn exchange(&mut self, number: usize) {
        let (path, client, _) = &mut self.clients[number];
        loop {
            let up = sent(client, self.time);
            for (_, datagram) in &up {
                self.server.handle(self.time, *path, BytesMut::from(&datagram[..]));
                self.seen.clone_from(datagram);
            }
            let down = sent(&mut self.server, self.time);
            for (_, datagram) in &down {
                client.handle(self.time, server_path(), BytesMut::from(&datagram[..]));
            }
            if up.is_empty() && down.is_empty() {
                break;
            }
        }
        self.time = later(self.time, Duration::from_millis(1));
    }
}

fn look_up(criterion: &mut Criterion) {
    let mut crowd = Crowd::new(LINKS);
    let ids = crowd.server.ids();
    let mut next = 0;
    criterion.bench_function("look_up/by_name", |bencher| {
        bencher.iter(|| {
            next = (next + 7) % ids.len();
            crowd.server.link(black_box(ids[next])).is_some()
        });
    });
    // It is found by its session id, and dropped by the window, before anything is decrypted but the header block.
    let (from, ..) = crowd.clients[usize::from(LINKS) - 1];
    let before = crowd.server.drops().replayed;
    criterion.bench_function("look_up/by_datagram", |bencher| {
        bencher.iter_batched(
            || BytesMut::from(&crowd.seen[..]),
            |datagram| crowd.server.handle(crowd.time, from, datagram),
            BatchSize::SmallInput,
        );
    });
    assert!(crowd.server.drops().replayed > before, "the datagrams were found and dropped");
}

/// One stream from a client to a server, as their drivers would move it.
struct Stream {
    crowd: Crowd,
    near: StreamId,
    far: (LinkId, StreamId),
    buffer: Vec<u8>,
    chunks: Vec<Bytes>,
}

impl Stream {
    fn new() -> Self {
        let mut crowd = Crowd::new(1);
        let (_, client, link) = &mut crowd.clients[0];
        let session = client.session(*link).expect("a link that is up");
        let near = session.open().expect("a stream");
        session.write(near, &mut VecDeque::from([Bytes::from_static(b"!")])).expect("room");
        crowd.exchange(0);
        let far = events(&mut crowd.server).into_iter().find_map(|(link, event)| match event {
            Event::Link(link::Event::Session(session::Event::Opened(id))) => Some((link, id)),
            _ => None,
        });
        let far = far.expect("the server hears of the stream");
        let mut stream = Self { crowd, near, far, buffer: Vec::new(), chunks: Vec::new() };
        // The byte that was written already.
        assert_eq!(stream.step(&mut VecDeque::new()), 1);
        stream
    }

    /// Writes a payload, and moves packets both ways until it has been read.
    fn pump(&mut self, payload: &Bytes) {
        let (mut data, mut left) = (VecDeque::from([payload.clone()]), payload.len());
        while left > 0 {
            left -= self.step(&mut data);
        }
    }

    /// Writes what fits, moves it, reads it, and moves what comes back. How much was read.
    fn step(&mut self, data: &mut VecDeque<Bytes>) -> usize {
        let Crowd { time, server, clients, .. } = &mut self.crowd;
        let (from, client, link) = &mut clients[0];
        *time = later(*time, Duration::from_micros(100));
        for hub in [&mut *client, &mut *server] {
            if hub.poll_timeout().is_some_and(|at| at <= time.now) {
                hub.handle_timeout(*time);
            }
        }
        let session = client.session(*link).expect("a link that is up");
        session.write(self.near, data).expect("an open stream");
        carry(client, server, *from, *time, &mut self.buffer);
        let session = server.session(self.far.0).expect("a link that is up");
        let read = read_all(session, self.far.1, &mut self.chunks);
        carry(server, client, server_path(), *time, &mut self.buffer);
        while client.poll_event().is_some() || server.poll_event().is_some() {}
        read
    }
}

fn read_all(session: &mut dyn Session, stream: StreamId, chunks: &mut Vec<Bytes>) -> usize {
    let mut all = 0;
    while let Read::Data(length @ 1..) = session.read(stream, 1 << 20, chunks).expect("an open stream") {
        all += length;
        chunks.clear();
    }
    all
}

fn carry(from: &mut Hub, to: &mut Hub, path: Path, time: Time, buffer: &mut Vec<u8>) {
    while let Some(transmit) = from.poll_transmit(time, BATCH_PACKETS, buffer) {
        for datagram in buffer.chunks(transmit.segment) {
            to.handle(time, path, BytesMut::from(datagram));
        }
    }
}

/// Virtual time is made to pass, so that pacing and timers do what they do.
fn pump(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pump");
    for (name, length) in [("one_datagram", PAYLOAD), ("64_kib", 64 << 10)] {
        let (mut stream, payload) = (Stream::new(), Bytes::from(vec![7; length]));
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(name, |bencher| bencher.iter(|| stream.pump(&payload)));
    }
    group.finish();
}

criterion_group!(benches, look_up, pump);
criterion_main!(benches);
