//! The log: what is off costs nothing, what is on arrives whole, and levels change at any time.

use super::super::command::Fact;
use super::super::{Inbox, Message};
use super::{AREAS, DefaultGuard, Log, LogError, LogLevels};
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::{debug, error, info, warn};

struct Installed {
    log: Log,
    inbox: Arc<Inbox>,
    _guard: DefaultGuard,
}

fn log(records_max: usize) -> Installed {
    let inbox = Arc::new(Inbox::new(1, 1, records_max).unwrap());
    let log = Log::new(LogLevels::default(), inbox.clone());
    Installed { _guard: log.install(), log, inbox }
}

impl Installed {
    /// The facts of what is in the inbox.
    fn records(&self) -> Vec<Vec<(&'static str, Fact)>> {
        let events = self.inbox.drain().unwrap().into_iter().map(|message| match message {
            Message::Event(event) => event,
            Message::Reply(..) => panic!("a reply"),
        });
        events.inspect(|event| assert_eq!(event.name, "log")).map(|event| event.facts).collect()
    }

    fn messages(&self) -> Vec<String> {
        let message = |facts: Vec<_>| match facts.into_iter().nth(2) {
            Some(("message", Fact::Text(message))) => message,
            other => panic!("{other:?}"),
        };
        self.records().into_iter().map(message).collect()
    }
}

/// Counts how often it is formatted.
struct Counting<'a>(&'a Cell<u32>);

impl fmt::Debug for Counting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.set(self.0.get() + 1);
        f.write_str("counted")
    }
}

#[test]
fn what_is_off_is_never_formatted() {
    let log = log(10);
    let formatted = Cell::new(0);
    let say = || debug!(target: "stream", field = ?Counting(&formatted), "with {:?}", Counting(&formatted));
    say();
    assert_eq!((formatted.get(), log.records()), (0, vec![]));
    log.log.set([("stream", "debug")]).unwrap();
    say();
    let record = vec![
        ("level", "debug".into()),
        ("area", "stream".into()),
        ("message", "with counted".into()),
        ("field", "counted".into()),
    ];
    assert_eq!((formatted.get(), log.records()), (2, vec![record]));
    log.log.set([]).unwrap();
    say();
    assert_eq!((formatted.get(), log.records()), (2, vec![]));
}

#[test]
fn numbers_stay_numbers_and_what_is_not_there_is_left_out() {
    let log = log(10);
    let missing: Option<f64> = None;
    info!(target: "link", stream = 4u64, less = -4, seconds = Some(0.5), missing, to = %"a:1", "message");
    let record = vec![
        ("level", "info".into()),
        ("area", "link".into()),
        ("message", "message".into()),
        ("stream", Fact::Number(4)),
        ("less", Fact::Number(-4)),
        ("seconds", Fact::Seconds(0.5)),
        ("to", "a:1".into()),
    ];
    assert_eq!(log.records(), [record]);
}

#[test]
fn each_area_has_its_level() {
    let log = log(10);
    let say = || {
        error!(target: "link", "link error");
        warn!(target: "link", "link warning");
        info!(target: "link", "link info");
        warn!(target: "engine", "engine warning");
        info!(target: "engine", "engine info");
        error!(target: "limits", "limits error");
        error!(target: "somebody_elses", "not ours");
    };
    log.log.set([("", "warning"), ("link", "info"), ("limits", "off")]).unwrap();
    say();
    assert_eq!(log.messages(), ["link error", "link warning", "link info", "engine warning"]);
    log.log.set([("link", "error")]).unwrap();
    say();
    assert_eq!(log.messages(), ["link error", "engine warning", "engine info", "limits error"]);
}

#[test]
fn two_engines_in_one_process_have_levels_of_their_own() {
    let quiet = log(10);
    quiet.log.set([("", "off")]).unwrap();
    let say = || info!(target: "engine", "here");
    std::thread::spawn(move || {
        let loud = log(10);
        say();
        assert_eq!(loud.messages(), ["here"]);
    })
    .join()
    .unwrap();
    say();
    assert_eq!(quiet.records(), Vec::<Vec<_>>::new());
}

#[test]
fn a_level_holds_although_other_engines_are_set_at_the_same_moment() {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let other = log(1);
                while !over.load(Ordering::Relaxed) {
                    other.log.set([]).unwrap();
                }
            });
        }
        let log = log(10);
        let missed = (0..2000).filter(|_| {
            log.log.set([("stream", "debug")]).unwrap();
            // As long as the others may need to finish what they have begun.
            std::thread::yield_now();
            debug!(target: "stream", "on");
            log.log.set([("stream", "info")]).unwrap();
            log.records().is_empty()
        });
        let missed = missed.count();
        over.store(true, Ordering::Relaxed);
        assert_eq!(missed, 0);
    });
}

#[test]
fn a_flood_is_cut_and_counted_and_costs_no_event() {
    let log = log(3);
    for number in 0..10 {
        info!(target: "link", number, "flood");
    }
    log.inbox.push_event(super::Event { name: "log", facts: vec![] });
    let records = log.records();
    assert_eq!(records.len(), 5);
    assert_eq!(records[0].last(), Some(&("number", Fact::Number(0))));
    assert_eq!(records[3], []);
    assert!(records[4].contains(&("level", "warning".into())) && records[4].contains(&("count", Fact::Number(7))));
    assert_eq!(log.inbox.dropped(), (0, 7));
    // Told once; and there is room again.
    info!(target: "link", "flood");
    assert_eq!(log.messages(), ["flood"]);
}

#[test]
fn what_there_is_not_is_refused_and_changes_nothing() {
    let log = log(10);
    assert_eq!(log.log.set([("link", "off"), ("links", "info")]), Err(LogError::Area("links".into())));
    let error = log.log.set([("link", "loud")]).unwrap_err();
    assert_eq!(error.to_string(), "\"loud\" is no level of the log; there are off, error, warning, info, debug, trace");
    info!(target: "link", "still on");
    assert_eq!(log.messages(), ["still on"]);
    assert_eq!(AREAS.len(), log.log.levels.0.len());
}
