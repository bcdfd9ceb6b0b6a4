//! Running one story over several seeds, and telling which of them failed.

use std::env;
use std::thread;

/// Names the one seed to run, to replay a failure.
const SEED_VARIABLE: &str = "GINNEL_NETEM_SEED";

/// Says the seed when the story under it panics.
struct Announce(u64);

impl Drop for Announce {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("failed with seed {0}: replay with {SEED_VARIABLE}={0}", self.0);
        }
    }
}

/// Tells a story under the seeds 1 to `count`, or under the one that the environment names.
pub fn for_each_seed(count: u64, mut story: impl FnMut(u64)) {
    let named = env::var(SEED_VARIABLE).ok().map(|seed| seed.parse().expect("the seed is a number"));
    for seed in named.map_or(1..=count, |seed| seed..=seed) {
        let _announce = Announce(seed);
        story(seed);
    }
}
