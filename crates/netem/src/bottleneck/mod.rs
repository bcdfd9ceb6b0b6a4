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
}

/// What happens next, and to which flow.
#[derive(Clone, Copy)]
enum Event {
    Tick,
    Departure,
    Begin(usize),
    Arrival(usize),
    AckTimer(usize),
    Ack(usize),
    Send(usize),
    Timeout(usize),
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
        let mut offer = |at: u64, event: Event| {
            if at < next.0 {
                next = (at, event);
            }
        };
        offer(self.line.departs_at(), Event::Departure);
        for (index, flow) in self.flows.iter().enumerate() {
            offer(flow.begins, Event::Begin(index));
            offer(flow.receiver.arrives_at(), Event::Arrival(index));
            offer(flow.receiver.timer(), Event::AckTimer(index));
            offer(flow.receiver.ack_at(), Event::Ack(index));
            offer(flow.sender.send_at, Event::Send(index));
            offer(flow.sender.timeout_at(), Event::Timeout(index));
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
                let (flow, packet) = self.line.depart(now, &self.path);
                if !(self.path.loss_behind && self.chance.strikes(self.path.loss)) {
                    let at = now + self.path.one_way(now) + self.path.held_back(&mut self.chance);
                    self.flows[flow].receiver.on_the_way(at, packet);
                }
            }
            Event::Begin(index) => {
                self.flows[index].begins = NEVER;
                self.flows[index].sender.begin(now);
                self.send(now, index);
            }
            Event::Arrival(index) => self.flows[index].receiver.arrive(now, &self.path, &mut self.chance),
            Event::AckTimer(index) => self.flows[index].receiver.acknowledge(now, &self.path, &mut self.chance),
            Event::Ack(index) => {
                let flow = &mut self.flows[index];
                flow.sender.acknowledged(now, flow.receiver.take_ack());
                self.send(now, index);
            }
            Event::Timeout(index) => {
                self.flows[index].sender.timeout(now);
                self.send(now, index);
            }
            Event::Send(index) => self.send(now, index),
        }
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
