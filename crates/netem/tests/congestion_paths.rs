//! The adaptive controller over paths that are hard in one way or another.

use ginnel_netem::bottleneck::{Flow, Path, Policer, Record, Reordering, run};
use ginnel_netem::seeds::for_each_seed;
use ginnel_proto::congestion::Congestion;

const SEEDS: u64 = 10;

/// Runs one flow over `path`, and has `judge` look at what became of it under each seed.
fn alone(path: &Path, seconds: f64, judge: impl Fn(&Record)) {
    let flows = [Flow::new(Congestion::Adaptive, 0.0)];
    for_each_seed(SEEDS, |seed| judge(&run(path, &flows, seconds, seed)[0]));
}

/// At least `rate` Mbit/s in the last two thirds, at most `sent` bytes for each that arrives.
#[track_caller]
fn steady(record: &Record, seconds: f64, rate: f64, sent: f64) {
    let reached = record.rate(seconds / 3.0, seconds);
    assert!(reached >= rate, "{reached} Mbit/s");
    let cost = record.sent_per_delivered(0.0, seconds);
    assert!(cost <= sent, "{cost} sent for each that arrived");
}

#[test]
fn a_fifth_of_all_packets_is_lost() {
    alone(&Path::new(200.0, 50.0, 1.0, 0.2), 15.0, |record| steady(record, 15.0, 185.0, 1.27));
}

#[test]
fn loss_behind_the_bottleneck() {
    let path = Path { loss_behind: true, ..Path::new(200.0, 50.0, 1.0, 0.05) };
    alone(&path, 15.0, |record| steady(record, 15.0, 185.0, 1.07));
}

#[test]
fn a_buffer_of_a_tenth() {
    alone(&Path::new(200.0, 50.0, 0.1, 0.0), 15.0, |record| steady(record, 15.0, 195.0, 1.02));
    alone(&Path::new(200.0, 50.0, 0.1, 0.01), 15.0, |record| steady(record, 15.0, 195.0, 1.03));
}

#[test]
fn half_a_second_of_round_trip() {
    for loss in [0.0, 0.01] {
        alone(&Path::new(200.0, 500.0, 1.0, loss), 40.0, |record| {
            steady(record, 40.0, 195.0, 1.0 / (1.0 - loss) + 0.01);
            let mean = record.rate(0.0, 40.0);
            assert!(mean >= 175.0, "{mean} Mbit/s in the mean");
        });
    }
}

#[test]
fn a_slow_path_and_a_fast_one() {
    alone(&Path::new(2.0, 50.0, 4.0, 0.01), 15.0, |record| steady(record, 15.0, 1.9, 1.04));
    alone(&Path::new(1000.0, 10.0, 1.0, 0.001), 15.0, |record| steady(record, 15.0, 980.0, 1.01));
}

#[test]
fn acknowledgements_in_clumps() {
    for (round_trip, loss) in [(50.0, 0.01), (20.0, 0.0)] {
        let path = Path::new(200.0, round_trip, 1.0, loss);
        let path = Path { ack_packets: 20, ack_time: 5.0, ack_jitter: 5.0, ..path };
        alone(&path, 15.0, |record| {
            steady(record, 15.0, 195.0, 1.03);
            let rtt = record.rtt_of_all(0.5);
            assert!(rtt <= round_trip + 14.0, "{rtt} ms");
        });
    }
}

#[test]
fn a_policer_is_not_taken_for_loss_by_chance() {
    for (burst, loss, sent) in [(64e3, 0.0, 1.04), (64e3, 0.01, 1.08), (500e3, 0.0, 1.06), (500e3, 0.01, 1.08)] {
        let policer = Some(Policer { rate: 50.0, burst });
        let path = Path { policer, ..Path::new(200.0, 50.0, 1.0, loss) };
        alone(&path, 15.0, |record| {
            steady(record, 15.0, 49.0, sent);
            // What a burst taught is unlearned: it is not compensated for the rest of the time.
            let later = record.sent_per_delivered(5.0, 15.0);
            assert!(later <= 1.03 + loss * 3.0, "{later} sent for each that arrived in steady state");
        });
    }
}

#[test]
fn a_policer_near_the_rate_is_not_taken_for_loss_by_chance() {
    // The burst shows 200 Mbit/s, of which 140 stay: too little of a fall to be one, and 0.8 of 200 still lose.
    let policer = Some(Policer { rate: 140.0, burst: 5e6 });
    let path = Path { policer, ..Path::new(200.0, 50.0, 1.0, 0.0) };
    alone(&path, 15.0, |record| steady(record, 15.0, 138.0, 1.02));
}

#[test]
fn overtaken_packets_are_no_reason_to_slow_down() {
    // What is overtaken by three counts as lost and is sent once more, so that no more than the rest can be had.
    for (share, hold) in [(0.02, (1.0, 10.0)), (0.02, (20.0, 60.0)), (0.2, (1.0, 10.0))] {
        let path = Path { reordering: Some(Reordering { share, hold }), ..Path::new(200.0, 50.0, 1.0, 0.0) };
        alone(&path, 15.0, |record| {
            assert!(record.late > 0, "nothing was overtaken");
            steady(record, 15.0, 192.0 * (1.0 - share), 1.0 / (1.0 - share) + 0.02);
        });
    }
}

#[test]
fn a_local_network_is_neither_paced_nor_held_back() {
    // 5 Gbit/s, a tenth of a millisecond; then with a receiver that stops for 10 ms out of 100.
    let stalls = (0..100).map(|turn| (f64::from(turn) * 0.01, if turn % 10 == 5 { 200.0 } else { 5000.0 }));
    for (rate, least) in [(vec![(0.0, 5000.0)], 4900.0), (stalls.collect(), 4400.0)] {
        let path = Path { rate, buffer: 4e6, ack_time: 0.1, ..Path::new(5000.0, 0.1, 1.0, 0.0) };
        alone(&path, 0.5, |record| {
            let reached = record.rate(0.1, 0.5);
            assert!(reached >= least, "{reached} Mbit/s");
            assert_eq!(record.ticks.last().expect("a tick").report.pace, None);
        });
    }
}

#[test]
fn a_local_network_with_a_small_buffer_is_not_flooded() {
    // A window of some milliseconds is more than this buffer holds: unpaced, 2.7 were sent for each that arrived.
    let path = Path { buffer: 250e3, ack_time: 0.1, ..Path::new(1000.0, 0.4, 1.0, 0.0) };
    alone(&path, 2.0, |record| {
        let reached = record.rate(0.5, 2.0);
        assert!(reached >= 980.0, "{reached} Mbit/s");
        let sent = record.sent_per_delivered(0.5, 2.0);
        assert!(sent <= 1.01, "{sent} sent for each that arrived");
    });
}
