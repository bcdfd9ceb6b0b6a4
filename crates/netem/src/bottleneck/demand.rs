//! What an application has to send.

use super::{NEVER, nanoseconds};

/// What an application has to send, and when.
#[derive(Clone, Debug)]
pub enum Demand {
    /// Always something.
    Endless,
    /// Always something for so many seconds, then nothing for as many, and so on.
    Switched(f64),
    /// So many bytes every so many seconds.
    Bursts(u64, f64),
}

/// The same while it runs.
pub(super) struct Backlog {
    demand: Demand,
    bytes: u64,
    next_at: u64,
}

impl Backlog {
    pub(super) fn new(demand: Demand) -> Self {
        Self { demand, bytes: 0, next_at: 0 }
    }

    /// Bytes that wait to be sent.
    pub(super) fn bytes(&mut self, now: u64) -> u64 {
        match self.demand {
            Demand::Endless => return u64::MAX,
            Demand::Switched(seconds) => {
                let period = nanoseconds(seconds);
                let on = (now / period).is_multiple_of(2);
                self.next_at = if on { NEVER } else { (now / period + 1) * period };
                return if on { u64::MAX } else { 0 };
            }
            Demand::Bursts(bytes, every) => {
                while self.next_at <= now {
                    self.bytes += bytes;
                    self.next_at += nanoseconds(every);
                }
            }
        }
        self.bytes
    }

    pub(super) fn take(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// When there will be something again.
    pub(super) fn next_at(&self) -> u64 {
        if matches!(self.demand, Demand::Endless) { NEVER } else { self.next_at }
    }
}
