//! Whose turn it is on a lane, and what was moved lately.
//!
//! Streams that have sent little lately go first, among themselves and then the others in turns: a
//! request does not wait behind a download. A stream has its turn when it has sent a fill, more or
//! less. After a few fills for those that go first one is for the others, so that a thousand small
//! streams slow a bulk one down but never stop it.

use super::list::{Kind, List};
use super::stream::Stream;
use slab::Slab;
use std::time::{Duration, Instant};

/// What was moved counts half after so long.
const HALF_LIFE: Duration = Duration::from_millis(500);

/// A stream that has sent no more than this lately goes first, bytes.
const LITTLE_SENT: u64 = 16 << 10;

/// After so many fills for those that go first one is for the others.
const FILLS_FIRST: u32 = 4;

/// A turn is over when this was sent in it, bytes: a stream that got the rest of a fill, after
/// somebody else's little, has not had its turn.
const TURN: usize = 1024;

/// Time in half-lives since the first that was seen.
#[derive(Debug, Default)]
pub(super) struct Clock {
    start: Option<Instant>,
    pub(super) halves: u32,
}

impl Clock {
    pub(super) fn set(&mut self, now: Instant) {
        let start = *self.start.get_or_insert(now);
        let halves = now.saturating_duration_since(start).as_millis() / HALF_LIFE.as_millis();
        self.halves = self.halves.max(u32::try_from(halves).unwrap_or(u32::MAX));
    }
}

/// Bytes moved lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lately {
    bytes: u64,
    halves: u32,
}

impl Lately {
    pub(super) fn add(&mut self, clock: &Clock, bytes: usize) {
        self.bytes = self.at(clock).saturating_add(bytes as u64);
        self.halves = clock.halves;
    }

    pub(super) fn at(&self, clock: &Clock) -> u64 {
        self.bytes.checked_shr(clock.halves.saturating_sub(self.halves)).unwrap_or(0)
    }
}

/// Which of a lane's queues a stream with data is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Rank {
    /// The next fill will tell: only then the time is known.
    #[default]
    Unknown,
    First,
    Others,
}

/// The streams of a lane that have data to send, and may.
#[derive(Debug)]
pub(super) struct Turns {
    unknown: List,
    first: List,
    others: List,
    /// Fills since the others had one.
    fills: u32,
    /// Bytes in this fill, of both.
    filled: (usize, usize),
}

impl Turns {
    pub(super) fn new() -> Self {
        let list = || List::new(Kind::Data);
        Self { unknown: list(), first: list(), others: list(), fills: 0, filled: (0, 0) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.first.is_empty() && self.others.is_empty()
    }

    fn list(&mut self, rank: Rank) -> &mut List {
        match rank {
            Rank::Unknown => &mut self.unknown,
            Rank::First => &mut self.first,
            Rank::Others => &mut self.others,
        }
    }

    /// Puts a stream where it belongs that can send now, or takes it out that cannot.
    pub(super) fn update(&mut self, streams: &mut Slab<Stream>, key: usize, can_send: bool) {
        let stream = &mut streams[key];
        let is_in = stream.places.has(Kind::Data);
        if can_send && !is_in {
            (stream.rank, stream.turn) = (Rank::Unknown, 0);
            self.unknown.push(streams, key);
        } else if is_in && !can_send {
            let rank = stream.rank;
            self.list(rank).remove(streams, key);
        }
    }

    /// A fill begins.
    pub(super) fn begin(&mut self, streams: &mut Slab<Stream>, clock: &Clock) {
        self.filled = (0, 0);
        while let Some(key) = self.unknown.pop(streams) {
            self.rank(streams, key, clock);
        }
    }

    fn rank(&mut self, streams: &mut Slab<Stream>, key: usize, clock: &Clock) {
        let stream = &mut streams[key];
        stream.rank = if stream.lately.at(clock) <= LITTLE_SENT { Rank::First } else { Rank::Others };
        let rank = stream.rank;
        self.list(rank).push(streams, key);
    }

    /// Whose turn it is.
    pub(super) fn next(&self) -> Option<usize> {
        let (first, others) = (self.first.front(), self.others.front());
        if self.fills >= FILLS_FIRST { others.or(first) } else { first.or(others) }
    }

    /// A stream that is still in its queue, or has just left it, has sent so many bytes.
    pub(super) fn sent(&mut self, streams: &mut Slab<Stream>, key: usize, clock: &Clock, bytes: usize) {
        let stream = &mut streams[key];
        stream.lately.add(clock, bytes);
        stream.turn += bytes;
        let rank = stream.rank;
        if rank == Rank::First {
            self.filled.0 += bytes;
        } else {
            self.filled.1 += bytes;
        }
        if streams[key].places.has(Kind::Data) && streams[key].turn >= TURN {
            streams[key].turn = 0;
            self.list(rank).remove(streams, key);
            self.rank(streams, key, clock);
        }
    }

    /// The fill is over.
    pub(super) fn end(&mut self) {
        let (first, others) = self.filled;
        if others > first || self.others.is_empty() {
            self.fills = 0;
        } else if first > 0 {
            self.fills = self.fills.saturating_add(1);
        }
    }
}
