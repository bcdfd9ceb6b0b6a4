//! Wires between clients and one server: addresses, events in order of time, and who listens in.

use crate::conditions::Conditions;
use crate::pipe::{Counters, Pipe, Tally};
use bytes::{Bytes, BytesMut};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

/// Datagrams kept by a recorder; later ones are not.
const RECORD_MAX: usize = 100_000;

/// Datagrams under way at once; more than this is a machine that has gone mad.
const UNDER_WAY_MAX: usize = 1_000_000;

/// Names one client's wire to the server.
pub type Wire = usize;

/// One way along a wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the client.
    ToServer,
    /// To the client.
    ToClient,
}

/// What happens to a wire at a time of the schedule.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Change {
    /// Both directions get these conditions.
    Conditions(Conditions),
    /// One direction gets these conditions.
    OneWay(Direction, Conditions),
    /// Nothing passes in either direction for so long.
    BlackOut(Duration),
    /// The server sees the client at another address; the old one is dead.
    Address(SocketAddr),
}

/// Where a datagram has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum To {
    /// At the server, at this address of its.
    Server(SocketAddr),
    /// At the client of this wire.
    Client(Wire),
}

/// A datagram that has arrived.
#[derive(Debug)]
pub struct Arrival {
    /// Where.
    pub to: To,
    /// Its source address.
    pub from: SocketAddr,
    /// Its payload.
    pub datagram: BytesMut,
}

struct Flight {
    at: Duration,
    /// Among those of one time, the order of sending.
    order: u64,
    wire: Option<Wire>,
    from: SocketAddr,
    to: SocketAddr,
    datagram: BytesMut,
}

/// Somebody near a client who sees what it sends, and sends copies from an own address that
/// arrive just before the originals.
struct Observer {
    address: SocketAddr,
    share: f64,
    sent: Tally,
}

struct Ends {
    public: SocketAddr,
    to_server: Pipe,
    to_client: Pipe,
    observer: Option<Observer>,
    record: Option<Vec<Bytes>>,
}

/// All wires to one server.
pub struct Network {
    rng: StdRng,
    server: SocketAddr,
    wires: Vec<Ends>,
    /// Every address that a wire has or had.
    owners: BTreeMap<SocketAddr, Wire>,
    /// Datagrams of the server for addresses that never belonged to a client.
    strays: BTreeMap<SocketAddr, Tally>,
    flights: BinaryHeap<Reverse<Flight>>,
    schedule: BTreeMap<(Duration, u64), (Wire, Change)>,
    order: u64,
    /// Ports of the server through which nothing passes, either way.
    blocked: BTreeSet<u16>,
}

impl Network {
    /// A network of no wires yet.
    pub fn new(server: SocketAddr, seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            server,
            wires: Vec::new(),
            owners: BTreeMap::new(),
            strays: BTreeMap::new(),
            flights: BinaryHeap::new(),
            schedule: BTreeMap::new(),
            order: 0,
            blocked: BTreeSet::new(),
        }
    }

    /// The server's address.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// From now on nothing passes through this port of the server, or everything does again.
    pub fn block(&mut self, port: u16, blocked: bool) {
        if blocked {
            self.blocked.insert(port);
        } else {
            self.blocked.remove(&port);
        }
    }

    /// Adds a client, which the server sees at `public`.
    pub fn add_wire(&mut self, public: SocketAddr, to_server: Conditions, to_client: Conditions) -> Wire {
        let wire = self.wires.len();
        self.owners.insert(public, wire);
        self.wires.push(Ends {
            public,
            to_server: Pipe::new(to_server),
            to_client: Pipe::new(to_client),
            observer: None,
            record: None,
        });
        wire
    }

    /// Has something happen to a wire at a later time.
    pub fn schedule(&mut self, at: Duration, wire: Wire, change: Change) {
        self.order += 1;
        self.schedule.insert((at, self.order), (wire, change));
    }

    /// Has something happen to a wire now.
    pub fn change(&mut self, now: Duration, wire: Wire, change: Change) {
        let ends = &mut self.wires[wire];
        match change {
            Change::Conditions(conditions) => {
                ends.to_server.change(conditions);
                ends.to_client.change(conditions);
            }
            Change::OneWay(Direction::ToServer, conditions) => ends.to_server.change(conditions),
            Change::OneWay(Direction::ToClient, conditions) => ends.to_client.change(conditions),
            Change::BlackOut(length) => {
                ends.to_server.black_out(now.saturating_add(length));
                ends.to_client.black_out(now.saturating_add(length));
            }
            Change::Address(public) => {
                ends.public = public;
                self.owners.insert(public, wire);
            }
        }
    }

    /// Lets somebody race copies of a share of the client's datagrams from `address`.
    pub fn observe(&mut self, wire: Wire, address: SocketAddr, share: f64) {
        self.wires[wire].observer = Some(Observer { address, share, sent: Tally::default() });
    }

    /// What the observer of a wire has sent to the server.
    pub fn observer_sent(&self, wire: Wire) -> Tally {
        self.wires[wire].observer.as_ref().map(|observer| observer.sent).unwrap_or_default()
    }

    /// What the server has sent to an address that never belonged to a client.
    pub fn strayed(&self, address: SocketAddr) -> Tally {
        self.strays.get(&address).copied().unwrap_or_default()
    }

    /// Keeps a copy of everything that the client sends from now on, lost or not.
    pub fn record(&mut self, wire: Wire) {
        self.wires[wire].record = Some(Vec::new());
    }

    /// Ends a recording.
    pub fn recorded(&mut self, wire: Wire) -> Vec<Bytes> {
        self.wires[wire].record.take().unwrap_or_default()
    }

    /// The client's address, as the server sees it.
    pub fn public(&self, wire: Wire) -> SocketAddr {
        self.wires[wire].public
    }

    /// What became of the datagrams of one direction.
    pub fn counters(&self, wire: Wire, direction: Direction) -> Counters {
        match direction {
            Direction::ToServer => self.wires[wire].to_server.counters,
            Direction::ToClient => self.wires[wire].to_client.counters,
        }
    }

    /// Datagrams that have been sent and have not arrived.
    pub fn under_way(&self) -> usize {
        self.flights.len()
    }

    /// A client sends a batch of datagrams, each of `segment` bytes but the last, to a port of the
    /// server.
    pub fn send_to_server(&mut self, now: Duration, wire: Wire, port: u16, segment: usize, batch: &[u8]) {
        if self.blocked.contains(&port) {
            return;
        }
        let ends = &mut self.wires[wire];
        let (server, headers) = (SocketAddr::new(self.server.ip(), port), headers(self.server));
        // One allocation a batch: its datagrams share it.
        let mut batch = BytesMut::from(batch);
        while !batch.is_empty() {
            let datagram = batch.split_to(segment.min(batch.len()));
            if let Some(record) = ends.record.as_mut().filter(|record| record.len() < RECORD_MAX) {
                record.push(Bytes::copy_from_slice(&datagram));
            }
            let arrival = ends.to_server.admit(now, datagram.len(), headers, &mut self.rng);
            let mut fly = |at, from, datagram| {
                self.order += 1;
                let flight = Flight { at, order: self.order, wire: Some(wire), from, to: server, datagram };
                self.flights.push(Reverse(flight));
            };
            if let Some(observer) = &mut ends.observer
                && self.rng.random_bool(observer.share)
            {
                observer.sent.count(datagram.len());
                let at = arrival.unwrap_or(now + ends.to_server.conditions().delay);
                fly(at, observer.address, datagram.clone());
            }
            let Some(arrival) = arrival else { continue };
            if let Some(again) = ends.to_server.duplicate(arrival, &mut self.rng) {
                fly(again, ends.public, datagram.clone());
            }
            fly(arrival, ends.public, datagram);
        }
        assert!(self.flights.len() < UNDER_WAY_MAX, "{UNDER_WAY_MAX} datagrams under way at {now:?}");
    }

    /// The server sends a batch of datagrams to an address, from one of its ports.
    pub fn send_to_client(&mut self, now: Duration, port: u16, to: SocketAddr, segment: usize, batch: &[u8]) {
        if self.blocked.contains(&port) {
            return;
        }
        let Some(&wire) = self.owners.get(&to) else {
            let stray = self.strays.entry(to).or_default();
            batch.chunks(segment).for_each(|datagram| stray.count(datagram.len()));
            return;
        };
        let pipe = &mut self.wires[wire].to_client;
        let (from, headers) = (SocketAddr::new(self.server.ip(), port), headers(self.server));
        let mut batch = BytesMut::from(batch);
        while !batch.is_empty() {
            let datagram = batch.split_to(segment.min(batch.len()));
            let Some(arrival) = pipe.admit(now, datagram.len(), headers, &mut self.rng) else { continue };
            let mut fly = |at, datagram| {
                self.order += 1;
                self.flights.push(Reverse(Flight { at, order: self.order, wire: Some(wire), from, to, datagram }));
            };
            if let Some(again) = pipe.duplicate(arrival, &mut self.rng) {
                fly(again, datagram.clone());
            }
            fly(arrival, datagram);
        }
        assert!(self.flights.len() < UNDER_WAY_MAX, "{UNDER_WAY_MAX} datagrams under way at {now:?}");
    }

    /// Sends a datagram to the server from any address, over no wire: it arrives at once.
    pub fn inject(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) {
        self.order += 1;
        let datagram = BytesMut::from(datagram);
        self.flights.push(Reverse(Flight { at: now, order: self.order, wire: None, from, to: self.server, datagram }));
    }

    /// When something happens next: an arrival, or a change of the schedule.
    pub fn next(&self) -> Option<Duration> {
        let arrival = self.flights.peek().map(|Reverse(flight)| flight.at);
        let change = self.schedule.keys().next().map(|(at, _)| *at);
        arrival.into_iter().chain(change).min()
    }

    /// Changes what is due on the schedule, and hands out the next datagram that has arrived.
    pub fn arrive(&mut self, now: Duration) -> Option<Arrival> {
        while let Some(entry) = self.schedule.first_entry().filter(|entry| entry.key().0 <= now) {
            let (wire, change) = entry.remove();
            self.change(now, wire, change);
        }
        while self.flights.peek().is_some_and(|Reverse(flight)| flight.at <= now) {
            let Reverse(Flight { wire, from, to, datagram, .. }) = self.flights.pop()?;
            if to.ip() == self.server.ip() {
                if let Some(wire) = wire.filter(|wire| self.wires[*wire].public == from) {
                    self.wires[wire].to_server.counters.delivered.count(datagram.len());
                }
                return Some(Arrival { to: To::Server(to), from, datagram });
            }
            let Some(wire) = wire else { continue };
            let ends = &mut self.wires[wire];
            if ends.public == to {
                ends.to_client.counters.delivered.count(datagram.len());
                return Some(Arrival { to: To::Client(wire), from, datagram });
            }
            ends.to_client.counters.dead += 1;
        }
        None
    }
}

/// Bytes of IP and UDP headers in front of a payload (RFC 791, RFC 8200, RFC 768).
fn headers(address: SocketAddr) -> usize {
    if address.is_ipv4() { 28 } else { 48 }
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Flight {}
