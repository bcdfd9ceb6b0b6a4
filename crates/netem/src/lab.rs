//! A server, its clients and the network between them, moved from one event to the next.

use crate::conditions::Conditions;
use crate::flow::{Flow, Service};
use crate::journal::MemoryJournal;
use crate::network::{Change, Direction, Network, To, Wire};
use crate::node::Node;
use crate::pipe::Counters;
use crate::sessions::Case;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::envelope::hello::SessionKind;
use ginnel_proto::envelope::keys::{PrivateKey, Psk};
use ginnel_proto::envelope::replay::ReplayCache;
use ginnel_proto::hub::gate::{GateConfig, Users};
use ginnel_proto::hub::{Hub, HubConfig, LinkId};
use ginnel_proto::keeper::Candidate;
use ginnel_proto::keeper::pool::Pool;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::{BATCH_PACKETS, Path};
use ginnel_proto::ports::Ports;
use ginnel_proto::session::StreamId;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Users whom the server knows at first, numbered from 0.
pub const USERS: u8 = 16;

/// Events at one instant before the machines are taken to spin.
const SPIN_MAX: u32 = 100_000;

/// Datagrams handed over before the machines get to answer, as the engine's driver does it. An
/// acknowledgement has room for a few dozen gaps: more datagrams at once, and it would leave some out.
const ARRIVALS_AT_ONCE: usize = 256;

/// What a lab begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where all chance comes from.
    pub seed: u64,
    /// The first client's wire, towards the server; also that of clients added later.
    pub to_server: Conditions,
    /// The same, towards the client.
    pub to_client: Conditions,
    /// IPv6 addresses instead of IPv4.
    pub ipv6: bool,
    /// Limits of every hub, but for their session.
    pub limits: Limits,
    /// The session of every link.
    pub session: SessionKind,
    /// What the server does with streams.
    pub service: Service,
    /// The ports that clients may use of the server; `None`: one.
    pub ports: Option<Ports>,
}

impl Setup {
    /// A good network, IPv4, default limits, QUIC, and a server that echoes.
    pub fn new(seed: u64) -> Self {
        let (to_server, to_client) = (Conditions::default(), Conditions::default());
        let (limits, session, service) = (Limits::default(), SessionKind::Quic, Service::Echo);
        Self { seed, to_server, to_client, ipv6: false, limits, session, service, ports: None }
    }

    /// The same with the seed and the session of a case.
    pub fn of(case: Case) -> Self {
        Self { session: case.session, ..Self::new(case.seed) }
    }

    /// The same conditions both ways.
    pub fn conditions(self, conditions: Conditions) -> Self {
        Self { to_server: conditions, to_client: conditions, ..self }
    }

    /// What a hub is told: the limits, and the session that its links shall have.
    fn limits(&self) -> Limits {
        Limits { session: self.session, ..self.limits.clone() }
    }
}

/// A server and at least one client, in virtual time.
pub struct Lab {
    /// The wires. Wire `n` belongs to client `n`.
    pub network: Network,
    /// The server.
    pub server: Node,
    /// The clients; the first is there from the start.
    pub clients: Vec<Node>,
    /// Where the server writes down the handshakes that it accepts.
    pub journal: MemoryJournal,
    users: Vec<u8>,
    setup: Setup,
    rng: StdRng,
    start: Instant,
    now: Duration,
    buffer: Vec<u8>,
}

impl Lab {
    /// A server, and one client that has not dialled yet.
    pub fn new(setup: Setup) -> Self {
        let mut rng = StdRng::seed_from_u64(setup.seed);
        let (start, now, journal) = (Instant::now(), Duration::ZERO, MemoryJournal::default());
        let config = HubConfig { limits: setup.limits(), aes: true, seed: rng.random() };
        let server = Node::new(start, now, setup.service, |time| {
            Hub::server(config, gate(ReplayCache::default(), &journal), time)
        });
        let address = SocketAddr::new(host(setup.ipv6, 1), 5000);
        let network = Network::new(address, rng.random());
        let (clients, users, buffer) = (Vec::new(), Vec::new(), Vec::new());
        let mut lab = Self { network, server, clients, journal, users, setup, rng, start, now, buffer };
        lab.add_client(0);
        lab
    }

    /// Adds a client with the key of one user; those from [`USERS`] on are unknown to the server.
    pub fn add_client(&mut self, user: u8) -> Wire {
        let config = HubConfig { limits: self.setup.limits(), aes: true, seed: self.rng.random() };
        let node = Node::new(self.start, self.now, self.setup.service, |time| Hub::client(config, time));
        self.clients.push(node);
        self.users.push(user);
        let public = self.address(10 + self.clients.len() as u16, 40_000);
        self.network.add_wire(public, self.setup.to_server, self.setup.to_client)
    }

    /// Virtual time since the start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// An address of this lab's family; hosts from 10 on belong to clients.
    pub fn address(&self, number: u16, port: u16) -> SocketAddr {
        SocketAddr::new(host(self.setup.ipv6, number), port)
    }

    /// What became of the first client's datagrams, towards the server and back.
    pub fn counters(&self) -> (Counters, Counters) {
        (self.network.counters(0, Direction::ToServer), self.network.counters(0, Direction::ToClient))
    }

    /// Has something happen to the first client's wire, `after` from now.
    pub fn later(&mut self, after: Duration, change: Change) {
        self.network.schedule(self.now + after, 0, change);
    }

    /// Has something happen to the first client's wire now.
    pub fn change(&mut self, change: Change) {
        self.network.change(self.now, 0, change);
    }

    /// A client begins a link.
    pub fn dial(&mut self, client: Wire, member: u16, patience: Duration) -> LinkId {
        let keys = keys_of(self.users[client]);
        let path = Path::udp(self.network.server(), None);
        let node = &mut self.clients[client];
        let time = node.time(self.now);
        node.hub.dial(time, keys, path, member, patience).expect("room for one more link")
    }

    /// A client begins a link on member 0, and it comes up. Returns the client's id of it.
    pub fn connect(&mut self, client: Wire) -> LinkId {
        let link = self.dial(client, 0, Duration::from_secs(30));
        self.must("the link comes up", Duration::from_secs(30), |lab| lab.clients[client].is_up(link));
        link
    }

    /// A client keeps a link from now on, over `lab.clients[client].addresses` in their order.
    pub fn keep(&mut self, client: Wire) {
        self.keep_pool(client, 1);
    }

    /// A client keeps so many links from now on.
    pub fn keep_pool(&mut self, client: Wire, links: u16) {
        let (keys, seed) = (keys_of(self.users[client]), self.rng.random());
        let server = self.network.server();
        let node = &mut self.clients[client];
        if node.addresses.is_empty() {
            node.addresses.push(server);
        }
        let candidate = Candidate { carrier: CarrierKind::Udp, keys, ports: self.setup.ports.clone() };
        node.pool = Some(Pool::new(node.time(self.now).now, links, &[candidate], seed));
    }

    /// The server's process is killed: it says nothing more, and hears nothing.
    pub fn kill_server(&mut self) {
        self.server.stop();
    }

    /// Somebody waits for a client's link, or nobody does any more.
    pub fn want(&mut self, client: Wire, wanted: bool) {
        let node = &mut self.clients[client];
        let time = node.time(self.now);
        if let Some(pool) = &mut node.pool {
            pool.want(time, &mut node.hub, wanted);
        }
    }

    /// A client's process is killed, and another with the same keys and address begins. It keeps one link if that one
    /// kept any.
    pub fn restart_client(&mut self, client: Wire) {
        let config = HubConfig { limits: self.setup.limits(), aes: true, seed: self.rng.random() };
        let node = Node::new(self.start, self.now, self.setup.service, |time| Hub::client(config, time));
        let old = std::mem::replace(&mut self.clients[client], node);
        self.clients[client].addresses = old.addresses;
        if old.pool.is_some() {
            self.keep(client);
        }
    }

    /// Ends a client's link.
    pub fn close(&mut self, client: Wire, link: LinkId, code: u8) {
        let node = &mut self.clients[client];
        node.hub.close(node.time(self.now), link, code);
    }

    /// The first client opens a stream and sends `total` bytes; the server does its service.
    pub fn open(&mut self, link: LinkId, total: u64) -> StreamId {
        self.open_of(0, link, total)
    }

    /// The same of any client.
    pub fn open_of(&mut self, client: Wire, link: LinkId, total: u64) -> StreamId {
        let node = &mut self.clients[client];
        let session = node.hub.session(link).expect("the link is up");
        let id = session.open().expect("the server allows one more stream");
        let mut flow = Flow::client(id, total, self.server.service);
        flow.pump(session, id);
        node.flows.insert((link, id), flow);
        id
    }

    /// Whether every stream at both ends has carried everything and ended cleanly.
    pub fn all_done(&self) -> bool {
        self.nodes().all(|node| node.flows.values().all(Flow::is_done))
    }

    /// Replaces the server by a new one with the same keys, which knows nothing but `replay`.
    pub fn restart_server(&mut self, replay: ReplayCache) {
        let config = HubConfig { limits: self.setup.limits(), aes: true, seed: self.rng.random() };
        let gate = gate(replay, &self.journal);
        self.server = Node::new(self.start, self.now, self.setup.service, |time| Hub::server(config, gate, time));
    }

    /// Replaces the server's table of users.
    pub fn set_users(&mut self, users: Users) {
        self.server.hub.set_users(self.server.time(self.now), users);
    }

    /// Lets time pass until a condition holds. `false`: it did not within `patience`.
    pub fn run_until(&mut self, patience: Duration, mut condition: impl FnMut(&Self) -> bool) -> bool {
        let deadline = self.now + patience;
        let (mut instant, mut events) = (self.now, 0);
        loop {
            self.settle();
            if condition(self) {
                return true;
            }
            let Some(next) = self.next().filter(|next| *next <= deadline) else {
                self.now = deadline;
                return false;
            };
            self.now = next.max(self.now);
            events = if self.now == instant { events + 1 } else { 0 };
            instant = self.now;
            assert!(events < SPIN_MAX, "something spins at {instant:?}");
            self.step();
        }
    }

    /// Lets time pass until a condition holds, and panics if it does not.
    pub fn must(&mut self, what: &str, patience: Duration, condition: impl FnMut(&Self) -> bool) {
        let from = self.now;
        if self.run_until(patience, condition) {
            return;
        }
        let (up, down) = self.counters();
        let broken: Vec<&str> = self.nodes().flat_map(|node| node.flows.values().filter_map(Flow::broken)).collect();
        panic!(
            "not within {patience:?} of {from:?}: {what}\n  to the server {up:?}\n  to the client {down:?}\n  \
             client {:?}\n  server {:?} {:?}\n  broken {broken:?}",
            self.clients[0].events,
            self.server.events,
            self.server.hub.drops(),
        );
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.clients.iter().chain([&self.server])
    }

    fn next(&self) -> Option<Duration> {
        self.nodes().filter_map(Node::timeout).chain(self.network.next()).min()
    }

    /// Hands over what has arrived, and wakes whoever wants to be woken.
    fn step(&mut self) {
        for _ in 0..ARRIVALS_AT_ONCE {
            let Some(arrival) = self.network.arrive(self.now) else { break };
            let (node, local) = match arrival.to {
                To::Server(address) => (&mut self.server, Some(address)),
                To::Client(wire) => (&mut self.clients[wire], None),
            };
            let path = Path::udp(arrival.from, local);
            node.arrive(self.now, path, arrival.datagram);
        }
        for node in self.clients.iter_mut().chain([&mut self.server]) {
            node.wake(self.now);
        }
    }

    /// Drains every hub: events, and what they want to send.
    fn settle(&mut self) {
        let (now, buffer, network) = (self.now, &mut self.buffer, &mut self.network);
        for (wire, node) in self.clients.iter_mut().enumerate() {
            while drain(node, now, buffer, |path, segment, batch| {
                // Nobody is at any other address.
                if path.remote.ip() == network.server().ip() {
                    network.send_to_server(now, wire, path.remote.port(), segment, batch);
                }
            }) {}
        }
        while drain(&mut self.server, now, buffer, |path, segment, batch| {
            let port = path.local.unwrap_or(network.server()).port();
            network.send_to_client(now, port, path.remote, segment, batch);
        }) {}
    }
}

fn drain(node: &mut Node, now: Duration, buffer: &mut Vec<u8>, mut send: impl FnMut(Path, usize, &[u8])) -> bool {
    if node.is_stopped() {
        return false;
    }
    let mut moved = node.work(now);
    let time = node.time(now);
    while let Some(transmit) = node.hub.poll_transmit(time, BATCH_PACKETS, buffer) {
        moved = true;
        send(transmit.path, transmit.segment, buffer);
    }
    moved
}

/// The users whom the server knows at first.
pub fn users() -> Users {
    (0..USERS).map(|user| (user_key(user).public(), format!("user-{user}").into())).collect()
}

/// The keys with which a user dials the server.
pub fn keys_of(user: u8) -> ClientKeys {
    ClientKeys { psk: psk(), server: server_key().public(), user: user_key(user) }
}

fn gate(replay: ReplayCache, journal: &MemoryJournal) -> GateConfig {
    GateConfig { psks: vec![psk()], key: server_key(), users: users(), replay, journal: Box::new(journal.clone()) }
}

fn psk() -> Psk {
    Psk::new([1; 32])
}

fn server_key() -> PrivateKey {
    PrivateKey::new([2; 32])
}

fn user_key(user: u8) -> PrivateKey {
    PrivateKey::new([100 + user; 32])
}

fn host(ipv6: bool, number: u16) -> IpAddr {
    if ipv6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0, number, 0, 0, 0, 1).into()
    } else {
        let [high, low] = number.to_be_bytes();
        Ipv4Addr::new(198, 18, high, low).into()
    }
}
