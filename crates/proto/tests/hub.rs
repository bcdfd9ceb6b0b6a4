//! Two hubs, wired to each other without a network.

use bytes::{Bytes, BytesMut};
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::envelope::keys::{PrivateKey, Psk};
use ginnel_proto::envelope::replay::{NoJournal, ReplayCache};
use ginnel_proto::hub::gate::GateConfig;
use ginnel_proto::hub::{Event, Hub, HubConfig, LinkId, Time};
use ginnel_proto::limits::Limits;
use ginnel_proto::link::{self, BATCH_PACKETS, Path};
use ginnel_proto::session::{self, Read, StreamId};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

struct Pair {
    time: Time,
    client: Hub,
    server: Hub,
    keys: ClientKeys,
    events: Vec<(bool, LinkId, Event)>,
}

const CLIENT: &str = "198.51.100.7:4000";
const SERVER: &str = "203.0.113.9:5000";

fn path(text: &str) -> Path {
    Path::udp(text.parse().unwrap(), None)
}

impl Pair {
    fn new() -> Self {
        let time = Time { now: Instant::now(), wall_ns: 1_700_000_000_000_000_000 };
        let (psk, key, user) = (Psk::new([1; 32]), PrivateKey::new([2; 32]), PrivateKey::new([3; 32]));
        let gate = GateConfig {
            psks: vec![psk.clone()],
            key: key.clone(),
            users: [(user.public(), "laptop".into())].into_iter().collect(),
            replay: ReplayCache::default(),
            journal: Box::new(NoJournal),
        };
        let config = |seed| HubConfig { limits: Limits::default(), aes: true, seed: [seed; 32] };
        Self {
            time,
            client: Hub::client(config(8), time),
            server: Hub::server(config(9), gate, time),
            keys: ClientKeys { psk, server: key.public(), user },
            events: Vec::new(),
        }
    }

    fn exchange(&mut self) {
        let mut buffer = Vec::new();
        let mut moved = true;
        while moved {
            moved = false;
            while let Some(transmit) = self.client.poll_transmit(self.time, BATCH_PACKETS, &mut buffer) {
                moved = true;
                for datagram in buffer.chunks(transmit.segment) {
                    self.server.handle(self.time, path(CLIENT), BytesMut::from(datagram));
                }
            }
            while let Some(transmit) = self.server.poll_transmit(self.time, BATCH_PACKETS, &mut buffer) {
                moved = true;
                for datagram in buffer.chunks(transmit.segment) {
                    self.client.handle(self.time, path(SERVER), BytesMut::from(datagram));
                }
            }
            while let Some((id, event)) = self.client.poll_event() {
                self.events.push((true, id, event));
            }
            while let Some((id, event)) = self.server.poll_event() {
                self.events.push((false, id, event));
            }
        }
        self.time.now += Duration::from_millis(1);
        self.time.wall_ns += 1_000_000;
        for hub in [&mut self.client, &mut self.server] {
            if hub.poll_timeout().is_some_and(|at| at <= self.time.now) {
                hub.handle_timeout(self.time);
            }
        }
    }

    fn opened(&self) -> Option<(LinkId, StreamId)> {
        self.events.iter().find_map(|(client, link, event)| match event {
            Event::Link(link::Event::Session(session::Event::Opened(id))) if !client => Some((*link, *id)),
            _ => None,
        })
    }
}

#[test]
fn a_link_comes_up_and_carries_a_stream_both_ways() {
    let mut pair = Pair::new();
    let link = pair.client.dial(pair.time, pair.keys.clone(), path(SERVER), 0, Duration::from_secs(10)).unwrap();
    pair.exchange();
    assert!(pair.events.iter().any(|(client, id, event)| *client && *id == link && matches!(event, Event::Up { .. })));
    let session = pair.client.session(link).unwrap();
    let stream = session.open().unwrap();
    let mut data = VecDeque::from([Bytes::from_static(b"there")]);
    assert_eq!(session.write(stream, &mut data), Ok(5));
    session.finish(stream);
    assert_eq!(pair.client.undelivered(), 1);
    pair.exchange();
    let (server_link, server_stream) = pair.opened().expect("the server hears of the stream");
    let session = pair.server.session(server_link).unwrap();
    let mut chunks = Vec::new();
    assert_eq!(session.read(server_stream, 1 << 20, &mut chunks), Ok(Read::End(5)));
    assert_eq!(chunks.concat(), b"there");
    let mut data = VecDeque::from([Bytes::from_static(b"and back")]);
    assert_eq!(session.write(server_stream, &mut data), Ok(8));
    session.finish(server_stream);
    for _ in 0..100 {
        pair.exchange();
    }
    chunks.clear();
    let session = pair.client.session(link).unwrap();
    assert_eq!(session.read(stream, 1 << 20, &mut chunks), Ok(Read::End(8)));
    assert_eq!(chunks.concat(), b"and back");
    assert_eq!((pair.client.undelivered(), pair.server.undelivered()), (0, 0), "all is acknowledged");
    eprintln!("{:?} {:?}", pair.client.drops(), pair.server.drops());
}
