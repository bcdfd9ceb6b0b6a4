//! One end of a link: envelope keys, session, path and life, as one machine.
//!
//! A link takes in datagrams that bear its session id, and gives out batches of sealed datagrams.
//! It owns what keeps it alive ([`liveness`]), where its peer is ([`roaming`]) and which of its ports
//! a client uses (`hop`), its keys ([`rekey`]) and how it looks ([`shape`]); streams are its session's.

mod hop;
mod interruption;
mod key_log;
mod length;
pub mod liveness;
mod receive;
pub mod rekey;
pub mod roaming;
pub mod shape;
mod transmit;
mod width;

use crate::carrier::CarrierKind;
use crate::envelope::control::{Control, close};
use crate::envelope::data::{Opener, Sealer};
use crate::envelope::key_log::LoggedKeys;
use crate::envelope::keys::Chain;
use crate::limits::{CONTROL_QUEUE, Limits};
use crate::ports::Ports;
use crate::profile::Span;
use crate::session::{self, DATAGRAM_MIN, PathStats, Session};
use hop::Hopper;
use key_log::Logged;
use length::{Known, Length};
use liveness::{Due, Liveness};
use rand::{CryptoRng, RngExt};
use rekey::Rekey;
use roaming::Roaming;
use shape::Shaper;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use width::Width;

/// The most packets in one batch: what the kernel takes in one call of segmentation offload.
pub const BATCH_PACKETS: usize = 44;

/// What most paths carry, bytes of IP packets, and what all of them do that carry IPv6.
const PATH_USUAL: u16 = 1500;
const PATH_LEAST: u16 = 1280;

/// Bytes of the headers of IPv4 and of IPv6.
const IPV4: u16 = 20;
const IPV6: u16 = 40;

/// The longest datagram that is ever sent: over UDP and IPv4.
pub const DATAGRAM_LARGEST: u16 = PATH_USUAL - IPV4 - CarrierKind::Udp.headers();

/// A whole batch is no more than the largest UDP payload over IPv4.
const _: () = assert!(BATCH_PACKETS * DATAGRAM_LARGEST as usize <= 65_507);

/// Where a datagram comes from or goes to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    /// How it travels.
    pub carrier: CarrierKind,
    /// The peer's address.
    pub remote: SocketAddr,
    /// On a server: the local address and port that the peer uses. Answers leave from there. The address is
    /// unspecified where the system does not tell it.
    pub local: Option<SocketAddr>,
}

impl Path {
    /// A path of UDP datagrams.
    pub const fn udp(remote: SocketAddr, local: Option<SocketAddr>) -> Self {
        Self { carrier: CarrierKind::Udp, remote, local }
    }

    /// The longest datagram to try.
    pub(crate) const fn datagram_max(&self) -> u16 {
        let ip = if self.remote.is_ipv4() { IPV4 } else { IPV6 };
        PATH_USUAL - ip - self.carrier.headers()
    }

    /// What passes beyond the least that a path must carry, wherever IPv6 does.
    pub(crate) const fn datagram_more(&self) -> u16 {
        PATH_LEAST - IPV6 - self.carrier.headers() - DATAGRAM_MIN
    }
}

/// A batch of sealed datagrams for one path, all of `segment` bytes but the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// Where the batch goes.
    pub path: Path,
    /// Length of each datagram; the last may be shorter.
    pub segment: usize,
}

/// Why a link is no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// We closed it, with one of the codes of [`close`].
    Closed(u8),
    /// The peer closed it, with one of the codes of [`close`].
    ByPeer(u8),
    /// The peer has not answered for too long.
    Silent,
    /// The session inside failed.
    Session,
    /// Its counters are used up.
    Worn,
    /// The session has panicked. Its link ends, and no other.
    Fault,
    /// The handshake worked, but nothing ever came back on the link.
    Hollow,
    /// The server answers handshakes, but not on this link: it does not know it any more.
    Forgotten,
}

/// What a link has to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Something of the session.
    Session(session::Event),
    /// The peer has a new address, and has proven it.
    Moved {
        /// The address until now.
        from: SocketAddr,
        /// The address from now on.
        to: SocketAddr,
    },
    /// A probe has come back.
    Echoed(Duration),
    /// On a client: the link has carried something for the first time.
    Proven,
    /// On a client: the server owes an answer for so long that it may be gone.
    Doubted,
    /// The doubted link lives: something has come.
    Trusted,
    /// The link is over; this is its last event.
    Lost(Lost),
}

/// Which end of a link this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The end that began the handshake.
    Client,
    /// The other.
    Server,
}

/// What a handshake has left for one end of a link.
pub struct Begin {
    /// Which end it is.
    pub side: Side,
    /// What it seals with.
    pub sealer: Sealer,
    /// What it opens with.
    pub opener: Opener,
    /// What later keys follow from; `None` where the version of the link has no rekey.
    pub chain: Option<Chain>,
    /// The path of the handshake.
    pub path: Path,
    /// On a client: the server's ports.
    pub ports: Option<Ports>,
    /// The keys of the handshake, where keys are written down.
    pub logged: Option<Box<LoggedKeys>>,
}

/// One end of a living link.
pub struct Link {
    side: Side,
    sealer: Sealer,
    opener: Opener,
    rekey: Rekey,
    shaper: Shaper,
    /// On a client.
    hopper: Option<Hopper>,
    control_padding: Span,
    /// On a client, until it is known that the path carries full datagrams.
    width: Option<Width>,
    length: Length,
    session: Box<dyn Session>,
    roaming: Roaming,
    liveness: Liveness,
    control: VecDeque<(Control, Path)>,
    events: VecDeque<Event>,
    lost: bool,
    /// After an interruption: until when the session forgets what it comes to believe of the path
    /// because of it, and how many packets it had lost when it last did.
    interrupted: Option<(Instant, Option<u64>)>,
    /// A batch that goes behind junk.
    waiting: Option<(Transmit, Vec<u8>)>,
    /// What the last words of the link are to say, and whether they have been said.
    farewell: Option<u8>,
    /// The keys in use, where keys are written down.
    logged: Option<Logged>,
}

impl Link {
    /// A link whose handshake is done.
    pub fn new(
        begin: Begin,
        session: Box<dyn Session>,
        limits: &Limits,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let Begin { side, sealer, opener, chain, path, ports, logged } = begin;
        let mut liveness = Liveness::new(side, limits, now, rng);
        if side == Side::Client {
            liveness.expect_proof(now, session.stats().rtt);
        }
        let width = (side == Side::Client && chain.is_some()).then(|| Width::new(session.datagram_len(), now, rng));
        Self {
            side,
            sealer,
            opener,
            width,
            length: Length::new(),
            shaper: Shaper::new(&limits.profile, chain.is_some(), rng),
            rekey: Rekey::new(side, chain, limits, now, rng),
            roaming: Roaming::new(path, ports.clone(), limits),
            hopper: ports.map(|ports| Hopper::new(ports, path.carrier, limits, now, rng)),
            control_padding: limits.profile.control_padding,
            session,
            liveness,
            control: VecDeque::new(),
            events: VecDeque::new(),
            lost: false,
            interrupted: None,
            waiting: None,
            farewell: None,
            logged: logged.map(Logged::new),
        }
    }

    /// Takes note that the time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        if self.lost {
            return;
        }
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.guarded(|session| session.handle_timeout(now));
        }
        if let Some(challenge) = self.roaming.handle_timeout(now) {
            let (control, path) = challenge;
            self.send_control(control, path);
        }
        self.rekey.handle_timeout(now, &mut self.opener);
        self.look_at_width(now, rng);
        self.look_at_length(now, rng);
        while let Some(due) = self.liveness.handle_timeout(now, rng) {
            match due {
                Due::Probe(token) => {
                    self.hop_from_silence(now, rng);
                    self.send_control(Control::Probe(token), *self.roaming.path());
                }
                Due::Doubt => self.events.push_back(Event::Doubted),
                Due::Silent | Due::Hollow => {
                    self.lose(if due == Due::Hollow { Lost::Hollow } else { Lost::Silent });
                    break;
                }
            }
        }
        self.settle();
    }

    fn look_at_width(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        let silent = self.liveness.asked_since().is_some() || self.liveness.is_unproven();
        let longest = self.session.datagram_len();
        match self.width.as_mut().and_then(|width| width.handle_timeout(now, longest, silent, rng)) {
            Some(width::Due::Nothing) => self.width = None,
            Some(width::Due::Ask(token)) => self.send_control(Control::WideProbe(token), *self.roaming.path()),
            Some(width::Due::Narrow) => self.lose(Lost::Hollow),
            None => {}
        }
    }

    fn known_length(&self) -> Known {
        let passes = self.session.datagram_len() as u16;
        Known { passes, wanted: self.session.wants_length(), rtt: self.session.stats().rtt }
    }

    fn look_at_length(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        let known = self.known_length();
        if let Some((token, length)) = self.length.handle_timeout(now, known, rng) {
            self.send_control(Control::LongProbe(token, length), *self.roaming.path());
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        if self.lost {
            return None;
        }
        let (session, rekey) = (self.session.poll_timeout(), self.rekey.poll_timeout());
        let width = self.width.as_ref().map(Width::poll_timeout);
        let length = self.length.poll_timeout();
        let times = [session, self.roaming.poll_timeout(), self.liveness.poll_timeout(), rekey, width, length];
        times.into_iter().flatten().min()
    }

    /// The next thing that the link has to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// On a client: uses this port of the server, if it is one of its ports there.
    pub fn use_port(&mut self, path: &Path) {
        self.roaming.follow(path);
    }

    /// Asks the peer for an echo, to learn the round-trip time: [`Event::Echoed`].
    pub fn probe(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        let token = self.liveness.probe(now, rng);
        self.send_control(Control::Probe(token), *self.roaming.path());
    }

    /// Gives the link up without a word to the peer.
    pub fn give_up(&mut self, why: Lost) {
        self.lose(why);
    }

    /// Ends the link. Its last datagram tells the peer why.
    pub fn close(&mut self, now: Instant, code: u8) {
        if !self.lost {
            self.session.close(now, u32::from(code));
            self.farewell = Some(code);
            self.lose(Lost::Closed(code));
        }
    }

    /// Whether the link is over and has said its last word.
    pub fn is_done(&self) -> bool {
        self.lost && self.farewell.is_none() && self.control.is_empty() && self.waiting.is_none()
    }

    /// Whether the link is over.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// On a client: when something was last sent.
    pub fn last_sent(&self) -> Option<Instant> {
        self.hopper.as_ref().map(Hopper::last_sent)
    }

    /// The number of the keys that this end seals with; the handshake's are 0.
    pub fn keys_number(&self) -> u32 {
        self.rekey.number()
    }

    /// When the peer was last heard.
    pub fn last_heard(&self) -> Instant {
        self.liveness.last_received()
    }

    /// Since when the peer has surely owed an answer.
    pub fn asked_since(&self) -> Option<Instant> {
        self.liveness.asked_since()
    }

    /// Where the peer is.
    pub fn path(&self) -> &Path {
        self.roaming.path()
    }

    /// The streams. After using it, transmit and look for events.
    pub fn session(&mut self) -> &mut dyn Session {
        &mut *self.session
    }

    /// What is known about the path.
    pub fn stats(&self) -> PathStats {
        self.session.stats()
    }

    fn send_control(&mut self, control: Control, path: Path) {
        if self.control.len() < CONTROL_QUEUE {
            self.control.push_back((control, path));
        }
    }

    /// Calls the session. A panic in it ends this link; the others of the shard live on.
    fn guarded<R>(&mut self, call: impl FnOnce(&mut dyn Session) -> R) -> Option<R> {
        let session = &mut *self.session;
        let result = catch_unwind(AssertUnwindSafe(|| call(session)));
        if result.is_err() {
            // Nothing calls the session of a lost link again.
            self.farewell = Some(close::SESSION_FAILED);
            self.lose(Lost::Fault);
        }
        result.ok()
    }

    fn settle(&mut self) {
        if self.lost {
            return;
        }
        while let Some(event) = self.session.poll_event() {
            if event == session::Event::Closed && !self.lost {
                self.farewell = Some(close::SESSION_FAILED);
                self.lose(Lost::Session);
            } else if !self.lost {
                self.events.push_back(Event::Session(event));
            }
        }
    }

    fn lose(&mut self, why: Lost) {
        if !self.lost {
            self.lost = true;
            self.control.clear();
            self.events.push_back(Event::Lost(why));
        }
    }
}

/// A token that only who receives it can know.
fn token(rng: &mut impl CryptoRng) -> [u8; 8] {
    rng.random()
}
