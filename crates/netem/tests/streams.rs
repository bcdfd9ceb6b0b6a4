//! Many streams in one link.

use ginnel_netem::conditions::Conditions;
use ginnel_netem::flow::Flow;
use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::sessions::for_each_case;
use std::time::Duration;

const STREAMS: u64 = 1000;

/// 1,000 streams open at one instant, each with another number of bytes to be echoed.
fn echo_all(setup: Setup, patience: Duration) -> Lab {
    let mut lab = Lab::new(setup);
    let link = lab.connect(0);
    for stream in 0..STREAMS {
        lab.open(link, stream * 13);
    }
    lab.must("every stream is echoed", patience, |lab| lab.server.flows.len() as u64 == STREAMS && lab.all_done());
    let received: u64 = lab.clients[0].flows.values().map(Flow::received).sum();
    assert_eq!(received, (0..STREAMS).map(|stream| stream * 13).sum::<u64>());
    lab
}

#[test]
fn a_thousand_streams_at_once_are_all_echoed() {
    for_each_case(3, |case| {
        let lab = echo_all(Setup::of(case), Duration::from_secs(5));
        // They share the way: no stream waits for another's round trip.
        assert!(lab.now() < Duration::from_secs(1), "{:?}", lab.now());
    });
}

#[test]
fn a_thousand_streams_at_once_are_all_echoed_under_loss() {
    for_each_case(3, |case| {
        let conditions = Conditions { loss: 0.05, reorder: 0.02, ..Conditions::default() };
        echo_all(Setup::of(case).conditions(conditions), Duration::from_secs(300));
    });
}

#[test]
fn a_stream_beside_a_bulk_transfer_is_not_starved() {
    for_each_case(3, |case| {
        let conditions = Conditions { rate: Some(5_000_000), buffer: 100_000, ..Conditions::default() };
        let mut lab = Lab::new(Setup::of(case).conditions(conditions));
        let link = lab.connect(0);
        lab.open(link, 20_000_000);
        lab.run_for(Duration::from_secs(1));
        let small = lab.open(link, 100);
        // The queue of the path takes 20 ms, its round trip as long; the rest is for one loss.
        lab.must("the small one comes back", Duration::from_millis(500), |lab| {
            lab.clients[0].flows[&(link, small)].is_done()
        });
        assert!(!lab.all_done());
    });
}
