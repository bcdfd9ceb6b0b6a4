//! Room for one more link of a user, and who has to make it.
//!
//! A client that crashes leaves a link behind that nobody uses, and comes back with a new identity.
//! When a user has nearly as many links as one may have, those that are silent are asked whether
//! they live; who does not answer makes room, first of all one at the newcomer's own address.

use super::{Entry, Hub, State, Time, gate};
use crate::envelope::hello::LinkIdentity;
use crate::envelope::keys::PublicKey;
use crate::limits::{CROWD_ASKED, CROWD_PATIENCE, CROWD_QUARTERS, Limits};
use crate::link::Link;
use rustc_hash::FxHashMap;
use slab::Slab;
use std::cell::Cell;
use std::net::IpAddr;
use std::time::Instant;

pub(super) type Identities = FxHashMap<(PublicKey, LinkIdentity), usize>;

/// Whether a user may have one more link.
pub(super) enum Room {
    Free,
    /// The user has as many as one may have, but nobody may be behind this one.
    InPlaceOf(usize),
    None,
}

/// The living links of a user.
fn links_of<'a>(
    identities: &'a Identities,
    entries: &'a Slab<Entry>,
    user: PublicKey,
) -> impl Iterator<Item = (usize, &'a Link)> {
    let slots = identities.iter().filter(move |((owner, _), _)| *owner == user).map(|(_, slot)| *slot);
    slots.filter_map(|slot| match &entries[slot].state {
        State::Living(living) if !living.link.is_lost() => Some((slot, &living.link)),
        _ => None,
    })
}

/// Whether a link comes from this address, whatever its port.
fn is_at(link: &Link, address: IpAddr) -> bool {
    link.path().remote.ip().to_canonical() == address.to_canonical()
}

/// Whether a link was asked, and should have answered by now.
fn owes(link: &Link, now: Instant) -> bool {
    let patience = CROWD_PATIENCE.max(link.stats().rtt * 4);
    link.asked_since().is_some_and(|since| since + patience <= now)
}

/// Room for a newcomer from this address. One of its own address makes room when it does not
/// answer; one of another address when it has been silent for longer than a living client ever is.
pub(super) fn room(
    identities: &Identities,
    entries: &Slab<Entry>,
    limits: &Limits,
    user: PublicKey,
    from: IpAddr,
    now: Instant,
) -> Room {
    let (mut count, mut here, mut anywhere) = (0, None, None);
    for (slot, link) in links_of(identities, entries, user) {
        count += 1;
        let heard = (link.last_heard(), slot);
        if is_at(link, from) && owes(link, now) {
            here = here.into_iter().chain([heard]).min();
        }
        if link.last_heard() + limits.link_stale <= now {
            anywhere = anywhere.into_iter().chain([heard]).min();
        }
    }
    let is_full = entries.len() >= limits.links;
    match here.or(anywhere) {
        _ if count < limits.links_per_user && !is_full => Room::Free,
        Some((_, slot)) => Room::InPlaceOf(slot),
        // The table is full, and the user has few: somebody's link that nobody may be behind.
        None if is_full && count < limits.links_per_user => {
            stalest(entries, limits, now).map_or(Room::None, Room::InPlaceOf)
        }
        None => Room::None,
    }
}

/// Of all links, the one that has been silent longest, if that is longer than a living client ever
/// is. Visits every link; asked only where there is no place for another.
fn stalest(entries: &Slab<Entry>, limits: &Limits, now: Instant) -> Option<usize> {
    let heard = entries.iter().filter_map(|(slot, entry)| match &entry.state {
        State::Living(living) if !living.link.is_lost() => Some((living.link.last_heard(), slot)),
        _ => None,
    });
    heard.min().filter(|(heard, _)| *heard + limits.link_stale <= now).map(|(_, slot)| slot)
}

impl Hub {
    /// Asks those links of a user at this address that have been silent longest whether they live.
    pub(super) fn ask_crowd(&mut self, time: Time, user: PublicKey, from: IpAddr) {
        let super::Role::Server { identities, .. } = &self.role else { return };
        let silent = |link: &Link| link.asked_since().is_none() && link.last_heard() + CROWD_PATIENCE <= time.now;
        let links = links_of(identities, &self.entries, user).filter(|(_, link)| is_at(link, from) && silent(link));
        let mut silent: Vec<(Instant, usize)> = links.map(|(slot, link)| (link.last_heard(), slot)).collect();
        silent.sort_unstable();
        for (_, slot) in silent.into_iter().take(CROWD_ASKED) {
            if let State::Living(living) = &mut self.entries[slot].state {
                living.link.probe(time.now, &mut self.rng);
            }
            self.touch(slot);
        }
    }
}

/// The hub's links, as its gate sees them.
pub(super) struct Table<'a> {
    pub(super) by_session: &'a FxHashMap<u32, usize>,
    pub(super) identities: &'a Identities,
    pub(super) entries: &'a Slab<Entry>,
    pub(super) limits: &'a Limits,
    pub(super) now: Instant,
    /// A user of whom there are nearly too many links.
    pub(super) crowded: &'a Cell<Option<PublicKey>>,
}

impl gate::Links for Table<'_> {
    fn is_taken(&self, session: u32) -> bool {
        self.by_session.contains_key(&session)
    }

    fn has_room_for(&self, user: &PublicKey, identity: &LinkIdentity, from: IpAddr) -> bool {
        if self.identities.contains_key(&(*user, *identity)) {
            return true;
        }
        let count = links_of(self.identities, self.entries, *user).count();
        let is_crowded = |count: usize, most: usize| count * 4 >= most * CROWD_QUARTERS;
        if is_crowded(count, self.limits.links_per_user) || is_crowded(self.entries.len(), self.limits.links) {
            self.crowded.set(Some(*user));
        }
        let room = room(self.identities, self.entries, self.limits, *user, from, self.now);
        !matches!(room, Room::None)
    }
}
