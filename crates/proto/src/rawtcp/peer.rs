//! One server of a client: the flow to it in use, the one that takes its place, those that have had theirs.

use super::first_payload::first_payload;
use super::flow::Flow;
use super::handshake::Handshake;
use super::outbox::Outbox;
use super::renewal::Renewal;
use super::segment::flag;
use super::stamp::Stamp;
use super::tuple::{End, Tuple};
use super::{Action, Mark, Segment};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Datagrams that wait for a flow: a whole batch, and what goes ahead of it. What comes then is dropped.
const WAITING_MAX: usize = 64;

/// How long the end of a replaced flow may take. While its successor has brought nothing it goes on: it may be the only one
/// that the server knows.
const OLD_FOR: Duration = Duration::from_secs(10);

/// Replaced flows. Beyond it the oldest is cut off.
const OLD_MAX: usize = 4;

/// What becomes of data.
pub(super) enum Sent<H> {
    /// Send it; something new is due then.
    Now(Stamp<H>, Option<Instant>),
    Later,
    /// The same may be due.
    Refused(Option<Instant>),
    /// It waits, and no flow is on its way.
    Nowhere,
}

enum Next<H> {
    None,
    /// The carrier looks for a way.
    Asked,
    Handshake(Handshake<H>),
}

struct Old<H> {
    flow: Flow<H>,
    /// When it is ended, or forgotten if it has been.
    due: Instant,
}

pub(super) struct Peer<H> {
    pub(super) remote: SocketAddr,
    current: Option<Flow<H>>,
    renewal: Renewal,
    next: Next<H>,
    old: VecDeque<Old<H>>,
    waiting: Vec<Vec<u8>>,
    made: Instant,
}

type Actions = VecDeque<Action>;

impl<H: Copy> Peer<H> {
    pub(super) fn new(now: Instant, remote: SocketAddr) -> Self {
        let old = VecDeque::new();
        let renewal = Renewal::new(now);
        Self { remote, current: None, renewal, next: Next::None, old, waiting: Vec::new(), made: now }
    }

    /// Its flows, also those that are being set up or ended.
    pub(super) fn count(&self) -> usize {
        usize::from(self.current.is_some()) + usize::from(!matches!(self.next, Next::None)) + self.old.len()
    }

    pub(super) fn is_over(&self) -> bool {
        self.count() == 0
    }

    /// When it was heard of last.
    pub(super) fn heard(&self) -> Instant {
        self.current.as_ref().map_or(self.made, |flow| flow.heard)
    }

    /// The flow with this local end.
    pub(super) fn flow(&mut self, local: End) -> Option<&mut Flow<H>> {
        let flows = self.current.iter_mut().chain(self.old.iter_mut().map(|old| &mut old.flow));
        flows.into_iter().find(|flow| End::from(flow.local) == local)
    }

    /// The addresses of such a flow, as they were named.
    pub(super) fn addresses(&mut self, local: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
        self.flow(local.into()).map(|flow| (flow.local, flow.remote))
    }

    pub(super) fn send(
        &mut self,
        now: Instant,
        data: &[u8],
        segment: usize,
        push: bool,
        out: &mut Outbox<H>,
    ) -> Sent<H> {
        let Some(flow) = &mut self.current else {
            self.wait(data, segment);
            return if matches!(self.next, Next::None) { Sent::Nowhere } else { Sent::Later };
        };
        // Also what the flow does not take waits for an answer: a flow that takes nothing must not live for ever.
        let due = self.renewal.sent(now, &out.settings);
        if !flow.takes(data.len(), segment) {
            return Sent::Refused(due);
        }
        Sent::Now(flow.data(now, data.len(), segment, push, &mut out.rng), due)
    }

    /// Keeps datagrams until there is a flow.
    pub(super) fn wait(&mut self, data: &[u8], segment: usize) {
        let room = WAITING_MAX - self.waiting.len();
        self.waiting.extend(data.chunks(segment.max(1)).take(room).map(<[u8]>::to_vec));
    }

    /// Asks for a way, and for a port.
    pub(super) fn ask(&mut self, actions: &mut Actions) {
        self.next = Next::Asked;
        actions.push_back(Action::Dial(self.remote));
    }

    /// Whether it waits for a way.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.next, Next::Asked)
    }

    /// Begins the handshake that was asked for.
    pub(super) fn dial(&mut self, now: Instant, local: SocketAddr, hop: H, mtu: u32, out: &mut Outbox<H>) {
        self.renewal.set_way(local.ip());
        self.next = Next::Handshake(Handshake::begin(now, self.remote, local, hop, mtu, out));
    }

    pub(super) fn no_way(&mut self) {
        if self.is_asked() {
            self.next = Next::None;
            self.waiting.clear();
        }
    }

    pub(super) fn way(&mut self, local: IpAddr, hop: H, actions: &mut Actions) {
        self.renewal.set_way(local);
        if let Some(flow) = self.current.as_mut().filter(|flow| flow.local.ip() == local) {
            flow.hop = hop;
        }
        if let Next::Handshake(handshake) = &mut self.next {
            if handshake.local.ip() == local {
                handshake.hop = hop;
            } else {
                actions.push_back(Action::Release(handshake.local));
                self.ask(actions);
            }
        }
    }

    /// A segment without payload.
    pub(super) fn control(&mut self, now: Instant, segment: &Segment, actions: &mut Actions, out: &mut Outbox<H>) {
        let local = End::from(segment.destination);
        if let Next::Handshake(handshake) = &self.next
            && End::from(handshake.local) == local
        {
            match handshake.answered(now, segment, out) {
                Some(flow) => self.established(now, flow, actions, out),
                // A refusal, too: whoever sends it may not be the server.
                None => out.counts.strays += 1,
            }
            return;
        }
        let is_current = self.current.as_ref().is_some_and(|flow| End::from(flow.local) == local);
        let Some(flow) = self.flow(local) else {
            out.counts.strays += 1;
            return;
        };
        if segment.flags & (flag::RST | flag::FIN) != 0 {
            let exact = segment.sequence == flow.received();
            match is_current && exact {
                true => self.renewal.suspect(),
                false if is_current => out.counts.forged_ends += 1,
                false => self.ended(now, segment, out),
            }
        } else if segment.has(flag::SYN) {
            // If its answer comes again, what has been sent since acknowledges it. An acknowledgement by itself would be
            // taken for a question by a server that knows nothing of us yet.
            out.counts.strays += u64::from(segment.sequence.wrapping_add(1) != flow.received());
        } else if !flow.observe(segment) {
            out.counts.strays += 1;
        }
    }

    /// The server has answered the end of an old flow, or cut it off.
    fn ended(&mut self, now: Instant, segment: &Segment, out: &mut Outbox<H>) {
        let local = End::from(segment.destination);
        let Some(old) = self.old.iter_mut().find(|old| End::from(old.flow.local) == local) else { return };
        if segment.sequence != old.flow.received() {
            out.counts.forged_ends += 1;
            return;
        }
        if segment.has(flag::FIN) && old.flow.ended {
            old.flow.ending = Some((segment.end(), now));
            out.bare(now, &mut old.flow, flag::ACK);
        }
        old.flow.ended = true;
        old.due = now;
    }

    /// A flow stands: it is used from now on.
    fn established(&mut self, now: Instant, mut flow: Flow<H>, actions: &mut Actions, out: &mut Outbox<H>) {
        self.next = Next::None;
        out.bare(now, &mut flow, flag::ACK);
        let first = first_payload(&out.settings, flow.payload(), &mut out.rng);
        let count = self.waiting.len();
        let datagrams = std::iter::once(first).chain(self.waiting.drain(..));
        for (index, datagram) in datagrams.enumerate() {
            let length = datagram.len();
            if flow.takes(length, length) {
                let stamp = flow.data(now, length, length, index == 0 || index == count, &mut out.rng);
                out.push(stamp, datagram);
            } else {
                out.counts.refused += 1;
            }
        }
        self.renewal.established(now, &mut out.rng, &out.settings);
        if count > 0 {
            self.renewal.sent(now, &out.settings);
        }
        if let Some(replaced) = self.current.replace(flow) {
            out.counts.renewed += 1;
            actions.push_back(Action::Renewed(self.remote));
            let idle = out.settings.idle;
            self.retire(now, replaced, idle, actions, out);
        }
    }

    /// Lets a flow go on beside its successor for a while.
    fn retire(&mut self, now: Instant, flow: Flow<H>, time: Duration, actions: &mut Actions, out: &mut Outbox<H>) {
        if self.old.len() == OLD_MAX
            && let Some(mut oldest) = self.old.pop_front()
        {
            out.bare(now, &mut oldest.flow, flag::RST | flag::ACK);
            actions.push_back(Action::Release(oldest.flow.local));
        }
        self.old.push_back(Old { flow, due: now + time });
    }

    /// Authentic data.
    pub(super) fn hear(&mut self, now: Instant, mark: &Mark<H>, actions: &mut Actions, out: &mut Outbox<H>) {
        let local = End::from(mark.local);
        let is_current = self.current.as_ref().is_some_and(|flow| End::from(flow.local) == local);
        if is_current && self.renewal.heard() {
            // The new flow works: the old ones are not needed any more.
            self.old.iter_mut().filter(|old| !old.flow.ended).for_each(|old| old.due = old.due.min(now));
            self.handle_timeout(now, actions, out);
        }
        let tuple = Tuple::new(mark.local, mark.remote);
        if let Some(flow) = self.flow(local) {
            if !flow.hear(now, mark) {
                flow.renumber(now, mark, &mut out.rng);
            }
            out.owe(now, tuple, flow);
        }
    }

    /// Ends the flow in use if it is idle.
    pub(super) fn sweep(&mut self, now: Instant, actions: &mut Actions, out: &mut Outbox<H>) {
        if let Some(flow) = self.current.take_if(|flow| flow.heard + out.settings.idle <= now) {
            self.retire(now, flow, Duration::ZERO, actions, out);
        }
    }

    /// When it has something to do.
    pub(super) fn due(&self, out: &Outbox<H>) -> Option<Instant> {
        let next = match &self.next {
            Next::Handshake(handshake) => Some(handshake.due),
            Next::None => self.current.as_ref().map(|flow| self.renewal.due(flow.local.ip(), &out.settings)),
            Next::Asked => None,
        };
        self.old.iter().map(|old| old.due).chain(next).min()
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, actions: &mut Actions, out: &mut Outbox<H>) {
        if let Next::Handshake(handshake) = &mut self.next
            && handshake.due <= now
            && !handshake.ask(now, out)
        {
            actions.push_back(Action::Release(handshake.local));
            self.next = Next::None;
            self.waiting.clear();
        }
        let wants_another =
            self.current.as_ref().is_some_and(|flow| self.renewal.due(flow.local.ip(), &out.settings) <= now);
        if wants_another && matches!(self.next, Next::None) {
            self.renewal.begin(now);
            self.ask(actions);
        }
        for old in self.old.iter_mut().filter(|old| old.due <= now && !old.flow.ended) {
            out.bare(now, &mut old.flow, flag::FIN | flag::ACK);
            old.due = now + OLD_FOR;
        }
        self.old.retain(|old| {
            let over = old.due <= now;
            if over {
                actions.push_back(Action::Release(old.flow.local));
            }
            !over
        });
    }

    /// Ends everything.
    pub(super) fn close(&mut self, now: Instant, actions: &mut Actions, out: &mut Outbox<H>) {
        if let Next::Handshake(handshake) = &self.next {
            handshake.reset(out);
            actions.push_back(Action::Release(handshake.local));
        }
        for mut flow in self.current.take().into_iter().chain(self.old.drain(..).map(|old| old.flow)) {
            if !flow.ended {
                out.last(now, &mut flow, flag::FIN | flag::ACK);
            }
            actions.push_back(Action::Release(flow.local));
        }
        self.next = Next::None;
    }
}
