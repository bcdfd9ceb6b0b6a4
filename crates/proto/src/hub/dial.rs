//! A client's handshake in progress: attempts, each a new message 1, until one is answered.

use super::Time;
use crate::envelope::Version;
use crate::envelope::data::{Opener, Sealer};
use crate::envelope::handshake::{ClientKeys, Initiation};
use crate::envelope::header::HeaderKey;
use crate::envelope::hello::{Hello, LinkIdentity, SessionKind, Welcome};
use crate::envelope::key_log::LoggedKeys;
use crate::envelope::keys::{LinkKeys, OuterKeys, PublicKey};
use crate::limits::{DIAL_ATTEMPTS, HANDSHAKE_RETRY_EAGER, HELD_TIME, Limits};
use crate::link::{Begin, Path, Side};
use crate::ports::Ports;
use crate::profile::Profile;
use rand::{CryptoRng, RngExt};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One link that is being dialled.
pub(super) struct Dial {
    keys: ClientKeys,
    outer: OuterKeys,
    /// Where the latest attempt went.
    path: Path,
    ports: Ports,
    member: u16,
    attempts: VecDeque<Attempt>,
    made: u32,
    version: Version,
    profile: Profile,
    /// Junk that still goes ahead of the next attempt; `None`: not decided yet.
    junk: Option<usize>,
    wait: Duration,
    wait_max: Duration,
    next: Instant,
    deadline: Instant,
    /// The answered handshake is held until its owner decides.
    hold: bool,
}

/// One message 1, when it left, and where to.
struct Attempt {
    initiation: Initiation,
    sent: Instant,
    to: SocketAddr,
    kind: SessionKind,
}

/// What goes into a message 1 beside the dial's own.
pub(super) struct Particulars<'a> {
    pub(super) instance: [u8; 16],
    pub(super) epoch: u32,
    pub(super) session: u32,
    pub(super) aes: bool,
    /// The server's clock, if it was ever learnt.
    pub(super) clock: Option<ServerClock>,
    /// The session that is asked for, and what is said of it.
    pub(super) kind: SessionKind,
    pub(super) params: &'a [u8],
}

/// A handshake that has been answered and is not confirmed yet: the server has no link of it.
pub(super) struct Held {
    pub(super) completed: Option<Completed>,
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
    /// Where the answer came from.
    pub(super) path: Path,
    pub(super) ports: Ports,
    pub(super) version: Version,
    pub(super) kind: SessionKind,
    header_to_server: HeaderKey,
}

impl Dial {
    pub(super) fn new(
        keys: ClientKeys,
        path: Path,
        ports: Ports,
        member: u16,
        deadline: Instant,
        limits: &Limits,
    ) -> Self {
        Self {
            outer: OuterKeys::derive(&keys.psk, &keys.server),
            keys,
            path,
            ports,
            version: limits.version,
            profile: limits.profile,
            junk: None,
            member,
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

    /// Chooses the port of the next attempt, unless that is done already. Returns its address.
    pub(super) fn choose(&mut self, rng: &mut impl CryptoRng) -> SocketAddr {
        if self.junk.is_none() {
            let former = (self.made > 0).then(|| self.path.remote.port());
            self.path.remote.set_port(self.ports.draw(former, rng));
        }
        self.path.remote
    }

    /// The next datagram of junk that goes ahead of the next attempt, if there is one. `new_pair`:
    /// nothing has gone to this address lately.
    pub(super) fn junk(&mut self, now: Instant, new_pair: bool, rng: &mut impl CryptoRng) -> Option<Vec<u8>> {
        let left = self.junk.get_or_insert_with(|| if new_pair { self.profile.junk_count.draw(rng) } else { 0 });
        *left = left.checked_sub(1)?;
        let mut datagram = Vec::new();
        self.profile.write_junk(&mut datagram, rng);
        self.next = now + Duration::from_millis(self.profile.junk_spacing.draw(rng) as u64);
        Some(datagram)
    }

    /// Makes the next message 1.
    pub(super) fn attempt(&mut self, time: Time, of: &Particulars<'_>, rng: &mut impl CryptoRng) -> Vec<u8> {
        // By the server's clock as we know it, so that a wrong clock here does not lock us out.
        // The attempts take turns with what may have happened since we learnt it: this machine
        // slept, or its clock was set, or both.
        let time_ns = match (of.clock, self.made % 3) {
            (Some(clock), 0) => clock.by_wall(time),
            (Some(clock), 1) => clock.by_monotonic(time),
            _ => time.wall_ns,
        };
        let hello = Hello {
            time_ns,
            identity: LinkIdentity { instance: of.instance, member: self.member },
            epoch: of.epoch,
            session: of.session,
            aes: of.aes,
            kind: of.kind,
            params: of.params.to_vec(),
        };
        let size = self.profile.request_size;
        let (initiation, datagram) = Initiation::new(self.version, &self.keys, &self.outer, &hello, size, rng);
        if self.attempts.len() == DIAL_ATTEMPTS {
            self.attempts.pop_front();
        }
        self.attempts.push_back(Attempt { initiation, sent: time.now, to: self.path.remote, kind: of.kind });
        self.made += 1;
        self.junk = None;
        self.next = time.now + self.wait.mul_f64(rng.random_range(0.8..1.2));
        self.wait = (self.wait * 2).min(self.wait_max);
        datagram
    }

    /// Tries a datagram as the answer to any attempt, the latest first. It must come from where
    /// that attempt went: a copy from elsewhere would draw the link there.
    pub(super) fn complete(&mut self, time: Time, path: Path, datagram: &[u8]) -> Option<Completed> {
        let outer = &self.outer;
        // An answer that has waited for us too long, while we were stopped, is forgotten over there.
        let carrier = self.path.carrier;
        let fresh = |attempt: &Attempt| {
            time.now < attempt.sent + HELD_TIME && path.carrier == carrier && same_address(path.remote, attempt.to)
        };
        let mut attempts = self.attempts.iter_mut().rev().filter(|attempt| fresh(attempt));
        let (welcome, keys, sent, kind) = attempts.find_map(|attempt| {
            let (welcome, keys) = attempt.initiation.complete(outer, datagram).ok()?;
            Some((welcome, keys, attempt.sent, attempt.kind))
        })?;
        let header_to_server = HeaderKey::new(&self.outer.header_to_server);
        let (server, rtt, ports, version) = (self.keys.server, time.now - sent, self.ports.clone(), self.version);
        Some(Completed { welcome, keys, server, rtt, path, ports, version, header_to_server, kind })
    }
}

/// A socket for both families shows an IPv4 address in its IPv6 form.
fn same_address(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

impl Completed {
    /// How far this machine's clock is ahead of the server's, in seconds.
    pub(super) fn clock_ahead(&self, time: Time) -> f64 {
        let answered = i128::from(time.wall_ns) - self.rtt.as_nanos() as i128 / 2;
        (answered - i128::from(self.welcome.time_ns)) as f64 / 1e9
    }

    /// The keys, to be written down; `session` is this end's id.
    pub(super) fn logged(&self, session: u32) -> Box<LoggedKeys> {
        let (ids, aead) = ((self.welcome.session, session), self.welcome.aead);
        Box::new(LoggedKeys::of_handshake(Side::Client, ids, aead, &self.keys))
    }

    /// What the link begins with.
    pub(super) fn begin(self, logged: Option<Box<LoggedKeys>>, rng: &mut impl CryptoRng) -> Begin {
        let Self { welcome, keys, path, ports, version, header_to_server, .. } = self;
        let first = rng.random::<u64>() >> 18;
        Begin {
            side: Side::Client,
            sealer: Sealer::new(welcome.aead, &keys.to_server, header_to_server, welcome.session, first),
            opener: Opener::new(welcome.aead, &keys.to_client),
            chain: version.has_rekey().then(|| keys.chain.clone()),
            path,
            ports: Some(ports),
            logged,
        }
    }
}
