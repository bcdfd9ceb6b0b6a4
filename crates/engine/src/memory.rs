//! The memory budget of a shard: what happens when it runs short.
//!
//! From three quarters of the budget on no new stream is taken in, until it is below again. Beyond
//! the budget, streams are given up: those first that have been stuck for longest, for they hold
//! what nobody reads. Streams that move are left alone.

use crate::shard::Core;
use ginnel_proto::hub::LinkId;
use ginnel_proto::session::StreamId;
use std::time::{Duration, Instant};

/// How much memory the engine has in use, bytes. Asked often: it must cost nothing.
pub type MemoryGauge = fn() -> u64;

/// For engines whose memory nobody counts.
pub fn uncounted() -> u64 {
    0
}

/// What a stream must have been stuck for before it is given up.
const STUCK_LEAST: Duration = Duration::from_secs(1);

/// The time between two rounds of giving up: what was freed must show first.
const ROUND: Duration = Duration::from_millis(100);

/// A round gives up this part of the streams that are stuck, and at least one.
const PART: usize = 8;

/// A shard's eye on its memory.
pub(crate) struct Memory {
    gauge: MemoryGauge,
    last_round: Option<Instant>,
}

impl Memory {
    pub(crate) fn new(gauge: MemoryGauge) -> Self {
        Self { gauge, last_round: None }
    }
}

impl Core {
    /// Whether new streams have to wait for memory.
    pub(crate) fn is_short_of_memory(&self) -> bool {
        (self.memory.gauge)() >= self.limits.memory / 4 * 3
    }

    /// Memory in use, bytes.
    pub(crate) fn memory_in_use(&self) -> u64 {
        (self.memory.gauge)()
    }

    /// Looks after the budget; called once a round of the driver.
    pub(crate) fn guard_memory(&mut self) {
        if (self.memory.gauge)() < self.limits.memory {
            return;
        }
        let now = Instant::now();
        if self.memory.last_round.is_some_and(|last| now < last + ROUND) {
            return;
        }
        self.memory.last_round = Some(now);
        self.notices.limit_reached("memory");
        // What nobody has taken in yet goes first: it can be asked for again.
        self.refuse_incoming();
        let mut stuck: Vec<(Instant, LinkId, StreamId)> = Vec::new();
        for (link, state) in &self.links {
            let since = state.streams.iter().filter_map(|(id, stream)| Some((stream.stuck_since()?, *link, *id)));
            stuck.extend(since.filter(|(since, ..)| *since + STUCK_LEAST <= now));
        }
        stuck.sort_unstable_by_key(|(since, ..)| *since);
        let shed = stuck.len().div_ceil(PART);
        for (_, link, id) in stuck.into_iter().take(shed) {
            self.with_stream(link, id, |stream| stream.shed());
        }
        self.counters.streams_shed += shed as u64;
    }
}
