//! One end on the network: a hub, its clock, and whatever works on its streams.

use crate::flow::{Flow, Service};
use bytes::BytesMut;
use ginnel_proto::hub::{Event, Hub, LinkId, Time};
use ginnel_proto::keeper::pool::Pool;
use ginnel_proto::keeper::{Action, Kept};
use ginnel_proto::link::{self, Path};
use ginnel_proto::session::{self, StreamId};
use std::collections::HashMap;
use std::net::SocketAddr;
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
    /// Brings its links up again, on a client that keeps any.
    pub pool: Option<Pool>,
    /// What the pool has reported, in order, with the time.
    pub reports: Vec<(Duration, Action)>,
    /// What a look-up of any server brings,.
    pub addresses: Vec<SocketAddr>,
    start: Instant,
    /// The process is stopped: nothing runs, and what arrives waits.
    stopped: bool,
    waiting: Vec<(Path, BytesMut)>,
}

impl Node {
    /// A node around a hub that `make` makes at the time it is given.
    pub(crate) fn new(start: Instant, at: Duration, service: Service, make: impl FnOnce(Time) -> Hub) -> Self {
        let hub = make(time(start, at, 0));
        let (events, flows, reports, addresses) = (Vec::new(), HashMap::new(), Vec::new(), Vec::new());
        let (pool, stopped, waiting) = (None, false, Vec::new());
        Self { hub, events, flows, service, skew_ns: 0, pool, reports, addresses, start, stopped, waiting }
    }

    /// Stops the process, as a signal would.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Lets it go on. What waits in its socket is taken in before it looks at the clock.
    pub fn go_on(&mut self, at: Duration) {
        let time = self.time(at);
        self.stopped = false;
        for (path, datagram) in std::mem::take(&mut self.waiting) {
            self.hub.handle(time, path, datagram);
        }
        self.hub.resumed(time);
        if let Some(pool) = &mut self.pool {
            pool.resumed(time, &mut self.hub);
        }
    }

    /// A datagram has arrived.
    pub(crate) fn arrive(&mut self, at: Duration, path: Path, datagram: BytesMut) {
        if self.stopped {
            self.waiting.push((path, datagram));
        } else {
            self.hub.handle(self.time(at), path, datagram);
        }
    }

    /// Wakes what wants to be woken now.
    pub(crate) fn wake(&mut self, at: Duration) {
        let time = self.time(at);
        if self.timeout().is_none_or(|timeout| timeout > at) {
            return;
        }
        if self.hub.poll_timeout().is_some_and(|timeout| timeout <= time.now) {
            self.hub.handle_timeout(time);
        }
        if let Some(pool) = &mut self.pool
            && pool.poll_timeout().is_some_and(|timeout| timeout <= time.now)
        {
            pool.handle_timeout(time, &mut self.hub);
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The link that is kept, be it doubted, if it is up; of a pool the first.
    pub fn kept(&self) -> Option<LinkId> {
        self.pool().next().map(|kept| kept.link)
    }

    /// The links that are kept, be they doubted.
    pub fn pool(&self) -> impl Iterator<Item = Kept> {
        self.pool.iter().flat_map(Pool::kept)
    }

    /// Virtual time, by the clocks of this node.
    pub fn time(&self, at: Duration) -> Time {
        time(self.start, at, self.skew_ns)
    }

    /// Virtual time at which the hub wants to be called.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        let pool = self.pool.as_ref().and_then(Pool::poll_timeout);
        let next = self.hub.poll_timeout().into_iter().chain(pool).min();
        next.filter(|_| !self.stopped).map(|at| at.saturating_duration_since(self.start))
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
    pub(crate) fn work(&mut self, at: Duration) -> bool {
        let (time, mut moved) = (self.time(at), self.keep(at));
        while let Some((link, event)) = self.hub.poll_event() {
            moved = true;
            if let Some(pool) = &mut self.pool {
                pool.handle_event(time, &mut self.hub, link, &event);
                self.keep(at);
            }
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

    /// Does what the pool wants.
    fn keep(&mut self, at: Duration) -> bool {
        let (time, mut moved) = (self.time(at), false);
        let Some(pool) = &mut self.pool else { return false };
        while let Some(action) = pool.poll_action() {
            moved = true;
            match action {
                Action::LookUp(server) => pool.addresses(time, &mut self.hub, server, &self.addresses),
                report => self.reports.push((at, report)),
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
            session::Event::Ready | session::Event::MayOpen | session::Event::Crowded | session::Event::Closed => {}
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
