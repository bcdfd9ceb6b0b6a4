//! The replay window: which of the latest counters have been seen (RFC 6479).

/// How many counters back the window reaches. A batch of segmentation offload is at most 64
/// packets, so this forgives the reordering of dozens of batches.
pub const WINDOW: u64 = 4096;

const WORDS: usize = (WINDOW / 64) as usize + 1;

/// A sliding window over the counters of one direction of one link.
#[derive(Clone)]
pub struct Window {
    /// The highest counter accepted; nothing has been accepted while `seen_any` is false.
    top: u64,
    seen_any: bool,
    /// One bit a counter, as a ring of words; one word more than the window, so that moving the
    /// top never clears a bit that is still inside.
    bits: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self { top: 0, seen_any: false, bits: [0; WORDS] }
    }
}

impl Window {
    /// Whether a packet with this counter may still be accepted. Changes nothing: a counter is
    /// recorded only after its packet has been authenticated.
    pub fn is_fresh(&self, counter: u64) -> bool {
        if !self.seen_any || counter > self.top {
            return true;
        }
        self.top - counter < WINDOW && self.bits[word(counter)] & bit(counter) == 0
    }

    /// Records an authenticated packet's counter. Returns whether it is the newest so far.
    pub fn record(&mut self, counter: u64) -> bool {
        let newest = !self.seen_any || counter > self.top;
        if newest {
            if self.seen_any {
                let from = self.top / 64 + 1;
                let to = counter / 64;
                for cleared in from..=to.min(from + WORDS as u64 - 1) {
                    self.bits[cleared as usize % WORDS] = 0;
                }
            }
            self.top = counter;
            self.seen_any = true;
        }
        self.bits[word(counter)] |= bit(counter);
        newest
    }
}

fn word(counter: u64) -> usize {
    (counter / 64) as usize % WORDS
}

fn bit(counter: u64) -> u64 {
    1 << (counter % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_each_counter_once_in_any_order() {
        let mut window = Window::default();
        for counter in [1000, 1002, 1001, 999, 5000, 4999, 1000 + WINDOW] {
            assert!(window.is_fresh(counter), "{counter}");
            window.record(counter);
            assert!(!window.is_fresh(counter), "{counter}");
        }
    }

    #[test]
    fn refuses_what_has_left_the_window() {
        let mut window = Window::default();
        window.record(1 << 20);
        assert!(window.is_fresh((1 << 20) - WINDOW + 1));
        assert!(!window.is_fresh((1 << 20) - WINDOW));
    }

    #[test]
    fn agrees_with_a_plain_set_over_a_long_walk() {
        let mut window = Window::default();
        let mut seen = std::collections::HashSet::new();
        let (mut state, mut top) = (1u64, 0);
        for step in 0..200_000u64 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let counter = (1 << 40) + step + (state >> 40) % 300 - (state >> 33) % 200;
            let fresh = !seen.contains(&counter) && (top == 0 || counter + WINDOW > top);
            assert_eq!(window.is_fresh(counter), fresh, "counter {counter} at step {step}");
            if fresh {
                assert_eq!(window.record(counter), counter > top);
                seen.insert(counter);
                top = top.max(counter);
            }
        }
    }
}
