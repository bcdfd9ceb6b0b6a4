//! Two ends of a KCP conversation and a bad path between them, in virtual time.
//!
//! An end is ours ([`Plain`]) or that of the `kcp` crate. What happens depends on the seed alone.

#![allow(dead_code, reason = "each test program uses a part of it")]

use bytes::Bytes;
use ginnel_proto::session::kcp::Settings;
use ginnel_proto::session::kcp::mode::Mode;
use ginnel_proto::session::kcp::plain::Plain;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{self, Write};
use std::time::{Duration, Instant};

pub(crate) const CONVERSATION: u32 = 0x1122_3344;
pub(crate) const MTU: u16 = 1400;

/// What an end can do, whoever made it.
pub(crate) trait End {
    fn handle(&mut self, now: Instant, datagram: &[u8]);
    fn next_timeout(&mut self) -> Option<Instant>;
    fn handle_timeout(&mut self, now: Instant);
    /// All datagrams that leave now.
    fn transmit(&mut self, now: Instant) -> Vec<Vec<u8>>;
    /// How many more bytes it wants to be given.
    fn room(&self) -> usize;
    fn write(&mut self, data: &[u8]);
    fn read(&mut self, now: Instant) -> Option<Vec<u8>>;
    fn is_dead(&mut self) -> bool;
}

/// So much may wait in an end to be sent.
const UNSENT: usize = 256 << 10;

impl End for Plain {
    fn handle(&mut self, now: Instant, datagram: &[u8]) {
        Plain::handle(self, now, Bytes::copy_from_slice(datagram));
    }

    fn next_timeout(&mut self) -> Option<Instant> {
        self.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        Plain::handle_timeout(self, now);
    }

    fn transmit(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut datagram = Vec::new();
        while self.poll_transmit(now, &mut datagram) {
            assert!(datagram.len() <= MTU.into(), "a datagram of {} bytes", datagram.len());
            all.push(std::mem::take(&mut datagram));
            assert!(all.len() < 200_000, "it never stops sending");
        }
        all
    }

    fn room(&self) -> usize {
        UNSENT.saturating_sub(self.unsent())
    }

    fn write(&mut self, data: &[u8]) {
        Plain::write(self, Bytes::copy_from_slice(data));
    }

    fn read(&mut self, now: Instant) -> Option<Vec<u8>> {
        Plain::read(self, now).map(|data| data.to_vec())
    }

    fn is_dead(&mut self) -> bool {
        Plain::is_dead(self)
    }
}

/// Our end.
pub(crate) fn ours(mode: Mode, window: u16, now: Instant) -> Plain {
    Plain::new(CONVERSATION, &Settings { mode, lanes: 1, window }, MTU, now)
}

/// What the crate sends: it writes one datagram at a time.
#[derive(Default)]
struct Outbox(Vec<Vec<u8>>);

impl Write for Outbox {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.0.push(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An end of the `kcp` crate, a port of the reference. It has no accessor for what it wrote, so that
/// the outbox is shared.
pub(crate) struct Theirs {
    kcp: kcp::Kcp<Shared>,
    outbox: Shared,
    origin: Instant,
    next: Instant,
    window: u16,
}

#[derive(Clone, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Outbox>>);

impl Write for Shared {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(datagram)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Theirs {
    /// An end set as users of that name set it. `auto` is fast3 there. `stream`: else it sends messages.
    pub(crate) fn new(mode: Mode, window: u16, stream: bool, now: Instant) -> Self {
        let outbox = Shared::default();
        let mut kcp = match stream {
            true => kcp::Kcp::new_stream(CONVERSATION, outbox.clone()),
            false => kcp::Kcp::new(CONVERSATION, outbox.clone()),
        };
        let (nodelay, interval) = match mode {
            Mode::Normal => (false, 40),
            Mode::Fast => (false, 30),
            Mode::Fast2 => (true, 20),
            Mode::Fast3 | Mode::Auto => (true, 10),
        };
        kcp.set_nodelay(nodelay, interval, 2, true);
        kcp.set_wndsize(window, window);
        kcp.set_mtu(MTU.into()).expect("a good length");
        kcp.update(0).expect("a first update");
        Self { kcp, outbox, origin: now, next: now, window }
    }

    fn clock(&self, now: Instant) -> u32 {
        now.duration_since(self.origin).as_millis() as u32
    }
}

impl End for Theirs {
    fn handle(&mut self, now: Instant, datagram: &[u8]) {
        let clock = self.clock(now);
        self.kcp.update(clock).expect("an update");
        self.kcp.input(datagram).expect("what we send is KCP");
        self.next = now;
    }

    fn next_timeout(&mut self) -> Option<Instant> {
        Some(self.next)
    }

    fn handle_timeout(&mut self, now: Instant) {
        let clock = self.clock(now);
        self.kcp.update(clock).expect("an update");
        let wait = self.kcp.check(clock).max(1);
        self.next = now + Duration::from_millis(wait.into());
    }

    fn transmit(&mut self, _now: Instant) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.outbox.0.borrow_mut().0)
    }

    fn room(&self) -> usize {
        if self.kcp.wait_snd() >= 2 * usize::from(self.window) { 0 } else { 64 << 10 }
    }

    fn write(&mut self, data: &[u8]) {
        self.kcp.send(data).expect("room");
    }

    fn read(&mut self, _now: Instant) -> Option<Vec<u8>> {
        let mut buffer = vec![0; self.kcp.peeksize().ok()?];
        let length = self.kcp.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    fn is_dead(&mut self) -> bool {
        self.kcp.is_dead_link()
    }
}

/// How bad the path is, each way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) delay: Duration,
    /// Up to so much more, each datagram on its own: order is lost.
    pub(crate) jitter: Duration,
    pub(crate) loss: f64,
    pub(crate) twice: f64,
}

impl Path {
    pub(crate) const CLEAN: Self =
        Self { delay: Duration::from_millis(20), jitter: Duration::ZERO, loss: 0.0, twice: 0.0 };

    pub(crate) fn losing(loss: f64) -> Self {
        Self { loss, ..Self::CLEAN }
    }
}

/// What one side is to do.
pub(crate) struct Job {
    /// To be sent.
    pub(crate) data: Vec<u8>,
    /// Reads nothing between these times after the beginning.
    pub(crate) pause: Option<(Duration, Duration)>,
}

impl Job {
    pub(crate) fn sends(length: usize) -> Self {
        let mut data = vec![0; length];
        StdRng::seed_from_u64(length as u64).fill(&mut data[..]);
        Self { data, pause: None }
    }

    pub(crate) fn pausing(mut self, from: u64, until: u64) -> Self {
        self.pause = Some((Duration::from_millis(from), Duration::from_millis(until)));
        self
    }
}

/// What happened.
#[derive(Default, Debug)]
pub(crate) struct Outcome {
    /// It took so long.
    pub(crate) took: Duration,
    /// Datagrams from each side, and segments of each command in them.
    pub(crate) datagrams: [u64; 2],
    pub(crate) commands: [BTreeMap<u8, u64>; 2],
    /// Of the pushes, those whose serial number had been pushed before.
    pub(crate) again: [u64; 2],
    pub(crate) delivered: [usize; 2],
    /// The least window that was told.
    pub(crate) least_window: [u16; 2],
    pub(crate) dead: [bool; 2],
}

impl Outcome {
    pub(crate) fn count(&self, side: usize, command: u8) -> u64 {
        self.commands[side].get(&command).copied().unwrap_or_default()
    }
}

/// Segments of a datagram, by the layout alone, so that the judge is not the accused.
pub(crate) fn dissect(mut datagram: &[u8]) -> Vec<(u8, u16, u32, usize)> {
    let mut all = Vec::new();
    while let Some(header) = datagram.first_chunk::<24>() {
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        assert_eq!(word(0), CONVERSATION);
        let length = word(20) as usize;
        all.push((header[4], u16::from_le_bytes([header[6], header[7]]), word(12), length));
        datagram = &datagram[24 + length..];
    }
    assert!(datagram.is_empty());
    all
}

/// A datagram: its arrival, in which order it was sent, for whom, and what.
type OnTheWay = (Instant, u64, usize, Vec<u8>);

/// Two ends and the path.
pub(crate) struct Pipe<'a> {
    pub(crate) ends: [&'a mut dyn End; 2],
    pub(crate) path: Path,
    rng: StdRng,
    origin: Instant,
    now: Instant,
    on_the_way: BinaryHeap<Reverse<OnTheWay>>,
    count: u64,
    highest: [Option<u32>; 2],
    pub(crate) outcome: Outcome,
}

impl<'a> Pipe<'a> {
    pub(crate) fn new(ends: [&'a mut dyn End; 2], path: Path, seed: u64, now: Instant) -> Self {
        let outcome = Outcome { least_window: [u16::MAX; 2], ..Outcome::default() };
        let rng = StdRng::seed_from_u64(seed);
        Self { ends, path, rng, origin: now, now, on_the_way: BinaryHeap::new(), count: 0, highest: [None; 2], outcome }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    fn carry(&mut self, from: usize) {
        for datagram in self.ends[from].transmit(self.now) {
            self.outcome.datagrams[from] += 1;
            for (command, window, serial, _) in dissect(&datagram) {
                *self.outcome.commands[from].entry(command).or_default() += 1;
                self.outcome.least_window[from] = self.outcome.least_window[from].min(window);
                if command == 81 {
                    let highest = &mut self.highest[from];
                    self.outcome.again[from] += u64::from(highest.is_some_and(|highest| serial <= highest));
                    *highest = (*highest).max(Some(serial));
                }
            }
            let copies = 1 + usize::from(self.rng.random_bool(self.path.twice));
            for _ in 0..copies {
                let lost = self.rng.random_bool(self.path.loss);
                let jitter = self.path.jitter.mul_f64(self.rng.random::<f64>());
                if !lost {
                    let at = self.now + self.path.delay + jitter;
                    self.on_the_way.push(Reverse((at, self.count, 1 - from, datagram.clone())));
                    self.count += 1;
                }
            }
        }
    }

    /// Runs until both have all of the other's data, or for `limit`, or until an end is dead.
    pub(crate) fn run(mut self, jobs: [Job; 2], limit: Duration) -> Outcome {
        let mut written = [0; 2];
        let mut idle = 0;
        loop {
            let since = self.now - self.origin;
            for side in 0..2 {
                let (end, job) = (&mut self.ends[side], &jobs[side]);
                while written[side] < job.data.len() && end.room() > 0 {
                    let length = (job.data.len() - written[side]).min(end.room()).min(10_000);
                    end.write(&job.data[written[side]..written[side] + length]);
                    written[side] += length;
                }
                if job.pause.is_none_or(|(from, until)| since < from || since >= until) {
                    while let Some(data) = end.read(self.now) {
                        let at = self.outcome.delivered[side];
                        let expected = jobs[1 - side].data.get(at..at + data.len());
                        assert!(expected == Some(&data[..]), "other bytes than were sent, at {at}");
                        self.outcome.delivered[side] += data.len();
                    }
                }
                self.carry(side);
                self.outcome.dead[side] |= self.ends[side].is_dead();
            }
            self.outcome.took = since;
            let done = (0..2).all(|side| self.outcome.delivered[side] == jobs[1 - side].data.len());
            if done || since >= limit || self.outcome.dead.contains(&true) {
                return self.outcome;
            }
            let pauses = jobs.iter().filter_map(|job| job.pause).map(|(_, until)| self.origin + until);
            let mut next = pauses.filter(|at| *at > self.now).min().unwrap_or(self.origin + limit);
            for end in &mut self.ends {
                next = next.min(end.next_timeout().unwrap_or(next));
            }
            next = next.min(self.on_the_way.peek().map_or(next, |Reverse((at, ..))| *at));
            idle = if next > self.now { 0 } else { idle + 1 };
            assert!(idle < 1000, "a time-out that does nothing: it spins");
            self.now = self.now.max(next);
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        while self.on_the_way.peek().is_some_and(|Reverse((at, ..))| *at <= self.now) {
            if let Some(Reverse((_, _, to, datagram))) = self.on_the_way.pop() {
                self.ends[to].handle(self.now, &datagram);
                self.carry(to);
            }
        }
        for side in 0..2 {
            if self.ends[side].next_timeout().is_some_and(|at| at <= self.now) {
                self.ends[side].handle_timeout(self.now);
            }
        }
    }
}
