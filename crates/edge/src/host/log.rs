//! The engine's log: events of `tracing` on the engine's thread, by area and level, as records in
//! the inbox.
//!
//! An area is an event's `target`. The level of each can be changed at any time, from any thread.
//! What is off is never formatted: the place that would log learns it before it looks at its
//! fields. Records have a bound of their own in the inbox, so that no flood of them costs an event.

use super::command::{Event, Fact};
use super::inbox::Inbox;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};

/// The areas of the engine's log.
pub const AREAS: [&str; 8] = ["link", "handshake", "stream", "inbound", "outbound", "resolver", "limits", "engine"];

/// The levels, from the one that says nothing to the one that says most; an area says all up to its
/// own.
pub const LEVELS: [&str; 6] = ["off", "error", "warning", "info", "debug", "trace"];

/// The level of an area that nobody has set.
const DEFAULT: &str = "info";

/// A level or an area that there is not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    /// No such level.
    #[error("{0:?} is no level of the log; there are {list}", list = LEVELS.join(", "))]
    Level(String),
    /// No such area.
    #[error("{0:?} is no area of the engine's log; there are {list}", list = AREAS.join(", "))]
    Area(String),
}

/// The level of each area.
#[derive(Debug)]
pub struct LogLevels([AtomicU8; AREAS.len()]);

impl Default for LogLevels {
    fn default() -> Self {
        let level = rank(DEFAULT).unwrap_or(0);
        Self(std::array::from_fn(|_| AtomicU8::new(level)))
    }
}

impl LogLevels {
    /// Sets the level of every area: those that `levels` names, and all others to that of the area
    /// "", or to "info". An error changes nothing.
    pub fn set<'a>(&self, levels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), LogError> {
        let mut default = DEFAULT;
        let mut set: [Option<u8>; AREAS.len()] = [None; AREAS.len()];
        for (area, level) in levels {
            let rank = rank(level).ok_or_else(|| LogError::Level(level.to_owned()))?;
            match area {
                "" => default = level,
                _ => set[index(area).ok_or_else(|| LogError::Area(area.to_owned()))?] = Some(rank),
            }
        }
        for (own, set) in self.0.iter().zip(set) {
            own.store(set.or(rank(default)).unwrap_or(0), Ordering::Relaxed);
        }
        Ok(())
    }

    fn permits(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && index(metadata.target())
                .is_some_and(|area| rank_of(*metadata.level()) <= self.0[area].load(Ordering::Relaxed))
    }

    fn highest(&self) -> LevelFilter {
        match self.0.iter().map(|level| level.load(Ordering::Relaxed)).max() {
            None | Some(0) => LevelFilter::OFF,
            Some(1) => LevelFilter::ERROR,
            Some(2) => LevelFilter::WARN,
            Some(3) => LevelFilter::INFO,
            Some(4) => LevelFilter::DEBUG,
            Some(_) => LevelFilter::TRACE,
        }
    }
}

fn index(area: &str) -> Option<usize> {
    AREAS.iter().position(|known| *known == area)
}

fn rank(level: &str) -> Option<u8> {
    LEVELS.iter().position(|known| *known == level).map(|rank| rank as u8)
}

fn rank_of(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Where one engine logs to. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Log {
    levels: Arc<LogLevels>,
    dispatch: Dispatch,
}

impl Log {
    pub(super) fn new(levels: LogLevels, inbox: Arc<Inbox>) -> Self {
        let levels = Arc::new(levels);
        let _one = one_at_a_time();
        let dispatch = Dispatch::new(Sink { levels: levels.clone(), inbox });
        Self { levels, dispatch }
    }

    /// Sends here what this thread logs, until the guard is dropped.
    pub(super) fn install(&self) -> DefaultGuard {
        dispatcher::set_default(&self.dispatch)
    }

    /// See [`LogLevels::set`]; holds at once.
    pub(super) fn set<'a>(&self, levels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), LogError> {
        let _one = one_at_a_time();
        self.levels.set(levels)?;
        // While there is one engine, only the calling thread's is asked for its highest level.
        dispatcher::with_default(&self.dispatch, tracing::callsite::rebuild_interest_cache);
        Ok(())
    }
}

/// The highest level of all engines is remembered for the whole process, so that what is above it
/// costs one comparison. Whoever asks all engines for theirs must not be overtaken: the last to
/// write it could have asked before the others.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sink {
    levels: Arc<LogLevels>,
    inbox: Arc<Inbox>,
}

impl Subscriber for Sink {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // What is asked here once is remembered, and could be about a level that changes meanwhile:
        // only what can never be ours is settled.
        if index(metadata.target()).is_some() { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.levels.permits(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.levels.highest())
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let metadata = event.metadata();
        let Some(area) = index(metadata.target()) else { return };
        let level = LEVELS[usize::from(rank_of(*metadata.level()))];
        let mut record = Collected { message: String::new(), facts: Vec::new() };
        event.record(&mut record);
        let mut facts = vec![("level", level.into()), ("area", AREAS[area].into()), ("message", record.message.into())];
        facts.append(&mut record.facts);
        self.inbox.push_log(Event { name: "log", facts });
    }

    // Spans are not kept: a record says by itself what it is about.

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Collected {
    message: String,
    facts: Vec<(&'static str, Fact)>,
}

impl Collected {
    fn add(&mut self, field: &Field, fact: Fact) {
        match fact {
            Fact::Text(text) if field.name() == "message" => self.message = text,
            fact => self.facts.push((field.name(), fact)),
        }
    }
}

impl Visit for Collected {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, Fact::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Fact::Number(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Fact::Seconds(value));
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
