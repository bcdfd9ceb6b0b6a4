//! One round of a keeper: all addresses dialled, nearly at once.

use super::pace::Failure;
use super::{Action, Candidate, Keeper};
use crate::envelope::control::close;
use crate::hub::{HeldDial, Hub, LinkId, Time};
use crate::limits::{DIAL_STAGGER, DIAL_STAGGER_ALL, DIAL_TIME, DIAL_TIME_MIN, DIALS_AT_ONCE, SERVER_ADDRESSES};
use crate::link::Path;
use crate::ports::Ports;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

/// A handshake that goes out to an address of a server.
#[derive(Clone, Copy)]
pub(super) struct Dialled {
    pub(super) link: LinkId,
    pub(super) server: usize,
    pub(super) peer: SocketAddr,
}

pub(super) struct Round {
    /// What is still to be dialled, in order.
    queue: VecDeque<(usize, SocketAddr)>,
    /// All addresses that this round has seen.
    seen: Vec<(usize, SocketAddr)>,
    dials: Vec<Dialled>,
    /// Servers that are being looked up.
    awaited: Vec<usize>,
    /// When the next may be dialled.
    next: Instant,
    /// When those that were dialled have had their time: one time for all, so that no address
    /// waits for another when the round begins anew.
    until: Option<Instant>,
}

impl Round {
    fn new(now: Instant) -> Self {
        let (queue, seen, dials, awaited) = (VecDeque::new(), Vec::new(), Vec::new(), Vec::new());
        Self { queue, seen, dials, awaited, next: now, until: None }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (!self.queue.is_empty() && self.dials.len() < DIALS_AT_ONCE).then_some(self.next)
    }

    /// Queues the addresses of a server that are new to this round: servers in their order, those
    /// whose last link carried nothing last.
    fn enqueue(&mut self, server: usize, addresses: &[SocketAddr], shunned: &[SocketAddr]) {
        for &address in addresses.iter().take(SERVER_ADDRESSES) {
            if !self.seen.contains(&(server, address)) {
                self.seen.push((server, address));
                self.queue.push_back((server, address));
            }
        }
        self.queue.make_contiguous().sort_by_key(|(server, address)| (shunned.contains(address), *server));
    }

    pub(super) fn looked_up(&mut self, server: usize, addresses: &[SocketAddr], shunned: &[SocketAddr]) {
        if self.awaited.contains(&server) {
            self.awaited.retain(|awaited| *awaited != server);
            self.enqueue(server, addresses, shunned);
        }
    }

    pub(super) fn has(&self, link: LinkId) -> bool {
        self.dials.iter().any(|dialled| dialled.link == link)
    }

    /// A handshake is over, answered or not.
    pub(super) fn ended(&mut self, link: LinkId) -> Option<Dialled> {
        let index = self.dials.iter().position(|dialled| dialled.link == link)?;
        Some(self.dials.swap_remove(index))
    }

    pub(super) fn hurry(&self, time: Time, hub: &mut Hub) {
        for dialled in &self.dials {
            hub.hurry(time, dialled.link);
        }
    }

    fn is_over(&self) -> bool {
        self.queue.is_empty() && self.dials.is_empty() && self.awaited.is_empty()
    }
}

impl Keeper {
    /// Begins a round, or widens the one that is on: a link that is doubted is replaced by one to
    /// the same server, as long as that is not silent for too long. Where another member of the
    /// pool has a link, there is only its server, at its address.
    pub(super) fn begin_round(&mut self, time: Time, hub: &mut Hub) {
        self.next_round = None;
        // One that stays silent has had its time when its `failover` is over.
        let only = self.kept.filter(|kept| !kept.doubted || kept.failover.is_some() || self.servers.len() < 2);
        let only = only.map(|kept| kept.server);
        let round = self.round.get_or_insert_with(|| Round::new(time.now));
        if let Some(lead) = self.lead {
            // Known to be good a moment ago: it needs no look-up.
            round.enqueue(lead.server, &[lead.peer], &[]);
            self.drive_round(time, hub);
            return;
        }
        for (index, server) in self.servers.iter().enumerate() {
            if only.is_some_and(|only| only != index) || round.awaited.contains(&index) {
                continue;
            }
            round.awaited.push(index);
            round.enqueue(index, &server.addresses, &self.shunned);
            self.actions.push_back(Action::LookUp(index));
        }
        self.drive_round(time, hub);
    }

    /// Dials what is due, and takes note of the end of a round.
    pub(super) fn drive_round(&mut self, time: Time, hub: &mut Hub) {
        let Some(round) = &mut self.round else { return };
        let eager = self.pace.is_eager(time.now);
        while round.poll_timeout().is_some_and(|at| at <= time.now)
            && let Some((server, peer)) = round.queue.pop_front()
        {
            let seen = round.seen.len();
            let until = *round.until.get_or_insert(time.now + DIAL_TIME);
            let left = until.saturating_duration_since(time.now).max(DIAL_TIME_MIN);
            let patience = if seen > DIALS_AT_ONCE { DIAL_TIME_MIN } else { left };
            let Candidate { carrier, keys, ports } = self.servers[server].of.clone();
            let path = Path { carrier, remote: peer, local: None };
            let ports = ports.unwrap_or_else(|| Ports::one(peer.port()));
            if let Some(link) =
                hub.dial_held(time, HeldDial { keys, path, ports, member: self.member, patience, eager })
            {
                round.dials.push(Dialled { link, server, peer });
            }
            round.next = time.now + DIAL_STAGGER.min(DIAL_STAGGER_ALL / u32::try_from(seen).unwrap_or(u32::MAX));
        }
        if round.is_over() {
            self.round = None;
            self.fail(time, Failure::NoAnswer);
        }
    }

    /// Ends a round, its handshakes and the one that is held; none begins by itself.
    pub(super) fn end_round(&mut self, time: Time, hub: &mut Hub) {
        self.next_round = None;
        let round = self.round.take().map(|round| round.dials).unwrap_or_default();
        for dialled in round.into_iter().chain(self.held.take().map(|held| held.dialled)) {
            hub.close(time, dialled.link, close::SHUTDOWN);
        }
    }
}
