//! The adaptive controller over 200 Mbit/s: two round trips, three losses, three buffers.
//!
//! Every bound is what was reached over these seeds, with a margin. Steady: the last two thirds of 15 s.

use ginnel_netem::bottleneck::{Flow, Path, run};
use ginnel_netem::seeds::for_each_seed;
use ginnel_proto::congestion::Congestion;

const SEEDS: u64 = 10;
const SECONDS: f64 = 15.0;

struct Marks {
    /// Mbit/s of 200 over all of the 15 s, start-up included.
    mean: f64,
    /// Seconds.
    first_10_megabytes: f64,
    /// Milliseconds that 99 % of all round trips are below.
    rtt: f64,
}

fn matrix(round_trip: f64, loss: f64, marks: Marks) {
    for buffer in [0.3, 1.0, 4.0] {
        let path = Path::new(200.0, round_trip, buffer, loss);
        for_each_seed(SEEDS, |seed| {
            let record = &run(&path, &[Flow::new(Congestion::Adaptive, 0.0)], SECONDS, seed)[0];
            let story = format!("{round_trip} ms, loss {loss}, buffer {buffer}");
            let steady = record.rate(SECONDS / 3.0, SECONDS);
            assert!(steady >= 195.0, "{story}: {steady} Mbit/s in steady state");
            let mean = record.rate(0.0, SECONDS);
            assert!(mean >= marks.mean, "{story}: {mean} Mbit/s in the mean");
            let sent = record.sent_per_delivered(0.0, SECONDS);
            assert!(sent <= 1.0 / (1.0 - loss) + 0.01, "{story}: {sent} sent for each that arrived");
            let first = record.time_to(10);
            assert!(first <= marks.first_10_megabytes, "{story}: 10 MB after {first} s");
            let rtt = record.rtt_of_all(0.99);
            assert!(rtt <= marks.rtt, "{story}: round trips of {rtt} ms");
        });
    }
}

#[test]
fn fifty_milliseconds_without_loss() {
    matrix(50.0, 0.0, Marks { mean: 194.0, first_10_megabytes: 0.7, rtt: 70.0 });
}

#[test]
fn fifty_milliseconds_one_percent() {
    matrix(50.0, 0.01, Marks { mean: 194.0, first_10_megabytes: 0.7, rtt: 70.0 });
}

#[test]
fn fifty_milliseconds_five_percent() {
    matrix(50.0, 0.05, Marks { mean: 192.0, first_10_megabytes: 0.75, rtt: 70.0 });
}

#[test]
fn a_hundred_and_fifty_milliseconds_without_loss() {
    matrix(150.0, 0.0, Marks { mean: 185.0, first_10_megabytes: 1.4, rtt: 225.0 });
}

#[test]
fn a_hundred_and_fifty_milliseconds_one_percent() {
    matrix(150.0, 0.01, Marks { mean: 185.0, first_10_megabytes: 1.4, rtt: 225.0 });
}

#[test]
fn a_hundred_and_fifty_milliseconds_five_percent() {
    matrix(150.0, 0.05, Marks { mean: 183.0, first_10_megabytes: 1.4, rtt: 225.0 });
}
