//! Links whose client moves, and an observer who would like them to.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::flow::Service;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::network::Change;
use ginnel_netem::sessions::{Case, for_each_case};
use ginnel_proto::hub::{Event, LinkId};
use ginnel_proto::link;
use std::net::SocketAddr;
use std::time::Duration;

const BULK: u64 = 10_000_000;

/// 40 Mbit/s each way: a bulk transfer takes two seconds.
fn setup(case: Case) -> Setup {
    let conditions = Conditions { rate: Some(5_000_000), ..Conditions::default() };
    Setup { service: Service::Exchange(BULK), ..Setup::of(case).conditions(conditions) }
}

fn begin(setup: Setup) -> (Lab, LinkId) {
    let mut lab = Lab::new(setup);
    let link = lab.connect(0);
    lab.open(link, BULK);
    lab.run_for(Duration::from_millis(700));
    assert!(!lab.all_done());
    (lab, link)
}

fn moves(lab: &Lab) -> Vec<(SocketAddr, SocketAddr)> {
    let moved = lab.server.events.iter().filter_map(|(_, event)| match event {
        Event::Link(link::Event::Moved { from, to }) => Some((*from, *to)),
        _ => None,
    });
    moved.collect()
}

fn server_path(lab: &mut Lab) -> SocketAddr {
    let links = lab.server.living();
    assert_eq!(links.len(), 1);
    lab.server.hub.link(links[0]).unwrap().path().remote
}

/// The client moves in mid-transfer; nothing is lost, and the server says so once.
fn moves_without_loss(case: Case, to: fn(&Lab) -> SocketAddr) {
    let (mut lab, link) = begin(setup(case));
    let (from, to) = (lab.network.public(0), to(&lab));
    lab.change(Change::Address(to));
    lab.must("all arrives after the move", Duration::from_secs(6), Lab::all_done);
    assert_eq!(moves(&lab), [(from, to)]);
    assert!(lab.clients[0].is_up(link) && lab.clients[0].events.len() == 2, "up and proven");
    // What was on its way is lost, and what was sent for about a round trip after.
    let (_, down) = lab.counters();
    assert!((1..2000).contains(&down.dead), "{} sent to the old address", down.dead);
}

#[test]
fn a_new_port_in_mid_transfer_loses_nothing() {
    for_each_case(5, |case| moves_without_loss(case, |lab| lab.address(11, 50_000)));
}

#[test]
fn a_new_address_in_mid_transfer_loses_nothing() {
    for_each_case(5, |case| moves_without_loss(case, |lab| lab.address(99, 40_000)));
}

#[test]
fn a_new_address_is_a_new_path_and_a_new_port_is_not() {
    for_each_case(3, |case| {
        for (host, port, is_new) in [(99, 40_000, true), (11, 50_000, false)] {
            let (mut lab, _) = begin(setup(case));
            let server = lab.server.living()[0];
            let before = lab.server.hub.link(server).unwrap().stats();
            assert!(before.mtu > 1200);
            lab.change(Change::Address(lab.address(host, port)));
            lab.must("the server follows", Duration::from_secs(1), |lab| !moves(lab).is_empty());
            let after = lab.server.hub.link(server).unwrap().stats();
            // What was learnt of the largest datagram and of the window goes with the old path.
            assert_eq!(after.mtu == 1200 && after.window < before.window / 2, is_new, "{before:?} {after:?}");
        }
    });
}

#[test]
fn a_move_under_loss_is_noticed_all_the_same() {
    for_each_case(5, |case| {
        let mut setup = setup(case);
        (setup.to_server.loss, setup.to_client.loss) = (0.2, 0.2);
        let (mut lab, _) = begin(setup);
        lab.must("a tenth arrives", Duration::from_secs(600), |lab| {
            lab.clients[0].flows.values().any(|flow| flow.received() > BULK / 10)
        });
        let to = lab.address(99, 40_000);
        lab.change(Change::Address(to));
        // A challenge each 250 ms for 5 s, each answered with probability 0.64.
        lab.must("the server follows", Duration::from_secs(20), |lab| !moves(lab).is_empty());
        assert_eq!(server_path(&mut lab), to);
        lab.must("all arrives", Duration::from_secs(1800), Lab::all_done);
    });
}

#[test]
fn a_hop_every_other_moment_loses_nothing() {
    for_each_case(3, |case| {
        let (mut lab, _) = begin(setup(case));
        for hop in 1..=20 {
            let to = lab.address(100 + (hop / 3) as u16, 40_000 + hop as u16);
            lab.later(Duration::from_millis(1300 * hop), Change::Address(to));
        }
        lab.must("all arrives", Duration::from_secs(60), Lab::all_done);
        assert!(!moves(&lab).is_empty());
    });
}

#[test]
fn an_idle_link_that_moves_is_found_again() {
    for_each_case(10, |case| {
        let mut lab = Lab::new(Setup::of(case));
        let link = lab.connect(0);
        lab.run_for(Duration::from_secs(60));
        let to = lab.address(99, 40_000);
        lab.change(Change::Address(to));
        // The next keep-alive comes within 25 s and 40 % more.
        lab.must("the server follows", Duration::from_secs(36), |lab| moves(lab).len() == 1);
        assert_eq!(server_path(&mut lab), to);
        lab.open(link, 1000);
        lab.must("an echo comes to the new address", Duration::from_secs(2), Lab::all_done);
    });
}

#[test]
fn a_probe_from_a_new_address_is_answered() {
    for_each_case(20, |case| {
        let mut lab = Lab::new(Setup::of(case));
        let link = lab.connect(0);
        lab.run_for(Duration::from_secs(1));
        lab.change(Change::Address(lab.address(99, 40_000)));
        let time = lab.clients[0].time(lab.now());
        lab.clients[0].hub.probe(time, link);
        // One round trip for the challenge, one for its echo; then the probe is repeated.
        lab.must("the server follows", Duration::from_millis(100), |lab| moves(lab).len() == 1);
        lab.must("the probe is answered", Duration::from_secs(4), |lab| {
            lab.clients[0].events_of(link).any(|event| matches!(event, Event::Link(link::Event::Echoed(_))))
        });
    });
}

/// What the observer got is at most three times what it gave.
fn assert_not_amplified(lab: &Lab, observer: SocketAddr) {
    let (gave, got) = (lab.network.observer_sent(0), lab.network.strayed(observer));
    assert!(gave.datagrams > 0);
    assert!(got.bytes <= 3 * gave.bytes, "the observer gave {gave:?} and got {got:?}");
}

#[test]
fn an_observer_who_races_redirects_nothing() {
    for (name, share) in [("always", 1.0), ("at times", 0.3)] {
        for_each_case(5, |case| {
            let (mut lab, link) = begin(setup(case));
            let observer = lab.address(66, 666);
            lab.network.observe(0, observer, share);
            lab.must("all arrives at the client", Duration::from_secs(20), Lab::all_done);
            assert_eq!(moves(&lab), [], "{name}");
            assert_eq!(server_path(&mut lab), lab.network.public(0));
            assert!(lab.clients[0].is_up(link));
            assert_not_amplified(&lab, observer);
            // It is only ever sent challenges.
            assert!(lab.network.strayed(observer).bytes < 100 * 200, "{:?}", lab.network.strayed(observer));
        });
    }
}

#[test]
fn an_observer_who_races_from_the_first_data_on_gets_no_link() {
    for_each_case(5, |case| {
        let mut lab = Lab::new(setup(case));
        let observer = lab.address(66, 666);
        let link = lab.dial(0, 0, Duration::from_secs(30));
        // The handshake has left; all that follows is raced.
        lab.run_for(Duration::from_millis(5));
        lab.network.observe(0, observer, 1.0);
        lab.must("the link comes up", Duration::from_secs(5), |lab| lab.clients[0].is_up(link));
        lab.open(link, BULK);
        lab.must("all arrives at the client", Duration::from_secs(20), Lab::all_done);
        assert_eq!(server_path(&mut lab), lab.network.public(0));
        assert_not_amplified(&lab, observer);
    });
}

#[test]
fn an_observer_cannot_silence_an_idle_link() {
    for_each_case(5, |case| {
        let mut lab = Lab::new(Setup::of(case));
        let link = lab.connect(0);
        lab.run_for(Duration::from_secs(1));
        let observer = lab.address(66, 666);
        lab.network.observe(0, observer, 1.0);
        lab.run_for(Duration::from_secs(600));
        assert!(lab.clients[0].is_up(link), "{:?}", lab.clients[0].events);
        assert_eq!(moves(&lab), []);
        assert_not_amplified(&lab, observer);
        lab.open(link, 100_000);
        lab.must("an echo comes back", Duration::from_secs(5), Lab::all_done);
    });
}

#[test]
fn a_client_that_moves_while_an_observer_races_at_times_is_followed() {
    for_each_case(10, |case| {
        let (mut lab, _) = begin(setup(case));
        lab.network.observe(0, lab.address(66, 666), 0.2);
        let to = lab.address(99, 40_000);
        lab.change(Change::Address(to));
        lab.must("all arrives at the new address", Duration::from_secs(60), Lab::all_done);
        assert_eq!(server_path(&mut lab), to);
    });
}
