use super::*;

fn at(start: Time, monotonic: u64, wall: u64) -> Time {
    let wall_ns = start.wall_ns + Duration::from_millis(wall).as_nanos() as u64;
    Time { now: start.now + Duration::from_millis(monotonic), wall_ns }
}

#[test]
fn time_that_passes_for_both_clocks_is_no_pause() {
    let (start, mut clocks) = (now(), Clocks(now()));
    for second in [1, 2, 60, 3600] {
        assert!(!clocks.have_jumped(at(start, second * 1000, second * 1000 + 4000), None));
        clocks = Clocks(at(start, second * 1000, second * 1000));
    }
}

#[test]
fn a_wall_clock_that_ran_ahead_tells_of_sleep_once() {
    let start = now();
    let mut clocks = Clocks(start);
    assert!(clocks.have_jumped(at(start, 100, 5101), None));
    assert!(!clocks.have_jumped(at(start, 200, 5201), None));
    // Set back: no sleep.
    assert!(!clocks.have_jumped(at(start, 300, 0), None));
}

#[test]
fn a_timer_that_is_late_tells_of_a_stop() {
    let start = now();
    let mut clocks = Clocks(start);
    let due = start.now + Duration::from_millis(500);
    assert!(!clocks.have_jumped(at(start, 2500, 2500), Some(due)));
    assert!(clocks.have_jumped(at(start, 2501, 2501), Some(due)));
}
