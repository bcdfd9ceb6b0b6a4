//! The answers kept for a while: a bounded table without a clock of its own.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use tokio::time::Instant;

use super::{Answer, Question};

/// Answers by question. When the table is full, the oldest answer goes, except that an answer that
/// was used since it was last considered gets one more round (second chance): names that only one
/// visitor asked for cannot push out those that everybody asks for.
pub(super) struct Cache {
    // The standard hasher, seeded per table: the names are chosen by users.
    slots: HashMap<Rc<Question>, Slot>,
    /// Every question of `slots` exactly once, the next to be considered in front.
    order: VecDeque<Rc<Question>>,
    bound: usize,
}

struct Slot {
    answer: Answer,
    until: Instant,
    used: bool,
}

impl Cache {
    /// A table of at most `bound` answers; 0 keeps none.
    pub(super) fn new(bound: usize) -> Self {
        Self { slots: HashMap::new(), order: VecDeque::new(), bound }
    }

    /// The answer, if there is one that is still good at `now`.
    pub(super) fn get(&mut self, question: &Question, now: Instant) -> Option<Answer> {
        let slot = self.slots.get_mut(question).filter(|slot| now < slot.until)?;
        slot.used = true;
        Some(slot.answer.clone())
    }

    /// Keeps `answer` until `until`, in place of any older one to the same question.
    pub(super) fn insert(&mut self, question: Rc<Question>, answer: Answer, until: Instant, now: Instant) {
        if let Some(slot) = self.slots.get_mut(&question) {
            slot.answer = answer;
            slot.until = until;
            return;
        }
        if self.bound == 0 {
            return;
        }
        while self.slots.len() >= self.bound {
            self.evict(now);
        }
        self.order.push_back(Rc::clone(&question));
        let slot = Slot { answer, until, used: false };
        self.slots.insert(question, slot);
    }

    /// Removes one answer. Each step clears one mark, so that a second round finds none left.
    fn evict(&mut self, now: Instant) {
        while let Some(question) = self.order.pop_front() {
            match self.slots.get_mut(&question) {
                Some(slot) if slot.used && now < slot.until => {
                    slot.used = false;
                    self.order.push_back(question);
                }
                _ => {
                    self.slots.remove(&question);
                    return;
                }
            }
        }
    }

    /// How many answers are kept, good or expired.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        debug_assert_eq!(self.slots.len(), self.order.len());
        self.slots.len()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
