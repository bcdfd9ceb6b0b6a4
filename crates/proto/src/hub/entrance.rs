//! How links begin: handshakes that go out and come in.

use super::dial::{Completed, Dial, Held, Particulars, ServerClock};
use super::gate::{self, Pending};
use super::room::{Room, Table, room};
use super::{Event, Hub, LinkId, Living, Role, State, Time};
use crate::envelope::control::close;
use crate::envelope::handshake::ClientKeys;
use crate::envelope::header::{Header, HeaderKey};
use crate::limits::{HELD_TIME, JUNK_IDLE, PAIRS_REMEMBERED};
use crate::link::{Begin, Link, Path, Side};
use crate::ports::Ports;
use crate::session::sessions::Start;
use bytes::BytesMut;
use rand::RngExt;
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A handshake that is to be held.
pub struct HeldDial {
    /// The keys to use with the server.
    pub keys: ClientKeys,
    /// Where it goes.
    pub path: Path,
    /// Each attempt goes to one of these ports.
    pub ports: Ports,
    /// Which link of the client's pool it is for.
    pub member: u16,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// The attempts follow each other closely.
    pub eager: bool,
}

/// Bytes of the headers of PPPoE.
const PPPOE: u16 = 8;

impl Hub {
    /// Begins a link to a server. Its events are [`Event::Up`] or, after `patience`,
    /// [`Event::NoAnswer`]. `None`: this end has too many links.
    pub fn dial(
        &mut self,
        time: Time,
        keys: ClientKeys,
        path: Path,
        member: u16,
        patience: Duration,
    ) -> Option<LinkId> {
        let ports = Ports::one(path.remote.port());
        let dial = Dial::new(keys, path, ports, member, time.now + patience, &self.limits);
        self.begin(time, dial)
    }

    /// Begins a handshake whose answer begins no link: it is held, [`Event::Answered`], until
    /// [`confirm_dial`](Self::confirm_dial) makes the link of it. A link that is confirmed takes
    /// the place of an older one at the server; one that is held harms none. `None`: this end has
    /// too many links.
    pub fn dial_held(&mut self, time: Time, of: HeldDial) -> Option<LinkId> {
        let HeldDial { keys, path, ports, member, patience, eager } = of;
        let mut dial = Dial::new(keys, path, ports, member, time.now + patience, &self.limits).held();
        if eager {
            dial.hurry(time.now);
        }
        self.begin(time, dial)
    }

    fn begin(&mut self, time: Time, dial: Dial) -> Option<LinkId> {
        if self.entries.len() >= self.limits.links {
            return None;
        }
        let session = self.new_session_id();
        let slot = self.insert(session, State::Dialing(Box::new(dial)));
        self.attempt(time, slot);
        Some(self.id(slot))
    }

    /// The first data of a half-open handshake: it becomes a link, on the path of the handshake.
    /// Who sends this data has received the answer there, while the data itself may be a copy
    /// that somebody sends from elsewhere.
    ///
    /// Whether it is authentic and became one.
    pub(super) fn confirm(&mut self, time: Time, path: Path, header: &Header, mut datagram: BytesMut) -> bool {
        let Role::Server { gate, identities } = &mut self.role else { return false };
        let length = datagram.len();
        let Some(pending) = gate.open_pending(header, &mut datagram) else {
            self.drops.forged += 1;
            return false;
        };
        let Pending { user, name, identity, epoch, path: proven, since, kind, params, secret, .. } = pending;
        let (sealer, opener, chain, logged) = (pending.sealer, pending.opener, pending.chain, pending.logged);
        if let Some(&older) = identities.get(&(user, identity)) {
            if self.entries[older].epoch() >= Some(epoch) {
                self.drops.replayed += 1;
                return false;
            }
            self.close_slot(time, older, close::REPLACED);
        } else {
            match room(identities, &self.entries, &self.limits, user, proven.remote.ip(), time.now) {
                Room::Free => {}
                Room::InPlaceOf(stale) => self.close_slot(time, stale, close::CROWDED),
                Room::None => {
                    self.drops.no_room += 1;
                    return false;
                }
            }
        }
        let rtt = time.now - since;
        let (datagram_max, datagram_more) = (self.datagram_max(proven), proven.datagram_more());
        let start = Start { side: Side::Server, params: &params, datagram_max, datagram_more, rtt };
        let Ok(session) = self.sessions.begin(kind, &start, time.now, &mut self.rng) else { return false };
        let begin = Begin { side: Side::Server, sealer, opener, chain, path: proven, ports: None, logged };
        let link = Link::new(begin, session, &self.limits, time.now, &mut self.rng);
        let living = Living { link, kind, header: None, owner: Some((user, identity, epoch)), secret };
        let slot = self.insert(header.session, State::Living(Box::new(living)));
        if let Role::Server { identities, .. } = &mut self.role {
            identities.insert((user, identity), slot);
        }
        let up = Event::Up { path: proven, rtt: None, user: Some(name), kind, clock_ahead: None };
        self.events.push_back((self.id(slot), up));
        if let State::Living(living) = &mut self.entries[slot].state {
            living.link.handle_opened(time.now, path, header, length, datagram, &mut self.rng);
        }
        self.touch(slot);
        true
    }

    /// Whether it was a handshake that this end has taken.
    pub(super) fn handle_handshake(&mut self, time: Time, path: Path, datagram: &[u8]) -> bool {
        match &mut self.role {
            Role::Server { gate, identities } => {
                let (by_session, entries, limits) = (&self.by_session, &self.entries, &self.limits);
                let crowded = Cell::new(None);
                let links = Table { by_session, identities, entries, limits, now: time.now, crowded: &crowded };
                let outcome = gate.handle(time, path, datagram, &self.sessions, &links, &mut self.rng);
                let taken = outcome.is_ok();
                match outcome {
                    Ok(answer) => self.send_handshake(path, answer),
                    Err(gate::Refusal::NotOurs) => self.drops.not_ours += 1,
                    Err(_) => {}
                }
                if let Some(user) = crowded.take() {
                    self.ask_crowd(time, user, path.remote.ip());
                }
                taken
            }
            Role::Client { .. } => self.complete(time, path, datagram),
        }
    }

    /// An answer to a handshake of ours, perhaps: whether it is.
    pub(super) fn complete(&mut self, time: Time, path: Path, datagram: &[u8]) -> bool {
        let found = self.entries.iter_mut().find_map(|(slot, entry)| match &mut entry.state {
            State::Dialing(dial) => {
                dial.complete(time, path, datagram).map(|completed| (slot, completed, dial.is_held()))
            }
            State::Living(_) | State::Held(_) => None,
        });
        let Some((slot, completed, hold)) = found else {
            self.drops.not_ours += 1;
            return false;
        };
        self.learn_clock(time, &completed);
        if !hold {
            self.come_up(time, slot, completed);
            return true;
        }
        let rtt = completed.rtt;
        let until = time.now + HELD_TIME;
        self.entries[slot].state = State::Held(Box::new(Held { completed: Some(completed), until }));
        self.events.push_back((self.id(slot), Event::Answered { rtt }));
        self.schedule(slot);
        true
    }

    /// Has a link use the port at which a handshake that is held was answered: it is open.
    pub fn use_port_of(&mut self, id: LinkId, held: LinkId) {
        let (Some(slot), Some(held)) = (self.slot(id), self.slot(held)) else { return };
        let State::Held(held) = &self.entries[held].state else { return };
        let Some(path) = held.completed.as_ref().map(|completed| completed.path) else { return };
        if let Some(living) = self.living(slot) {
            living.link.use_port(&path);
        }
    }

    /// Makes a link of a handshake that is held: [`Event::Up`], or [`Event::NoAnswer`] where the
    /// answer is of no use. `false`: it is not held, or not any more.
    pub fn confirm_dial(&mut self, time: Time, id: LinkId) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let State::Held(held) = &mut self.entries[slot].state else { return false };
        let Some(completed) = held.completed.take() else { return false };
        let up = self.come_up(time, slot, completed);
        if !up {
            self.events.push_back((id, Event::NoAnswer));
            self.remove(slot);
        }
        up
    }

    /// A handshake of ours becomes a link.
    fn come_up(&mut self, time: Time, slot: usize, completed: Completed) -> bool {
        let (rtt, path) = (completed.rtt, completed.path);
        let (datagram_max, datagram_more) = (self.datagram_max(path), path.datagram_more());
        let (kind, params) = (completed.kind, &completed.welcome.params);
        let start = Start { side: Side::Client, params, datagram_max, datagram_more, rtt };
        let session = self.sessions.begin(kind, &start, time.now, &mut self.rng);
        let Ok(session) = session else {
            self.drops.handshakes.malformed += 1;
            return false;
        };
        let header = Some(HeaderKey::new(&completed.keys.header_to_client));
        let clock_ahead = Some(completed.clock_ahead(time));
        let logged = self.logged_keys.is_some().then(|| completed.logged(self.entries[slot].session));
        let begin = completed.begin(logged, &mut self.rng);
        let link = Link::new(begin, session, &self.limits, time.now, &mut self.rng);
        self.entries[slot].state = State::Living(Box::new(Living { link, kind, header, owner: None, secret: 0 }));
        let up = Event::Up { path, rtt: Some(rtt), user: None, kind, clock_ahead };
        self.events.push_back((self.id(slot), up));
        self.touch(slot);
        true
    }

    /// The longest datagram to try on a path. It is drawn as well: what finds out about a path has
    /// lengths that follow from it. All that may be drawn passes PPPoE, whose paths carry 8 bytes
    /// less than others: such a path has no second try.
    fn datagram_max(&mut self, path: Path) -> u16 {
        let cut = self.limits.profile.segment_cut.half();
        let pppoe = if cut.high > 0 { PPPOE } else { 0 };
        path.datagram_max() - pppoe - cut.draw(&mut self.rng) as u16
    }

    fn learn_clock(&mut self, time: Time, completed: &Completed) {
        if let Role::Client { clocks, .. } = &mut self.role {
            clocks.insert(completed.server, ServerClock::new(completed.welcome.time_ns, time));
        }
    }

    /// Sends a new message 1 for a link that is being dialled, or what goes ahead of it; or gives it up.
    pub(super) fn attempt(&mut self, time: Time, slot: usize) {
        let entry = &mut self.entries[slot];
        let State::Dialing(dial) = &mut entry.state else { return };
        if dial.is_over(time.now) {
            let id = LinkId { slot: slot as u32, generation: entry.generation };
            self.events.push_back((id, Event::NoAnswer));
            self.remove(slot);
            return;
        }
        let to = dial.choose(&mut self.rng);
        let new_pair = self.is_new_pair(time, to);
        let entry = &mut self.entries[slot];
        let (State::Dialing(dial), Role::Client { instance, epoch, clocks, .. }) = (&mut entry.state, &mut self.role)
        else {
            return;
        };
        let path = dial.path();
        while let Some(junk) = dial.junk(time.now, new_pair, &mut self.rng) {
            if self.handshakes.len() < self.limits.handshake_queue {
                self.handshakes.push_back((path, junk));
            }
            if dial.next_attempt() > time.now {
                self.schedule(slot);
                return;
            }
        }
        *epoch += 1;
        let clock = clocks.get(&dial.server()).copied();
        let kind = self.limits.session;
        let params = self.sessions.asks(kind);
        let of = Particulars {
            instance: *instance,
            epoch: *epoch,
            session: entry.session,
            aes: self.aes,
            clock,
            kind,
            params,
        };
        let datagram = dial.attempt(time, &of, &mut self.rng);
        self.send_handshake(path, datagram);
        self.schedule(slot);
    }

    /// Takes note that a client sends to this address. Returns whether it has not done so lately:
    /// whoever watches the path may have forgotten the pair of addresses.
    fn is_new_pair(&mut self, time: Time, to: SocketAddr) -> bool {
        let idle = |last: Instant| time.now.saturating_duration_since(last) >= JUNK_IDLE;
        let of_link = self.entries.iter().filter_map(|(_, entry)| match &entry.state {
            State::Living(living) if living.link.path().remote == to => living.link.last_sent(),
            _ => None,
        });
        let of_link = of_link.max();
        let Role::Client { pairs, .. } = &mut self.role else { return false };
        if pairs.len() >= PAIRS_REMEMBERED {
            pairs.retain(|_, last| !idle(*last));
        }
        let of_dial = if pairs.len() < PAIRS_REMEMBERED { pairs.insert(to, time.now) } else { None };
        of_dial.into_iter().chain(of_link).all(idle)
    }

    pub(super) fn send_handshake(&mut self, path: Path, datagram: Vec<u8>) {
        if self.handshakes.len() >= self.limits.handshake_queue {
            self.handshakes.pop_front();
        }
        self.handshakes.push_back((path, datagram));
    }

    pub(super) fn new_session_id(&mut self) -> u32 {
        loop {
            let id = self.rng.random();
            if !self.by_session.contains_key(&id) {
                return id;
            }
        }
    }
}
