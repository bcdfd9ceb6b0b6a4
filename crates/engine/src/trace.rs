//! The trace of one stream: how long each stage of its opening took. A shard adds all of them up.

use crate::histogram::Histogram;
use ginnel_proto::link::Side;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// A stage of opening a stream. Each is measured from the end of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Client: there is a link. From when the application has said what it wants.
    Queued,
    /// Client: the peer allows the stream, and the open request is on its way.
    Opened,
    /// Server: the open request is complete. From the stream's first byte.
    Requested,
    /// The target is connected; at a client: and the reply that says so is here.
    Connected,
    /// The first byte of the target is here.
    FirstByte,
}

const STAGES: usize = 5;

impl Stage {
    /// The stages that an end sees, in their order.
    pub fn of(side: Side) -> &'static [Self] {
        match side {
            Side::Client => &[Self::Queued, Self::Opened, Self::Connected, Self::FirstByte],
            Side::Server => &[Self::Requested, Self::Connected, Self::FirstByte],
        }
    }

    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Opened => "opened",
            Self::Requested => "requested",
            Self::Connected => "connected",
            Self::FirstByte => "first_byte",
        }
    }
}

/// The open times of all streams of a shard.
#[derive(Default)]
pub(crate) struct OpenTimes([Histogram; STAGES]);

impl OpenTimes {
    pub(crate) fn record(&mut self, stage: Stage, time: Duration) {
        self.0[stage as usize].record(time);
    }

    pub(crate) fn of(&self, side: Side) -> Vec<(&'static str, Histogram)> {
        Stage::of(side).iter().map(|stage| (stage.name(), self.0[*stage as usize].clone())).collect()
    }
}

/// The trace of one stream.
pub(crate) struct Trace {
    /// When the last stage ended.
    since: Cell<Instant>,
    took: Cell<[Option<Duration>; STAGES]>,
    /// The direction whose next byte is the target's first.
    awaited: Cell<Option<Way>>,
    pub(crate) received: Cell<u64>,
    pub(crate) sent: Cell<u64>,
}

/// Which way bytes of a target pass at this end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

impl Trace {
    /// A trace that begins now.
    pub(crate) fn new() -> Self {
        Self {
            since: Cell::new(Instant::now()),
            took: Cell::default(),
            awaited: Cell::default(),
            received: Cell::default(),
            sent: Cell::default(),
        }
    }

    /// A stage has ended at `now`; how long it took.
    pub(crate) fn end(&self, stage: Stage, now: Instant) -> Duration {
        let time = now.saturating_duration_since(self.since.replace(now));
        let mut took = self.took.get();
        took[stage as usize] = Some(time);
        self.took.set(took);
        time
    }

    /// The stages began earlier than the stream itself.
    pub(crate) fn begin_at(&self, since: Instant) {
        self.since.set(since);
    }

    /// The next byte that passes this way is the target's first.
    pub(crate) fn await_first(&self, way: Way) {
        self.awaited.set(Some(way));
    }

    /// So many bytes have passed; whether the first was the target's first.
    pub(crate) fn passed(&self, way: Way, bytes: u64) -> bool {
        let counter = match way {
            Way::In => &self.received,
            Way::Out => &self.sent,
        };
        counter.set(counter.get() + bytes);
        if bytes > 0 && self.awaited.get() == Some(way) {
            self.awaited.set(None);
            return true;
        }
        false
    }

    /// How long a stage took, in seconds.
    pub(crate) fn seconds(&self, stage: Stage) -> Option<f64> {
        self.took.get()[stage as usize].map(|time| time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::{OpenTimes, Side, Stage, Trace, Way};
    use std::time::{Duration, Instant};

    #[test]
    fn each_stage_is_measured_from_the_end_of_the_one_before() {
        let (trace, began) = (Trace::new(), Instant::now());
        let at = |millis| began + Duration::from_millis(millis);
        trace.begin_at(at(0));
        assert_eq!(trace.end(Stage::Queued, at(5)), Duration::from_millis(5));
        assert_eq!(trace.end(Stage::Opened, at(7)), Duration::from_millis(2));
        // A clock that stands still, or a stage that is told late, is no fault.
        assert_eq!(trace.end(Stage::Connected, at(6)), Duration::ZERO);
        assert_eq!(trace.seconds(Stage::Queued), Some(0.005));
        assert_eq!(trace.seconds(Stage::FirstByte), None);
    }

    #[test]
    fn the_first_byte_is_the_first_that_was_waited_for_in_its_direction() {
        let trace = Trace::new();
        // The reply that says that the target is connected.
        assert!(!trace.passed(Way::In, 1));
        trace.await_first(Way::In);
        assert!(!trace.passed(Way::Out, 10));
        assert!(!trace.passed(Way::In, 0));
        assert!(trace.passed(Way::In, 7));
        assert!(!trace.passed(Way::In, 7));
        assert_eq!((trace.received.get(), trace.sent.get()), (15, 10));
    }

    #[test]
    fn an_end_has_all_its_stages_from_the_start() {
        let mut times = OpenTimes::default();
        times.record(Stage::Connected, Duration::from_millis(1));
        let counts: Vec<_> = times.of(Side::Server).iter().map(|(name, times)| (*name, times.count())).collect();
        assert_eq!(counts, [("requested", 0), ("connected", 1), ("first_byte", 0)]);
    }
}
