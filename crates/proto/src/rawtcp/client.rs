//! The flows of an end that dials: one server after the other, each in a [`Peer`].

use super::outbox::Outbox;
use super::peer::{Peer, Sent};
use super::tuple::{End, Tuple};
use super::{Action, Mark, Segment, Sending};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Instant;

pub(super) struct Client<H> {
    peers: FxHashMap<End, Peer<H>>,
    actions: VecDeque<Action>,
    /// When one of the peers may have something to do: never later than the first of them has.
    due: Option<Instant>,
    /// When peers are next looked through for what is idle.
    sweep: Option<Instant>,
}

impl<H: Copy> Client<H> {
    pub(super) fn new() -> Self {
        Self { peers: FxHashMap::default(), actions: VecDeque::new(), due: None, sweep: None }
    }

    pub(super) fn count(&self) -> usize {
        self.peers.values().map(Peer::count).sum()
    }

    pub(super) fn remotes(&self) -> Vec<SocketAddr> {
        self.peers.values().filter(|peer| peer.count() > 0).map(|peer| peer.remote).collect()
    }

    pub(super) fn handle(
        &mut self,
        now: Instant,
        hop: H,
        segment: &Segment,
        out: &mut Outbox<H>,
    ) -> Option<(Mark<H>, Range<usize>)> {
        let Some(peer) = self.peers.get_mut(&segment.source.into()) else {
            out.counts.strays += 1;
            return None;
        };
        if segment.has_data() {
            let Some((local, remote)) = peer.addresses(segment.destination) else {
                out.counts.strays += 1;
                return None;
            };
            // The engine knows them as it has named them.
            let mark = Mark { local, remote, ..Mark::new(hop, segment) };
            return Some((mark, segment.payload.clone()));
        }
        peer.control(now, segment, &mut self.actions, out);
        self.look_at(now, segment.source, out);
        None
    }

    pub(super) fn judged(&mut self, now: Instant, mark: &Mark<H>, ours: bool, out: &mut Outbox<H>) {
        if ours && let Some(peer) = self.peers.get_mut(&mark.remote.into()) {
            peer.hear(now, mark, &mut self.actions, out);
            // Old flows may be ended now.
            lower(&mut self.due, peer.due(out));
        }
    }

    pub(super) fn send(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        data: &[u8],
        segment: usize,
        push: bool,
        out: &mut Outbox<H>,
    ) -> Sending<H> {
        let end = End::from(remote);
        if let Some(peer) = self.peers.get_mut(&end) {
            return match peer.send(now, data, segment, push, out) {
                Sent::Now(stamp, due) => {
                    lower(&mut self.due, due);
                    Sending::Now(stamp)
                }
                Sent::Later => Sending::Later,
                Sent::Refused(due) => {
                    lower(&mut self.due, due);
                    Sending::Refused
                }
                Sent::Nowhere => {
                    peer.ask(&mut self.actions);
                    Sending::Later
                }
            };
        }
        self.make_room(now, out);
        let mut peer = Peer::new(now, remote);
        peer.wait(data, segment);
        peer.ask(&mut self.actions);
        self.peers.insert(end, peer);
        self.sweep.get_or_insert(now + out.settings.sweep);
        Sending::Later
    }

    /// Lets go of the server that was heard of least lately, if there is no room for another.
    fn make_room(&mut self, now: Instant, out: &mut Outbox<H>) {
        while self.peers.len() >= out.settings.flows.max(1) {
            let oldest = self.peers.iter().min_by_key(|(_, peer)| peer.heard()).map(|(end, _)| *end);
            let Some(mut peer) = oldest.and_then(|end| self.peers.remove(&end)) else { return };
            peer.close(now, &mut self.actions, out);
        }
    }

    pub(super) fn dial(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        local: SocketAddr,
        hop: H,
        mtu: u32,
        out: &mut Outbox<H>,
    ) {
        let Some(peer) = self.peers.get_mut(&remote.into()).filter(|peer| peer.is_asked()) else {
            return self.actions.push_back(Action::Release(local));
        };
        peer.dial(now, local, hop, mtu, out);
        lower(&mut self.due, peer.due(out));
    }

    pub(super) fn no_way(&mut self, now: Instant, remote: SocketAddr, out: &mut Outbox<H>) {
        if let Some(peer) = self.peers.get_mut(&remote.into()) {
            peer.no_way();
            self.look_at(now, remote, out);
        }
    }

    pub(super) fn way(&mut self, now: Instant, remote: SocketAddr, local: IpAddr, hop: H, out: &mut Outbox<H>) {
        if let Some(peer) = self.peers.get_mut(&remote.into()) {
            peer.way(local, hop, &mut self.actions);
            self.look_at(now, remote, out);
        }
    }

    pub(super) fn forsake(&mut self, now: Instant, remote: SocketAddr, out: &mut Outbox<H>) {
        if let Some(mut peer) = self.peers.remove(&remote.into()) {
            peer.close(now, &mut self.actions, out);
        }
    }

    /// Does what one peer has to do, and forgets it if nothing is left.
    fn look_at(&mut self, now: Instant, remote: SocketAddr, out: &mut Outbox<H>) {
        let end = End::from(remote);
        let Some(peer) = self.peers.get_mut(&end) else { return };
        peer.handle_timeout(now, &mut self.actions, out);
        lower(&mut self.due, peer.due(out));
        if peer.is_over() {
            self.peers.remove(&end);
            if self.peers.is_empty() {
                (self.due, self.sweep) = (None, None);
            }
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        [self.due, self.sweep].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<H>) {
        let sweeps = self.sweep.is_some_and(|sweep| sweep <= now);
        if !sweeps && self.due.is_none_or(|due| due > now) {
            return;
        }
        self.due = None;
        for peer in self.peers.values_mut() {
            if sweeps {
                peer.sweep(now, &mut self.actions, out);
            }
            peer.handle_timeout(now, &mut self.actions, out);
            lower(&mut self.due, peer.due(out));
        }
        self.peers.retain(|_, peer| !peer.is_over());
        if sweeps || self.peers.is_empty() {
            self.sweep = (!self.peers.is_empty()).then_some(now + out.settings.sweep);
        }
    }

    pub(super) fn tell(&mut self, now: Instant, tuple: Tuple, out: &mut Outbox<H>) {
        if let Some(flow) = self.peers.get_mut(&tuple.remote).and_then(|peer| peer.flow(tuple.local)) {
            out.tell(now, tuple, flow);
        }
    }

    pub(super) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(super) fn close(&mut self, now: Instant, out: &mut Outbox<H>) {
        for (_, mut peer) in self.peers.drain() {
            peer.close(now, &mut self.actions, out);
        }
        (self.due, self.sweep) = (None, None);
    }
}

/// Makes a time that something is due no later than another.
fn lower(due: &mut Option<Instant>, other: Option<Instant>) {
    *due = [*due, other].into_iter().flatten().min();
}
