//! Where the peer is, and how it may move: a new address is believed when it has answered a
//! challenge, and until then the old one stays in use (compare RFC 9000 section 9.3).

use super::{Path, token};
use crate::envelope::control::{Control, DATAGRAM_MAX};
use crate::limits::Limits;
use crate::limits::{AMPLIFICATION, CHALLENGE_INTERVAL};
use crate::ports::Ports;
use rand::CryptoRng;
use std::time::{Duration, Instant};

struct Candidate {
    path: Path,
    challenge: [u8; 8],
    /// The challenge has been sent once at least, or is about to be.
    challenged: bool,
    received: usize,
    sent: usize,
    since: Instant,
    next: Instant,
}

/// The peer's proven path, and the one that it may be moving to.
pub struct Roaming {
    current: Path,
    /// On a client: the server's ports, each of which is as good as the others.
    ports: Option<Ports>,
    candidate: Option<Candidate>,
    interval: Duration,
    time: Duration,
    last_candidate: Option<Instant>,
}

impl Roaming {
    /// Begins at the path that the handshake came over. `ports`: on a client, those of its server.
    pub fn new(path: Path, ports: Option<Ports>, limits: &Limits) -> Self {
        Self {
            current: path,
            ports,
            candidate: None,
            interval: limits.candidate_interval,
            time: limits.candidate_time,
            last_candidate: None,
        }
    }

    /// The proven path.
    pub fn path(&self) -> &Path {
        &self.current
    }

    /// An authentic packet of `length` bytes came over `path`. Returns a challenge to send there
    /// when the path is a new candidate, or when enough has come from it to send one. Only the
    /// newest packet can point to a new address: a copy of an old one, sent from elsewhere, says
    /// nothing.
    pub fn received(
        &mut self,
        now: Instant,
        path: Path,
        length: usize,
        newest: bool,
        rng: &mut impl CryptoRng,
    ) -> Option<Control> {
        // A client knows where its server is: whoever relays datagrams from elsewhere stays elsewhere.
        if self.is_home(&path) || self.ports.is_some() {
            return None;
        }
        if let Some(candidate) = self.candidate.as_mut().filter(|candidate| candidate.path == path) {
            candidate.received += length;
            return candidate.first_challenge();
        }
        let too_soon = self.last_candidate.is_some_and(|last| now < last + self.interval);
        if !newest || too_soon {
            return None;
        }
        self.last_candidate = Some(now);
        let challenge = token(rng);
        let next = now + CHALLENGE_INTERVAL;
        let candidate = Candidate { path, challenge, challenged: false, received: length, sent: 0, since: now, next };
        self.candidate.insert(candidate).first_challenge()
    }

    /// Whether a datagram of `length` bytes may go over `path`: always over the proven one, and
    /// over the candidate as long as it does not make us an amplifier.
    pub fn may_send(&self, path: &Path, length: usize) -> bool {
        let candidate = || self.candidate.as_ref().is_some_and(|c| c.path == *path && c.may_send(length));
        self.is_home(path) || candidate()
    }

    /// The proven path or, on a client, another port of the server there.
    fn is_home(&self, path: &Path) -> bool {
        let current = self.current;
        let sibling = |ports: &Ports| {
            path.carrier == current.carrier
                && path.remote.ip() == current.remote.ip()
                && ports.contains(path.remote.port())
        };
        *path == self.current || self.ports.as_ref().is_some_and(sibling)
    }

    /// Uses the port of this path, if it leads to another port of the same server.
    pub fn follow(&mut self, path: &Path) {
        if self.is_home(path) {
            self.current.remote = path.remote;
        }
    }

    /// Uses another port of the same server.
    pub fn hop(&mut self, port: u16) {
        self.current.remote.set_port(port);
    }

    /// Counts what was sent to a candidate.
    pub fn sent(&mut self, path: &Path, length: usize) {
        if let Some(candidate) = self.candidate.as_mut().filter(|candidate| candidate.path == *path) {
            candidate.sent += length;
        }
    }

    /// A challenge has come back over `path`. Returns whether that path is the peer's now.
    pub fn proven(&mut self, now: Instant, path: Path, token: [u8; 8]) -> bool {
        let proven = self.candidate.as_ref().is_some_and(|c| c.path == path && c.challenge == token);
        if proven {
            self.candidate = None;
            self.last_candidate = Some(now);
            self.current = path;
        }
        proven
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.candidate.as_ref().map(|candidate| candidate.next)
    }

    /// Challenges the candidate again, or forgets it.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<(Control, Path)> {
        let candidate = self.candidate.as_mut().filter(|candidate| candidate.next <= now)?;
        if now >= candidate.since + self.time {
            self.candidate = None;
            return None;
        }
        candidate.next = now + CHALLENGE_INTERVAL;
        candidate.may_send(DATAGRAM_MAX).then_some((Control::Challenge(candidate.challenge), candidate.path))
    }
}

impl Candidate {
    fn may_send(&self, length: usize) -> bool {
        self.sent + length <= AMPLIFICATION * self.received
    }

    /// The challenge, if it can be sent now and has not been sent yet.
    fn first_challenge(&mut self) -> Option<Control> {
        if self.challenged || !self.may_send(DATAGRAM_MAX) {
            return None;
        }
        self.challenged = true;
        Some(Control::Challenge(self.challenge))
    }
}
