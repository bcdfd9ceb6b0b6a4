//! Has this machine slept, or this process been stopped? Two clocks and a late timer tell.
//!
//! While a machine sleeps, the monotonic clock of Linux stands still and the wall clock goes on;
//! while a process is stopped, both go on, and its timers fire too late.

use crate::shard::now;
use ginnel_proto::hub::Time;
use ginnel_proto::limits::{CLOCK_JUMP, LATE_TIMER};
use std::time::{Duration, Instant};

/// The clocks when they were last looked at.
pub(crate) struct Clocks(Time);

impl Clocks {
    pub(crate) fn new() -> Self {
        Self(now())
    }

    /// Whether there was a pause since the last look. `due`: when a timer should have fired, if it
    /// has not been seen to yet. A wall clock that is set forward looks like sleep, and what comes of
    /// it does no harm.
    pub(crate) fn have_jumped(&mut self, time: Time, due: Option<Instant>) -> bool {
        let last = std::mem::replace(&mut self.0, time);
        let wall = Duration::from_nanos(time.wall_ns.saturating_sub(last.wall_ns));
        let passed = time.now.saturating_duration_since(last.now);
        wall > passed + CLOCK_JUMP || due.is_some_and(|due| time.now > due + LATE_TIMER)
    }
}

#[cfg(test)]
#[path = "clocks_tests.rs"]
mod tests;
