//! The adaptive controller when the path changes under it, or its application does.

use ginnel_netem::bottleneck::{Demand, Flow, Path, Record, run};
use ginnel_netem::seeds::for_each_seed;
use ginnel_proto::congestion::Congestion;

const SEEDS: u64 = 10;

fn with_demand(path: &Path, demand: Demand, seconds: f64, judge: impl Fn(&Record)) {
    let flow = Flow { demand, ..Flow::new(Congestion::Adaptive, 0.0) };
    for_each_seed(SEEDS, |seed| judge(&run(path, std::slice::from_ref(&flow), seconds, seed)[0]));
}

fn alone(path: &Path, seconds: f64, judge: impl Fn(&Record)) {
    with_demand(path, Demand::Endless, seconds, judge);
}

/// The rate between two times is at least this, in Mbit/s.
#[track_caller]
fn carries(record: &Record, from: f64, to: f64, least: f64) {
    let reached = record.rate(from, to);
    assert!(reached >= least, "{reached} Mbit/s from {from} to {to} s");
}

#[test]
fn the_path_loses_nine_tenths_of_its_rate_and_gets_them_back() {
    for loss in [0.0, 0.01] {
        let rate = vec![(0.0, 200.0), (8.0, 20.0), (18.0, 200.0)];
        let path = Path { rate, ..Path::new(200.0, 50.0, 1.0, loss) };
        alone(&path, 30.0, |record| {
            let lowest = record.lowest(8.5, 18.0);
            assert!(lowest >= 17.5, "half a second with {lowest} of 20 Mbit/s");
            carries(record, 9.0, 18.0, 19.0);
            let rtt = record.rtt_of_all(0.99);
            assert!(rtt <= 400.0, "round trips of {rtt} ms");
            // The queue that the fall has left is gone after some round trips, which that queue makes long.
            let later = record.rtt_between(0.9, 12.0, 18.0);
            assert!(later <= 90.0, "round trips of {later} ms long after the fall");
            carries(record, 19.5, 30.0, 190.0);
        });
    }
}

#[test]
fn the_path_gets_ten_times_faster() {
    let path = Path { rate: vec![(0.0, 20.0), (8.0, 200.0)], ..Path::new(200.0, 50.0, 1.0, 0.01) };
    alone(&path, 14.0, |record| carries(record, 9.5, 14.0, 190.0));
}

#[test]
fn a_hiccup_does_not_end_the_start_up() {
    // Everything is held up for 33 ms while the start-up is at a tenth of the rate, which looks like a full queue.
    for (round_trip, hiccup, least) in [(50.0, 0.2, 0.8), (150.0, 0.5, 1.5)] {
        let rate = vec![(0.0, 200.0), (hiccup, 0.5), (hiccup + 0.033, 200.0)];
        let path = Path { rate, ..Path::new(200.0, round_trip, 1.0, 0.05) };
        alone(&path, 15.0, |record| {
            let first = record.time_to(10);
            assert!(first <= least, "{round_trip} ms: 10 MB after {first} s");
            carries(record, 0.0, 15.0, 182.0);
        });
    }
}

#[test]
fn the_round_trip_grows() {
    for (longer, again) in [(80.0, 6.6), (150.0, 6.1)] {
        let path = Path { round_trip: vec![(0.0, 50.0), (5.0, longer)], ..Path::new(200.0, 50.0, 1.0, 0.0) };
        alone(&path, 15.0, |record| {
            // By a look at the empty path and what was known before it: probing would take longer.
            carries(record, again, again + 1.0, 190.0);
            carries(record, 7.0, 15.0, 195.0);
            // It is no fall of what the path carries: never is less than a quarter sent.
            let lowest = record.lowest(5.0, 8.0);
            assert!(lowest >= 50.0, "half a second with {lowest} Mbit/s");
        });
    }
}

#[test]
fn the_round_trip_shrinks() {
    let path = Path { round_trip: vec![(0.0, 150.0), (5.0, 50.0)], ..Path::new(200.0, 150.0, 1.0, 0.01) };
    alone(&path, 15.0, |record| {
        carries(record, 6.0, 15.0, 190.0);
        let rtt = record.rtt_between(0.9, 8.0, 15.0);
        assert!(rtt <= 80.0, "round trips of {rtt} ms");
    });
}

#[test]
fn an_application_that_rests_finds_its_rate_again() {
    let path = Path::new(200.0, 50.0, 1.0, 0.01);
    with_demand(&path, Demand::Switched(2.0), 18.0, |record| {
        for again in [4.0, 8.0, 12.0, 16.0] {
            // A round trip passes before anything is delivered.
            carries(record, again + 0.1, again + 0.6, 195.0);
        }
    });
}

#[test]
fn an_application_that_rests_for_long_finds_its_rate_again() {
    // Longer than a shortest round trip is believed, and meanwhile it has grown: the idle pipe shows the new one,
    // and neither is taken for a queue nor looked for at the cost of throughput.
    for longer in [50.0, 90.0] {
        let path = Path { round_trip: vec![(0.0, 50.0), (20.0, longer)], ..Path::new(200.0, 50.0, 1.0, 0.01) };
        with_demand(&path, Demand::Switched(15.0), 34.0, |record| carries(record, 30.2, 32.2, 190.0));
    }
}

#[test]
fn small_requests_do_not_shrink_what_is_known() {
    let path = Path::new(200.0, 50.0, 1.0, 0.01);
    with_demand(&path, Demand::Bursts(300_000, 0.2), 10.0, |record| {
        // Each burst is through a little after a round trip: what it needs at 200 Mbit/s is 12 ms.
        carries(record, 2.0, 10.0, 11.5);
        assert_eq!(record.ticks.last().expect("a tick").report.state, "startup");
    });
    // A megabyte a second after a second of bulk: the estimate stands after half a minute of it.
    with_demand(&path, Demand::Bursts(10_000_000, 5.0), 30.0, |record| {
        let known = record.ticks.last().expect("a tick").report.bandwidth as f64 * 8e-6;
        assert!(known >= 190.0, "{known} Mbit/s known");
        // The fifth burst, less what was lost by chance: 0.4 s and a round trip.
        let last = record.time_to(49);
        assert!(last <= 20.6, "the fifth 10 MB were there after {last} s");
    });
}
