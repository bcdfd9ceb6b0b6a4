//! What the path carries: the highest delivery rate of this probing cycle and of the last one.

/// Bytes per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bandwidth {
    previous: f64,
    current: f64,
    /// The current cycle had a sample that the application did not limit.
    fresh: bool,
    /// What loss of our own making lets us use of it.
    bound: f64,
}

impl Bandwidth {
    pub(super) fn new() -> Self {
        Self { previous: 0.0, current: 0.0, fresh: false, bound: f64::INFINITY }
    }

    /// A sample. One that the application limited counts only where it shows more than was known.
    pub(super) fn sample(&mut self, rate: f64, app_limited: bool) {
        if !app_limited || rate >= self.highest() {
            self.current = self.current.max(rate);
            self.fresh |= !app_limited;
        }
    }

    /// A cycle ends. One in which the application never filled the path has taught nothing, and does not count.
    pub(super) fn age(&mut self) {
        if self.fresh {
            (self.previous, self.current, self.fresh) = (self.current, 0.0, false);
        }
    }

    /// The highest rate of two cycles.
    pub(super) fn highest(&self) -> f64 {
        self.previous.max(self.current)
    }

    /// What to reckon with; 0 before the first sample.
    pub(super) fn estimate(&self) -> f64 {
        self.highest().min(self.bound)
    }

    /// The path has changed: it carries so much.
    pub(super) fn set(&mut self, rate: f64) {
        (self.previous, self.current, self.bound) = (rate, rate, f64::INFINITY);
    }

    /// Uses no more than so much.
    pub(super) fn restrain(&mut self, bound: f64) {
        self.bound = bound;
    }

    /// Uses all of it again.
    pub(super) fn release(&mut self) {
        self.bound = f64::INFINITY;
    }
}
