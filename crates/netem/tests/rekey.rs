//! New keys for links that live: without a gap, under loss, and none while idle.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::flow::Service;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::network::Change;
use ginnel_netem::sessions::{Case, for_each_case};
use ginnel_proto::envelope::Version;
use ginnel_proto::envelope::hello::SessionKind;
use ginnel_proto::hub::{Hub, LinkId};
use ginnel_proto::limits::Limits;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// 100 Mbit/s, bytes a second.
const RATE: u64 = 12_500_000;

/// New keys every two seconds or so.
fn hasty() -> Limits {
    Limits { rekey_time: SECOND, rekey_overlap: SECOND, ..Limits::default() }
}

fn setup(case: Case, limits: Limits, conditions: Conditions) -> Setup {
    let conditions = Conditions { rate: Some(RATE), ..conditions };
    Setup { limits, service: Service::Exchange(RATE * 20), ..Setup::of(case).conditions(conditions) }
}

/// The numbers of the keys that the two ends seal with.
fn numbers(lab: &Lab, link: LinkId) -> (u32, u32) {
    let server = lab.server.living()[0];
    let number = |hub: &Hub, id| hub.link(id).map_or(0, |link| link.keys_number());
    (number(&lab.clients[0].hub, link), number(&lab.server.hub, server))
}

/// What the two ends have refused for being sealed with no key that they have.
fn forged(lab: &Lab) -> (u64, u64) {
    (lab.clients[0].hub.drops().forged, lab.server.hub.drops().forged)
}

fn received(lab: &Lab) -> u64 {
    lab.clients[0].flows.values().map(|flow| flow.received()).sum()
}

#[test]
fn a_hundred_megabits_flow_through_new_keys_without_a_gap() {
    for_each_case(1, |case| {
        let mut lab = Lab::new(setup(case, hasty(), Conditions::default()));
        let link = lab.connect(0);
        lab.open(link, 1000);
        lab.run_for(2 * SECOND);
        let mut before = received(&lab);
        for step in 0..100 {
            lab.run_for(Duration::from_millis(100));
            let now = received(&lab);
            // The line brings 1.25 MB in this time, and never less than nine tenths of it.
            assert!(now - before > RATE * 9 / 100, "step {step}: {} bytes in 100 ms", now - before);
            before = now;
        }
        let (client, server) = numbers(&lab, link);
        assert!(client >= 4 && client - server <= 1, "keys number {client} and {server}");
        assert_eq!(forged(&lab), (0, 0));
        assert_eq!(lab.clients[0].events.len(), 2, "up and proven");
    });
}

#[test]
fn new_keys_are_agreed_upon_where_packets_are_lost_and_overtake() {
    for_each_case(3, |case| {
        let conditions = Conditions { loss: 0.25, reorder: 0.1, duplicate: 0.1, ..Conditions::default() };
        let mut lab = Lab::new(setup(case, hasty(), conditions));
        let link = lab.connect(0);
        lab.open(link, 1000);
        lab.run_for(25 * SECOND);
        let (client, server) = numbers(&lab, link);
        assert!(client >= 3 && client - server <= 1, "keys number {client} and {server}");
        assert_eq!(forged(&lab), (0, 0), "what the former keys have sealed still opens");
        assert!(lab.clients[0].is_up(link));
        assert!(received(&lab) > RATE);
    });
}

#[test]
fn an_idle_link_keeps_its_keys_and_one_that_wakes_has_new_ones() {
    for_each_case(3, |case| {
        let mut lab =
            Lab::new(Setup { service: Service::Echo, ..setup(case, Limits::default(), Conditions::default()) });
        let link = lab.connect(0);
        lab.open(link, 1000);
        lab.run_for(60 * SECOND);
        assert_eq!(numbers(&lab, link), (0, 0));
        lab.run_for(3600 * SECOND);
        assert_eq!(numbers(&lab, link), (0, 0), "keep-alives are no use");
        lab.open(link, 1000);
        lab.run_for(SECOND);
        assert_eq!(numbers(&lab, link).0, 1);
        lab.open(link, 1000);
        lab.run_for(SECOND);
        assert_eq!(numbers(&lab, link), (1, 1), "the server follows with the next packet at the latest");
    });
}

#[test]
fn so_many_bytes_are_reason_enough() {
    for_each_case(1, |case| {
        let limits = Limits { rekey_bytes: 10 << 20, rekey_overlap: SECOND, ..Limits::default() };
        let mut lab = Lab::new(setup(case, limits, Conditions::default()));
        let link = lab.connect(0);
        lab.open(link, 1000);
        lab.run_for(10 * SECOND);
        assert!(numbers(&lab, link).0 >= 4, "{:?}", numbers(&lab, link));
    });
}

/// What the server does with datagrams that it has never seen, sealed with the keys before those in
/// use: so long after the change, it has taken in so many of `held` and refused so many.
fn late(case: Case, after: Duration) -> (u64, u64) {
    let limits = Limits { rekey_time: 4 * SECOND, rekey_overlap: 2 * SECOND, ..Limits::default() };
    let mut lab = Lab::new(Setup { service: Service::Echo, ..setup(case, limits, Conditions::default()) });
    let link = lab.connect(0);
    lab.run_for(2 * SECOND);
    // The observer keeps some datagrams to himself.
    lab.network.record(0);
    lab.change(Change::BlackOut(Duration::from_millis(50)));
    lab.open(link, 1000);
    lab.run_for(Duration::from_millis(50));
    let held = lab.network.recorded(0);
    assert!(!held.is_empty() && numbers(&lab, link) == (0, 0));
    // Little traffic: what was held stays within the window of the replay check.
    while numbers(&lab, link) != (1, 1) {
        lab.open(link, 100);
        lab.run_for(SECOND / 10);
    }
    lab.run_for(after);
    let from = lab.network.public(0);
    held.iter().for_each(|datagram| lab.network.inject(lab.now(), from, datagram));
    lab.run_for(Duration::from_millis(1));
    (held.len() as u64, lab.server.hub.drops().forged)
}

#[test]
fn what_former_keys_have_sealed_opens_until_they_are_forgotten() {
    for_each_case(1, |case| {
        assert_eq!(late(case, SECOND).1, 0, "still on its way");
        let (held, refused) = late(case, 3 * SECOND);
        assert_eq!(refused, held);
    });
}

#[test]
fn a_client_of_the_previous_version_is_served_and_asks_for_no_keys() {
    let limits = Limits { version: Version::V1, ..hasty() };
    // Ends of that version have no other session.
    let case = Case { session: SessionKind::Quic, seed: 1 };
    let mut lab = Lab::new(setup(case, limits, Conditions::default()));
    let link = lab.connect(0);
    lab.open(link, 1000);
    lab.run_for(10 * SECOND);
    assert_eq!(numbers(&lab, link), (0, 0));
    assert!(received(&lab) > 5 * RATE && forged(&lab) == (0, 0));
}
