//! Our KCP against the `kcp` crate, a port of the reference by others: each test in both roles.

mod kcp_pipe;

use ginnel_proto::session::kcp::mode::Mode;
use kcp_pipe::{Job, Outcome, Path, Pipe, Theirs, ours};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(600);
const LENGTH: usize = 400_000;

/// Ours is side 0.
fn run(mode: Mode, window: u16, stream: bool, path: Path, jobs: [Job; 2], seed: u64) -> Outcome {
    let now = Instant::now();
    let (mut ours, mut theirs) = (ours(mode, window, now), Theirs::new(mode, window, stream, now));
    let lengths = [jobs[1].data.len(), jobs[0].data.len()];
    let outcome = Pipe::new([&mut ours, &mut theirs], path, seed, now).run(jobs, LIMIT);
    assert_eq!(outcome.delivered, lengths, "{mode:?} {path:?} seed {seed}: {outcome:?}");
    assert_eq!(ours.counts().2, 0, "{mode:?} {path:?}: nothing of a good peer is refused");
    let known = |command: &u8| (81..=84).contains(command);
    assert!(outcome.commands.iter().all(|commands| commands.keys().all(known)), "{outcome:?}");
    outcome
}

fn both_ways() -> [Job; 2] {
    [Job::sends(LENGTH), Job::sends(LENGTH + 7)]
}

#[test]
fn every_mode_delivers_at_every_loss_in_both_roles_and_both_at_once() {
    for mode in Mode::ALL {
        for (seed, loss) in [(1, 0.0), (2, 0.01), (3, 0.1), (4, 0.3)] {
            let path = Path::losing(loss);
            run(mode, 256, true, path, [Job::sends(LENGTH), Job::sends(0)], seed);
            run(mode, 256, true, path, [Job::sends(0), Job::sends(LENGTH)], seed);
            run(mode, 256, true, path, both_ways(), seed);
        }
    }
}

#[test]
fn messages_in_fragments_are_bytes_to_us() {
    for loss in [0.0, 0.1] {
        run(Mode::Fast3, 256, false, Path::losing(loss), both_ways(), 5);
    }
}

#[test]
fn what_comes_twice_and_in_another_order_is_delivered_once_and_in_order() {
    let path = Path { jitter: Duration::from_millis(15), loss: 0.05, twice: 0.2, ..Path::CLEAN };
    for mode in Mode::ALL {
        run(mode, 256, true, path, both_ways(), 6);
    }
}

#[test]
fn a_window_that_is_full_holds_up_and_loses_nothing() {
    for mode in Mode::ALL {
        let outcome = run(mode, 32, true, Path::CLEAN, both_ways(), 7);
        assert_eq!(outcome.again[0], 0, "{mode:?}: nothing was lost, and nothing was sent again: {outcome:?}");
    }
}

#[test]
fn a_reader_that_pauses_is_waited_for_and_asked() {
    for mode in Mode::ALL {
        for loss in [0.0, 0.1] {
            let path = Path::losing(loss);
            // Longer than the reference waits before it asks, and no answer of ours tells it before.
            let jobs = [Job::sends(0).pausing(50, 30_000), Job::sends(3_000_000)];
            let outcome = run(mode, 128, true, path, jobs, 8);
            let stopped = mode == Mode::Auto || outcome.least_window[0] == 0;
            assert!(stopped, "{mode:?}: our window closed: {outcome:?}");
            let jobs = [Job::sends(3_000_000), Job::sends(0).pausing(50, 30_000)];
            let outcome = run(mode, 128, true, path, jobs, 8);
            assert_eq!(outcome.least_window[1], 0, "{mode:?}: theirs closed");
            assert!(outcome.count(0, 83) >= 3 && outcome.count(1, 84) >= 3, "{mode:?}: we asked: {outcome:?}");
            assert!(outcome.count(0, 83) < 20, "{mode:?}: and not all the time: {outcome:?}");
        }
    }
}

#[test]
fn their_questions_are_answered() {
    // The path carries nothing for a while, so that what tells them of our window is lost.
    let jobs = [Job::sends(0).pausing(50, 60_000), Job::sends(3_000_000)];
    let outcome = run(Mode::Fast3, 128, true, Path::CLEAN, jobs, 9);
    assert!(outcome.count(1, 83) >= 1, "they asked: {outcome:?}");
    assert!(outcome.count(0, 84) >= outcome.count(1, 83), "and we answered each: {outcome:?}");
}

#[test]
fn a_path_that_loses_everything_is_a_dead_link_in_the_fixed_modes() {
    for mode in Mode::ALL.into_iter().filter(|mode| *mode != Mode::Auto) {
        let now = Instant::now();
        let (mut ours, mut theirs) = (ours(mode, 256, now), Theirs::new(mode, 256, true, now));
        let pipe = Pipe::new([&mut ours, &mut theirs], Path::losing(1.0), 10, now);
        let outcome = pipe.run([Job::sends(1000), Job::sends(0)], Duration::from_secs(3600));
        assert_eq!(outcome.dead, [true, false], "{mode:?}: {outcome:?}");
        assert_eq!(outcome.count(0, 81), 21, "{mode:?}: once, and twenty times again");
    }
}
