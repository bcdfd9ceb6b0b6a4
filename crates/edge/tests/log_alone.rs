//! The log of the only engine of a process, whose levels another thread changes. One test only: the
//! next would be another engine.

mod hosts;

use ginnel_edge::host::{Command, Event, Fact};
use hosts::{Directory, End, LOOPBACK, PATIENCE};
use std::net::UdpSocket;
use std::time::Instant;

fn says(event: &Event, message: &str) -> bool {
    event.facts.contains(&("message", Fact::Text(message.into())))
}

/// Has the server drop a thousand more datagrams.
fn drop_a_thousand(server: &End, stranger: &UdpSocket) {
    let before = server.host.stats().unwrap().count("not_ours").unwrap();
    for sent in 1..=1000 {
        stranger.send_to(&[7; 300], server.host.local_address()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        // As many as the socket's buffer holds at once.
        while sent % 100 == 0 && server.host.stats().unwrap().count("not_ours") < Some(before + sent) {
            assert!(Instant::now() < deadline, "not all of {sent} have come");
        }
    }
}

#[test]
fn levels_change_while_the_engine_runs() {
    let directory = Directory::new();
    let mut server = End::server(&directory, LOOPBACK).unwrap();
    let stranger = UdpSocket::bind(LOOPBACK).unwrap();
    drop_a_thousand(&server, &stranger);
    server.event_where(|event| says(event, "datagrams dropped"));
    server.host.set_log([("link", "off")]).unwrap();
    drop_a_thousand(&server, &stranger);
    // A place that has logged before does so again.
    server.host.set_log([("engine", "debug")]).unwrap();
    drop_a_thousand(&server, &stranger);
    let told = server.event_where(|event| says(event, "datagrams dropped"));
    assert!(told.facts.contains(&("total", Fact::Number(3000))), "{told:?}");
    assert!(server.ask(Command::Shutdown { drain: PATIENCE }).is_ok());
    server.event_where(|event| says(event, "engine ended"));
    assert!(!server.events_left().iter().any(|event| says(event, "engine started")));
}
