//! The hub's table of links: slots, timers, and the queue of those that have work.

use super::{Entry, Event, Hub, LinkId, Living, Role, State};
use crate::limits::KEYS_WAITING;

impl Hub {
    pub(super) fn insert(&mut self, session: u32, state: State) -> usize {
        self.generation = self.generation.wrapping_add(1);
        let entry = Entry { generation: self.generation, session, timer: None, dirty: false, state };
        let slot = self.entries.insert(entry);
        self.by_session.insert(session, slot);
        slot
    }

    pub(super) fn remove(&mut self, slot: usize) {
        let entry = self.entries.remove(slot);
        self.by_session.remove(&entry.session);
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, slot));
        }
        if entry.dirty {
            self.dirty.retain(|dirty| *dirty != slot);
        }
        if let (State::Living(living), Role::Server { identities, .. }) = (&entry.state, &mut self.role)
            && let Some((user, identity, _)) = living.owner
            && identities.get(&(user, identity)) == Some(&slot)
        {
            identities.remove(&(user, identity));
        }
    }

    pub(super) fn id(&self, slot: usize) -> LinkId {
        LinkId { slot: slot as u32, generation: self.entries[slot].generation }
    }

    pub(super) fn slot(&self, id: LinkId) -> Option<usize> {
        let slot = id.slot as usize;
        self.entries.get(slot).filter(|entry| entry.generation == id.generation).map(|_| slot)
    }

    pub(super) fn living(&mut self, slot: usize) -> Option<&mut Living> {
        match &mut self.entries[slot].state {
            State::Living(living) => Some(living),
            State::Dialing(_) | State::Held(_) => None,
        }
    }

    /// A link may have something to tell and to send.
    pub(super) fn touch(&mut self, slot: usize) {
        self.collect(slot);
        self.mark(slot);
    }

    pub(super) fn mark(&mut self, slot: usize) {
        let entry = &mut self.entries[slot];
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push_back(slot);
        }
    }

    pub(super) fn collect(&mut self, slot: usize) {
        let id = self.id(slot);
        let entry = &mut self.entries[slot];
        let State::Living(living) = &mut entry.state else { return };
        while let Some(event) = living.link.poll_event() {
            self.events.push_back((id, Event::Link(event)));
        }
        if let Some(logged) = self.logged_keys.as_mut().filter(|logged| logged.len() < KEYS_WAITING) {
            logged.extend(living.link.poll_keys());
        }
    }

    pub(super) fn schedule(&mut self, slot: usize) {
        let entry = &mut self.entries[slot];
        let at = match &mut entry.state {
            State::Dialing(dial) => Some(dial.next_attempt()),
            State::Held(held) => Some(held.until),
            State::Living(living) => living.link.poll_timeout(),
        };
        if at == entry.timer {
            return;
        }
        if let Some(old) = entry.timer.take() {
            self.timers.remove(&(old, slot));
        }
        if let Some(at) = at {
            entry.timer = Some(at);
            self.timers.insert((at, slot));
        }
    }
}
