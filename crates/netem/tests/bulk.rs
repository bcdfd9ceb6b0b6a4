//! Ten megabytes each way over networks that misbehave.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::flow::Service;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::network::Change;
use ginnel_netem::seeds::for_each_seed;
use std::time::Duration;

const BULK: u64 = 10_000_000;

/// Handshake, and one stream that carries ten megabytes each way to a clean end.
fn exchange(setup: Setup, patience: Duration) -> Lab {
    let mut lab = Lab::new(Setup { service: Service::Exchange(BULK), ..setup });
    let link = lab.connect(0);
    lab.open(link, BULK);
    lab.must("ten megabytes go each way", patience, Lab::all_done);
    assert_carried(&lab);
    lab
}

fn assert_carried(lab: &Lab) {
    for node in [&lab.clients[0], &lab.server] {
        let flow = node.flows.values().next().expect("one stream at each end");
        assert_eq!((node.flows.len(), flow.sent(), flow.received()), (1, BULK, BULK));
    }
}

fn lossy(loss: f64) -> Conditions {
    Conditions { loss, ..Conditions::default() }
}

#[test]
fn ten_megabytes_each_way_without_loss() {
    for_each_seed(3, |seed| {
        let lab = exchange(Setup::new(seed), Duration::from_secs(60));
        eprintln!("{:?} {:?}", lab.now(), lab.counters());
    });
}

#[test]
fn ten_megabytes_each_way_at_one_percent_loss() {
    for_each_seed(3, |seed| {
        let lab = exchange(Setup::new(seed).conditions(lossy(0.01)), Duration::from_secs(600));
        eprintln!("{:?} {:?}", lab.now(), lab.counters());
    });
}

#[test]
fn ten_megabytes_each_way_at_five_percent_loss() {
    for_each_seed(3, |seed| {
        let lab = exchange(Setup::new(seed).conditions(lossy(0.05)), Duration::from_secs(600));
        eprintln!("{:?} {:?}", lab.now(), lab.counters());
    });
}

#[test]
fn ten_megabytes_each_way_at_twenty_percent_loss() {
    for_each_seed(3, |seed| {
        let lab = exchange(Setup::new(seed).conditions(lossy(0.2)), Duration::from_secs(3600));
        eprintln!("{:?} {:?}", lab.now(), lab.counters());
    });
}
