//! One bottleneck that flows share, in virtual time: what a congestion controller makes of a path.
//!
//! Each flow is a [`Controller`](ginnel_proto::congestion::Controller) and a
//! [`Pacer`](ginnel_proto::congestion::pacer::Pacer) with a sender around them that knows packets by
//! number only and finds losses as QUIC does. There is no session, no envelope and no bytes, so that a
//! minute of 200 Mbit/s takes a fraction of a second. The whole product over a network that misbehaves is
//! in [`lab`](crate::lab).

mod chance;
mod demand;
mod line;
mod path;
mod receiver;
mod record;
mod sender;

pub use demand::Demand;
pub use path::{PACKET, Path, Policer, Reordering};
pub use record::{Record, Tick};

use chance::Chance;
use ginnel_proto::congestion::Congestion;
use line::Line;
use receiver::Receiver;
use sender::Sender;
use std::time::Instant;

/// Nanoseconds.
const NEVER: u64 = u64::MAX;
/// How often what a flow has reached is written down.
const TICK: u64 = 100_000_000;

/// One sender over the path.
#[derive(Clone, Debug)]
pub struct Flow {
    /// How it is controlled.
    pub congestion: Congestion,
    /// When it begins, in seconds.
    pub begins: f64,
    /// What its application has to send.
    pub demand: Demand,
}

impl Flow {
    /// One that has always something to send.
    pub fn new(congestion: Congestion, begins: f64) -> Self {
        Self { congestion, begins, demand: Demand::Endless }
    }
}

/// What one flow is made of.
struct Ends {
    sender: Sender,
    receiver: Receiver,
    begins: u64,
    /// What happens to it next: reckoned anew after each event of its own.
    next: (u64, Happening),
}

impl Ends {
    fn reckon_next(&mut self) {
        let mut next = (self.begins, Happening::Begin);
        for (at, happening) in [
            (self.receiver.arrives_at(), Happening::Arrival),
            (self.receiver.timer(), Happening::AckTimer),
            (self.receiver.ack_at(), Happening::Ack),
            (self.sender.send_at, Happening::Send),
            (self.sender.timeout_at(), Happening::Timeout),
        ] {
            if at < next.0 {
                next = (at, happening);
            }
        }
        self.next = next;
    }
}

/// What happens to a flow.
#[derive(Clone, Copy)]
enum Happening {
    Begin,
    Arrival,
    AckTimer,
    Ack,
    Send,
    Timeout,
}

/// What happens next.
#[derive(Clone, Copy)]
enum Event {
    Tick,
    Departure,
    Flow(usize, Happening),
}

/// Runs `flows` over `path` for so many seconds, and returns what became of each.
pub fn run(path: &Path, flows: &[Flow], seconds: f64, seed: u64) -> Vec<Record> {
    let mut world = World::new(path, flows, seed);
    world.run(nanoseconds(seconds));
    world.flows.into_iter().map(|flow| flow.sender.record).collect()
}

/// Seconds as nanoseconds.
fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

struct World {
    path: Path,
    chance: Chance,
    line: Line,
    flows: Vec<Ends>,
    next_tick: u64,
    /// Packets that a sender has just sent.
    batch: Vec<u64>,
}

impl World {
    fn new(path: &Path, flows: &[Flow], seed: u64) -> Self {
        let origin = Instant::now();
        let ends = flows.iter().enumerate().map(|(index, flow)| Ends {
            sender: Sender::new(flow, origin, seed.wrapping_mul(0x0DDB_1A5E) + index as u64),
            receiver: Receiver::default(),
            begins: nanoseconds(flow.begins),
            next: (nanoseconds(flow.begins), Happening::Begin),
        });
        Self {
            path: path.clone(),
            chance: Chance::new(seed),
            line: Line::new(path),
            flows: ends.collect(),
            next_tick: TICK,
            batch: Vec::new(),
        }
    }

    fn run(&mut self, end: u64) {
        loop {
            let (now, event) = self.next();
            if now > end {
                return;
            }
            self.handle(now, event);
        }
    }

    /// The next event. Few flows: looking at all of them is cheaper than a heap.
    fn next(&self) -> (u64, Event) {
        let mut next = (self.next_tick, Event::Tick);
        if self.line.departs_at() < next.0 {
            next = (self.line.departs_at(), Event::Departure);
        }
        for (index, flow) in self.flows.iter().enumerate() {
            if flow.next.0 < next.0 {
                next = (flow.next.0, Event::Flow(index, flow.next.1));
            }
        }
        next
    }

    fn handle(&mut self, now: u64, event: Event) {
        match event {
            Event::Tick => {
                self.next_tick += TICK;
                self.flows.iter_mut().for_each(|flow| flow.sender.tick());
            }
            Event::Departure => {
                let (index, packet) = self.line.depart(now, &self.path);
                if !(self.path.loss_behind && self.chance.strikes(self.path.loss)) {
                    let at = now + self.path.one_way(now) + self.path.held_back(&mut self.chance);
                    self.flows[index].receiver.on_the_way(at, packet);
                    self.flows[index].reckon_next();
                }
            }
            Event::Flow(index, happening) => {
                self.happen(now, index, happening);
                self.flows[index].reckon_next();
            }
        }
    }

    fn happen(&mut self, now: u64, index: usize, happening: Happening) {
        let flow = &mut self.flows[index];
        match happening {
            Happening::Arrival => return flow.receiver.arrive(now, &self.path, &mut self.chance),
            Happening::AckTimer => return flow.receiver.acknowledge(now, &self.path, &mut self.chance),
            Happening::Begin => {
                flow.begins = NEVER;
                flow.sender.begin(now);
            }
            Happening::Ack => flow.sender.acknowledged(now, flow.receiver.take_ack()),
            Happening::Timeout => flow.sender.timeout(now),
            Happening::Send => {}
        }
        self.send(now, index);
    }

    /// Lets a flow send what it may, and puts it on the line.
    fn send(&mut self, now: u64, index: usize) {
        self.flows[index].sender.send(now, &mut self.batch);
        for packet in self.batch.drain(..) {
            if self.path.loss_behind || !self.chance.strikes(self.path.loss) {
                self.line.enter(now, &self.path, index, packet);
            }
        }
    }
}
