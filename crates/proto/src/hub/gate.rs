//! A server's way in: who may begin a link, in an order that keeps strangers cheap and in the dark.
//!
//! length → outer AEAD → replay look-up → bucket of the source → Noise → user → time → room for
//! this link → replay insert and journal → answer. Whatever fails at any step gets no packet, only a count.

use super::Time;
use super::prefixes::Prefixes;
use crate::envelope::Version;
use crate::envelope::data::{Aead, Opener, Sealer};
use crate::envelope::handshake::{self, HandshakeError, Request};
use crate::envelope::header::{Header, HeaderKey};
use crate::envelope::hello::{LinkIdentity, SessionKind, Welcome};
use crate::envelope::key_log::LoggedKeys;
use crate::envelope::keys::{Chain, OuterKeys, PrivateKey, Psk, PublicKey};
use crate::envelope::replay::{Entry, Journal, ReplayCache, SKEW_NS};
use crate::limits::Limits;
use crate::limits::PENDING_PER_IDENTITY;
use crate::link::{Path, Side};
use crate::session::sessions::Sessions;
use bytes::BytesMut;
use rand::{CryptoRng, RngExt};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who may connect: public keys, and the names that go with them.
pub type Users = FxHashMap<PublicKey, Arc<str>>;

/// What a gate is made of.
pub struct GateConfig {
    /// The deployment's secrets: the current one, and the previous one while it is being changed.
    pub psks: Vec<Psk>,
    /// The server's own key.
    pub key: PrivateKey,
    /// Who may connect.
    pub users: Users,
    /// Handshakes that were accepted before the start.
    pub replay: ReplayCache,
    /// Where accepted handshakes are written down.
    pub journal: Box<dyn Journal>,
}

/// Handshakes that were refused, by step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Refusals {
    /// Under our outer key, but malformed or of another version.
    pub malformed: u64,
    /// A recorded handshake.
    pub replayed: u64,
    /// Too many from one source, or from strangers in all.
    pub limited: u64,
    /// Noise does not authenticate.
    pub forged: u64,
    /// The user is not known.
    pub unknown_user: u64,
    /// The client's clock is more than 120 s off.
    pub skewed: u64,
    /// There is no place for another link.
    pub full: u64,
    /// The user, or all of them together, have made as many handshakes lately as are remembered.
    pub often: u64,
    /// Accepted, but the journal could not be written.
    pub unjournaled: u64,
}

/// Why a datagram was not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Not a handshake of this deployment.
    NotOurs,
    /// One of [`Refusals`].
    Counted,
}

/// A handshake that has been answered and waits for its first data packet.
pub(super) struct Pending {
    pub(super) user: PublicKey,
    pub(super) name: Arc<str>,
    pub(super) identity: LinkIdentity,
    pub(super) epoch: u32,
    /// Where the handshake came from and its answer went.
    pub(super) path: Path,
    /// When it was answered.
    pub(super) since: Instant,
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
    /// What later keys follow from, in versions that have them.
    pub(super) chain: Option<Chain>,
    /// The keys, where keys are written down.
    pub(super) logged: Option<Box<LoggedKeys>>,
    /// Under which of the deployment's secrets the client sends its headers.
    pub(super) secret: SecretNumber,
    /// The session that the client asks for, and what it says of it.
    pub(super) kind: SessionKind,
    pub(super) params: Vec<u8>,
}

/// Names one of the deployment's secrets while a server runs.
pub(super) type SecretNumber = u32;

/// What a gate must know of the links that are.
pub(super) trait Links {
    /// Whether a session id is in use.
    fn is_taken(&self, session: u32) -> bool;
    /// Whether this link could be taken in: there is a place, or it would replace an older one.
    fn has_room_for(&self, user: &PublicKey, identity: &LinkIdentity, from: IpAddr) -> bool;
}

struct Outer {
    number: SecretNumber,
    psk: Psk,
    keys: OuterKeys,
    header: HeaderKey,
}

/// Replay cache, buckets and half-open table of one server.
pub struct Gate {
    outer: Vec<Outer>,
    /// How many secrets there have been since the start.
    secrets: SecretNumber,
    key: PrivateKey,
    users: Users,
    aes: bool,
    replay: ReplayCache,
    journal: Box<dyn Journal>,
    prefixes: Prefixes,
    pending: FxHashMap<u32, Pending>,
    /// In order of their making, so that the oldest goes first.
    pending_order: VecDeque<(Instant, u32)>,
    pending_max: usize,
    pending_time: Duration,
    refusals: Refusals,
    log_keys: bool,
}

impl Gate {
    pub(super) fn new(config: GateConfig, limits: &Limits, aes: bool, time: Time) -> Self {
        let mut gate = Self {
            outer: Vec::new(),
            secrets: 0,
            key: config.key,
            users: config.users,
            aes,
            replay: config.replay,
            journal: config.journal,
            prefixes: Prefixes::new(limits, time.now),
            pending: FxHashMap::default(),
            pending_order: VecDeque::new(),
            pending_max: limits.half_open,
            pending_time: limits.half_open_time,
            refusals: Refusals::default(),
            log_keys: false,
        };
        gate.set_psks(config.psks);
        gate
    }

    /// Whether links that begin have their keys written down.
    pub(super) fn log_keys(&mut self, on: bool) {
        self.log_keys = on;
    }

    /// Decrypts the header block of a datagram under each secret in use.
    pub(super) fn headers<'a>(&'a self, datagram: &'a [u8]) -> impl Iterator<Item = Header> + 'a {
        self.outer.iter().filter_map(|outer| outer.header.open(datagram))
    }

    pub(super) fn is_pending(&self, session: u32) -> bool {
        self.pending.contains_key(&session)
    }

    /// Opens the first data packet of a half-open handshake. A forged one changes nothing.
    pub(super) fn open_pending(&mut self, header: &Header, datagram: &mut BytesMut) -> Option<Pending> {
        self.pending.get_mut(&header.session)?.opener.open(header, datagram).ok()?;
        let pending = self.pending.remove(&header.session)?;
        self.pending_order.retain(|(_, session)| *session != header.session);
        Some(pending)
    }

    /// Judges a datagram as a handshake, and makes the answer to a good one.
    pub(super) fn handle(
        &mut self,
        time: Time,
        path: Path,
        datagram: &[u8],
        sessions: &Sessions,
        links: &impl Links,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, Refusal> {
        let (outer, version, noise) = self.unwrap(datagram)?;
        let digest = handshake::digest(&noise);
        if self.replay.contains(&digest) {
            return Err(count(&mut self.refusals.replayed));
        }
        if !self.prefixes.admit(path.remote.ip(), time.now) {
            return Err(count(&mut self.refusals.limited));
        }
        let request = Request::read(version, &self.outer[outer].psk, &self.key, &noise, rng);
        let request = request.map_err(|_| count(&mut self.refusals.forged))?;
        let name = self.users.get(&request.user).cloned();
        let name = name.ok_or_else(|| count(&mut self.refusals.unknown_user))?;
        if request.hello.time_ns.abs_diff(time.wall_ns) > SKEW_NS {
            return Err(count(&mut self.refusals.skewed));
        }
        if !Sessions::accepts(request.hello.kind, &request.hello.params) {
            return Err(count(&mut self.refusals.malformed));
        }
        if !links.has_room_for(&request.user, &request.hello.identity, path.remote.ip()) {
            return Err(count(&mut self.refusals.full));
        }
        let entry = Entry { time_ns: request.hello.time_ns, digest };
        if self.replay.insert(request.user, entry, time.wall_ns).is_err() {
            return Err(count(&mut self.refusals.often));
        }
        if !self.journal.append(&entry) {
            self.refusals.unjournaled += 1;
        }
        if self.journal.is_long() {
            self.journal.rewrite(&mut self.replay.entries());
        }
        self.prefixes.authenticated(path.remote.ip(), time.now);
        let session = loop {
            let id = rng.random();
            if !links.is_taken(id) && !self.pending.contains_key(&id) {
                break id;
            }
        };
        let aead = if self.aes && request.hello.aes { Aead::Aes128Gcm } else { Aead::ChaCha20Poly1305 };
        let params = sessions.answers(request.hello.kind).to_vec();
        let welcome = Welcome { time_ns: time.wall_ns, session, aead, params };
        let (user, hello) = (request.user, request.hello.clone());
        let answer = request.answer(&self.outer[outer].keys, &welcome, datagram, rng);
        let (answer, keys) = answer.ok_or_else(|| count(&mut self.refusals.malformed))?;
        let header = HeaderKey::new(&keys.header_to_client);
        let first = rng.random::<u64>() >> 18;
        let sealer = Sealer::new(aead, &keys.to_client, header, hello.session, first);
        let opener = Opener::new(aead, &keys.to_server);
        let (identity, epoch, since) = (hello.identity, hello.epoch, time.now);
        let chain = version.has_rekey().then(|| keys.chain.clone());
        let ids = (session, hello.session);
        let logged = self.log_keys.then(|| Box::new(LoggedKeys::of_handshake(Side::Server, ids, aead, &keys)));
        let secret = self.outer[outer].number;
        let (kind, params) = (hello.kind, hello.params);
        let pending =
            Pending { user, name, identity, epoch, path, since, sealer, opener, chain, logged, secret, kind, params };
        self.insert_pending(time.now, session, pending);
        Ok(answer)
    }

    fn unwrap(&mut self, datagram: &[u8]) -> Result<(usize, Version, Vec<u8>), Refusal> {
        for (index, outer) in self.outer.iter().enumerate() {
            match outer.keys.unwrap_request(datagram) {
                Ok((version, noise)) => return Ok((index, version, noise)),
                Err(HandshakeError::NotOurs) => {}
                Err(_) => return Err(count(&mut self.refusals.malformed)),
            }
        }
        Err(Refusal::NotOurs)
    }

    fn insert_pending(&mut self, now: Instant, session: u32, pending: Pending) {
        let same: Vec<u32> = self
            .pending_order
            .iter()
            .map(|(_, id)| *id)
            .filter(|id| self.pending.get(id).is_some_and(|p| p.user == pending.user && p.identity == pending.identity))
            .collect();
        if same.len() >= PENDING_PER_IDENTITY {
            self.forget(same[0]);
        }
        // More than one, when the limit was lowered.
        while self.pending.len() >= self.pending_max
            && let Some((_, oldest)) = self.pending_order.front()
        {
            self.forget(*oldest);
        }
        self.pending.insert(session, pending);
        self.pending_order.push_back((now + self.pending_time, session));
    }

    fn forget(&mut self, session: u32) {
        self.pending.remove(&session);
        self.pending_order.retain(|(_, id)| *id != session);
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((until, session)) = self.pending_order.front().copied() {
            if until > now {
                break;
            }
            self.pending.remove(&session);
            self.pending_order.pop_front();
        }
        self.prefixes.expire(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let pending = self.pending_order.front().map(|(until, _)| *until);
        pending.into_iter().chain(self.prefixes.poll_timeout()).min()
    }

    pub(super) fn set_limits(&mut self, limits: &Limits) {
        self.pending_max = limits.half_open;
        self.pending_time = limits.half_open_time;
        self.prefixes.set_limits(limits);
    }

    pub(super) fn set_users(&mut self, users: Users) {
        self.pending.retain(|_, pending| users.contains_key(&pending.user));
        self.pending_order.retain(|(_, session)| self.pending.contains_key(session));
        self.users = users;
    }

    /// Replaces the deployment's secrets. One that stays keeps its number.
    pub(super) fn set_psks(&mut self, psks: Vec<Psk>) {
        let public = self.key.public();
        let mut former = std::mem::take(&mut self.outer);
        for psk in psks {
            if let Some(index) = former.iter().position(|outer| outer.psk == psk) {
                self.outer.push(former.swap_remove(index));
                continue;
            }
            self.secrets += 1;
            let keys = OuterKeys::derive(&psk, &public);
            let header = HeaderKey::new(&keys.header_to_server);
            self.outer.push(Outer { number: self.secrets, psk, keys, header });
        }
        let outer = &self.outer;
        self.pending.retain(|_, pending| outer.iter().any(|outer| outer.number == pending.secret));
        self.pending_order.retain(|(_, session)| self.pending.contains_key(session));
    }

    /// Whether this secret is still one of the deployment's.
    pub(super) fn has_secret(&self, secret: SecretNumber) -> bool {
        self.outer.iter().any(|outer| outer.number == secret)
    }

    pub(super) fn knows(&self, user: &PublicKey) -> bool {
        self.users.contains_key(user)
    }

    pub(super) fn refusals(&self) -> Refusals {
        self.refusals
    }

    /// Half-open handshakes, those remembered against replay, and source prefixes.
    pub(super) fn tables(&self) -> (usize, usize, usize) {
        (self.pending.len(), self.replay.len(), self.prefixes.len())
    }

    pub(super) fn pending_len(&self) -> usize {
        self.pending.len()
    }
}

fn count(counter: &mut u64) -> Refusal {
    *counter += 1;
    Refusal::Counted
}
