//! Two KCP sessions, and a path between them in virtual time.

#![allow(dead_code, reason = "each test uses a part")]

use bytes::{Bytes, BytesMut};
use ginnel_proto::envelope::OVERHEAD;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Side;
use ginnel_proto::session::kcp::segment::{Command, Segment};
use ginnel_proto::session::kcp::{KcpSession, Settings, params};
use ginnel_proto::session::sessions::Start;
use ginnel_proto::session::{Event, Read, Session, StreamId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Chance from a seed.
pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// The round trip of the path between two ends.
pub(crate) const RTT: Duration = Duration::from_millis(20);
/// How far time moves at once.
pub(crate) const STEP: Duration = Duration::from_millis(1);

/// Two ends, and what is on its way between them.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) ends: [KcpSession; 2],
    pub(crate) ways: [VecDeque<(Instant, Vec<u8>)>; 2],
    /// The longest packet that passes.
    pub(crate) narrow: usize,
    pub(crate) loss: f64,
    pub(crate) chance: StdRng,
    pub(crate) sent: [usize; 2],
}

pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

impl Pair {
    pub(crate) fn new(seed: u64, limits: &Limits) -> Self {
        let (now, mut chance) = (Instant::now(), rng(seed));
        let told = params(limits).encode();
        let mut end = |side| {
            let start = Start { side, params: &told, datagram_max: 1472, datagram_more: 32, rtt: RTT };
            KcpSession::new(&start, limits, now, &mut chance).expect("parameters")
        };
        let ends = [end(Side::Client), end(Side::Server)];
        Self { now, ends, ways: Default::default(), narrow: 9000, loss: 0.0, chance, sent: [0; 2] }
    }

    pub(crate) fn client(&mut self) -> &mut KcpSession {
        &mut self.ends[CLIENT]
    }

    pub(crate) fn server(&mut self) -> &mut KcpSession {
        &mut self.ends[SERVER]
    }

    /// Lets a millisecond pass.
    pub(crate) fn step(&mut self) {
        self.now += STEP;
        for end in [CLIENT, SERVER] {
            while self.ways[end].front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, packet) = self.ways[end].pop_front().expect("there is one");
                self.ends[end].handle(self.now, BytesMut::from(&packet[..]));
            }
            if self.ends[end].poll_timeout().is_some_and(|at| at <= self.now) {
                self.ends[end].handle_timeout(self.now);
            }
            self.drain(end);
        }
    }

    /// What an end has to send goes on its way.
    pub(crate) fn drain(&mut self, end: usize) {
        let mut out = Vec::new();
        while let Some(batch) = self.ends[end].poll_transmit(self.now, 44, OVERHEAD, &mut out) {
            for packet in out.chunks(batch.segment) {
                assert!(packet.len() <= self.ends[end].datagram_len());
                assert!(batch.spare == OVERHEAD);
                self.sent[end] += 1;
                if packet.len() <= self.narrow && !self.chance.random_bool(self.loss) {
                    self.ways[1 - end].push_back((self.now + RTT / 2, packet.to_vec()));
                }
            }
            out.clear();
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }

    /// Runs until something is so. How long it took.
    pub(crate) fn until(&mut self, patience: Duration, mut done: impl FnMut(&mut Self) -> bool) -> Duration {
        let began = self.now;
        while !done(self) {
            assert!(self.now < began + patience, "not within {patience:?}");
            self.step();
        }
        self.now - began
    }

    /// Has a stream that the client opens carry `total` bytes to the server, in order. How long it took.
    pub(crate) fn carry(&mut self, total: usize, patience: Duration) -> Duration {
        let id = self.client().open().expect("a stream");
        let (mut left, mut queue, mut got) = (total, VecDeque::new(), 0);
        self.until(patience, |pair| {
            if queue.is_empty() && left > 0 {
                let piece = left.min(50_000);
                queue.push_back(Bytes::from(pattern(total - left, piece)));
                left -= piece;
            }
            let _ = pair.client().write(id, &mut queue);
            if left == 0 && queue.is_empty() {
                pair.client().finish(id);
            }
            let (data, ended) = read(pair.server(), id);
            assert_eq!(data, pattern(got, data.len()));
            got += data.len();
            ended && got == total
        })
    }
}

/// Bytes of which each place has its own.
pub(crate) fn pattern(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|place| (place ^ (place >> 8) ^ (place >> 16)) as u8).collect()
}

/// All that can be read of a stream, and whether it has ended.
pub(crate) fn read(end: &mut KcpSession, id: StreamId) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        let mut chunks = Vec::new();
        let read = end.read(id, 1 << 20, &mut chunks);
        all.extend(chunks.iter().flatten());
        match read {
            Ok(Read::Data(_)) => {}
            Ok(Read::End(_)) => return (all, true),
            _ => return (all, false),
        }
    }
}

pub(crate) fn limits(settings: Settings) -> Limits {
    Limits { kcp: settings, ..Limits::default() }
}

pub(crate) fn events(end: &mut KcpSession) -> Vec<Event> {
    std::iter::from_fn(|| end.poll_event()).collect()
}

/// A packet of segments, as a session gets it.
pub(crate) fn packet(segments: &[(Segment, &[u8])]) -> BytesMut {
    let mut out = Vec::new();
    for (segment, data) in segments {
        segment.write(data.len(), &mut out);
        out.extend_from_slice(data);
    }
    out.resize(out.len() + OVERHEAD, 0);
    BytesMut::from(&out[..])
}

pub(crate) fn push(serial: u32) -> Segment {
    let (conversation, command) = (1, Command::Push);
    Segment { conversation, command, fragment: 0, window: 128, time: 0, serial, next: 0 }
}
