//! Clients whose clock is wrong.

use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::seeds::for_each_seed;
use ginnel_proto::envelope::control::close;
use ginnel_proto::hub::Event;
use std::time::Duration;

const SECOND: i128 = 1_000_000_000;

fn comes_up(seed: u64, skew_ns: i128) -> bool {
    let mut lab = Lab::new(Setup::new(seed));
    lab.clients[0].skew_ns = skew_ns;
    let link = lab.dial(0, 0, Duration::from_secs(20));
    let up = lab.run_until(Duration::from_secs(21), |lab| lab.clients[0].is_up(link));
    if !up {
        assert_eq!(lab.clients[0].events, [(link, Event::NoAnswer)]);
        let (asked, answered) = lab.counters();
        let refused = lab.server.hub.drops().handshakes.skewed;
        assert_eq!((answered.sent.datagrams, refused), (0, asked.sent.datagrams));
        assert!(lab.server.events.is_empty() && lab.server.hub.half_open() == 0);
    }
    up
}

#[test]
fn a_clock_that_is_less_than_two_minutes_off_will_do() {
    for_each_seed(3, |seed| {
        for skew in [-119, -30, 30, 119] {
            assert!(comes_up(seed, skew * SECOND), "{skew} s");
        }
    });
}

#[test]
fn a_client_learns_how_far_its_clock_is_off() {
    for skew in [-119, -11, 0, 30] {
        let mut lab = Lab::new(Setup::new(1));
        lab.clients[0].skew_ns = skew * SECOND;
        lab.connect(0);
        let ahead = lab.clients[0].events.iter().find_map(|(_, event)| match event {
            Event::Up { clock_ahead, .. } => *clock_ahead,
            _ => None,
        });
        assert!((ahead.expect("a client is told") - skew as f64).abs() < 0.001, "{ahead:?} for {skew}");
        let server = lab.server.events.iter().any(|(_, event)| matches!(event, Event::Up { clock_ahead: Some(_), .. }));
        assert!(!server);
    }
}

#[test]
fn a_clock_that_is_more_than_two_minutes_off_is_not_answered() {
    for_each_seed(3, |seed| {
        for skew in [-3600, -121, 121, 3600] {
            assert!(!comes_up(seed, skew * SECOND), "{skew} s");
        }
    });
}

#[test]
fn a_clock_that_jumps_by_an_hour_disturbs_neither_the_link_nor_the_next_one() {
    for_each_seed(3, |seed| {
        for jump in [-3600, 3600] {
            let mut lab = Lab::new(Setup::new(seed));
            let link = lab.connect(0);
            lab.clients[0].skew_ns = jump * SECOND;
            lab.open(link, 100_000);
            lab.must("the link goes on", Duration::from_secs(2), Lab::all_done);
            lab.close(0, link, close::SHUTDOWN);
            lab.run_for(Duration::from_secs(1));
            let again = lab.dial(0, 0, Duration::from_secs(10));
            lab.must("the client comes back", Duration::from_secs(3), |lab| lab.clients[0].is_up(again));
            // And when the clock is set right again.
            lab.close(0, again, close::SHUTDOWN);
            lab.clients[0].skew_ns = 0;
            let again = lab.dial(0, 0, Duration::from_secs(10));
            lab.must("the client comes back", Duration::from_secs(3), |lab| lab.clients[0].is_up(again));
        }
    });
}
