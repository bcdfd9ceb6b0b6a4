//! The flows of an end that is dialled. Only authentic data make one.

use super::cookie::Cookies;
use super::flow::{Beginning, Flow, assumed};
use super::outbox::Outbox;
use super::segment::flag;
use super::strangers::{Stranger, greet};
use super::tuple::Tuple;
use super::window::ahead;
use super::{Mark, Segment, Sending};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long nothing authentic must come behind the end of a flow before it is believed.
const BELIEVED_AFTER: Duration = Duration::from_secs(3);

/// How long the last acknowledgement of our own end is waited for.
const LAST_WITHIN: Duration = Duration::from_secs(3);

/// Data of no flow that are looked at in a time: a machine can look at ten times as many, and has links to look after.
const STRANGERS: u32 = 500;
const STRANGERS_TIME: Duration = Duration::from_millis(20);

/// Where there is no room for another flow, one of so many makes room: who looks through all of them does not do so again
/// for the next.
const ROOM_SHARE: usize = 16;

/// Ends that may wait to be believed.
const ENDS_MAX: usize = 1024;

/// Data of strangers that are looked at.
struct Patience {
    left: u32,
    since: Instant,
}

impl Patience {
    /// Whether there is time for one more.
    fn take(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= STRANGERS_TIME {
            (self.left, self.since) = (STRANGERS, now);
        }
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }
}

pub(super) struct Server<H> {
    patience: Patience,
    cookies: Box<Cookies>,
    flows: FxHashMap<Tuple, Flow<H>>,
    /// Flows that may be over, and when that is believed.
    ends: VecDeque<(Instant, Tuple)>,
    /// When flows are next looked through for what is idle; none without a flow.
    sweep: Option<Instant>,
}

impl<H: Copy> Server<H> {
    pub(super) fn new(now: Instant, seed: &[u8; 32]) -> Self {
        Self {
            patience: Patience { left: STRANGERS, since: now },
            cookies: Box::new(Cookies::new(seed)),
            flows: FxHashMap::default(),
            ends: VecDeque::new(),
            sweep: None,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.flows.len()
    }

    pub(super) fn handle(
        &mut self,
        now: Instant,
        hop: H,
        mtu: u32,
        segment: &Segment,
        out: &mut Outbox<H>,
    ) -> Option<(Mark<H>, Range<usize>)> {
        let mark = Mark::new(hop, segment);
        if segment.has_data() {
            let is_known = self.flows.contains_key(&Tuple::new(mark.local, mark.remote));
            if !is_known && !self.patience.take(now) {
                out.counts.crowded += 1;
                return None;
            }
            return Some((mark, segment.payload.clone()));
        }
        if segment.flags & (flag::SYN | flag::RST | flag::FIN | flag::ACK) == flag::SYN {
            out.counts.greeted += 1;
            let stamp = greet(&self.cookies, hop, mtu, out.hour(now), segment);
            out.push(stamp, Vec::new());
        } else {
            self.control(now, &mark, segment, out);
        }
        None
    }

    /// A segment without payload that asks for nothing.
    fn control(&mut self, now: Instant, mark: &Mark<H>, segment: &Segment, out: &mut Outbox<H>) {
        let tuple = Tuple::new(mark.local, mark.remote);
        let Some(flow) = self.flows.get_mut(&tuple) else {
            return self.strange(now, mark, segment, out);
        };
        if segment.has(flag::RST) {
            // The client makes a new flow if it sees one; this one stays until it is idle.
            out.counts.forged_ends += 1;
        } else if segment.has(flag::FIN) {
            self.doubt(now, tuple, segment, out);
        } else if segment.has(flag::SYN) || !flow.observe(segment) {
            out.counts.strays += 1;
        } else if flow.ended && flow.all_acknowledged() {
            self.remove(&tuple);
        }
    }

    /// A flow's peer may be done, or somebody else says so.
    fn doubt(&mut self, now: Instant, tuple: Tuple, segment: &Segment, out: &mut Outbox<H>) {
        let Some(flow) = self.flows.get_mut(&tuple) else { return };
        let old = ahead(segment.sequence, flow.received()) < 0;
        if !segment.has(flag::ACK) || old || !flow.covers(segment.sequence) || self.ends.len() >= ENDS_MAX {
            out.counts.forged_ends += 1;
        } else if flow.ending.is_none() {
            let believed = now + BELIEVED_AFTER;
            flow.ending = Some((segment.end(), believed));
            self.ends.push_back((believed, tuple));
        }
    }

    /// A segment without payload, of no flow.
    fn strange(&mut self, now: Instant, mark: &Mark<H>, segment: &Segment, out: &mut Outbox<H>) {
        if segment.has(flag::RST) || !segment.has(flag::ACK) {
            out.counts.strays += 1;
            return;
        }
        let tuple = Tuple::new(mark.local, mark.remote);
        let stranger = Stranger::of(&self.cookies, out.hour(now), &tuple, segment.sequence, segment.acknowledgement);
        let ends = segment.has(flag::FIN);
        if stranger.offer.is_none() || segment.has(flag::SYN) {
            out.counts.strays += 1;
            out.push(super::strangers::reset(mark, stranger.label), Vec::new());
        } else if ends || stranger.asks(segment.sequence) {
            // Who asks whether anybody is there, or whether the window is open again, repeats the number before its next.
            let stamp = stranger.acknowledge(out.hour(now), mark, segment.end().wrapping_add(u32::from(!ends)));
            out.push(stamp, Vec::new());
        }
    }

    pub(super) fn judged(&mut self, now: Instant, mark: &Mark<H>, ours: bool, out: &mut Outbox<H>) {
        let tuple = Tuple::new(mark.local, mark.remote);
        let known = self.flows.get_mut(&tuple);
        match (known, ours) {
            (Some(flow), true) => {
                flow.hop = mark.hop;
                if flow.ending.take().is_some() {
                    out.counts.forged_ends += 1;
                }
                if flow.ended || !flow.hear(now, mark) {
                    let listed = flow.listed;
                    *flow = create(&self.cookies, now, &tuple, mark, out);
                    flow.listed = listed;
                }
                out.owe(now, tuple, flow);
            }
            (None, true) => {
                self.make_room(now, out);
                let mut flow = create(&self.cookies, now, &tuple, mark, out);
                out.owe(now, tuple, &mut flow);
                self.flows.insert(tuple, flow);
                self.sweep.get_or_insert(now + out.settings.sweep);
            }
            // Junk of our own client, or of somebody else: the next that is authentic says what has come.
            (Some(_), false) => {}
            (None, false) => {
                let stranger = Stranger::of(&self.cookies, out.hour(now), &tuple, mark.sequence, mark.acknowledgement);
                out.counts.strays += u64::from(stranger.offer.is_none());
                let end = mark.sequence.wrapping_add(mark.length);
                let stamp = stranger.acknowledge(out.hour(now), mark, end);
                out.push(stamp, Vec::new());
            }
        }
    }

    /// Ends flows that were heard of least lately, if there is no room for another.
    fn make_room(&mut self, now: Instant, out: &mut Outbox<H>) {
        let most = out.settings.flows.max(1);
        if self.flows.len() < most {
            return;
        }
        let mut heard: Vec<(Instant, Tuple)> = self.flows.iter().map(|(tuple, flow)| (flow.heard, *tuple)).collect();
        let ended = (self.flows.len() - most + 1).max(most / ROOM_SHARE);
        heard.select_nth_unstable_by_key(ended - 1, |(heard, _)| *heard);
        for (_, tuple) in &heard[..ended] {
            if let Some(mut flow) = self.flows.remove(tuple) {
                out.bare(now, &mut flow, flag::RST | flag::ACK);
            }
        }
    }

    pub(super) fn send(
        &mut self,
        now: Instant,
        tuple: &Tuple,
        length: usize,
        segment: usize,
        push: bool,
        out: &mut Outbox<H>,
    ) -> Sending<H> {
        match self.flows.get_mut(tuple) {
            Some(flow) if flow.takes(length, segment) => {
                Sending::Now(flow.data(now, length, segment, push, &mut out.rng))
            }
            _ => Sending::Refused,
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        [self.sweep, self.ends.front().map(|(due, _)| *due)].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<H>) {
        while let Some((_, tuple)) = self.ends.front().copied().filter(|(due, _)| *due <= now) {
            self.ends.pop_front();
            self.end(now, tuple, out);
        }
        if self.sweep.is_some_and(|sweep| sweep <= now) {
            let idle = out.settings.idle;
            for (_, mut flow) in self.flows.extract_if(|_, flow| flow.heard + idle <= now) {
                out.bare(now, &mut flow, flag::RST | flag::ACK);
            }
            self.sweep = (!self.flows.is_empty()).then_some(now + out.settings.sweep);
        }
    }

    /// A flow's time has come, unless something authentic has come since.
    fn end(&mut self, now: Instant, tuple: Tuple, out: &mut Outbox<H>) {
        let Some(flow) = self.flows.get_mut(&tuple) else { return };
        match flow.ending {
            Some((_, due)) if due > now => {}
            Some(_) if flow.ended => self.remove(&tuple),
            Some((end, _)) => {
                out.bare(now, flow, flag::FIN | flag::ACK);
                let over = now + LAST_WITHIN;
                flow.ending = Some((end, over));
                self.ends.push_back((over, tuple));
            }
            None => {}
        }
    }

    fn remove(&mut self, tuple: &Tuple) {
        self.flows.remove(tuple);
    }

    /// A flow that owes an acknowledgement.
    pub(super) fn tell(&mut self, now: Instant, tuple: Tuple, out: &mut Outbox<H>) {
        if let Some(flow) = self.flows.get_mut(&tuple) {
            out.tell(now, tuple, flow);
        }
    }

    pub(super) fn close(&mut self, now: Instant, out: &mut Outbox<H>) {
        for (_, mut flow) in self.flows.drain() {
            out.last(now, &mut flow, flag::FIN | flag::ACK);
        }
        self.ends.clear();
        self.sweep = None;
    }
}

/// A flow out of what authentic data say of it, and of what its request said if that is still to be known.
fn create<H: Copy>(cookies: &Cookies, now: Instant, tuple: &Tuple, mark: &Mark<H>, out: &mut Outbox<H>) -> Flow<H> {
    let stranger = Stranger::of(cookies, out.hour(now), tuple, mark.sequence, mark.acknowledgement);
    let (scale, mss) = match stranger.offer {
        Some(offer) => (offer.scale, offer.mss),
        None => assumed(mark.remote, mark.timestamps.is_some()),
    };
    let mut clock = out.clock(stranger.clock);
    // Time goes on from where the client has seen it, though this machine is younger.
    if let Some((_, seen)) = mark.timestamps {
        clock.offset = clock.offset.wrapping_add(ahead(seen, clock.at(now)).max(0) as u32);
    }
    let beginning = Beginning {
        local: mark.local,
        remote: mark.remote,
        hop: mark.hop,
        sent: mark.acknowledgement,
        received: mark.sequence,
        open: u32::from(mark.window) << scale.unwrap_or(0),
        scale,
        mss,
        echo: mark.timestamps.map(|(value, _)| value),
        clock,
        label: stranger.label,
        id: stranger.id.wrapping_add(1),
    };
    let mut flow = Flow::new(now, beginning, &mut out.rng);
    flow.hear(now, mark);
    flow
}
