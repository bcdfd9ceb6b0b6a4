//! A client's handshake in progress: attempts, each a new message 1, until one is answered.

use super::Time;
use crate::envelope::data::{Opener, Sealer};
use crate::envelope::handshake::{ClientKeys, Initiation};
use crate::envelope::header::HeaderKey;
use crate::envelope::hello::{Hello, LinkIdentity, SessionKind, Welcome};
use crate::envelope::keys::{LinkKeys, OuterKeys, PublicKey};
use crate::limits::{DIAL_ATTEMPTS, HANDSHAKE_RETRY_EAGER, HELD_TIME, Limits};
use crate::link::Path;
use rand::{CryptoRng, RngExt};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One link that is being dialled.
pub(super) struct Dial {
    keys: ClientKeys,
    outer: OuterKeys,
    path: Path,
    lane: u16,
    attempts: VecDeque<(Initiation, Instant)>,
    made: u32,
    wait: Duration,
    wait_max: Duration,
    next: Instant,
    deadline: Instant,
    /// The answered handshake is held until its owner decides.
    hold: bool,
}

/// A handshake that has been answered and is not confirmed yet: the server has no link of it.
pub(super) struct Held {
    pub(super) completed: Option<Completed>,
    pub(super) path: Path,
    /// When the server will soon have forgotten it.
    pub(super) until: Instant,
}

/// What a server's clock showed at a time of ours.
#[derive(Clone, Copy)]
pub(super) struct ServerClock {
    server_ns: u64,
    at: Time,
}

impl ServerClock {
    pub(super) fn new(server_ns: u64, at: Time) -> Self {
        Self { server_ns, at }
    }

    /// What the server's clock shows now, if ours has not been set since.
    fn by_wall(self, time: Time) -> u64 {
        let passed = i128::from(time.wall_ns) - i128::from(self.at.wall_ns);
        (i128::from(self.server_ns) + passed).clamp(0, i128::from(u64::MAX)) as u64
    }

    /// What the server's clock shows now, if this machine has not slept since.
    fn by_monotonic(self, time: Time) -> u64 {
        let passed = time.now.saturating_duration_since(self.at.now).as_nanos();
        self.server_ns.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

/// A handshake that has been answered.
pub(super) struct Completed {
    pub(super) welcome: Welcome,
    pub(super) keys: LinkKeys,
    pub(super) server: PublicKey,
    pub(super) rtt: Duration,
    header_to_server: HeaderKey,
}

impl Dial {
    pub(super) fn new(keys: ClientKeys, path: Path, lane: u16, deadline: Instant, limits: &Limits) -> Self {
        Self {
            outer: OuterKeys::derive(&keys.psk, &keys.server),
            keys,
            path,
            lane,
            attempts: VecDeque::new(),
            made: 0,
            wait: limits.handshake_retry,
            wait_max: limits.handshake_retry_max,
            next: deadline,
            deadline,
            hold: false,
        }
    }

    /// Has the answered handshake held.
    pub(super) fn held(self) -> Self {
        Self { hold: true, ..self }
    }

    pub(super) fn is_held(&self) -> bool {
        self.hold
    }

    /// Attempts follow closely from now on. Returns whether the next one is earlier for it.
    pub(super) fn hurry(&mut self, now: Instant) -> bool {
        self.wait_max = self.wait_max.min(HANDSHAKE_RETRY_EAGER);
        self.wait = self.wait.min(self.wait_max);
        let next = self.next;
        self.next = self.next.min(now + self.wait);
        self.next < next
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.deadline
    }

    pub(super) fn next_attempt(&self) -> Instant {
        self.next.min(self.deadline)
    }

    pub(super) fn path(&self) -> Path {
        self.path
    }

    pub(super) fn server(&self) -> PublicKey {
        self.keys.server
    }

    /// Makes the next message 1. `clock` is the server's clock, if it was ever learnt.
    #[expect(clippy::too_many_arguments, reason = "the fields of one Hello, from three owners")]
    pub(super) fn attempt(
        &mut self,
        time: Time,
        instance: [u8; 16],
        epoch: u32,
        session: u32,
        aes: bool,
        clock: Option<ServerClock>,
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        // By the server's clock as we know it, so that a wrong clock here does not lock us out.
        // The attempts take turns with what may have happened since we learnt it: this machine
        // slept, or its clock was set, or both.
        let time_ns = match (clock, self.made % 3) {
            (Some(clock), 0) => clock.by_wall(time),
            (Some(clock), 1) => clock.by_monotonic(time),
            _ => time.wall_ns,
        };
        let hello = Hello {
            time_ns,
            identity: LinkIdentity { instance, lane: self.lane },
            epoch,
            session,
            aes,
            kind: SessionKind::Quic,
            params: Vec::new(),
        };
        let (initiation, datagram) = Initiation::new(&self.keys, &self.outer, &hello, rng);
        if self.attempts.len() == DIAL_ATTEMPTS {
            self.attempts.pop_front();
        }
        self.attempts.push_back((initiation, time.now));
        self.made += 1;
        self.next = time.now + self.wait.mul_f64(rng.random_range(0.8..1.2));
        self.wait = (self.wait * 2).min(self.wait_max);
        datagram
    }

    /// Tries a datagram as the answer to any attempt, the latest first. It must come from where
    /// the attempts went: a copy from elsewhere would draw the link there.
    pub(super) fn complete(&mut self, time: Time, path: Path, datagram: &[u8]) -> Option<Completed> {
        if !same_address(path.remote, self.path.remote) {
            return None;
        }
        let outer = &self.outer;
        // An answer that has waited for us too long, while we were stopped, is forgotten over there.
        let mut fresh = self.attempts.iter_mut().rev().filter(|(_, sent)| time.now < *sent + HELD_TIME);
        let (welcome, keys, sent) = fresh.find_map(|(initiation, sent)| {
            initiation.complete(outer, datagram).ok().map(|(welcome, keys)| (welcome, keys, *sent))
        })?;
        let header_to_server = HeaderKey::new(&self.outer.header_to_server);
        Some(Completed { welcome, keys, server: self.keys.server, rtt: time.now - sent, header_to_server })
    }
}

/// A socket for both families shows an IPv4 address in its IPv6 form.
fn same_address(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

impl Completed {
    /// The keys of the link, ready for use.
    pub(super) fn ends(self, rng: &mut impl CryptoRng) -> (Sealer, Opener) {
        let Self { welcome, keys, header_to_server, .. } = self;
        let first = rng.random::<u64>() >> 18;
        let sealer = Sealer::new(welcome.aead, &keys.to_server, header_to_server, welcome.session, first);
        (sealer, Opener::new(welcome.aead, &keys.to_client))
    }
}
