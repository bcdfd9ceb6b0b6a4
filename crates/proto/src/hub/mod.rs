//! All links of one end, and the way in for new ones: what a driver needs beside a carrier.
//!
//! A client's hub dials ([`Hub::dial`]); a server's hub has a [`gate`] that answers handshakes. A
//! datagram is first looked at as data of a link, found by the session id in its header block,
//! never by its address; what is not data may be a handshake; what is neither is dropped and
//! counted. Links that have work are in a queue, and those that wait are in order of time: no packet
//! of a link at a server visits all links. What does: a new link, to count those of its user; a new
//! table of users; a shutdown; and a client, which tries its few links in turn.

mod dial;
mod entrance;
pub mod gate;
mod prefixes;
mod room;
mod table;
mod upkeep;

use crate::carrier::CarrierKind;
use crate::envelope::data::OpenError;
use crate::envelope::header::{Header, HeaderKey};
use crate::envelope::hello::{LinkIdentity, SessionKind};
use crate::envelope::key_log::LoggedKeys;
use crate::envelope::keys::PublicKey;
use crate::limits::Limits;
use crate::link::{self, Link, Path, Side, Transmit};
use crate::session::Session;
use crate::session::sessions::Sessions;
use bytes::BytesMut;
use dial::{Dial, Held, ServerClock};
pub use entrance::HeldDial;
use gate::Gate;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustc_hash::FxHashMap;
use slab::Slab;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time, as a machine may know it: one clock that only goes forward, and one that people set.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// Monotonic.
    pub now: Instant,
    /// Nanoseconds since 1970.
    pub wall_ns: u64,
}

/// Names one link of a hub; a slot that is used again has another generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LinkId {
    slot: u32,
    generation: u32,
}

/// Slot and generation, as logs and events name a link: `3-1`.
impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.slot, self.generation)
    }
}

/// What a hub has to tell of a link.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A link is up. On a server this is its first event.
    Up {
        /// Where the peer is.
        path: Path,
        /// On a client: how long the handshake took.
        rtt: Option<Duration>,
        /// On a server: whose link it is.
        user: Option<Arc<str>>,
        /// The session inside.
        kind: SessionKind,
        /// On a client: how far this machine's clock is ahead of the server's, seconds.
        clock_ahead: Option<f64>,
    },
    /// A handshake of [`Hub::dial_held`] has been answered, and waits to be confirmed.
    Answered {
        /// How long the handshake took.
        rtt: Duration,
    },
    /// Nobody has answered in time, or the answer was not taken up in time. The link's last event.
    NoAnswer,
    /// Something of a living link.
    Link(link::Event),
}

/// How much a hub holds, by table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tables {
    /// Links, up or being dialled.
    pub links: usize,
    /// Session ids in use.
    pub sessions: usize,
    /// Identities of living links, on a server.
    pub identities: usize,
    /// Links that wait for a time.
    pub timers: usize,
    /// Links that have work.
    pub ready: usize,
    /// Events that nobody has taken yet.
    pub events: usize,
    /// Handshakes waiting to be sent.
    pub handshakes: usize,
    /// Handshakes answered and not confirmed, on a server.
    pub half_open: usize,
    /// Handshakes remembered against replay, on a server.
    pub remembered: usize,
    /// Source prefixes remembered, on a server.
    pub prefixes: usize,
}

/// What a datagram turned out to be.
#[derive(Debug)]
pub enum Heard {
    /// Authentic, and never seen before: data of a link.
    Ours,
    /// Meant for a link, but forged, or seen before. It is dropped and counted.
    Dropped,
    /// No data. It comes back.
    Stranger(BytesMut),
}

/// Datagrams that were dropped, by cause, since the hub began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drops {
    /// Neither data of a link nor a handshake of ours.
    pub not_ours: u64,
    /// Data that was seen before or came too late.
    pub replayed: u64,
    /// Data that fails authentication.
    pub forged: u64,
    /// Confirmations of new links for which there was no place any more.
    pub no_room: u64,
    /// Handshakes, by the step that refused them.
    pub handshakes: gate::Refusals,
}

enum State {
    Dialing(Box<Dial>),
    Held(Box<Held>),
    Living(Box<Living>),
}

struct Living {
    link: Link,
    kind: SessionKind,
    /// On a client: the key of the headers that come to this link.
    header: Option<HeaderKey>,
    /// On a server: whose link it is, and which of the user's.
    owner: Option<(PublicKey, LinkIdentity, u32)>,
    /// On a server: under which of the deployment's secrets the client sends its headers.
    secret: gate::SecretNumber,
}

struct Entry {
    generation: u32,
    session: u32,
    timer: Option<Instant>,
    dirty: bool,
    state: State,
}

enum Role {
    Client {
        instance: [u8; 16],
        epoch: u32,
        clocks: FxHashMap<PublicKey, ServerClock>,
        /// When a handshake last went to which address. Bounded.
        pairs: FxHashMap<SocketAddr, Instant>,
    },
    Server {
        gate: Box<Gate>,
        identities: FxHashMap<(PublicKey, LinkIdentity), usize>,
    },
}

/// All links of one end.
pub struct Hub {
    limits: Limits,
    sessions: Sessions,
    aes: bool,
    rng: StdRng,
    role: Role,
    entries: Slab<Entry>,
    generation: u32,
    by_session: FxHashMap<u32, usize>,
    timers: BTreeSet<(Instant, usize)>,
    dirty: VecDeque<usize>,
    events: VecDeque<(LinkId, Event)>,
    handshakes: VecDeque<(Path, Vec<u8>)>,
    drops: Drops,
    /// Keys to be written down; there only while that is asked for. Where [`KEYS_WAITING`](crate::limits::KEYS_WAITING)
    /// of them wait, further ones wait in their links.
    logged_keys: Option<VecDeque<LoggedKeys>>,
}

/// What both kinds of hub are made of.
pub struct HubConfig {
    /// Every limit.
    pub limits: Limits,
    /// The machine has AES in hardware.
    pub aes: bool,
    /// Where all randomness of the hub comes from; 32 bytes from the system's generator.
    pub seed: [u8; 32],
}

impl Hub {
    /// A hub that dials.
    pub fn client(config: HubConfig, time: Time) -> Self {
        let mut hub = Self::new(config, time, |rng| Role::Client {
            instance: rng.random(),
            epoch: 0,
            clocks: FxHashMap::default(),
            pairs: FxHashMap::default(),
        });
        hub.limits.links = hub.limits.links.min(usize::from(u16::MAX));
        hub
    }

    /// A hub that answers.
    pub fn server(config: HubConfig, gate: gate::GateConfig, time: Time) -> Self {
        let limits = config.limits.clone();
        let gate = Box::new(Gate::new(gate, &limits, config.aes, time));
        Self::new(config, time, |_| Role::Server { gate, identities: FxHashMap::default() })
    }

    fn new(config: HubConfig, time: Time, role: impl FnOnce(&mut StdRng) -> Role) -> Self {
        let mut rng = StdRng::from_seed(config.seed);
        Self {
            sessions: Sessions::new(&config.limits, time.now, &mut rng),
            limits: config.limits,
            aes: config.aes,
            role: role(&mut rng),
            rng,
            entries: Slab::new(),
            generation: 0,
            by_session: FxHashMap::default(),
            timers: BTreeSet::new(),
            dirty: VecDeque::new(),
            events: VecDeque::new(),
            handshakes: VecDeque::new(),
            drops: Drops::default(),
            logged_keys: None,
        }
    }

    /// Takes in one datagram from the carrier.
    pub fn handle(&mut self, time: Time, path: Path, datagram: BytesMut) {
        if let Heard::Stranger(stranger) = self.handle_known(time, path, datagram) {
            self.handle_stranger(time, path, &stranger);
        }
    }

    /// Takes in one datagram from the carrier, if it is data of a link or the first data of a half-open handshake. What
    /// is neither comes back, after one AES block and a look-up a secret: [`handle_stranger`](Self::handle_stranger)
    /// costs a hundred times that, and is for when there is time.
    pub fn handle_known(&mut self, time: Time, path: Path, datagram: BytesMut) -> Heard {
        let path = self.local(path);
        let ours = match self.find(&datagram) {
            Some((Found::Link(slot), header)) => self.handle_data(time, path, slot, &header, datagram),
            Some((Found::Pending, header)) => self.confirm(time, path, &header, datagram),
            None => return Heard::Stranger(datagram),
        };
        if ours { Heard::Ours } else { Heard::Dropped }
    }

    /// Takes in one datagram that [`handle_known`](Self::handle_known) gave back: a handshake, perhaps. Whether it was
    /// one of ours, and taken.
    pub fn handle_stranger(&mut self, time: Time, path: Path, datagram: &[u8]) -> bool {
        self.handle_handshake(time, self.local(path), datagram)
    }

    fn local(&self, path: Path) -> Path {
        match self.role {
            // The system knows best which address of ours leads to the server now.
            Role::Client { .. } => Path { local: None, ..path },
            Role::Server { .. } => path,
        }
    }

    fn find(&self, datagram: &[u8]) -> Option<(Found, Header)> {
        match &self.role {
            Role::Server { gate, .. } => gate.headers(datagram).find_map(|header| {
                if let Some(&slot) = self.by_session.get(&header.session) {
                    return Some((Found::Link(slot), header));
                }
                gate.is_pending(header.session).then_some((Found::Pending, header))
            }),
            Role::Client { .. } => self.entries.iter().find_map(|(slot, entry)| {
                let State::Living(living) = &entry.state else { return None };
                let header = living.header.as_ref()?.open(datagram)?;
                (header.session == entry.session).then_some((Found::Link(slot), header))
            }),
        }
    }

    /// Whether it was authentic, and new.
    fn handle_data(&mut self, time: Time, path: Path, slot: usize, header: &Header, datagram: BytesMut) -> bool {
        let State::Living(living) = &mut self.entries[slot].state else { return false };
        let outcome = living.link.handle(time.now, path, header, datagram, &mut self.rng);
        match outcome {
            Ok(()) => self.touch(slot),
            Err(OpenError::Replayed) => self.drops.replayed += 1,
            Err(OpenError::Forged | OpenError::Malformed) => self.drops.forged += 1,
        }
        outcome.is_ok()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let gate = match &self.role {
            Role::Server { gate, .. } => gate.poll_timeout(),
            Role::Client { .. } => None,
        };
        self.timers.first().map(|(at, _)| *at).into_iter().chain(gate).min()
    }

    /// Takes note that the time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, time: Time) {
        while let Some(&(at, slot)) = self.timers.first() {
            if at > time.now {
                break;
            }
            self.timers.pop_first();
            let entry = &mut self.entries[slot];
            entry.timer = None;
            match &mut entry.state {
                State::Dialing(_) => self.attempt(time, slot),
                State::Held(_) => self.drop_held(slot),
                State::Living(living) => {
                    living.link.handle_timeout(time.now, &mut self.rng);
                    self.touch(slot);
                }
            }
        }
        if let Role::Server { gate, .. } = &mut self.role {
            gate.expire(time.now);
        }
    }

    /// Fills `out` with a batch of at most `packets_max` datagrams for one path. `None`: nothing to send now. Links
    /// take turns, a batch each.
    pub fn poll_transmit(&mut self, time: Time, packets_max: usize, out: &mut Vec<u8>) -> Option<Transmit> {
        out.clear();
        if let Some((path, datagram)) = self.handshakes.pop_front() {
            out.extend_from_slice(&datagram);
            return Some(Transmit { path, segment: out.len() });
        }
        while let Some(slot) = self.dirty.pop_front() {
            let entry = &mut self.entries[slot];
            let State::Living(living) = &mut entry.state else {
                entry.dirty = false;
                continue;
            };
            let transmit = living.link.poll_transmit(time.now, packets_max, out, &mut self.rng);
            self.collect(slot);
            if transmit.is_some() {
                self.dirty.push_back(slot);
                return transmit;
            }
            self.entries[slot].dirty = false;
            if self.living(slot).is_some_and(|living| living.link.is_done()) {
                self.remove(slot);
            } else {
                self.schedule(slot);
            }
        }
        None
    }

    /// The next thing that the hub has to tell.
    pub fn poll_event(&mut self) -> Option<(LinkId, Event)> {
        self.events.pop_front()
    }

    /// The streams of a link that is up. After using it, transmit and look for events.
    pub fn session(&mut self, id: LinkId) -> Option<&mut dyn Session> {
        let slot = self.slot(id)?;
        self.mark(slot);
        let link = &mut self.living(slot)?.link;
        if link.is_lost() { None } else { Some(link.session()) }
    }

    /// The kind of a link's session, for whoever tells people of it.
    pub fn session_kind(&self, id: LinkId) -> Option<SessionKind> {
        match &self.entries[self.slot(id)?].state {
            State::Living(living) => Some(living.kind),
            State::Dialing(_) | State::Held(_) => None,
        }
    }

    /// How a link's datagrams travel, for whoever tells people of it.
    pub fn carrier_kind(&self, id: LinkId) -> Option<CarrierKind> {
        self.link(id).map(|link| link.path().carrier)
    }

    /// The link itself, to look at.
    pub fn link(&self, id: LinkId) -> Option<&Link> {
        match &self.entries[self.slot(id)?].state {
            State::Living(living) => Some(&living.link),
            State::Dialing(_) | State::Held(_) => None,
        }
    }

    /// Measures a link's round-trip time: [`link::Event::Echoed`].
    pub fn probe(&mut self, time: Time, id: LinkId) {
        let Some(slot) = self.slot(id) else { return };
        if let State::Living(living) = &mut self.entries[slot].state {
            living.link.probe(time.now, &mut self.rng);
        }
        self.touch(slot);
    }

    /// Ends a link, or a dial; the peer is told with a code of
    /// [`close`](crate::envelope::control::close).
    pub fn close(&mut self, time: Time, id: LinkId, code: u8) {
        if let Some(slot) = self.slot(id) {
            self.close_slot(time, slot, code);
        }
    }

    /// Which end of its links this is.
    pub fn side(&self) -> Side {
        match self.role {
            Role::Client { .. } => Side::Client,
            Role::Server { .. } => Side::Server,
        }
    }

    /// Every link of this hub, up or being dialled.
    pub fn ids(&self) -> Vec<LinkId> {
        self.entries.iter().map(|(slot, _)| self.id(slot)).collect()
    }

    /// What was dropped so far.
    pub fn drops(&self) -> Drops {
        let mut drops = self.drops;
        if let Role::Server { gate, .. } = &self.role {
            drops.handshakes = gate.refusals();
        }
        drops
    }

    /// Streams of all links whose data has not all been acknowledged. Visits every link: for a
    /// shutdown that waits.
    pub fn undelivered(&mut self) -> usize {
        let links = self.entries.iter_mut().filter_map(|(_, entry)| match &mut entry.state {
            State::Living(living) if !living.link.is_lost() => Some(living.link.session().undelivered()),
            _ => None,
        });
        links.sum()
    }

    /// A server's handshakes that wait to be confirmed.
    pub fn half_open(&self) -> usize {
        match &self.role {
            Role::Server { gate, .. } => gate.pending_len(),
            Role::Client { .. } => 0,
        }
    }

    fn close_slot(&mut self, time: Time, slot: usize, code: u8) {
        match &mut self.entries[slot].state {
            State::Dialing(_) | State::Held(_) => self.remove(slot),
            State::Living(living) => {
                living.link.close(time.now, code);
                self.touch(slot);
            }
        }
    }
}

enum Found {
    Link(usize),
    Pending,
}

impl Entry {
    fn epoch(&self) -> Option<u32> {
        match &self.state {
            State::Living(living) => living.owner.map(|(_, _, epoch)| epoch),
            State::Dialing(_) | State::Held(_) => None,
        }
    }
}
