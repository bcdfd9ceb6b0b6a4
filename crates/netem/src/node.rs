//! One end on the network: a hub, its clock, and whatever works on its streams.

use crate::flow::{Flow, Service};
use ginnel_proto::hub::{Event, Hub, LinkId, Time};
use ginnel_proto::link;
use ginnel_proto::session::{self, StreamId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Nanoseconds since 1970 when virtual time begins.
const WALL_START: i128 = 1_700_000_000_000_000_000;

/// Events kept; a test that makes more is not one that reads them.
const EVENTS_MAX: usize = 100_000;

/// One hub and what belongs to it.
pub struct Node {
    /// The machine.
    pub hub: Hub,
    /// All events of its links but those of their streams, in order.
    pub events: Vec<(LinkId, Event)>,
    /// The streams that are worked on.
    pub flows: HashMap<(LinkId, StreamId), Flow>,
    /// What is done with streams that the peer opens.
    pub service: Service,
    /// How far its wall clock is ahead, in nanoseconds.
    pub skew_ns: i128,
    start: Instant,
}

impl Node {
    /// A node around a hub that `make` makes at the time it is given.
    pub(crate) fn new(start: Instant, at: Duration, service: Service, make: impl FnOnce(Time) -> Hub) -> Self {
        let hub = make(time(start, at, 0));
        Self { hub, events: Vec::new(), flows: HashMap::new(), service, skew_ns: 0, start }
    }

    /// Virtual time, by the clocks of this node.
    pub fn time(&self, at: Duration) -> Time {
        time(self.start, at, self.skew_ns)
    }

    /// Virtual time at which the hub wants to be called.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.hub.poll_timeout().map(|at| at - self.start)
    }

    /// Everything that one link has told.
    pub fn events_of(&self, link: LinkId) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |(id, _)| *id == link).map(|(_, event)| event)
    }

    /// Why a link was lost, if it was.
    pub fn lost(&self, link: LinkId) -> Option<link::Lost> {
        self.events_of(link).find_map(|event| match event {
            Event::Link(link::Event::Lost(why)) => Some(*why),
            _ => None,
        })
    }

    /// Whether a link is up and has not been lost.
    pub fn is_up(&self, link: LinkId) -> bool {
        self.events_of(link).any(|event| matches!(event, Event::Up { .. })) && self.lost(link).is_none()
    }

    /// The links that came up and were not lost.
    pub fn living(&self) -> Vec<LinkId> {
        let up = self.events.iter().filter(|(_, event)| matches!(event, Event::Up { .. }));
        up.map(|(link, _)| *link).filter(|link| self.lost(*link).is_none()).collect()
    }

    /// Takes out all events of the hub and lets its streams work. Returns whether there were any.
    pub(crate) fn work(&mut self) -> bool {
        let mut moved = false;
        while let Some((link, event)) = self.hub.poll_event() {
            moved = true;
            match event {
                Event::Link(link::Event::Session(event)) => self.handle_session(link, event),
                event => {
                    assert!(self.events.len() < EVENTS_MAX, "more than {EVENTS_MAX} events, the last {event:?}");
                    self.events.push((link, event));
                }
            }
        }
        moved
    }

    fn handle_session(&mut self, link: LinkId, event: session::Event) {
        match event {
            session::Event::Opened(id) => {
                self.flows.insert((link, id), Flow::server(id, self.service));
                self.pump(link, id);
            }
            session::Event::Readable(id) | session::Event::Writable(id) => self.pump(link, id),
            session::Event::Stopped(id, code) => {
                if let Some(flow) = self.flows.get_mut(&(link, id)) {
                    flow.break_off(format!("stopped with {code}"));
                }
            }
            session::Event::Ready | session::Event::MayOpen | session::Event::Closed => {}
        }
    }

    /// Lets one stream work.
    pub(crate) fn pump(&mut self, link: LinkId, id: StreamId) {
        if let (Some(flow), Some(session)) = (self.flows.get_mut(&(link, id)), self.hub.session(link)) {
            flow.pump(session, id);
        }
    }
}

fn time(start: Instant, at: Duration, skew_ns: i128) -> Time {
    let wall_ns = WALL_START + at.as_nanos() as i128 + skew_ns;
    Time { now: start + at, wall_ns: wall_ns as u64 }
}
