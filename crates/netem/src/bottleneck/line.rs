//! The bottleneck: a policer perhaps, a queue with an end, a rate.

use super::path::{PACKET, Path};
use super::{NEVER, nanoseconds};
use std::collections::VecDeque;

pub(super) struct Line {
    /// Flow and number of each packet; the first is being transmitted.
    queue: VecDeque<(usize, u64)>,
    departs_at: u64,
    /// The policer's bytes, and when they were counted.
    tokens: f64,
    counted_at: u64,
}

impl Line {
    pub(super) fn new(path: &Path) -> Self {
        let tokens = path.policer.map_or(0.0, |policer| policer.burst);
        Self { queue: VecDeque::new(), departs_at: NEVER, tokens, counted_at: 0 }
    }

    pub(super) fn departs_at(&self) -> u64 {
        self.departs_at
    }

    /// A packet comes, and is queued or dropped.
    pub(super) fn enter(&mut self, now: u64, path: &Path, flow: usize, packet: u64) {
        if !self.policed(now, path) {
            return;
        }
        if self.queue.is_empty() {
            self.departs_at = now + path.transmission(now);
        } else if (self.queue.len() as u64 + 1) as f64 * PACKET as f64 > path.buffer {
            return;
        }
        self.queue.push_back((flow, packet));
    }

    /// The first packet of the queue is through.
    pub(super) fn depart(&mut self, now: u64, path: &Path) -> (usize, u64) {
        let first = self.queue.pop_front().expect("something departs");
        self.departs_at = if self.queue.is_empty() { NEVER } else { now + path.transmission(now) };
        first
    }

    /// Whether the policer lets a packet pass.
    fn policed(&mut self, now: u64, path: &Path) -> bool {
        let Some(policer) = path.policer else { return true };
        let passed = (now - self.counted_at) as f64 / nanoseconds(1.0) as f64;
        self.tokens = (self.tokens + policer.rate * 125e3 * passed).min(policer.burst);
        self.counted_at = now;
        let passes = self.tokens >= PACKET as f64;
        if passes {
            self.tokens -= PACKET as f64;
        }
        passes
    }
}
