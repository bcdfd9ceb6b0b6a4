//! A client's keeper: brings a link up, doubts it when it is silent, and brings it up again, for ever.
//!
//! A machine beside the hub, which it is handed for every call. It dials the addresses of its
//! servers nearly at once, every handshake held; the first answer becomes the link. When the
//! server owes an answer, a handshake goes out *beside* the link. If that one is answered, the
//! server is there, and the link is asked once more: if it stays silent the handshake takes its
//! place, and else it is dropped, for a link that was only interrupted keeps its streams.

mod pace;
pub mod pool;
mod round;

use crate::carrier::CarrierKind;
use crate::envelope::control::close;
use crate::envelope::handshake::ClientKeys;
use crate::hub::{self, Hub, LinkId, Time};
use crate::limits::{FAILOVER_TIME, HELD_TIME, HOLD_PROBES, HOLD_ROUND_TRIPS, HOLD_TIME, STEADY_LINK};
use crate::link::{self, Lost};
use crate::ports::Ports;
use pace::{Failure, Pace};
use rand::{SeedableRng, rngs::StdRng};
use round::{Dialled, Round};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a keeper wants done, and what it reports.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Look up the addresses of this server, and give them to [`Keeper::addresses`].
    LookUp(usize),
    /// The link is up: it has carried something.
    Up {
        /// Which link.
        link: LinkId,
        /// The server's address.
        peer: SocketAddr,
        /// How long the handshake took.
        rtt: Duration,
        /// How far this machine's clock is ahead of the server's, seconds.
        clock_ahead: f64,
    },
    /// The link is down.
    Down {
        /// Which link.
        link: LinkId,
        /// The server's address.
        peer: SocketAddr,
        /// Why.
        why: Lost,
    },
    /// There is no link; the next round begins after this pause.
    Retry(Duration),
}

/// The link that a keeper keeps.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Kept {
    /// The hub's name for it.
    pub link: LinkId,
    /// The server's address.
    pub peer: SocketAddr,
    /// How long its handshake took.
    pub rtt: Duration,
    /// It has carried something.
    pub proven: bool,
    /// Its server owes an answer for so long that it may be gone.
    pub doubted: bool,
    server: usize,
    since: Instant,
    clock_ahead: f64,
    /// When other servers are to be dialled as well, since this one is silent.
    failover: Option<Instant>,
}

impl Kept {
    /// It has lived for long enough to say nothing against the next.
    fn is_steady(&self, now: Instant) -> bool {
        self.since + STEADY_LINK <= now
    }
}

/// A handshake beside a doubted link.
struct Held {
    dialled: Dialled,
    rtt: Duration,
    until: Instant,
    probe: Instant,
    interval: Duration,
}

/// A server that a keeper may use.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// How datagrams get there.
    pub carrier: CarrierKind,
    /// The keys to use with it.
    pub keys: ClientKeys,
    /// Its ports; `None`: the one of each address that is looked up.
    pub ports: Option<Ports>,
}

struct Server {
    of: Candidate,
    /// The addresses that its last good look-up brought.
    addresses: Vec<SocketAddr>,
}

/// Where another member of the pool has its link: the server, and its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Lead {
    server: usize,
    peer: SocketAddr,
}

/// Keeps one link to the first server that answers.
pub struct Keeper {
    /// Which link of the pool this is.
    member: u16,
    servers: Vec<Server>,
    /// Begins no round: it is another member's turn.
    rests: bool,
    /// Another member whose link can be relied on: its server is the one, and nothing hurries.
    lead: Option<Lead>,
    pace: Pace,
    round: Option<Round>,
    /// When the next round begins, if none is on and one is wanted.
    next_round: Option<Instant>,
    kept: Option<Kept>,
    held: Option<Held>,
    /// Addresses whose last link carried nothing: tried after the others.
    shunned: Vec<SocketAddr>,
    actions: VecDeque<Action>,
    rng: StdRng,
}

impl Keeper {
    /// A keeper that dials at once. `member`: which link of its pool it keeps; one that is alone keeps number 0.
    /// `seed`: 32 bytes from the system's generator.
    pub fn new(now: Instant, member: u16, servers: Vec<Candidate>, seed: [u8; 32]) -> Self {
        Self {
            member,
            rests: false,
            lead: None,
            servers: servers.into_iter().map(|of| Server { of, addresses: Vec::new() }).collect(),
            pace: Pace::new(now),
            round: None,
            next_round: Some(now),
            kept: None,
            held: None,
            shunned: Vec::new(),
            actions: VecDeque::new(),
            rng: StdRng::from_seed(seed),
        }
    }

    /// The link, if there is one, be it doubted.
    pub fn kept(&self) -> Option<Kept> {
        self.kept
    }

    /// The next thing to be done or told.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let held = self.held.as_ref().map(|held| held.until.min(held.probe));
        let round = self.round.as_ref().and_then(Round::poll_timeout);
        let failover = self.kept.and_then(|kept| kept.failover).filter(|_| self.held.is_none());
        let dialling = [round, self.next_round, failover].into_iter().filter(|_| !self.rests);
        dialling.chain([held]).flatten().min()
    }

    /// Takes note that the time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, time: Time, hub: &mut Hub) {
        if let (Some(held), Some(kept)) = (&mut self.held, &self.kept) {
            if held.until <= time.now {
                self.replace(time, hub);
            } else if held.probe <= time.now {
                held.probe = time.now + held.interval;
                hub.probe(time, kept.link);
            }
        }
        if self.rests {
            return;
        }
        let failover = self.kept.as_mut().filter(|_| self.held.is_none());
        let failover = failover.and_then(|kept| kept.failover.take_if(|at| *at <= time.now)).is_some();
        if failover || self.next_round.is_some_and(|at| at <= time.now) {
            self.begin_round(time, hub);
        }
        self.drive_round(time, hub);
    }

    /// Somebody waits for the link, or nobody does any more. A new wish ends a pause.
    pub fn want(&mut self, time: Time, hub: &mut Hub, wanted: bool) {
        if !self.pace.want(wanted) || !self.pace.is_eager(time.now) {
            return;
        }
        if let Some(round) = &self.round {
            round.hurry(time, hub);
        }
        if let Some(next) = self.next_round {
            self.next_round = Some(next.min(time.now + self.pace.wish_pause()));
        }
        self.handle_timeout(time, hub);
    }

    /// This machine has slept, or this process: a pause that is on ends. The hub looks after the
    /// link that there is.
    pub fn resumed(&mut self, time: Time, hub: &mut Hub) {
        self.pace.resumed(time.now);
        if self.next_round.is_some() && self.pace.is_eager(time.now) {
            self.next_round = Some(time.now);
            self.handle_timeout(time, hub);
        }
    }

    /// The addresses of a server, for [`Action::LookUp`]; none if it could not be looked up.
    pub fn addresses(&mut self, time: Time, hub: &mut Hub, server: usize, addresses: Vec<SocketAddr>) {
        let Some(known) = self.servers.get_mut(server) else { return };
        if !addresses.is_empty() {
            known.addresses = addresses;
        }
        if let Some(round) = &mut self.round {
            round.looked_up(server, &known.addresses, &self.shunned);
        }
        self.drive_round(time, hub);
    }

    /// Takes in an event of the hub.
    pub fn handle_event(&mut self, time: Time, hub: &mut Hub, id: LinkId, event: &hub::Event) {
        match event {
            hub::Event::Answered { rtt } => self.answered(time, hub, id, *rtt),
            hub::Event::NoAnswer => {
                if self.held.as_ref().is_some_and(|held| held.dialled.link == id) {
                    self.held = None;
                    self.next_round = Some(time.now);
                }
                if let Some(round) = &mut self.round {
                    round.ended(id);
                }
            }
            hub::Event::Up { clock_ahead: Some(ahead), .. } => {
                if let Some(kept) = self.kept.as_mut().filter(|kept| kept.link == id) {
                    kept.clock_ahead = *ahead;
                }
            }
            hub::Event::Link(event) if self.kept.is_some_and(|kept| kept.link == id) => {
                self.handle_link(time, hub, *event);
            }
            _ => {}
        }
        self.drive_round(time, hub);
    }

    fn handle_link(&mut self, time: Time, hub: &mut Hub, event: link::Event) {
        let Some(kept) = &mut self.kept else { return };
        match event {
            link::Event::Proven => {
                kept.proven = true;
                self.shunned.clear();
                self.actions.push_back(Action::Up {
                    link: kept.link,
                    peer: kept.peer,
                    rtt: kept.rtt,
                    clock_ahead: kept.clock_ahead,
                });
            }
            link::Event::Doubted => {
                kept.doubted = true;
                kept.failover = (self.servers.len() > 1).then_some(time.now + FAILOVER_TIME);
                if kept.is_steady(time.now) {
                    self.pace.steady();
                }
                self.pace.outage(time.now);
                let pause = self.pace.doubt(time.now, &mut self.rng);
                self.next_round.get_or_insert(time.now + pause);
                self.handle_timeout(time, hub);
            }
            link::Event::Trusted => {
                (kept.doubted, kept.failover) = (false, None);
                self.pace.calmed(time.now);
                self.end_round(time, hub);
            }
            link::Event::Lost(why) => self.lost(time, hub, why),
            link::Event::Session(_) | link::Event::Moved { .. } | link::Event::Echoed(_) => {}
        }
    }

    /// A handshake was answered: the server is there.
    fn answered(&mut self, time: Time, hub: &mut Hub, id: LinkId, rtt: Duration) {
        let dialled = self.round.as_mut().and_then(|round| round.ended(id));
        let Some(dialled) = dialled.filter(|_| self.held.is_none()) else {
            hub.close(time, id, close::SHUTDOWN);
            return;
        };
        let Some(kept) = self.kept else {
            self.take_up(time, hub, dialled, rtt);
            return;
        };
        self.end_round(time, hub);
        let hold = HOLD_TIME.max(rtt * HOLD_ROUND_TRIPS).min(HELD_TIME / 2);
        // The last probe leaves early enough for its echo.
        let interval = hold.saturating_sub(rtt * 5 / 4).max(hold / 4) / HOLD_PROBES;
        hub.use_port_of(kept.link, id);
        hub.probe(time, kept.link);
        let (until, probe) = (time.now + hold, time.now + interval);
        self.held = Some(Held { dialled, rtt, until, probe, interval });
    }

    /// The doubted link has not answered, while the server has: the held handshake takes its place.
    fn replace(&mut self, time: Time, hub: &mut Hub) {
        let (Some(held), Some(kept)) = (self.held.take(), self.kept) else { return };
        if self.take_up(time, hub, held.dialled, held.rtt) {
            self.actions.push_back(Action::Down { link: kept.link, peer: kept.peer, why: Lost::Forgotten });
            // What its end tells is not about the link that is kept.
            hub.give_up(kept.link, Lost::Forgotten);
        }
    }

    /// Makes the link of an answered handshake. Where that fails the next round begins soon.
    fn take_up(&mut self, time: Time, hub: &mut Hub, dialled: Dialled, rtt: Duration) -> bool {
        self.end_round(time, hub);
        let confirmed = hub.confirm_dial(time, dialled.link);
        if confirmed {
            let Dialled { link, server, peer } = dialled;
            let (since, clock_ahead) = (time.now, 0.0);
            let kept =
                Kept { link, peer, rtt, proven: false, doubted: false, server, since, clock_ahead, failover: None };
            self.kept = Some(kept);
        } else {
            self.fail(time, Failure::ShortLived);
        }
        confirmed
    }

    fn lost(&mut self, time: Time, hub: &mut Hub, why: Lost) {
        let Some(kept) = self.kept.take() else { return };
        self.actions.push_back(Action::Down { link: kept.link, peer: kept.peer, why });
        let steady = why != Lost::Hollow && kept.is_steady(time.now);
        if why == Lost::Hollow {
            self.shunned.push(kept.peer);
        }
        // Whoever is sent away does not come back at once, or two clients that crowd each other
        // out would do so for ever.
        let sent_away = |code| matches!(code, close::REVOKED | close::REPLACED | close::CROWDED | close::RETIRED);
        let sent_away = matches!(why, Lost::ByPeer(code) if sent_away(code));
        if steady && !sent_away {
            self.pace.steady();
        }
        self.pace.outage(time.now);
        if sent_away {
            self.end_round(time, hub);
            self.fail(time, Failure::SentAway);
        } else if let Some(held) = self.held.take() {
            self.take_up(time, hub, held.dialled, held.rtt);
        } else if steady {
            // Look up and dial at once, other servers as well.
            self.next_round = Some(time.now);
            self.handle_timeout(time, hub);
        } else {
            self.end_round(time, hub);
            self.fail(time, Failure::ShortLived);
        }
    }

    /// A round has come to nothing: the next begins after a pause.
    fn fail(&mut self, time: Time, failure: Failure) {
        let pause = self.pace.fail(time.now, failure, &mut self.rng);
        self.next_round = Some(time.now + pause);
        if self.kept.is_none() {
            self.actions.push_back(Action::Retry(pause));
        }
    }
}
