//! What the owner of a hub may change while links live.

use super::{Entry, Event, Hub, LinkId, Role, State, Tables, Time, gate};
use crate::carrier::CarrierKind;
use crate::envelope::control::close;
use crate::envelope::key_log::LoggedKeys;
use crate::envelope::keys::Psk;
use crate::limits::Limits;
use crate::link::Lost;
use crate::session::sessions::Sessions;
use std::collections::VecDeque;
use std::net::SocketAddr;

impl Hub {
    /// Has each link to this address by this carrier ask its peer something.
    pub fn probe_at(&mut self, time: Time, carrier: CarrierKind, remote: SocketAddr) {
        for id in self.ids() {
            if self.link(id).is_some_and(|link| link.path().carrier == carrier && link.path().remote == remote) {
                self.probe(time, id);
            }
        }
    }

    /// Replaces the limits. What begins from now on uses them: handshakes, links, their sessions.
    pub fn set_limits(&mut self, time: Time, limits: Limits) {
        self.sessions = Sessions::new(&limits, time.now, &mut self.rng);
        self.limits = limits;
        match &mut self.role {
            Role::Server { gate, .. } => gate.set_limits(&self.limits),
            Role::Client { .. } => self.limits.links = self.limits.links.min(usize::from(u16::MAX)),
        }
    }

    /// Replaces the table of users. A link whose user is gone ends.
    pub fn set_users(&mut self, time: Time, users: gate::Users) {
        let Role::Server { gate, identities } = &mut self.role else { return };
        gate.set_users(users);
        let gone: Vec<usize> =
            identities.iter().filter(|((user, _), _)| !gate.knows(user)).map(|(_, slot)| *slot).collect();
        for slot in gone {
            self.close_slot(time, slot, close::REVOKED);
        }
    }

    /// Whether the keys of links that begin from now on are written down: [`poll_keys`](Self::poll_keys). Whoever
    /// gets them can read all that these links carry; nothing else of the hub ever shows them.
    pub fn log_keys(&mut self, on: bool) {
        self.logged_keys = on.then(VecDeque::new);
        if let Role::Server { gate, .. } = &mut self.role {
            gate.log_keys(on);
        }
    }

    /// The next keys to be written down: a link's first, or those that it has changed to. `None` for ever unless
    /// [`log_keys`](Self::log_keys) has asked for them.
    pub fn poll_keys(&mut self) -> Option<LoggedKeys> {
        self.logged_keys.as_mut()?.pop_front()
    }

    /// Replaces the deployment's secrets. A link whose client uses one that is gone ends: its
    /// headers could not be read any more.
    pub fn set_psks(&mut self, time: Time, psks: Vec<Psk>) {
        let Role::Server { gate, .. } = &mut self.role else { return };
        gate.set_psks(psks);
        let gone = |entry: &Entry| match &entry.state {
            State::Living(living) => !gate.has_secret(living.secret),
            State::Dialing(_) | State::Held(_) => false,
        };
        let gone: Vec<usize> = self.entries.iter().filter(|(_, entry)| gone(entry)).map(|(slot, _)| slot).collect();
        for slot in gone {
            self.close_slot(time, slot, close::RETIRED);
        }
    }

    /// The attempts of a handshake follow closely from now on: somebody waits for the link.
    pub fn hurry(&mut self, time: Time, id: LinkId) {
        let Some(slot) = self.slot(id) else { return };
        if let State::Dialing(dial) = &mut self.entries[slot].state
            && dial.hurry(time.now)
        {
            self.schedule(slot);
        }
    }

    /// Gives a link up without a word to the peer, who does not listen.
    pub fn give_up(&mut self, id: LinkId, why: Lost) {
        let Some(slot) = self.slot(id) else { return };
        if let State::Living(living) = &mut self.entries[slot].state {
            living.link.give_up(why);
            self.touch(slot);
        }
    }

    /// This end was stopped for a while, or its machine has slept. No link is given up for what
    /// has not been heard meanwhile, and a client asks on every link at once whether it lives.
    pub fn resumed(&mut self, time: Time) {
        let slots: Vec<usize> = self.entries.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            if let State::Living(living) = &mut self.entries[slot].state {
                living.link.resumed(time.now, &mut self.rng);
                self.touch(slot);
            }
        }
    }

    /// Whether this is a client with a link: its owner looks at the clocks every second or two,
    /// and calls [`resumed`](Self::resumed) when they tell of sleep.
    pub fn watches_clocks(&self) -> bool {
        let client = matches!(self.role, Role::Client { .. });
        client && self.entries.iter().any(|(_, entry)| matches!(entry.state, State::Living(_)))
    }

    /// How much this hub holds.
    pub fn tables(&self) -> Tables {
        let mut tables = Tables {
            links: self.entries.len(),
            sessions: self.by_session.len(),
            timers: self.timers.len(),
            ready: self.dirty.len(),
            events: self.events.len(),
            handshakes: self.handshakes.len(),
            ..Tables::default()
        };
        if let Role::Server { gate, identities } = &self.role {
            tables.identities = identities.len();
            (tables.half_open, tables.remembered, tables.prefixes) = gate.tables();
        }
        tables
    }

    /// A held handshake is of no use any more.
    pub(super) fn drop_held(&mut self, slot: usize) {
        self.events.push_back((self.id(slot), Event::NoAnswer));
        self.remove(slot);
    }
}
