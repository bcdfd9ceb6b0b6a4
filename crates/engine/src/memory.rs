//! Memory of a shard, and what happens when it runs short.
//!
//! From three quarters of the budget on no new stream is taken in, until it is below again, and
//! streams that have been stuck for long are given up. Beyond the budget those are that have been
//! stuck for a moment. A link has a budget as well, its window: streams that nobody reads hold
//! their windows of it, and once they held all of it nothing would arrive for anybody. Before that,
//! it gives up those of its streams that have been stuck for longest. Streams that move are left
//! alone; of those that are stuck, those go first whose link has most of them.

use crate::shard::{Core, LinkState};
use crate::stream::StreamState;
use ginnel_proto::hub::LinkId;
use ginnel_proto::session::StreamId;
use std::cmp::Reverse;
use std::time::{Duration, Instant};

/// How much memory the engine has in use, bytes. Asked often: it must cost nothing.
pub type MemoryGauge = fn() -> u64;

/// For engines whose memory nobody counts.
pub fn uncounted() -> u64 {
    0
}

/// What a stream must have been stuck for before it is given up.
const STUCK_LEAST: Duration = Duration::from_secs(1);

/// The same while there is still some memory left.
const STUCK_LONG: Duration = Duration::from_secs(10);

/// The time between two rounds of giving up: what was freed must show first.
const ROUND: Duration = Duration::from_millis(100);

/// A round gives up this part of the streams that have been stuck for too long, and at least one.
const PART: usize = 8;

/// A shard's eye on its memory.
pub(crate) struct Memory {
    gauge: MemoryGauge,
    next_round: Option<Instant>,
    /// A link may have more streams stuck than its window bears.
    pub(crate) crowded: bool,
}

impl Memory {
    pub(crate) fn new(gauge: MemoryGauge) -> Self {
        Self { gauge, next_round: None, crowded: false }
    }
}

impl Core {
    /// Whether new streams have to wait for memory.
    pub(crate) fn is_short_of_memory(&self) -> bool {
        self.memory_in_use() >= self.limits.memory / 4 * 3
    }

    /// Memory in use, bytes.
    pub(crate) fn memory_in_use(&self) -> u64 {
        (self.memory.gauge)()
    }

    /// Looks after the budgets; called once a round of the driver. Returns when to come back,
    /// whatever happens until then.
    pub(crate) fn guard_memory(&mut self) -> Option<Instant> {
        if !self.memory.crowded && !self.is_short_of_memory() {
            return None;
        }
        let now = Instant::now();
        if let Some(next) = self.memory.next_round.filter(|next| now < *next) {
            return Some(next);
        }
        self.relieve_links(now);
        self.relieve_shard(now);
        self.memory.next_round = Some(now + ROUND);
        self.memory.next_round
    }

    /// Gives up what links have too much of.
    fn relieve_links(&mut self, now: Instant) {
        let mut shed = Vec::new();
        self.memory.crowded = false;
        for (id, link) in &self.links {
            let too_many = self.hub.session(*id).map_or(0, |session| session.crowd());
            if too_many > 0 {
                self.memory.crowded = true;
                let mut stuck = stuck_for(*id, link, StreamState::unread_since, STUCK_LEAST, now);
                stuck.sort_unstable_by_key(|(since, ..)| *since);
                shed.extend(stuck.into_iter().take(too_many));
            }
        }
        self.shed(shed, "link_window");
    }

    /// Gives up what the shard has too much of.
    fn relieve_shard(&mut self, now: Instant) {
        if !self.is_short_of_memory() {
            return;
        }
        let is_over = self.memory_in_use() >= self.limits.memory;
        if is_over {
            // What nobody has taken in yet goes first: it can be asked for again.
            self.refuse_incoming();
        }
        let least = if is_over { STUCK_LEAST } else { STUCK_LONG };
        let mut stuck = Vec::new();
        for (id, link) in &self.links {
            let theirs = stuck_for(*id, link, StreamState::stuck_since, least, now);
            stuck.extend(theirs.into_iter().map(|stream| (Reverse(link.stuck), stream)));
        }
        stuck.sort_unstable_by_key(|(crowd, (since, ..))| (*crowd, *since));
        let part = stuck.len().div_ceil(PART);
        self.shed(stuck.into_iter().take(part).map(|(_, stream)| stream).collect(), "memory");
    }

    fn shed(&mut self, streams: Vec<(Instant, LinkId, StreamId)>, limit: &'static str) {
        if !streams.is_empty() {
            self.notices.limit_reached(limit);
            self.counters.streams_shed += streams.len() as u64;
        }
        for (_, link, id) in streams {
            self.with_stream(link, id, |stream| stream.shed());
        }
    }
}

/// The streams of a link that have been stuck for so long, and since when.
fn stuck_for(
    id: LinkId,
    link: &LinkState,
    stuck_since: fn(&StreamState) -> Option<Instant>,
    least: Duration,
    now: Instant,
) -> Vec<(Instant, LinkId, StreamId)> {
    let since = link.streams.iter().filter_map(|(stream, state)| Some((stuck_since(state)?, id, *stream)));
    since.filter(|(since, ..)| *since + least <= now).collect()
}
