//! A client's hub and a server's, with every datagram between them in the test's hands.

#![allow(dead_code)] // Each test binary uses a part of this.

use crate::fixtures::{Deployment, WALL_NS};
use bytes::BytesMut;
use ginnel_proto::envelope::keys::{PrivateKey, Psk};
use ginnel_proto::envelope::replay::{Entry, Journal, ReplayCache};
use ginnel_proto::hub::gate::{GateConfig, Users};
use ginnel_proto::hub::{Event, Hub, HubConfig, LinkId, Time};
use ginnel_proto::limits::Limits;
use ginnel_proto::link::{BATCH_PACKETS, Path};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A datagram, and where it goes.
pub(crate) type Sent = (Path, Vec<u8>);

pub(crate) fn path(text: &str) -> Path {
    Path::udp(text.parse().unwrap(), None)
}

pub(crate) fn client_path() -> Path {
    path("198.51.100.7:4000")
}

pub(crate) fn server_path() -> Path {
    path("203.0.113.9:5000")
}

pub(crate) fn elsewhere() -> Path {
    path("192.0.2.66:666")
}

/// A journal that a test can read.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Journal for Memory {
    fn append(&mut self, entry: &Entry) -> bool {
        self.0.lock().unwrap().extend_from_slice(&entry.encode());
        true
    }
}

impl Memory {
    pub(crate) fn replay(&self, now_ns: u64) -> ReplayCache {
        ReplayCache::restore(Entry::decode_all(&self.0.lock().unwrap()), now_ns)
    }
}

pub(crate) fn begin() -> Time {
    Time { now: Instant::now(), wall_ns: WALL_NS }
}

pub(crate) fn later(time: Time, by: Duration) -> Time {
    Time { now: time.now + by, wall_ns: time.wall_ns + by.as_nanos() as u64 }
}

pub(crate) fn users(keys: &[(&PrivateKey, &str)]) -> Users {
    keys.iter().map(|(key, name)| (key.public(), Arc::from(*name))).collect()
}

pub(crate) fn client(seed: u8, time: Time) -> Hub {
    Hub::client(HubConfig { limits: Limits::default(), aes: true, seed: [seed; 32] }, time)
}

/// A server of this deployment, whose only user is the deployment's.
pub(crate) struct ServerOf<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) limits: Limits,
    pub(crate) psks: Vec<Psk>,
    pub(crate) journal: Memory,
}

impl<'a> ServerOf<'a> {
    pub(crate) fn new(deployment: &'a Deployment) -> Self {
        let psks = vec![deployment.psk.clone()];
        Self { deployment, limits: Limits::default(), psks, journal: Memory::default() }
    }

    pub(crate) fn start(&self, seed: u8, time: Time) -> Hub {
        let gate = GateConfig {
            psks: self.psks.clone(),
            key: self.deployment.server.clone(),
            users: users(&[(&self.deployment.user, "laptop")]),
            replay: self.journal.replay(time.wall_ns),
            journal: Box::new(self.journal.clone()),
        };
        Hub::server(HubConfig { limits: self.limits.clone(), aes: true, seed: [seed; 32] }, gate, time)
    }
}

/// Everything that a hub sends now.
pub(crate) fn sent(hub: &mut Hub, time: Time) -> Vec<Sent> {
    let (mut buffer, mut all) = (Vec::new(), Vec::new());
    while let Some(transmit) = hub.poll_transmit(time, BATCH_PACKETS, &mut buffer) {
        all.extend(buffer.chunks(transmit.segment).map(|datagram| (transmit.path, datagram.to_vec())));
    }
    all
}

/// Hands datagrams to a hub as if they came over one path.
pub(crate) fn deliver(hub: &mut Hub, time: Time, path: Path, datagrams: &[Sent]) {
    for (_, datagram) in datagrams {
        hub.handle(time, path, BytesMut::from(&datagram[..]));
    }
}

pub(crate) fn events(hub: &mut Hub) -> Vec<(LinkId, Event)> {
    std::iter::from_fn(|| hub.poll_event()).collect()
}

/// A client's hub, a server's, and the time of both.
pub(crate) struct Pair {
    pub(crate) time: Time,
    pub(crate) client: Hub,
    pub(crate) server: Hub,
    /// Every datagram of the client's, from the first.
    pub(crate) recorded: Vec<Sent>,
}

impl Pair {
    pub(crate) fn new(deployment: &Deployment) -> Self {
        Self::with(&ServerOf::new(deployment))
    }

    pub(crate) fn with(server: &ServerOf<'_>) -> Self {
        let time = begin();
        Self { time, client: client(8, time), server: server.start(9, time), recorded: Vec::new() }
    }

    /// A pair whose link has come up.
    pub(crate) fn up(deployment: &Deployment) -> (Self, LinkId) {
        let mut pair = Self::new(deployment);
        let link = pair.dial(deployment, 0);
        pair.exchange();
        assert_eq!(pair.server.ids().len(), 1);
        (pair, link)
    }

    pub(crate) fn dial(&mut self, deployment: &Deployment, member: u16) -> LinkId {
        let patience = Duration::from_secs(10);
        self.client.dial(self.time, deployment.client_keys(), server_path(), member, patience).expect("room for a link")
    }

    /// Carries datagrams both ways until nobody has more to say.
    pub(crate) fn exchange(&mut self) {
        loop {
            let up = sent(&mut self.client, self.time);
            self.recorded.extend(up.iter().cloned());
            deliver(&mut self.server, self.time, client_path(), &up);
            let down = sent(&mut self.server, self.time);
            deliver(&mut self.client, self.time, server_path(), &down);
            if up.is_empty() && down.is_empty() {
                break;
            }
        }
    }

    /// Lets time pass, timers fire and datagrams go.
    pub(crate) fn pass(&mut self, by: Duration) {
        let end = later(self.time, by);
        loop {
            let next = self.client.poll_timeout().into_iter().chain(self.server.poll_timeout()).min();
            let Some(at) = next.filter(|at| *at <= end.now) else { break };
            self.time = later(self.time, at.saturating_duration_since(self.time.now));
            self.client.handle_timeout(self.time);
            self.server.handle_timeout(self.time);
            self.exchange();
        }
        self.time = end;
    }

    /// Whether a probe of the client's comes back.
    pub(crate) fn alive(&mut self, link: LinkId) -> bool {
        events(&mut self.client);
        self.client.probe(self.time, link);
        self.exchange();
        let echoed = |event: &Event| matches!(event, Event::Link(ginnel_proto::link::Event::Echoed(_)));
        events(&mut self.client).iter().any(|(id, event)| *id == link && echoed(event))
    }
}
