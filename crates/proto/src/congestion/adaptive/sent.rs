//! What was known when a batch left: looked up again when the batch is acknowledged or lost.

use super::State;
use std::collections::VecDeque;

/// So many batches are remembered. A flow that makes more within the time that counts has several of them
/// share a record, which costs its rate samples a little precision and no more.
const MAX_BATCHES: usize = 4096;
/// With no more than this the memory is kept for the next batches.
const KEPT_BATCHES: usize = 256;

/// The state of the delivery when a batch left (draft-cheng-iccrg-delivery-rate-estimation, section 3).
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    /// When it left, nanoseconds.
    pub(super) sent: u64,
    /// Bytes delivered by then.
    pub(super) delivered: u64,
    /// When the last of them were acknowledged.
    pub(super) delivered_at: u64,
    /// When the newest batch that was acknowledged by then had left.
    pub(super) first_sent: u64,
    /// The application had too little to send.
    pub(super) app_limited: bool,
    /// The controller's state, and the pace that it asked for, in bytes per second.
    pub(super) state: State,
    pub(super) pace: f32,
}

/// Batches by the time they left.
#[derive(Clone, Debug, Default)]
pub(super) struct SentLog {
    batches: VecDeque<Batch>,
    /// Where the last look-up ended: acknowledgements come nearly in order.
    cursor: usize,
}

impl SentLog {
    /// Remembers `batch`. `horizon`: for how long batches count, in nanoseconds.
    pub(super) fn push(&mut self, batch: Batch, horizon: u64) {
        while self.batches.front().is_some_and(|front| self.batches.len() > 1 && front.sent + horizon < batch.sent) {
            self.pop();
        }
        let spacing = horizon / MAX_BATCHES as u64;
        if self.batches.back().is_some_and(|back| batch.sent <= back.sent + spacing) {
            return;
        }
        if self.batches.len() >= MAX_BATCHES {
            self.pop();
        }
        self.batches.push_back(batch);
    }

    /// The batch that left at `sent`, or the last before it.
    pub(super) fn find(&mut self, sent: u64) -> Option<Batch> {
        let at = |index: usize| self.batches.get(index).map_or(u64::MAX, |batch| batch.sent);
        if at(self.cursor) > sent {
            self.cursor = self.batches.partition_point(|batch| batch.sent <= sent).checked_sub(1)?;
        }
        while at(self.cursor + 1) <= sent {
            self.cursor += 1;
        }
        self.batches.get(self.cursor).copied()
    }

    /// Forgets all, and gives memory back that a fast time left behind.
    pub(super) fn clear(&mut self) {
        self.batches.clear();
        self.cursor = 0;
        if self.batches.capacity() > KEPT_BATCHES {
            self.batches.shrink_to(KEPT_BATCHES);
        }
    }

    /// How many batches are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    fn pop(&mut self) {
        self.batches.pop_front();
        self.cursor = self.cursor.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(sent: u64) -> Batch {
        Batch {
            sent,
            delivered: sent,
            delivered_at: 0,
            first_sent: 0,
            app_limited: false,
            state: State::Cruise,
            pace: 0.0,
        }
    }

    #[test]
    fn a_batch_is_found_by_when_it_left() {
        let mut log = SentLog::default();
        (1..=100).for_each(|sent| log.push(batch(sent * 10), 4_000));
        // Forwards, backwards, and between two.
        for (sent, found) in [(10, 10), (500, 500), (990, 990), (10, 10), (505, 500), (2_000, 1_000)] {
            assert_eq!(log.find(sent).map(|batch| batch.sent), Some(found));
        }
        assert!(log.find(9).is_none());
    }

    #[test]
    fn memory_is_bounded_without_any_acknowledgement() {
        let mut log = SentLog::default();
        (0..1_000_000).for_each(|sent| log.push(batch(sent * 1_000), 250_000_000));
        assert!(log.len() <= MAX_BATCHES, "{} batches", log.len());
        // The last quarter of a second is there, the rest is gone.
        assert!(log.find(999_999_000).is_some_and(|batch| batch.sent > 999_900_000));
        assert!(log.find(700_000_000).is_none());
    }

    #[test]
    fn what_was_forgotten_is_not_found() {
        let mut log = SentLog::default();
        (1..=10).for_each(|sent| log.push(batch(sent), 1_000));
        assert!(log.find(10).is_some());
        log.clear();
        assert!(log.find(10).is_none());
        log.push(batch(20), 1_000);
        assert!(log.find(10).is_none() && log.find(25).is_some());
    }
}
