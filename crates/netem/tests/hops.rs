//! Clients that hop between the ports of their server.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::flow::Service;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::sessions::{Case, for_each_case};
use ginnel_proto::hub::{Event, LinkId};
use ginnel_proto::keeper::Action;
use ginnel_proto::limits::Limits;
use ginnel_proto::link;
use ginnel_proto::ports::Ports;
use ginnel_proto::profile::{Profile, Span};
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const BULK: u64 = 40_000_000;

fn ports() -> Ports {
    Ports::new([(5000, 5009), (6000, 6009)]).unwrap()
}

/// 40 Mbit/s each way: the transfer takes eight seconds.
fn setup(case: Case) -> Setup {
    let conditions = Conditions { rate: Some(5_000_000), ..Conditions::default() };
    let profile = Profile { junk_count: Span::new(1, 3), ..Profile::plain() };
    let limits = Limits { hop_interval: SECOND, profile, ..Limits::default() };
    Setup { ports: Some(ports()), service: Service::Exchange(BULK), limits, ..Setup::of(case).conditions(conditions) }
}

fn begin(setup: Setup) -> (Lab, LinkId) {
    let mut lab = Lab::new(setup);
    lab.keep(0);
    lab.must("the link comes up", 10 * SECOND, |lab| lab.clients[0].kept().is_some());
    let link = lab.clients[0].kept().unwrap();
    (lab, link)
}

/// The port of the server's that the server itself uses for its only link.
fn port(lab: &Lab) -> u16 {
    let server = lab.server.living()[0];
    lab.server.hub.link(server).unwrap().path().local.unwrap().port()
}

fn downs(lab: &Lab) -> usize {
    lab.clients[0].reports.iter().filter(|(_, action)| matches!(action, Action::Down { .. })).count()
}

fn moves(lab: &Lab) -> usize {
    let moved = |event: &Event| matches!(event, Event::Link(link::Event::Moved { .. }));
    lab.server.events.iter().filter(|(_, event)| moved(event)).count()
}

#[test]
fn a_hop_every_second_loses_nothing_and_nobody_notices() {
    for_each_case(5, |case| {
        let (mut lab, link) = begin(setup(case));
        lab.open(link, BULK);
        let mut used = BTreeSet::new();
        for _ in 0..100 {
            lab.run_for(SECOND / 10);
            used.insert(port(&lab));
        }
        // Eight seconds at the rate of the line, and no more than a tenth beyond it.
        assert!(lab.all_done(), "the transfer takes longer than without hops");
        assert!(used.len() >= 5, "ports {used:?}");
        assert!(used.iter().all(|port| ports().contains(*port)));
        assert_eq!((downs(&lab), moves(&lab)), (0, 0));
        assert_eq!(lab.clients[0].kept(), Some(link));
    });
}

#[test]
fn a_port_that_dies_in_mid_transfer_is_left() {
    for_each_case(5, |case| {
        let mut setup = setup(case);
        setup.limits.hop_interval = 3600 * SECOND;
        let (mut lab, link) = begin(setup);
        lab.open(link, BULK);
        lab.run_for(SECOND);
        for _ in 0..3 {
            let dead = port(&lab);
            lab.network.block(dead, true);
            lab.must("the server uses another port", 3 * SECOND, |lab| port(lab) != dead);
        }
        lab.must("all arrives", 15 * SECOND, Lab::all_done);
        assert_eq!((downs(&lab), lab.clients[0].kept()), (0, Some(link)));
    });
}

#[test]
fn one_port_that_is_open_is_enough_to_begin() {
    for_each_case(3, |case| {
        let mut lab = Lab::new(setup(case));
        ports().iter().filter(|port| *port != 6004).for_each(|port| lab.network.block(port, true));
        lab.keep(0);
        lab.want(0, true);
        lab.must("the link comes up", 120 * SECOND, |lab| {
            lab.clients[0].reports.iter().any(|(_, action)| matches!(action, Action::Up { .. }))
        });
        assert_eq!(port(&lab), 6004);
    });
}

#[test]
fn an_idle_link_does_not_hop_by_itself() {
    for_each_case(1, |case| {
        let (mut lab, _) = begin(setup(case));
        lab.run_for(60 * SECOND);
        let sent = lab.counters().0.sent.datagrams;
        lab.run_for(600 * SECOND);
        // Keep-alives every 25 s, each perhaps on a port of its own: a probe, junk, an answer to a challenge.
        assert!(lab.counters().0.sent.datagrams - sent < 24 * 6, "{}", lab.counters().0.sent.datagrams - sent);
    });
}

#[test]
fn an_observer_who_races_copies_redirects_nothing() {
    for_each_case(5, |case| {
        let (mut lab, link) = begin(setup(case));
        let thief = lab.address(200, 7);
        lab.network.observe(0, thief, 1.0);
        lab.open(link, BULK);
        lab.must("all arrives", 60 * SECOND, Lab::all_done);
        let (got, gave) = (lab.network.strayed(thief), lab.network.observer_sent(0));
        assert!(got.bytes * 100 < BULK, "{} of {BULK} bytes", got.bytes);
        assert!(got.bytes <= 3 * gave.bytes);
        assert_eq!((downs(&lab), moves(&lab)), (0, 0));
    });
}
