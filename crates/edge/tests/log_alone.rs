//! The log of the only engine of a process, whose levels another thread changes. One test only: the
//! next would be another engine.

mod hosts;

use ginnel_edge::host::{Command, Event, Fact};
use hosts::{Directory, End, LOOPBACK, PATIENCE};

fn says(event: &Event, message: &str) -> bool {
    event.facts.contains(&("message", Fact::Text(message.into())))
}

#[test]
fn levels_change_while_the_engine_runs() {
    let directory = Directory::new();
    let mut server = End::server(&directory, LOOPBACK).unwrap();
    server.host.set_log([("", "off")]).unwrap();
    server.host.set_log([("engine", "debug")]).unwrap();
    assert!(server.ask(Command::Shutdown { drain: PATIENCE }).is_ok());
    server.event_where(|event| says(event, "engine ended"));
    assert!(!server.events_left().iter().any(|event| says(event, "engine started")));
}
