//! What one thread of a run counts, and the window of time in which it does.

use crate::histogram::Histogram;
use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The grain of the curve of bytes over time.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

/// The bytes whose arrival is timed from the first command on.
const FIRST: u64 = 10_000_000;

/// From when to when is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// The first instant that counts.
    pub(crate) start: Instant,
    /// The first that no longer does.
    pub(crate) end: Instant,
}

impl Window {
    fn has(&self, instant: Instant) -> bool {
        (self.start..self.end).contains(&instant)
    }
}

/// All that is counted.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    pub(crate) latency: Histogram,
    pub(crate) beside: Histogram,
    /// Bytes of each interval.
    pub(crate) intervals: Vec<u64>,
}

impl Counts {
    fn new(window: Window) -> Self {
        let intervals = (window.end - window.start).div_duration_f64(INTERVAL).ceil() as usize;
        Self { intervals: vec![0; intervals], ..Self::default() }
    }

    /// Adds those of another thread in the same window.
    pub(crate) fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.requests += other.requests;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.latency.add(&other.latency);
        self.beside.add(&other.beside);
        self.intervals.resize(self.intervals.len().max(other.intervals.len()), 0);
        self.intervals.iter_mut().zip(&other.intervals).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// One thread's counts while its connections work.
pub(crate) struct Tally {
    window: Window,
    counts: RefCell<Counts>,
}

impl Tally {
    pub(crate) fn new(window: Window) -> Self {
        Self { window, counts: RefCell::new(Counts::new(window)) }
    }

    /// Bytes went through just now.
    pub(crate) fn moved(&self, bytes: usize) {
        let now = Instant::now();
        if self.window.has(now) {
            self.counts.borrow_mut().moved(self.window, now, bytes);
        }
    }

    /// An answer of so many bytes has come to what was asked at `asked`.
    pub(crate) fn answered(&self, asked: Instant, bytes: usize) {
        let now = Instant::now();
        if self.window.has(now) {
            let mut counts = self.counts.borrow_mut();
            counts.moved(self.window, now, bytes);
            counts.requests += 1;
            counts.latency.record(now - asked);
        }
    }

    /// An answer has come to one of the loops beside the work.
    pub(crate) fn answered_beside(&self, asked: Instant) {
        let now = Instant::now();
        if self.window.has(now) {
            self.counts.borrow_mut().beside.record(now - asked);
        }
    }

    /// Something failed. Errors count at any time, for those of the warm-up matter as much.
    pub(crate) fn failed(&self, error: &io::Error) {
        let mut counts = self.counts.borrow_mut();
        counts.errors += 1;
        counts.first_error.get_or_insert_with(|| error.to_string());
    }

    pub(crate) fn take(&self) -> Counts {
        self.counts.take()
    }
}

impl Counts {
    fn moved(&mut self, window: Window, now: Instant, bytes: usize) {
        self.bytes += bytes as u64;
        let interval = ((now - window.start).as_nanos() / INTERVAL.as_nanos()) as usize;
        if let Some(interval) = self.intervals.get_mut(interval) {
            *interval += bytes as u64;
        }
    }
}

/// How long the first 10 MB of a run take, over all connections of all threads, from the first command on.
pub(crate) struct FirstBytes {
    epoch: Instant,
    asked: AtomicU64,
    bytes: AtomicU64,
    there: AtomicU64,
}

impl FirstBytes {
    /// `epoch` is before all that will be told.
    pub(crate) fn new(epoch: Instant) -> Self {
        Self { epoch, asked: u64::MAX.into(), bytes: 0.into(), there: 0.into() }
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// A connection asks for its bytes.
    pub(crate) fn asked(&self) {
        self.asked.fetch_min(self.now(), Ordering::Relaxed);
    }

    /// Bytes have come.
    pub(crate) fn moved(&self, bytes: usize) {
        // Once it is known, threads have nothing to share any more.
        if self.there.load(Ordering::Relaxed) == 0
            && self.bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64 >= FIRST
        {
            let _ = self.there.compare_exchange(0, self.now(), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// The time, if so much has come.
    pub(crate) fn time(&self) -> Option<Duration> {
        let there = self.there.load(Ordering::Relaxed);
        (there > 0).then(|| Duration::from_nanos(there.saturating_sub(self.asked.load(Ordering::Relaxed))))
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, FirstBytes, Tally, Window};
    use std::io;
    use std::time::{Duration, Instant};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_in_the_window_counts() {
        let start = Instant::now();
        let tally = Tally::new(Window { start, end: start + MINUTE });
        tally.moved(1000);
        tally.answered(start, 24);
        tally.answered_beside(start);
        let counts = tally.take();
        assert_eq!((counts.bytes, counts.requests, counts.latency.count(), counts.beside.count()), (1024, 1, 1, 1));
        assert_eq!((counts.intervals.len(), counts.intervals.iter().sum::<u64>()), (600, 1024));
    }

    #[test]
    fn what_is_outside_does_not_but_for_errors() {
        let now = Instant::now();
        for window in [Window { start: now + MINUTE, end: now + 2 * MINUTE }, Window { start: now, end: now }] {
            let tally = Tally::new(window);
            tally.moved(1000);
            tally.answered(now, 24);
            tally.answered_beside(now);
            tally.failed(&io::Error::other("the first"));
            tally.failed(&io::Error::other("the second"));
            let counts = tally.take();
            assert_eq!((counts.bytes, counts.requests, counts.beside.count(), counts.errors), (0, 0, 0, 2));
            assert_eq!(counts.first_error.as_deref(), Some("the first"));
        }
    }

    #[test]
    fn threads_add_up() {
        let mut all = Counts::default();
        for intervals in [vec![1, 2], vec![10, 20, 30]] {
            all.add(Counts { bytes: intervals.iter().sum(), intervals, ..Counts::default() });
        }
        assert_eq!((all.bytes, all.intervals), (63, vec![11, 22, 30]));
    }

    #[test]
    fn the_first_ten_megabytes_are_timed_once() {
        let first = FirstBytes::new(Instant::now());
        first.asked();
        first.moved(9_999_999);
        assert_eq!(first.time(), None);
        first.moved(1);
        let time = first.time().unwrap();
        first.moved(100_000_000);
        assert_eq!(first.time(), Some(time));
    }
}
